"""What a mask file means. Nothing is guessed silently: each reading has words, which `hazelnut-ae check` prints."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

CLASSES, IGNORED = 32, 255  # class numbers are below 32; 255 beside them is not counted, as in PASCAL VOC
PALETTE, ALPHA = "palette, ", "shape in the alpha channel, "


class Mask(NamedTuple):
    """The meaning of a mask."""

    defect: np.ndarray  # bool [H, W]
    ignored: np.ndarray  # bool [H, W], pixels that are not counted
    words: str  # how it was read


def understood(image):
    """Reads a decoded Pillow image as a `Mask`. Raises ValueError if it holds NaN or infinity.

    JPEG and soft edges are cut at half of the maximum. Of few different values, each above 0 is a defect.
    """
    values, source = _values(image)  # [H, W]
    if not np.isfinite(values).all():
        raise ValueError("it holds NaN or infinity")
    levels, nothing = np.unique(values[values > 0]), np.zeros(values.shape, bool)
    top, lossy = levels.max(initial=0), image.format in ("JPEG", "MPO")
    if top == 0 or (lossy and top < 16):  # only the noise of JPEG
        return Mask(nothing, nothing, source + "empty")
    if lossy or (source != PALETTE and _is_soft(values, levels)):
        return Mask(values > top / 2, nothing, source + "grey levels, cut at half of the maximum")
    if len(levels) == 1 and source != PALETTE and (128 <= top < 256 or top >= 32768):
        return Mask(values > 0, nothing, source + "white on black")
    numbered = source == PALETTE or (top == IGNORED and levels[-2] < CLASSES)
    ignored = (values == IGNORED) & numbered
    classes = [f"{value:g}" for value in levels if not (numbered and value == IGNORED)]
    words = f"{source}class{'es' * (len(classes) != 1)} {', '.join(classes[:9]) or 'none'}"
    return Mask((values > 0) & ~ignored, ignored, words + f"; {IGNORED} is not counted" * bool(ignored.any()))


def _values(image):
    """Returns a number per pixel, [H, W], and words on where it is from: index, opacity, or the largest of the colours.

    The index counts unless the colours say more: different greys, or one colour of different opacity.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        return np.asarray(image if image.mode == "F" else image.convert("I")), ""
    colours = np.asarray(image.convert("RGBA"))  # [H, W, 4]
    if image.mode == "P":
        index = np.asarray(image)
        used = colours.reshape(-1, 4)[np.unique(index, return_index=True)[1]]  # [indices, 4]
        plain = (used[:, :3] == used[:, :1]).all() or (used[:, :3] == used[0, :3]).all()
        if not plain or len(np.unique(used, axis=0)) < len(used):
            return index, PALETTE
    brightest, alpha = colours[..., :3].max(axis=2), colours[..., 3]
    visible = colours[alpha > 0, :3] if alpha.min() < alpha.max() else []
    if len(visible) and (visible == visible[0]).all():
        return alpha, ALPHA
    return (brightest * (alpha / 255)).round().astype(np.uint8) if len(visible) else brightest, ""


def _is_soft(values, levels):
    """Whether the values below the largest are edges and noise, which have lower and higher neighbours."""
    if len(levels) == 1 or (values.dtype.kind != "f" and levels[-1] < CLASSES):
        return False
    between = (ndimage.minimum_filter(values, 3) < values) & (values < ndimage.maximum_filter(values, 3))
    share = between[(values > 0) & (values < levels[-1])].mean()
    return share > (0.3 if len(levels) == 2 else 0.05)  # of classes: only where three of them meet
