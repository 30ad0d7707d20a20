"""Shared by the studies of decisions: detectors of one kind with other seeds, their scores, rates with intervals."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import stats

from hazelnut_ae import metrics, patchcore
from hazelnut_ae.baselines import PCADetector
from hazelnut_ae.dataset import Dataset, ImageSet
from hazelnut_ae.detection import AutoencoderDetector
from hazelnut_ae.engine import trainer
from hazelnut_ae.presets import find_preset

SYSTEMS = ("PCA", "memory bank", "article")
# Of a memory bank that decides on images. It needs the coarse bank alone; 1,000 patches, because many are fitted.
SMALL = {"side": 64, "candidates": 10_000, "size": 1_000}


def with_train(data, images):
    """Returns a Dataset with other good training images, uint8 [N, 3, 256, 256], and the same test images."""
    names = [f"train/good/{i:04d}.png" for i in range(len(images))]
    train = ImageSet(images, np.zeros((len(images), *images.shape[2:]), bool), ["good"] * len(images), names)
    fingerprint = f"{data.fingerprint} {hash_of(images)}"
    return Dataset(train, data.test, data.name, fingerprint, data.license)


def hash_of(images):
    """Returns a short hash of images."""
    return hashlib.sha256(np.ascontiguousarray(images)).hexdigest()[:16]


def fitted(system, data, learnt, seed, folder, preset="quick", **settings):
    """Fits a detector to some good images.

    Args:
        system: one of SYSTEMS.
        data: a Dataset, for the run folder of the article's network.
        learnt: good images, uint8 [N, 3, 256, 256]; the article's network holds a tenth of them out by itself.
        seed: of the fit.
        folder: of the runs of the article's network.
        preset: of its training.
        **settings: of the memory bank.
    """
    if system == "PCA":
        detector = PCADetector()
        detector.fit(learnt)
    elif system == "memory bank":
        detector = patchcore.MemoryBank(seed=seed, **settings)
        detector.fit(learnt)
    else:
        data = with_train(data, learnt)
        recipe = replace(find_preset(preset), evaluate_every=10_000)  # F1 curves are not needed
        run = trainer.train_run(data, Path(folder) / f"{hash_of(learnt)}-{seed}", recipe, seed, resume=True)
        detector = AutoencoderDetector(run.model)
    return detector


def row(scores, tau, key):
    """Returns a row of decisions on images; the interval of a rate: see `rate`.

    Args:
        scores: of good and of defective images, two arrays [N].
        tau: an image threshold.
        key: a dict of what identifies the row.
    """
    good, defective = scores
    labels = np.repeat([False, True], [len(good), len(defective)])
    numbers = {"image_tau": tau, "image_auroc": metrics.image_auroc(np.concatenate(scores), labels)}
    numbers |= {"alarms": int((good > tau).sum()), "good": len(good)}
    return key | numbers | {"missed": int((defective <= tau).sum()), "defective": len(defective)}


def rate(count, total):
    """Returns a share with its 95 % interval (Clopper & Pearson, 1934), as (share, low, high)."""
    interval = stats.binomtest(int(count), int(total)).proportion_ci(0.95, method="exact")
    return count / total, interval.low, interval.high
