"""Archives made to do harm: each is refused in one sentence, and nothing half-unpacked remains."""

import gzip
import io
import json
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib

import pytest
from archives import SMALL, add, category_files, files_below, forget_peak, peak_of_memory, png, write_archive

from hazelnut_ae import dataset
from hazelnut_ae.download import unpack
from hazelnut_ae.errors import DataError

GOOD = category_files("hazelnut", SMALL)
IMAGE = "hazelnut/train/good/evil.png"


def refused(archive, word=""):
    """The archive is refused in one plain sentence that names it; every file is as it was, at the target and beside."""
    (archive.parent / "thesis.txt").write_text("years of work")
    before = files_below(archive.parent)
    with pytest.raises(DataError) as caught:
        unpack.unpack(archive, archive.parent / "data", "hazelnut")
    sentence = str(caught.value)
    assert sentence.startswith(str(archive))
    assert sentence.isprintable()
    assert sentence.endswith(".")
    assert word in sentence.replace(str(archive.parent), "")
    assert files_below(archive.parent) == before
    assert not list(archive.parent.glob(".*unpacking*"))
    assert (archive.parent / "thesis.txt").read_text() == "years of work"


def tar_with(path, *members):
    """A good archive with members added: (name, content, attributes)."""
    with tarfile.open(path, "w") as tar:
        for name, content in GOOD.items():
            add(tar, name, content)
        for name, content, attributes in members:
            add(tar, name, content, **attributes)
    return path


@pytest.mark.parametrize("mode", ["w:xz", "w:gz", "w:bz2", "w", "zip"])
def test_every_type_of_archive_is_unpacked_and_none_that_is_cut(mode, tmp_path):
    archive = write_archive(tmp_path / "a", GOOD, mode)
    assert unpack.unpack(archive, tmp_path / "whole", "hazelnut") == dict(sorted(SMALL.items()))
    receipt = json.loads((tmp_path / "whole/download.json").read_text())
    assert receipt == {"category": "hazelnut", "counts": dict(sorted(SMALL.items()))}
    content = archive.read_bytes()
    for share in (0, 0.001, 0.3, 0.8, 0.9999):
        if mode == "w" and share > 0.5:  # cut in the empty blocks after the last member: nothing is missing
            continue
        archive.write_bytes(content[: int(share * len(content))])
        refused(archive)


def test_damage_in_the_middle_of_a_plain_tar_is_not_taken_for_its_end(tmp_path):
    archive = tar_with(tmp_path / "a.tar")
    content = archive.read_bytes()
    at = content.index(b"hazelnut/test/crack/000.png") + 150  # in the checksum of a header
    archive.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
    refused(archive, "unreadable")


OUTSIDE = ["../evil.png", "hazelnut/train/good/../../../../evil.png", "bottle/../../evil.png", "/tmp/evil.png"]
OUTSIDE += ["//tmp/evil.png", "..\\evil.png", "C:\\evil.png", "hazelnut/train/evil./a.png"]
ODD = ("C:evil.png", "evil\n.png", "\x1b[2J.png", "\udcff.png", "a.png ")
OUTSIDE += [f"hazelnut/train/good/{name}" for name in ODD]


@pytest.mark.parametrize("name", [*OUTSIDE, "hazelnut/train/good/000.png", "hazelnut/train/good/000.PNG"])
def test_names_that_lead_outside_or_that_no_file_should_have_or_twice(name, tmp_path):
    word = "leads outside" if name in OUTSIDE else "twice"  # also in other case
    refused(tar_with(tmp_path / "a.tar", (name, png(1), {})), word)


@pytest.mark.parametrize("type_", ["SYMTYPE", "LNKTYPE", "CHRTYPE", "BLKTYPE", "FIFOTYPE"])
@pytest.mark.parametrize("name", [IMAGE, "bottle/evil"])
def test_links_and_devices(type_, name, tmp_path):
    link = {"SYMTYPE": "/etc/passwd", "LNKTYPE": "hazelnut/train/good/000.png"}.get(type_, "")
    attributes = {"type": getattr(tarfile, type_), "linkname": link, "devmajor": 1, "devminor": 5}
    refused(tar_with(tmp_path / "a.tar", (name, b"", attributes)), "a link or a special file")


def test_zips_with_links_outside_names_and_passwords(tmp_path):
    link, outside, locked = (zipfile.ZipInfo(name) for name in (IMAGE, "../evil.png", "hazelnut/train/good/0.png"))
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    for member, word in ((link, "a link"), (outside, "leads outside"), (locked, "encrypted")):
        write_archive(tmp_path / "a.zip", {member: png(0)}, "zip")
        if member is locked:
            content = bytearray((tmp_path / "a.zip").read_bytes())
            for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
                content[content.index(mark) + offset] |= 1
            (tmp_path / "a.zip").write_bytes(content)
        refused(tmp_path / "a.zip", word)


def test_modes_and_owners_have_no_effect(tmp_path):
    member = ("hazelnut/train/good/x.png", png(1), {"mode": 0o7777, "uid": 12345, "gid": 12345})
    unpack.unpack(tar_with(tmp_path / "a.tar", member), tmp_path / "data", "hazelnut")
    status = (tmp_path / "data/train/good/x.png").stat()
    assert stat.S_IMODE(status.st_mode) & 0o7111 == 0
    assert status.st_uid == (tmp_path / "data").stat().st_uid != 12345
    assert all(path.stat().st_mode & 0o200 for path in (tmp_path / "data").rglob("*"))  # nothing is read-only


LIMITS = {"MAX_MEMBERS": (5, "too many members"), "MAX_FILE": (100, "too large")}
LIMITS |= {"MAX_CATEGORY": (1000, "unpacks to"), "MAX_ARCHIVE": (5000, "far more")}


@pytest.mark.parametrize("limit", LIMITS)
def test_too_many_members_or_bytes(limit, tmp_path, monkeypatch):
    value, word = LIMITS[limit]
    monkeypatch.setattr(unpack, limit, value)
    refused(tar_with(tmp_path / "a.tar"), word)


def tar_bomb(type_=tarfile.REGTYPE, claimed=0, zeros=1 << 20):
    """A gzipped member that claims a size, followed by 50 times that many zero bytes."""
    member = tarfile.TarInfo(IMAGE)
    member.type, member.size = type_, claimed
    return gzip.compress(member.tobuf(tarfile.GNU_FORMAT), 1) + 50 * gzip.compress(bytes(zeros), 1)


def dictionary_bomb():
    """A valid .xz of which the header asks for 2 GiB of memory."""
    content = bytearray(lzma.compress(bytes(1000), filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}]))
    size = (content[12] + 1) * 4
    content[12 + 4] = 37  # 2^31 bytes
    content[12 + size - 4 : 12 + size] = struct.pack("<I", zlib.crc32(content[12 : 12 + size - 4]))
    return bytes(content)


def zip_bomb(claimed):
    """Unpacks to 80 MiB and claims less."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as whole:
        whole.writestr(IMAGE, bytes(80 << 20))
    content = bytearray(buffer.getvalue())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", claimed)
    return bytes(content)


@pytest.mark.slow
def test_bombs_take_neither_disk_nor_memory(tmp_path):
    bombs = [tar_bomb(claimed=size) for size in (512, 65 << 20, 1 << 50)]  # zeros for ever, too large, a made-up size
    bombs += [tar_bomb(type_, 60 << 20) for type_ in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE)]
    bombs += [dictionary_bomb(), zip_bomb(80 << 20), zip_bomb(100)]
    forget_peak()
    before = peak_of_memory()
    for content in bombs:
        (tmp_path / "bomb").write_bytes(content)
        refused(tmp_path / "bomb")
    assert peak_of_memory() - before < 40 << 20


XZ = b"\xfd7zXZ\x00"
NO_ARCHIVES = [b"", b"<!doctype html><title>403</title>", XZ + bytes(1000), b"PK\x03\x04" + bytes(100), b"PK"]
NO_ARCHIVES += [b"\x1f\x8b\x08" + bytes(100), b"BZh9" + bytes(100), bytes(10240), lzma.compress(b"not a tar")]
OTHERS = ["bottle/train/good/000.png", "hazelnut/test/good/0.png", "hazelnut/train/crack/0.png"]
OTHERS += ["a/b/hazelnut/good/0.png", "hazelnut"]


def test_files_that_are_no_archives_and_archives_without_the_category(tmp_path):
    for content in NO_ARCHIVES:
        (tmp_path / "a.tar.xz").write_bytes(content)
        refused(tmp_path / "a.tar.xz")
    for name in OTHERS:
        refused(write_archive(tmp_path / "a.tar.xz", {name: png(0)}), "no good images of hazelnut")


def test_only_the_wanted_category_is_written_also_from_a_wrapped_archive(tmp_path):
    files = category_files("bottle", SMALL) | category_files("cable", SMALL | {"train/good": 9})
    files = {f"./mvtec_anomaly_detection/{name}": content for name, content in files.items()}
    files |= {f"./mvtec_anomaly_detection/cable/{name}": b"x" for name in ("train/good/.DS_Store", "run.sh")}
    counts = unpack.unpack(write_archive(tmp_path / "some.tar.xz", files), tmp_path / "data", "cable")
    assert counts["train/good"] == 9
    assert len(files_below(tmp_path / "data")) == sum(counts.values()) + len(["license", "readme", "receipt"])


def test_the_toys_plain_layout_is_split(tmp_path):
    names = [f"good/{i:02}.jpg" for i in range(34)] + [f"colour/{i}.jpg" for i in range(3)]
    files = {f"hazelnut_toy/{name}": png(1) for name in names} | {"__MACOSX/hazelnut_toy/._good": b""}
    files |= {f"hazelnut_toy/mask/colour/{i}.png": png(1, mask=True) for i in range(3)}
    unpack.unpack(write_archive(tmp_path / "toy.zip", files, "zip"), tmp_path / "toy", "hazelnut_toy")
    counts, problems, _ = dataset.check(tmp_path / "toy")
    assert counts == {"train/good": 28, "test/good": 6, "test/colour": 3}
    assert problems == []
