"""The download, against a real server on loopback that has every bad habit of real ones."""

import hashlib
import http.server
import io
import json
import multiprocessing
import os
import re
import shutil
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from archives import SMALL, category_files, files_below, get, png, refused, sha256, write_tar

from hazelnut_ae import cli, dataset
from hazelnut_ae.download import download, sources, transfer, unpack
from hazelnut_ae.download.__main__ import check_addresses
from hazelnut_ae.errors import DataError
from hazelnut_ae.io import cache

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def small_archive(tmp_path_factory):
    """A small hazelnut, padded so that transfers have a middle to break in."""
    files = category_files("hazelnut", SMALL)
    files["hazelnut/train/good/big.png"] = png(1) + np.random.default_rng(0).bytes(300_000)
    return write_tar(tmp_path_factory.mktemp("small") / "small.tar.xz", files)


SMALL_COUNTS = dict(sorted((SMALL | {"train/good": 7}).items()))


class Habits(http.server.BaseHTTPRequestHandler):
    """Serves `server.content` in the manner that the path asks for, and keeps a list of the requests."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        manner, content = self.path.split("/")[1], self.server.content
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        self.server.requests.append((manner, start))
        first = [name for name, _ in self.server.requests].count(manner) == 1
        half = content[: len(content) // 2]
        if manner.isdigit():
            self.send_error(int(manner))
        elif manner == "busy" and first:
            self.send_error(503)
        elif manner == "elsewhere":
            self.answer(302, b"", Location="/ranges/archive.tar.xz")
        elif manner == "html":
            self.answer(200, b"Please log in", **{"Content-Type": "text/html; charset=utf-8"})
        elif manner == "disguised":
            self.answer(200, b"\n<html><p>Too many downloads today</html>")
        elif manner in ("silent", "slow"):
            if manner == "slow":
                self.answer(200, half, length=len(content))
            time.sleep(self.server.patience)
        elif manner == "endless":
            self.answer(200, b"", length=None, **{"Transfer-Encoding": "chunked"})
            for _ in range(100):
                self.wfile.write(b"10000\r\n" + b"\xfd7zXZ\0" + bytes(0x10000 - 6) + b"\r\n")
        elif manner == "huge":
            self.answer(200, b"", length=10**13)
        elif manner == "noranges":
            self.answer(200, half if first else content, length=len(content))
        elif manner == "nolength":
            self.answer(200, content, length=None, Connection="close")
        else:  # "liar": asked to go on, it leaves something out
            start += 100 * (manner == "liar" and not first and start > 0)
            self.part(content, start, cut=manner == "cut" or (manner in ("flaky", "liar") and first))

    def part(self, content, start, cut=False):
        if start and start >= len(content):
            self.answer(416, b"", **{"Content-Range": f"bytes */{len(content)}"})
            return
        body, partial = content[start:], "Range" in self.headers
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if partial else {}
        self.answer(206 if partial else 200, body[: len(body) // 2] if cut else body, length=len(body), **headers)

    def answer(self, status, body, length=-1, **headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if length is not None:
            self.send_header("Content-Length", len(body) if length < 0 else length)
        self.end_headers()
        self.wfile.write(body)
        if length is None or length > len(body):
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients that hang up are what is tested


@pytest.fixture(scope="module")
def one_server():
    with Server(("127.0.0.1", 0), Habits) as server:
        server.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def server(one_server, small_archive):
    """The server with an ordinary archive and an empty list of requests."""
    one_server.content, one_server.requests, one_server.patience = small_archive.read_bytes(), [], 0.5
    return one_server


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """An own cache, no proxy, no address from outside, and no long pauses."""
    monkeypatch.setenv("HAZELNUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HAZELNUT_URL", raising=False)
    monkeypatch.setattr(transfer, "PAUSE", 0.01)
    monkeypatch.setattr(transfer, "STALL", 20)


# --- the ordinary way ---------------------------------------------------------------------------------------------


def test_hazelnut_has_its_exact_counts_and_passes_check(tmp_path):
    files = category_files("bottle", SMALL) | category_files("hazelnut", sources.HAZELNUT_COUNTS)
    archive, target = write_tar(tmp_path / "hazelnut.tar.gz", files, "w:gz"), tmp_path / "hazelnut"
    report = get(target, archive=archive)
    assert "391 good images to train on" in report
    assert "not all of MVTec" not in report
    counts, problems, _ = dataset.check(target)
    tests = {"test/crack": 18, "test/cut": 17, "test/hole": 18, "test/print": 17}
    assert counts == {"train/good": 391, "test/good": 40, **tests}
    assert problems == []
    assert dataset.read_license(target).startswith("MVTec AD")


def test_the_command_line(server, small_archive, tmp_path, capsys):
    data = str(tmp_path / "nuts")
    take = ["download", data, "--url", f"{server.address}/flaky/a.tar.xz", "--sha256", sha256(small_archive)]
    assert cli.main(take) == 1
    assert "--accept-license" in capsys.readouterr().err
    assert cli.main([*take, "--accept-license"]) == 0
    assert cli.main(take) == 0
    assert cli.main(["download", str(tmp_path / "other"), "--url", f"{server.address}/404/b.tar.xz"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("hazelnut-ae: No address delivers")
    assert "404" in error


def test_a_second_call_does_nothing_and_a_second_folder_fetches_nothing(server, small_archive, tmp_path):
    options = {"url": f"{server.address}/ranges/a.tar.xz", "sha256": sha256(small_archive)}
    get(tmp_path / "a", **options)
    before = {name: (tmp_path / "a" / name).stat().st_mtime_ns for name in files_below(tmp_path / "a")}
    assert "already there" in get(tmp_path / "a", **options)
    assert before == {name: (tmp_path / "a" / name).stat().st_mtime_ns for name in files_below(tmp_path / "a")}
    get(tmp_path / "b", **options)  # from the cache
    assert files_below(tmp_path / "a") == files_below(tmp_path / "b")
    assert len(server.requests) == 1


def test_hazelnut_toy_is_put_into_the_layout(server, tmp_path, monkeypatch):
    names = [f"good/{i:02}.jpg" for i in range(34)] + [f"colour/{i:02}.jpg" for i in range(17)]
    masks = [f"mask/colour/{i:02}.png" for i in range(17)]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as whole:
        for name in names + masks:
            whole.writestr(f"hazelnut_toy/{name}", png(1, mask="mask" in name))
        whole.writestr("hazelnut_toy/LICENSE", "Attribution 4.0 International")
        whole.writestr("__MACOSX/hazelnut_toy/._good", "")
    server.content = buffer.getvalue()
    toy = sources.Source("Toy", "CC BY 4.0", "page", None, (f"{server.address}/404", f"{server.address}/ranges/t.zip"))
    monkeypatch.setitem(sources.SOURCES, "hazelnut_toy", toy)
    report = get(tmp_path / "toy", category="hazelnut_toy")
    counts = {"ground_truth/colour": 17, "test/colour": 17, "test/good": 6, "train/good": 28}
    assert download.count_images(tmp_path / "toy") == counts
    assert hashlib.sha256(server.content).hexdigest() in report
    assert dataset.check(tmp_path / "toy")[1] == []
    assert dataset.read_license(tmp_path / "toy") == "CC BY 4.0"
    assert not [name for name in files_below(tmp_path / "cache") if name.endswith((".zip", ".part"))]


def test_an_address_that_fails_gives_way_to_the_next(server, small_archive, tmp_path, monkeypatch, capsys):
    addresses = tuple(f"{server.address}/{manner}/x.tar.xz" for manner in ("404", "403", "html", "ranges"))
    source = sources.Source("Set", "CC0: do as you like", "page", sha256(small_archive), addresses)
    monkeypatch.setitem(sources.SOURCES, "hazelnut", source)
    get(tmp_path / "data")
    assert [manner for manner, _ in server.requests] == ["404", "403", "html", "ranges"]
    assert "answers 404" in capsys.readouterr().err


def test_the_variable_replaces_the_addresses(server, small_archive, tmp_path, monkeypatch):
    monkeypatch.setenv("HAZELNUT_URL", f"{server.address}/ranges/from_the_variable.tar.xz")
    get(tmp_path / "data", sha256=sha256(small_archive).upper())
    assert len(server.requests) == 1


def test_a_variable_that_is_nonsense(tmp_path, monkeypatch):
    for value in ("nonsense", "file:///etc/passwd", "ftp://host/file", "http://", "http:// /", "https:///x"):
        monkeypatch.setenv("HAZELNUT_URL", value)
        refused(tmp_path / "data", value, "--archive")


def test_odd_folder_names_and_an_empty_folder_behind_a_link(small_archive, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    for name in ("with a space", "Nüsse – 榛子", "--help", "a'b\"c$HOME", "link"):
        get(tmp_path / name, archive=small_archive)
        assert download.count_images(tmp_path / name) == SMALL_COUNTS
    assert download.count_images(tmp_path / "empty") == SMALL_COUNTS


# --- the licence --------------------------------------------------------------------------------------------------


def test_the_licence_is_shown_and_accepted_once(small_archive, tmp_path, capsys):
    with pytest.raises(DataError, match="--accept-license"):
        download.download(tmp_path / "a", archive=small_archive)
    assert "CC BY-NC-SA 4.0" in capsys.readouterr().err
    get(tmp_path / "a", archive=small_archive)
    capsys.readouterr()
    download.download(tmp_path / "b", archive=small_archive)
    assert "CC BY-NC-SA" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "accepted"), [("y", True), ("Yes ", True), ("", False), ("no", False), (None, False)]
)
def test_the_licence_on_a_terminal(answer, accepted, monkeypatch):
    def reply(question):
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr("builtins.input", reply)
    if accepted:
        download.ask_license(sources.MVTEC_AD)
        monkeypatch.setattr("builtins.input", lambda question: pytest.fail("asked twice"))
        download.ask_license(sources.MVTEC_AD)
    else:
        with pytest.raises(DataError, match="not accepted"):
            download.ask_license(sources.MVTEC_AD)
    path = cache.cache_folder() / "accepted_licenses.json"
    assert path.exists() == accepted


def test_a_damaged_list_of_licences_is_asked_anew():
    path = cache.cache_folder() / "accepted_licenses.json"
    path.parent.mkdir(parents=True)
    for damage in ("", "{", "17", '{"a": 1}'):
        path.write_text(damage)
        download.ask_license(sources.MVTEC_AD, accept=True)
        assert json.loads(path.read_text()) == [sources.MVTEC_AD.name]


# --- the transfer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("manner", ["flaky", "noranges", "nolength", "busy", "elsewhere", "liar"])
@pytest.mark.parametrize("known", [True, False])
def test_servers_that_get_there_in_the_end(manner, known, server, small_archive, tmp_path):
    known = sha256(small_archive) if known else None
    get(tmp_path / "data", url=f"{server.address}/{manner}/a.tar.xz", sha256=known)
    assert download.count_images(tmp_path / "data") == SMALL_COUNTS


def test_a_cut_transfer_goes_on_where_it_stopped_if_the_hash_is_known(server, small_archive, tmp_path):
    get(tmp_path / "known", url=f"{server.address}/flaky/a.tar.xz", sha256=sha256(small_archive))
    assert server.requests == [("flaky", 0), ("flaky", len(server.content) // 2)]
    server.requests.clear()  # without a hash nobody could tell two versions of a file from each other
    get(tmp_path / "unknown", url=f"{server.address}/flaky/a.tar.xz")
    assert server.requests == [("flaky", 0), ("flaky", 0)]


def test_the_next_call_goes_on_and_so_does_another_address(server, small_archive, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "TRIES", 1)
    known = sha256(small_archive)
    url = f"{server.address}/cut/a.tar.xz"
    refused(tmp_path / "data", "127.0.0.1", "kept for the next call", url=url, sha256=known)
    get(tmp_path / "data", url=f"{server.address}/ranges/a.tar.xz", sha256=known)
    assert server.requests == [("cut", 0), ("ranges", len(server.content) // 2)]
    assert not [name for name in files_below(tmp_path / "cache") if ".part" in name]


def test_a_partial_file_of_something_else_does_not_spoil_the_result(server, small_archive, tmp_path, monkeypatch):
    known = sha256(small_archive)
    monkeypatch.setattr(transfer, "TRIES", 1)
    url = f"{server.address}/cut/a.tar.xz"
    refused(tmp_path / "data", url=url, sha256=known)
    part = next((tmp_path / "cache/downloads").glob("*.part"))
    part.write_bytes(b"\xfd7zXZ\0" + bytes(part.stat().st_size - 6))
    get(tmp_path / "data", url=f"{server.address}/ranges/a.tar.xz", sha256=known)  # went on, noticed, began anew
    assert [start for _, start in server.requests][-1] == 0
    assert download.count_images(tmp_path / "data") == SMALL_COUNTS


@pytest.mark.parametrize("extra", [0, 1000])
def test_a_partial_file_that_is_whole_or_too_long(extra, server, small_archive, tmp_path):
    known = sha256(small_archive)
    part = cache.cache_folder() / "downloads" / f"{known[:16]}-a.tar.xz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(server.content + bytes(extra))
    get(tmp_path / "data", url=f"{server.address}/ranges/a.tar.xz", sha256=known)
    assert download.count_images(tmp_path / "data") == SMALL_COUNTS


NEVER = {"404": "answers 404", "403": "answers 403", "500": "answers 500", "html": "a web page", "cut": "broke off"}
NEVER |= {"disguised": "a web page", "silent": "cannot be reached", "slow": "broke off"}
NEVER |= {"huge": "more than any data set", "endless": "more than it announced"}


@pytest.mark.parametrize("manner", NEVER)
def test_servers_that_never_get_there(manner, server, small_archive, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "TRIES", 2)
    monkeypatch.setattr(transfer, "MAX_DOWNLOAD", 4_000_000)
    if manner in ("silent", "slow"):
        monkeypatch.setattr(transfer, "STALL", 0.2)
    url = f"{server.address}/{manner}/a.tar.xz"
    refused(tmp_path / "data", NEVER[manner], "--archive", url=url, sha256=sha256(small_archive))


def test_passwords_and_keys_in_an_address_are_not_shown(server, tmp_path, capsys):
    address = server.address.replace("http://", "http://me:hunter2@") + "/404/a.tar.xz?key=topsecret"
    sentence = refused(tmp_path / "data", "404", url=address)
    shown = sentence + capsys.readouterr().err
    assert "hunter2" not in shown
    assert "topsecret" not in shown


def test_nobody_listens(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "TRIES", 2)
    refused(tmp_path / "data", "cannot be reached", url="http://127.0.0.1:9/a.tar.xz")


def test_a_wrong_hash_is_refused_before_unpacking(server, small_archive, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "unpack", lambda *args: pytest.fail("unpacked before it was verified"))
    wrong = "0" * 64
    refused(tmp_path / "data", sha256(small_archive), wrong, url=f"{server.address}/ranges/a.tar.xz", sha256=wrong)
    refused(tmp_path / "data", str(small_archive), wrong, archive=small_archive, sha256=wrong)
    official = tmp_path / "mvtec_anomaly_detection (1).tar.xz"
    shutil.copy(small_archive, official)  # a file that calls itself the official one has to be it
    refused(tmp_path / "data", sources.MVTEC_AD.sha256, archive=official)


# --- what may go wrong on this side -------------------------------------------------------------------------------


def test_arguments_that_cannot_be_meant(tmp_path):
    categories = [{"category": name} for name in ("../hazelnut", "", "/", "walnut")]
    archives = [{"archive": name} for name in ("/nowhere/archive.tar.xz", "/", "a" * 5000)]
    both = {"archive": __file__, "url": "http://127.0.0.1/a.tar"}
    for options in (*categories, *archives, {"sha256": "abc"}, both):
        refused(tmp_path / "data", str(next(iter(options.values()))), **options)


@pytest.mark.parametrize("there", ["", "notes.txt", "train/good/000.png", "download.json"])
def test_what_was_there_stays(there, small_archive, tmp_path):
    mine = tmp_path / "data" / there  # "": a file instead of the folder
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(DataError, match="already holds something"):
        get(tmp_path / "data", archive=small_archive)
    assert mine.read_text() == "mine"
    assert files_below(tmp_path / "data") == ([there] if there else [])


def test_names_that_no_folder_can_have(small_archive, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for name in ("loop", "~nobody-of-this-name/x", "a" * 5000, "x/" * 3000, "nul\0l"):
        with pytest.raises(DataError):
            get(name if name[0] == "~" else str(tmp_path / name), archive=small_archive)


def test_the_folder_one_is_in_stays(small_archive, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(DataError, match="folder you are in"):
        get(".", archive=small_archive)


def test_a_folder_that_lost_an_image_or_has_another_category_is_not_taken_for_whole(small_archive, tmp_path):
    get(tmp_path / "data", archive=small_archive)
    with pytest.raises(DataError, match="not all of bottle"):
        get(tmp_path / "data", category="bottle", archive=small_archive)
    (tmp_path / "data/test/crack/000.png").unlink()
    with pytest.raises(DataError, match="not all of hazelnut"):
        get(tmp_path / "data", archive=small_archive)


def test_a_disk_that_is_full_for_the_data_or_for_the_download(server, small_archive, tmp_path, monkeypatch):
    real_open = open
    for folder in (".data.hazelnut_ae-unpacking", "cache/downloads"):

        def open_on_full_disk(path, mode="r", *args, folder=str(tmp_path / folder), **kwargs):
            file = real_open(path, mode, *args, **kwargs)
            if not (str(path).startswith(folder) and set(mode) & set("wax+")):
                return file
            full = mock.MagicMock(wraps=file)
            full.write.side_effect = OSError(28, "No space left on device")
            full.__enter__.return_value = full
            full.__exit__.side_effect = lambda *_: file.close()
            return full

        with monkeypatch.context() as patch:
            patch.setattr("builtins.open", open_on_full_disk)
            options = {"url": f"{server.address}/ranges/a.tar.xz"} if "cache" in folder else {"archive": small_archive}
            refused(tmp_path / "data", "No space left", "free some space", **options)


def test_a_real_full_disk_and_a_real_read_only_one(tiny_disk, server, small_archive, tmp_path, monkeypatch):
    refused(tiny_disk / "data", "No space left", archive=small_archive)
    monkeypatch.setenv("HAZELNUT_CACHE", str(tiny_disk / "cache"))
    sentence = refused(tmp_path / "data", "No space left", url=f"{server.address}/ranges/a.tar.xz")
    assert str(tiny_disk) in sentence
    assert os.system(f"mount -o remount,ro '{tiny_disk}'") == 0
    refused(tmp_path / "data", "Read-only", "HAZELNUT_CACHE", url=f"{server.address}/ranges/b.tar.xz")
    monkeypatch.setenv("HAZELNUT_CACHE", str(tmp_path / "cache"))
    refused(tiny_disk / "data", "Read-only", archive=small_archive)


def call(results, target, cache_path, options, user=None):
    """One download in a process of its own."""
    os.environ["HAZELNUT_CACHE"] = str(cache_path)
    try:
        if user is not None:
            os.setuid(user)
        results.put(get(target, **options))
    except DataError as error:
        results.put(f"DataError: {error}")
    except BaseException as error:
        results.put(f"{type(error).__name__}: {error}")


def run_processes(*calls):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=call, args=(results, *arguments)) for arguments in calls]
    for process in processes:
        process.start()
    answers = [results.get(timeout=30) for _ in processes]
    for process in processes:
        process.join()
    return answers


@pytest.mark.skipif(not hasattr(os, "fork") or os.getuid() != 0, reason="needs root to become somebody else")
def test_a_folder_one_may_not_write_to(small_archive):
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is closed to everybody else
        closed, opened = Path(folder) / "closed", Path(folder) / "open"
        for path, mode in ((Path(folder), 0o755), (closed, 0o755), (opened, 0o777)):
            path.mkdir(exist_ok=True)
            path.chmod(mode)
        options = {"archive": shutil.copy(small_archive, opened / "a.tar.xz")}
        (answer,) = run_processes((closed / "data", opened / "cache", options, 65534))
        assert answer.startswith("DataError")
        assert "Permission denied" in answer
        (answer,) = run_processes((opened / "data", closed / "cache", options, 65534))
        assert answer.startswith("DataError")
        assert "HAZELNUT_CACHE" in answer
        assert list(closed.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_several_processes_fill_the_same_cache_and_folder_at_once(server, small_archive, tmp_path):
    options = {"url": f"{server.address}/ranges/a.tar.xz", "sha256": sha256(small_archive)}
    targets = [tmp_path / "one", tmp_path / "one", tmp_path / "other"]
    answers = run_processes(*[(target, tmp_path / "cache", options) for target in targets])
    assert all("7 good images" in answer for answer in answers), answers
    assert all(download.count_images(target) == SMALL_COUNTS for target in targets)
    assert sum("already there" in answer for answer in answers) == 1
    assert len(server.requests) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("moment", ["fetching", "unpacking"])
def test_a_kill_leaves_nothing_that_the_next_call_does_not_mend(moment, server, small_archive, tmp_path, monkeypatch):
    options = {"url": f"{server.address}/{'slow' if moment == 'fetching' else 'ranges'}/a.tar.xz"}
    options["sha256"] = sha256(small_archive)
    server.patience = 5
    if moment == "unpacking":
        monkeypatch.setattr(unpack, "count_images", lambda folder: time.sleep(60))
    context = multiprocessing.get_context("fork")
    process = context.Process(target=call, args=(context.Queue(), tmp_path / "data", tmp_path / "cache", options))
    process.start()
    waited_for = "cache/downloads/*.part" if moment == "fetching" else ".data.hazelnut_ae-unpacking/train/good/big.png"
    deadline = time.monotonic() + 10
    while not any(path.stat().st_size for path in tmp_path.glob(waited_for)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.1)
    process.kill()
    process.join()
    assert not (tmp_path / "data").exists()
    monkeypatch.undo()
    monkeypatch.setenv("HAZELNUT_CACHE", str(tmp_path / "cache"))
    get(tmp_path / "data", **(options | {"url": f"{server.address}/ranges/a.tar.xz"}))
    assert download.count_images(tmp_path / "data") == SMALL_COUNTS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "data"]
    kept = [name for name in files_below(tmp_path / "cache") if not name.endswith((".lock", ".json"))]
    assert len(kept) == 1  # the verified archive
    if moment == "fetching":
        assert server.requests[-1][1] > 0  # went on with what the killed process had


def test_addresses_are_asked_without_fetching(server, small_archive):
    """The first byte says enough; a login page in place of an archive does not count."""
    said = []
    server.content = small_archive.read_bytes()
    source = sources.Source(
        "Toy", "CC0", "the page", None, (f"{server.address}/ranges/t.zip", f"{server.address}/html")
    )
    assert check_addresses([source], said.append) == 0
    assert [line[:3] for line in said] == ["yes", "no "]
    gone = sources.Source("Set", "CC0", "the page", None, (f"{server.address}/404", "http://127.0.0.1:9/nobody"))
    assert check_addresses([source, gone], said.append) == 1
    assert said[-1] == "No address of Set answers: look for a new one at the page."
