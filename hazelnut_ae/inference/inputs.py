"""Lists the images in files, folders and patterns, and reads each; a damaged one does not stop the others."""

import contextlib
import glob
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from hazelnut_ae.dataset import SIZE, WHITE, read_image, rgb_at
from hazelnut_ae.errors import DataError, printable
from hazelnut_ae.io.images import IMAGE_SUFFIXES, opened, page_of, pages

SHOWN = 512  # pixels of the longer side of a written picture


class Photograph(NamedTuple):
    """One image, decoded once for the detector and the pictures."""

    image: np.ndarray  # uint8 [3, H, W], what the detector gets
    shown: np.ndarray  # uint8 [3, h, w], original aspect ratio, at most 512 pixels long
    size: tuple[int, int]  # (width, height) of the file, upright
    stamp: list[int]  # size and time of the file before it was read


def listed(inputs, out):
    """Lists the images in files, folders (with subfolders) and patterns, without hidden files and those in `out`.

    Each page of a TIFF file is one, "scan.tif#3". Returns the paths in order, without duplicates, and the number of
    other files. Raises DataError if an input does not exist or has no image.
    """
    paths, skipped = {}, 0
    for given in map(os.fspath, inputs):
        places = [given] if os.path.lexists(page_of(given)[0]) else sorted(glob.glob(given, recursive=True))
        if not places:
            raise DataError(f"{given} does not exist; name image files, folders, or a pattern such as photos/*.png.")
        found = [images_below(place, out) if os.path.isdir(place) else ([place], 0) for place in places]
        if not any(files for files, _ in found):
            raise DataError(f"{given} holds no images; name PNG, JPEG, BMP or TIFF files, or folders of them.")
        skipped += sum(others for _, others in found)
        for page in (page for files, _ in found for path in files for page in pages(path)):
            paths.setdefault(os.path.abspath(page), page)
    return list(paths.values()), skipped


def images_below(folder, out):
    """Returns the image files in a folder and its subfolders, sorted, and the number of other files."""

    def closed(error):
        raise DataError(f"{error.filename} cannot be read ({error.strerror}); give yourself the right to read it.")

    out, images, others = os.path.realpath(out), [], 0
    for place, folders, files in os.walk(folder, onerror=closed):
        inside = [name for name in sorted(folders) if name[0] != "."]
        folders[:] = [name for name in inside if os.path.realpath(os.path.join(place, name)) != out]
        files = [os.path.join(place, name) for name in sorted(files) if name[0] != "."]
        found = [path for path in files if os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES]
        images, others = images + found, others + len(files) - len(found)
    return images, others


def read(path, white=WHITE, working=(SIZE, SIZE)):
    """Returns the `Photograph` in a file, or (not raised) the DataError if it cannot be read; as for `prepared`."""
    try:
        path.encode("utf-8")
        if not os.path.isfile(page_of(path)[0]):  # a link to nowhere, or a pipe, which would block
            return DataError(f"{path} is not a regular file; name an image file instead.")
        before = stamp(path)
        with opened(path) as image:
            size = tuple(max(1, round(min(1, SHOWN / max(image.size)) * side)) for side in image.size)
            small, shown = (rgb_at(image, one, path, white) for one in (working[::-1], size))
            return Photograph(small, shown, image.size, before)
    except UnicodeEncodeError:
        return DataError(f"{path} has a name that is not in UTF-8; rename it.")
    except DataError as error:
        return error


def prepared(image, white=WHITE, working=(SIZE, SIZE)):
    """One image as uint8 [3, H, W]: a path, or a Pillow image or array, which are read as such a file is.

    white: the 16-bit grey that becomes 255; working: (H, W). Raises ValueError for others, DataError as `read_image`.
    """
    if isinstance(image, str | Path):
        return read_image(Path(image), working, white)
    picture = picture_of(image) if isinstance(image, np.ndarray) else image
    if not isinstance(picture, Image.Image):
        raise ValueError(f"an image is a path, a Pillow image or a NumPy array, not {type(image).__name__}")
    try:
        return rgb_at(ImageOps.exif_transpose(picture), working[::-1], white=white)
    except (OSError, SyntaxError) as error:  # Pillow decodes late
        raise DataError(f"A Pillow image cannot be read ({error}); replace its file.") from error


def picture_of(array):
    """Converts an array to a Pillow image in the mode of a file. Raises ValueError for other dtypes, shapes, ranges."""
    shape = array.shape
    if array.ndim == 3 and shape[2] not in (1, 3, 4) and shape[0] in (1, 3):
        array = array.transpose(1, 2, 0)  # [3, H, W] → [H, W, 3]
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if 0 in shape or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise ValueError(f"an image has the shape [H, W, 3], [3, H, W], [H, W, 4] or [H, W], not {list(shape)}")
    if array.dtype.kind == "f":
        if not ((array >= 0) & (array <= 1)).all():  # NaN is not either
            raise ValueError("an image of floating-point numbers has values in [0, 1]; divide it by its white")
        array = (array * 255).round().astype(np.uint8)
    array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype == np.uint16 and array.ndim == 3:  # colours of 16 bits, as Pillow reads them
        array = (array >> 8).astype(np.uint8)
    if array.dtype not in (np.uint8, np.uint16, bool):
        raise ValueError(f"an image is uint8 in 0 … 255, uint16, or floating-point in [0, 1], not {array.dtype}")
    return Image.fromarray(np.ascontiguousarray(array))


def reason(path, error):
    """The message of an error without the name of its file."""
    return str(error).removeprefix(printable(path)).replace(" " + printable(repr(path)), "").strip()


def stamp(path):
    """Returns [size in bytes, modification time in ns] of a file; None if it does not exist."""
    with contextlib.suppress(OSError):
        status = os.stat(page_of(path)[0])
        return [status.st_size, status.st_mtime_ns]
