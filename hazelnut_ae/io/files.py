"""Reads and writes files so that a kill or a full disk loses nothing."""

import contextlib
import json
import os
import pickle
import sys
import time
import zipfile
from pathlib import Path

from hazelnut_ae.errors import DataError

# The exceptions that readers raise for damaged or manipulated files.
DAMAGE = (OSError, RuntimeError, ValueError, KeyError, EOFError, AttributeError, TypeError, IndexError)
DAMAGE += (NotImplementedError, pickle.UnpicklingError, zipfile.BadZipFile)


@contextlib.contextmanager
def atomic_path(path):
    """Yields a temporary path; on success it replaces `path` in one step. Raises DataError if it cannot be written.

    After a kill or a full disk, `path` is either the old file or the new one, never an incomplete one.
    """
    path = Path(path)
    temporary = path.parent / f".{path.name}.{os.urandom(4).hex()}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode  # what the umask allows; safetensors makes its files private
        yield temporary
        with open(temporary, "r+b") as file:  # store the content before the rename; Windows needs the "+"
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        replace(temporary, path)
    except OSError as error:
        remedy = "free some space or choose another folder. What was there before is unchanged"
        raise DataError(f"{path} could not be written ({error.strerror or error}); {remedy}.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def replace(source, target):
    """os.replace with retries: Windows refuses while another program, such as a virus scanner, reads the target."""
    for wait in (0.02, 0.1, 0.3):
        try:
            return os.replace(source, target)
        except PermissionError:
            time.sleep(wait)
    os.replace(source, target)


def write_json(path, content):
    """Writes JSON atomically. Raises DataError if the file cannot be written."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path, remedy):
    """Reads a JSON object as a dict. Raises DataError, whose message ends with `remedy`, if it cannot."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is not a JSON object")
        return content
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read ({error}); {remedy}") from error


def print_anywhere():
    """Makes a console without UTF-8 (common on Windows) print "?" for τ instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # a notebook's stream, or a closed one
            stream.reconfigure(errors="replace")


def first_line(error):
    """Returns the first line of an error's message, or its type if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]
