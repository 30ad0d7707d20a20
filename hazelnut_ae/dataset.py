"""Reads a folder in MVTec layout into memory: train/good, test/<defect or good>, ground_truth/<defect>.

Any category, any defect names, PNG, JPEG, BMP or TIFF of any size. Images become 256×256 by area averaging; one that is
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
    """Images with their masks: one row of each per photograph.

    images: uint8 [N, 3, 256, 256]; masks: bool [N, 256, 256], True on the defect; defects: N names, "good" for
    defect-free ones; paths: N file names relative to the data folder.
    """

    images: np.ndarray
    masks: np.ndarray
    defects: list[str]
    paths: list[str]

    def __len__(self):
        return len(self.images)

    def subset(self, indices):
        """The rows of those numbers as an ImageSet of their own."""
        indices = np.asarray(indices, dtype=int)
        return ImageSet(
            self.images[indices],
            self.masks[indices],
            [self.defects[i] for i in indices],
            [self.paths[i] for i in indices],
        )

    def of(self, defect):
        """The rows of one defect."""
        return self.subset([i for i, name in enumerate(self.defects) if name == defect])

    @property
    def defect_names(self):
        """The names of the defects, sorted, without "good"."""
        return sorted(set(self.defects) - {"good"})


@dataclass
class Dataset:
    """A data folder: its good training images, its test images, and who it is.

    fingerprint: SHA-256 of the 256×256 images and masks, so that a run knows its data wherever they lie.
    """

    train: ImageSet
    test: ImageSet
    name: str
    fingerprint: str
    license: str


@dataclass(frozen=True)
class Entry:
    """One photograph of the folder: where it lies, where its mask lies (None for good ones), which defect it shows."""

    path: Path
    mask: Path | None
    defect: str
    split: str  # "train" or "test"


def scan(folder):
    """Lists a data folder without opening an image.

    Returns (entries sorted by split, defect and name; problems, a plain sentence each; files passed over).
    """
    folder = Path(folder)
    entries, problems, skipped = [], [], []
    if not os.path.isdir(folder):  # unlike Path.is_dir it takes any nonsense for an answer
        return [], [f"{folder} is not a folder; name one in MVTec layout (train/good, test/…, ground_truth/…)."], []
    good = images_by_stem(folder / "train" / "good", problems, skipped)
    if not good:
        problems.append(f"{folder / 'train' / 'good'} holds no images; put the defect-free training images there.")
    entries += [Entry(path, None, "good", "train") for path in good.values()]
    ground_truth = folder / "ground_truth"
    test_folders = subfolders(folder / "test")
    for test_folder in test_folders:
        defect = test_folder.name
        images = images_by_stem(test_folder, problems, skipped)
        if defect == "good":
            entries += [Entry(path, None, defect, "test") for path in images.values()]
            continue
        masks = images_by_stem(ground_truth / defect, problems, skipped, strip="_mask")
        for stem, path in images.items():
            if stem in masks:
                entries.append(Entry(path, masks[stem], defect, "test"))
            else:
                mask = ground_truth / defect / f"{stem}_mask.png"
                problems.append(f"{path} has no mask; add {mask} or move the image to test/good.")
        for stem, mask in masks.items():
            if stem not in images:
                problems.append(f"{mask} has no image; add {test_folder / stem}.png or remove the mask.")
    for mask_folder in subfolders(ground_truth):
        if not (folder / "test" / mask_folder.name).is_dir() and images_by_stem(mask_folder, [], []):
            problems.append(
                f"{mask_folder} has masks but there is no {folder / 'test' / mask_folder.name}; add the images."
            )
    return entries, [printable(problem) for problem in problems], [printable(file) for file in skipped]


def read_image(path, size=SIZE):
    """One photograph as uint8 [3, size, size], whatever its mode: 16-bit grey is scaled, transparency dropped.

    Raises: DataError if the file is no image, is cut short or has more than 100 million pixels.
    """
    with opened(path) as image:
        return rgb_at(image, (size, size), path)


def rgb_at(image, size, path=""):
    """An open Pillow image of any mode at a size (width, height), as uint8 [3, height, width]; `path` names it.

    Raises: DataError if its values have no known range.
    """
    if image.mode.startswith("I"):  # 16-bit grey, 0 … 65535
        grey = resized(image.convert("I").convert("F"), size)
        image = Image.fromarray((np.asarray(grey) / 257).round().clip(0, 255).astype(np.uint8))
    elif image.mode == "F":
        raise DataError(f"{path} holds floating-point numbers, whose range is unknown; save it with 8 or 16 bits.")
    rgb = resized(image.convert("RGB"), size)
    return np.ascontiguousarray(np.asarray(rgb).transpose(2, 0, 1))  # [3, height, width]


def resized(image, size):
    """The image at a size (width, height): area averaging when it shrinks, bicubic when it grows."""
    shrinks = image.width >= size[0] and image.height >= size[1]
    return image.resize(size, Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC)


def read_mask(path, image_size, size=SIZE):
    """One mask as bool [size, size]: True where at least half of a pixel's area is defective.

    A defect too small for that keeps the pixels it touches. Raises: DataError if the file cannot be read, or its
    (width, height) is not `image_size`.
    """
    with opened(path) as mask:
        if mask.size != image_size:
            raise DataError(
                f"{path} has {mask.width}×{mask.height} pixels but its image has {image_size[0]}×{image_size[1]}; "
                "save the mask at the size of its image."
            )
        grey = np.asarray(mask.convert("L") if mask.mode in ("P", "RGB", "RGBA", "CMYK", "LA", "PA") else mask)
        # 0/255 is usual; 0/1 and class numbers occur
        binary = grey > 127 if grey.max(initial=0) > 127 else grey > 0
        share = Image.fromarray(binary.astype(np.float32)).resize((size, size), Image.Resampling.BOX)
    share = np.asarray(share)  # float32 [size, size] in [0, 1]
    return share >= 0.5 if (share >= 0.5).any() else share > 0


def read_entry(entry, size=SIZE):
    """An entry's image uint8 [3, size, size] and mask bool [size, size]. Raises: DataError as the two readers do."""
    image = read_image(entry.path, size)
    if entry.mask is None:
        return image, np.zeros((size, size), dtype=bool)
    with opened(entry.path) as original:
        image_size = original.size
    return image, read_mask(entry.mask, image_size, size)


def load(folder, size=SIZE):
    """Reads a data folder in MVTec layout; a second load comes from a cache that notices changed files.

    Raises: DataError with one sentence for the first problem found (`check` lists them all).
    """
    folder = Path(folder)
    entries, problems, _ = scan(folder)
    if problems:
        more = f" ({len(problems) - 1} more: see hazelnut-ae check)" if len(problems) > 1 else ""
        raise DataError(problems[0] + more)
    signature = source_signature(folder, entries, size)
    stored = cache.stored(folder, signature)
    if stored is None:
        stored = cache.store(
            folder, signature, len(entries), size, decoded(lambda entry: read_entry(entry, size), entries, folder.name)
        )
    images, bits, fingerprint = stored
    train = [i for i, entry in enumerate(entries) if entry.split == "train"]
    test = [i for i, entry in enumerate(entries) if entry.split == "test"]

    def image_set(rows, masks_of):  # both splits are runs of neighbouring rows, so that slices of a memory map stay one
        rows_slice = slice(rows[0], rows[-1] + 1) if rows else slice(0, 0)
        names = [entries[i].path.relative_to(folder).as_posix() for i in rows]
        return ImageSet(images[rows_slice], masks_of(rows_slice), [entries[i].defect for i in rows], names)

    empty = np.broadcast_to(np.zeros((size, size), dtype=bool), (len(train), size, size))  # takes no memory per image
    train_set = image_set(train, lambda _: empty)
    test_set = image_set(test, lambda rows: cache.unpack(bits[rows], size))
    return Dataset(train_set, test_set, folder.resolve().name, fingerprint, read_license(folder))


def source_signature(folder, entries, size):
    """A hash of what the sources look like from outside: names, sizes and times, without reading them."""
    digest = hashlib.sha256(f"version 1, {size} pixels\n".encode())
    for entry in entries:
        for path in filter(None, (entry.path, entry.mask)):
            stat = path.stat()
            digest.update(f"{path.relative_to(folder).as_posix()}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:20]


def read_license(folder):
    """One line on the licence of the images, from the folder's license and readme files; "" where they say nothing."""
    files = [folder / name for name in ("license.txt", "LICENSE", "readme.txt", "README.md")]
    text = " ".join(file.read_text(encoding="utf-8", errors="replace")[:5000] for file in files if file.is_file())
    if "synthetic" in text.lower():
        return "synthetic hazelnuts, MIT licence"
    if re.search(r"CC.?BY.?NC.?SA|NonCommercial-ShareAlike", text, re.IGNORECASE):
        return "MVTec AD, Bergmann et al., CVPR 2019, CC BY-NC-SA 4.0" if "mvtec" in text.lower() else "CC BY-NC-SA 4.0"
    if re.search(r"CC.?BY|Attribution 4", text, re.IGNORECASE):
        return "CC BY 4.0"
    return ""


def check(folder, size=SIZE):
    """Everything about a data folder: (counts {"train/good": n, …}, all problems, files passed over)."""
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
