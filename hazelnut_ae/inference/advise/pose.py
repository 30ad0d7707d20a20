"""How the parts lie in their photographs: all one way, round, or in several directions.

Each pair of photographs is laid on each other, one of them turned by every 15 degrees and moved by up to a tenth of the
side, and it is asked how well they agree at each turn. What light does to a photograph lies one way, whatever the part
does: shadows, and one edge brighter than the other. Two questions keep that apart. Do their details agree unturned so
well, and turned no better, that they can only be the same ones? And where photographs have colour: do ratios of
colours, which light hardly changes, agree best unturned? For that, what is the same all around the middle is taken out.

Laid on each other once more, one of them mirrored, photographs tell whether a mirrored part is still a good one.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from hazelnut_ae.inference.advise.place import moved_to_middle
from hazelnut_ae.inference.advise.small import averaged, evenly

LOOKED_AT = 24  # images, evenly chosen: every pair of them is compared
FEWEST = 4  # images from which something can be said
SIDE = 32  # pixels to which they are averaged
STEP = 15  # degrees
NEAR = 2  # steps that still count as unturned: few parts are put down exactly
MOVED = 3  # pixels of 32
NO_COLOUR = 0.02  # deviation of the ratios of colours, as a logarithm, below which they are noise
# Where the lines are drawn, with what was measured on either side of them.
ROUND = 0.7  # agreement at the worst turn: bottles from above 0.84; hazelnuts, painted or photographed, up to 0.5
ALIKE = 0.65  # agreement unturned: transistors 0.71, bottles 0.92; hazelnuts up to 0.55
UNTURNED = 0.75  # share of pairs whose colours agree best unturned: transistors 1.00; hazelnuts up to 0.55
TURNED = 0.05  # by which parts that lie one way agree better at another turn: transistors 0.00; a bolt either way 0.17
SHARED = 0.4  # agreement at the best turn: hazelnuts from 0.62; grain of a surface and noise up to 0.25
HANDED = 0.1  # by which mirrored ones agree less at their best turn: an L or a gear 0.27 – 0.40, hazelnuts up to 0.02


class Orientation(NamedTuple):
    """How parts lie. kind: "one" way, "round", "any" way, "unlike" where photographs share no details at any turn, or
    None where there is too little to see.

    agreement: correlation of the details of two photographs, unturned; worst: the same at the turn where it is least;
    best: the same with each pair at its best turn; unturned: share of pairs whose colours agree best unturned, nan
    without colours; handed: whether a mirrored part is another one, as a left glove is no right one.
    """

    kind: str | None
    agreement: float = float("nan")
    worst: float = float("nan")
    best: float = float("nan")
    unturned: float = float("nan")
    handed: bool = False


def orientation(images):
    """The `Orientation` of good images uint8 [N, 3, 256, 256]."""
    if len(images) < FEWEST:
        return Orientation(None)
    small = averaged(moved_to_middle(evenly(images, LOOKED_AT)), SIDE)  # float32 [n, 3, 32, 32]
    if small.std(axis=(1, 2, 3)).max() < 1:  # of 255: nothing is to be seen
        return Orientation(None)
    seen = details(small)
    by_turn = agreement(seen)  # [24, pairs]
    alike, worst, best = by_turn[0].mean(), by_turn.mean(axis=1).min(), by_turn.max(axis=0).mean()
    mirrored = agreement(seen, seen[..., ::-1]).max(axis=0).mean()
    colours = without_rings(ratios(small))
    unturned = share_unturned(agreement(colours)) if colours.std() > NO_COLOUR else float("nan")
    if worst >= ROUND:
        kind = "round"
    elif (alike >= ALIKE and best - nearly_unturned(by_turn).mean() <= TURNED) or unturned >= UNTURNED:
        kind = "one"
    else:
        kind = "any" if best >= SHARED else "unlike"
    return Orientation(kind, float(alike), float(worst), float(best), unturned, bool(best - mirrored > HANDED))


def details(small):
    """What is finer than an eighth of the side, [N, 1, S, S] of [N, 3, S, S]; of logarithms, as light multiplies."""
    grey = np.log(small.mean(axis=1) + 16)  # [N, S, S]; 16 of 255 keeps noise in the dark small
    return (grey - ndimage.gaussian_filter(grey, (0, 2, 2), mode="nearest"))[:, None]


def ratios(small):
    """Red and blue as parts of green, logarithms, [N, 2, S, S] of [N, 3, S, S]."""
    red, green, blue = np.log(small + 16).transpose(1, 0, 2, 3)  # [N, S, S] each
    return np.stack([red - green, blue - green], axis=1)


def without_rings(channels):
    """Channels [N, C, S, S] less what is the same all around the middle."""
    ring = from_middle(channels.shape[-1]).astype(int).ravel()
    counts = np.bincount(ring)
    flat = channels.reshape(-1, len(ring))
    means = np.stack([(np.bincount(ring, one) / counts)[ring] for one in flat])
    return channels - means.reshape(channels.shape)


def from_middle(side):
    """How far each pixel is from the middle of the image, [side, side]."""
    line = np.arange(side) - (side - 1) / 2
    return np.hypot(line[:, None], line)


def agreement(channels, others=None):
    """How well each image [N, C, S, S] agrees with each of the others, turned: correlations [24, N·(N - 1)].

    The unturned ones come first. others: the same images, unless they are given changed. In a round window, as corners
    turn out of the image; each at the move that suits it best.
    """
    count, side = len(channels), channels.shape[-1]
    still = np.fft.rfft2(in_window(channels)).conj()  # [N, C, S, S / 2 + 1]
    pairs = ~np.eye(count, dtype=bool)
    by_turn = []
    for degrees in range(0, 360, STEP):
        turned = ndimage.rotate(
            channels if others is None else others, degrees, axes=(2, 3), reshape=False, order=1, mode="nearest"
        )
        turned = np.fft.rfft2(in_window(turned))
        best = [np.fft.irfft2((one * still).sum(axis=1), s=(side, side)) for one in turned]  # [N, S, S] each
        best = np.roll(np.stack(best), (MOVED, MOVED), (2, 3))[..., : 2 * MOVED + 1, : 2 * MOVED + 1].max(axis=(2, 3))
        by_turn.append(best[pairs])
    return np.stack(by_turn)


def in_window(channels):
    """Channels [N, C, S, S] inside the round window, each of mean 0, all of an image together of length 1."""
    side = channels.shape[-1]
    window = from_middle(side) < side / 2 - 0.5
    inside = channels * window
    inside = inside - inside.sum(axis=(2, 3), keepdims=True) / window.sum() * window
    return inside / np.sqrt((inside**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-12)


def nearly_unturned(by_turn):
    """How well each pair agrees at its best turn of at most 30 degrees, [pairs] of correlations [24, pairs]."""
    return np.max([by_turn[step] for step in range(-NEAR, NEAR + 1)], axis=0)


def share_unturned(by_turn):
    """The share of pairs that agree unturned nearly as well as at their best turn, from correlations [24, pairs]."""
    near = nearly_unturned(by_turn)
    mean = by_turn.mean(axis=0)
    return float(np.mean(near - mean >= 0.8 * (by_turn.max(axis=0) - mean)))
