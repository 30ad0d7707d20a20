"""Gets a real data set: tries the addresses in turn, verifies the archive, unpacks one category of it."""

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import filelock
import pooch

from hazelnut_ae.download.sources import HAZELNUT_COUNTS, SOURCES
from hazelnut_ae.download.transfer import Unavailable, fetch, host, say
from hazelnut_ae.download.unpack import RECEIPT, count_images, unpack
from hazelnut_ae.errors import DataError
from hazelnut_ae.io.cache import cache_folder
from hazelnut_ae.io.files import atomic_path, replace


def download(folder, category="hazelnut", url=None, sha256=None, archive=None, accept_license=False):
    """Puts one category into `folder` in MVTec layout. If it is there already, nothing happens.

    Verified archives stay in the cache folder, for other categories.

    Args:
        folder: new, empty, or holding this category.
        url: replaces the known addresses, as the variable HAZELNUT_URL does.
        sha256: replaces the known hash of the archive.
        archive: path of an archive that is on this computer; then nothing is fetched.
        accept_license: accept the licence of the data without being asked.
    Returns: a few lines that say what is there.
    Raises: DataError if no address works, the archive is not the right one, the disk is full, …
    """
    url = url or (None if archive else os.environ.get("HAZELNUT_URL")) or None
    source = SOURCES.get(category)
    _check_arguments(category, url, sha256, archive, source)
    try:
        folder = Path(folder).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a link to itself, a user who does not exist
        raise DataError(f"{folder} cannot be the name of a folder ({error}); choose another.") from error
    if folder == Path.cwd():
        raise DataError("The data cannot replace the folder you are in; name a new one, such as ./hazelnut.")
    try:
        downloads = cache_folder() / "downloads"
        downloads.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(downloads / "one_at_a_time.lock"):
            if _already_there(folder, category, sha256):
                return f"{folder} is already there and complete.\n" + describe(folder, category)
            if source is not None:
                ask_license(source, accept_license)
            path, digest, verified = _archive(source, downloads, url, sha256, archive)
            license = f"{source.name}, {source.license.split(':')[0]}" if source else "unknown"
            try:
                unpack(path, folder, category, {"archive": path.name, "sha256": digest, "license": license})
            finally:
                if not (archive or verified):
                    path.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{error.filename or cache_folder()} cannot be used ({error.strerror or error}); free some space or set "
            "HAZELNUT_CACHE to another folder for the download, then run it again."
        ) from error
    lines = [describe(folder, category)]
    if not verified:
        lines.append(f"No hash is known for this archive, so only its content was checked; its SHA-256 is {digest}.")
    elif not archive:
        lines.append(f"The archive stays in {path} for other categories; remove it if you need the space.")
    return "\n".join(lines)


def describe(folder, category):
    """How many images a data folder holds, as text, compared with the published set."""
    counts = count_images(folder)
    tests = ", ".join(f"{count} {key[5:]}" for key, count in counts.items() if key.startswith("test/"))
    line = f"{folder}: {counts.get('train/good', 0)} good images to train on; to test on: {tests or 'none'}."
    if category == "hazelnut" and counts != HAZELNUT_COUNTS:
        line += (
            "\nThis is not all of MVTec AD's hazelnut: that has 391, and 40 good, 18 crack, 17 cut, 18 hole, 17 print."
        )
    return line


def ask_license(source, accept=False):
    """Shows a data set's licence and asks once whether you accept it: the answer is kept in the cache folder.

    Raises: DataError if the licence is declined, or if there is no terminal to ask on.
    """
    path = cache_folder() / "accepted_licenses.json"
    try:
        accepted = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        accepted = []
    accepted = accepted if isinstance(accepted, list) else []
    if source.name in accepted:
        return
    say(f"{source.name} is published under {source.license}. See {source.page}.")
    if not accept:
        if not (sys.stdin and sys.stdin.isatty()):
            raise DataError(f"The licence of {source.name} is not accepted yet; add --accept-license if you accept it.")
        try:
            answer = input("Do you accept this licence? [y/N] ")
        except EOFError:
            answer = ""
        if answer.strip().lower() not in ("y", "yes"):
            raise DataError(f"The licence of {source.name} was not accepted, so nothing was downloaded.")
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps([*accepted, source.name]), encoding="utf-8")


def _check_arguments(category, url, sha256, archive, source):
    known = ", ".join(SOURCES)
    if not re.fullmatch(r"\w[\w -]*", category):
        raise DataError(f"{category!r} is no name of a category; give one of {known}.")
    if source is None and not (url or archive):
        raise DataError(f"No address is known for {category!r}; give one of {known}, a --url or an --archive.")
    if sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise DataError(f"{sha256!r} is no SHA-256; that has 64 digits 0-9 and a-f.")
    if url and not re.match(r"https?://[^/\s]", url):
        raise DataError(f"{url!r} is no http(s) address; for a file on this computer use --archive.")
    if archive and url:
        raise DataError(f"Give either the file {archive} or the address {url}, not both.")
    if archive and not os.path.isfile(archive):
        raise DataError(f"{archive} is not a file; give --archive the .tar.xz or .zip that you have downloaded.")


def _one_at_a_time(path):
    """A lock, because two processes may want the same archive or folder; it ends with its process."""
    lock = filelock.FileLock(path)
    try:
        return lock.acquire(timeout=0.1)
    except filelock.Timeout:
        say("Another download is running; waiting for it.")
        return lock.acquire()


def _already_there(folder, category, sha256):
    """Whether the folder holds all of the category. Raises: DataError if it holds anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        receipt = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
        same = receipt["category"] == category and (not sha256 or receipt["sha256"] == sha256.lower())
        counts = receipt["counts"] if same else None
    except (OSError, ValueError, KeyError, TypeError):  # unpacked by hand
        counts = HAZELNUT_COUNTS if category == "hazelnut" and not sha256 else None
    if counts and folder.is_dir() and count_images(folder) == counts:
        return True
    raise DataError(f"{folder} already holds something that is not all of {category}; move it or name a new folder.")


def _archive(source, downloads, url, sha256, archive):
    """The archive as (path, its SHA-256, whether that was known before). Raises: DataError"""
    name = Path(archive or urlsplit(url or source.addresses[0]).path).name
    official = source is not None and (not (archive or url) or name.startswith("mvtec_anomaly_detection"))
    known = (sha256 or (official and source.sha256) or "").lower() or None
    if archive:
        digest = _hash(archive)
        if known and digest != known:
            raise DataError(
                f"{archive} has the SHA-256 {digest}, not {known}: it is damaged or another file, download it again."
            )
        return Path(archive), digest, bool(known)
    key = known or hashlib.sha256((url or source.page).encode(errors="replace")).hexdigest()
    path = downloads / f"{key[:16]}-{re.sub(r'[^A-Za-z0-9._-]', '_', name)[-60:] or 'archive'}"
    if path.exists():  # fetched for another category
        if _hash(path) == known:
            return path, known, True
        path.unlink()
    reasons = []
    for address in [url] if url else source.addresses:
        try:
            return path, _fetch_verified(address, path, known), bool(known)
        except Unavailable as reason:
            reasons.append(f"{host(address)} {reason}")
            say(f"{reasons[-1]}.")
    by_hand = f", download the archive in a browser ({source.page}) and give it with --archive," if source else ""
    raise DataError(f"No address delivers the archive: {'; '.join(reasons)}. Try again later{by_hand} or give a --url.")


def _hash(path):
    say(f"Computing the SHA-256 of {path}.")
    return pooch.file_hash(str(path), alg="sha256")


def _fetch_verified(address, path, known):
    """Fetches an address to `path` and returns its SHA-256. Raises: Unavailable"""
    part = path.with_name(path.name + ".part")
    say(f"Fetching the archive from {host(address)}.")
    while True:
        resumed = known and part.exists()
        fetch(address, part, resume=bool(known))
        digest = _hash(part)
        if not known or digest == known:
            replace(part, path)
            return digest
        part.unlink()
        if not resumed:  # otherwise the first half may have been of another file: once more, from the start
            raise Unavailable(f"delivers another file (SHA-256 {digest}, not {known})")
