"""Input made to do harm: archives, images, checkpoints and settings. Each gives one plain sentence, or does nothing."""

import contextlib
import gzip
import io
import json
import lzma
import os
import pickle
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tarfile
import textwrap
import zipfile
import zlib
from pathlib import Path

import pytest
import torch
from archives import SMALL, add, category_files, files_below, get, png, refused, write_tar
from PIL import Image

from hazelnut_ae import cli, dataset, training
from hazelnut_ae.download import download, unpack
from hazelnut_ae.engine import checkpoints, runs, trainer
from hazelnut_ae.errors import DataError
from hazelnut_ae.presets import PRESETS

pytestmark = pytest.mark.slow

GOOD = category_files("hazelnut", SMALL)
IMAGE = "hazelnut/train/good/evil.png"


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    """A cache of its own and something precious beside every target, which must be there unchanged afterwards."""
    monkeypatch.setenv("HAZELNUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EVIL", str(tmp_path / "evil"))
    precious = tmp_path / "precious" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    yield precious
    assert precious.read_text() == "years of work"
    assert files_below(precious.parent) == ["thesis.txt"]
    assert not Path("/tmp/hazelnut_ae_evil.png").exists()
    assert not list(tmp_path.glob("evil*"))


def archive_with(path, *members, files=GOOD, mode="w:xz"):
    """A good archive with members added: (name, content, attributes)."""
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            add(tar, name, content)
        for name, content, attributes in members:
            add(tar, name, content, **attributes)
    return path


# --- archives -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["w:xz", "w:gz", "w"])
@pytest.mark.parametrize(
    "name",
    [
        "../evil.png",
        "hazelnut/../../evil.png",
        "hazelnut/train/good/../../../../evil.png",
        "/tmp/hazelnut_ae_evil.png",
        "//tmp/hazelnut_ae_evil.png",
        "..\\evil.png",
        "C:\\evil.png",
        "hazelnut/train/good/C:evil.png",
        "hazelnut/train/good/evil\n.png",
        "hazelnut/train/good/evil\x1b[2J.png",
        "hazelnut/train/good/evil\udcff.png",
        "bottle/../../evil.png",
    ],
)
def test_names_that_lead_outside(name, mode, tmp_path):
    archive = archive_with(tmp_path / "a.tar", (name, png(1), {}), mode=mode)
    refused(tmp_path / "data", str(archive), "not taken", archive=archive)


@pytest.mark.parametrize(
    ("attributes", "word"),
    [
        ({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "a link"),
        ({"type": tarfile.SYMTYPE, "linkname": "../../../../precious/thesis.txt"}, "a link"),
        ({"type": tarfile.SYMTYPE, "linkname": "000.png"}, "a link"),
        ({"type": tarfile.LNKTYPE, "linkname": "../precious/thesis.txt"}, "a link"),
        ({"type": tarfile.LNKTYPE, "linkname": "hazelnut/train/good/000.png"}, "a link"),
        ({"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5}, "a device"),
        ({"type": tarfile.BLKTYPE, "devmajor": 8, "devminor": 0}, "a device"),
        ({"type": tarfile.FIFOTYPE}, "a device or the like"),
        ({"type": tarfile.CONTTYPE}, "a device or the like"),
    ],
)
@pytest.mark.parametrize("name", [IMAGE, "hazelnut/train/good", "bottle/evil"])
def test_links_and_devices(attributes, word, name, tmp_path):
    archive = archive_with(tmp_path / "a.tar.xz", (name, b"", attributes))
    refused(tmp_path / "data", word, archive=archive)


def test_a_link_that_a_later_member_writes_through(tmp_path):
    out = {"type": tarfile.SYMTYPE, "linkname": str(tmp_path / "precious")}
    through = ("hazelnut/train/out/thesis.txt", b"gone", {})
    refused(
        tmp_path / "data",
        "a link",
        archive=archive_with(tmp_path / "a.tar.xz", ("hazelnut/train/out", b"", out), through),
    )


def test_modes_and_owners_have_no_effect(tmp_path):
    attributes = {"mode": 0o7777, "uid": 12345, "gid": 12345}
    archive = archive_with(tmp_path / "a.tar.xz", (IMAGE, png(1), attributes))
    get(tmp_path / "data", archive=archive)
    status = (tmp_path / "data/train/good/evil.png").stat()
    assert stat.S_IMODE(status.st_mode) & 0o7111 == 0
    assert status.st_uid == os.getuid()


def test_a_member_twice(tmp_path):
    archive = archive_with(tmp_path / "a.tar.xz", ("hazelnut/train/good/000.png", png(9), {}))
    refused(tmp_path / "data", "twice", archive=archive)


def test_too_many_members_or_bytes(tmp_path, monkeypatch):
    archive = archive_with(tmp_path / "a.tar.xz")
    with monkeypatch.context() as patch:
        patch.setattr(unpack, "MAX_MEMBERS", 5)
        refused(tmp_path / "data", "more than 5 members", archive=archive)
    with monkeypatch.context() as patch:
        patch.setattr(unpack, "MAX_CATEGORY", 1000)
        refused(tmp_path / "data", "unpacks to more", archive=archive)
    with monkeypatch.context() as patch:
        patch.setattr(unpack, "MAX_ARCHIVE", 5000)
        refused(tmp_path / "data", "far more than a data set", archive=archive)


def in_a_process_of_its_own(script, *arguments):
    """Runs a script that may call peak(), the most memory it has had in bytes, and returns the lines it prints."""
    if not os.path.exists("/proc/self/status"):
        pytest.skip("the peak of memory is read from /proc")
    peak = """
        def peak():
            with open("/proc/self/status") as lines:
                return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    """
    whole = textwrap.dedent(peak) + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", whole, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def zeros(count):
    """A file-like with that many zero bytes."""
    return io.BytesIO(bytes(count))


def bomb(kind, path):
    """Archives of a few kB to a few MB that want gigabytes of disk or memory."""
    if kind == "large members":
        with tarfile.open(path, "w:xz", preset=0) as tar:
            for i in range(3):
                member = tarfile.TarInfo(f"hazelnut/train/good/{i}.png")
                member.size = 65 << 20
                tar.addfile(member, zeros(65 << 20))
    elif kind == "claimed size":
        member = tarfile.TarInfo(IMAGE)
        member.size = 1 << 50
        path.write_bytes(lzma.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(10240)))
    elif kind in ("long name", "long attribute"):
        header = tarfile.TarInfo("././@LongLink")
        header.type = tarfile.GNUTYPE_LONGNAME if kind == "long name" else tarfile.XHDTYPE
        header.size = 100 << 20
        compressor = lzma.LZMACompressor(preset=0)
        with open(path, "wb") as file:
            file.write(compressor.compress(header.tobuf(tarfile.GNU_FORMAT)))
            for _ in range(100):
                file.write(compressor.compress(b"a" * (1 << 20)))
            file.write(compressor.flush())
    elif kind == "zeros for ever":
        compressor = lzma.LZMACompressor(preset=0)
        with tarfile.open(path.with_suffix(".inner"), "w") as tar:
            add(tar, "hazelnut/train/good/0.png", png(0))
        with open(path, "wb") as file:
            file.write(compressor.compress(path.with_suffix(".inner").read_bytes()))
            for _ in range(100):
                file.write(compressor.compress(bytes(1 << 20)))
            file.write(compressor.flush())
    elif kind == "dictionary":  # a valid .xz whose header asks for 1.5 GiB of memory
        content = bytearray(lzma.compress(bytes(1000), filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}]))
        size = (content[12] + 1) * 4
        content[12 + 4] = 37  # 2^31 bytes
        content[12 + size - 4 : 12 + size] = struct.pack("<I", zlib.crc32(content[12 : 12 + size - 4]))
        path.write_bytes(content)
    elif kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as whole, whole.open(IMAGE, "w") as file:
            for _ in range(100):
                file.write(bytes(1 << 20))
    elif kind == "lying zip":  # says 100 bytes, unpacks to 100 MiB
        bomb("zip", path)
        content = bytearray(path.read_bytes())
        at = content.rindex(b"PK\x01\x02")
        content[at + 24 : at + 28] = struct.pack("<I", 100)
        path.write_bytes(content)
    elif kind == "many global attributes":  # a megabyte of them before each of a hundred members
        compressor = lzma.LZMACompressor(preset=0)
        with open(path, "wb") as file:
            for i in range(100):
                body = b"".join(b"1013 k%03d%03d=" % (i, j) + b"a" * 999 + b"\n" for j in range(900))
                header, member = tarfile.TarInfo("global"), tarfile.TarInfo(f"hazelnut/train/good/{i}.txt")
                header.type, header.size = tarfile.XGLTYPE, len(body)
                block = header.tobuf(tarfile.GNU_FORMAT) + body + bytes(-len(body) % 512)
                file.write(compressor.compress(block + member.tobuf(tarfile.GNU_FORMAT)))
            file.write(compressor.compress(bytes(10240)) + compressor.flush())
    return path


BOMBS = [
    *("large members", "claimed size", "long name", "long attribute", "zeros for ever", "dictionary", "zip"),
    *("lying zip", "many global attributes"),
]


def test_bombs_take_neither_disk_nor_memory(tmp_path):
    """All of them in one process of its own, whose peak of memory is then known."""
    for kind in BOMBS:
        bomb(kind, tmp_path / kind.replace(" ", "_"))
    script = """
        import sys
        from pathlib import Path
        from hazelnut_ae.download import download
        from hazelnut_ae.errors import DataError
        before = peak()
        for path in sys.argv[1:]:
            try:
                print("TAKEN", path, download.download(Path(path + " data"), archive=path, accept_license=True))
            except DataError as error:
                print("refused", error)
        print(before, peak())
    """
    paths = [str(tmp_path / kind.replace(" ", "_")) for kind in BOMBS]
    *answers, peak = in_a_process_of_its_own(script, *paths)
    assert len(answers) == len(BOMBS)
    for path, answer in zip(paths, answers, strict=True):
        assert answer.startswith("refused"), answer
        assert path in answer
    assert "Memory usage limit" in answers[BOMBS.index("dictionary")]
    assert "no images" in answers[BOMBS.index("many global attributes")]
    before, after = map(int, peak.split())
    assert after - before < 60 << 20
    assert not [path for path in tmp_path.iterdir() if "data" in path.name]


@pytest.mark.parametrize("mode", ["w:xz", "w:gz", "w:bz2", "w", "zip"])
def test_archives_cut_at_any_place(mode, tmp_path):
    whole = tmp_path / "whole"
    if mode == "zip":
        with zipfile.ZipFile(whole, "w") as target:
            for name, content in GOOD.items():
                target.writestr(name, content)
    else:
        archive_with(whole, mode=mode)
    content = whole.read_bytes()
    for share in (0, 0.001, 0.01, 0.3, 0.5, 0.8, 0.97, 0.9999):
        (tmp_path / "a").write_bytes(content[: int(share * len(content))])
        if mode == "w" and share > 0.95:  # cut in the empty blocks after the last member: nothing is missing
            continue
        refused(tmp_path / "data", str(tmp_path / "a"), archive=tmp_path / "a")


def test_a_plain_tar_cut_between_two_members_is_not_taken_for_whole(tmp_path):
    archive = archive_with(tmp_path / "a.tar", mode="w")
    content = archive.read_bytes()
    archive.write_bytes(content[: content.index(b"hazelnut/test/crack/000.png")])
    refused(tmp_path / "data", "its end is missing", archive=archive)


def test_a_broken_header_in_the_middle_is_not_taken_for_the_end(tmp_path):
    archive = archive_with(tmp_path / "a.tar", mode="w")
    content = bytearray(archive.read_bytes())
    at = content.index(b"hazelnut/test/crack/000.png")
    content[at + 150] ^= 0xFF  # its checksum
    archive.write_bytes(content)
    refused(tmp_path / "data", "damaged", archive=archive)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"<!doctype html><title>403</title>",
        b"\xfd7zXZ\x00",
        b"\xfd7zXZ\x00" + b"\0" * 1000,
        b"PK\x03\x04" + b"\0" * 100,
        b"PK",
        b"\x1f\x8b\x08" + b"\0" * 100,
        b"BZh9" + b"\0" * 100,
        b"\0" * 10240,
        b"\xff" * 10240,
        lzma.compress(b"not a tar"),
        lzma.compress(b""),
        gzip.compress(b"\0" * 10240, mtime=0),
    ],
)
def test_files_that_are_no_archives(content, tmp_path):
    (tmp_path / "a.tar.xz").write_bytes(content)
    refused(tmp_path / "data", "a.tar.xz", archive=tmp_path / "a.tar.xz")


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"bottle/train/good/000.png": png(0)},
        {"hazelnut/readme.txt": b"only words"},
        {"hazelnut/test/good/000.png": png(0)},
        {"hazelnut/train/crack/000.png": png(0)},
        {"hazelnut": b"a file of that name"},
        {"a/b/hazelnut/train/good/000.png": png(0)},
    ],
)
def test_archives_without_the_category(members, tmp_path):
    refused(tmp_path / "data", "hazelnut", archive=write_tar(tmp_path / "a.tar.xz", members))


def test_zips_with_links_outside_names_and_passwords(tmp_path):
    link = zipfile.ZipInfo("hazelnut/train/good/evil.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    outside = zipfile.ZipInfo("../evil.png")
    locked = zipfile.ZipInfo("hazelnut/train/good/0.png")
    for member, word in ((link, "a link"), (outside, "not taken"), (locked, "a.zip")):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as whole:
            whole.writestr(member, png(0))
        if member is locked:
            content = bytearray((tmp_path / "a.zip").read_bytes())
            for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
                content[content.index(mark) + offset] |= 1
            (tmp_path / "a.zip").write_bytes(content)
        refused(tmp_path / "data", word, archive=tmp_path / "a.zip")


# --- images -------------------------------------------------------------------------------------------------------


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_bomb(width, height, grey=True):
    """A PNG of a few kB that claims and delivers width × height black pixels."""
    row_bytes = width + 1
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    compressor = zlib.compressobj(9)
    body = b"".join(compressor.compress(bytes(row_bytes)) for _ in range(height)) + compressor.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.fixture
def images(tmp_path):
    """A data folder of four good training images, to put a fifth into."""
    folder = tmp_path / "nuts"
    (folder / "train/good").mkdir(parents=True)
    for i in range(4):
        (folder / "train/good" / f"{i}.png").write_bytes(png(i))
    return folder


EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\n(/tmp/evil.png) (w) file pop showpage\n%%EOF\n"
)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an image",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='16' height='16'/>",
        EPS,
        b"\x89PNG\r\n\x1a\n",
        png(0)[:60],
        png(0)[:-200],
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)),
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 0, 8, 2, 0, 0, 0)),
        b"BM" + b"\xff" * 60,
        b"II*\0" + b"\xff" * 60,
        b"\xff\xd8\xff\xe0" + b"\0" * 60,
    ],
)
def test_files_that_are_no_images(content, images):
    path = images / "train/good/9.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"9\.png") as caught:
        dataset.load(images)
    assert "\n" not in str(caught.value)
    _, problems, _ = dataset.check(images)
    assert len(problems) == 1
    assert "9.png" in problems[0]
    assert path.read_bytes() == content


def test_a_file_of_another_kind_is_not_run_through_its_own_reader(images, monkeypatch):
    """Pillow hands PostScript to Ghostscript, whatever the file's name is."""
    from PIL import EpsImagePlugin

    called = []
    monkeypatch.setattr(
        EpsImagePlugin, "Ghostscript", lambda *args, **kw: called.append(1) or Image.new("RGB", (9, 9)).im
    )
    (images / "train/good/9.png").write_bytes(EPS)
    with pytest.raises(DataError):
        dataset.load(images)
    assert not called


def test_image_bombs_stay_under_two_gigabytes(tmp_path):
    """Twelve images of nearly the most pixels, in a process whose peak of memory is then known.

    In haste with a quarter of the pixels and of the memory, in the closing run (HAZELNUT_FUZZ) with all of it.
    """
    part = 1 if os.environ.get("HAZELNUT_FUZZ") else 4
    content = png_bomb(9_990, 10_000 // part)
    (tmp_path / "nuts/train/good").mkdir(parents=True)
    for i in range(12):
        (tmp_path / f"nuts/train/good/{i}.png").write_bytes(content)
    script = """
        import sys
        from hazelnut_ae import dataset
        from hazelnut_ae.io import images
        images.MAX_PIXELS //= int(sys.argv[2])
        print(len(dataset.load(sys.argv[1]).train), "images")
        print(peak())
    """
    loaded, peak = in_a_process_of_its_own(script, str(tmp_path / "nuts"), str(part))
    assert loaded == "12 images"
    assert int(peak) < (2 << 30) // part


def test_an_image_beyond_the_limit_is_refused_from_its_header(images):
    (images / "train/good/beyond.png").write_bytes(png_bomb(10_001, 10_000)[:4000])
    with pytest.raises(DataError, match="10001×10000 pixels, more than 100 million"):
        dataset.load(images)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_things_in_the_folder_that_are_no_files(images, tmp_path):
    """A pipe would be waited for, a link to itself followed for ever, a link to nowhere stumbled over."""
    good = images / "train/good"
    os.mkfifo(good / "pipe.png")
    (good / "loop.png").symlink_to("loop.png")
    (good / "nowhere.png").symlink_to(tmp_path / "no such file")
    (good / "folder.png").mkdir()
    (images / "test").symlink_to(images)
    with within(20):
        code, out, _ = run_main("check", str(images))
        assert code == 1
        assert all(name in out for name in ("pipe.png", "loop.png", "nowhere.png"))
        code, _, err = run_main("train", str(images), "--run", str(tmp_path / "run"), "--preset", "tiny")
        assert code == 1
        assert err.startswith("hazelnut-ae: ")
        assert not (tmp_path / "run").exists()


# --- checkpoints --------------------------------------------------------------------------------------------------


class Payload:
    """What unpickling this would do."""

    def __reduce__(self):
        return os.system, ('touch "$EVIL"',)


@pytest.fixture
def run_copy(tiny_run, tmp_path):
    """A copy of a finished run, by hard links: `replace` its files, never write into them."""
    return Path(shutil.copytree(tiny_run.folder, tmp_path / "run", copy_function=os.link))


def replace(path, content):
    path.unlink()
    path.write_bytes(content)


def payloads():
    buffer = io.BytesIO()
    torch.save({"model": Payload(), "digest": "0" * 64}, buffer)
    legacy = io.BytesIO()
    torch.save({"model": Payload(), "digest": "0" * 64}, legacy, _use_new_zipfile_serialization=False)
    return {
        "torch": buffer.getvalue(),
        "legacy": legacy.getvalue(),
        "pickle": pickle.dumps(Payload()),
        "pickle in protocol 0": pickle.dumps(Payload(), protocol=0),
        "numpy": b"\x93NUMPY" + pickle.dumps(Payload()),
    }


@pytest.mark.parametrize("kind", list(payloads()))
@pytest.mark.parametrize("name", ["checkpoint.pt", "model.safetensors", "config.json", "history.csv", "f1.csv"])
def test_pickles_with_code_are_never_run(kind, name, painted, run_copy):
    replace(run_copy / name, payloads()[kind])
    if name != "checkpoint.pt":
        with pytest.raises(DataError):
            runs.load_run(run_copy)
    if name in ("checkpoint.pt", "config.json"):
        with pytest.raises(DataError):
            trainer.train_run(painted, run_copy, PRESETS["tiny"], resume=True)
    assert not Path(os.environ["EVIL"]).exists()


def forged(run_copy, change):
    """Replaces the checkpoint by one with other content and a right checksum."""
    state = torch.load(run_copy / "checkpoint.pt", weights_only=True)
    state.pop("digest")
    state = change(state)
    if isinstance(state, dict):
        state["digest"] = checkpoints.digest_of(state)
    (run_copy / "checkpoint.pt").unlink()
    torch.save(state, run_copy / "checkpoint.pt")


def smaller(optimizer):
    """An optimizer's state whose moments have lost all but one of their rows."""
    shrunk = {i: {k: v[:1] if v.ndim else v for k, v in moments.items()} for i, moments in optimizer["state"].items()}
    return optimizer | {"state": shrunk}


FORGERIES = {
    "a list": lambda state: [1, 2],
    "empty": lambda state: {},
    "no weights": lambda state: {key: value for key, value in state.items() if key != "model"},
    "weights of another shape": lambda state: (
        state | {"model": {k: v[:1] for k, v in state["model"].items() if v.ndim}}
    ),
    "weights that are words": lambda state: state | {"model": "weights"},
    "losses that are words": lambda state: state | {"losses": "falling"},
    "no losses": lambda state: {key: value for key, value in state.items() if key != "losses"},
    "an optimizer that is empty": lambda state: state | {"optimizer": {}},
    "an optimizer of another shape": lambda state: state | {"optimizer": smaller(state["optimizer"])},
    "rows of F1 that are numbers": lambda state: state | {"f1": [1, 2]},
    "config that is a number": lambda state: state | {"config": 3},
}


@pytest.mark.parametrize("kind", list(FORGERIES))
def test_checkpoints_with_a_right_checksum_and_wrong_content(kind, painted, run_copy):
    forged(run_copy, FORGERIES[kind])
    with pytest.raises(DataError) as caught:
        trainer.train_run(painted, run_copy, PRESETS["tiny"], epochs=3, resume=True)
    assert "\n" not in str(caught.value)
    assert str(run_copy) in str(caught.value)


def test_a_checkpoint_that_inflates(run_copy):
    """torch stores without compression; a compressed entry can only be a bomb."""
    with zipfile.ZipFile(run_copy / "checkpoint.pt") as whole:
        entries = {info.filename: whole.read(info) for info in whole.infolist() if info.file_size < 100_000}
    (run_copy / "checkpoint.pt").unlink()
    with zipfile.ZipFile(run_copy / "checkpoint.pt", "w", zipfile.ZIP_DEFLATED) as whole:
        for name, content in entries.items():
            whole.writestr(name, content + bytes(20 << 20) if name.endswith("/data.pkl") else content)
    with pytest.raises(DataError, match=r"checkpoint\.pt is damaged \(it is compressed"):
        trainer.load_checkpoint(run_copy)


CONFIGS = [
    "", "[]", "17", "null", "{}", '"text"', "{" * 50_000, "[" * 50_000, "\x00", "NaN",
    '{"latent_dim": "many"}', '{"latent_dim": -1}', '{"latent_dim": 0}', '{"latent_dim": 1e9}', '{"latent_dim": true}',
    '{"latent_dim": 100000000}', '{"latent_dim": 3000000}', '{"latent_dim": null}', '{"latent_dim": [500]}',
    '{"latent_dim": 7}',
]  # fmt: skip


@pytest.mark.parametrize("text", CONFIGS)
def test_configurations_that_are_nonsense(text, painted, run_copy):
    replace(run_copy / "config.json", text.encode())
    with pytest.raises(DataError) as caught:
        runs.load_run(run_copy)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError):
        trainer.train_run(painted, run_copy, PRESETS["tiny"], resume=True)


@pytest.mark.parametrize("key", ["preset", "seed", "epochs", "data_name", "data", "latent_dim"])
@pytest.mark.parametrize("value", [None, "\n", -1, 1.5, True, [], {}, 10**30, "x"])
def test_single_settings_of_a_run_that_are_nonsense(key, value, painted, run_copy):
    """A setting of the wrong kind is refused; one of the right kind can be worked with, however odd it is."""
    config = json.loads((run_copy / "config.json").read_text())
    right_kind = type(value) is type(config[key]) and value != -1
    replace(run_copy / "config.json", json.dumps(config | {key: value}).encode())
    if right_kind and key != "latent_dim":
        run = runs.load_run(run_copy)
        assert run.caption
        training.split_good(8, run.config["seed"])
    else:
        with pytest.raises(DataError) as caught:
            runs.load_run(run_copy)
        assert "\n" not in str(caught.value)


# --- settings and the command line --------------------------------------------------------------------------------


@contextlib.contextmanager
def within(seconds):
    """Ends what hangs."""

    def stop(*_):
        raise TimeoutError(f"not done within {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run_main(*arguments):
    """The command line in this process: (exit code, stdout, stderr)."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(list(arguments))
        except SystemExit as stop:
            code = stop.code
    return code, out.getvalue(), err.getvalue()


NONSENSE = ["nonsense", "/dev/null", "/proc/self/mem", "\x01", "a" * 5000, "~nobody/x", "-1", "../..", "🥜", " "]


@pytest.mark.parametrize("variable", ["HAZELNUT_DATA", "HAZELNUT_PRESET", "HAZELNUT_FIGURES", "HAZELNUT_RUN"])
@pytest.mark.parametrize("value", NONSENSE)
def test_notebook_variables_that_are_nonsense(variable, value, painted_folder, tmp_path, monkeypatch):
    from hazelnut_ae.course import lesson as lessons

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HAZELNUT_PRESET", "tiny")
    monkeypatch.setenv("HAZELNUT_DATA", str(painted_folder))
    monkeypatch.setenv(variable, value)
    if variable in ("HAZELNUT_FIGURES", "HAZELNUT_RUN"):  # a name that could be a folder's is taken
        with contextlib.suppress(DataError):
            lessons.setup()
    else:
        with pytest.raises(DataError) as caught:
            lessons.setup()
        assert "\n" not in str(caught.value)
        assert variable in str(caught.value) or value in ("../..", " ")


@pytest.mark.parametrize("value", ["/dev/null", "/dev/null/x", "/proc/self/nothing", "a" * 5000])
def test_a_cache_that_is_nonsense(value, images, tmp_path, monkeypatch):
    """Reading images goes on without a cache; a download says so."""
    monkeypatch.setenv("HAZELNUT_CACHE", value)
    assert len(dataset.load(images).train) == 4
    archive = write_tar(tmp_path / "a.tar.xz", GOOD)
    with pytest.raises(DataError):
        download.download(tmp_path / "data", archive=archive, accept_license=True)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["Nüsse – 榛子 mit Raum", "--help", "a'b\"c$HOME;x\ny"])
def test_the_whole_way_in_a_folder_of_an_odd_name(name, painted_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(painted_folder, tmp_path / name)
    run = f"{name} run"
    dash = ["--"]  # what a shell user writes before a name with a leading dash
    assert run_main("check", *dash, name)[0] == 0
    assert run_main("train", f"--run={run}", "--preset", "tiny", "--epochs", "1", *dash, name)[0] == 0
    assert run_main("evaluate", f"--run={run}", "--json", "out.json", *dash, name)[0] == 0
    assert json.loads(Path("out.json").read_text())["data"] == name


def test_names_that_are_too_long(painted_folder, tmp_path):
    name = "a" * 5000
    for arguments in (
        ["check", name],
        ["train", name, "--run", str(tmp_path / "run")],
        ["evaluate", name, "--run", name],
    ):
        assert run_main(*arguments)[0] == 1
    for command in ("train", "evaluate", "figures"):
        code, _, err = run_main(command, str(painted_folder), "--run", name)
        assert code == 1
        assert err.splitlines()[-1].startswith("hazelnut-ae: ")


def test_a_read_only_place_for_the_run(painted_folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for place in ("/proc/run", "/dev/null/run", str(tmp_path / "file"), str(tmp_path / "file/run")):
        code, _, err = run_main("train", str(painted_folder), "--run", place, "--preset", "tiny", "--epochs", "1")
        assert code == 1, place
        assert err.splitlines()[-1].startswith("hazelnut-ae: ")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_real_full_disk_for_the_cache_and_for_the_run(tiny_disk, painted_folder, tmp_path, monkeypatch, capsys):
    """Without room for its cache the reader goes on without; a run that cannot be kept says so and leaves no half."""
    monkeypatch.setenv("HAZELNUT_CACHE", str(tiny_disk / "cache"))
    loaded = dataset.load(painted_folder)
    assert len(loaded.train) == PRESETS["tiny"].counts["train/good"]
    assert "No space left" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"checkpoint\.pt could not be written \(the disk is full"):
        trainer.train_run(loaded, tiny_disk / "run", PRESETS["tiny"], epochs=1)
    left = files_below(tiny_disk)
    assert "run/checkpoint.pt" not in left
    assert not [name for name in left if name.endswith((".tmp", ".npy"))]


def test_four_processes_read_the_same_folder_for_the_first_time(painted_folder, tmp_path):
    script = "import sys; from hazelnut_ae import dataset; print(dataset.load(sys.argv[1]).fingerprint)"
    start = [sys.executable, "-c", script, str(painted_folder)]
    processes = [subprocess.Popen(start, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [process.communicate(timeout=60)[0] for process in processes]
    assert len(set(answers)) == 1
    assert len(answers[0].strip()) == 64
    assert sorted(Path(name).name for name in files_below(tmp_path / "cache")) == [
        "images.npy",
        "masks.npy",
        "set.json",
    ]
