"""Train six short runs that differ only in their augmented copies, and measure each (notebook 3)."""

import numpy as np
import torch
from torchvision.transforms.v2 import functional as F
from tqdm import tqdm

from benchmarks.common import add_data, load_test_set
from hazelnut_ae import metrics, training
from hazelnut_ae.augmentation import AugmentedCopies, OnlineAugmentation
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.detection import reconstruct, residual
from hazelnut_ae.engine.device import best_precision, prepare_network

OUT = "augmentations.json"
BATCH_SIZE = 8
LEARNING_RATE = 1e-2  # the highest of the one-cycle schedule
CORNER = 40  # pixels, the side of the squares in which the corners are measured
TURNED = ("rotation", "flip")


class BlackCorners(OnlineAugmentation):
    """Online augmentation, rotated as torchvision does by default: the corners become black."""

    def batch(self, indices, step):
        """Returns new images, uint8 [len(indices), 3, H, W]; the same seed and step give the same ones."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        rotated = []
        for row in self.rows[np.asarray(indices) % len(self.rows)]:
            turn, mirror = torch.rand(2, generator=generator).tolist()
            image = torch.from_numpy(np.array(self.images[row]))  # uint8 [3, H, W]
            image = F.horizontal_flip(image) if mirror < 0.5 else image
            rotated.append(F.rotate(image, 360 * turn, interpolation=F.InterpolationMode.BILINEAR))
        return torch.stack(rotated)


VARIANTS = {  # name: (class of the training set, copies of each image, augmentations, what is added to the seed)
    "no copies": (AugmentedCopies, 1, (), 0),
    "five fixed copies": (AugmentedCopies, 5, TURNED, 0),
    "fresh, flipped only": (OnlineAugmentation, 20, ("flip",), 0),
    "fresh, turned": (OnlineAugmentation, 20, TURNED, 0),
    "fresh, turned, black corners": (BlackCorners, 20, TURNED, 0),
    "fresh, turned, another seed": (OnlineAugmentation, 20, TURNED, 1),
}


def add_options(command):
    add_data(command)
    command.add_argument("--steps", type=int, default=240, help="of each run (default: 240)")


def run(options):
    return augmentations(load_test_set(options.data), options.steps)


def augmentations(data, steps=240, seed=0):
    """Trains the article's network once per variant and measures it.

    Args:
        data: a Dataset with test images.
        steps: of each training.
        seed: of the weights, the order and the augmentation.

    Returns:
        A dict {variant: dict}: learnt_from and held_out (loss of those good images), corners (mean residual of the
        held-out images in their corners, in grey levels of 255), pixel_auroc and f1_max (of the test images).
    """
    rows, held_out_rows = training.split_good(len(data.train), seed)
    images, held_out = data.train.images, data.train.images[held_out_rows]
    found = {}
    for name in tqdm(VARIANTS, desc="short trainings", unit="training", disable=None):
        model = trained(name, images, rows, steps, seed)
        on_good = residual(held_out, reconstruct(model, held_out))  # float32 [M, 256, 256]
        ends = slice(CORNER), slice(-CORNER, None)
        corners = [on_good[:, y, x] for y in ends for x in ends]
        maps = residual(data.test.images, reconstruct(model, data.test.images))  # float32 [N, 256, 256]
        pixels = metrics.PixelMetrics().update(maps, data.test.masks).compute()
        found[name] = {
            "learnt_from": training.loss_on(model, images[rows]),
            "held_out": training.loss_on(model, held_out),
            "corners": 255 * float(np.mean(corners)),
            "pixel_auroc": pixels["auroc"],
            "f1_max": pixels["f1_max"],
        }
    return found


def trained(name, images, rows, steps, seed):
    """Returns the network after `steps` steps of a variant on those rows of images uint8 [N, 3, 256, 256]."""
    training_set, copies, changes, seed_offset = VARIANTS[name]
    seed += seed_offset
    augmented = training_set(images, copies, seed, changes, rows)
    torch.manual_seed(seed)
    model = Autoencoder()
    optimizer = torch.optim.Adam(model.parameters())
    network = prepare_network(model, "cpu", best_precision("cpu"))
    order = np.random.default_rng(seed)

    def batches():
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = training.one_cycle(step, steps, LEARNING_RATE)
            yield augmented.batch(torch.from_numpy(order.integers(0, len(augmented), BATCH_SIZE)), step)

    for _ in training.train(network, optimizer, batches()):
        pass
    return model.eval()
