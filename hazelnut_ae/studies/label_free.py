"""What each rule for τ keeps of the F1 at the best τ, for one detector on one set of images."""

import numpy as np
import pandas as pd

from hazelnut_ae import metrics, pasting, thresholds
from hazelnut_ae.engine import workflow
from hazelnut_ae.engine.files import DataError

RULES = {  # name: τ from maps of held-out good images and of pasted ones with their masks
    "99 % quantile": lambda good, pasted, masks: thresholds.tau_quantile(good, 0.01),
    "99.9 % quantile": lambda good, pasted, masks: thresholds.tau_quantile(good),
    "exponential": lambda good, pasted, masks: thresholds.tau_exponential(good),
    "pasted defects": lambda good, pasted, masks: pasting.tau_pasted(pasted, masks),
    "median of three": pasting.tau_median,
}


def label_free(dataset, run):
    """`kept` of a `Run`'s detector on a Dataset, as a DataFrame of one row; also "data" and "system".

    Raises: DataError without defective test images.
    """
    if not dataset.test.defect_names:
        raise DataError(f"{dataset.name} has no defective test images; put some into test/<defect> to measure on.")
    good = workflow.held_out(dataset, run)
    images, masks = pasting.paste_defects(np.asarray(good))
    found = run.detector.anomaly_maps
    shares = kept(found(dataset.test.images), dataset.test.masks, found(good), found(images), masks)
    return pd.DataFrame([{"data": dataset.name, "system": run.detector.name} | shares])


def kept(maps, masks, good_maps, pasted_maps, pasted_masks):
    """{rule: share of the F1 at the best τ over all pixels}, and "f1_max", that F1 itself.

    maps: float32 [N, H, W] of the test images, masks: bool; good_maps: [M, H, W] of held-out good images; pasted_maps:
    [K, H, W] of such with pasted defects, pasted_masks: bool, where these are.
    """
    best = metrics.PixelMetrics().update(maps, masks).compute()["f1_max"]
    found = {"f1_max": best}
    for name, rule in RULES.items():
        tau = rule(good_maps, pasted_maps, pasted_masks)
        found[name] = metrics.f1(metrics.pixel_confusion(maps, masks, tau)) / best
    return found
