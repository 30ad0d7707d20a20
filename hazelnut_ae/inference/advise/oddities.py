"""Photographs that do not belong: in both splits, without the defect that their folder names, brighter, blurrier."""

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from hazelnut_ae.inference.advise.small import averaged, evenly

SIDE = 32  # pixels to which images are averaged before they are compared
ALIKE = 0.3  # of the usual distance to the nearest good image; saved again as JPEG 0.13 – 0.22, other photographs ≥ 0.6
SIGMAS = 5.0  # robust standard deviations
BRIGHTER = 0.15  # at least this part brighter or darker
BLURRIER = 0.45  # at least, in the logarithm of fine to coarse contrast; a Gaussian of 1 pixel takes 0.5 – 1.3


def twins(train, test):
    """Pairs (row of test, row of train) of images uint8 [N, 3, 256, 256] that show the same photograph, or nearly.

    Compared are images of 32×32 without their brightness and contrast. Near is less than 0.3 of the distance that good
    training images usually have from their nearest: parts that all look alike are not all twins.
    """
    if not len(test) or len(train) < 3:
        return []
    train, test = flat(train), flat(test)  # float32 [N, 3072]
    usual = np.median(nearest(evenly(train, 400), train, itself=True)[0])
    distances, rows = nearest(test, train)
    return [(int(i), int(rows[i])) for i in np.flatnonzero(distances < ALIKE * usual)]


def flat(images):
    """Images as rows of mean 0 and length 1, float32 [N, 3072]."""
    rows = averaged(images, SIDE).reshape(len(images), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def nearest(rows, others, itself=False):
    """(distance, number) of the nearest of `others` [M, D] for each of `rows` [N, D]; `itself`: each is among them."""
    distances, numbers = [], []
    for part in np.array_split(rows, -(-len(rows) // 256)):  # a table of 256 × M at a time
        table = np.sqrt(np.maximum(2 - 2 * part @ others.T, 0))  # [256, M]
        if itself:
            table[np.arange(len(part)), table.argmin(axis=1)] = np.inf
        numbers.append(table.argmin(axis=1))
        distances.append(table.min(axis=1))
    return np.concatenate(distances), np.concatenate(numbers)


def without_defect(test):
    """The rows of an ImageSet whose folder names a defect and whose mask is empty."""
    return [i for i, defect in enumerate(test.defects) if defect != "good" and not test.masks[i].any()]


def odd_ones(train, test):
    """{"brighter": …, "darker": …, "blurrier": …}: paths of images of both ImageSets that stand out from train.

    Compared is only what is not defective, so that no defect counts as another lamp or focus.
    """
    paths = np.array([*train.paths, *test.paths])
    some = evenly(train.images, 100)
    usual = [sum(parts) / len(some) for parts in zip(*map(powers, some), strict=True)]
    numbers = []
    with tqdm(total=len(paths), desc="advising", unit="image", disable=None, leave=False) as bar:
        for image, mask in ((these.images[i], these.masks[i]) for these in (train, test) for i in range(len(these))):
            grey, fine, coarse = ratios_to(usual, powers(image), mask)
            numbers.append((grey, (fine - coarse) / 2))  # powers are squares
            bar.update()
    light, sharp = np.array(numbers).T  # [N + M] each
    beyond = beyond_usual(light, len(train), BRIGHTER)  # [N + M] of -1, 0, 1
    blurred = beyond_usual(sharp, len(train), BLURRIER) < 0
    found = {"brighter": beyond > 0, "darker": beyond < 0, "blurrier": blurred}
    return {what: paths[rows].tolist() for what, rows in found.items()}


def powers(image):
    """Of an image uint8 [3, 256, 256] in blocks of 4×4 pixels, [64, 64] each: its grey, and the squares of its contrast
    within 3×3 pixels and within 3×3 blocks. A blur takes the first contrast and leaves the second."""
    grey = image.mean(axis=0, dtype=np.float32)  # [256, 256]
    coarse = blocks(grey)
    fine = blocks((grey - ndimage.uniform_filter(grey, 3)) ** 2)
    return coarse, fine, (coarse - ndimage.uniform_filter(coarse, 3)) ** 2


def blocks(values):
    """[256, 256] averaged to [64, 64]."""
    return values.reshape(64, 4, 64, 4).mean(axis=(1, 3))


def ratios_to(usual, found, mask):
    """The logarithms of what was found [64, 64] as a part of what is usual, where a mask bool [256, 256] is not."""
    good = outside(ndimage.binary_dilation(blocks(mask) > 0, np.ones((3, 3))))
    return [
        np.log((one[good].mean() + 1e-3) / (other[good].mean() + 1e-3)) for other, one in zip(usual, found, strict=True)
    ]


def outside(mask):
    """Where a mask is not; everywhere if it is everywhere."""
    return ~mask if not mask.all() else mask


def beyond_usual(numbers, count, least):
    """-1 or 1 for numbers that lie beyond those usual in the first `count` of them, else 0.

    `least`: what is nearer to their median is none.
    """
    usual = numbers[:count]
    median = np.median(usual)
    deviation = 1.4826 * np.median(np.abs(usual - median))
    few = 1 + 4 / count  # of few images the deviation is not well known
    away = numbers - median
    return np.sign(away) * (np.abs(away) > max(SIGMAS * few * deviation, least))
