"""Careful decoding: image files of a folder, opened without trusting what they hold, several at a time."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

from PIL import Image, ImageOps
from tqdm import tqdm

from hazelnut_ae.errors import DataError

MAX_PIXELS = 100_000_000  # a photograph beyond this is refused from its header, before it fills the memory


class PixelRation:
    """Lets threads decode images side by side as long as these have together no more than MAX_PIXELS.

    Decoding takes up to ten bytes per pixel, so a few of the largest images at once would fill the memory.
    """

    def __init__(self):
        self.taken, self.changed = 0, threading.Condition()

    @contextlib.contextmanager
    def of(self, pixels):
        with self.changed:
            self.changed.wait_for(lambda: not self.taken or self.taken + pixels <= MAX_PIXELS)
            self.taken += pixels
        try:
            yield
        finally:
            with self.changed:
                self.taken -= pixels
                self.changed.notify_all()


RATION = PixelRation()


@contextlib.contextmanager
def opened(path):
    """Opens an image, upright, and turns everything that can go wrong with it into one plain sentence."""
    try:
        Image.MAX_IMAGE_PIXELS = None  # our own limit is lower and has a better sentence
        with Image.open(path, formats=("PNG", "JPEG", "BMP", "TIFF")) as image:  # others, PostScript, can run programs
            if image.width * image.height > MAX_PIXELS:
                raise DataError(
                    f"{path} has {image.width}×{image.height} pixels, more than {MAX_PIXELS // 10**6} million; "
                    "save a smaller version of it."
                )
            with RATION.of(image.width * image.height):
                image.load()
                ImageOps.exif_transpose(image, in_place=True)
                yield image
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more
        raise DataError(f"{path} cannot be read as an image ({error}); replace or remove the file.") from error


def decoded(read, entries, name):
    """Yields `read(entry)` of every entry in order, decoded by a few threads, with a progress bar."""
    with ThreadPoolExecutor() as pool:
        bar = tqdm(total=len(entries), desc=f"reading {name}", unit="image", disable=None, leave=False)
        with bar:
            for start in range(0, len(entries), 64):  # a window of 64, so that decoded images never pile up
                for pair in pool.map(read, entries[start : start + 64]):
                    bar.update()
                    yield pair


IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}


def images_by_stem(folder, problems, skipped, strip=""):
    """The image files of a folder as {stem: path}, sorted; `strip` is taken off the end of a stem."""
    images = {}
    for path in listing(folder):
        if path.name.startswith(".") or path.is_dir():
            continue
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            skipped.append(f"{path} is not a PNG, JPEG, BMP or TIFF file and is passed over.")
            continue
        if not path.is_file():  # a link to nowhere, or a pipe, which would be waited for without end
            problems.append(f"{path} is no plain file; remove it.")
            continue
        stem = path.stem.removesuffix(strip) if strip else path.stem
        if stem in images:
            problems.append(f"{path} and {images[stem].name} have the same name; rename or remove one of the two.")
            continue
        images[stem] = path
    return images


def subfolders(folder):
    """The folders in a folder, sorted, hidden ones left out; none where there is no such folder."""
    return [path for path in listing(folder) if path.is_dir() and not path.name.startswith(".")]


def listing(folder):
    """What a folder holds, sorted; nothing where there is no such folder. Raises: DataError if it is closed to us."""
    try:
        paths = sorted(folder.iterdir(), key=lambda path: path.name) if folder.is_dir() else []
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}); give yourself the right to read it.") from error
    for path in paths:
        if any("\ud800" <= character <= "\udfff" for character in path.name):
            raise DataError(f"{path} has a name that is not in UTF-8; rename it.")
    return paths
