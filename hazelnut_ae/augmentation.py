"""Augmentation (notebook 3): each photograph becomes five training images, by rotation, both flips and noise."""

import math

import numpy as np
import torch
from torch import nn
from torchvision.transforms.v2 import functional as F
from tqdm import tqdm

AUGMENTATIONS = ("rotation", "flip", "noise")  # the article's
ALL_AUGMENTATIONS = (*AUGMENTATIONS, "shift")
AUGMENTATION_PRESETS = {"turn": ("rotation", "flip", "shift"), "upright": ("shift",), "none": ()}
SHIFT = 0.04  # the largest shift, as a share of the side; Bergmann et al. (2019) do not state theirs
NOISE_STD = 0.02  # of the grey range [0, 1]; the article does not state its own
MEMORY_BUDGET = 1_000_000_000  # bytes; a larger set of copies is not stored


def rotate(image, degrees):
    """Rotates an image uint8 [3, H, W] counter-clockwise about its centre; fills the corners with its own reflection.

    Black corners would teach the network edges that no photograph has.
    """
    margin = int(np.ceil(image.shape[-1] * (2**0.5 - 1) / 2)) + 2  # the diagonal is longer than the side by twice this
    padded = F.pad(image, [margin], padding_mode="reflect")  # [3, H + 2m, W + 2m]
    rotated = F.rotate(padded, degrees, interpolation=F.InterpolationMode.BILINEAR)
    return F.center_crop(rotated, list(image.shape[-2:]))  # [3, H, W]


def shift(image, right, down):
    """Moves an image uint8 [3, H, W] by whole pixels, so without blur; fills the edge with its own reflection."""
    margin = max(abs(right), abs(down), 1)
    padded = F.pad(image, [margin], padding_mode="reflect")  # [3, H + 2m, W + 2m]
    height, width = image.shape[-2:]
    return F.crop(padded, margin - down, margin - right, height, width)  # [3, H, W]


def add_noise(image, generator):
    """Adds Gaussian noise to an image uint8 [3, H, W], as the sensor of a camera does; `generator` draws it."""
    noise = torch.randn(image.shape, generator=generator) * (255 * NOISE_STD)  # [3, H, W]
    return (image + noise).round().clamp(0, 255).to(torch.uint8)


def _shift_randomly(image, generator):
    farthest = round(SHIFT * image.shape[-1])
    return shift(image, *torch.randint(-farthest, farthest + 1, (2,), generator=generator).tolist())


OPERATIONS = (  # (augmentation, function), applied in this order
    ("rotation", lambda image, generator: rotate(image, float(torch.rand((), generator=generator)) * 360)),
    ("flip", lambda image, _: image.flip(-1)),
    ("flip", lambda image, _: image.flip(-2)),
    ("noise", add_noise),
    ("shift", _shift_randomly),
)


def augment(image, copy, seed, augmentations=AUGMENTATIONS):
    """Returns augmented copy number `copy` of an image uint8 [3, H, W]; the same (copy, seed) gives the same bytes.

    Copy 0 is the image itself, 1 is rotated, 2 and 3 are flipped, 4 is noisy. Copies from 5 on combine all
    augmentations, each flip with probability 1/2.
    """
    if copy == 0:
        return image
    generator = torch.Generator().manual_seed(seed * 1_000_003 + copy)
    operations = [(name, operation) for name, operation in OPERATIONS if name in augmentations]
    if copy <= len(operations):
        operations = [operations[copy - 1]]
    else:  # `or` draws a random number for a flip only
        operations = [one for one in operations if one[0] != "flip" or torch.rand((), generator=generator) < 0.5]
    for _, operation in operations:
        image = operation(image, generator)
    return image


def augment_batch(images, augmentations, generator):
    """Augments each image of a batch randomly, with one resampling; keeps shape and dtype.

    Rotations by any angle, flips with probability 1/2, shifts of at most 4 % of the side; reflection fills the edges.

    images: uint8, or float32 in [0, 1], [N, C, H, W]; augmentations: some of `ALL_AUGMENTATIONS`.
    """
    if not augmentations:
        return images
    number, width = len(images), images.shape[-1]
    angle, mirror, offset = torch.zeros(number), torch.ones(number), torch.zeros(number, 2)
    if "shift" in augmentations:  # by whole pixels, so without blur; a coordinate is measured in half widths
        pixels = ((torch.rand(number, 2, generator=generator) * 2 - 1) * SHIFT * width).round()  # [N, 2]
        offset = pixels * 2 / width
    if "rotation" in augmentations:
        angle = torch.rand(number, generator=generator) * 2 * math.pi
    if "flip" in augmentations:
        mirror = torch.randint(0, 2, (number,), generator=generator) * 2.0 - 1
    cos, sin = angle.cos(), angle.sin()  # [N]
    matrix = torch.stack([mirror * cos, -sin, offset[:, 0], mirror * sin, cos, offset[:, 1]], dim=1).view(-1, 2, 3)
    grid = nn.functional.affine_grid(matrix, list(images.shape), align_corners=False)  # [N, H, W, 2]
    x = images.float() / 255 if images.dtype == torch.uint8 else images  # [N, C, H, W]
    x = nn.functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)  # [N, C, H, W]
    if "noise" in augmentations:
        x = (x + torch.randn(x.shape, generator=generator) * NOISE_STD).clamp(0, 1)
    return (x * 255).round().to(torch.uint8) if images.dtype == torch.uint8 else x


def random_batch(images, batch_size, augmentations, seed, step):
    """Draws one batch of random images, augmented with `augment_batch`: float32 [batch_size, C, H, W] in [0, 1].

    images: a tensor [M, C, H, W] as for `augment_batch`. Only seed and step decide the batch, also in a resumed run.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    batch = images[torch.randint(0, len(images), (batch_size,), generator=generator)]
    return augment_batch(batch.float() / 255 if batch.dtype == torch.uint8 else batch, augmentations, generator)


class AugmentedImages:
    """A training set with `copies` of every image.

    images: uint8 [M, 3, H, W], may be a memory map; rows: the rows to use, None for all.
    """

    stored = None  # all of them, uint8 [copies·M, 3, H, W], if they fit in memory

    def __init__(self, images, copies, seed=0, augmentations=AUGMENTATIONS, rows=None):
        self.images, self.copies, self.seed, self.augmentations = images, copies, seed, augmentations
        self.rows = np.arange(len(images)) if rows is None else np.asarray(rows)

    def __len__(self):
        return self.copies * len(self.rows)

    def to(self, device):
        """Moves stored images to a device, as uint8: a quarter of what float32 takes. Others are made on the CPU."""
        self.stored = None if self.stored is None else self.stored.to(device)
        return self


class AugmentedCopies(AugmentedImages):
    """A fixed training set. It is stored in memory unless it is larger than `MEMORY_BUDGET`."""

    def __init__(self, images, copies, seed=0, augmentations=AUGMENTATIONS, rows=None):
        super().__init__(images, copies, seed, augmentations, rows)
        if len(self) * math.prod(images.shape[1:]) <= MEMORY_BUDGET:
            self.stored = torch.empty((len(self), *images.shape[1:]), dtype=torch.uint8)
            for index in tqdm(range(len(self)), desc="augmenting", unit="image", disable=None, leave=False):
                self.stored[index] = self.make(index)

    def make(self, index):
        """Makes image number `index` of the set, uint8 [3, H, W]."""
        copy, source = divmod(int(index), len(self.rows))
        image = torch.from_numpy(np.array(self.images[self.rows[source]]))
        return augment(image, copy, self.seed + source * 7919, self.augmentations)

    def batch(self, indices, step=None):
        """Returns the images with these numbers, uint8 [len(indices), 3, H, W]; `step` changes nothing here."""
        if self.stored is not None:
            return self.stored[indices.to(self.stored.device)]
        return torch.stack([self.make(index) for index in indices])


class OnlineAugmentation(AugmentedImages):
    """A training set in which no image repeats: `augment_batch` makes each batch when it is needed."""

    def batch(self, indices, step):
        """Makes new images from those numbers, uint8 [len(indices), 3, H, W]; (seed, step) decides their bytes."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        chosen = self.images[self.rows[np.asarray(indices) % len(self.rows)]]  # uint8 [N, 3, H, W]
        return augment_batch(torch.from_numpy(np.ascontiguousarray(chosen)), self.augmentations, generator)
