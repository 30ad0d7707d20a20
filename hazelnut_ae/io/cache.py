"""Where resized image sets are kept between two runs, so that loading 500 images takes a fraction of a second.

One folder per data folder, with `images.npy` (memory-mapped when read), `masks.npy` (bits) and `set.json`, all named by
the signature of their sources; a changed source has another signature.
"""

import hashlib
import json
import math
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pooch

HOLD_IN_MEMORY = 1_000_000_000  # bytes of images; a larger set stays on the disk and is mapped


def cache_folder():
    """The cache's root: `HAZELNUT_CACHE`, or the user's cache folder."""
    return Path(os.environ.get("HAZELNUT_CACHE") or pooch.os_cache("hazelnut_ae"))


def place(folder, signature):
    key = hashlib.sha256(str(Path(folder).resolve()).encode()).hexdigest()[:12]
    return cache_folder() / "sets" / key / signature


def stored(folder, signature):
    """The set of that signature as (images, bits, fingerprint), or None where the cache has none that is whole.

    bits: the masks as `pack` makes them; `unpack` the rows that are wanted.
    """
    path = place(folder, signature)
    try:
        header = json.loads((path / "set.json").read_text(encoding="utf-8"))
        images = np.load(path / "images.npy", mmap_mode="r")  # uint8 [N, 3, H, W]
        bits = np.load(path / "masks.npy")  # uint8 [N, H·W / 8]
        n, _, height, width = images.shape
        if n != header["images"] or images.dtype != np.uint8 or bits.shape != (n, -(-height * width // 8)):
            return None
        if images.nbytes <= HOLD_IN_MEMORY:
            images = np.array(images)
        return images, bits, header["fingerprint"]
    except (OSError, ValueError, KeyError, EOFError):
        return None  # nothing there, or cut short: it is built again


def pack(mask):
    """A mask bool [H, W] as bits, uint8 [H·W / 8]."""
    return np.packbits(mask)


def unpack(bits, size):
    """Masks bool [N, size, size] from bits uint8 [N, size² / 8]."""
    return np.unpackbits(bits, axis=1, count=size * size).reshape(len(bits), size, size).astype(bool)


def store(folder, signature, count, size, pairs):
    """Stores image uint8 [3, size, size] and mask bool [size, size] of every pair; returns what `stored` does.

    A cache that cannot be written costs time, not data: the set then stays in memory, with a warning.
    """
    final = place(folder, signature)
    pairs = iter(pairs)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=final.parent, prefix=".building-"))
        shape = (count, 3, size, size)
        images = np.lib.format.open_memmap(building / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
        # Reserve the space now: a full disk must fail here, not as a crash in the middle of a mapped write.
        with open(building / "images.npy", "r+b") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, os.path.getsize(building / "images.npy"))
    except OSError as error:
        print(f"The cache {cache_folder()} cannot be written ({error.strerror}); going on without.", file=sys.stderr)
        if "building" in locals():
            shutil.rmtree(building, ignore_errors=True)
        building, images = None, np.empty((count, 3, size, size), dtype=np.uint8)
    try:
        bits = np.zeros((count, -(-size * size // 8)), dtype=np.uint8)
        digest = hashlib.sha256()
        for row, (image, mask) in enumerate(pairs):
            images[row], bits[row] = image, pack(mask)
            digest.update(image.tobytes())
            digest.update(bits[row].tobytes())
        fingerprint = digest.hexdigest()
        if building is None:
            return images, bits, fingerprint
        try:
            images.flush()
            images = None  # Windows moves no folder of which a file is mapped
            np.save(building / "masks.npy", bits)
            header = json.dumps({"images": count, "fingerprint": fingerprint})
            (building / "set.json").write_text(header, encoding="utf-8")
            for old in final.parent.iterdir():  # sets of sources that have changed since, or a damaged one of these
                if not old.name.startswith(".building-") and (old != final or stored(folder, signature) is None):
                    shutil.rmtree(old, ignore_errors=True)
            os.rename(building, final)
        except OSError:  # the disk is full, or another process was first with the same set
            return stored(folder, signature) or (np.load(building / "images.npy"), bits, fingerprint)
        return stored(folder, signature) or (np.load(final / "images.npy"), bits, fingerprint)
    finally:
        if building is not None:
            shutil.rmtree(building, ignore_errors=True)


def disk_array(shape):
    """An array uint8 of that shape whose bytes lie in a file of the cache folder; None where the disk lacks the room.

    The file has no name: it is gone with the process, however that ends.
    """
    size = math.prod(shape)
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < 2 * size:  # never take the last of somebody's disk
            return None
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)  # else a disk that fills up would crash a mapped write
            return np.memmap(file, np.uint8, "w+", shape=tuple(shape))
    except OSError:
        return None
