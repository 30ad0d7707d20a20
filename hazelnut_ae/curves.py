"""AUROC, average precision, F1-max and PRO from histograms of scores, in one pass and in memory that does not grow.

Every curve here needs only to know how many good and how many defective pixels score above each threshold. So instead
of keeping and sorting all the pixels, we count those of each image into bins (`image_histogram`). The curves of a test
set are made from the sum of its images' histograms, and so are those of each draw of the bootstrap.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from hazelnut_ae.errors import DataError

# A bin is what the first 19 bits of a float32 can tell apart: sign, exponent and 10 bits of mantissa. That is 1024 bins
# from 0.1 to 0.2 and as many from 100 to 200, so maps of any range fit and a threshold is right to 0.1 %.
DROPPED_BITS = 13
BINS = 2 ** (32 - DROPPED_BITS)
PRO_LIMIT = 0.3  # false-positive rate; Bergmann et al., Uninformed Students, CVPR 2020


def score_bins(maps):
    """Bins float32 scores: an int32 in [0, BINS) each, in the order of the scores.

    Read as integers, positive floats keep their order and negative ones reverse it; the XOR turns those around.
    """
    bits = (np.asarray(maps, np.float32) + np.float32(0)).view(np.int32)  # + 0 makes -0.0 and 0.0 one score
    ordered = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    return (ordered >> DROPPED_BITS) + BINS // 2


def tau_below(index):
    """The largest τ for which `score > τ` takes in all of bin `index` (and nothing of the bin below)."""
    ordered = np.array([(int(index) - BINS // 2) << DROPPED_BITS], np.int32)  # the lowest score of the bin
    (edge,) = (ordered ^ ((ordered >> 31) & np.int32(0x7FFFFFFF))).view(np.float32)
    return float(np.nextafter(edge, np.float32(-np.inf)))


def checked(maps, masks):
    """Returns maps as float32 and masks as bool, both [N, H, W].

    Raises: ValueError if the shapes differ; DataError if a score is NaN or infinite.
    """
    maps, masks = np.asarray(maps, np.float32), np.asarray(masks).astype(bool, copy=False)
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise ValueError(f"maps and masks must both be [N, H, W], not {list(maps.shape)} and {list(masks.shape)}")
    return finite(maps), masks


def finite(maps):
    """Returns the scores [N, …] as they are. Raises: DataError if one is NaN or infinite."""
    for number, one in enumerate(maps):
        if not np.isfinite(one).all():
            raise DataError(
                f"The anomaly map of image {number} holds NaN or infinity, so it has neither metrics nor a threshold; "
                "the detector has diverged: train it again, with a smaller learning rate."
            )
    return maps


def label_regions(masks):
    """Numbers the defective regions (pixels that touch, corners included) of bool [N, H, W]: (int [N, H, W], count)."""
    touching = np.zeros((3, 3, 3), bool)
    touching[1] = True  # neighbours within an image, never across images
    return ndimage.label(masks, touching)


def region_weights(masks):
    """Gives each defective pixel 1 / (size of its region): ([N, H, W] float64, number of regions).

    Summed over the pixels above τ these are the regions' overlaps, so PRO too becomes a histogram.
    """
    labels, count = label_regions(masks)
    sizes = np.bincount(labels.ravel(), minlength=count + 1).astype(float)
    sizes[0] = np.inf  # label 0 is the background
    return (1 / sizes)[labels], count


# The curves. `negatives`, `positives` and `regions` are histograms [..., K] over bins of ascending score; leading axes
# are independent data sets (the bootstrap brings 1000 of them at once). Undefined is nan.


def above(histogram):
    """How much scores at or above each bin: the cumulative sum from the right."""
    return np.cumsum(histogram[..., ::-1], axis=-1)[..., ::-1]


def divide(a, b):
    """a / b, and nan where b is 0."""
    a, b = np.broadcast_arrays(np.asarray(a, float), np.asarray(b, float))
    return np.divide(a, b, out=np.full(a.shape, np.nan), where=b != 0)


def auroc(negatives, positives):
    """The chance that a defective pixel scores above a good one, ties counting half (Mann and Whitney 1947)."""
    below = np.cumsum(negatives, axis=-1) - negatives / 2
    return divide((positives * below).sum(-1), negatives.sum(-1) * positives.sum(-1))


def average_precision(negatives, positives):
    """Σ (recall step) · (precision there), without interpolation."""
    true, false = above(positives), above(negatives)
    precision = true / np.maximum(true + false, 1e-12)
    return divide((positives * precision).sum(-1), positives.sum(-1))


def f1_max(negatives, positives):
    """The largest F1 over all thresholds, and the bin whose lower edge is that threshold: (f1, index)."""
    true, false = above(positives), above(negatives)
    f1 = divide(2 * true, true + false + positives.sum(-1, keepdims=True))
    f1 = np.where(positives.sum(-1, keepdims=True) > 0, f1, np.nan)
    index = np.argmax(np.nan_to_num(f1, nan=-1), axis=-1)
    return np.take_along_axis(f1, index[..., None], -1)[..., 0], index


def pro(negatives, regions, count, limit=PRO_LIMIT):
    """Per-region overlap: area under the regions' mean overlap against false-positive rate, normalised by `limit`."""
    start = np.zeros((*negatives.shape[:-1], 1))  # the curve begins at (0, 0): τ above every score
    fpr = np.concatenate([start, divide(above(negatives), negatives.sum(-1, keepdims=True))[..., ::-1]], -1)
    overlap = np.concatenate([start, divide(above(regions), np.asarray(count)[..., None])[..., ::-1]], -1)
    width, left, right = np.diff(fpr), np.minimum(fpr[..., :-1], limit), np.minimum(fpr[..., 1:], limit)
    slope = np.diff(overlap) / np.where(width > 0, width, 1)
    height = overlap[..., :-1] + slope * (right - left) / 2  # the middle of each trapezoid, cut off at the limit
    return np.sum(height * (right - left), axis=-1) / limit


class ImageHistogram(NamedTuple):
    """One image's scores, counted: of its K used bins, by ascending score, and its number of defective regions."""

    bins: np.ndarray  # int32 [K], numbers of bins
    negatives: np.ndarray  # int32 [K], good pixels in each
    positives: np.ndarray  # int32 [K], defective pixels
    regions: np.ndarray  # float64 [K], defective pixels, each weighing 1 / size of its region
    region_count: int


def image_histogram(one, mask):
    """Counts one map float32 [H, W] (larger = more anomalous) with its mask bool [H, W]."""
    bins = score_bins(one).ravel()  # [H·W]
    low = int(bins.min())
    counts = np.bincount(bins - low)
    used = np.flatnonzero(counts)  # [K]
    negatives, positives, regions, region_count = counts[used], np.zeros(len(used), int), np.zeros(len(used)), 0
    if mask.any():
        weights, region_count = region_weights(mask[None])  # [1, H, W]
        mask = mask.ravel()
        defective = bins[mask] - low  # [defective pixels]
        positives = np.bincount(defective, minlength=len(counts))[used]
        regions = np.bincount(defective, weights.ravel()[mask], minlength=len(counts))[used]
        negatives = negatives - positives
    used_bins, negatives, positives = (np.asarray(values, np.int32) for values in (used + low, negatives, positives))
    return ImageHistogram(used_bins, negatives, positives, regions, region_count)


def image_histograms(maps, masks):
    """The `ImageHistogram` of each map of float32 [N, H, W] with its mask of bool [N, H, W].

    Raises: ValueError if the shapes differ; DataError if a score is NaN or infinite.
    """
    maps, masks = checked(maps, masks)
    return [image_histogram(one, mask) for one, mask in zip(maps, masks, strict=True)]


class PixelMetrics:
    """Pixel metrics of any number of maps: `update(maps, masks)` as they come, `compute()` at any time.

    Its size (12 MB) does not depend on the number of images. `a + b` is what one object would hold after seeing both.
    """

    def __init__(self, images=()):
        """images: `ImageHistogram`s to begin with."""
        self.negatives = np.zeros(BINS, np.int64)  # good pixels per bin of score
        self.positives = np.zeros(BINS, np.int64)  # defective pixels
        self.regions = np.zeros(BINS)  # defective pixels, each weighing 1 / size of its region
        self.region_count = 0
        for image in images:
            self.add(image)

    def update(self, maps, masks):
        """Counts float32 [N, H, W] maps (larger = more anomalous) with their bool [N, H, W] masks.

        Raises: ValueError if the shapes differ; DataError if a score is NaN or infinite.
        """
        for one, mask in zip(*checked(maps, masks), strict=True):
            self.add(image_histogram(one, mask))
        return self

    def add(self, image):
        """Counts one image by its `ImageHistogram`."""
        self.negatives[image.bins] += image.negatives
        self.positives[image.bins] += image.positives
        self.regions[image.bins] += image.regions
        self.region_count += image.region_count

    def __add__(self, other):
        total = PixelMetrics()
        for name in ("negatives", "positives", "regions", "region_count"):
            setattr(total, name, getattr(self, name) + getattr(other, name))
        return total

    def histograms(self):
        """The bins that hold a pixel: (their numbers, negatives, positives, regions), by ascending score."""
        used = np.flatnonzero(self.negatives + self.positives)
        return used, self.negatives[used], self.positives[used], self.regions[used]

    def compute(self):
        """Returns auroc, average_precision, f1_max, tau (of F1-max, for `score > tau`), pro.

        nan where the data cannot say: all of them without a defective pixel; auroc and pro without a good one.
        """
        used, negatives, positives, regions = self.histograms()
        if not positives.any():
            return dict.fromkeys(("auroc", "average_precision", "f1_max", "tau", "pro"), float("nan"))
        best, index = f1_max(negatives, positives)
        return {
            "auroc": float(auroc(negatives, positives)),
            "average_precision": float(average_precision(negatives, positives)),
            "f1_max": float(best),
            "tau": tau_below(used[index]),
            "pro": float(pro(negatives, regions, self.region_count)),
        }
