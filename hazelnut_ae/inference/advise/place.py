"""Where the parts lie in their photographs: how many, how large, and whether in the middle.

A part is what differs from the colour of the photograph's rim. Where the rim itself is of many colours, as on a
board or in a box, that does not tell a part from its ground, and nothing is said.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from hazelnut_ae.inference.advise.small import averaged, evenly

LOOKED_AT = 100  # images, evenly chosen
SIDE = 64  # pixels to which they are averaged
RIM = 4  # pixels
CONTRAST = 12  # grey levels by which a part differs from its ground, at least
ONE_GROUND = 0.2  # share of the rim that may differ as much as a part does
SPECK = 0.3  # of the largest part's area: what is smaller counts as dust or debris
SMALL = 0.05  # of the image's area: smaller parts have few pixels
ASIDE = 0.12  # of the side: farther from the middle than this is aside, on the average or as a deviation
WANDERS = 0.07


class Place(NamedTuple):
    """Where parts lie. copies: in an image, the median; all else of the largest one.

    area: its share of the image, the median; aside: how far its middle is from the image's, on the average, as a share
    of the side; wanders: the standard deviation of that over the images.
    """

    copies: int
    area: float
    aside: float
    wanders: float


def place(images):
    """The `Place` of parts in good images uint8 [N, 3, 256, 256], N ≥ 1; None where they do not tell."""
    return summary([parts(one) for one in averaged(evenly(images, LOOKED_AT), SIDE)])


def summary(found):
    """The `Place` of what `parts` says of several images; None where it says nothing of half of them."""
    told = [one for one in found if one is not None]
    if 2 * len(told) <= len(found):
        return None
    copies, area, down, right = np.array(told).T
    return Place(
        int(np.median(copies)),
        float(np.median(area)),
        float(np.hypot(down.mean(), right.mean())),
        float(np.hypot(down.std(), right.std())),
    )


def moved_to_middle(images):
    """Images uint8 [N, 3, 256, 256] with their part in the middle; as they are where that is not known, or already so.

    What comes in at the sides repeats the rim.
    """
    found = [parts(one) for one in averaged(images, SIDE)]
    seen = summary(found)
    if seen is None or seen.copies != 1 or seen.wanders <= WANDERS:
        return images
    side = images.shape[-1]
    moved = []
    for image, one in zip(images, found, strict=True):
        down, right = (0, 0) if one is None else (round(side * shift) for shift in one[2:])
        edge = np.pad(image, ((0, 0), (side // 2, side // 2), (side // 2, side // 2)), mode="edge")
        moved.append(edge[:, side // 2 + down :, side // 2 + right :][:, :side, :side])
    return np.stack(moved)


def parts(image):
    """Of a small image [3, S, S]: (number of parts, area of the largest, its middle's distance down and right of the
    image's), shares of the image's area and side; None where parts do not stand out from the ground."""
    side = image.shape[-1]
    rim = np.ones((side, side), bool)
    rim[RIM:-RIM, RIM:-RIM] = False
    ground = np.median(image[:, rim], axis=1)  # [3]
    smooth = ndimage.gaussian_filter(image, (0, 1, 1))
    differs = np.sqrt(((smooth - ground[:, None, None]) ** 2).sum(axis=0))  # [S, S]
    line = max(CONTRAST, np.quantile(differs, 0.995) / 3)
    part = differs > line
    if part[rim].mean() > ONE_GROUND:
        return None
    labels, _ = ndimage.label(ndimage.binary_fill_holes(ndimage.binary_opening(part)))
    areas = np.bincount(labels.ravel())[1:]
    if not len(areas):
        return None
    large = areas.argmax()
    down, right = np.nonzero(labels == large + 1)
    middle = [float(line.mean() + 0.5) / side - 0.5 for line in (down, right)]
    return float((areas >= SPECK * areas[large]).sum()), float(areas[large] / side**2), *middle
