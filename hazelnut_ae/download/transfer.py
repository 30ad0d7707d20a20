"""One file over HTTP, however often the line breaks: goes on where it stopped, and never mixes two files.

`pooch` and its kin fetch from the start each time; with 5 GB over a flaky line that never ends.
"""

import hashlib
import json
import re
import sys
import time
from urllib.parse import urlsplit

import requests
import urllib3
from tqdm import tqdm

from hazelnut_ae import __version__
from hazelnut_ae.io.files import atomic_path

CONNECT, STALL = 10, 30  # seconds until a silent server is given up: for an answer, and between two bytes
MIN_SPEED = 100  # bytes per second, averaged over STALL; slower counts as a stall too
TRIES = 5  # transfers in a row that bring less than PROGRESS bytes each
PROGRESS = 1 << 20
PAUSE = 1.0  # seconds before the second try, doubled before each further one
MAX_DOWNLOAD = 8 << 30  # bytes; MVTec AD has 5.3 GB
NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)  # OSError: sockets, not the disk


class Unavailable(Exception):
    """This address does not deliver; another one may."""


class Broken(Exception):
    """The transfer broke off; going on may help."""


def say(line):
    """Tells the user on stderr what goes on, without tearing a progress bar."""
    tqdm.write(line, file=sys.stderr)


def fetch(url, part, same_everywhere):
    """Fetches `url` to the file `part`, going on where an earlier call stopped; what is there stays on failure.

    same_everywhere: the file's hash is known, so what another address delivered may be gone on with.
    Raises: Unavailable if the address does not answer, refuses, sends a web page or breaks off again and again;
    OSError if the disk fails.
    """
    idle = 0
    while True:
        before = size_of(part)
        try:
            return _transfer(url, part, same_everywhere)
        except Broken as error:
            idle = idle + 1 if size_of(part) - before < PROGRESS else 0
            if idle >= TRIES:
                kept = f"; {size_of(part)} bytes are kept for the next call" if size_of(part) else ""
                raise Unavailable(f"{error}, {TRIES} times in a row{kept}") from error
            say(f"{host(url)} {error}; trying again.")
            time.sleep(PAUSE * 2**idle / 2)


def host(url):
    """The part of an address that may be shown: no password, no key."""
    return urlsplit(url).netloc.rpartition("@")[2]


def forget(part):
    """Removes a partial file and the note beside it."""
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def size_of(path):
    """Bytes of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def _note(part):
    return part.with_name(part.name + ".json")


def _read_note(part):
    """What was noted of a partial file: the hash of its address, its total size, the server's mark of this version."""
    try:
        note = json.loads(_note(part).read_text(encoding="utf-8"))
        return {"url": note["url"], "total": note["total"], "mark": note["mark"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {"url": None, "total": None, "mark": None}


def _transfer(url, part, same_everywhere):
    """One request, from where `part` ends. Raises: Unavailable, Broken, or OSError if the disk fails."""
    note, have, name = _read_note(part), size_of(part), hashlib.sha256(url.encode(errors="replace")).hexdigest()
    if have and note["total"] == have:
        return  # the process ended between the last byte and the check of the hash
    headers = {"User-Agent": f"hazelnut_ae/{__version__}", "Accept-Encoding": "identity"}
    if have and (same_everywhere or (note["url"] == name and note["mark"])):
        headers["Range"] = f"bytes={have}-"
        if not same_everywhere:
            headers["If-Range"] = note["mark"]  # a server whose file has changed then sends all of the new one
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(CONNECT, STALL)) as response:
            start, total = _understand(url, response, part, have, note["total"])
            if start == 0:
                strong = response.headers.get("ETag", "").removeprefix("W/")
                mark = strong if strong == response.headers.get("ETag") else response.headers.get("Last-Modified")
                with atomic_path(_note(part)) as temporary:
                    temporary.write_text(json.dumps({"url": name, "total": total, "mark": mark}), encoding="utf-8")
            _receive(response, part, start, total)
    except (requests.exceptions.SSLError, requests.exceptions.InvalidURL, UnicodeError) as error:
        raise Unavailable(f"cannot be reached ({_short(error)})") from error
    except requests.ConnectionError as error:
        raise Broken(f"cannot be reached ({_short(error)})") from error
    except requests.Timeout as error:
        raise Broken(f"does not answer within {STALL} seconds") from error
    except requests.RequestException as error:
        raise Unavailable(f"cannot be used ({_short(error)})") from error


def _understand(url, response, part, have, expected_total):
    """What the answer's headers promise: (offset of its first byte, total size or None)."""
    status, headers = response.status_code, response.headers
    if url.startswith("https:") and not response.url.startswith("https:"):
        raise Unavailable("sends on to an address without encryption")
    if status == 416:  # nothing after what we have, so what we have is not of this file
        forget(part)
        raise Broken("has a file of another length")
    if status == 429 or status >= 500:
        raise Broken(f"answers {status} {response.reason}")
    if status not in (200, 206):
        raise Unavailable(f"answers {status} {response.reason}")
    if headers.get("Content-Type", "").startswith("text/html"):
        raise Unavailable("sends a web page in place of the archive")
    if status == 200:  # also from servers that know no ranges
        length = headers.get("Content-Length", "")
        start, total = 0, int(length) if re.fullmatch(r"\d{1,18}", length) else None
    else:
        match = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})", headers.get("Content-Range", ""))
        start, total = (int(match[1]), int(match[2])) if match else (None, None)
        if start is None or start != have or expected_total not in (None, total):
            forget(part)
            raise Broken("sends another range than the one asked for")
    if total is not None and total > MAX_DOWNLOAD:
        raise Unavailable(f"offers {total} bytes, more than any data set here has")
    return start, total


def _receive(response, part, start, total):
    """Writes an answer's body to `part` from `start` on. Raises: Unavailable, Broken."""
    read = getattr(response.raw, "read1", response.raw.read)  # read1 returns what is there and so notices a trickle
    received, window_start, window_bytes = start, time.monotonic(), start
    bar = tqdm(total=total, initial=start, unit="B", unit_scale=True, desc="fetching", disable=None, leave=False)
    with open(part, "r+b" if start else "wb") as file, bar:
        file.seek(start)
        while True:
            try:
                piece = read(1 << 18)
            except NETWORK_ERRORS as error:
                raise Broken(f"broke off after {received} bytes ({_short(error)})") from error
            if not piece:
                break
            if received == 0 and len(piece) >= 6 and piece.lstrip()[:1] == b"<":
                raise Unavailable("sends a web page in place of the archive")
            file.write(piece)
            file.flush()  # a kill then costs nothing that has arrived
            received += len(piece)
            bar.update(len(piece))
            if received > (total or MAX_DOWNLOAD):
                raise Unavailable("sends more than it announced")
            if time.monotonic() - window_start > STALL:
                if received - window_bytes < MIN_SPEED * STALL:
                    raise Broken(f"sends less than {MIN_SPEED} bytes per second")
                window_start, window_bytes = time.monotonic(), received
    if total is not None and received < total:
        raise Broken(f"broke off after {received} of {total} bytes")


def _short(error):
    """The innermost reason of a nested network error, in a few words."""
    while error.args and isinstance(error.args[-1], Exception):
        error = error.args[-1]
    reason = getattr(error, "reason", None)
    return " ".join(str(reason or error).split())[-120:] or type(error).__name__
