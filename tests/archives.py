"""Archives in the shape of MVTec AD's, made up on the spot, and what every refused download has in common."""

import contextlib
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hazelnut_ae.download import download
from hazelnut_ae.errors import DataError

SMALL = {"train/good": 6, "test/good": 2, "test/crack": 2, "ground_truth/crack": 2}


def png(seed, mask=False):
    """A small PNG: noise, or a mask with a square on it."""
    if mask:
        pixels = np.zeros((16, 16), np.uint8)
        pixels[4:9, 5:11] = 255
    else:
        pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def category_files(category, counts):
    """The files of a category in MVTec AD's shape as {path: bytes}."""
    files = {
        f"{category}/license.txt": b"Attribution-NonCommercial-ShareAlike 4.0 International",
        f"{category}/readme.txt": b"Copyright 2019 MVTec Software GmbH",
    }
    for key, count in counts.items():
        mask = key.startswith("ground_truth")
        for i in range(count):
            files[f"{category}/{key}/{i:03}{'_mask' if mask else ''}.png"] = png(i, mask)
    return files


def add(tar, name, content=b"", **attributes):
    """Adds a member with any attributes, the way MVTec's archive has them: read-only."""
    member = tarfile.TarInfo(name)
    member.mode, member.size = 0o444, len(content)
    for key, value in attributes.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(content))


def write_tar(path, files, mode="w:xz"):
    with tarfile.open(path, mode) as tar:
        folders = sorted({str(parent) for name in files for parent in Path(name).parents} - {"."})
        for folder in folders:
            add(tar, folder, type=tarfile.DIRTYPE, mode=0o555)
        for name, content in files.items():
            add(tar, name, content)
    return path


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def get(target, **options):
    return download.download(target, accept_license=True, **options)


def peak_of_memory():
    """The most memory this process has had since the last `forget_peak`, in bytes, or 0 where it is not known."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def forget_peak():
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def refused(target, *words, **options):
    """The download fails with one plain sentence that has these words, and leaves nothing at or beside the target."""
    target = Path(target)
    before = files_below(target.parent / "cache") if (target.parent / "cache").exists() else []
    with pytest.raises(DataError) as caught:
        get(target, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    without_folder = sentence.replace(str(target.parent), "")  # whose name is the test's and has its words
    for word in words:
        assert word in (sentence if str(target.parent) in word else without_folder)
    assert not target.exists()
    assert not list(target.parent.glob(".*unpacking*"))
    kept = (".part", ".part.json", ".lock", "accepted_licenses.json")
    left = files_below(target.parent / "cache")
    assert [name for name in left if name not in before and not name.endswith(kept)] == []
    return sentence
