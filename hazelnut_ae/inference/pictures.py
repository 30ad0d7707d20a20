"""Draws the result for one image: boxes of defective regions, heat map, overlay and thumbnails."""

import base64
import io

import numpy as np
from matplotlib import colormaps
from PIL import Image
from scipy.ndimage import binary_dilation
from skimage.measure import label, regionprops

from hazelnut_ae import figures

BOXES = 10  # the largest of each image; some maps consist of small spots
THUMBNAIL_BYTES = 20_000  # at most, so that a report with 2,000 of them stays below 60 MB


def regions(mask, size):
    """Finds the connected regions (corners touch) of a mask bool [H, W] of an image file of `size` (width, height).

    Returns their number, the boxes of the 10 largest in pixels of the file, and the mask of these 10, bool [H, W].
    """
    (rows, columns), (width, height), boxes = mask.shape, size, []
    labels = label(mask, connectivity=2)
    found = sorted(regionprops(labels), key=lambda one: (-one.area, one.label))
    for one in found[:BOXES]:
        top, left, bottom, right = one.bbox  # of the map; the lower right edge is just outside
        x, y = left * width // columns, top * height // rows
        w, h = -(-right * width // columns) - x, -(-bottom * height // rows) - y  # rounded outwards
        boxes.append({"x": x, "y": y, "width": w, "height": h, "share": float(one.area) / mask.size})
    return len(found), boxes, np.isin(labels, [one.label for one in found[:BOXES]])


def enlarged(values, shown):
    """Resizes a map or mask [H, W] to the size of a picture [3, h, w]: float32 [h, w]."""
    size = shown.shape[2], shown.shape[1]
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BILINEAR))


def heat(strength):
    """Draws strength [h, w] in [0, 1] as a Pillow image; brighter is stronger."""
    image = Image.fromarray((255 * strength + 0.5).astype(np.uint8))
    image.putpalette((255 * colormaps["inferno"](np.arange(256))[:, :3] + 0.5).astype(np.uint8).tobytes())
    return image  # with a palette the file has a third of the size


def overlay(shown, strength, largest):
    """Draws heat [h, w] over an image [3, h, w], and a line around the regions bool [H, W], as a Pillow image."""
    picture = figures.overlay(shown, strength, 1)  # float [3, h, w]
    inside = enlarged(largest, shown) > 0.5
    line = binary_dilation(inside) & ~inside
    picture[:, binary_dilation(line) & ~inside] *= 0.3  # a dark edge, for contrast
    picture[:, line] = 1
    return image_of((255 * picture + 0.5).clip(0, 255).astype(np.uint8))


def image_of(picture):
    """Converts uint8 [3, h, w] to a Pillow image."""
    return Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))


def thumbnail(image):
    """Encodes a Pillow image as base64 of a JPEG of at most 256 pixels and 20 kB."""
    image = image.copy()
    image.thumbnail((256, 256))
    for quality in (80, 60, 40, 20):
        image.save(buffer := io.BytesIO(), "JPEG", quality=quality)
        if buffer.tell() <= THUMBNAIL_BYTES:
            break
    return base64.b64encode(buffer.getvalue()).decode("ascii")
