"""The bootstrap (notebook 8): how much a number would change with other test images.

The bootstrap (Efron 1979) draws images with replacement and measures again. Pixels of one image are not independent, so
it draws whole images, separately for each kind of defect and for good images, because a test set fixes their numbers.
Drawing an image twice counts its histogram twice: each draw is a sum of the images' histograms with other weights.
"""

import numpy as np

from hazelnut_ae import curves, metrics

DRAWS = 1000
COARSE_BINS = 500


def draw_weights(groups, draws=DRAWS, seed=0):
    """Returns how often each image is drawn, float32 [draws, N]; groups: N names, drawn from separately."""
    groups, rng = np.asarray(groups), np.random.default_rng(seed)
    weights = np.zeros((draws, len(groups)), np.float32)
    for name in np.unique(groups):
        chosen = np.flatnonzero(groups == name)
        weights[:, chosen] = rng.multinomial(len(chosen), np.full(len(chosen), 1 / len(chosen)), draws)
    return weights


def interval(values):
    """Returns the middle 95 % of the values [draws] as [low, high]; None if one is undefined."""
    values = np.asarray(values, float)
    return None if np.isnan(values).any() else [float(v) for v in np.quantile(values, [0.025, 0.975])]


class CoarseHistograms:
    """N ImageHistogram objects in 500 coarse bins, few enough to add them up a thousand times.

    Each bin has about the same share of all good and defective pixels (`pooled`, a PixelMetrics).
    """

    def __init__(self, images, pooled):
        share = pooled.negatives / max(pooled.negatives.sum(), 1) + pooled.positives / max(pooled.positives.sum(), 1)
        cumulated = np.cumsum(share)
        coarse = (cumulated - share / 2) / max(cumulated[-1], 1) * COARSE_BINS
        coarse = np.minimum(coarse, COARSE_BINS - 1).astype(np.int32)  # [BINS]; above all pooled scores: the last one

        def counted(values):
            rows = [np.bincount(coarse[one.bins], getattr(one, values), minlength=COARSE_BINS) for one in images]
            return np.array(rows, np.float32).reshape(-1, COARSE_BINS)  # [N, 500]

        self.negatives, self.positives, self.regions = map(counted, ("negatives", "positives", "regions"))
        self.counts = np.array([one.region_count for one in images], np.float32)  # [N]

    def intervals(self, weights, chosen):
        """Returns {metric: its interval} for the `chosen` images (bool [N]) and weights [draws, N]."""
        if np.count_nonzero(chosen) < 2:
            return dict.fromkeys(("auroc", "average_precision", "f1_max", "pro"))
        return {name: interval(values) for name, values in self.drawn(weights, chosen).items()}

    def drawn(self, weights, chosen):
        """Returns {metric: its value in each draw} for the `chosen` images (bool [N]) and weights [draws, N]."""
        weights = weights[:, chosen]
        negatives, positives = weights @ self.negatives[chosen], weights @ self.positives[chosen]  # [draws, bins]
        regions, counts = weights @ self.regions[chosen], weights @ self.counts[chosen]
        found = {name: getattr(curves, name)(negatives, positives) for name in ("auroc", "average_precision")}
        best, _ = curves.f1_max(negatives, positives)
        return found | {"f1_max": best, "pro": curves.pro(negatives, regions, counts)}


def f1_interval(predicted, truth, weights):
    """Returns the interval of F1: predicted and truth bool [N, …], weights [draws, N]. None below two images."""
    if len(predicted) < 2:
        return None
    counts = [metrics.confusion(p, t) for p, t in zip(np.asarray(predicted), np.asarray(truth), strict=True)]
    tp, fp, fn, _ = (weights.astype(float) @ np.array(counts, float)).T  # each [draws]
    return interval(np.where(tp + fn > 0, curves.divide(2 * tp, 2 * tp + fp + fn), np.nan))


def image_auroc_interval(scores, is_defective, weights):
    """Returns the interval of the image AUROC: scores [N], is_defective bool [N], weights [draws, N]."""
    fewest = min(np.count_nonzero(is_defective), np.count_nonzero(np.logical_not(is_defective)))
    return interval(image_auroc_drawn(scores, is_defective, weights)) if fewest > 1 else None


def image_auroc_drawn(scores, is_defective, weights):
    """Returns the image AUROC in each draw, [draws]: scores [N], is_defective bool [N], weights [draws, N]."""
    is_defective = np.asarray(is_defective, bool)
    values, bins = np.unique(np.asarray(scores, float), return_inverse=True)
    one_hot = np.eye(len(values), dtype=np.float32)[bins]  # [N, different scores]
    return curves.auroc(*(weights[:, of] @ one_hot[of] for of in (~is_defective, is_defective)))
