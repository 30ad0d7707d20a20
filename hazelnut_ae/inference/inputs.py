"""Which images are meant by files, folders and patterns, and reading one of them without ending all the others."""

import glob
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hazelnut_ae.dataset import SIZE, rgb_at
from hazelnut_ae.errors import DataError, printable
from hazelnut_ae.io.images import IMAGE_SUFFIXES, opened

SHOWN = 512  # pixels of the longer side of a picture that is written: enough to see, little to store


class Photograph(NamedTuple):
    """One image, read once for the network and for the eye."""

    image: np.ndarray  # uint8 [3, 256, 256], what the detector sees
    shown: np.ndarray  # uint8 [3, h, w] with its own proportions, at most 512 pixels long
    size: tuple[int, int]  # (width, height) of the file, upright
    stamp: list[int] | None  # of the file before it was read, see `stamp`


def listed(inputs, out):
    """The images of files, folders (with all below them) and patterns: (paths as text in order, files passed over).

    Hidden files and the folder `out` are left out, and an image named twice counts once.
    Raises: DataError if one of the inputs is not there or holds no image.
    """
    paths, seen, passed_over = [], set(), 0
    for given in inputs:
        found = []
        for place in places(given):
            files, others = images_below(place, out) if os.path.isdir(place) else ([place], 0)
            found += files
            passed_over += others
        if not found:
            raise DataError(f"{given} holds no images; name PNG, JPEG, BMP or TIFF files, or folders of them.")
        for path in found:
            if (key := os.path.abspath(path)) not in seen:
                seen.add(key)
                paths.append(path)
    return paths, passed_over


def places(given):
    """The files and folders that an input names: itself, or what matches it as a pattern such as photos/*.png."""
    given = os.fspath(given)
    if os.path.lexists(given):
        return [given]
    found = sorted(glob.glob(given, recursive=True)) if "\0" not in given else []
    if not found:
        raise DataError(f"{given} is not there; name image files, folders of them, or a pattern such as photos/*.png.")
    return found


def images_below(folder, out):
    """(image files in a folder and all below it, sorted within each folder; how many other files there are)."""

    def closed(error):
        raise DataError(f"{error.filename} cannot be read ({error.strerror}); give yourself the right to read it.")

    out, images, others = os.path.realpath(out), [], 0
    for place, folders, files in os.walk(folder, onerror=closed):
        folders[:] = sorted(
            name for name in folders if name[0] != "." and os.path.realpath(os.path.join(place, name)) != out
        )
        for name in sorted(files):
            is_image = os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
            if name[0] != "." and is_image:
                images.append(os.path.join(place, name))
            others += name[0] != "." and not is_image
    return images, others


def read(path):
    """The `Photograph` in a file, or the DataError that says why there is none."""
    try:
        path.encode("utf-8")
        if not os.path.isfile(path):  # a link to nowhere, or a pipe, which would be waited for without end
            return DataError(f"{path} is no plain file; replace or remove it.")
        before = stamp(path)
        with opened(path) as image:
            width, height = image.size
            scale = min(1, SHOWN / max(width, height))
            shown = rgb_at(image, (max(1, round(scale * width)), max(1, round(scale * height))), path)
            return Photograph(rgb_at(image, (SIZE, SIZE), path), shown, (width, height), before)
    except UnicodeEncodeError:
        return DataError(f"{path} has a name that is not in UTF-8; rename it.")
    except DataError as error:
        return error


def reason(path, error):
    """What is wrong with a file, in words that do not repeat its name."""
    return str(error).removeprefix(printable(path)).replace(" " + printable(repr(path)), "").strip()


def stamp(path):
    """[bytes, time of change] of a file, to notice that it has changed; None where it cannot be asked."""
    try:
        status = Path(path).stat()
        return [status.st_size, status.st_mtime_ns]
    except OSError:
        return None
