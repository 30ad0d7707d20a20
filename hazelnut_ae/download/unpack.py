"""Unpacks one category from a .tar (.xz, .gz, .bz2) or .zip without trusting it, as new files of checked names."""

import bz2
import gzip
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from hazelnut_ae.errors import DataError
from hazelnut_ae.io.files import first_line, write_json
from hazelnut_ae.io.images import IMAGE_SUFFIXES

RECEIPT = "download.json"  # in the data folder: category, origin, number of images

# Limits far above the real archive (MVTec AD: 6,880 members, 5.3 GB, images under 4 MB) and far below a full disk.
MAX_MEMBERS = 100_000
MAX_FILE = 64 << 20  # bytes of one member
MAX_CATEGORY = 4 << 30  # bytes written
MAX_ARCHIVE = 16 << 30  # bytes read, unwanted categories included
MAX_HEADER = 1 << 20  # bytes of names and attributes before one member: tarfile holds them in memory
OPENERS = {b"\xfd7zXZ\x00": lzma.open, b"\x1f\x8b": gzip.open, b"BZh": bz2.open}  # by a file's first bytes


def unpack(archive, folder, category, receipt=None):
    """Writes all images of `category` in `archive` to the new or empty `folder`, or nothing; returns their counts.

    Reads `<category>/{train,test,ground_truth}/<defect or good>/*`, or the plain `<category>/{good,<defect>}/*` with
    `<category>/mask/<defect>/*`; of the plain layout's good images, every sixth becomes a test image.
    receipt: dict to write to `download.json` in `folder`, together with category and counts. Raises DataError if the
    archive is damaged, dangerous or lacks the category, or the disk is full.
    """
    archive, folder = Path(archive), Path(folder)
    unfinished = folder.with_name(f".{folder.name}.hazelnut_ae-unpacking")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
        unfinished.mkdir(parents=True)
        _write_category(archive, unfinished, category)
        counts = count_images(unfinished)
        if not counts.get("train/good"):
            raise DataError(f"{archive} has no good images of {category}; give another --category or --archive.")
        write_json(unfinished / RECEIPT, {**(receipt or {}), "category": category, "counts": counts})
        if folder.is_dir():
            folder.rmdir()  # it is empty
        os.rename(unfinished, folder)
        return counts
    except DataError:
        raise
    except Exception as error:  # the readers of the standard library raise a dozen types for a damaged file
        words = f"{archive} could not be unpacked to {folder} ({error}); free some space"
        if getattr(error, "errno", None) is None:  # bz2 and gzip report damage as an OSError without a number
            words = f"{archive} is damaged, hostile or of another data set ({first_line(error)}); download it again"
        raise DataError(f"{words} or choose another. Nothing was unpacked.") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def count_images(folder):
    """Counts image files by folder: {"train/good": 391, "test/crack": 18, "ground_truth/crack": 18, …}."""
    images = [path for path in sorted(Path(folder).glob("*/*/[!.]*")) if path.suffix.lower() in IMAGE_SUFFIXES]
    return dict(Counter(f"{path.parent.parent.name}/{path.parent.name}" for path in images))


def _write_category(archive, folder, category):
    written, unsplit, total = set(), [], 0
    for number, (name, size, content) in enumerate(_members(archive)):
        parts = _checked_parts(name)
        if number >= MAX_MEMBERS or not 0 <= size <= MAX_FILE:
            raise ValueError("it has too many members or one that is too large")
        inner = parts[parts.index(category) + 1 :] if category in parts[:2] else []  # some mirrors add a folder on top
        target = _target(inner)
        if target is None or content is None:
            continue
        total += size
        key = target.casefold()  # Windows and macOS take A.png and a.png for one file
        if total > MAX_CATEGORY or key in written:
            raise ValueError(f"it has {name!r} twice or unpacks to more than {MAX_CATEGORY >> 30} GiB")
        written.add(key)
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
        if path.stat().st_size != size:
            raise EOFError(f"{name!r} is cut off")
        if inner[0] == "good":
            unsplit.append(path)
    for path in sorted(unsplit)[::6]:  # the plain layout does not say which good images are for the test
        (folder / "test/good").mkdir(parents=True, exist_ok=True)
        os.rename(path, folder / "test/good" / path.name)


def _checked_parts(name):
    """Splits the name of a member. Raises ValueError if it leads outside the folder or is invalid on some system."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    odd = not name.isprintable() or set(name) & set('\\:*?"<>|') or any(part[-1] in " ." for part in parts)  # "..", too
    if odd or name.startswith("/"):
        raise ValueError(f"its member {name!r} leads outside or has a name that no file should have")
    return parts


def _target(inner):
    """Returns the path in the data folder for a file of the category, given its path as parts; None: skip it."""
    path = PurePosixPath(*inner)
    if len(inner) == 1 and path.stem.lower() in ("license", "licence", "readme"):
        return f"{path.stem.lower()}.txt"
    if path.suffix.lower() not in IMAGE_SUFFIXES or any(part.startswith(".") for part in inner):  # such as ._000.png
        return None
    match inner:
        case ["train", "good", _] | ["test" | "ground_truth", _, _]:
            return "/".join(inner)
        case ["mask" | "masks", defect, name]:
            return f"ground_truth/{defect}/{name}"
        case [defect, name] if defect not in ("train", "test", "ground_truth"):
            return f"{'train' if defect == 'good' else 'test'}/{defect}/{name}"


def _members(archive):
    """Yields (name, size, file object or None for a folder) of each member of an archive."""
    size = os.path.getsize(archive)
    with open(archive, "rb") as raw, tqdm.wrapattr(raw, "read", size, desc="unpacking", disable=None) as file:
        start = raw.read(6)
        raw.seek(0)
        opener = next((opener for mark, opener in OPENERS.items() if start.startswith(mark)), lambda file: file)
        yield from _zip_members(file) if start.startswith(b"PK") else _tar_members(_Limited(opener(file)))


def _zip_members(file):
    with zipfile.ZipFile(file) as whole:
        for member in whole.infolist():
            if stat.S_ISLNK(member.external_attr >> 16):
                raise ValueError(f"its member {member.filename!r} is a link")
            with whole.open(member) as content:  # reads no more than file_size
                yield member.filename, member.file_size, None if member.is_dir() else content


def _tar_members(file):
    with tarfile.open(fileobj=file, mode="r|") as whole:  # a stream: never holds more than one block
        while (member := whole.next()) is not None:
            file.left = max(member.size, 0) + MAX_HEADER
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
                raise ValueError(f"its member {member.name!r} is a link or a special file")
            yield member.name, member.size, whole.extractfile(member)
            whole.members.clear()  # else every header stays in memory
            whole.pax_headers.clear()
        file.left = MAX_HEADER
        rest = whole.fileobj.read(2 * MAX_HEADER)  # to the last byte: this also compares the checksum of .xz and .gz
        if not rest or rest.strip(b"\0"):  # tarfile takes a broken header for the end
            raise EOFError("its end is missing or a part is unreadable")


class _Limited:
    """Limits what is read for a member and its header, so that a false size cannot fill the memory."""

    def __init__(self, file):
        self.file, self.total, self.left = file, 0, MAX_HEADER

    def read(self, size):
        data = self.file.read(size)
        self.left -= len(data)
        self.total += len(data)
        if self.left < 0 or self.total > MAX_ARCHIVE:
            raise ValueError("it unpacks to far more than a data set has")
        return data
