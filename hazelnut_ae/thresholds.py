"""The threshold τ: as the article printed it, and chosen without labels, from good images that training never saw.

The article chose its τ while looking at the test images and their masks. A user has no masks, but he has good images:
the anomaly maps of a few that were kept out of training show how large a residual can be where nothing is wrong.
"""

import numpy as np
from scipy import stats

from hazelnut_ae import curves

PRINTED_TAU = {"print": 0.2, "crack": 0.2, "cut": 0.2, "hole": 0.25}  # section 4.3; FACTS: chosen on the test images
DEFAULT_PRINTED_TAU = 0.2
QUANTILE = 0.999
REGION_AREA = 100
FALSE_ALARM_RATE = 0.05


def printed_tau(defect):
    """The τ that the article used for a defect of this name; 0.2 for any it does not know."""
    return PRINTED_TAU.get(defect, DEFAULT_PRINTED_TAU)


def tau_quantile(maps, quantile=QUANTILE):
    """The τ that this share of good pixels does not exceed; maps: float32 [N, H, W] of held-out good images."""
    return float(np.quantile(_held_out(maps), quantile))


def tau_region(maps, area=REGION_AREA):
    """The MVTec rule: the smallest τ at which the largest connected region above it has fewer than `area` pixels.

    maps: float32 [N, H, W] of held-out good images. The area is the user's to give (Bergmann et al., CVPR 2019,
    section 5.3, print none).
    """
    maps = _held_out(maps)
    values = np.unique(maps)
    low, high = -1, len(values) - 1  # at values[high] nothing is above τ; the largest region shrinks as τ rises
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _largest_region(maps > values[middle]) < area else (middle, high)
    return float(values[high])


def _largest_region(above):
    labels, count = curves.label_regions(above)
    return np.bincount(labels.ravel())[1:].max() if count else 0


def tau_label_free(maps):
    """The default rule for τ; maps: float32 [N, H, W] of held-out good images, N ≥ 1.

    Raises: ValueError if there is no map.
    """
    return tau_quantile(maps)


def tau_images_label_free(scores, false_alarm_rate=FALSE_ALARM_RATE):
    """The τ for image scores: what the next good image exceeds with this probability.

    scores: [N] of held-out good images. For a handful of them a quantile says nothing, so we take their logarithms as
    normally distributed and use the upper prediction limit (Student's t), which is the wider the fewer there are.
    Returns nan for fewer than two images.
    """
    scores = np.asarray(scores, float)
    n = len(scores)
    if n < 2:
        return float("nan")
    t = stats.t.ppf(1 - false_alarm_rate, n - 1) * np.sqrt(1 + 1 / n)
    if (scores > 0).all():
        logs = np.log(scores)
        return float(np.exp(logs.mean() + t * logs.std(ddof=1)))
    return float(scores.mean() + t * scores.std(ddof=1))


def _held_out(maps):
    maps = np.asarray(maps, np.float32)
    if maps.ndim != 3 or not maps.size:
        raise ValueError(f"τ is chosen from maps [N, H, W] of held-out good images, not from {list(maps.shape)}")
    return curves.finite(maps)
