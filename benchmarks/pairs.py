"""Painted hazelnuts in pairs: each with a defect, and the very same picture without it.

What a detector does to a defect can then be measured against the clean picture, pixel by pixel.
"""

import zlib
from dataclasses import dataclass
from unittest import mock

import numpy as np
from tqdm import tqdm

from hazelnut_ae import synthetic
from hazelnut_ae.synthetic import painting

SEED = 2_000  # no data folder of this project is painted with it


@dataclass
class Pairs:
    """N defective images with their clean twins."""

    defective: np.ndarray  # uint8 [N, 3, 256, 256]
    clean: np.ndarray  # uint8 [N, 3, 256, 256], equal to `defective` wherever the defect leaves no trace
    masks: np.ndarray  # bool [N, 256, 256]
    defects: list[str]  # N names


def paint_pair(rng_seed, defect):
    """Paints one nut twice: (uint8 [3, 256, 256] with the defect, the same without it, bool [256, 256]).

    Args:
        rng_seed: the seed of its random numbers.
        defect: a kind of defect.
    """
    image, mask = synthetic.paint(np.random.default_rng(rng_seed), defect)
    draw = painting.DEFECTS[defect]

    def undone(rng, surface, colour, height):  # takes the same random numbers, but leaves no trace
        return draw(rng, surface, colour.copy(), height.copy())

    with mock.patch.dict(painting.DEFECTS, {defect: undone}):
        clean, same_mask = synthetic.paint(np.random.default_rng(rng_seed), defect)
    assert (same_mask == mask).all()
    return image.transpose(2, 0, 1), clean.transpose(2, 0, 1), mask


def paint_pairs(per_defect, seed=SEED):
    """Paints `per_defect` pairs of each kind; the same arguments give the same pairs."""
    jobs = [(defect, number) for defect in sorted(painting.DEFECTS) for number in range(per_defect)]
    bar = tqdm(jobs, desc="painting pairs", unit="pair", disable=None)
    painted = [paint_pair([seed, zlib.crc32(defect.encode()), number], defect) for defect, number in bar]
    defective, clean, masks = (np.stack(parts) for parts in zip(*painted, strict=True))
    return Pairs(defective, clean, masks, [defect for defect, _ in jobs])


def paint_good(count, seed=SEED):
    """Paints good nuts that are in no data folder: uint8 [count, 3, 256, 256]."""
    bar = tqdm(range(count), desc="painting good nuts", unit="image", disable=None)
    return np.stack([synthetic.paint(np.random.default_rng([seed, 1, i]))[0].transpose(2, 0, 1) for i in bar])


def copied_share(reconstructed, reconstructed_clean, pairs):
    """Returns how much of each defect is in the reconstruction, float [N]: 0 nothing of it, 1 all of it.

    The defect is d = defective − clean, what it changes in the reconstruction is r. The share is ⟨r, d⟩ / ⟨d, d⟩ over
    the pixels of the mask: the slope of r on d. A blur of the nut cancels, since it is in both reconstructions.

    Args:
        reconstructed, reconstructed_clean: float32 [N, 3, 256, 256] in [0, 1], of `pairs.defective` and `pairs.clean`.
        pairs: the `Pairs`.
    """
    shares = []
    for i, mask in enumerate(pairs.masks):
        d = (pairs.defective[i].astype(np.float32) - pairs.clean[i])[:, mask] / 255  # [3, P]
        r = (reconstructed[i] - reconstructed_clean[i])[:, mask]
        shares.append(float((r * d).sum() / (d * d).sum()))
    return np.array(shares)
