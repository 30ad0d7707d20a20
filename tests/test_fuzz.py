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
import tarfile
import warnings
import zipfile
import zlib

import numpy as np
import pytest
import torch
from archives import SMALL, category_files, forget_peak, peak_of_memory, png, write_tar
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from hazelnut_ae import dataset
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.dataset import Dataset
from hazelnut_ae.download import unpack
from hazelnut_ae.engine import checkpoints, runs, trainer
from hazelnut_ae.errors import DataError
from hazelnut_ae.io.files import write_json
from hazelnut_ae.presets import PRESETS

pytestmark = pytest.mark.slow

CASES = int(os.environ.get("HAZELNUT_FUZZ") or 20)
SECONDS = 20  # for one case, on a machine that has other work

fuzz = settings(
    max_examples=CASES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


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


ANYWHERE = st.floats(0, 1, exclude_max=True)
WORDS = st.sampled_from([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\xff\xff"])


def damage(data, draw, where=ANYWHERE):
    """Flips bytes, cuts, repeats or inserts a piece, at places that `where` draws as shares of the length."""
    data = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        if not data:
            break
        at, reach = int(draw(where) * len(data)), draw(st.integers(1, 64))
        match draw(st.sampled_from(["flip", "flip", "flip", "set", "cut", "drop", "repeat", "insert"])):
            case "flip":
                data[at] ^= 1 << reach % 8
            case "set":
                data[at : at + 4] = draw(WORDS)
            case "cut":
                del data[at:]
            case "drop":
                del data[at : at + reach]
            case "repeat":
                data[at:at] = data[at : at + reach]
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=16))
    return bytes(data)


def mended(content):
    """A damaged PNG with right checksums, so that the damage gets past them to the decoder."""
    out, at = bytearray(content[:8]), 8
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        piece = content[at + 4 : at + 8 + min(length, len(content) - at - 12)]
        out += struct.pack(">I", length) + piece + struct.pack(">I", zlib.crc32(piece))
        at += 8 + len(piece)
    return bytes(out)


def encoded(mode, kind, **options):
    """A 40×30 picture of a mode as the bytes of a file."""
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    if mode == "I;16":
        picture = Image.fromarray(rng.integers(0, 65536, (30, 40), dtype=np.uint16))
    elif mode == "P":
        picture = picture.quantize(7)
    elif mode != "RGB":
        picture = picture.convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


EXIF = Image.Exif()
EXIF[0x0112] = 6
FILES = [("png", encoded(mode, "png")) for mode in ("RGB", "L", "RGBA", "I;16", "1")]
FILES += [("png", encoded("P", "png", transparency=1)), ("png", encoded("RGB", "png", exif=EXIF))]
FILES += [("jpg", encoded(mode, "jpeg")) for mode in ("RGB", "L", "CMYK")]
FILES += [("jpg", encoded("RGB", "jpeg", progressive=True, exif=EXIF))]
FILES += [("bmp", encoded(mode, "bmp")) for mode in ("RGB", "P")]
COMPRESSIONS = [
    ("RGB", None),
    ("I;16", None),
    ("RGB", "tiff_lzw"),
    ("L", "tiff_deflate"),
    ("RGB", "jpeg"),
    ("1", "group4"),
]
FILES += [("tif", encoded(mode, "tiff", compression=compression)) for mode, compression in COMPRESSIONS]


@fuzz
@given(data=st.data())
def test_damaged_images(tmp_path_factory, watch, data):
    suffix, content = data.draw(st.sampled_from(FILES))
    head = st.floats(0, 0.1, exclude_max=True) | ANYWHERE  # most of the meaning is at the start
    content = damage(content, data.draw, head)
    if suffix == "png" and data.draw(st.booleans()):
        content = mended(content)
    path = tmp_path_factory.getbasetemp() / f"damaged.{suffix}"
    path.write_bytes(content)
    with judged(watch):
        if data.draw(st.booleans()):
            image = dataset.read_image(path)
            assert image.shape == (3, 256, 256)
            assert image.dtype == np.uint8
        else:
            mask = dataset.read_mask(path, (40, 30))
            assert mask.shape == (256, 256)
            assert mask.dtype == bool


USUAL = ["good", "crack", "000", "000.png", "000_mask.png", "001.png", "001_mask.png", "001.jpg", "000.jpg", "001.JPG"]
USUAL += [
    "notes.txt",
    "license.txt",
    "readme.txt",
    "nüsse.png",
    "a b.png",
    "-x.png",
    ".hidden.png",
    "_mask.png",
    ".png",
]
ODD = ["%s.png", "x\ny.png", "x\x1b[2J.png", "x\udcff.png", "a" * 200 + ".png", "..png", " .png", "train", "test"]
NAMES = st.sampled_from([*USUAL * 4, *ODD])
SOUND = [png(0), png(1), png(2, mask=True), *(content for _, content in FILES)]
CONTENTS = st.sampled_from([*SOUND, b"", b"text", png(0)[:50], None, "link", "folder"])
PLACES = ["train/good", "test/good", "test/crack", "ground_truth/crack", "test/hole", "ground_truth/hole"] * 3
PLACES += [
    ".",
    "train",
    "test",
    "ground_truth",
    "ground_truth/good",
    "train/crack",
    "test/crack/deeper",
    "test/nüsse\n",
]
PLACES = st.sampled_from([*PLACES, "ground_truth/empty"])


@fuzz
@given(
    things=st.lists(st.tuples(PLACES, NAMES, CONTENTS), max_size=10),
    sound=st.booleans(),
)
def test_folders_of_anything(tmp_path_factory, watch, monkeypatch_cache, things, sound):
    folder = tmp_path_factory.getbasetemp() / "folder"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if sound:  # else nearly every case would end at its first problem
        for name, content in category_files("x", SMALL).items():
            path = folder / name.removeprefix("x/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    for place, name, content in things:
        path = folder / place / name
        if os.path.lexists(path):
            continue
        with contextlib.suppress(OSError):  # what the file system does not take, the reader never sees
            path.parent.mkdir(parents=True, exist_ok=True)
            if content == "folder":
                path.mkdir()
            elif content == "link":
                path.symlink_to("000.png")
            elif content is None:
                os.mkfifo(path)
            else:
                path.write_bytes(content)
    with judged(watch):
        counts, problems, skipped = dataset.check(folder)
        assert all(isinstance(count, int) for count in counts.values())
        sentences = [*problems, *skipped]
        assert all(sentence.endswith((".", ")")) and sentence.isprintable() for sentence in sentences)
        refused = bool(problems)
        try:
            loaded = dataset.load(folder)
        except DataError:
            assert refused, "load refuses what check has no problem with"
            raise
        assert not refused, "load takes what check has a problem with"
        assert len(loaded.train) + len(loaded.test) == sum(counts.values())


@pytest.fixture
def monkeypatch_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HAZELNUT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """A run folder with a small latent vector and an optimizer that has made a step."""
    folder = tmp_path_factory.mktemp("small_run")
    torch.manual_seed(0)
    model = Autoencoder(2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.zeros(2, 3, 256, 256)).mean().backward()
    optimizer.step()
    data = Dataset(None, None, "set", "0" * 64, "")
    config = runs.make_config("article", PRESETS["tiny"], data, 0, trainer.settings_of(PRESETS["tiny"], 8, 2, 2))
    f1 = [(1, {"crack": 0.5, "hole": float("nan")})]
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "config": config}
    checkpoints.save(folder / "checkpoint.pt", state | {"losses": torch.tensor([0.5, 0.25]), "f1": f1})
    runs.write_run(folder, trainer.Progress([0.5, 0.25], [], f1), 1, model)
    write_json(folder / "config.json", config)
    return folder, model, optimizer


def meaning(content, kind):
    """The stretches of a checkpoint that are not weights, as (start, end): flips among weights are all alike."""
    if kind == "model.safetensors":
        return [(0, 8 + struct.unpack("<Q", content[:8])[0])]
    with zipfile.ZipFile(io.BytesIO(content)) as whole:
        entries = sorted(whole.infolist(), key=lambda entry: entry.header_offset)
        headers = [(entry.header_offset, entry.header_offset + 30) for entry in entries]
        pickled = [
            (e.header_offset, e.header_offset + e.file_size + 100) for e in entries if e.filename.endswith("data.pkl")
        ]
        return [*pickled * len(headers), *headers, *[(whole.start_dir, len(content))] * len(headers)]


@fuzz
@given(data=st.data())
def test_damaged_checkpoints(tmp_path_factory, watch, small_run, data):
    folder, model, optimizer = small_run
    copy = tmp_path_factory.getbasetemp() / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy, copy_function=os.link)
    kinds = ["checkpoint.pt", "checkpoint.pt", "model.safetensors", "config.json", "history.csv", "f1.csv"]
    kind = data.draw(st.sampled_from(kinds))
    content = (folder / kind).read_bytes()
    where = ANYWHERE
    if kind in ("checkpoint.pt", "model.safetensors") and data.draw(st.integers(0, 4)):
        start, end = data.draw(st.sampled_from(meaning(content, kind)))
        where = st.floats(start / len(content), min(end / len(content), 1), exclude_max=True)
    content = damage(content, data.draw, where)
    (copy / kind).unlink()
    (copy / kind).write_bytes(content)
    with judged(watch):
        if kind == "checkpoint.pt":
            state = trainer.load_checkpoint(copy)
            assert len(trainer.restore(copy, state, model, optimizer).losses) == 2
        else:
            run = runs.load_run(copy)
            assert run.caption


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """A small sound archive of each type, as bytes."""
    folder, files = tmp_path_factory.mktemp("archives"), category_files("hazelnut", SMALL)
    found = [write_tar(folder / "tar", files, mode).read_bytes() for mode in ("w:xz", "w:gz", "w:bz2", "w")]
    with zipfile.ZipFile(folder / "zip", "w", zipfile.ZIP_DEFLATED) as whole:
        for name, content in files.items():
            whole.writestr(name, content)
    return [*found, (folder / "zip").read_bytes()]


@fuzz
@given(data=st.data())
def test_damaged_archives(tmp_path_factory, watch, archives, data):
    """Whatever is taken, nothing is outside the target and nothing half-done is left."""
    place = tmp_path_factory.getbasetemp() / "unpacked"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    (place / "archive").write_bytes(damage(data.draw(st.sampled_from(archives)), data.draw))
    with judged(watch):
        unpack.unpack(place / "archive", place / "data", "hazelnut")
    left = sorted(path.name for path in place.iterdir())
    assert left in (["archive"], ["archive", "data"])
    if "data" in left:
        receipt = json.loads((place / "data" / unpack.RECEIPT).read_text())
        assert receipt["counts"] == unpack.count_images(place / "data")


PARTS = st.sampled_from(["hazelnut", "train", "good", "test", "a.png", "b.png", "c", "..", ".", "", "/"])
USUAL_NAMES = st.sampled_from(
    ["hazelnut/train/good/1.png", "hazelnut/test/c/1.png", "c/1.png", "hazelnut/x", "readme.txt"]
)
KINDS = [tarfile.REGTYPE] * 4 + [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.XHDTYPE, b"Z"]


@fuzz
@given(
    members=st.lists(
        st.tuples(
            USUAL_NAMES | st.lists(PARTS, max_size=6).map("/".join),
            st.sampled_from(KINDS),
            st.binary(max_size=600),
        ),
        max_size=6,
    )
)
def test_made_up_archives(tmp_path_factory, watch, members):
    place = tmp_path_factory.getbasetemp() / "made_up"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    content = b""
    for name, kind, inside in [("hazelnut/train/good/0.png", tarfile.REGTYPE, png(0)), *members]:
        member = tarfile.TarInfo(name)
        member.type, member.size, member.linkname = kind, len(inside), "../../outside"
        content += member.tobuf(tarfile.GNU_FORMAT) + inside + bytes(-len(inside) % 512)
    (place / "archive").write_bytes(content + bytes(1024))
    with judged(watch):
        unpack.unpack(place / "archive", place / "data", "hazelnut")
    assert sorted(path.name for path in place.iterdir()) in (["archive"], ["archive", "data"])
    assert not any(path.is_symlink() for path in place.rglob("*"))
