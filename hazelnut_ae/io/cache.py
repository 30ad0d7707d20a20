"""The cache folder: what is expensive to make and can be made again. `hazelnut-ae cache` lists and clears it.

Every name follows one convention, see `entry`. The first use is here, too: resized image sets, so that loading 500
images a second time takes a fraction of a second.
"""

import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np
import pooch

from hazelnut_ae.errors import DataError, printable

SET_VERSION = 1  # of a stored image set; count it up when its pixels or its files change
HOLD_IN_MEMORY = 1_000_000_000  # bytes of images; a larger set stays on the disk and is memory-mapped
NAME = re.compile(r"(?:^|[.-])[0-9a-f]{12,}(?:[.-]|$)|^\.(?:building|painting)-")  # names of entries, nobody else's


def cache_folder():
    """The cache's root: `HAZELNUT_CACHE`, or the user's cache folder."""
    return Path(os.environ.get("HAZELNUT_CACHE") or pooch.os_cache("hazelnut_ae"))


def entry(category, version, **inputs):
    """The path under which something is kept in the cache; nothing is created.

    Args:
        category: what it is, for example "sets", "painted", "runs"; the folder below the cache folder.
        version: int, a constant beside the code that makes it; count it up when the same inputs give another result.
        inputs: everything else that decides the result, as JSON can hold it: numbers, names, fingerprints, lists.
    Returns: Path <cache folder>/<category>/<12 hexadecimal digits>, of the SHA-256 of version and inputs.
    """
    text = json.dumps([version, inputs], sort_keys=True)
    return cache_folder() / category / hashlib.sha256(text.encode()).hexdigest()[:12]


# --- resized image sets -------------------------------------------------------------------------------------------


def _set_path(folder, signature):
    """Where a data folder's set is kept: one entry per folder, in it one set, named by the signature of its files."""
    return entry("sets", SET_VERSION, folder=str(Path(folder).resolve())) / signature


def stored(folder, signature):
    """The set of that signature, or None where the cache has none that is whole.

    Returns: (images uint8 [N, 3, H, W], masks as bits uint8 [N, H·W / 8] for `unpack`, fingerprint).
    """
    return _read(_set_path(folder, signature))


def _read(path):
    try:
        header = json.loads((path / "set.json").read_text(encoding="utf-8"))
        images = np.load(path / "images.npy", mmap_mode="r")  # uint8 [N, 3, H, W]
        bits = np.load(path / "masks.npy")  # uint8 [N, H·W / 8]
        n, _, height, width = images.shape
        if n != header["images"] or images.dtype != np.uint8 or bits.shape != (n, -(-height * width // 8)):
            return None
        return np.array(images) if images.nbytes <= HOLD_IN_MEMORY else images, bits, header["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None  # there is none, or it is cut short: it is built again


def unpack(bits, size):
    """Masks bool [N, size, size] from bits uint8 [N, size² / 8]."""
    return np.unpackbits(bits, axis=1, count=size * size).reshape(len(bits), size, size).astype(bool)


def store(folder, signature, count, size, pairs):
    """Stores the images and masks of a data folder.

    A cache that cannot be written costs time, not data: the set then stays in memory, with a warning.

    Args:
        count: number of pairs.
        pairs: iterable of (image uint8 [3, size, size], mask bool [size, size]).
    Returns: the same as `stored`.
    """
    final = _set_path(folder, signature)
    building = _reserve(final.parent, (count, 3, size, size))
    try:
        if building is None:
            images = np.empty((count, 3, size, size), np.uint8)
        else:
            images = np.lib.format.open_memmap(building / "images.npy", mode="r+")
        bits, digest = np.zeros((count, -(-size * size // 8)), np.uint8), hashlib.sha256()
        for row, (image, mask) in enumerate(pairs):
            images[row], bits[row] = image, np.packbits(mask)
            digest.update(image.tobytes() + bits[row].tobytes())
        fingerprint = digest.hexdigest()
        if building is None:
            return images, bits, fingerprint
        images.flush()
        images = None  # Windows moves no folder while one of its files is mapped
        _publish(building, final, bits, fingerprint)
        where = building if building.exists() else final
        return stored(folder, signature) or (np.load(where / "images.npy"), bits, fingerprint)
    finally:
        if building is not None:
            shutil.rmtree(building, ignore_errors=True)


def _reserve(parent, shape):
    """A new folder with an empty images.npy of that shape, or None where the disk cannot take it."""
    building = None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=parent, prefix=".building-"))
        path = building / "images.npy"
        np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        with open(path, "r+b") as file:
            if hasattr(os, "posix_fallocate"):  # a full disk must fail here, not as a crash in a mapped write
                os.posix_fallocate(file.fileno(), 0, os.path.getsize(path))
        return building
    except OSError as error:
        print(f"The cache {cache_folder()} cannot be written ({error.strerror}); going on without.", file=sys.stderr)
        if building is not None:
            shutil.rmtree(building, ignore_errors=True)
        return None


def _publish(building, final, bits, fingerprint):
    """Completes a set and gives it its name; a full disk, or another process that was first, leaves it where it is."""
    try:
        np.save(building / "masks.npy", bits)
        header = json.dumps({"images": len(bits), "fingerprint": fingerprint})
        (building / "set.json").write_text(header, encoding="utf-8")
        for old in final.parent.iterdir():  # sets of files that have changed since, or a damaged one of these
            if not old.name.startswith(".building-") and (old != final or _read(final) is None):
                shutil.rmtree(old, ignore_errors=True)
        os.rename(building, final)
    except OSError:
        pass


# --- hazelnut-ae cache --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """One entry of the cache: its category, its path, its size in bytes, and the time of its newest file."""

    category: str
    path: Path
    size: int
    changed: float


def kept():
    """All entries of the cache as a list of `Kept`; links are not followed, files that others put there left out."""
    found = []
    for folder in _folder_content(cache_folder()):
        if folder.is_dir() and not folder.is_symlink():
            paths = [path for path in _folder_content(folder) if NAME.search(path.name) and path.suffix != ".lock"]
            found += [Kept(folder.name, path, *_size_and_time(path)) for path in paths]
    return found


def _folder_content(folder):
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}); set HAZELNUT_CACHE to another folder.") from error


def _size_and_time(path):
    """Bytes of a file or of all files of a folder, and the time of the newest."""
    inside = [Path(parent, name) for parent, _, names in os.walk(path) for name in names]
    status = [file.lstat() for file in [path, *inside] if os.path.lexists(file)]
    size = sum(one.st_size for one in status if not stat.S_ISDIR(one.st_mode))
    return size, max((one.st_mtime for one in status), default=0.0)


def clear(entries):
    """Removes entries of the cache; returns those that stay because something uses them."""
    stay = []
    for one in entries:
        try:
            with filelock.FileLock(f"{one.path}.lock", timeout=0):  # the lock of whoever builds or uses it
                if one.path.is_dir() and not one.path.is_symlink():
                    shutil.rmtree(one.path)
                else:
                    one.path.unlink(missing_ok=True)
        except (OSError, filelock.Timeout):
            stay.append(one)
    return stay


def add_arguments(parser):
    """The options of `hazelnut-ae cache`."""
    parser.add_argument(
        "--clear", nargs="*", metavar="CATEGORY", help="remove the entries of these categories (default: of all)"
    )


def run(arguments):
    """`hazelnut-ae cache`: lists the entries, or with --clear says what goes and removes it."""
    entries = kept()
    unknown = set(arguments.clear or []) - {one.category for one in entries}
    if unknown:
        known = ", ".join(sorted({one.category for one in entries})) or "none, it is empty"
        raise DataError(f"The cache has no category {min(unknown)!r}; it has: {known}.")
    if arguments.clear:
        entries = [one for one in entries if one.category in arguments.clear]
    for one in entries:
        days = max(time.time() - one.changed, 0) / 86400
        print(printable(f"{one.category:12} {one.path.name:40} {one.size / 1e6:9.1f} MB {days:6.1f} days"))
    megabytes = sum(one.size for one in entries) / 1e6
    if arguments.clear is None:
        print(f"{cache_folder()} holds {len(entries)} entries, {megabytes:.1f} MB; --clear removes them.")
        return 0
    stay = clear(entries)
    for one in stay:
        print(printable(f"{one.path} stays: another program uses it, or it cannot be removed."))
    print(f"Removed {len(entries) - len(stay)} of {len(entries)} entries; they are made again when they are needed.")
    return 1 if stay else 0
