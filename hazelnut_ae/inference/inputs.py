"""Lists the images in files, folders and patterns, and reads each; a damaged one does not stop the others."""

import glob
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hazelnut_ae.dataset import SIZE, rgb_at
from hazelnut_ae.errors import DataError, printable
from hazelnut_ae.io.images import IMAGE_SUFFIXES, opened

SHOWN = 512  # pixels of the longer side of a written picture


class Photograph(NamedTuple):
    """One image, decoded once for the detector and the pictures."""

    image: np.ndarray  # uint8 [3, 256, 256], what the detector gets
    shown: np.ndarray  # uint8 [3, h, w], original aspect ratio, at most 512 pixels long
    size: tuple[int, int]  # (width, height) of the file, upright
    stamp: list[int]  # size and time of the file before it was read


def listed(inputs, out):
    """Lists the images in files, folders (with subfolders) and patterns, without hidden files and those in `out`.

    Returns the paths in order, without duplicates, and the number of other files. Raises DataError if an input does not
    exist or has no image.
    """
    paths, skipped = {}, 0
    for given in map(os.fspath, inputs):
        pattern = "" if "\0" in given else given
        places = [given] if os.path.lexists(given) else sorted(glob.glob(pattern, recursive=True))
        if not places:
            raise DataError(f"{given} does not exist; name image files, folders, or a pattern such as photos/*.png.")
        found = [images_below(place, out) if os.path.isdir(place) else ([place], 0) for place in places]
        if not any(files for files, _ in found):
            raise DataError(f"{given} holds no images; name PNG, JPEG, BMP or TIFF files, or folders of them.")
        skipped += sum(others for _, others in found)
        for path in (path for files, _ in found for path in files):
            paths.setdefault(os.path.abspath(path), path)
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


def read(path):
    """Returns the `Photograph` in a file, or (not raised) the DataError if it cannot be read."""
    try:
        path.encode("utf-8")
        if not os.path.isfile(path):  # a link to nowhere, or a pipe, which would block
            return DataError(f"{path} is not a regular file; replace or remove it.")
        before = stamp(path)
        with opened(path) as image:
            size = tuple(max(1, round(min(1, SHOWN / max(image.size)) * side)) for side in image.size)
            return Photograph(rgb_at(image, (SIZE, SIZE), path), rgb_at(image, size, path), image.size, before)
    except UnicodeEncodeError:
        return DataError(f"{path} has a name that is not in UTF-8; rename it.")
    except DataError as error:
        return error


def reason(path, error):
    """The message of an error without the name of its file."""
    return str(error).removeprefix(printable(path)).replace(" " + printable(repr(path)), "").strip()


def stamp(path):
    """Returns [size in bytes, modification time in ns] of a file; None if it does not exist."""
    try:
        status = Path(path).stat()
        return [status.st_size, status.st_mtime_ns]
    except OSError:
        return None
