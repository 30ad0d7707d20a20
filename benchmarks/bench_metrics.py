"""Compare the time of all metrics of a test set with that of scikit-learn and a loop over regions."""

import time

import numpy as np
from scipy import ndimage

from hazelnut_ae import curves, metrics


def example(images=110, seed=0):
    """Random maps and masks with the size of MVTec AD's hazelnut test set: 110, of which 70 are defective."""
    rng = np.random.default_rng(seed)
    maps = rng.gamma(1.5, 0.03, (images, 256, 256)).astype(np.float32)
    masks = np.zeros(maps.shape, bool)
    for i in range(round(images * 40 / 110), images):
        for top, left in rng.integers(10, 220, (1 + i % 3, 2)):
            masks[i, top : top + 25, left : left + 20] = True
    maps += masks * rng.gamma(1.5, 0.05, maps.shape).astype(np.float32)
    return maps, masks


def ours(maps, masks):
    """All pixel and image metrics as `metrics` computes them."""
    found = metrics.PixelMetrics().update(maps, masks).compute()
    scores, is_defective = metrics.image_scores(maps), masks.any((1, 2))
    rates = metrics.image_rates(scores, is_defective, float(np.median(scores)))
    return found | {"image_auroc": metrics.image_auroc(scores, is_defective), "tnr": rates["tnr"], "tpr": rates["tpr"]}


def reference(maps, masks, thresholds=50):
    """The same metrics by scikit-learn, and PRO by the usual loop over regions at a few thresholds."""
    from sklearn import metrics as sk

    scores, truth = maps.ravel(), masks.ravel()
    precision, recall, _ = sk.precision_recall_curve(truth, scores)
    taus = np.quantile(maps[~masks], np.linspace(1, 1 - curves.PRO_LIMIT - 0.02, thresholds))
    image_scores = np.array([np.sort(one.ravel())[-metrics.IMAGE_SCORE_PIXELS :].mean(dtype=float) for one in maps])
    is_defective = masks.any((1, 2))
    called = image_scores > np.median(image_scores)
    return {
        "auroc": sk.roc_auc_score(truth, scores),
        "average_precision": sk.average_precision_score(truth, scores),
        "f1_max": np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12)),
        "pro": pro_by_regions(maps, masks, taus),
        "image_auroc": sk.roc_auc_score(is_defective, image_scores),
        "tnr": sk.recall_score(is_defective, called, pos_label=False),
        "tpr": sk.recall_score(is_defective, called),
    }


def pro_by_regions(maps, masks, taus, limit=curves.PRO_LIMIT):
    """PRO by its definition: for decreasing τ, the overlap of each region and the false-positive rate."""
    regions = []
    for one, mask in zip(maps, masks, strict=True):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        regions += [one[labels == number] for number in range(1, count + 1)]
    good = maps[~masks]
    fpr, overlap = [0.0], [0.0]
    for tau in taus:
        fpr.append(np.mean(good >= tau))
        overlap.append(np.mean([np.mean(region >= tau) for region in regions]))
    x = np.array([*[f for f in fpr if f <= limit], limit])
    heights = np.array([*[o for f, o in zip(fpr, overlap, strict=True) if f <= limit], np.interp(limit, fpr, overlap)])
    return float(np.sum(np.diff(x) * (heights[1:] + heights[:-1]) / 2) / limit)


def measure(images=110, repeats=3):
    """Times both on the same maps.

    Returns metrics_s (seconds, the best of `repeats`), metrics_vs_reference (how many times faster than the
    reference), and "agreement": each metric's (ours, reference).
    """
    maps, masks = example(images)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        found = ours(maps, masks)
        times.append(time.perf_counter() - start)
    start = time.perf_counter()
    expected = reference(maps, masks)
    reference_s = time.perf_counter() - start
    return {
        "metrics_s": min(times),
        "metrics_vs_reference": reference_s / min(times),
        "agreement": {name: (float(found[name]), float(value)) for name, value in expected.items()},
    }
