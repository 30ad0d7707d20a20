"""The threshold τ: as the article printed it, and chosen without labels, from good images that training never saw.

The article chose its τ while looking at the test images and their masks. A user has no masks, but he has good images:
the anomaly maps of a few that were kept out of training show how large a residual can be where nothing is wrong.
"""

import numpy as np
import pandas as pd

from hazelnut_ae import curves, metrics

PRINTED_TAU = {"print": 0.2, "crack": 0.2, "cut": 0.2, "hole": 0.25}  # section 4.3; chosen on the test images
DEFAULT_PRINTED_TAU = 0.2
EXCEEDED = 0.001  # the share of good pixels that a rule lets through
REGION_AREA = 100  # pixels of 65,536
FALSE_ALARM_RATE = 0.1  # the share of good images called defective


def printed_tau(defect):
    """The τ that the article used for a defect of this name; 0.2 for any it does not know."""
    return PRINTED_TAU.get(defect, DEFAULT_PRINTED_TAU)


def tau_quantile(maps, exceeded=EXCEEDED):
    """Rule (a): the τ that this share of good pixels exceeds; maps: float32 [N, H, W] of held-out good images."""
    return float(np.quantile(_held_out(maps), 1 - exceeded))


def tau_region(maps, area=REGION_AREA):
    """Rule (b), of MVTec: the smallest τ at which the largest connected region above it has fewer than `area` pixels.

    maps: float32 [N, H, W] of held-out good images. The area is the user's to give (Bergmann et al., CVPR 2019,
    section 4.3, print none).
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


def tau_exponential(maps, exceeded=EXCEEDED):
    """Rule (c): what an exponential distribution of the held-out residuals exceeds with this probability.

    maps: float32 [N, H, W] of held-out good images. Residuals fall off about exponentially, so their mean fixes the
    scale of the tail, ln(1 / exceeded) = 6.9 times the mean for one pixel in a thousand. The median over the images
    leaves out one that the network never learnt, and a single bright spot moves it hardly. But the mean is taken over
    the empty ground, too: τ depends on how much of the picture the part fills. Meant for differences, not for squares.
    """
    maps = _held_out(maps)
    floor = maps.min()  # 0 for residuals; distances to a nearest neighbour start higher
    scale = np.median(maps.mean(axis=(1, 2), dtype=float) - floor)  # [N] → one
    tau = floor + scale * np.log(1 / exceeded)
    return float(min(tau, maps.max()))  # bounded scores, as 1 − SSIM, can end before their tail does


def tau_label_free(maps):
    """The default rule for τ, `tau_exponential`; maps: float32 [N, H, W] of held-out good images, N ≥ 1.

    Raises: ValueError if there is no map; DataError if one holds NaN.
    """
    return tau_exponential(maps)


RULES = {
    "99 % quantile": lambda maps: tau_quantile(maps, 0.01),
    "99.9 % quantile": tau_quantile,
    "largest region below 100 pixels": tau_region,
    "largest region below 400 pixels": lambda maps: tau_region(maps, 400),
    "exponential (default)": tau_exponential,
}


def rules_on_good_images(held_out_maps, border=64, draws=100, seed=0):
    """What good images alone tell of each rule: a DataFrame with a row per rule.

    held_out_maps: float32 [N, H, W] of held-out good images, N ≥ 2. Columns: tau; low and high, between which it lies
    in 90 of 100 draws of the images with replacement (the bootstrap); marked, how many percent of the pixels of a good
    image exceed it that was left out when it was chosen; wider, tau for the same parts with a border of empty ground.
    """
    maps, rng = _held_out(held_out_maps), np.random.default_rng(seed)
    chosen = rng.integers(len(maps), size=(draws, len(maps)))  # [draws, N], the same for every rule
    edge = ((0, 0), (border, border), (border, border))
    wider = np.pad(maps, edge, constant_values=np.median(maps[:, 0]))  # the upper edge shows empty ground
    rows = {}
    for rule, choose in RULES.items():
        low, high = np.quantile([choose(maps[numbers]) for numbers in chosen], [0.05, 0.95])
        marked = [(maps[i] > choose(np.delete(maps, i, axis=0))).mean() for i in range(len(maps))]
        rows[rule] = {"tau": choose(maps), "low": low, "high": high, "marked": 100 * np.mean(marked)}
        rows[rule]["wider"] = choose(wider)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("rule")


def rules_table(maps, test, held_out_maps):
    """How much of F1-max each label-free rule reaches: a DataFrame with a row per rule.

    maps: float32 [N, H, W] of the test images; test: their ImageSet; held_out_maps: of held-out good images.
    Columns: tau, f1, of_f1_max of all test pixels together, and of_f1_max of each defect's images.
    """
    defects = np.asarray(test.defects)
    groups = {"all": np.ones(len(maps), bool)} | {
        name: defects == name for name in sorted(set(test.defects) - {"good"})
    }
    best = {
        name: metrics.PixelMetrics().update(maps[chosen], test.masks[chosen]).compute()["f1_max"]
        for name, chosen in groups.items()
    }
    rows = {}
    for rule, choose in RULES.items():
        tau = choose(held_out_maps)
        f1 = {name: metrics.f1(metrics.pixel_confusion(maps[c], test.masks[c], tau)) for name, c in groups.items()}
        rows[rule] = {"tau": tau, "f1": f1["all"], "of_f1_max": f1["all"] / best["all"]}
        rows[rule] |= {f"of_f1_max {name}": f1[name] / best[name] for name in groups if name != "all"}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("rule")


def tau_images_label_free(scores, false_alarm_rate=FALSE_ALARM_RATE):
    """The τ for image scores that the next good image exceeds with at most this probability, if there are enough.

    scores: [N] of held-out good images. Split conformal prediction: the next good image is as likely as each of these
    N to be the largest, so the k-th smallest of them is exceeded with probability 1 − k / (N + 1), whatever the
    distribution. Fewer than 1 / rate − 1 images (9 for 10 %) cannot promise that rate; then it is their largest, which
    1 in N + 1 good images exceeds. Returns nan for none. Raises: DataError if a score is NaN.
    """
    scores = np.sort(curves.finite(np.asarray(scores, float)))
    n = len(scores)
    if not n:
        return float("nan")
    k = min(int(np.ceil((1 - false_alarm_rate) * (n + 1) - 1e-9)), n)
    return float(scores[k - 1])


def _held_out(maps):
    maps = np.asarray(maps, np.float32)
    if maps.ndim != 3 or not maps.size:
        raise ValueError(f"τ is chosen from maps [N, H, W] of held-out good images, not from {list(maps.shape)}")
    return curves.finite(maps)
