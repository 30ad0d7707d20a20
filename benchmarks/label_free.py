"""What each rule for τ keeps of the F1 at the best τ, for one detector on one set of images."""

import numpy as np
import pandas as pd

from hazelnut_ae import metrics, synthetic_anomalies, thresholds
from hazelnut_ae.comparison.compare import as_the_run, fit
from hazelnut_ae.comparison.systems import options_of
from hazelnut_ae.engine import run_data
from hazelnut_ae.errors import DataError

RULES = {  # name: τ from maps of held-out good images and of pasted ones with their masks
    "99 % quantile": lambda good, pasted, masks: thresholds.tau_quantile(good, 0.01),
    "99.9 % quantile": lambda good, pasted, masks: thresholds.tau_quantile(good),
    "exponential": lambda good, pasted, masks: thresholds.tau_exponential(good),
    "pasted defects": lambda good, pasted, masks: synthetic_anomalies.tau_pasted(pasted, masks),
    "median of three": synthetic_anomalies.tau_median,
}


def label_free(dataset, run, system=None):
    """`kept` of a `Run`'s detector on a Dataset, as a DataFrame of one row; also "data" and "system".

    system: instead of the run's own detector that comparison system, fitted beside it as `compare` does.
    Raises: DataError without defective test images, or for a system that does not exist.
    """
    if not dataset.test.defect_names:
        raise DataError(f"{dataset.name} has no defective test images; put some into test/<defect> to measure on.")
    good = run_data.held_out(dataset, run)
    images, masks = synthetic_anomalies.paste_defects(np.asarray(good))
    detector = run.detector
    if system is not None:
        options_of(system, "quick")  # an unknown name is refused
        detector, _ = fit(dataset, run.folder / "comparison", system, **as_the_run(run))
    found = detector.anomaly_maps
    shares = kept(found(dataset.test.images), dataset.test.masks, found(good), found(images), masks)
    return pd.DataFrame([{"data": dataset.name, "system": detector.name} | shares])


def kept(maps, masks, good_maps, pasted_maps, pasted_masks):
    """{rule: share of the F1 at the best τ over all pixels}, and "f1_max", that F1 itself, at "tau_best"; "tau_pasted",
    what the pasted defects tell instead, and "pasted_f1_max", the F1 that they themselves have at most; "area" and
    "pasted_area", the shares of pixels that are defective, where images are.

    maps: float32 [N, H, W] of the test images, masks: bool; good_maps: [M, H, W] of held-out good images; pasted_maps:
    [K, H, W] of such with pasted defects, pasted_masks: bool, where these are.
    """
    real, pasted = (
        metrics.PixelMetrics().update(*pair).compute() for pair in ((maps, masks), (pasted_maps, pasted_masks))
    )
    found = {"f1_max": real["f1_max"]}
    for name, rule in RULES.items():
        tau = rule(good_maps, pasted_maps, pasted_masks)
        found[name] = metrics.f1(metrics.pixel_confusion(maps, masks, tau)) / real["f1_max"]
    return found | {
        "tau_best": real["tau"],
        "tau_pasted": synthetic_anomalies.tau_pasted(pasted_maps, pasted_masks),
        "pasted_f1_max": pasted["f1_max"],
        "area": np.mean(masks),
        "pasted_area": np.mean(pasted_masks),
    }
