"""Measures duplicates, orientation and shapes in the images of a data folder; `advice` describes the results."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from hazelnut_ae.inference.pictures import regions

SIDE = 32  # images are averaged to 32×32 pixels before they are compared
WINDOW = np.hypot(*(np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2)) < SIDE / 2 - 0.5  # the inscribed circle
DUPLICATE = 0.3  # of the median distance to the second nearest image; a recompressed JPEG is below 0.22
IDENTICAL = 0.002  # rounding gives the same pixels up to 0.0006; different photographs are from 0.038
LOOKED_AT, FEWEST = 24, 4  # images whose orientation is compared, at most and at least
STEP, NEAR = 15, 2  # degrees between two rotations; steps by which parts placed by hand may differ
SHIFT = 8  # pixels of 32 by which one image may be shifted to match another
# Limits for mean correlations of image pairs, with measured values
ROUND = 0.7  # at the worst rotation: bottles from 0.84, hazelnuts up to 0.5
ALIKE = 0.65  # not rotated: transistors 0.71, bottles 0.92, hazelnuts up to 0.55
TURNED = 0.05  # gain by rotation: nothing for transistors, 0.17 for a bolt that may be upside down
SHARED = 0.4  # at the best rotation: hazelnuts from 0.62, grain of a surface and noise up to 0.29


def shrink(images):
    """Averages images uint8 [N, 3, H, H] to float32 [N, 3, 32, 32]; H is a multiple of 32."""
    blocks = images.reshape(len(images), 3, SIDE, images.shape[-1] // SIDE, SIDE, images.shape[-1] // SIDE)
    return blocks.mean(axis=(3, 5), dtype=np.float32)


def normalized(images):
    """Scales images [N, …, 32, 32] to mean 0 and norm 1 in the window, and sets them to 0 outside."""
    axes = tuple(range(1, images.ndim))
    inside = (images - images.mean(axis=axes, where=WINDOW, keepdims=True)) * WINDOW
    return inside / np.sqrt((inside**2).sum(axis=axes, keepdims=True) + 1e-12)


def near_duplicates(train, test):
    """Finds near-duplicates in uint8 [N, 3, 256, 256]: pairs [test row, train row], and pairs of train rows."""
    if not len(train):
        return [], []
    train, test = (normalized(shrink(images)).reshape(-1, 3 * SIDE**2) for images in (train, test))  # [N, D], [M, D]
    within, across = (np.sqrt(np.maximum(2 - 2 * rows @ train.T, 0)) for rows in (train, test))  # [N, N], [M, N]
    np.fill_diagonal(within, np.inf)
    limit = IDENTICAL
    if len(train) > 2:  # parts may all look alike; the nearest may be a second copy, of every photograph
        limit = max(limit, DUPLICATE * np.median(np.partition(within, 1, axis=1)[:, 1]))
    return np.argwhere(across < limit).tolist(), np.argwhere(np.triu(within < limit)).tolist()


def smallest_defect(masks):
    """Returns (width, height) of the thinnest of the largest regions of each mask, bool [N, H, W]; None without any."""
    # the largest region of each, because a mask may have single stray pixels
    boxes = [regions(mask, mask.shape[::-1])[1][0] for mask in masks[masks.any(axis=(1, 2))]]
    return min(((box["width"], box["height"]) for box in boxes), key=sorted, default=None)


class Orientation(NamedTuple):
    answer: str | None  # "same", "turned" (or round), "unlike" (no common details) or unknown
    alike: float = float("nan")  # mean correlation of two images as they are
    best: float = float("nan")  # at their best turn


def orientation(images):
    """Measures whether parts are rotated, by matching the fine details of pairs of images uint8 [N, 3, 256, 256]."""
    small = shrink(images[:: -(-len(images) // LOOKED_AT) or 1])  # float32 [n, 3, 32, 32], n ≤ 24
    if len(images) < FEWEST or small.std(axis=(1, 2, 3)).max() < 1:  # of 255
        return Orientation(None)
    grey = np.log(small.mean(axis=1) + 16)  # [n, 32, 32]; 16 keeps noise in the dark small
    by_turn = correlations(grey - ndimage.gaussian_filter(grey, (0, 2, 2), mode="nearest"))  # [24, pairs]
    alike, best = float(by_turn[0].mean()), float(by_turn.max(axis=0).mean())
    nearly_unturned = by_turn[range(-NEAR, NEAR + 1)].max(axis=0).mean()
    if alike >= ALIKE and best - nearly_unturned <= TURNED and by_turn.mean(axis=1).min() < ROUND:
        return Orientation("same", alike, best)
    return Orientation("turned" if best >= SHARED else "unlike", alike, best)


def correlations(images):
    """Correlates each pair of images [N, 32, 32] at each rotation and its best shift: [24, N·(N - 1)]."""
    fixed, pairs, rows = np.fft.rfft2(normalized(images)).conj(), ~np.eye(len(images), dtype=bool), []
    for degrees in range(0, 360, STEP):
        turned = ndimage.rotate(images, degrees, axes=(1, 2), reshape=False, order=1, mode="nearest")
        fits = np.fft.irfft2(np.fft.rfft2(normalized(turned))[:, None] * fixed)  # [N, N, 32, 32]
        near = np.roll(fits, (SHIFT, SHIFT), (2, 3))[..., : 2 * SHIFT + 1, : 2 * SHIFT + 1]
        rows.append(near.max(axis=(2, 3))[pairs])
    return np.stack(rows)
