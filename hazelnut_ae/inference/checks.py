"""Measurements on the images of a data folder: duplicates, empty masks, orientation. `advice` puts them into words."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

SIDE = 32  # images are averaged to 32×32 pixels before they are compared
DUPLICATE = 0.3  # of the usual distance to the nearest image; the same photograph as another JPEG: 0.13 – 0.22
LOOKED_AT, FEWEST = 24, 4  # images whose orientation is compared, at most and at least
STEP, NEAR = 15, 2  # degrees between two turns; turns by which a part put down by hand may differ
SHIFT = 8  # pixels of 32 by which one image may be moved to fit another
# Limits for mean correlations of image pairs, with values measured on either side
ROUND = 0.7  # at the worst turn: bottles from 0.84, hazelnuts up to 0.5
ALIKE = 0.65  # unturned: transistors 0.71, bottles 0.92, hazelnuts up to 0.55
TURNED = 0.05  # what turning adds: nothing for transistors, 0.17 for a bolt that may be upside down
SHARED = 0.4  # at the best turn: hazelnuts from 0.62, grain of a surface and noise up to 0.29
MIRRORED = 0.1  # what mirroring takes away: 0.27 – 0.40 for an L or a gear, hazelnuts up to 0.02


def shrink(images):
    """Averages images uint8 [N, 3, H, H] to float32 [N, 3, 32, 32]; H is a multiple of 32."""
    step = images.shape[-1] // SIDE
    small = [one.reshape(3, SIDE, step, SIDE, step).mean(axis=(2, 4), dtype=np.float32) for one in images]
    return np.stack(small) if small else np.zeros((0, 3, SIDE, SIDE), np.float32)


def near_duplicates(train, test):
    """Finds images that show the same photograph, or nearly, whatever its brightness and contrast.

    Args:
        train: uint8, shape (N, 3, 256, 256).
        test: uint8, shape (M, 3, 256, 256).

    Returns:
        Pairs (row of test, row of train), and pairs (row, later row) within train.
    """
    if len(train) < 3:
        return [], []
    train, test = normalized(train), normalized(test)  # float32 [N, 3072], [M, 3072]
    itself, table = np.eye(len(train), dtype=bool), distances(train, train)  # [N, N]
    limit = DUPLICATE * np.median(table[~itself].reshape(len(train), -1).min(axis=1))  # parts may all look alike
    return np.argwhere(distances(test, train) < limit).tolist(), np.argwhere(np.triu(table < limit, 1)).tolist()


def normalized(images):
    """Images as rows of mean 0 and length 1, float32 [N, 3072]."""
    rows = shrink(images).reshape(len(images), 3 * SIDE * SIDE)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def distances(rows, others):
    """The distance of each of `rows` [N, D] to each of `others` [M, D], all of length 1: [N, M]."""
    return np.sqrt(np.maximum(2 - 2 * rows @ others.T, 0))


def empty_masks(test):
    """Returns the rows of an ImageSet that belong to a defect but have no defective pixel."""
    return [i for i, defect in enumerate(test.defects) if defect != "good" and not test.masks[i].any()]


class Orientation(NamedTuple):
    """How parts are turned: "same", "round" (any turn looks alike), "turned", "unlike" (no common details) or None.

    alike, best: mean correlation of two images unturned and at their best turn; handed: a mirrored part differs.
    """

    answer: str | None
    alike: float = float("nan")
    best: float = float("nan")
    handed: bool = False


def orientation(images):
    """Measures how parts are turned in good images, uint8 [N, 3, 256, 256], by fitting pairs of images to each other.

    Only fine details count, because light differs across an image whatever the part does. The answer is None where
    there are fewer than 4 images or nothing to see.
    """
    small = shrink(images[:: -(-len(images) // LOOKED_AT) or 1])  # float32 [n, 3, 32, 32], n ≤ 24
    if len(images) < FEWEST or small.std(axis=(1, 2, 3)).max() < 1:  # of 255
        return Orientation(None)
    grey = np.log(small.mean(axis=1) + 16)  # [n, 32, 32]; 16 keeps noise in the dark small
    details = grey - ndimage.gaussian_filter(grey, (0, 2, 2), mode="nearest")
    by_turn = correlations(details, details)  # [24, pairs]
    alike, best = by_turn[0].mean(), by_turn.max(axis=0).mean()
    nearly_unturned = np.max([by_turn[step] for step in range(-NEAR, NEAR + 1)], axis=0).mean()
    mirrored = correlations(details, details[..., ::-1]).max(axis=0).mean()
    if by_turn.mean(axis=1).min() >= ROUND:
        answer = "round"
    elif alike >= ALIKE and best - nearly_unturned <= TURNED:
        answer = "same"
    else:
        answer = "turned" if best >= SHARED else "unlike"
    return Orientation(answer, float(alike), float(best), bool(best - mirrored > MIRRORED))


def correlations(images, others):
    """Correlation of each image [N, S, S] with each other one, which is turned: [24, N·(N - 1)], unturned first.

    Each pair is compared in a round window, at the shift that fits best. others: the same images, perhaps mirrored.
    """
    fixed, side = np.fft.rfft2(in_window(images)).conj(), images.shape[-1]  # [N, S, S / 2 + 1]
    pairs, rows = ~np.eye(len(images), dtype=bool), []
    for degrees in range(0, 360, STEP):
        turned = ndimage.rotate(others, degrees, axes=(1, 2), reshape=False, order=1, mode="nearest")
        turned = np.fft.rfft2(in_window(turned))
        fits = np.stack([np.fft.irfft2(one * fixed, s=(side, side)) for one in turned])  # [N, N, S, S]
        near = np.roll(fits, (SHIFT, SHIFT), (2, 3))[..., : 2 * SHIFT + 1, : 2 * SHIFT + 1]
        rows.append(near.max(axis=(2, 3))[pairs])
    return np.stack(rows)


def in_window(images):
    """Images [N, S, S] in a round window, of mean 0 and length 1."""
    line = np.arange(images.shape[-1]) - (images.shape[-1] - 1) / 2
    window = np.hypot(line[:, None], line) < len(line) / 2 - 0.5
    inside = images * window
    inside = inside - inside.sum(axis=(1, 2), keepdims=True) / window.sum() * window
    return inside / np.sqrt((inside**2).sum(axis=(1, 2), keepdims=True) + 1e-12)
