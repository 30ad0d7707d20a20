"""Why a number measured here is not the published one: choices, of which the papers leave some open, one at a time.

    python -m benchmarks variants DIR --maps runs/variants --out variants.csv

Written for MVTec AD's transistor, all of whose photographs are shot in one orientation, and whose defect "misplaced"
makes up most of the defective pixels.
"""

import numpy as np
import pandas as pd
import torch
from skimage.filters import gaussian
from torch.nn import functional as F

from hazelnut_ae import metrics
from hazelnut_ae.augmentation import AUGMENTATION_PRESETS
from hazelnut_ae.baselines import MeanImageDetector
from hazelnut_ae.comparison.compare import VERSION, short_name
from hazelnut_ae.comparison.systems import SYSTEMS, options_of
from hazelnut_ae.engine.checkpoints import Checkpoint, read_tensors, write_tensors
from hazelnut_ae.errors import DataError
from hazelnut_ae.training import split_good, to_float

SMOOTHING = 4  # pixels, of the Gaussian in the column pixel_auroc_smoothed; PaDiM and PatchCore use the same

# system, what is different from its setting with augment="upright", the detail kept, in pixels a side
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


def coarser(images, size):
    """uint8 [N, 3, H, W] -> the same shape with no more detail than `size` pixels a side hold."""
    if size >= images.shape[-1]:
        return images
    x = torch.from_numpy(np.ascontiguousarray(images)).float()  # [N, 3, H, W]
    small = F.interpolate(x, size=(size, size), mode="area")  # [N, 3, size, size]
    return F.interpolate(small, size=images.shape[-2:], mode="bilinear").round().to(torch.uint8).numpy()


def variants(data, folder, names=None, seed=0, setting="quick"):
    """Fits and measures each of `VARIANTS` (or those named), and the mean image, on a `Dataset`.

    The maps are kept in `folder`; a second call, or one after an interruption, computes what is missing.
    Returns a DataFrame: variant, pixel_auroc, pixel_auroc_smoothed (after a Gaussian of 4 pixels over each map),
    pixel_auroc_<defect> (that defect's images and the good ones alone). Raises: DataError for an unknown name.
    """
    for name in names or ():
        if name not in VARIANTS:
            raise DataError(f"there is no variant {name!r}; choose from {'; '.join(VARIANTS)}.")
    if not len(data.test):
        raise DataError(f"{data.name} has no test images; put some into test/good and test/<defect> to compare on.")
    train_rows, _ = split_good(len(data.train), seed)
    good, test = data.train.images[train_rows], data.test
    mean_image = MeanImageDetector()
    mean_image.fit(good)
    difference = to_float(test.images) - mean_image.mean  # [N, 3, H, W]
    distance = difference.square().mean(dim=1).sqrt().numpy()  # root mean square of the channels, as AE(L2)'s maps
    rows = [measured("mean image, no learning", distance, test)]
    for name in names or VARIANTS:
        system, changes, size = VARIANTS[name]
        options = dict(augment=AUGMENTATION_PRESETS["upright"], seed=seed) | options_of(system, setting) | changes
        path = folder / (name.replace(", ", "_").replace(" ", "-") + ".safetensors")
        named = options | {"augment": short_name(options["augment"])}
        key = f"{VERSION} {data.fingerprint} {system} {sorted(named.items())} {size}"
        maps = read_tensors(path, key)[0]
        if maps is None:
            checkpoint = Checkpoint(path.with_suffix(".checkpoint.pt"), key)
            detector = SYSTEMS[system].detector(**options)
            detector.fit(coarser(good, size), checkpoint)
            maps = {"maps": torch.from_numpy(detector.anomaly_maps(coarser(test.images, size)))}
            write_tensors(path, maps, key, {"fit_s": checkpoint.seconds})
            checkpoint.remove()
        rows.append(measured(name, maps["maps"].numpy(), test))
    return pd.DataFrame(rows)


def measured(name, maps, test):
    """One row of `variants` from maps float32 [N, H, W] of an ImageSet."""
    smoothed = np.stack([gaussian(one, SMOOTHING) for one in maps]).astype(np.float32)  # [N, H, W]
    kinds = np.array(test.defects)
    row = {
        "variant": name,
        "pixel_auroc": pixel_auroc(maps, test.masks),
        "pixel_auroc_smoothed": pixel_auroc(smoothed, test.masks),
    }
    for defect in test.defect_names:
        of_it = np.flatnonzero((kinds == defect) | (kinds == "good"))
        row[f"pixel_auroc_{defect}"] = pixel_auroc(maps[of_it], test.masks[of_it])
    return row


def pixel_auroc(maps, masks):
    """The chance that a defective pixel scores above a good one."""
    return metrics.PixelMetrics().update(maps, masks).compute()["auroc"]
