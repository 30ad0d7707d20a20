"""The metrics at one threshold (notebooks 1 and 8), as defined in sections 1.3 and 4.1 of the article.

`Confusion` counts the pixels (or images) in the four cells of Figure 2; precision, recall, accuracy and F1 follow from
it. Undefined values are nan, never 0. The metrics over all thresholds are in `curves`.
"""

import math
from typing import NamedTuple

import numpy as np

from hazelnut_ae import curves
from hazelnut_ae.curves import PixelMetrics as PixelMetrics

# A 10×10 spot of 256×256. The maximum would depend on a single noisy pixel; in the mean of the whole map, a
# small defect would disappear among 65,000 good pixels.
IMAGE_SCORE_PIXELS = 100


class Confusion(NamedTuple):
    """Figure 2: how many are correctly and wrongly predicted as defective (positive) or good (negative)."""

    tp: int
    fp: int
    fn: int
    tn: int


def confusion(predicted: np.ndarray, truth: np.ndarray) -> Confusion:
    """Counts predictions against the truth, two bool arrays of one shape. Raises ValueError if the shapes differ."""
    predicted, truth = np.asarray(predicted).astype(bool, copy=False), np.asarray(truth).astype(bool, copy=False)
    if predicted.shape != truth.shape:
        raise ValueError(f"predicted is {list(predicted.shape)} but truth is {list(truth.shape)}")
    tp = int(np.count_nonzero(predicted & truth))
    fp = int(np.count_nonzero(predicted)) - tp
    fn = int(np.count_nonzero(truth)) - tp
    return Confusion(tp, fp, fn, predicted.size - tp - fp - fn)


def precision(c: Confusion) -> float:
    """TP / (TP + FP): the share of the predicted pixels that is defective. nan if nothing is predicted."""
    return _ratio(c.tp, c.tp + c.fp)


def recall(c: Confusion) -> float:
    """TP / (TP + FN): the share of the defective pixels that is predicted. nan if nothing is defective."""
    return _ratio(c.tp, c.tp + c.fn)


def accuracy(c: Confusion) -> float:
    """(TP + TN) / all."""
    return _ratio(c.tp + c.tn, sum(c))


def f1(c: Confusion) -> float:
    """The harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN). nan if nothing is defective."""
    return _ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn) if c.tp + c.fn else float("nan")


def _ratio(a, b):
    return a / b if b else float("nan")


def pixel_confusion(maps: np.ndarray, masks: np.ndarray, tau: float, ignored: np.ndarray | None = None) -> Confusion:
    """Counts the pixels where maps float32 [N, H, W] exceed τ against masks bool [N, H, W].

    ignored: bool [N, H, W], pixels that are not counted (`ImageSet.ignored`); None to count all. Raises ValueError if
    the shapes differ, DataError if a score is NaN or infinite.
    """
    maps, masks = curves.checked(maps, masks)
    counted = slice(None) if ignored is None else ~ignored
    return confusion((maps > np.float32(tau))[counted], masks[counted])


def pixels_known(test) -> np.ndarray:
    """Returns bool [N]: which images of an ImageSet pixel metrics count: good ones, and those with a mask not empty."""
    return (np.asarray(test.defects) == "good") | np.asarray(test.masks, bool).any(axis=(1, 2))


def f1_by_defect(maps: np.ndarray, test, tau: float | dict[str, float]) -> dict[str, float]:
    """Returns the F1 of each defect, {"crack": 0.35, …}, over all pixels of its images with a mask, as in the article.

    maps: float32 [N, H, W]; test: their ImageSet; tau: one threshold, or one for each defect.
    """
    maps, defects, known = np.asarray(maps), np.asarray(test.defects), pixels_known(test)
    result = {}
    for name in sorted(set(test.defects) - {"good"}):
        of, tau_here = (defects == name) & known, tau[name] if isinstance(tau, dict) else tau
        ignored = None if test.ignored is None else test.ignored[of]
        result[name] = f1(pixel_confusion(maps[of], test.masks[of], tau_here, ignored))
    return result


def image_scores(maps: np.ndarray, pixels: int = IMAGE_SCORE_PIXELS) -> np.ndarray:
    """Returns one score per image, float64 [N]: the mean of the `pixels` largest values of its map in [N, H, W]."""
    maps = np.asarray(maps, np.float32)
    pixels = min(pixels, math.prod(maps.shape[1:]))
    return np.array([np.partition(one, -pixels, axis=None)[-pixels:].mean(dtype=float) for one in maps])


def image_auroc(scores: np.ndarray, is_defective: np.ndarray) -> float:
    """Returns the probability that a defective image scores above a good one; nan without good or defective ones."""
    is_defective = np.asarray(is_defective, bool)
    values, bins = np.unique(curves.finite(np.asarray(scores, float)), return_inverse=True)
    negatives, positives = (np.bincount(bins[of], minlength=len(values)) for of in (~is_defective, is_defective))
    return float(curves.auroc(negatives, positives))


def rate_interval(count: int, total: int) -> list[float]:
    """Returns the 95 % confidence interval of a rate, [low, high], when `count` of `total` were observed.

    Wilson's interval (1927) has a width when all or none are observed, unlike the bootstrap's. nan if `total` is 0.
    """
    if not total:
        return [float("nan")] * 2
    z = 1.96
    middle, half = count + z * z / 2, z * math.sqrt(count * (total - count) / total + z * z / 4)
    return [(middle - half) / (total + z * z), (middle + half) / (total + z * z)]


def image_rates(scores: np.ndarray, is_defective: np.ndarray, tau: float) -> dict[str, float]:
    """Returns {"tnr", "tpr", "precision", "f1"} when images with a score [N] above τ are rejected; nan where undefined.

    tnr: the share of good images accepted, tpr: of defective ones rejected (Bergmann et al., CVPR 2019, Table 2).
    """
    c = confusion(curves.finite(np.asarray(scores)) > tau, is_defective)
    return {"tnr": _ratio(c.tn, c.tn + c.fp), "tpr": recall(c), "precision": precision(c), "f1": f1(c)}
