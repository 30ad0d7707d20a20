"""Finds image files in a folder and decodes them in threads, safely for untrusted files."""

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor

from PIL import Image, ImageOps
from tqdm import tqdm

from hazelnut_ae.errors import DataError

MAX_PIXELS = 100_000_000  # larger images are refused after their header, before they fill the memory
LARGE = 20_000_000  # pixels; decoding takes up to ten bytes per pixel, so larger images are decoded one at a time
THREADS = 8  # that decode; with the two limits above they need less than 3 GB together
ONE_AT_A_TIME = threading.Lock()
Image.core.set_block_size(64 << 20)  # the C library frees blocks above 32 MB, but keeps smaller ones
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}


@contextlib.contextmanager
def opened(path):
    """Yields a decoded, upright Pillow image. Raises DataError if it is unreadable, too large or of another format."""
    try:
        Image.MAX_IMAGE_PIXELS = None  # our own limit is lower and has a clearer message
        with Image.open(path, formats=("PNG", "JPEG", "BMP", "TIFF")) as image:  # PostScript can run programs
            pixels = image.width * image.height
            if pixels > MAX_PIXELS:
                raise DataError(
                    f"{path} has {image.width}×{image.height} pixels, more than {MAX_PIXELS // 10**6} million; "
                    "save a smaller version of it."
                )
            with ONE_AT_A_TIME if pixels > LARGE else contextlib.nullcontext():
                image.load()
                ImageOps.exif_transpose(image, in_place=True)
                yield image
    except DataError:
        raise
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise DataError(f"{path} cannot be opened ({error.strerror}); name an image file that you may read.") from error
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more
        raise DataError(f"{path} cannot be read as an image ({error}); replace or remove the file.") from error


def decoded(read, entries, name):
    """Yields `read(entry)` for each entry in order, computed in threads, with a progress bar called `name`."""
    bar = tqdm(total=len(entries), desc=f"reading {name}", unit="image", disable=None, leave=False)
    with bar, ThreadPoolExecutor(min(THREADS, (os.cpu_count() or 1) + 1)) as pool:
        for start in range(0, len(entries), 64):  # 64 at a time, so that decoded images never fill the memory
            for result in pool.map(read, entries[start : start + 64]):
                bar.update()
                yield result


def images_by_stem(folder, problems, skipped, strip=""):
    """Returns the image files of a folder, {stem: path}, sorted by name, without hidden files.

    Args:
        folder: path of the folder.
        problems, skipped: lists; it adds a sentence for each wrong file, and for each file of another type.
        strip: removed from the end of a stem, for example "_mask".
    """
    images = {}
    for path in listing(folder):
        if path.name.startswith(".") or path.is_dir():
            continue
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            skipped.append(f"{path} is not a PNG, JPEG, BMP or TIFF file and is skipped.")
            continue
        if not path.is_file():  # a broken link, or a pipe, which would block
            problems.append(f"{path} is not an ordinary file; remove it.")
            continue
        stem = path.stem.removesuffix(strip) if strip else path.stem
        if stem in images:
            problems.append(f"{path} and {images[stem].name} have the same name; rename or remove one of the two.")
            continue
        images[stem] = path
    return images


def subfolders(folder):
    """Returns the subfolders of a folder, sorted, without hidden ones; [] if the folder does not exist."""
    return [path for path in listing(folder) if path.is_dir() and not path.name.startswith(".")]


def listing(folder):
    """Returns the sorted content of a folder, [] if it does not exist. Raises DataError if it cannot be read."""
    try:
        paths = sorted(folder.iterdir(), key=lambda path: path.name) if folder.is_dir() else []
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}); check its permissions.") from error
    for path in paths:
        if any("\ud800" <= character <= "\udfff" for character in path.name):
            raise DataError(f"{path} has a name that is not in UTF-8; rename it.")
    return paths
