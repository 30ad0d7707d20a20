"""Archives made to do harm: each is refused in one sentence, and nothing half-unpacked remains."""

import gzip
import io
import json
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from archives import SMALL, add, category_files, files_below, forget_peak, peak_of_memory, png, write_tar

from hazelnut_ae.download import unpack
from hazelnut_ae.errors import DataError

GOOD = category_files("hazelnut", SMALL)
IMAGE = "hazelnut/train/good/evil.png"


@pytest.fixture(autouse=True)
def precious(tmp_path):
    """A file beside every target, which must be there unchanged afterwards."""
    thesis = tmp_path / "precious" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    yield thesis
    assert thesis.read_text() == "years of work"
    assert files_below(thesis.parent) == ["thesis.txt"]
    assert not Path("/tmp/hazelnut_ae_evil.png").exists()
    assert not list(tmp_path.rglob("evil*"))


def refused(archive, *words, category="hazelnut"):
    """The archive is refused in one plain sentence that names it, and leaves nothing at or beside the target."""
    before = files_below(archive.parent)
    with pytest.raises(DataError) as caught:
        unpack.unpack(archive, archive.parent / "data", category)
    sentence = str(caught.value)
    assert str(archive) in sentence
    assert sentence.isprintable()
    assert sentence.endswith(".")
    for word in words:
        assert word in sentence
    assert files_below(archive.parent) == before
    assert not list(archive.parent.glob(".*unpacking*"))


def archive_with(path, *members, mode="w"):
    """A good archive with members added: (name, content, attributes)."""
    with tarfile.open(path, mode) as tar:
        for name, content in GOOD.items():
            add(tar, name, content)
        for name, content, attributes in members:
            add(tar, name, content, **attributes)
    return path


def write_archive(path, mode):
    if mode != "zip":
        return write_tar(path, GOOD, mode)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as whole:
        for name, content in GOOD.items():
            whole.writestr(name, content)
    return path


MODES = ["w:xz", "w:gz", "w:bz2", "w", "zip"]


@pytest.mark.parametrize("mode", MODES)
def test_every_type_of_archive_and_none_that_is_cut(mode, tmp_path):
    archive = write_archive(tmp_path / "a", mode)
    assert unpack.unpack(archive, tmp_path / "whole", "hazelnut") == dict(sorted(SMALL.items()))
    receipt = json.loads((tmp_path / "whole/download.json").read_text())
    assert receipt == {"category": "hazelnut", "counts": dict(sorted(SMALL.items()))}
    content = archive.read_bytes()
    for share in (0, 0.001, 0.3, 0.8, 0.97, 0.9999):
        if mode == "w" and share > 0.5:  # cut in the empty blocks after the last member: nothing is missing
            continue
        archive.write_bytes(content[: int(share * len(content))])
        refused(archive)


NAMES = ["../evil.png", "hazelnut/../../evil.png", "hazelnut/train/good/../../../../evil.png", "bottle/../../evil.png"]
NAMES += ["/tmp/hazelnut_ae_evil.png", "//tmp/hazelnut_ae_evil.png", "..\\evil.png", "C:\\evil.png"]
NAMES += [f"hazelnut/train/good/{name}.png" for name in ("C:evil", "evil\n", "evil\x1b[2J", "evil\udcff")]
NAMES += ["hazelnut/train/good/evil.png ", "hazelnut/train/evil./a.png"]


def test_names_that_lead_outside_or_that_no_file_should_have(tmp_path):
    for name in NAMES:
        refused(archive_with(tmp_path / "a.tar", (name, png(1), {})), "leads outside")


@pytest.mark.parametrize("name", [IMAGE, "hazelnut/train/good", "bottle/evil"])
def test_links_and_devices(name, tmp_path):
    for target in ("/etc/passwd", "../../../../precious/thesis.txt", "000.png", "hazelnut/train/good/000.png"):
        for type_ in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            member = (name, b"", {"type": type_, "linkname": target})
            refused(archive_with(tmp_path / "a.tar", member), "is a link")
    for type_ in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE):
        member = (name, b"", {"type": type_, "devmajor": 1, "devminor": 5})
        refused(archive_with(tmp_path / "a.tar", member), "is a special file")


def test_a_link_that_a_later_member_writes_through(tmp_path):
    link = ("hazelnut/train/out", b"", {"type": tarfile.SYMTYPE, "linkname": str(tmp_path / "precious")})
    refused(archive_with(tmp_path / "a.tar", link, ("hazelnut/train/out/thesis.txt", b"gone", {})), "is a link")


def test_zips_with_links_outside_names_and_passwords(tmp_path):
    link = zipfile.ZipInfo(IMAGE)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    locked = zipfile.ZipInfo("hazelnut/train/good/0.png")
    for member, word in ((link, "a link"), (zipfile.ZipInfo("../evil.png"), "leads outside"), (locked, "encrypted")):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as whole:
            whole.writestr(member, png(0))
        if member is locked:
            content = bytearray((tmp_path / "a.zip").read_bytes())
            for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
                content[content.index(mark) + offset] |= 1
            (tmp_path / "a.zip").write_bytes(content)
        refused(tmp_path / "a.zip", word)


def test_modes_and_owners_have_no_effect(tmp_path):
    member = ("hazelnut/train/good/x.png", png(1), {"mode": 0o7777, "uid": 12345, "gid": 12345})
    unpack.unpack(archive_with(tmp_path / "a.tar", member), tmp_path / "data", "hazelnut")
    status = (tmp_path / "data/train/good/x.png").stat()
    assert stat.S_IMODE(status.st_mode) & 0o7111 == 0
    if hasattr(os, "getuid"):
        assert status.st_uid == os.getuid()
    assert all(path.stat().st_mode & 0o200 for path in (tmp_path / "data").rglob("*"))  # nothing is read-only


@pytest.mark.parametrize("name", ["hazelnut/train/good/000.png", "hazelnut/train/good/000.PNG"])
def test_a_member_twice_also_in_other_case(name, tmp_path):
    refused(archive_with(tmp_path / "a.tar", (name, png(9), {})), "twice")


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        ("MAX_MEMBERS", 5, "more than 5 members"),
        ("MAX_CATEGORY", 1000, "unpacks to"),
        ("MAX_ARCHIVE", 5000, "far more"),
    ],
)
def test_too_many_members_or_bytes(limit, value, words, tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, limit, value)
    refused(archive_with(tmp_path / "a.tar"), words)


def test_a_python_without_the_data_filter_says_so(tmp_path, monkeypatch):
    monkeypatch.delattr(tarfile, "data_filter")
    archive = archive_with(tmp_path / "a.tar")
    with pytest.raises(DataError, match=r"cannot unpack archives safely; install 3\.10\.12"):
        unpack.unpack(archive, tmp_path / "data", "hazelnut")
    assert not (tmp_path / "data").exists()


def large_members():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        add(tar, IMAGE, bytes(65 << 20))
    return buffer.getvalue()


def claimed_size():
    member = tarfile.TarInfo(IMAGE)
    member.size = 1 << 50
    return gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(10240))


def long_header(type_):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = type_, 100 << 20
    return gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + b"a" * (100 << 20), 1)


def zeros_for_ever():
    member = tarfile.TarInfo(IMAGE)
    member.size = 512
    return gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(100 << 20), 1)


def dictionary():
    """A valid .xz of which the header asks for 2 GiB of memory."""
    content = bytearray(lzma.compress(bytes(1000), filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}]))
    size = (content[12] + 1) * 4
    content[12 + 4] = 37  # 2^31 bytes
    content[12 + size - 4 : 12 + size] = struct.pack("<I", zlib.crc32(content[12 : 12 + size - 4]))
    return bytes(content)


def lying_zip(claimed=None):
    """Unpacks to 100 MiB and claims less."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as whole:
        whole.writestr(IMAGE, bytes(100 << 20))
    content = bytearray(buffer.getvalue())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", claimed or 100 << 20)
    return bytes(content)


def many_global_attributes():
    """A megabyte of them before each of fifty members."""
    body, blocks = b"".join(b"1010 k%06d=" % j + b"a" * 996 + b"\n" for j in range(900)), []
    for i in range(50):
        header, member = tarfile.TarInfo("global"), tarfile.TarInfo(f"hazelnut/train/good/{i}.txt")
        header.type, header.size = tarfile.XGLTYPE, len(body)
        blocks.append(header.tobuf(tarfile.GNU_FORMAT) + body.replace(b" k", b" %02d" % i) + bytes(-len(body) % 512))
        blocks.append(member.tobuf(tarfile.GNU_FORMAT))
    return gzip.compress(b"".join([*blocks, bytes(10240)]), 1)


@pytest.mark.slow
def test_bombs_take_neither_disk_nor_memory(tmp_path):
    bombs = [large_members(), claimed_size(), long_header(tarfile.GNUTYPE_LONGNAME), long_header(tarfile.XHDTYPE)]
    bombs += [zeros_for_ever(), dictionary(), lying_zip(), lying_zip(100), many_global_attributes()]
    for number, content in enumerate(bombs):
        (tmp_path / f"{number}.archive").write_bytes(content)
    del bombs, content
    forget_peak()
    before = peak_of_memory()
    for archive in sorted(tmp_path.glob("*.archive")):
        refused(archive)
    assert peak_of_memory() - before < 60 << 20


def test_damage_in_the_middle_of_a_plain_tar_is_not_taken_for_its_end(tmp_path):
    archive = archive_with(tmp_path / "a.tar")
    content = archive.read_bytes()
    at = content.index(b"hazelnut/test/crack/000.png")
    archive.write_bytes(content[:at])
    refused(archive, "its end is missing")
    archive.write_bytes(content[: at + 150] + bytes([content[at + 150] ^ 0xFF]) + content[at + 151 :])  # a checksum
    refused(archive, "unreadable")


XZ = b"\xfd7zXZ\x00"
NO_ARCHIVES = [b"", b"x", b"<!doctype html><title>403</title>", XZ, XZ + bytes(1000), b"PK\x03\x04" + bytes(100), b"PK"]
NO_ARCHIVES += [b"\x1f\x8b\x08" + bytes(100), b"BZh9" + bytes(100), bytes(10240), b"\xff" * 10240]
NO_ARCHIVES += [lzma.compress(b"not a tar"), lzma.compress(b""), gzip.compress(bytes(10240), mtime=0)]
OTHERS = [{}, {"bottle/train/good/000.png": png(0)}, {"hazelnut/readme.txt": b"only words"}]
OTHERS += [{f"{name}/000.png": png(0)} for name in ("hazelnut/test/good", "hazelnut/train/crack", "a/b/hazelnut/good")]
OTHERS += [{"hazelnut": b"a file of that name"}]


def test_files_that_are_no_archives_and_archives_without_the_category(tmp_path):
    for content in NO_ARCHIVES:
        (tmp_path / "a.tar.xz").write_bytes(content)
        refused(tmp_path / "a.tar.xz")
    for members in OTHERS:
        refused(write_tar(tmp_path / "a.tar.xz", members), "hazelnut")


def test_only_the_wanted_category_is_written_also_from_a_wrapped_archive(tmp_path):
    files = category_files("bottle", SMALL) | category_files("cable", SMALL | {"train/good": 9})
    files = {f"./mvtec_anomaly_detection/{name}": content for name, content in files.items()}
    files |= {f"./mvtec_anomaly_detection/cable/{name}": b"x" for name in ("train/good/.DS_Store", "run.sh")}
    counts = unpack.unpack(write_tar(tmp_path / "some.tar.xz", files), tmp_path / "data", "cable")
    assert counts["train/good"] == 9
    names = files_below(tmp_path / "data")
    assert len(names) == 9 + 2 + 2 + 2 + 3
    assert all(name.endswith((".png", ".txt", ".json")) for name in names)
