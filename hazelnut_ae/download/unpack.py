"""Takes one category out of an archive (.tar, .tar.xz, .tar.gz, .tar.bz2 or .zip) and trusts nothing in it.

No member is ever handed to `extract`: names are checked part by part, the wanted images are read and written as new
files. So modes, owners, links and devices of the archive have no way to act, and files that the archive marks as
read-only come out writable.
"""

import bz2
import gzip
import json
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

from tqdm import tqdm

from hazelnut_ae.errors import DataError
from hazelnut_ae.io.images import IMAGE_SUFFIXES

TEXTS = {"license", "license.txt", "licence.txt", "readme", "readme.txt"}
RECEIPT = "download.json"  # lies in the data folder: what it is, where it came from, how many images it must have

# Limits far above the real thing (MVTec AD: 6,880 members, 5.3 GB, images under 4 MB) and far below a full disk.
MAX_MEMBERS = 100_000
MAX_FILE = 64 << 20  # bytes of one member
MAX_CATEGORY = 4 << 30  # bytes written
MAX_ARCHIVE = 16 << 30  # bytes read through, unwanted categories included
MAX_HEADER = 1 << 20  # bytes of names and attributes before one member: tarfile holds them in memory
MAX_DICTIONARY = 512 << 20  # bytes of memory that an .xz may ask for; `xz -9` asks for 65 MiB

# What the readers of the standard library raise on a damaged or made-up file.
DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, struct.error),
    *(EOFError, ValueError, OverflowError, LookupError, NotImplementedError, RuntimeError),
)


def unpack(archive, folder, category, receipt=None):
    """Writes the images of `category` in `archive` to `folder`, all of them or nothing.

    Everything goes to a hidden folder beside `folder` first, which takes its name in one step at the end.
    Reads `<category>/{train,test,ground_truth}/<defect or good>/*`, or the plain `<category>/{good,<defect>}/*` with
    `<category>/mask/<defect>/*`, whose good images are split: every sixth, from the first on, goes to the test.

    Args:
        folder: must not exist or be empty.
        receipt: JSON-able dict, completed by the counts and left in `folder` as `download.json`.
    Returns: {"train/good": 391, "test/crack": 18, …}, see `count_images`.
    Raises: DataError naming `archive`, if it is damaged, hostile or lacks the category, or `folder`, if the disk fails.
    """
    archive, folder = Path(archive), Path(folder)
    unfinished = folder.with_name(f".{folder.name}.hazelnut_ae-unpacking")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)  # what a killed process left
        unfinished.mkdir(parents=True)
        expected = _write_category(archive, unfinished, category)
        counts = count_images(unfinished)
        if counts != expected:
            raise DataError(f"{folder} did not keep what was written to it; choose a folder on another disk.")
        text = json.dumps({**(receipt or {}), "category": category, "counts": counts}, indent=2)
        (unfinished / RECEIPT).write_text(text + "\n", encoding="utf-8")
        if folder.is_dir():
            folder.rmdir()  # an empty one makes room, any other refuses
        os.rename(unfinished, folder)
    except OSError as error:
        raise DataError(
            f"{folder} could not be written ({error.strerror or error}); free some space or choose another folder, "
            "nothing was left there."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return counts


def count_images(folder):
    """Counts image files by folder: {"train/good": 391, "test/crack": 18, "ground_truth/crack": 18, …}."""
    counts = {}
    for path in sorted(Path(folder).glob("*/*/*")):
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
            key = f"{path.parent.parent.name}/{path.parent.name}"
            counts[key] = counts.get(key, 0) + 1
    return counts


def _write_category(archive, folder, category):
    """Writes the wanted members and returns how many images each folder must now have."""
    written, unsplit, others, total = {}, [], set(), 0
    for name, size, content in _members(archive):
        parts = _safe_parts(archive, name)
        if category not in parts[:2]:  # some mirrors wrap the categories in one more folder
            others.update(parts[:1])
            continue
        inner = parts[parts.index(category) + 1 :]
        place = _place(inner)
        if place is None:
            continue
        total += size
        if total > MAX_CATEGORY:
            _refuse(archive, f"its {category} unpacks to more than {MAX_CATEGORY >> 30} GiB")
        path = folder.joinpath(*place)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _refuse(archive, f"it has {name!r} twice")
        _copy(archive, name, content, size, path)
        if len(place) == 3:
            written["/".join(place[:2])] = written.get("/".join(place[:2]), 0) + 1
            if inner[0] == "good":  # the plain layout does not say which good images are for the test
                unsplit.append(path)
    if not written:
        held = f" (it has: {', '.join(sorted(others)[:20])})" if others else ""
        raise DataError(f"{archive} holds no images of {category}{held}; give another --category or another archive.")
    for path in sorted(unsplit)[::6]:
        (folder / "test/good").mkdir(parents=True, exist_ok=True)
        os.rename(path, folder / "test/good" / path.name)
        written["train/good"] -= 1
        written["test/good"] = written.get("test/good", 0) + 1
    if not written.get("train/good"):
        raise DataError(f"{archive} holds no good images of {category} to train on; give another archive.")
    return dict(sorted(written.items()))


# Windows opens a device for these, whatever follows the first dot
DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{name}{number}" for name in ("COM", "LPT") for number in range(1, 10))}


def _refuse(archive, why):
    raise DataError(f"{archive} is not taken: {why}; nothing was unpacked, get the archive from another place.")


def _safe_parts(archive, name):
    """Splits a member's name, or refuses the whole archive: a name that points outside is no accident."""
    parts = name.split("/")
    strange = any(Path(part).stem.upper() in DEVICES or part.endswith((" ", ".")) for part in parts if part.strip("."))
    strange |= any(ord(c) < 32 or c in '\\:*?"<>|' or "\ud800" <= c <= "\udfff" for c in name)
    if strange or name.startswith("/") or ".." in parts:
        _refuse(archive, f"its member {name!r} points outside or has a name that no file should have")
    return [part for part in parts if part not in ("", ".")]


def _place(inner):
    """Where a file of the category goes, given its path there as parts; None leaves it out."""
    if not inner or any(part.startswith(".") or len(part.encode()) > 200 for part in inner):  # .DS_Store, ._000.png
        return None
    if len(inner) == 1:
        return (Path(inner[0].lower()).stem + ".txt",) if inner[0].lower() in TEXTS else None
    if Path(inner[-1]).suffix.lower() not in IMAGE_SUFFIXES:
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


def _copy(archive, name, content, size, path):
    with open(path, "xb") as file:
        while size:
            try:
                piece = content.read(min(size, 1 << 20))
            except (*DAMAGED, OSError) as error:
                raise _damaged(archive, error) from error
            if not piece:
                raise _damaged(archive, f"{name} is cut off")
            file.write(piece)
            size -= len(piece)


def _damaged(archive, why):
    return DataError(f"{archive} is damaged or is no archive ({why}); fetch it once more.")


def _members(archive):
    """Yields (name, size, readable content) of every plain file of any kind of archive, in its order."""
    try:
        with open(archive, "rb") as raw:
            start = raw.read(6)
            raw.seek(0)
            members = _zip_members if start.startswith(b"PK") else _tar_members
            total = os.path.getsize(archive)
            with tqdm.wrapattr(raw, "read", total=total, desc="unpacking", disable=None, leave=False) as file:
                for number, (name, size, problem, content) in enumerate(members(archive, file, start)):
                    if number >= MAX_MEMBERS:
                        _refuse(archive, f"it has more than {MAX_MEMBERS} members")
                    if problem:
                        _refuse(archive, f"its member {name!r} is {problem}")
                    if not 0 <= size <= MAX_FILE:
                        _refuse(archive, f"its member {name!r} claims a size of {size} bytes")
                    if content is not None:
                        yield name, size, content
    except OSError as error:  # also what bz2 and gzip call damage
        raise DataError(f"{archive} cannot be read ({error.strerror or error}); fetch it once more.") from error
    except DAMAGED as error:
        raise _damaged(archive, error) from error


def _zip_members(archive, file, start):
    with zipfile.ZipFile(file) as whole:
        for member in whole.infolist():
            link = stat.S_ISLNK(member.external_attr >> 16)
            with whole.open(member) as content:
                content = None if member.is_dir() else content
                yield member.filename, member.file_size, "a link" if link else "", content


def _tar_members(archive, file, start):
    if start == b"\xfd7zXZ\x00":
        file = _Unxz(file)
    elif start.startswith(b"\x1f\x8b"):
        file = gzip.GzipFile(fileobj=file)
    elif start.startswith(b"BZh"):
        file = bz2.BZ2File(file)
    file = _Rationed(archive, file)
    with tarfile.open(fileobj=file, mode="r|") as whole:  # a stream: never seeks, never holds more than one block
        while (member := whole.next()) is not None:
            file.ration = max(member.size, 0) + MAX_HEADER
            plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)
            link = "a link" if member.islnk() or member.issym() else "a device or the like"
            problem = "" if plain or member.isdir() else link
            yield member.name, member.size, problem, whole.extractfile(member) if plain else None
            whole.members.clear()  # else every header stays in memory
            whole.pax_headers.clear()
        # tarfile takes a broken header for the end, so see that the end is one: empty blocks, up to the last byte
        # (which also has the checksum of .xz and .gz compared).
        file.ration, ending = MAX_HEADER, 0
        while block := whole.fileobj.read(tarfile.BLOCKSIZE):
            ending += len(block)
            if block.strip(b"\0"):
                raise EOFError("a part in its middle is unreadable")
        if ending < tarfile.BLOCKSIZE:
            raise EOFError("its end is missing")


class _Rationed:
    """Lets no more through than a member and its header may take, so that no made-up size fills the memory."""

    def __init__(self, archive, file):
        self.archive, self.file, self.total, self.ration = archive, file, 0, MAX_HEADER

    def read(self, size):
        data = self.file.read(size)
        self.ration -= len(data)
        self.total += len(data)
        if self.ration < 0 or self.total > MAX_ARCHIVE:
            _refuse(self.archive, "it unpacks to far more than a data set has")
        return data


class _Unxz:
    """Reads .xz like `lzma.LZMAFile`, which sets no limit to the memory that a file may ask for."""

    def __init__(self, file):
        self.file, self.part = file, None

    def read(self, size):
        while True:
            if self.part is None or self.part.eof:  # .xz files may be several, one after the other
                data = (self.part.unused_data if self.part else b"") or self.file.read(1 << 16)
                while data and not data.strip(b"\0"):
                    data = self.file.read(1 << 16)
                if not data:
                    return b""
                self.part = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_DICTIONARY)
                data = self.part.decompress(data.lstrip(b"\0"), size)
            else:
                data = self.file.read(1 << 16) if self.part.needs_input else b""
                if self.part.needs_input and not data:
                    raise EOFError("its end is missing")
                data = self.part.decompress(data, size)
            if data:
                return data
