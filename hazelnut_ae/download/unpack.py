"""Takes the images of one category out of an archive: .tar, .tar.xz, .tar.gz, .tar.bz2 or .zip.

An archive is not trusted, even if its hash is known. The checks here and `tarfile`'s data filter refuse links, devices
and names that lead outside; files are written anew, so that modes and owners in the archive have no effect.
"""

import bz2
import gzip
import json
import lzma
import os
import platform
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from hazelnut_ae.errors import DataError
from hazelnut_ae.io.files import first_line
from hazelnut_ae.io.images import IMAGE_SUFFIXES

TEXTS = {"license", "license.txt", "licence.txt", "readme", "readme.txt"}
RECEIPT = "download.json"  # in the data folder: what it is, where it came from, how many images it must have

# Limits far above the real archive (MVTec AD: 6,880 members, 5.3 GB, images under 4 MB) and far below a full disk.
MAX_MEMBERS = 100_000
MAX_FILE = 64 << 20  # bytes of one member
MAX_CATEGORY = 4 << 30  # bytes written
MAX_ARCHIVE = 16 << 30  # bytes read, unwanted categories included
MAX_HEADER = 1 << 20  # bytes of names and attributes before one member: tarfile holds them in memory

# What the readers of the standard library raise for a damaged file, and ValueError for a hostile one.
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, struct.error, EOFError, ValueError)
DAMAGE += (OverflowError, LookupError, NotImplementedError, RuntimeError, MemoryError)
OPENERS = {b"\xfd7zXZ\x00": lzma.open, b"\x1f\x8b": gzip.open, b"BZh": bz2.open}  # by a file's first bytes


def unpack(archive, folder, category, receipt=None):
    """Writes the images of `category` in `archive` to `folder`, all of them or nothing.

    Reads `<category>/{train,test,ground_truth}/<defect or good>/*`, or the plain `<category>/{good,<defect>}/*` with
    `<category>/mask/<defect>/*`; of the plain layout's good images, every sixth becomes a test image.

    Args:
        archive: path of the file.
        folder: must not exist or be empty.
        category: folder at the top of the archive or one below.
        receipt: JSON-able dict; with category and counts added, it becomes `download.json` in `folder`.
    Returns: {"train/good": 391, "test/crack": 18, …}, see `count_images`.
    Raises: DataError if the archive is damaged, hostile or lacks the category, or if the disk is full.
    """
    archive, folder = Path(archive), Path(folder)
    unfinished = folder.with_name(f".{folder.name}.hazelnut_ae-unpacking")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
        unfinished.mkdir(parents=True)
        others = _write_category(archive, unfinished, category)
        counts = count_images(unfinished)
        if not counts.get("train/good"):
            held = f" (it has: {', '.join(sorted(others)[:20])})" if others else ""
            raise DataError(
                f"{archive} holds no good images of {category} to train on{held}; give another --category or archive."
            )
        text = json.dumps({**(receipt or {}), "category": category, "counts": counts}, indent=2)
        (unfinished / RECEIPT).write_text(text + "\n", encoding="utf-8")
        if folder.is_dir():
            folder.rmdir()  # refuses one that is not empty
        os.rename(unfinished, folder)
        return counts
    except (*DAMAGE, OSError) as error:
        if getattr(error, "errno", None) is None:  # bz2 and gzip report damage as an OSError without a number
            raise DataError(
                f"{archive} is damaged, hostile or no archive ({first_line(error)}); nothing was unpacked, "
                "download it again, or from another address."
            ) from error
        raise DataError(
            f"{archive} could not be unpacked to {folder} ({error.strerror}); free some space or choose another "
            "folder, nothing was left there."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def count_images(folder):
    """Counts image files by folder: {"train/good": 391, "test/crack": 18, "ground_truth/crack": 18, …}."""
    counts = {}
    for path in sorted(Path(folder).glob("*/*/*")):
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
            key = f"{path.parent.parent.name}/{path.parent.name}"
            counts[key] = counts.get(key, 0) + 1
    return counts


def _write_category(archive, folder, category):
    """Writes the wanted members; returns the names of the other categories."""
    written, unsplit, others, total = set(), [], set(), 0
    for number, (name, size, content) in enumerate(_members(archive, folder)):
        parts = _checked_parts(name)
        if number >= MAX_MEMBERS or not 0 <= size <= MAX_FILE:
            raise ValueError(f"it has more than {MAX_MEMBERS} members, or {name!r} claims to have {size} bytes")
        if category not in parts[:2]:  # some mirrors wrap the categories in one more folder
            others.update(parts[:1])
            continue
        inner = parts[parts.index(category) + 1 :]
        target = _target(inner)
        if target is None or content is None:
            continue
        total += size
        if total > MAX_CATEGORY:
            raise ValueError(f"its {category} unpacks to more than {MAX_CATEGORY >> 30} GiB")
        key = "/".join(target).casefold()  # Windows and macOS take A.png and a.png for one file
        if key in written:
            raise ValueError(f"it has {name!r} twice")
        written.add(key)
        path = folder.joinpath(*target)
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
    return others


def _checked_parts(name):
    """The parts of a member's name. Raises: ValueError if it leads outside or is no file name on some system."""
    parts = name.split("/")
    strange = any(ord(c) < 32 or c in '\\:*?"<>|' or "\ud800" <= c <= "\udfff" for c in name)
    if strange or name.startswith("/") or ".." in parts or any(p.endswith((" ", ".")) for p in parts if p != "."):
        raise ValueError(f"its member {name!r} leads outside or has a name that no file should have")
    return [part for part in parts if part not in ("", ".")]


def _target(inner):
    """Where a file of the category goes, as parts, from its path there as parts; None leaves it out."""
    if not inner or any(part.startswith(".") or len(part.encode()) > 200 for part in inner):  # .DS_Store, ._000.png
        return None
    if len(inner) == 1:
        return (PurePosixPath(inner[0].lower()).stem + ".txt",) if inner[0].lower() in TEXTS else None
    if PurePosixPath(inner[-1]).suffix.lower() not in IMAGE_SUFFIXES:
        return None
    match inner:
        case ["train", "good", _] | ["test" | "ground_truth", _, _]:
            return tuple(inner)
        case ["mask" | "masks", defect, name]:
            return ("ground_truth", defect, name)
        case ["good", name]:
            return ("train", "good", name)
        case [defect, name] if defect not in ("train", "test", "ground_truth"):
            return ("test", defect, name)
    return None


def _members(archive, folder):
    """Yields (name, size, readable content, None for a folder) of every member of an archive, in its order."""
    size = os.path.getsize(archive)
    with open(archive, "rb") as raw, tqdm.wrapattr(raw, "read", size, desc="unpacking", disable=None) as file:
        start = raw.read(6)
        raw.seek(0)
        if start.startswith(b"PK"):
            yield from _zip_members(file)
        else:
            opener = next((opener for mark, opener in OPENERS.items() if start.startswith(mark)), None)
            yield from _tar_members(_Limited(opener(file) if opener else file), folder)


def _zip_members(file):
    with zipfile.ZipFile(file) as whole:
        for member in whole.infolist():
            if stat.S_ISLNK(member.external_attr >> 16):
                raise ValueError(f"its member {member.filename!r} is a link")
            with whole.open(member) as content:  # reads no more than file_size
                yield member.filename, member.file_size, None if member.is_dir() else content


def _tar_members(file, folder):
    if not hasattr(tarfile, "data_filter"):
        raise DataError(
            f"Python {platform.python_version()} cannot unpack archives safely; install 3.10.12, 3.11.4 or newer."
        )
    with tarfile.open(fileobj=file, mode="r|") as whole:  # a stream: never holds more than one block
        while (member := whole.next()) is not None:
            file.left = max(member.size, 0) + MAX_HEADER
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
                raise ValueError(
                    f"its member {member.name!r} is a {'link' if member.islnk() or member.issym() else 'special file'}"
                )
            _checked_parts(member.name)
            tarfile.data_filter(member, folder)
            yield member.name, member.size, whole.extractfile(member)
            whole.members.clear()  # else every header stays in memory
            whole.pax_headers.clear()
        # tarfile takes a broken header for the end, so check that the end is one: empty blocks, up to the last byte
        # (reading these also compares the checksum of .xz and .gz).
        file.left, ending = MAX_HEADER, 0
        while block := whole.fileobj.read(tarfile.BLOCKSIZE):
            ending += len(block)
            if block.strip(b"\0"):
                raise EOFError("a part in its middle is unreadable")
        if ending < tarfile.BLOCKSIZE:
            raise EOFError("its end is missing")


class _Limited:
    """Reads no more than a member and its header may take, so that no made-up size fills the memory."""

    def __init__(self, file):
        self.file, self.total, self.left = file, 0, MAX_HEADER

    def read(self, size):
        data = self.file.read(size)
        self.left -= len(data)
        self.total += len(data)
        if self.left < 0 or self.total > MAX_ARCHIVE:
            raise ValueError("it unpacks to far more than a data set has")
        return data
