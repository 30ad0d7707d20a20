"""Damaged and made-up files: each is read, or refused with one plain sentence, without a hang or much memory.

HAZELNUT_FUZZ sets the number of cases of each test; the cases are the same in every run.
"""

import contextlib
import io
import json
import os
import shutil
import signal
import struct
import warnings
import zipfile

import numpy as np
import pytest
from archives import SMALL, category_files, forget_peak, peak_of_memory, png, write_archive
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from hazelnut_ae import dataset
from hazelnut_ae.download import unpack
from hazelnut_ae.engine import checkpoints, runs
from hazelnut_ae.errors import DataError
from hazelnut_ae.inference.inputs import prepared
from hazelnut_ae.io import images as images_module

pytestmark = pytest.mark.slow

CASES = int(os.environ.get("HAZELNUT_FUZZ") or 20)
SECONDS = 20  # for one case, on a machine that has other work

EASY = {"deadline": None, "database": None, "phases": [Phase.generate], "suppress_health_check": list(HealthCheck)}
fuzz = settings(max_examples=CASES, derandomize=True, **EASY)


@pytest.fixture(autouse=True)
def watch():
    """Measures the memory of all cases of a test, and counts them."""
    forget_peak()
    before = peak_of_memory()
    counted = {"read": 0, "refused": 0}
    yield counted
    assert sum(counted.values()) >= 0.9 * CASES
    assert counted["refused"], "no case was refused: the damage does not reach the reader"
    assert peak_of_memory() - before < 1 << 30


@contextlib.contextmanager
def judged(counted):
    """A case may succeed or be refused in one plain sentence; it may not do anything else, nor take long."""

    def too_long(*_):
        pytest.fail(f"a case took more than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
        counted["read"] += 1
    except DataError as error:
        counted["refused"] += 1
        sentence = str(error)
        assert sentence.endswith((".", ")"))
        assert sentence.isprintable()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fresh(tmp_path_factory, name):
    """An empty folder, the same for each case."""
    folder = tmp_path_factory.getbasetemp() / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


ANYWHERE = st.floats(0, 1, exclude_max=True)


def damage(data, draw, where=ANYWHERE):
    """Flips a bit, fills, drops, repeats or replaces a piece, or cuts the rest; `where` draws shares of the length."""
    data = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        at, reach = int(draw(where) * len(data)), draw(st.integers(1, 64))
        piece = data[at : at + reach]
        flipped, inserted = bytes(byte ^ 1 << reach % 8 for byte in piece[:1]), draw(st.binary(max_size=16))
        pieces = [flipped + piece[1:], b"\xff" * len(piece), b"", 2 * piece, inserted]
        data[at : at + reach] = draw(st.sampled_from(pieces))
        data = data[: draw(st.sampled_from([None, None, None, at]))]
    return bytes(data)


def encoded(mode, kind, **options):
    """A 40×30 picture of a mode as the bytes of a file."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


FILES = [encoded(mode, "png") for mode in ("RGB", "RGBA", "1", "P")]
FILES += [encoded("RGB", "jpeg", progressive=True), encoded("CMYK", "jpeg"), encoded("P", "bmp")]
FILES += [encoded("RGB", "tiff", compression="tiff_lzw"), encoded("L", "tiff", compression="jpeg")]


@fuzz
@given(data=st.data())
def test_damaged_images(tmp_path_factory, watch, data):
    content = damage(data.draw(st.sampled_from(FILES)), data.draw, ANYWHERE | st.floats(0, 0.1))  # most is at the start
    path = tmp_path_factory.getbasetemp() / "damaged.png"
    path.write_bytes(content)
    with judged(watch):
        assert dataset.read_image(path).shape == (3, 256, 256)
        assert dataset.read_mask(path, (40, 30)).defect.dtype == bool


PIXELS = {"1": np.uint8, "L": np.uint8, "P": np.uint8, "I;16": np.uint16, "I": np.int32, "F": np.float32}
LEVELS = [[0, 255], [0, 1], [0, 1, 255], [0, 60, 200], [7], [0, 1, 2, 3, 250, 255], list(range(256)), [-1, 0, 70000]]
WRITERS = [("PNG", {}), ("JPEG", {"quality": 40}), ("TIFF", {}), ("TIFF", {"compression": "jpeg"}), ("BMP", {})]


def anything(draw):
    """A Pillow image of any mode with few or many values, in stripes, noise or a gradient."""
    mode = draw(st.sampled_from([*PIXELS, "LA", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV"]))
    width, height, levels = draw(st.integers(1, 40)), draw(st.integers(1, 40)), np.array(draw(st.sampled_from(LEVELS)))
    places = np.add.outer(np.arange(height), np.arange(width)) * draw(st.sampled_from([1, 3, 17])) // 5
    places = draw(st.sampled_from([places, np.random.default_rng(width).permuted(places)]))
    values = levels[places % len(levels)].clip(*((0, 255) if mode not in ("I", "F", "I;16") else (-1, 70000)))
    if mode == "F":
        values = values / draw(st.sampled_from([255, 1, np.nan]))
    array = values.astype(PIXELS.get(mode, np.uint8))
    bands = [Image.fromarray(array)] * len(Image.new(mode, (1, 1)).getbands())
    if mode in ("LA", "PA", "RGBA"):
        bands[-1] = Image.fromarray(draw(st.sampled_from([array, array[::-1]])))
    image = bands[0] if len(bands) == 1 else Image.merge(mode, bands)
    image = image.convert("1") if mode == "1" else image
    if mode == "P" or (mode == "L" and draw(st.booleans())):
        image.putpalette(draw(st.binary(min_size=768, max_size=768)))
    return image


@fuzz
@given(data=st.data())
def test_masks_and_images_of_anything(tmp_path_factory, watch, data):
    """As a file with EXIF, transparency or pages, as a Pillow image and as an array: the same pixels, or a sentence."""
    image, (kind, options) = anything(data.draw), data.draw(st.sampled_from(WRITERS))
    exif, path = Image.Exif(), tmp_path_factory.getbasetemp() / "anything.tif"
    exif[0x0112] = data.draw(st.integers(0, 9))
    options = options | data.draw(
        st.sampled_from([{}, {"exif": exif}, {"transparency": 0}, {"transparency": b"\0\x80"}])
    )
    if kind == "TIFF" and data.draw(st.integers(0, 4)) == 0:
        options |= {"save_all": True, "append_images": [anything(data.draw)]}
    try:
        image.save(path, kind, **options)
    except Exception:  # Pillow writes no such file
        image.convert("RGB").save(path, "PNG")
    with judged(watch):
        read = dataset.read_image(path)
        with images_module.opened(path) as upright:
            size = upright.size
        mask = dataset.read_mask(path, size)
        assert read.shape == (3, 256, 256)
        assert mask.defect.shape == mask.ignored.shape == (256, 256)
        assert not (mask.defect & mask.ignored).any()
        assert mask.words.isprintable()
        with Image.open(path) as opened:
            assert np.array_equal(prepared(opened), read)
            array = np.asarray(opened)
        with contextlib.suppress(ValueError):  # its one sentence is for a program
            assert prepared(array).shape == read.shape


NAMES = ["000.png", "000_mask.png", "001.png", "001.jpg", "001.JPG", "good", "notes.txt", ".hidden.png"] * 3
NAMES += ["%s.png", "x\ny.png", "x\x1b.png", "x\udcff.png", "a" * 200 + ".png", "..png", " .png", "_mask.png"]
PLACES = ["train/good", "test/good", "test/crack", "ground_truth/crack", "ground_truth/hole"] * 3
PLACES += [".", "train", "test", "ground_truth/good", "train/crack", "test/crack/deeper", "test/nüsse\n"]
CONTENTS = [png(0), png(2, mask=True), *FILES, b"", b"text", png(0)[:50]]
CONTENTS = [*(lambda path, content=content: path.write_bytes(content) for content in CONTENTS), os.mkfifo, os.mkdir]
CONTENTS += [lambda path: path.symlink_to("000.png")]
THINGS = st.tuples(*(st.sampled_from(choices) for choices in (PLACES, NAMES, CONTENTS)))


@fuzz
@given(things=st.lists(THINGS, max_size=10), sound=st.booleans())
def test_folders_of_anything(tmp_path_factory, watch, things, sound):
    folder = fresh(tmp_path_factory, "folder")
    if sound:  # else nearly every case would end at its first problem
        archive = write_archive(folder.with_suffix(".tar"), category_files("hazelnut", SMALL), "w")
        folder.rmdir()
        unpack.unpack(archive, folder, "hazelnut")
    for place, name, content in things:
        path = folder / place / name
        with contextlib.suppress(OSError):  # what the file system does not take, the reader never sees
            path.parent.mkdir(parents=True, exist_ok=True)
            content(path)
    with judged(watch):
        counts, problems, skipped = dataset.check(folder)
        assert all(sentence.endswith((".", ")")) and sentence.isprintable() for sentence in [*problems, *skipped])
        try:
            loaded = dataset.load(folder)
        except DataError:
            assert problems, "load refuses what check has no problem with"
            raise
        assert not problems, "load takes what check has a problem with"
        assert len(loaded.train) + len(loaded.test) == sum(counts.values())


def meaning(content):
    """The stretches of a checkpoint that are not weights, as (start, end): flips among weights are all alike."""
    if not content.startswith(b"PK"):
        return [(0, 8 + struct.unpack("<Q", content[:8])[0])]  # of safetensors
    with zipfile.ZipFile(io.BytesIO(content)) as whole:
        pickled = next(entry for entry in whole.infolist() if entry.filename.endswith("data.pkl"))
        start = pickled.header_offset
        return [(start, start + pickled.file_size + 100), (whole.start_dir, len(content))]


@fuzz
@given(data=st.data())
def test_damaged_runs(tmp_path_factory, watch, tiny_run, data):
    kind = data.draw(st.sampled_from(["checkpoint.pt"] * 2 + ["model.safetensors", "config.json", "history.csv"]))
    content, where = (tiny_run.folder / kind).read_bytes(), ANYWHERE
    if kind in ("checkpoint.pt", "model.safetensors"):
        start, end = data.draw(st.sampled_from(meaning(content)))
        where = st.floats(start / len(content), end / len(content), exclude_max=True)
    copy = fresh(tmp_path_factory, "copy")
    shutil.copytree(tiny_run.folder, copy, copy_function=os.link, dirs_exist_ok=True)
    (copy / kind).unlink()
    (copy / kind).write_bytes(damage(content, data.draw, where))
    with judged(watch):
        if kind == "checkpoint.pt":
            checkpoints.load(copy / kind)
        else:
            assert runs.load_run(copy).caption


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """A small sound archive of each type, as bytes."""
    folder, files = tmp_path_factory.mktemp("archives"), category_files("hazelnut", SMALL)
    return [write_archive(folder / "a", files, mode).read_bytes() for mode in ("w:xz", "w:gz", "w:bz2", "w", "zip")]


@fuzz
@given(data=st.data())
def test_damaged_archives(tmp_path_factory, watch, archives, data):
    """Whatever is taken, nothing is outside the target and nothing half-done is left."""
    place = fresh(tmp_path_factory, "unpacked")
    (place / "archive").write_bytes(damage(data.draw(st.sampled_from(archives)), data.draw))
    with judged(watch):
        unpack.unpack(place / "archive", place / "data", "hazelnut")
    left = sorted(path.name for path in place.iterdir())
    assert left in (["archive"], ["archive", "data"])
    if "data" in left:
        receipt = json.loads((place / "data" / unpack.RECEIPT).read_text())
        assert receipt["counts"] == unpack.count_images(place / "data")
