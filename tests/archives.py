"""Archives in the shape of MVTec AD's, made up on the spot, and what hostile-input tests measure."""

import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import peak_memory_gb
from benchmarks.common import reset_peak_memory as forget_peak  # noqa: F401

SMALL = {"train/good": 6, "test/good": 2, "test/crack": 2, "ground_truth/crack": 2}


def png(seed, mask=False):
    """A small PNG: noise, or a mask with a square on it."""
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    if mask:
        pixels = np.zeros((16, 16), np.uint8)
        pixels[4:9, 5:11] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def png_of(width, height, rows=0):
    """A PNG of a few kB that claims width × height grey pixels and delivers some black rows."""
    out = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    for name, content in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows * (width + 1)))), (b"IEND", b"")):
        out += struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return out


def category_files(category, counts):
    """The files of a category in MVTec AD's shape as {path: bytes}."""
    files = {f"{category}/{name}.txt": b"MVTec, Attribution-NonCommercial-ShareAlike" for name in ("license", "readme")}
    for key, count in counts.items():
        mask = key.startswith("ground_truth")
        files |= {f"{category}/{key}/{i:03}{'_mask' if mask else ''}.png": png(i, mask) for i in range(count)}
    return files


def add(tar, name, content=b"", **attributes):
    """Adds a member with any attributes, the way MVTec's archive has them: read-only."""
    member = tarfile.TarInfo(name)
    member.mode, member.size = 0o444, len(content)
    for key, value in attributes.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(content))


def write_archive(path, files, mode="w:xz"):
    """A .tar in one of tarfile's modes, with read-only folders, or a .zip for the mode "zip"."""
    if mode == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as whole:
            for name, content in files.items():
                whole.writestr(name, content)
        return path
    with tarfile.open(path, mode) as tar:
        for folder in sorted({str(parent) for name in files for parent in Path(name).parents} - {"."}):
            add(tar, folder, type=tarfile.DIRTYPE, mode=0o555)
        for name, content in files.items():
            add(tar, name, content)
    return path


def peak_of_memory():
    """The most memory this process has had since the last `forget_peak`, in bytes, or 0 where it is not known."""
    return 1e9 * (peak_memory_gb() or 0)


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())
