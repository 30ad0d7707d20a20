"""Finds image files and masks in a data folder, and decodes them in threads, safely for untrusted files."""

import contextlib
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageOps
from tqdm import tqdm

from hazelnut_ae.errors import DataError, printable

MAX_PIXELS = 100_000_000  # larger images are refused after their header, before they fill the memory
LARGE = 20_000_000  # pixels; decoding takes up to ten bytes per pixel, so larger images are decoded one at a time
THREADS = 8  # that decode; with the two limits above they need less than 3 GB together
ONE_AT_A_TIME = threading.Lock()
Image.core.set_block_size(64 << 20)  # the C library frees blocks above 32 MB, but keeps smaller ones
PAGE = re.compile(r"(.+\.tiff?)#([1-9]\d{0,5})", re.IGNORECASE | re.DOTALL)
EXIF_ORIENTATION = 0x0112
NEW_SUBFILE_TYPE = 254  # the TIFF tag whose first bit marks a smaller version of another page
GOOD = ("good", "ok")  # names of folders of good images
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}


@contextlib.contextmanager
def opened(path):
    """Yields a decoded, upright Pillow image, of a file or of a page of a TIFF file, such as "scan.tif#3".

    Raises DataError if it is unreadable, too large or of another format, or has several pages and none is named.
    """
    try:
        file, page = page_of(path)
        with header(file) as image:
            shown = pages_of(image)
            if page > len(shown) or (page == 0 and len(shown) > 1):
                remedy = f"save each page as a file of its own; to predict, name the file, or a page as {file}#1"
                raise DataError(f"{file} has {len(shown)} page{'s' * (len(shown) != 1)}; {remedy}.")
            image.seek(shown[max(page - 1, 0)])
            pixels = image.width * image.height
            if pixels > MAX_PIXELS:
                remedy = f"more than {MAX_PIXELS // 10**6} million; save a smaller version of it"
                raise DataError(f"{path} has {image.width}×{image.height} pixels, {remedy}.")
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


def header(file):
    """Opens an image file as Pillow does, without decoding it."""
    Image.MAX_IMAGE_PIXELS = None  # our own limit is lower and has a clearer message
    return Image.open(file, formats=("PNG", "JPEG", "BMP", "TIFF"))  # PostScript can run programs


def headers(paths):
    """Yields (path, upright (width, height), whether EXIF turns it) of each readable image file; decodes nothing."""
    for path in paths:
        with contextlib.suppress(Exception), header(path) as image:  # `opened` says what is wrong
            turned = Image.Image.getexif(image).get(EXIF_ORIENTATION, 1)  # the method of PNG would decode it
            yield path, image.size[:: -1 if turned > 4 else 1], turned > 1


def page_of(path):
    """Splits "scan.tif#3" into (path of the file, 3); the page is 0 for a file without one."""
    found = None if os.path.lexists(path) else PAGE.fullmatch(os.fspath(path))
    return (found[1], int(found[2])) if found else (path, 0)


def pages_of(image):
    """Returns the frames of a TIFF that are pages, not smaller versions of one; [0] for other images."""
    frames = range(image.n_frames if image.format == "TIFF" else 0)  # below, seek returns None
    return [frame for frame in frames if image.seek(frame) or not image.tag_v2.get(NEW_SUBFILE_TYPE, 0) & 1] or [0]


def pages(path):
    """Lists the pages of a TIFF file, ["scan.tif#1", …]; [path] for other files."""
    with contextlib.suppress(Exception):  # `opened` says what is wrong
        if os.path.splitext(path)[1].lower() in (".tif", ".tiff") and os.path.isfile(path):
            with header(path) as image:
                count = len(pages_of(image))
            return [path] if count == 1 else [f"{path}#{page}" for page in range(1, count + 1)]
    return [path]


def peak(path):
    """Returns the largest value in a file of 16-bit grey; 0 for other files, and for those that cannot be read."""
    with contextlib.suppress(Exception), header(path) as image:  # `opened` says what is wrong
        if image.mode.startswith("I"):
            with opened(path) as grey:
                return grey.convert("I").getextrema()[1]
    return 0


def decoded(read, entries, name):
    """Yields `read(entry)` for each entry in order, computed in threads, with a progress bar called `name`."""
    bar = tqdm(total=len(entries), desc=f"reading {name}", unit="image", disable=None, leave=False)
    with bar, ThreadPoolExecutor(min(THREADS, (os.cpu_count() or 1) + 1)) as pool:
        for start in range(0, len(entries), 64):  # 64 at a time, so that decoded images never fill the memory
            for result in pool.map(read, entries[start : start + 64]):
                bar.update()
                yield result


def images_by_stem(folder, problems, skipped):
    """Returns the image files of a folder, {stem: path}; adds sentences on wrong and other files to the two lists."""
    images = {}
    for path in listing(folder):
        if path.name.startswith(".") or path.is_dir():
            continue
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            remedy = "save it as PNG if it is an image"
            skipped.append(f"{path} is not a PNG, JPEG, BMP or TIFF file and is skipped; {remedy}.")
            continue
        if not path.is_file():  # a broken link, or a pipe, which would block
            problems.append(f"{path} is not an ordinary file; remove it.")
            continue
        other = images.setdefault(path.stem, path)
        if other is not path:
            problems.append(f"{path} and {other.name} have the same name; rename or remove one of the two.")
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


class Entry(NamedTuple):
    """One image of a data folder."""

    path: Path
    masks: tuple[Path, ...]  # their union is the mask; () for good images and those that nobody has marked
    defect: str
    split: str  # "train" or "test"


def scan(folder):
    """Lists a data folder without opening an image: (sorted entries, problems as sentences, ignored files)."""
    folder = Path(folder)
    entries, problems, skipped = [], [], []
    if not os.path.isdir(folder):  # Path.is_dir would raise for a name that is too long
        return [], [f"{folder} is not a folder; name one in MVTec layout (train/good, test/…, ground_truth/…)."], []
    for place in (place for place in subfolders(folder / "train") if is_good(place, skipped)):
        entries += [Entry(path, (), "good", "train") for path in images_by_stem(place, problems, skipped).values()]
    if not entries:
        problems.append(f"{folder / 'train' / 'good'} holds no images; put the defect-free training images there.")
    ground_truth = folder / "ground_truth"
    for test_folder in subfolders(folder / "test"):
        defect = test_folder.name
        images = images_by_stem(test_folder, problems, skipped)
        if is_good(test_folder, skipped):
            entries += [Entry(path, (), "good", "test") for path in images.values()]
            continue
        masks = {stem: (path,) for stem, path in images_by_stem(ground_truth / defect, problems, skipped).items()}
        for place in subfolders(ground_truth / defect):  # several masks for an image
            masks[place.name] = (*masks.get(place.name, ()), *images_by_stem(place, problems, skipped).values())
        pairs = {stem: stem for stem in images if stem in masks}  # the exact name first
        left = masks.keys() - pairs.keys()
        pairs |= {stem: f"{stem}_mask" for stem in images.keys() - pairs.keys() if f"{stem}_mask" in left}
        entries += [Entry(path, masks.get(pairs.get(stem), ()), defect, "test") for stem, path in images.items()]
        for stem in [stem for stem in masks if stem not in pairs.values()]:
            image = test_folder / stem.removesuffix("_mask")
            why = f"has no image, or another mask fits it, too; add {image}.png or remove the mask"
            problems += [f"{mask} {why}." for mask in masks[stem]]
    for mask_folder in subfolders(ground_truth):
        images = folder / "test" / mask_folder.name
        if not images.is_dir() and not is_good(images) and images_by_stem(mask_folder, [], []):
            problems.append(f"{mask_folder} has masks but there is no {images}; add the images.")
    return entries, [printable(problem) for problem in problems], [printable(file) for file in skipped]


def is_good(folder, notes=None):
    """Whether a folder of images holds good ones, by its name; notes: a list, for a sentence on a name but "good"."""
    if folder.name.lower() in GOOD[1:] and notes is not None:
        notes.append(f"{folder} is read as good images, as {folder.with_name('good')}; rename it if it has defects.")
    return folder.name.lower() in GOOD
