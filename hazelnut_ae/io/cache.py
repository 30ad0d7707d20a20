"""The cache folder, and the resized image sets in it: loading 500 images again takes a fraction of a second."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import filelock
import numpy as np
import pooch

from hazelnut_ae.errors import DataError, printable
from hazelnut_ae.io.images import listing

SET_VERSION = 2  # of a stored image set; increase it when its pixels or files change
HOLD_IN_MEMORY = 1_000_000_000  # bytes of images; a larger set stays on the disk and is memory-mapped
NAME = re.compile(r"(?:^|[.-])[0-9a-f]{12,}(?:[.-]|$)|^\.(?:building|painting)-")  # only the cache's own entries


def cache_folder():
    """The cache folder: `HAZELNUT_CACHE`, or a folder in the user's cache."""
    return Path(os.environ.get("HAZELNUT_CACHE") or pooch.os_cache("hazelnut_ae"))


def entry(category, version, **inputs):
    """Returns <cache folder>/<category>/<12 digits of the SHA-256 of version and inputs>; creates nothing.

    version: int; increase it when the same inputs, JSON values that decide the result, give another one.
    """
    text = json.dumps([version, inputs], sort_keys=True)
    return cache_folder() / category / hashlib.sha256(text.encode()).hexdigest()[:12]


def stored(path):
    """Returns (images uint8 [N, 3, H, W], mask bits uint8 [N, H·W / 4] for `unpack`, fingerprint, white), or None."""
    try:
        header = json.loads((path / "set.json").read_text(encoding="utf-8"))
        images = np.load(path / "images.npy", mmap_mode="r")  # uint8 [N, 3, H, W]
        bits = np.load(path / "masks.npy")  # uint8 [N, H·W / 4]
        n, _, height, width = images.shape
        if n != header["images"] or images.dtype != np.uint8 or bits.shape != (n, -(-height * width // 4)):
            return None
        images = np.array(images) if images.nbytes <= HOLD_IN_MEMORY else images
        return images, bits, header["fingerprint"], header["white"]
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None  # missing or incomplete: it is built again


def unpack(bits, size):
    """Converts bits uint8 [N, H·W / 4] to bool [N, 2, H, W]: the masks, and the pixels not counted; size: (H, W)."""
    return np.unpackbits(bits, axis=1, count=2 * size[0] * size[1]).reshape(len(bits), 2, *size).astype(bool)


def store(final, count, size, rows, white):
    """Stores `count` rows (image uint8 [3, H, W], masks bool [2, H, W]) in `final`; returns as `stored`. size: (H, W).

    If the cache cannot be written, it prints a warning and holds the set in memory.
    """
    shape = (count, 3, *size)
    with contextlib.ExitStack() as stack:
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            around = tempfile.TemporaryDirectory(dir=final.parent, prefix=".building-", ignore_cleanup_errors=True)
            building = Path(stack.enter_context(around)) / "set"
            building.mkdir()
            images = np.lib.format.open_memmap(building / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
            if hasattr(os, "posix_fallocate"):  # a full disk must fail here; later it would crash
                with open(building / "images.npy", "r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, images.offset + images.nbytes)
        except OSError as error:
            why = f"cannot be written ({error.strerror}); continuing without"
            print(f"The cache {cache_folder()} {why}.", file=sys.stderr)
            building, images = None, np.empty(shape, np.uint8)
            stack.close()
        bits, digest = np.zeros((count, -(-size[0] * size[1] // 4)), np.uint8), hashlib.sha256()
        for row, (image, masks) in enumerate(rows):
            images[row], bits[row] = image, np.packbits(masks)
            for part in (image, np.packbits(masks[0]), np.packbits(masks[1]) if masks[1].any() else b""):
                digest.update(part)
        fingerprint = digest.hexdigest()
        if building is None:
            return images, bits, fingerprint, white
        images.flush()
        images = None  # Windows cannot move a folder while one of its files is mapped
        with contextlib.suppress(OSError):  # the disk is full, or another process was first
            np.save(building / "masks.npy", bits)
            header = {"images": count, "fingerprint": fingerprint, "white": white}
            (building / "set.json").write_text(json.dumps(header), encoding="utf-8")
            for old in final.parent.iterdir():  # outdated or damaged sets
                if not old.name.startswith(".building-") and (old != final or stored(final) is None):
                    shutil.rmtree(old, ignore_errors=True)
            os.rename(building, final)
        where = building if building.exists() else final
        return stored(final) or (np.load(where / "images.npy"), bits, fingerprint, white)


def kept():
    """Lists the entries of the cache as [(category, path, bytes)]; ignores links and other files."""
    if os.path.isfile(cache_folder()):
        raise DataError(f"{cache_folder()} is a file; set HAZELNUT_CACHE to a folder.")
    folders = [path for path in listing(cache_folder()) if path.is_dir() and not path.is_symlink()]
    paths = [path for folder in folders for path in listing(folder)]
    paths = [path for path in paths if NAME.search(path.name) and path.suffix != ".lock"]
    files = {path: [file for file in (path, *path.rglob("*")) if os.path.lexists(file)] for path in paths}
    return [(path.parent.name, path, sum(file.lstat().st_size for file in files[path])) for path in paths]


def _remove(path):
    """Removes an entry; returns False if it cannot, for example because a process uses it."""
    try:
        with filelock.FileLock(f"{path}.lock", timeout=0):  # the lock of the process that builds or uses it
            (shutil.rmtree if path.is_dir() and not path.is_symlink() else os.unlink)(path)
        return True
    except (OSError, filelock.Timeout):
        return False


def run(clear=None):
    """`hazelnut-ae cache`: lists the entries; with --clear it also removes them."""
    entries = kept()
    known = {category for category, _, _ in entries}
    for category in set(clear or []) - known:
        names = ", ".join(sorted(known)) or "none, it is empty"
        raise DataError(f"The cache has no category {category!r}; it has: {names}.")
    entries = [entry for entry in entries if not clear or entry[0] in clear]
    for category, path, size in entries:
        print(printable(f"{category:12} {path.name:40} {size / 1e6:9.1f} MB"))
    if clear is None:
        megabytes = sum(size for _, _, size in entries) / 1e6
        print(f"{cache_folder()} holds {len(entries)} entries, {megabytes:.1f} MB; --clear removes them.")
        return 0
    stay = [path for _, path, _ in entries if not _remove(path)]
    for path in stay:
        print(printable(f"{path} stays: another program uses it, or it cannot be removed."))
    print(f"Removed {len(entries) - len(stay)} of {len(entries)} entries; they are made again when they are needed.")
    return 1 if stay else 0
