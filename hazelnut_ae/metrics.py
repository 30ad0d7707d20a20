"""The article's four measures as definitions, and the measures of images; curves over all τ are in `engine.histograms`.

The four are of section 1.3 and 4.1 of the article: how many pixels (or images) of each kind of Figure 2 there are,
and precision, recall, accuracy and F1 from them. What the data cannot give is nan, never a silent 0.
"""

import math
from typing import NamedTuple

import numpy as np

from hazelnut_ae import curves
from hazelnut_ae.curves import PixelMetrics

__all__ = [
    "IMAGE_SCORE_PIXELS",
    "Confusion",
    "PixelMetrics",
    "accuracy",
    "confusion",
    "f1",
    "f1_by_defect",
    "image_auroc",
    "image_rates",
    "image_scores",
    "pixel_confusion",
    "precision",
    "rate_interval",
    "recall",
]

# An image's score is the mean of its 100 largest pixels (a 10×10 spot of 256×256). The maximum would hang on a single
# noisy pixel; the mean of the whole map would drown a defect of a hundred pixels in 65,000 good ones.
IMAGE_SCORE_PIXELS = 100


class Confusion(NamedTuple):
    """Figure 2: how many were rightly and wrongly called defective (positive) or good (negative)."""

    tp: int
    fp: int
    fn: int
    tn: int


def confusion(predicted, truth):
    """Counts bool arrays of one shape, predicted against true.

    Raises: ValueError if the shapes differ.
    """
    predicted, truth = np.asarray(predicted).astype(bool, copy=False), np.asarray(truth).astype(bool, copy=False)
    if predicted.shape != truth.shape:
        raise ValueError(f"predicted is {list(predicted.shape)} but truth is {list(truth.shape)}")
    tp = int(np.count_nonzero(predicted & truth))
    fp = int(np.count_nonzero(predicted)) - tp
    fn = int(np.count_nonzero(truth)) - tp
    return Confusion(tp, fp, fn, predicted.size - tp - fp - fn)


def precision(c):
    """TP / (TP + FP): how much of what is called defective is. nan if nothing is called defective."""
    return _ratio(c.tp, c.tp + c.fp)


def recall(c):
    """TP / (TP + FN): how much of what is defective is found. nan if nothing is defective."""
    return _ratio(c.tp, c.tp + c.fn)


def accuracy(c):
    """(TP + TN) / all."""
    return _ratio(c.tp + c.tn, sum(c))


def f1(c):
    """The harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN). nan if nothing is defective."""
    return _ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn) if c.tp + c.fn else float("nan")


def _ratio(a, b):
    return a / b if b else float("nan")


def pixel_confusion(maps, masks, tau):
    """Counts the pixels of float32 [N, H, W] maps where `score > tau` against bool [N, H, W] masks.

    Raises: ValueError if the shapes differ; DataError if a score is NaN or infinite.
    """
    maps, masks = curves.checked(maps, masks)
    return confusion(maps > np.float32(tau), masks)


def f1_by_defect(maps, test, tau):
    """Pixel-level F1 of each defect, pooled over that defect's images alone, as in the article.

    maps: float32 [N, H, W]; test: the ImageSet they were made of; tau: one threshold, or one per defect name.
    Returns {"crack": 0.35, …}.
    """
    maps, defects = np.asarray(maps), np.asarray(test.defects)
    result = {}
    for name in sorted(set(defects) - {"good"}):
        chosen = defects == name
        tau_here = tau[str(name)] if isinstance(tau, dict) else tau
        result[str(name)] = f1(pixel_confusion(maps[chosen], test.masks[chosen], tau_here))
    return result


def image_scores(maps, pixels=IMAGE_SCORE_PIXELS):
    """One score per image of [N, H, W] maps: the mean of its `pixels` largest values; float64 [N]."""
    maps = np.asarray(maps, np.float32)
    if maps.size == 0:
        return np.zeros(len(maps))
    flat = maps.reshape(len(maps), -1)
    pixels = min(pixels, flat.shape[1])
    return np.array([np.partition(one, -pixels)[-pixels:].mean(dtype=float) for one in flat])


def score_histograms(scores, is_defective):
    """Scores [N] as `curves` wants them, one bin per different score: (negatives, positives), each [bins]."""
    is_defective = np.asarray(is_defective, bool)
    values, bins = np.unique(curves.finite(np.asarray(scores, float)), return_inverse=True)
    negatives, positives = (np.bincount(bins[kind], minlength=len(values)) for kind in (~is_defective, is_defective))
    return negatives, positives


def image_auroc(scores, is_defective):
    """The chance that a defective image scores above a good one; nan if one of the two kinds is missing."""
    return float(curves.auroc(*score_histograms(scores, is_defective)))


def rate_interval(count, total):
    """Between which rates the true one lies with 95 % confidence, when `count` of `total` were seen: [low, high].

    Wilson's interval (1927): unlike the bootstrap's it has a width also where all or none were seen. nan for no total.
    """
    if not total:
        return [float("nan")] * 2
    z = 1.96
    middle, half = count + z * z / 2, z * math.sqrt(count * (total - count) / total + z * z / 4)
    return [(middle - half) / (total + z * z), (middle + half) / (total + z * z)]


def image_rates(scores, is_defective, tau):
    """What calling images with `score > tau` defective gives: tnr, tpr, precision, f1; nan where undefined.

    tnr is the share of good images accepted, tpr that of defective ones rejected: the pair that the MVTec AD paper
    prints (Bergmann et al., CVPR 2019, Table 2).
    """
    c = confusion(curves.finite(np.asarray(scores)) > tau, is_defective)
    return {"tnr": _ratio(c.tn, c.tn + c.fp), "tpr": recall(c), "precision": precision(c), "f1": f1(c)}
