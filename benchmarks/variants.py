"""Fit the comparison systems with one choice changed at a time: why a number is not the published one.

Written for MVTec AD's transistor, all of whose photographs show one orientation, and whose defect "misplaced" covers
most of the defective pixels. The papers leave some of these choices open.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from skimage.filters import gaussian
from torch.nn import functional as F

from benchmarks.common import add_data, load_test_set
from hazelnut_ae import metrics
from hazelnut_ae.augmentation import AUGMENTATION_PRESETS
from hazelnut_ae.baselines import MeanImageDetector
from hazelnut_ae.comparison.compare import VERSION, short_name
from hazelnut_ae.comparison.systems import SYSTEMS, options_of
from hazelnut_ae.engine.checkpoints import read_tensors, write_tensors
from hazelnut_ae.errors import DataError
from hazelnut_ae.training import split_good, to_float

OUT = "variants.csv"
SMOOTHING = 4  # pixels, of the Gaussian in the column pixel_auroc_smoothed; PaDiM and PatchCore use the same

# name: (system, what differs from its setting with augment="upright", pixels per side of the detail that is kept)
VARIANTS = {
    "AE(L2)": ("ae-l2", {}, 256),
    "AE(L2), any rotation": ("ae-l2", {"augment": AUGMENTATION_PRESETS["turn"]}, 256),
    "AE(L2), no augmentation": ("ae-l2", {"augment": AUGMENTATION_PRESETS["none"]}, 256),
    "AE(L2), latent size 100": ("ae-l2", {"latent_dim": 100}, 256),
    "AE(L2), latent size 16": ("ae-l2", {"latent_dim": 16}, 256),
    "AE(L2), grey": ("ae-l2", {"grey": True}, 256),
    "AE(L2), detail of 128 pixels": ("ae-l2", {}, 128),
    "AE(L2), 300 steps": ("ae-l2", {"steps": 300}, 256),
    "AE(L2), 3000 steps": ("ae-l2", {"steps": 3000}, 256),
    "AE(SSIM)": ("ae-ssim", {}, 256),
    "AE(SSIM), any rotation": ("ae-ssim", {"augment": AUGMENTATION_PRESETS["turn"]}, 256),
    "AE(SSIM), latent size 100": ("ae-ssim", {"latent_dim": 100}, 256),
    "AE(SSIM), colour": ("ae-ssim", {"grey": False}, 256),
    "AE(SSIM), 3000 steps": ("ae-ssim", {"steps": 3000}, 256),
    "AnoGAN": ("anogan", {}, 256),
    "AnoGAN, any rotation": ("anogan", {"augment": AUGMENTATION_PRESETS["turn"]}, 256),
    "AnoGAN, 1600 steps": ("anogan", {"steps": 1600}, 256),
}


def add_options(command):
    add_data(command)
    command.add_argument("--maps", default="runs/variants", help="folder that keeps the maps between calls")
    command.add_argument("--only", type=lambda text: text.split(";"), help='some variants, as "AE(L2);AE(L2), grey"')


def run(options):
    return variants(load_test_set(options.data), Path(options.maps), options.only)


def coarser(images, size):
    """Removes from uint8 images [N, 3, H, W] the detail that `size` pixels per side cannot hold."""
    if size >= images.shape[-1]:
        return images
    x = torch.from_numpy(np.ascontiguousarray(images)).float()  # [N, 3, H, W]
    small = F.interpolate(x, size=(size, size), mode="area")  # [N, 3, size, size]
    return F.interpolate(small, size=images.shape[-2:], mode="bilinear").round().to(torch.uint8).numpy()


def variants(data, folder, names=None, seed=0, setting="quick"):
    """Fits and measures the variants and the mean image.

    Args:
        data: a Dataset with test images.
        folder: stores the maps; a second call computes only what is missing.
        names: some of `VARIANTS`; all by default.
        seed: of each fit.
        setting: "tiny", "quick" or "paper".

    Returns:
        A DataFrame: variant, pixel_auroc, pixel_auroc_smoothed (each map through a Gaussian of 4 pixels), and
        pixel_auroc_<defect> (the images of that defect and the good ones).

    Raises:
        DataError: there is no such variant.
    """
    for name in names or ():
        if name not in VARIANTS:
            raise DataError(f"there is no variant {name!r}; choose from {'; '.join(VARIANTS)}.")
    train_rows, _ = split_good(len(data.train), seed)
    good = data.train.images[train_rows]
    mean_image = MeanImageDetector()
    mean_image.fit(good)
    difference = to_float(data.test.images) - mean_image.mean  # [N, 3, H, W]
    distance = difference.square().mean(dim=1).sqrt().numpy()  # root mean square of the channels, as in AE(L2)'s maps
    rows = [measured("mean image, no learning", distance, data.test)]
    for name in names or VARIANTS:
        rows.append(measured(name, maps_of(name, good, data, folder, seed, setting), data.test))
    return pd.DataFrame(rows)


def maps_of(name, good, data, folder, seed, setting):
    """Returns the anomaly maps of a variant, float32 [N, H, W], from the folder or fitted now."""
    system, changes, size = VARIANTS[name]
    options = dict(augment=AUGMENTATION_PRESETS["upright"], seed=seed) | options_of(system, setting) | changes
    path = folder / (name.replace(", ", "_").replace(" ", "-") + ".safetensors")
    named = options | {"augment": short_name(options["augment"])}
    key = f"{VERSION} {data.fingerprint} {system} {sorted(named.items())} {size}"
    maps = read_tensors(path, key)[0]
    if maps is None:
        detector = SYSTEMS[system].detector(**options)
        detector.fit(coarser(good, size))
        maps = {"maps": torch.from_numpy(detector.anomaly_maps(coarser(data.test.images, size)))}
        write_tensors(path, maps, key, {})
    return maps["maps"].numpy()


def measured(name, maps, test):
    """Returns one row of `variants` from maps float32 [N, H, W] of an ImageSet."""
    smoothed = np.stack([gaussian(one, SMOOTHING) for one in maps]).astype(np.float32)  # [N, H, W]
    defects = np.array(test.defects)
    row = {
        "variant": name,
        "pixel_auroc": pixel_auroc(maps, test.masks),
        "pixel_auroc_smoothed": pixel_auroc(smoothed, test.masks),
    }
    for defect in test.defect_names:
        chosen = np.flatnonzero((defects == defect) | (defects == "good"))
        row[f"pixel_auroc_{defect}"] = pixel_auroc(maps[chosen], test.masks[chosen])
    return row


def pixel_auroc(maps, masks):
    return metrics.PixelMetrics().update(maps, masks).compute()["auroc"]
