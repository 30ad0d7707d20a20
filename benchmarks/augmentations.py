"""What each choice of notebook 3 does to a short training: copies or none, fixed or fresh, turned or not, corners.

Notebook 3 runs it. What was measured is kept in the cache, variant by variant.
"""

import zlib

import numpy as np
import pandas as pd
import torch
from torchvision.transforms.v2 import functional as F
from tqdm import tqdm

from hazelnut_ae import metrics, training
from hazelnut_ae.augmentation import AugmentedCopies, OnlineAugmentation
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.detection import reconstruct, residual
from hazelnut_ae.engine.device import best_precision, prepare_network
from hazelnut_ae.errors import DataError
from hazelnut_ae.io import cache
from hazelnut_ae.io.files import read_json, write_json

CODE = 1  # counts up with each change of what is measured: numbers of an older one are not taken
BATCH_SIZE = 8
LEARNING_RATE = 1e-2  # the highest of the one-cycle schedule
CORNER = 40  # pixels, the side of the squares in which the corners are measured
TURNED = ("rotation", "flip")


class BlackCornerSet(OnlineAugmentation):
    """Fresh copies, turned as torchvision's default does it: what comes in at the corners is black."""

    def batch(self, indices, step):
        """New images from those numbers, uint8 [len(indices), 3, H, W]; the same (seed, step) gives the same ones."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        turned = []
        for row in self.rows[np.asarray(indices) % len(self.rows)]:
            degrees, mirrored = torch.rand(2, generator=generator).tolist()
            image = torch.from_numpy(np.array(self.images[row]))  # uint8 [3, H, W]
            image = F.horizontal_flip(image) if mirrored < 0.5 else image
            turned.append(F.rotate(image, 360 * degrees, interpolation=F.InterpolationMode.BILINEAR))
        return torch.stack(turned)


VARIANTS = {  # name: (the set of images, its copies, what is done to them, what is added to the seed)
    "no copies": (AugmentedCopies, 1, (), 0),
    "five fixed copies": (AugmentedCopies, 5, TURNED, 0),
    "fresh, flipped only": (OnlineAugmentation, 20, ("flip",), 0),
    "fresh, turned": (OnlineAugmentation, 20, TURNED, 0),
    "fresh, turned, black corners": (BlackCornerSet, 20, TURNED, 0),
    "fresh, turned, another seed": (OnlineAugmentation, 20, TURNED, 1),
}


def augmentations(data, steps=240, seed=0):
    """Trains the article's network on a Dataset for `steps` steps once per variant, and measures each.

    Returns a DataFrame with a row per variant: learnt_from and held_out (the loss of those good images, in evaluation
    mode), corners (mean residual of held-out images in their four corners, in grey levels of 255), pixel_auroc and
    f1_max (of the test images; nan without defective ones). Raises: DataError for too few images.
    """
    rows = {}
    for name in tqdm(VARIANTS, desc="short trainings", unit="training", disable=None):
        path = _kept(data, steps, seed, name)
        try:
            rows[name] = read_json(path, "")
        except DataError:
            rows[name] = _measured(name, data, steps, seed)
            write_json(path, rows[name])
    return pd.DataFrame(rows).T.astype(float)


def _kept(data, steps, seed, name):
    """Where the numbers of a variant lie."""
    key = zlib.crc32(f"{CODE} {steps} {seed} {name}".encode())
    folder = cache.cache_folder() / "augmentations"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{data.fingerprint[:12]}-{key:08x}.json"


def trained(name, images, rows, steps, seed):
    """The network after `steps` steps of a variant on the images uint8 [N, 3, 256, 256] of those rows."""
    kind, copies, changes, further = VARIANTS[name]
    seed = seed + further
    augmented = kind(images, copies, seed, changes, rows)
    torch.manual_seed(seed)
    model = Autoencoder()
    optimizer = torch.optim.Adam(model.parameters())
    precision = best_precision("cpu")
    network = prepare_network(model, "cpu", precision)
    order = np.random.default_rng(seed)

    def batches():
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = training.one_cycle(step, steps, LEARNING_RATE)
            yield augmented.batch(torch.from_numpy(order.integers(0, len(augmented), BATCH_SIZE)), step)

    for _ in training.train(network, optimizer, batches()):
        pass
    return model.eval()


def _measured(name, data, steps, seed):
    """One row of `augmentations`, as a dict."""
    rows, held_out_rows = training.split_good(len(data.train), seed)
    images, held_out = data.train.images, data.train.images[held_out_rows]
    model = trained(name, images, rows, steps, seed)
    on_good = residual(held_out, reconstruct(model, held_out))  # float32 [M, 256, 256]
    ends = slice(CORNER), slice(-CORNER, None)
    corners = [on_good[:, y, x] for y in ends for x in ends]
    maps = residual(data.test.images, reconstruct(model, data.test.images))  # float32 [N, 256, 256]
    pixels = metrics.PixelMetrics().update(maps, data.test.masks).compute() if len(maps) else {}
    return {
        "learnt_from": training.loss_on(model, images[rows]),
        "held_out": training.loss_on(model, held_out),
        "corners": 255 * float(np.mean(corners)),
        "pixel_auroc": pixels.get("auroc"),
        "f1_max": pixels.get("f1_max"),
    }
