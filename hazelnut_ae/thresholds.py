"""The threshold τ (notebook 7): as printed in the article, and chosen without labels from held-out good images.

The article chose its τ with test masks. A user has good images: those held out show residuals without a defect.
"""

import numpy as np
import pandas as pd

from hazelnut_ae import curves, metrics

PRINTED_TAU = {"print": 0.2, "crack": 0.2, "cut": 0.2, "hole": 0.25}  # section 4.3; chosen on the test images
DEFAULT_PRINTED_TAU = 0.2
EXCEEDED = 0.001  # the share of good pixels that may lie above τ
REGION_AREA = 100  # pixels, of the 65,536 of an image
FALSE_ALARM_RATE = 0.1  # the share of good images called defective


def printed_tau(defect):
    """Returns the τ that the article used for a defect of this name; 0.2 for other names."""
    return PRINTED_TAU.get(defect, DEFAULT_PRINTED_TAU)


def tau_quantile(maps, exceeded=EXCEEDED):
    """The quantile rule: the τ that a share of `exceeded` of the good pixels exceeds.

    maps: float32 [N, H, W] of held-out good images. Raises ValueError if there is none, DataError if one holds NaN.
    """
    return float(np.quantile(_checked(maps), 1 - exceeded))


def tau_region(maps, area=REGION_AREA):
    """The region rule, of MVTec: the smallest τ above which every connected region has fewer than `area` pixels.

    The user chooses the area; Bergmann et al. (CVPR 2019, section 4.3) print none. maps as for `tau_quantile`.
    """
    maps = _checked(maps)
    values = np.unique(maps)
    low, high = -1, len(values) - 1  # bisection: above values[high] all regions are small enough
    while high - low > 1:
        middle = (low + high) // 2
        labels, _ = curves.label_regions(maps > values[middle])  # 0 is the background
        largest = np.bincount(labels.ravel())[1:].max(initial=0)
        low, high = (low, middle) if largest < area else (middle, high)
    return float(values[high])


def tau_exponential(maps, exceeded=EXCEEDED):
    """The exponential rule: the τ that residuals with an exponential distribution exceed with probability `exceeded`.

    τ is ln(1 / exceeded) times the mean: 6.9 times for one pixel in a thousand; in notebook 7 more exceed it. The
    median ignores an image that the network did not learn. The mean includes the empty background, so τ depends on
    how much of the picture the part fills. Meant for absolute, not squared, errors.
    """
    maps = _checked(maps)
    floor = maps.min()  # 0 for residuals; distances to a nearest neighbour start higher
    scale = np.median(maps.mean(axis=(1, 2), dtype=float) - floor)  # [N] → one
    tau = floor + scale * np.log(1 / exceeded)
    return float(min(tau, maps.max()))  # scores with an upper bound, as 1 − SSIM, may not reach τ


tau_label_free = tau_exponential  # the default rule

RULES = {
    "99 % quantile": lambda maps: tau_quantile(maps, 0.01),
    "99.9 % quantile": tau_quantile,
    "largest region below 100 pixels": tau_region,
    "largest region below 400 pixels": lambda maps: tau_region(maps, 400),
    "exponential (default)": tau_exponential,
}


def rules_on_good_images(held_out_maps, border=64, draws=100, seed=0):
    """Shows what held-out good images alone, N ≥ 2, say about each rule: a DataFrame with a row per rule.

    tau; low, high: its range in 90 % of the bootstrap's draws; marked: the percentage of pixels above τ in a good image
    that was left out when τ was chosen; wider: tau with `border` pixels of empty background on each side.
    """
    maps, rng = _checked(held_out_maps), np.random.default_rng(seed)
    drawn = rng.integers(len(maps), size=(draws, len(maps)))  # [draws, N], the same for every rule
    edge = ((0, 0), (border, border), (border, border))
    wider = np.pad(maps, edge, constant_values=np.median(maps[:, 0]))  # the upper edge shows empty ground
    rows = {}
    for rule, choose in RULES.items():
        low, high = np.quantile([choose(maps[indices]) for indices in drawn], [0.05, 0.95])
        marked = [(maps[i] > choose(np.delete(maps, i, axis=0))).mean() for i in range(len(maps))]
        rows[rule] = {"tau": choose(maps), "low": low, "high": high, "marked": 100 * np.mean(marked)}
        rows[rule]["wider"] = choose(wider)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("rule")


def rules_table(maps, test, held_out_maps):
    """Compares the F1 of each label-free rule with F1-max: a DataFrame with a row per rule.

    tau, f1 and of_f1_max (F1 / F1-max) of all test pixels, and "of_f1_max NAME" of each defect's images; images without
    a mask are left out. maps: float32 [N, H, W] of the test images; test: their ImageSet; held_out_maps: float32
    [M, H, W] of held-out good images.
    """
    defects, known = np.asarray(test.defects), metrics.pixels_known(test)
    names = sorted(set(test.defects) - {"good"})
    groups = {"all": known} | {name: (defects == name) & known for name in names}  # bool [N] each
    ignored = np.zeros_like(test.masks) if test.ignored is None else test.ignored
    parts = {name: (maps[of], test.masks[of], ignored[of]) for name, of in groups.items()}
    best, rows = {name: metrics.PixelMetrics().update(*part).compute()["f1_max"] for name, part in parts.items()}, {}
    for rule, choose in RULES.items():
        tau = choose(held_out_maps)
        f1 = {name: metrics.f1(metrics.pixel_confusion(m, t, tau, i)) for name, (m, t, i) in parts.items()}
        rows[rule] = {"tau": tau, "f1": f1["all"], "of_f1_max": f1["all"] / best["all"]}
        rows[rule] |= {f"of_f1_max {name}": f1[name] / best[name] for name in names}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("rule")


def tau_images_label_free(scores, false_alarm_rate=FALSE_ALARM_RATE):
    """Chooses the τ of image scores, which the next good image exceeds with probability ≤ `false_alarm_rate`.

    Split conformal prediction: on average over draws of the N held-out images, the next good one exceeds their k-th
    smallest score with probability 1 − k / (N + 1), for any distribution. With fewer than 1 / rate − 1 images (9 for
    10 %) τ is their largest score, which 1 in N + 1 exceeds.
    scores: float [N] of held-out good images; without any, τ is nan. Raises DataError if one is NaN.
    """
    scores = np.sort(curves.finite(np.asarray(scores, float)))
    return float(scores[_rank(len(scores), false_alarm_rate) - 1]) if len(scores) else float("nan")


def refused_cross(scores, left_out_scores, folds, false_alarm_rate=FALSE_ALARM_RATE):
    """Decides with K detectors, each fitted without one fold of N good images, so that all N choose the threshold.

    CV+ (Barber, Candès, Ramdas & Tibshirani, 2021): an image is refused if it scores higher than ⌈(1 − rate) · (N + 1)⌉
    good ones, each compared by the detector that did not learn from it. With one image in a fold (jackknife+) a good
    image is refused with probability ≤ 2 · `false_alarm_rate`, for any detector; as a rule with about the rate.

    scores: float [K, M], of M new images by each detector; left_out_scores: float [N], of each good image by the
    detector that was fitted without it; folds: int [N], which one that is, 0 … K − 1. Returns bool [M].
    """
    left_out = curves.finite(np.asarray(left_out_scores, float))[:, None]  # [N, 1]
    beaten = (curves.finite(np.asarray(scores, float))[np.asarray(folds)] > left_out).sum(axis=0)  # [M]
    return beaten >= _rank(len(left_out), false_alarm_rate)


def _rank(n, rate):  # which of n sorted good scores is τ; 1e-9: 0.58 · 50 is 29, not 29.000000000000004
    return min(int(np.ceil((1 - rate) * (n + 1) - 1e-9)), n)


def _checked(maps):  # as float32 [N, H, W]; raises as `tau_quantile`
    maps = np.asarray(maps, np.float32)
    if maps.ndim != 3 or not maps.size:
        raise ValueError(f"τ is chosen from maps [N, H, W] of held-out good images, not from {list(maps.shape)}")
    return curves.finite(maps)
