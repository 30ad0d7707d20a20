"""Downloads a real data set: tries the addresses in turn, verifies the archive, unpacks one category."""

import contextlib
import json
import os
import re
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
    """Downloads and unpacks one category in MVTec layout; verified archives stay in the cache.

    Args:
        folder: new, empty, or made by an earlier call.
        category: of MVTec AD, or "hazelnut_toy".
        url, sha256: replace the known addresses and hash; the variable HAZELNUT_URL also replaces the addresses.
        archive: path of a local archive; then nothing is downloaded.
        accept_license: True to accept the licence without a question.

    Returns:
        A text for the user: the number of images in each folder.

    Raises:
        DataError: no address works, the archive is wrong, the disk is full, …
    """
    source = SOURCES.get(category)
    url = None if archive else url or os.environ.get("HAZELNUT_URL")
    _check_arguments(category, url, sha256, archive)
    folder = Path(os.path.realpath(os.path.expanduser(folder)))
    if folder == Path.cwd():
        raise DataError("The data cannot replace the folder you are in; name a new one, such as ./hazelnut.")
    try:
        downloads = cache_folder() / "downloads"
        downloads.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(downloads / "one_at_a_time.lock"):
            if _already_there(folder, category):
                return f"{folder} is already there and complete."
            if source:
                ask_license(source, accept_license)
            path, digest, verified = _archive(source, downloads, url, sha256, archive)
            license = f"{source.name}, {source.license.split(':')[0]}" if source else "unknown"
            try:
                counts = unpack(path, folder, category, {"archive": path.name, "sha256": digest, "license": license})
            finally:
                if not (archive or verified):
                    path.unlink(missing_ok=True)
    except OSError as error:
        remedy = "give yourself the right, free some space, or name another; HAZELNUT_CACHE names the cache folder"
        place = error.filename or cache_folder()
        raise DataError(f"{place} cannot be used ({error.strerror or error}); {remedy}.") from error
    report = f"{folder}: {', '.join(f'{count} {key}' for key, count in counts.items())}."
    if category == "hazelnut" and counts != HAZELNUT_COUNTS:
        report += "\nThis is not all of MVTec AD's hazelnut."
    return report if verified else f"{report}\nNo hash is known for this archive; its SHA-256 is {digest}."


def ask_license(source, accept=False):
    """Shows a licence and asks once whether you accept it. Raises DataError if not, or without a terminal."""
    path = cache_folder() / "accepted_licenses.txt"
    accepted = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    if source.name in accepted.splitlines():
        return
    say(f"{source.name} is published under {source.license}. See {source.page}.")
    try:
        answer = "y" if accept else input("Do you accept this licence? [y/N] ")
    except (EOFError, OSError, RuntimeError):  # there is no terminal
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise DataError(f"The licence of {source.name} is not accepted; add --accept-license if you accept it.")
    with atomic_path(path) as temporary:
        temporary.write_text(f"{accepted}{source.name}\n", encoding="utf-8")


def _check_arguments(category, url, sha256, archive):
    if category not in SOURCES and not (url or archive):
        remedy = f"give --category {' or '.join(SOURCES)}, or an --archive"
        raise DataError(f"No address is known for {category!r}; {remedy}.")
    if sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise DataError(f"{sha256!r} is no SHA-256; that has 64 digits 0-9 and a-f.")
    if url and not re.match(r"https?://[^/\s\[\]]+(/|$)", url):
        raise DataError(f"{url!r} is no http(s) address; for a file on this computer use --archive.")
    if archive and not os.path.isfile(archive):
        raise DataError(f"{archive} is not a file; give --archive the .tar.xz or .zip that you have downloaded.")


def _already_there(folder, category):
    """Whether the folder contains the whole category. Raises DataError if it contains anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # not made by this command
        receipt = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
        if receipt["category"] == category and receipt["counts"] == count_images(folder):
            return True
    raise DataError(f"{folder} already holds something that is not all of {category}; move it or name a new folder.")


def _archive(source, downloads, url, sha256, archive):
    """Returns (path of the archive, its SHA-256, whether that was known). Raises DataError if it cannot be had."""
    name = Path(archive or urlsplit(url or source.addresses[0]).path).name
    official = source and (not (archive or url) or name.startswith("mvtec_anomaly_detection"))
    known = (sha256 or (official and source.sha256) or "").lower()
    if archive:
        digest = pooch.file_hash(archive)
        if known and digest != known:
            remedy = "download it again or, if you trust this file, give that number as --sha256"
            raise DataError(f"{archive} has the SHA-256 {digest}, not {known}; {remedy}.")
        return Path(archive), digest, bool(known)
    path = downloads / f"{known[:16] or '0' * 16}-{re.sub(r'[^A-Za-z0-9._-]', '_', name)[-60:]}"
    if known and path.exists() and pooch.file_hash(path) == known:  # downloaded earlier, for another category
        return path, known, True
    part, reasons = path.with_name(path.name + ".part"), []
    for address in [url] if url else source.addresses:
        say(f"Fetching the archive from {host(address)}.")
        try:
            fetch(address, part, resume=bool(known))
            digest = pooch.file_hash(part)
            if known in ("", digest):
                replace(part, path)
                return path, digest, bool(known)
            part.unlink()
            raise Unavailable(f"delivers another file (SHA-256 {digest}, not {known})")
        except Unavailable as reason:
            reasons.append(f"{host(address)} {reason}")
            say(f"{reasons[-1]}.")
    kept = " (what has arrived is kept)" if known and part.exists() else ""
    page = f" ({source.page})" if source else ""
    remedy = f"Run it again{kept}, or download the archive in a browser{page} and give it with --archive."
    raise DataError(f"No address delivers the archive: {'; '.join(reasons)}. {remedy}")
