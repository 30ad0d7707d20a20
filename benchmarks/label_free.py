"""Measure which share of the best F1 each label-free rule for τ reaches, for one detector and one data set."""

import numpy as np
import pandas as pd

from benchmarks.common import add_data
from hazelnut_ae import metrics, synthetic_anomalies, thresholds
from hazelnut_ae.comparison.compare import as_the_run, fit
from hazelnut_ae.comparison.systems import options_of
from hazelnut_ae.engine import run_data
from hazelnut_ae.errors import DataError

OUT = "label_free.csv"
RULES = {  # name: τ from maps of held-out good images, and from maps and masks of images with pasted defects
    "99 % quantile": lambda good, pasted, masks: thresholds.tau_quantile(good, 0.01),
    "99.9 % quantile": lambda good, pasted, masks: thresholds.tau_quantile(good),
    "exponential": lambda good, pasted, masks: thresholds.tau_exponential(good),
    "pasted defects": lambda good, pasted, masks: synthetic_anomalies.tau_pasted(pasted, masks),
    "median of three": synthetic_anomalies.tau_median,
}


def add_options(command):
    add_data(command, "a run of any detector, trained on these images")
    command.add_argument("--system", help="a comparison system, fitted instead of the run's detector (dictionary)")


def run(options):
    return label_free(*run_data.load_for(options.data, options.run), options.system)


def label_free(data, trained, system=None):
    """Applies every rule to one detector.

    Args:
        data: a Dataset with defective test images.
        trained: a Run on it.
        system: a comparison system, fitted as `compare` does, in place of the run's own detector.

    Returns:
        A DataFrame of one row: data, system, and the columns of `shares_of_best_f1`.

    Raises:
        DataError: there are no defective test images, or no such system.
    """
    if not data.test.defect_names:
        raise DataError(f"{data.name} has no defective test images; put some into test/<defect> to measure on.")
    good = run_data.held_out(data, trained)
    images, masks = synthetic_anomalies.paste_defects(np.asarray(good))
    detector = trained.detector
    if system is not None:
        options_of(system, "quick")  # refuses an unknown name
        detector, _ = fit(data, trained.folder / "comparison", system, **as_the_run(trained))
    maps, good_maps, pasted_maps = map(detector.anomaly_maps, (data.test.images, good, images))
    shares = shares_of_best_f1(maps, data.test.masks, good_maps, pasted_maps, masks)
    return pd.DataFrame([{"data": data.name, "system": detector.name} | shares])


def shares_of_best_f1(maps, masks, good_maps, pasted_maps, pasted_masks):
    """Compares the F1 at the τ of each rule with the F1 at the best τ, over all pixels.

    Args:
        maps: float32, shape (N, H, W), of the test images.
        masks: bool, shape (N, H, W).
        good_maps: float32, shape (M, H, W), of held-out good images.
        pasted_maps: float32, shape (K, H, W), of images with pasted defects.
        pasted_masks: bool, shape (K, H, W).

    Returns:
        A dict: for each rule its share of the best F1; f1_max, that F1, at tau_best; tau_pasted and pasted_f1_max, the
        same of the pasted defects; area and pasted_area, the shares of defective pixels.
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
