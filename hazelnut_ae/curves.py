"""Numbers over all thresholds τ (notebook 8): the areas under ROC, precision–recall and PRO curves, and F1-max.

The curves themselves are scikit-learn's `roc_curve` and `precision_recall_curve`; PRO, as defined, is `sorted_pro`. The
rest computes the same numbers from histograms: for whole test sets and the bootstrap, without sorting and with little
memory. A larger score is more anomalous.
"""

from typing import NamedTuple

import numpy as np
from scipy import integrate, ndimage

from hazelnut_ae.errors import DataError

PRO_LIMIT = 0.3  # false-positive rate; Bergmann et al., Uninformed Students, CVPR 2020


def sorted_pro(maps, masks, limit=PRO_LIMIT):
    """Returns PRO of maps and masks [N, H, W]: the area under (false-positive rate, mean share found of each region).

    So it is an ROC curve in which all regions weigh alike. The area up to the rate `limit` counts, divided by `limit`.
    """
    from sklearn.metrics import roc_curve  # here, because the histograms below do without

    weights, _ = region_weights(masks)  # a defective pixel counts 1 / size of its region
    weights = np.where(masks, weights, 1).ravel()
    fpr, overlap, _ = roc_curve(masks.ravel(), maps.ravel(), sample_weight=weights, drop_intermediate=False)
    inside, last = fpr < limit, np.searchsorted(fpr, limit)  # last: the first point at or beyond the limit
    end = np.interp(limit, fpr[last - 1 : last + 1], overlap[last - 1 : last + 1])  # of a vertical step the lower end
    return integrate.trapezoid(np.append(overlap[inside], end), np.append(fpr[inside], limit)) / limit


# From histograms. A bin contains the float32 scores with the same first 19 bits: sign, exponent and 10 bits
# of mantissa. So maps of any range fit, and a threshold is right to 0.1 %.
DROPPED_BITS = 13
BINS = 2 ** (32 - DROPPED_BITS)


def score_bins(maps):
    """Returns the bin of each float32 score, int32 in [0, BINS); a larger score is never in a lower bin.

    The bits of positive floats, read as integers, have their order; those of negative ones are inverted for it.
    """
    bits = (np.asarray(maps, np.float32) + np.float32(0)).view(np.int32)  # + 0 makes -0.0 and 0.0 one score
    return (_in_order(bits) >> DROPPED_BITS) + BINS // 2


def _in_order(bits):  # done twice, it gives the bits back
    return np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits)


def tau_below(index):
    """Returns the largest τ for which `score > τ` includes the whole bin `index` and nothing of the bin below."""
    lowest = np.array([(int(index) - BINS // 2) << DROPPED_BITS], np.int32)  # the lowest score of the bin
    return float(np.nextafter(_in_order(lowest).view(np.float32)[0], np.float32(-np.inf)))


def checked(maps, masks):
    """Returns maps as float32 and masks as bool. Raises ValueError if the shapes differ, DataError as `finite`."""
    maps, masks = np.asarray(maps, np.float32), np.asarray(masks).astype(bool, copy=False)
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise ValueError(f"maps and masks must both be [N, H, W], not {list(maps.shape)} and {list(masks.shape)}")
    return finite(maps), masks


def finite(maps):
    """Returns the scores [N, …] as they are. Raises DataError if one is NaN or infinite."""
    for number, one in enumerate(maps):
        if not np.isfinite(one).all():
            remedy = "it has diverged: train it again, with another --seed or with --preset article"
            why = "so it has neither metrics nor a threshold"
            raise DataError(f"The anomaly map of image {number} holds NaN or infinity, {why}; {remedy}.")
    return maps


def label_regions(masks):
    """Numbers the defective regions of masks bool [N, H, W] (corners touch): (labels int [N, H, W], count)."""
    touching = np.zeros((3, 3, 3), bool)
    touching[1] = True  # neighbours within an image, never across images
    return ndimage.label(masks, touching)


def region_weights(masks):
    """Gives each defective pixel 1 / (size of its region), so that regions count alike: (float64 [N, H, W], count)."""
    if not masks.any():
        return np.zeros(masks.shape), 0
    labels, count = label_regions(masks)
    sizes = np.bincount(labels.ravel(), minlength=count + 1).astype(float)
    sizes[0] = np.inf  # label 0 is the background
    return (1 / sizes)[labels], count


# `negatives`, `positives` and `regions` are histograms [..., K] over bins of ascending score: good pixels, defective
# pixels, and defective pixels weighted by 1 / size of their region. Leading axes are data sets. Undefined is nan.
def above(histogram):
    """Returns the cumulative sum from the right: the pixels at or above each bin."""
    return np.cumsum(histogram[..., ::-1], axis=-1)[..., ::-1]


def divide(a, b):
    """Returns a / b, nan where b is 0."""
    a, b = np.broadcast_arrays(np.asarray(a, float), np.asarray(b, float))
    return np.divide(a, b, out=np.full(a.shape, np.nan), where=b != 0)


def auroc(negatives, positives):
    """Returns the probability that a defective pixel scores above a good one, ties half (Mann and Whitney 1947)."""
    below = np.cumsum(negatives, axis=-1) - negatives / 2  # good pixels below each bin, [..., K]
    return divide((positives * below).sum(-1), negatives.sum(-1) * positives.sum(-1))


def average_precision(negatives, positives):
    """Returns the sum of (recall step) · (precision there), without interpolation."""
    tp, fp = above(positives), above(negatives)  # [..., K]
    precision = tp / np.maximum(tp + fp, 1e-12)
    return divide((positives * precision).sum(-1), positives.sum(-1))


def f1_max(negatives, positives):
    """Returns the largest F1 over all thresholds, and the bin whose lower edge is that threshold: (f1, index)."""
    tp, fp = above(positives), above(negatives)  # [..., K]
    f1 = divide(2 * tp, tp + fp + positives.sum(-1, keepdims=True))
    f1 = np.where(positives.sum(-1, keepdims=True) > 0, f1, np.nan)
    index = np.argmax(np.nan_to_num(f1, nan=-1), axis=-1)
    return np.take_along_axis(f1, index[..., None], -1)[..., 0], index


def pro(negatives, regions, count, limit=PRO_LIMIT):
    """Returns PRO as `sorted_pro` does; count: number of regions, shape of the leading axes."""
    start = np.zeros((*negatives.shape[:-1], 1))  # the curve [..., K + 1] begins at (0, 0): τ above every score
    fpr = np.concatenate([start, divide(above(negatives), negatives.sum(-1, keepdims=True))[..., ::-1]], -1)
    overlap = np.concatenate([start, divide(above(regions), np.asarray(count)[..., None])[..., ::-1]], -1)
    width, left, right = np.diff(fpr), np.minimum(fpr[..., :-1], limit), np.minimum(fpr[..., 1:], limit)
    slope = np.diff(overlap) / np.where(width > 0, width, 1)
    height = overlap[..., :-1] + slope * (right - left) / 2  # the middle of each trapezoid, cut off at the limit
    return np.sum(height * (right - left), axis=-1) / limit


class ImageHistogram(NamedTuple):
    """The histogram of one image: its K used bins by ascending score, and its number of defective regions."""

    bins: np.ndarray  # int32 [K], as negatives and positives
    negatives: np.ndarray
    positives: np.ndarray
    regions: np.ndarray  # float64 [K]
    region_count: int


def image_histogram(one, mask, ignored=None):
    """Returns the `ImageHistogram` of one map float32 [H, W] with its mask, and ignored pixels or None, bool [H, W]."""
    counted = slice(None) if ignored is None else ~ignored.ravel()
    weights, region_count = region_weights(mask[None])
    bins, mask, weights = (values.ravel()[counted] for values in (score_bins(one), mask, weights))  # [H·W], or fewer
    low = int(bins.min(initial=BINS))
    positives, regions = (np.bincount(bins - low, values) for values in (mask, weights))
    counts = np.bincount(bins - low)
    used = np.flatnonzero(counts)  # [K]
    three = (np.asarray(values, np.int32) for values in (used + low, (counts - positives)[used], positives[used]))
    return ImageHistogram(*three, regions[used], region_count)


def image_histograms(maps, masks, ignored=None):
    """Returns the `image_histogram` of each map in [N, H, W], with masks and ignored like it. Raises as `checked`."""
    rows = zip(*checked(maps, masks), [None] * len(maps) if ignored is None else ignored, strict=True)
    return [image_histogram(*row) for row in rows]


class PixelMetrics:
    """Pixel metrics of any number of maps: call `update(maps, masks)` for each part, then `compute()`.

    It takes 12 MB for any number of images. images: initial ImageHistogram objects.
    """

    def __init__(self, images=()):
        self.negatives, self.positives, self.regions = self.histograms = np.zeros((3, BINS))  # views
        self.region_count = 0
        self.add(images)

    def update(self, maps, masks, ignored=None):
        """Adds maps float32 [N, H, W] with their masks bool [N, H, W]; returns itself. See `image_histograms`."""
        self.add(image_histograms(maps, masks, ignored))
        return self

    def add(self, images):
        """Adds images, each given as its `ImageHistogram`."""
        for image in images:
            self.histograms[:, image.bins] += image.negatives, image.positives, image.regions
            self.region_count += image.region_count

    def compute(self):
        """Returns {"auroc", "average_precision", "f1_max", "tau" (of F1-max, for `score > tau`), "pro"}.

        Undefined values are nan: everything without a defective pixel; auroc and pro without a good one.
        """
        used = np.flatnonzero(self.negatives + self.positives)  # the bins that hold a pixel
        negatives, positives, regions = self.negatives[used], self.positives[used], self.regions[used]
        if not positives.any():
            return dict.fromkeys(("auroc", "average_precision", "f1_max", "tau", "pro"), float("nan"))
        best, index = f1_max(negatives, positives)
        found = {"auroc": auroc(negatives, positives), "average_precision": average_precision(negatives, positives)}
        found |= {"f1_max": best, "tau": tau_below(used[index]), "pro": pro(negatives, regions, self.region_count)}
        return {name: float(value) for name, value in found.items()}
