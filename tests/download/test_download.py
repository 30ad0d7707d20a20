"""The download, against a real server on loopback that has every bad habit of real ones."""

import http.server
import multiprocessing
import os
import re
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pooch
import pytest
from archives import SMALL, category_files, files_below, png, write_archive

from hazelnut_ae import cli, dataset
from hazelnut_ae.download import download, sources, transfer, unpack
from hazelnut_ae.errors import DataError

pytestmark = pytest.mark.slow
SMALL_COUNTS = dict(sorted((SMALL | {"train/good": 7}).items()))


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A small hazelnut, padded so that transfers have a middle to break in: (path, SHA-256)."""
    files = category_files("hazelnut", SMALL)
    files["hazelnut/train/good/big.png"] = png(1) + np.random.default_rng(0).bytes(300_000)
    path = write_archive(tmp_path_factory.mktemp("small") / "small.tar.xz", files)
    return path, pooch.file_hash(path)


class Habits(http.server.BaseHTTPRequestHandler):
    """Serves `server.content` in the manner that the path asks for, and keeps a list of the requests."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        manner, content = self.path.split("/")[1], self.server.content
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        first = manner not in [name for name, _ in self.server.requests]
        self.server.requests.append((manner, start))
        half = content[: len(content) // 2]
        if manner.isdigit() or (manner == "busy" and first):
            self.send_error(int(manner) if manner.isdigit() else 503)
        elif manner == "elsewhere":
            self.answer(302, b"", Location="/ranges/archive.tar.xz")
        elif manner == "html":
            self.answer(200, b"Please log in", **{"Content-Type": "text/html; charset=utf-8"})
        elif manner == "slow":
            self.answer(200, half, length=len(content))
            time.sleep(self.server.patience)
        elif manner == "endless":
            self.answer(200, b"", length=None, **{"Transfer-Encoding": "chunked"})
            for _ in range(100):
                self.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        elif manner == "noranges":
            self.answer(200, half if first else content, length=len(content))
        elif start and start >= len(content):
            self.answer(416, b"")
        else:
            body = content[start:]
            cut = manner == "cut" or (manner == "flaky" and first)
            self.answer(206 if wanted else 200, body[: len(body) // 2] if cut else body, length=len(body))

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

    def url(self, manner):
        return f"http://127.0.0.1:{self.server_port}/{manner}/a.tar.xz"


@pytest.fixture(scope="module")
def one_server():
    with Server(("127.0.0.1", 0), Habits) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def server(one_server, small):
    """The server with an ordinary archive and an empty list of requests."""
    one_server.content, one_server.requests, one_server.patience = small[0].read_bytes(), [], 0.5
    return one_server


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """An own cache, no proxy, no address from outside, and no long pauses."""
    monkeypatch.setenv("HAZELNUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HAZELNUT_URL", raising=False)
    monkeypatch.setattr(transfer, "PAUSE", 0.01)
    monkeypatch.setattr(transfer, "TRIES", 2)


def get(target, **options):
    return download.download(target, accept_license=True, **options)


def refused(target, *words, **options):
    """The download fails with one plain sentence that has these words, and leaves nothing at or beside the target."""
    with pytest.raises(DataError) as caught:
        get(target, **options)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert sentence.endswith(".")
    for word in words:
        assert word in sentence
    assert not target.exists()
    assert not list(target.parent.glob(".*unpacking*"))
    kept = (".part", ".lock", "accepted_licenses.txt")
    assert [name for name in files_below(target.parent / "cache") if not name.endswith(kept)] == []
    return sentence


def test_hazelnut_has_its_exact_counts_and_passes_check(tmp_path):
    files = category_files("bottle", SMALL) | category_files("hazelnut", sources.HAZELNUT_COUNTS)
    archive, target = write_archive(tmp_path / "hazelnut.tar.gz", files, "w:gz"), tmp_path / "hazelnut"
    report = get(target, archive=archive)
    assert "391 train/good" in report
    assert "not all of MVTec" not in report
    assert pooch.file_hash(archive) in report
    assert dataset.check(target)[1] == []
    assert dataset.read_license(target).startswith("MVTec AD")


def test_the_command_line_asks_for_the_licence_once_and_fetches_once(server, small, tmp_path, capsys):
    take = ["--url", server.url("flaky"), "--sha256", small[1].upper()]
    first, second = str(tmp_path / "with a space"), str(tmp_path / "Nüsse")
    assert cli.main(["download", first, *take]) == 1
    error = capsys.readouterr().err
    assert "CC BY-NC-SA 4.0" in error
    assert "--accept-license" in error
    assert cli.main(["download", first, *take, "--accept-license"]) == 0
    assert cli.main(["download", first, *take]) == 0
    assert "already there" in capsys.readouterr().out
    asked = len(server.requests)
    assert cli.main(["download", second, *take]) == 0  # from the cache
    assert "CC BY-NC-SA" not in capsys.readouterr().err
    assert files_below(first) == files_below(second)
    assert len(server.requests) == asked


def test_the_licence_on_a_terminal(monkeypatch):
    replies = iter(["no", "", "Yes "])
    monkeypatch.setattr("builtins.input", lambda question: next(replies))
    for _ in range(2):
        with pytest.raises(DataError, match="not accepted"):
            download.ask_license(sources.MVTEC_AD)
    for _ in range(2):  # the second time without a question
        download.ask_license(sources.MVTEC_AD)


def test_the_variable_replaces_the_addresses(server, tmp_path, monkeypatch):
    for value in ("nonsense", "file:///etc/passwd", "http://", "http:// /", "http://[x/y"):
        monkeypatch.setenv("HAZELNUT_URL", value)
        refused(tmp_path / "data", value, "--archive")
    monkeypatch.setenv("HAZELNUT_URL", server.url("ranges"))
    get(tmp_path / "data")
    assert len(server.requests) == 1


@pytest.mark.parametrize("manner", ["flaky", "noranges", "busy", "elsewhere"])
@pytest.mark.parametrize("known", [True, False])
def test_servers_that_get_there_in_the_end(manner, known, server, small, tmp_path):
    get(tmp_path / "data", url=server.url(manner), sha256=small[1] if known else None)
    assert unpack.count_images(tmp_path / "data") == SMALL_COUNTS
    if manner == "flaky":  # without a hash nobody could tell two versions of a file from each other
        assert (server.requests[1][1] > 0) == known


def test_the_next_call_goes_on_also_from_another_address(server, small, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "TRIES", 1)
    refused(tmp_path / "data", "127.0.0.1", "is kept", url=server.url("cut"), sha256=small[1])
    get(tmp_path / "data", url=server.url("ranges"), sha256=small[1])
    assert server.requests[1][1] > 0
    assert not [name for name in files_below(tmp_path / "cache") if ".part" in name]


@pytest.mark.parametrize("partial", ["whole", "too long", "of another file"])
def test_a_partial_file_that_is_odd_does_not_spoil_the_result(partial, server, small, tmp_path):
    part = tmp_path / "cache/downloads" / f"{small[1][:16]}-a.tar.xz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes({"whole": server.content, "too long": server.content + b"x", "of another file": b"x"}[partial])
    if partial != "whole":  # noticed by the hash; the next call begins anew
        refused(tmp_path / "data", "another file", url=server.url("ranges"), sha256=small[1])
    get(tmp_path / "data", url=server.url("ranges"), sha256=small[1])
    assert unpack.count_images(tmp_path / "data") == SMALL_COUNTS


NEVER = {"404": "answers 404", "500": "answers 500", "html": "a web page", "cut": "broke off", "slow": "timed out"}
NEVER |= {"endless": "more than any data set", "nobody": "refused"}


@pytest.mark.parametrize("manner", NEVER)
def test_servers_that_never_get_there(manner, server, small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(transfer, "MAX_DOWNLOAD", 4_000_000)
    monkeypatch.setattr(transfer, "STALL", 0.2 if manner == "slow" else 20)
    url = server.url(manner).replace("http://", "http://me:hunter2@") + "?key=topsecret"
    url = re.sub(r":\d+/", ":9/", url) if manner == "nobody" else url
    sentence = refused(tmp_path / "data", NEVER[manner], "--archive", url=url, sha256=small[1])
    assert ("is kept" in sentence) == (manner in ("cut", "slow", "endless"))
    shown = sentence + capsys.readouterr().err
    assert "hunter2" not in shown
    assert "topsecret" not in shown


def test_a_wrong_hash_is_refused_before_unpacking(server, small, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "unpack", lambda *args: pytest.fail("unpacked before it was verified"))
    wrong = "0" * 64
    refused(tmp_path / "data", small[1], wrong, url=server.url("ranges"), sha256=wrong)
    refused(tmp_path / "data", str(small[0]), wrong, archive=small[0], sha256=wrong)
    official = tmp_path / "mvtec_anomaly_detection (1).tar.xz"
    shutil.copy(small[0], official)  # a file that calls itself the official one has to be it
    refused(tmp_path / "data", sources.MVTEC_AD.sha256, "give that number as --sha256", archive=official)
    monkeypatch.undo()
    get(tmp_path / "data", archive=official, sha256=small[1])


def test_arguments_that_cannot_be_meant(tmp_path):
    for options in ({"category": "walnut"}, {"archive": "/nowhere/a.tar"}, {"archive": "a" * 5000}, {"sha256": "abc"}):
        refused(tmp_path / "data", *options.values(), **options)


@pytest.mark.parametrize("there", ["", "notes.txt", "train/good/000.png", "download.json"])
def test_what_was_there_stays(there, small, tmp_path):
    mine = tmp_path / "data" / there  # "": a file instead of the folder
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(DataError, match="already holds something"):
        get(tmp_path / "data", archive=small[0])
    assert mine.read_text() == "mine"
    assert files_below(tmp_path / "data") == ([there] if there else [])


def test_folders_that_are_not_whole_or_cannot_be(small, tmp_path, monkeypatch):
    def fails(target, words=".", **options):
        with pytest.raises(DataError, match=words):
            get(target, archive=small[0], **options)

    get(tmp_path / "data", archive=small[0])
    fails(tmp_path / "data", "not all of bottle", category="bottle")
    (tmp_path / "data/test/crack/000.png").unlink()
    fails(tmp_path / "data", "not all of hazelnut")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("loop", "a" * 5000, "x/" * 3000):
        fails(tmp_path / name)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    fails(".", "folder you are in")


def test_a_full_disk_and_a_read_only_one(tiny_disk, server, small, tmp_path, monkeypatch):
    def both(*words):
        monkeypatch.setenv("HAZELNUT_CACHE", str(tmp_path / "cache"))
        refused(tiny_disk / "data", *words, archive=small[0])
        monkeypatch.setenv("HAZELNUT_CACHE", str(tiny_disk / "cache"))
        refused(tmp_path / "data", *words, str(tiny_disk), "HAZELNUT_CACHE", url=server.url("ranges"))

    both("No space left", "free some space")
    assert os.system(f"mount -o remount,ro '{tiny_disk}'") == 0
    both("Read-only")


def start(queue, target, options):
    """One download in a process of its own, which puts its answer in the queue."""

    def work():
        try:
            queue.put(get(target, **options))
        except BaseException as error:
            queue.put(f"{type(error).__name__}: {error}")

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_several_processes_fill_the_same_cache_and_folder_at_once(server, small, tmp_path):
    queue, options = multiprocessing.get_context("fork").Queue(), {"url": server.url("ranges"), "sha256": small[1]}
    targets = [tmp_path / "one", tmp_path / "one", tmp_path / "other"]
    processes = [start(queue, target, options) for target in targets]
    answers = [queue.get(timeout=30) for _ in processes]
    for process in processes:
        process.join()
    assert sum("7 train/good" in answer for answer in answers) == 2, answers
    assert sum("already there" in answer for answer in answers) == 1
    assert all(unpack.count_images(target) == SMALL_COUNTS for target in targets)
    assert len(server.requests) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("moment", ["fetching", "unpacking"])
def test_a_kill_leaves_nothing_that_the_next_call_does_not_mend(moment, server, small, tmp_path, monkeypatch):
    options, server.patience = {"url": server.url("slow" if moment == "fetching" else "ranges"), "sha256": small[1]}, 5
    with monkeypatch.context() as patch:
        patch.setattr(unpack, "count_images", lambda folder: time.sleep(60))
        process = start(multiprocessing.get_context("fork").Queue(), tmp_path / "data", options)
    awaited = "cache/downloads/*.part" if moment == "fetching" else ".data.hazelnut_ae-unpacking/train/good/big.png"
    deadline = time.monotonic() + 10
    while not any(path.stat().st_size for path in tmp_path.glob(awaited)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.1)
    process.kill()
    process.join()
    assert not (tmp_path / "data").exists()
    get(tmp_path / "data", **(options | {"url": server.url("ranges")}))
    assert unpack.count_images(tmp_path / "data") == SMALL_COUNTS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "data"]
    kept = [Path(name).suffix for name in files_below(tmp_path / "cache")]
    assert sorted(kept) == [".lock", ".txt", ".xz"]  # among them the verified archive
    if moment == "fetching":
        assert server.requests[-1][1] > 0  # went on with what the killed process had
