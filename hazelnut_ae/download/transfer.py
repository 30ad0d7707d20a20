"""Downloads one large file over HTTP; a broken transfer continues where it stopped, also in the next call."""

import sys
import time
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from hazelnut_ae import __version__

CONNECT, STALL = 10, 30  # seconds to wait for a connection, and for the next bytes
TRIES = 5  # the most transfers in a row with less than 1 MiB each
PAUSE = 1.0  # seconds before the second try, doubled before each further one
MAX_DOWNLOAD = 8 << 30  # bytes; MVTec AD has 5.3 GB


class Unavailable(Exception):
    """This address does not work; another one may."""


def say(line):
    """Prints a line on stderr without breaking a progress bar."""
    tqdm.write(line, file=sys.stderr)


def fetch(url, part, resume):
    """Downloads `url` to the file `part`; what has arrived stays there if the transfer fails.

    resume: continue what is in `part`, even from another address; only safe if the caller knows the file's hash.
    Raises Unavailable if the address does not work, OSError if the disk is full.
    """
    idle = 0
    while True:
        before = _size(part) if resume else 0
        try:
            return _transfer(url, part, before)
        except (requests.RequestException, UnicodeError) as error:
            idle = 0 if resume and _size(part) - before >= 1 << 20 else idle + 1
            if idle >= TRIES or isinstance(error, ValueError):  # no address at all: a retry does not help
                raise Unavailable(f"broke off ({_innermost(error)})") from error
            say(f"{host(url)} broke off ({_innermost(error)}); trying again.")
            time.sleep(PAUSE * 2**idle / 2)


def host(url):
    """Returns the host of an address, without passwords or keys."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _transfer(url, part, have):
    """Sends one request for the bytes from `have` on."""
    headers = {"User-Agent": f"hazelnut_ae/{__version__}", "Accept-Encoding": "identity"}
    headers |= {"Range": f"bytes={have}-"} if have else {}
    with requests.get(url, headers=headers, stream=True, timeout=(CONNECT, STALL)) as response:
        status = response.status_code
        if have and status == 416:
            return  # there is nothing after what we have; its hash tells whether it is the right file
        if status not in (200, 206):
            raise (requests.ConnectionError if status >= 429 else Unavailable)(f"answers {status} {response.reason}")
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise Unavailable("sends a web page instead of the archive")
        if url.startswith("https:") and not response.url.startswith("https:"):
            raise Unavailable("redirects to an address without encryption")
        start = have if status == 206 else 0
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        options = {"initial": start, "desc": "fetching", "disable": None, "leave": False}
        with open(part, "ab" if start else "wb") as file, tqdm.wrapattr(file, "write", total, **options) as counted:
            for piece in response.iter_content(1 << 16):
                counted.write(piece)
                if file.tell() > MAX_DOWNLOAD:
                    raise Unavailable("sends more than any data set here has")
    if total and _size(part) < total:
        raise requests.ConnectionError(f"{_size(part)} of {total} bytes")


def _innermost(error):
    """Returns the first cause of a nested network error, in a few words."""
    while error.args and isinstance(error.args[-1], Exception):
        error = error.args[-1]
    return " ".join(str(getattr(error, "reason", None) or error).split())[-120:] or type(error).__name__
