"""Augmentation (notebook 3): each photograph becomes five training images, by rotation, both flips and noise.

391 × 5 = 1955 images, "approximately 2000". Smaller sets take more copies: the first five are the article's, the
others combine all three.
"""

import math

import numpy as np
import torch
from torch import nn
from torchvision.transforms.v2 import functional as F
from tqdm import tqdm

from hazelnut_ae.io import cache

AUGMENTATIONS = ("rotation", "flip", "noise")  # the article's
KINDS = (*AUGMENTATIONS, "shift")
SHORT = {"turn": ("rotation", "flip", "shift"), "upright": ("shift",), "none": ()}  # other names for common choices
SHIFT = 0.04  # of the side, the farthest that an image is moved; Bergmann et al. (2019) do not print theirs
NOISE_STD = 0.02  # of the grey range [0, 1]; the article does not print its own
MEMORY_BUDGET = 1_000_000_000  # bytes; a larger augmented set lies on the disk instead


def rotate(image, degrees):
    """Rotates uint8 [3, H, W] about its centre; what comes in at the corners is the image's own reflection.

    Filling the corners with black would teach the network edges that no photograph has.
    """
    margin = int(np.ceil(image.shape[-1] * (2**0.5 - 1) / 2)) + 2  # half of what the diagonal is longer than the side
    padded = F.pad(image, [margin], padding_mode="reflect")  # [3, H + 2m, W + 2m]
    rotated = F.rotate(padded, degrees, interpolation=F.InterpolationMode.BILINEAR)
    return F.center_crop(rotated, list(image.shape[-2:]))  # [3, H, W]


def shift(image, right, down):
    """Moves uint8 [3, H, W] by whole pixels, so without a blur; what comes in is the image's own reflection."""
    margin = max(abs(right), abs(down), 1)
    padded = F.pad(image, [margin], padding_mode="reflect")  # [3, H + 2m, W + 2m]
    height, width = image.shape[-2:]
    return F.crop(padded, margin - down, margin - right, height, width)  # [3, H, W]


def add_noise(image, generator):
    """Adds Gaussian noise to uint8 [3, H, W], as a camera's sensor would."""
    noise = torch.randn(image.shape, generator=generator) * (255 * NOISE_STD)  # [3, H, W]
    return (image + noise).round().clamp(0, 255).to(torch.uint8)


def augment(image, copy, seed, kinds=AUGMENTATIONS):
    """Copy number `copy` of the image uint8 [3, H, W]; the same (copy, seed) gives the same bytes.

    Copy 0 is the image itself, 1 rotated, 2 and 3 flipped, 4 noisy; from 5 on all of `kinds` together.
    """
    if copy == 0:
        return image
    generator = torch.Generator().manual_seed(seed * 1_000_003 + copy)
    recipes = [kind for kind in ("rotation", "flip-h", "flip-v", "noise", "shift") if kind.split("-")[0] in kinds]
    if copy <= len(recipes):
        recipe = recipes[copy - 1 : copy]
    else:
        recipe = [kind for kind in recipes if kind[:5] != "flip-" or torch.rand((), generator=generator) < 0.5]
    for kind in recipe:
        if kind == "rotation":
            image = rotate(image, float(torch.rand((), generator=generator)) * 360)
        elif kind == "flip-h":
            image = F.horizontal_flip(image)
        elif kind == "flip-v":
            image = F.vertical_flip(image)
        elif kind == "shift":
            farthest = round(SHIFT * image.shape[-1])
            right, down = torch.randint(-farthest, farthest + 1, (2,), generator=generator).tolist()
            image = shift(image, right, down)
        else:
            image = add_noise(image, generator)
    return image


def augment_batch(images, kinds, generator):
    """Changes every image of a batch, float32 [N, C, H, W] in [0, 1], by its own random amount.

    The border is reflected. kinds: some of `KINDS`; a rotation is by any angle, a flip in half of the images, a shift
    by up to 4 % of the side.
    """
    if not kinds:
        return images
    number, width = len(images), images.shape[-1]
    angle, mirror, moved = torch.zeros(number), torch.ones(number), torch.zeros(number, 2)
    if "shift" in kinds:  # by whole pixels, so without a blur; affine_grid measures in half widths
        moved = ((torch.rand(number, 2, generator=generator) * 2 - 1) * SHIFT * width).round() * 2 / width  # [N, 2]
    if "rotation" in kinds:
        angle = torch.rand(number, generator=generator) * 2 * math.pi
    if "flip" in kinds:
        mirror = torch.randint(0, 2, (number,), generator=generator) * 2.0 - 1
    rows = [
        torch.stack([mirror * angle.cos(), -angle.sin(), moved[:, 0]], dim=1),
        torch.stack([mirror * angle.sin(), angle.cos(), moved[:, 1]], dim=1),
    ]
    grid = nn.functional.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)  # [N, H, W, 2]
    images = nn.functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)  # [N, C, H, W]
    if "noise" in kinds:
        images = (images + torch.randn(images.shape, generator=generator) * NOISE_STD).clamp(0, 1)
    return images


def random_batch(images, batch_size, kinds, seed, step):
    """One batch of random images, changed by `augment_batch`: float32 [B, C, H, W] in [0, 1], from uint8 or float32.

    It depends on nothing but (seed, step): a fit that resumes at step k sees what it would have seen.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    chosen = torch.randint(0, len(images), (batch_size,), generator=generator)
    batch = images[chosen]
    return augment_batch(batch.float() / 255 if batch.dtype == torch.uint8 else batch, kinds, generator)


class AugmentedSet:
    """The augmented training set: `copies` of every image uint8 [N, 3, H, W], numbered 0 … copies × N - 1.

    rows: the numbers of the images to use, all by default; `images` may be a memory map, of which nothing is copied.
    Made once, and held in memory while it fits in `MEMORY_BUDGET`, else on the disk, where reading costs next to
    nothing beside a training step; where the disk lacks the room, made anew batch by batch.
    """

    def __init__(self, images, copies, seed=0, kinds=AUGMENTATIONS, rows=None):
        self.images, self.copies, self.seed, self.kinds = images, copies, seed, kinds
        self.rows = np.arange(len(images)) if rows is None else np.asarray(rows)
        shape = (len(self), *images.shape[1:])  # [copies·N, 3, H, W]
        self.in_memory = math.prod(shape) <= MEMORY_BUDGET
        held = np.empty(shape, np.uint8) if self.in_memory else cache.disk_array(shape)
        self.held = None if held is None else torch.from_numpy(held)
        if not self.in_memory:
            where = "on the disk, in the cache" if self.held is not None else "nowhere: each batch is made anew"
            print(f"The augmented set of {len(self)} images takes {math.prod(shape) / 1e9:.1f} GB; it is kept {where}.")
        if self.held is not None:
            for index in tqdm(range(len(self)), desc="augmenting", unit="image", disable=None, leave=False):
                self.held[index] = self.make(index)

    def __len__(self):
        return self.copies * len(self.rows)

    def to(self, device):
        """Moves what is held in memory to a device, whole: uint8 is a quarter of what float32 would take there."""
        if self.in_memory:
            self.held = self.held.to(device)
        return self

    def make(self, index):
        """Image number `index` of the augmented set, uint8 [3, H, W]."""
        copy, source = divmod(int(index), len(self.rows))
        image = torch.from_numpy(np.array(self.images[self.rows[source]]))
        return augment(image, copy, seed=self.seed + source * 7919, kinds=self.kinds)

    def batch(self, indices, step=None):
        """The images of those numbers, uint8 [len(indices), 3, H, W]; the same ones whatever the step."""
        if self.held is not None:
            return self.held[indices.to(self.held.device)]
        return torch.stack([self.make(index) for index in indices])


class FreshSet:
    """An augmented set of which no image comes twice: each is made when it is asked for, by `augment_batch`.

    `copies` of every image count as an epoch; rows, seed and kinds as in `AugmentedSet`. Only the images are held.
    """

    def __init__(self, images, copies, seed=0, kinds=AUGMENTATIONS, rows=None):
        self.images, self.copies, self.seed, self.kinds = images, copies, seed, kinds
        self.rows = np.arange(len(images)) if rows is None else np.asarray(rows)

    def __len__(self):
        return self.copies * len(self.rows)

    def to(self, device):
        """Images are augmented where they lie, so that the device is left to the training."""
        return self

    def batch(self, indices, step):
        """New images from those numbers, uint8 [len(indices), 3, H, W]; the same (seed, step) gives the same ones."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        chosen = self.images[self.rows[np.asarray(indices) % len(self.rows)]]  # uint8 [N, 3, H, W]
        x = augment_batch(torch.from_numpy(np.ascontiguousarray(chosen)).float() / 255, self.kinds, generator)
        return (x * 255).round().to(torch.uint8)  # [N, 3, H, W]
