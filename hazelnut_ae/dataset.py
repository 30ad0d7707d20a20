"""The dataset (notebook 2): a folder in MVTec layout, train/good, test/<defect or good>, ground_truth/<defect>.

Any category and defect names; PNG, JPEG, BMP or TIFF of any size. Area averaging resizes images to 256×256. One that is
not square is squeezed, not cropped, so that no defect at its edge is lost.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from hazelnut_ae.errors import DataError, printable
from hazelnut_ae.io import cache
from hazelnut_ae.io.images import decoded, images_by_stem, opened, subfolders

SIZE = 256


@dataclass
class ImageSet:
    """N images with their masks."""

    images: np.ndarray  # uint8 [N, 3, 256, 256]
    masks: np.ndarray  # bool [N, 256, 256], True on the defect; False everywhere without a mask
    defects: list[str]  # N names; "good" for defect-free images
    paths: list[str]  # N file names, relative to the data folder

    def __len__(self):
        return len(self.images)

    def subset(self, indices):
        """Returns the images at these indices as a new ImageSet."""
        indices = np.asarray(indices, dtype=int)
        defects, paths = ([names[i] for i in indices] for names in (self.defects, self.paths))
        return ImageSet(self.images[indices], self.masks[indices], defects, paths)

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


@dataclass(frozen=True)
class Entry:
    """One image of a data folder."""

    path: Path
    mask: Path | None  # None for good images, and for defective ones that nobody has marked
    defect: str
    split: str  # "train" or "test"


def scan(folder):
    """Lists a data folder without opening an image: (sorted entries, problems as sentences, ignored files)."""
    folder = Path(folder)
    entries, problems, skipped = [], [], []
    if not os.path.isdir(folder):  # Path.is_dir would raise for a name that is too long
        return [], [f"{folder} is not a folder; name one in MVTec layout (train/good, test/…, ground_truth/…)."], []
    good = images_by_stem(folder / "train" / "good", problems, skipped)
    if not good:
        problems.append(f"{folder / 'train' / 'good'} holds no images; put the defect-free training images there.")
    entries += [Entry(path, None, "good", "train") for path in good.values()]
    ground_truth = folder / "ground_truth"
    for test_folder in subfolders(folder / "test"):
        defect = test_folder.name
        images = images_by_stem(test_folder, problems, skipped)
        if defect == "good":
            entries += [Entry(path, None, defect, "test") for path in images.values()]
            continue
        masks = images_by_stem(ground_truth / defect, problems, skipped, strip="_mask")
        entries += [Entry(path, masks.get(stem), defect, "test") for stem, path in images.items()]
        for stem, mask in masks.items():
            if stem not in images:
                problems.append(f"{mask} has no image; add {test_folder / stem}.png or remove the mask.")
    for mask_folder in subfolders(ground_truth):
        images = folder / "test" / mask_folder.name
        if not images.is_dir() and images_by_stem(mask_folder, [], []):
            problems.append(f"{mask_folder} has masks but there is no {images}; add the images.")
    return entries, [printable(problem) for problem in problems], [printable(file) for file in skipped]


def read_image(path, size=SIZE):
    """Reads one image file as uint8 [3, size, size]. Raises DataError if it is damaged or beyond 100 million pixels."""
    with opened(path) as image:
        return rgb_at(image, (size, size), path)


def rgb_at(image, size, path=""):
    """Converts a Pillow image to uint8 [3, height, width]: 16-bit grey is scaled, transparency is dropped.

    size: (width, height); path: for the message. Raises DataError if its values are floating-point numbers.
    """
    if image.mode.startswith("I"):  # 16-bit grey; 65535 / 257 is 255
        grey = resized(image.convert("I").convert("F"), size)
        image = Image.fromarray((np.asarray(grey) / 257).round().clip(0, 255).astype(np.uint8))
    elif image.mode == "F":
        raise DataError(f"{path} holds floating-point numbers, whose range is unknown; save it with 8 or 16 bits.")
    rgb = resized(image.convert("RGB"), size)
    return np.ascontiguousarray(np.asarray(rgb).transpose(2, 0, 1))  # [3, height, width]


def resized(image, size):
    """Resizes a Pillow image to (width, height): area averaging if it shrinks, bicubic if it grows."""
    shrinks = image.width >= size[0] and image.height >= size[1]
    return image.resize(size, Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC)


def read_mask(path, image_size, size=SIZE):
    """Reads one mask file as bool [size, size]: a pixel is True if at least half of its area is defective.

    A defect that is too small for that keeps all pixels that it touches. The file has 0 for good and another value for
    defective pixels. Raises DataError if it cannot be read, or has another (width, height) than its image.
    """
    with opened(path) as mask:
        if mask.size != image_size:
            sizes = f"{mask.width}×{mask.height} pixels but its image has {image_size[0]}×{image_size[1]}"
            raise DataError(f"{path} has {sizes}; save the mask at the size of its image.")
        grey = np.asarray(mask.convert("L") if mask.mode in ("P", "RGB", "RGBA", "CMYK", "LA", "PA") else mask)
        # 0/255 is usual; 0/1 and class numbers occur
        binary = grey > 127 if grey.max(initial=0) > 127 else grey > 0
        share = Image.fromarray(binary.astype(np.float32)).resize((size, size), Image.Resampling.BOX)
    share = np.asarray(share)  # float32 [size, size] in [0, 1]
    return share >= 0.5 if (share >= 0.5).any() else share > 0


def read_entry(entry, size=SIZE):
    """Reads the image uint8 [3, size, size] and the mask bool [size, size] (False everywhere for good images)."""
    image = read_image(entry.path, size)
    if entry.mask is None:
        return image, np.zeros((size, size), dtype=bool)
    with opened(entry.path) as original:
        image_size = original.size
    return image, read_mask(entry.mask, image_size, size)


def load(folder: str | Path, size: int = SIZE) -> Dataset:
    """Reads a data folder in MVTec layout. A second load comes from a cache, unless a file has changed.

    size: side of the images and masks in pixels. Raises DataError with the first problem (`check` lists all of them).
    """
    folder = Path(folder)
    entries, problems, _ = scan(folder)
    if problems:
        more = f" ({len(problems) - 1} more: see hazelnut-ae check)" if len(problems) > 1 else ""
        raise DataError(problems[0] + more)
    pairs = decoded(lambda entry: read_entry(entry, size), entries, folder.name)  # lazy: nothing is read yet
    signature = source_signature(folder, entries, size)
    stored = cache.stored(folder, signature) or cache.store(folder, signature, len(entries), size, pairs)
    images, bits, fingerprint = stored  # uint8 [N, 3, size, size], masks packed eight to a byte, str

    def image_set(split):
        rows = [i for i, entry in enumerate(entries) if entry.split == split]
        span = slice(rows[0], rows[-1] + 1) if rows else slice(0, 0)  # contiguous; a list would copy a memory map
        names = [entry.path.relative_to(folder).as_posix() for entry in entries[span]]
        if split == "train":  # one empty mask in memory, seen as [n, size, size]
            masks = np.broadcast_to(np.zeros((size, size), dtype=bool), (len(rows), size, size))
        else:
            masks = cache.unpack(bits[span], size)  # bool [n, size, size]
        return ImageSet(images[span], masks, [entry.defect for entry in entries[span]], names)

    return Dataset(image_set("train"), image_set("test"), folder.resolve().name, fingerprint, read_license(folder))


def source_signature(folder, entries, size):
    """Returns a hash of the names, sizes and times of all files, without reading them; it changes when a file does."""
    digest = hashlib.sha256(f"version 1, {size} pixels\n".encode())
    for entry in entries:
        for path in filter(None, (entry.path, entry.mask)):
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
    """Reads all files of a data folder; returns (counts {"train/good": n, …}, problems, ignored files)."""
    entries, problems, skipped = scan(folder)
    counts = {}
    for entry in tqdm(entries, desc="checking", unit="image", disable=None, leave=False):
        key = f"{entry.split}/{entry.defect}"
        counts[key] = counts.get(key, 0) + 1
        try:
            read_entry(entry, size)
        except DataError as error:
            problems.append(str(error))
    return counts, problems, skipped
