"""The dataset (notebook 2): a folder in MVTec layout, train/good, test/<defect or good>, ground_truth/<defect>.

Any category and defect names; PNG, JPEG, BMP or TIFF of any size up to 100 megapixels. Area averaging resizes images to
256×256 (for a memory bank: `working_size`), squeezed, not cropped, so that no defect at the edge is lost.
"""

import hashlib
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from hazelnut_ae.errors import DataError, printable
from hazelnut_ae.io import cache
from hazelnut_ae.io.images import decoded, opened, peak, scan
from hazelnut_ae.io.masks import Mask, understood

SIZE = 256
SIDE = 640  # of a tile, as a memory bank sees it
WHITE = 65535  # of 16-bit grey
DEPTHS = (255, 1023, 4095, 16383, WHITE)  # what 8, 10, 12, 14 and 16 bits can hold
OUTSIDE = 0.01  # the share of an image's pixels that may exceed white: reflections
DIM = 64  # of 255; an image whose brightest pixel is darker uses less than a quarter of its range
_said = set()  # notes that were given


@dataclass
class ImageSet:
    """N images with their masks."""

    images: np.ndarray  # uint8 [N, 3, 256, 256]
    masks: np.ndarray  # bool [N, 256, 256], True on the defect; False everywhere without a mask
    defects: list[str]  # N names; "good" for defect-free images
    paths: list[str]  # N file names, relative to the data folder
    ignored: np.ndarray | None = None  # bool [N, 256, 256], pixels that are not counted; None if there are none

    def __len__(self):
        return len(self.images)

    def subset(self, indices):
        """Returns the images at these indices as a new ImageSet."""
        indices = np.asarray(indices, dtype=int)
        defects, paths = ([names[i] for i in indices] for names in (self.defects, self.paths))
        ignored = None if self.ignored is None else self.ignored[indices]
        return ImageSet(self.images[indices], self.masks[indices], defects, paths, ignored)

    def of(self, defect):
        """Returns the images of one defect as a new ImageSet."""
        return self.subset([i for i, name in enumerate(self.defects) if name == defect])

    @property
    def defect_names(self):
        """The names of the defects, sorted, without "good"."""
        return sorted(set(self.defects) - {"good"})


@dataclass
class Dataset:
    """The content of a data folder."""

    train: ImageSet
    test: ImageSet
    name: str  # of the folder
    fingerprint: str  # SHA-256 of all images and masks; a run recognizes its data by it
    license: str  # one line; "" if the folder does not say
    white: int = 0  # the value of 16-bit grey that is read as 255; 0 without such files


def shape_of(size):
    """Returns (height, width): `size` itself, or that of a square."""
    return (size, size) if isinstance(size, int) else tuple(size)


def working_size(size, side=SIDE, tiles=None):
    """Returns ((height, width) at which a memory bank reads files, its (rows, columns) of tiles).

    These are the files' own pixels, but at most `side` in each direction of a tile, and at least 256 of an image.
    size: (width, height) of the files; tiles: None for as many as make them nearly square.
    """
    (width, height), found = size, []
    tiles = tiles or tuple(min(max(1, round(ratio)), 8) for ratio in (height / width, width / height))
    for pixels, count in zip((height, width), tiles, strict=True):
        found.append(count * max(-(-SIZE // count), min(side, pixels // count)))
    return tuple(found), tiles


def read_image(path, size=SIZE, white=WHITE):
    """Reads one image file as uint8 [3, H, W]. Raises DataError if it is damaged or beyond 100 million pixels.

    size: (H, W), or one number for both; white: the value of 16-bit grey that becomes 255.
    """
    with opened(path) as image:
        return rgb_at(image, shape_of(size)[::-1], path, white)


def rgb_at(image, size, path="the image", white=WHITE):
    """Converts a Pillow image to uint8 [3, height, width]: 16-bit grey is scaled, transparent pixels become black.

    size: (width, height); path: for the message; white: the value of 16-bit grey that becomes 255. Raises DataError if
    its values are floating-point numbers, or more than a few are below 0 or above white.
    """
    if image.mode.startswith("I"):
        grey = np.asarray(image.convert("I"))
        if (grey != grey.clip(0, white)).mean() > OUTSIDE:
            said = f"{path} holds values from {grey.min()} to {grey.max()}, but black is 0 and white {white}"
            raise DataError(f"{said}; save it with the same range as the images in train/good.")
        grey = np.asarray(resized(Image.fromarray(grey.astype(np.float32)), size)) / (white / 255)  # [height, width]
        image = Image.fromarray(grey.round().clip(0, 255).astype(np.uint8))
    elif image.mode == "F":
        raise DataError(f"{path} holds floating-point numbers, whose range is unknown; save it with 8 or 16 bits.")
    elif image.has_transparency_data:  # whatever the colours under it are
        rgba = image.convert("RGBA")
        image = Image.new("RGB", rgba.size)
        image.paste(rgba, mask=rgba.getchannel("A"))
    rgb = resized(image.convert("RGB"), size)
    return np.ascontiguousarray(np.asarray(rgb).transpose(2, 0, 1))  # [3, height, width]


def resized(image, size):
    """Resizes a Pillow image to (width, height): area averaging if it shrinks, bicubic if it grows."""
    shrinks = image.width >= size[0] and image.height >= size[1]
    return image.resize(size, Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC)


def read_mask(paths, image_size, size=SIZE):
    """Reads a mask as a `Mask` at [H, W]: a pixel is a defect if at least half of its area is.

    A defect that is too small for that keeps all pixels that it touches. paths: one file, or a tuple of files, whose
    union counts; size: (H, W) or one number. Raises DataError if one cannot be read, or has not the size of its image.
    """
    read = []
    for path in paths if isinstance(paths, tuple) else (paths,):
        with opened(path) as mask:
            if mask.size != image_size:
                sizes = f"{mask.width}×{mask.height} pixels but its image has {image_size[0]}×{image_size[1]}"
                exif = ", turned like it by its EXIF orientation" * (mask.size == image_size[::-1])
                raise DataError(f"{path} has {sizes}; save the mask at the size of its image{exif}.")
            read.append(understood(mask))
    defect, ignored = (np.logical_or.reduce([mask[part] for mask in read]) for part in (0, 1))  # as the image
    parts = (Image.fromarray(part.astype(np.float32)) for part in (defect, ignored & ~defect))
    share, beside = (np.asarray(part.resize(shape_of(size)[::-1], Image.Resampling.BOX)) for part in parts)  # in [0, 1]
    defect = share >= 0.5 if (share >= 0.5).any() else share > 0  # bool [H, W]
    ignored = ~defect & (beside > 0) & (share + beside >= 0.5)
    return Mask(defect, ignored, ", with ".join(dict.fromkeys(mask.words for mask in read)))


def read_entry(entry, size=SIZE, white=WHITE):
    """Reads the image uint8 [3, H, W] and its `Mask` (False everywhere for good images); size: as for `read_image`."""
    with opened(entry.path) as original:
        image, image_size = rgb_at(original, shape_of(size)[::-1], entry.path, white), original.size
    nothing = np.zeros(shape_of(size), bool)
    return image, read_mask(entry.masks, image_size, size) if entry.masks else Mask(nothing, nothing, "")


def white_of(entries):
    """Returns the value of 16-bit grey that is white in a folder, by the bits that its files use; 0 without any."""
    highest = max(decoded(lambda entry: peak(entry.path), entries, "bit depths"), default=0)
    return next((white for white in (0, *DEPTHS) if highest <= white), WHITE)


def load(folder: str | Path, size: int | tuple[int, int] = SIZE) -> Dataset:
    """Reads a data folder in MVTec layout. A second load comes from a cache, unless a file has changed.

    size: side of images and masks, or (height, width). Raises DataError with the first problem (`check` lists all).
    """
    folder, size = Path(folder), shape_of(size)
    entries, problems, _ = scan(folder)
    if problems:
        more = f" ({len(problems) - 1} more: see hazelnut-ae check)" if len(problems) > 1 else ""
        raise DataError(problems[0] + more)
    at = f" at {size}" * (size != (SIZE, SIZE))
    path = cache.entry("sets", cache.SET_VERSION, folder=f"{folder.resolve()}{at}")
    path = path / source_signature(folder, entries, size)
    if (stored := cache.stored(path)) is None:
        white = white_of(entries)
        rows = decoded(lambda entry: read_entry(entry, size, white or WHITE), entries, folder.name)
        rows = ((image, np.stack(mask[:2])) for image, mask in rows)
        stored = cache.store(path, len(entries), size, rows, white)
    images, bits, fingerprint, white = stored  # uint8 [N, 3, H, W], masks packed eight to a byte, str, int

    def image_set(split):
        rows = [i for i, entry in enumerate(entries) if entry.split == split]
        span = slice(rows[0], rows[-1] + 1) if rows else slice(0, 0)  # contiguous; a list would copy a memory map
        names = [entry.path.relative_to(folder).as_posix() for entry in entries[span]]
        if split == "train":  # one empty mask in memory, seen as [n, H, W]
            masks, ignored = np.broadcast_to(np.zeros(size, dtype=bool), (2, len(rows), *size))
        else:
            masks, ignored = cache.unpack(bits[span], size).swapaxes(0, 1)  # bool [n, H, W] each
        defects, ignored = [entry.defect for entry in entries[span]], ignored if ignored.any() else None
        return ImageSet(images[span], masks, defects, names, ignored)

    train, test = image_set("train"), image_set("test")
    shares = dict(zip(test.paths, test.masks.mean(axis=(1, 2)), strict=True))
    for note in notes(folder, [image.max() for image in train.images[:: 1 + len(train) // 100]], shares):
        if note not in _said:
            print(f"Note: {note}", file=sys.stderr)
            _said.add(note)
    return Dataset(train, test, folder.resolve().name, fingerprint, read_license(folder), white)


def notes(folder, brightest, shares):
    """Returns sentences on what is probably wrong with the images and masks of a data folder.

    brightest: the largest values of training images; shares: {test image: the defective share of its pixels}.
    """
    inverted, found = [folder / path for path, share in shares.items() if share > 0.5], []
    if inverted:
        count = f"{len(inverted)} mask{'s' * (len(inverted) != 1)}"
        said = f"Over half of the image is marked in {count}, such as that of {inverted[0]}"
        found.append(f"{said}: probably inverted; if so, swap black and white, because black is good.")
    if np.median([*brightest, *[DIM] * (not brightest)]) < DIM:
        said = f"{folder / 'train' / 'good'} is dark: its images reach {np.median(brightest):.0f} of 255"
        found.append(f"{said}; expose longer, or scale all images alike, also those to predict.")
    return [printable(note) for note in found]


def source_signature(folder, entries, size):
    """Returns a hash of the names, sizes and times of all files, without reading them; it changes when a file does."""
    digest = hashlib.sha256(f"version 2, {size} pixels\n".encode())
    for entry in entries:
        for path in (entry.path, *entry.masks):
            stat = path.stat()
            digest.update(f"{path.relative_to(folder).as_posix()}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:20]


def read_license(folder):
    """Returns one line on the licence of the images, from the license and readme files; "" if they do not say."""
    files = [folder / name for name in ("license.txt", "LICENSE", "readme.txt", "README.md")]
    text = " ".join(file.read_text(encoding="utf-8", errors="replace")[:5000] for file in files if file.is_file())
    if "synthetic" in text.lower():
        return "synthetic hazelnuts, MIT licence"
    if re.search(r"CC.?BY.?NC.?SA|NonCommercial-ShareAlike", text, re.IGNORECASE):
        return "MVTec AD, Bergmann et al., CVPR 2019, CC BY-NC-SA 4.0" if "mvtec" in text.lower() else "CC BY-NC-SA 4.0"
    return "CC BY 4.0" if re.search(r"CC.?BY|Attribution 4", text, re.IGNORECASE) else ""


def check(folder, size=SIZE):
    """Reads all files of a data folder; returns (counts {"train/good": n, …}, problems, notes).

    The notes name skipped files, say how the masks of each folder were read, and what is probably wrong.
    """
    entries, problems, found = scan(folder)
    counts, words, brightest, shares, white = Counter(), {}, [], {}, white_of(entries)
    for entry in tqdm(entries, desc="checking", unit="image", disable=None, leave=False):
        counts[f"{entry.split}/{entry.defect}"] += 1
        try:
            image, mask = read_entry(entry, size, white or WHITE)
        except DataError as error:
            problems.append(str(error))
            continue
        if entry.split == "train":
            brightest.append(image.max())
        if entry.masks:
            words.setdefault(entry.defect, Counter())[mask.words] += 1
            shares[entry.path.relative_to(folder).as_posix()] = mask.defect.mean()
    for defect, of in words.items():
        parts = "; ".join(f"{count} mask{'s' * (count != 1)}: {text}" for text, count in of.most_common())
        found.append(printable(f"ground_truth/{defect}: {parts}."))
    found += [f"The 16-bit files hold {white.bit_length()} bits: {white} is read as white."] * (0 < white < WHITE)
    probably = notes(Path(folder), brightest[:: 1 + len(brightest) // 100], shares)
    _said.update(probably)
    return counts, problems, found + probably
