"""One large file over HTTP: a broken transfer continues where it stopped, also in the next call."""

import re
import sys
import time
from urllib.parse import urlsplit

import requests
import urllib3
from tqdm import tqdm

from hazelnut_ae import __version__

CONNECT, STALL = 10, 30  # seconds to wait for a connection, and for the next bytes
TRIES = 5  # transfers in a row that bring less than PROGRESS bytes each
PROGRESS = 1 << 20
PAUSE = 1.0  # seconds before the second try, doubled before each further one
MAX_DOWNLOAD = 8 << 30  # bytes; MVTec AD has 5.3 GB
NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)  # OSError: sockets, not the disk


class Unavailable(Exception):
    """This address does not deliver; another one may."""


class Broken(Exception):
    """The transfer broke off; trying again may help."""


def say(line):
    """Prints a line on stderr without breaking a progress bar."""
    tqdm.write(line, file=sys.stderr)


def fetch(url, part, resume):
    """Fetches `url` to the file `part`.

    Args:
        url: an http or https address.
        part: Path; what has arrived stays there if the transfer fails.
        resume: continue from what is in `part`, whatever address it came from; the caller must know the file's hash.
    Raises: Unavailable if the address refuses, sends a web page or breaks off again and again; OSError if the disk
        is full.
    """
    idle = 0
    while True:
        before = _size(part) if resume else 0
        try:
            return _transfer(url, part, before)
        except Broken as error:
            idle = 0 if resume and _size(part) - before >= PROGRESS else idle + 1
            if idle >= TRIES:
                kept = f"; {_size(part)} bytes are kept for the next call" if resume and _size(part) else ""
                raise Unavailable(f"{error}, {TRIES} times in a row{kept}") from error
            say(f"{host(url)} {error}; trying again.")
            time.sleep(PAUSE * 2**idle / 2)


def host(url):
    """The part of an address that may be shown: no password, no key."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _transfer(url, part, have):
    """One request, from byte `have` on. Raises: Unavailable, Broken, or OSError if the disk is full."""
    headers = {"User-Agent": f"hazelnut_ae/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(CONNECT, STALL)) as response:
            if have and response.status_code == 416:
                return  # there is nothing after what we have; its hash tells whether it is the right file
            start, total = _offer(url, response, have)
            if start not in (0, have):
                part.unlink()
                raise Broken("sends another range than the one asked for")
            _receive(response, part, start, total)
    except (requests.exceptions.SSLError, requests.exceptions.InvalidURL, UnicodeError) as error:
        raise Unavailable(f"cannot be reached ({_short(error)})") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise Broken(f"cannot be reached ({_short(error)})") from error
    except requests.RequestException as error:
        raise Unavailable(f"cannot be used ({_short(error)})") from error


def _offer(url, response, have):
    """What an answer's headers promise: (offset of its first byte, total size or None)."""
    status, headers = response.status_code, response.headers
    if url.startswith("https:") and not response.url.startswith("https:"):
        raise Unavailable("redirects to an address without encryption")
    if status == 429 or status >= 500:
        raise Broken(f"answers {status} {response.reason}")
    if status not in (200, 206):
        raise Unavailable(f"answers {status} {response.reason}")
    if headers.get("Content-Type", "").startswith("text/html"):
        raise Unavailable("sends a web page instead of the archive")
    start = 0
    if status == 206:
        ranged = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
        start = int(ranged[1]) if ranged else -1
    length = headers.get("Content-Length", "")
    total = start + int(length) if length.isdecimal() else None
    if total is not None and total > MAX_DOWNLOAD:
        raise Unavailable(f"offers {total} bytes, more than any data set here has")
    return start, total


def _receive(response, part, start, total):
    """Writes an answer's body to `part` from `start` on. Raises: Unavailable, Broken."""
    read = getattr(response.raw, "read1", response.raw.read)  # read1 returns what is there, so that none of it is lost
    received = start
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
            if received == 0 and piece.lstrip()[:1] == b"<":
                raise Unavailable("sends a web page instead of the archive")
            file.write(piece)
            file.flush()  # so that a kill loses nothing that has arrived
            received += len(piece)
            bar.update(len(piece))
            if received > (total or MAX_DOWNLOAD):
                raise Unavailable("sends more than it announced")
    if total is not None and received < total:
        raise Broken(f"broke off after {received} of {total} bytes")


def _short(error):
    """The innermost reason of a nested network error, in a few words."""
    while error.args and isinstance(error.args[-1], Exception):
        error = error.args[-1]
    return " ".join(str(getattr(error, "reason", None) or error).split())[-120:] or type(error).__name__
