"""A contact sheet of synthetic hazelnuts, to see at a glance what the painter makes."""

import numpy as np
from scipy import ndimage

from hazelnut_ae.synthetic.defects import DEFECTS
from hazelnut_ae.synthetic.painting import paint


def catalogue(good=40, each=10, seed=0, size=128):
    """Good nuts, then rows of each defect with its mask outlined, ten nuts to a row.

    Returns: uint8 [rows * size, 10 * size, 3]; write it with PIL.Image.fromarray(…).save(…).
    """
    tiles = []
    for defect, count in [(None, good), *((name, each) for name in DEFECTS)]:
        for number in range(count):
            image, mask = paint(np.random.default_rng([seed, len(tiles), number]), defect)
            outline = ndimage.binary_dilation(mask, iterations=3) & ~ndimage.binary_dilation(mask, iterations=2)
            image[outline] = (120, 220, 255)
            factor = len(image) // size
            tiles.append(image.reshape(size, factor, size, factor, 3).mean((1, 3)))
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 10)
    sheet = np.stack(tiles).reshape(-1, 10, size, size, 3)  # [rows, 10, size, size, 3]
    return sheet.transpose(0, 2, 1, 3, 4).reshape(-1, 10 * size, 3).round().astype(np.uint8)
