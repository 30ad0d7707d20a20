"""Shared by the studies of decisions: detectors of one kind with other seeds, their scores, rates with intervals."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import stats

from hazelnut_ae import metrics, patchcore, thresholds
from hazelnut_ae.baselines import PCADetector
from hazelnut_ae.dataset import Dataset, ImageSet
from hazelnut_ae.detection import AutoencoderDetector
from hazelnut_ae.engine import trainer
from hazelnut_ae.presets import find_preset

SYSTEMS = ("PCA", "memory bank", "article")


def with_train(data, images):
    """Returns a Dataset with other good training images, uint8 [N, 3, 256, 256], and the same test images."""
    names = [f"train/good/{i:04d}.png" for i in range(len(images))]
    train = ImageSet(images, np.zeros((len(images), *images.shape[2:]), bool), ["good"] * len(images), names)
    fingerprint = f"{data.fingerprint} {hash_of(images)}"
    return Dataset(train, data.test, data.name, fingerprint, data.license)


def hash_of(images):
    """Returns a short hash of images."""
    return hashlib.sha256(np.ascontiguousarray(images)).hexdigest()[:16]


def fitted(system, data, learnt, seed, folder, preset="quick"):
    """Fits a detector to some good images.

    Args:
        system: one of SYSTEMS.
        data: a Dataset, for the run folder of the article's network.
        learnt: good images, uint8 [N, 3, 256, 256]; the article's network holds a tenth of them out by itself.
        seed: of the fit.
        folder: of the runs of the article's network.
        preset: of its training.
    """
    if system == "PCA":
        detector = PCADetector()
        detector.fit(learnt)
    elif system == "memory bank":
        detector = patchcore.MemoryBank(seed=seed)
        detector.fit(learnt)
    else:
        data = with_train(data, learnt)
        settings = replace(find_preset(preset), evaluate_every=10_000)  # F1 curves are not needed
        run = trainer.train_run(data, Path(folder) / f"{hash_of(learnt)}-{seed}", settings, seed, resume=True)
        detector = AutoencoderDetector(run.model)
    return detector


def rate(count, total):
    """Returns a share with its 95 % interval (Clopper & Pearson, 1934), as (share, low, high)."""
    interval = stats.binomtest(int(count), int(total)).proportion_ci(0.95, method="exact")
    return count / total, interval.low, interval.high


def decisions(good_scores, defective_scores, tau):
    """Returns the false-alarm rate and the miss rate at an image threshold, each with its interval, as a dict."""
    alarms, misses = int((good_scores > tau).sum()), int((defective_scores <= tau).sum())
    rates = {"false_alarms": rate(alarms, len(good_scores)), "missed": rate(misses, len(defective_scores))}
    row = {}
    for name, (share, low, high) in rates.items():
        row |= {name: share, f"{name}_low": low, f"{name}_high": high}
    return row


def quality(predicted, test):
    """Returns pixel and image metrics of a Prediction on an ImageSet, as a dict."""
    pixels = metrics.PixelMetrics().update(predicted.anomaly_maps, test.masks).compute()
    defective = np.array(test.defects) != "good"
    numbers = {"pixel_auroc": pixels["auroc"], "pro": pixels["pro"], "f1_max": pixels["f1_max"]}
    return numbers | {"image_auroc": metrics.image_auroc(predicted.image_scores, defective)}


def image_tau(detector, held_out):
    """Returns the conformal image threshold (10 %) from held-out good images uint8 [M, 3, 256, 256]."""
    return thresholds.tau_images_label_free(detector.predict(held_out).image_scores)
