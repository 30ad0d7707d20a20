"""Reading and writing files so that a kill or a full disk loses nothing."""

import contextlib
import json
import os
import pickle
import shutil
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from hazelnut_ae.errors import DataError

# What readers of files raise for content that is damaged or made up.
DAMAGE = (OSError, RuntimeError, ValueError, KeyError, EOFError, AttributeError, TypeError, IndexError)
DAMAGE += (NotImplementedError, pickle.UnpicklingError, zipfile.BadZipFile)


@contextlib.contextmanager
def atomic_path(path):
    """Yields a temporary path beside `path`; on success it takes the place of `path` in one step.

    A kill or a full disk at any moment leaves either the old file or the new one, never half of one.
    Raises: DataError if the file cannot be written.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(handle)
        yield Path(temporary)
        with open(temporary, "r+b") as file:  # the bytes must be on the disk before the name is; Windows wants a "+"
            os.fsync(file.fileno())
        os.umask(mask := os.umask(0))
        os.chmod(temporary, 0o666 & ~mask)
        replace(temporary, path)
    except OSError as error:
        raise DataError(
            f"{path} could not be written ({error.strerror or error}); free some space or choose another folder. "
            "What was there before is unchanged."
        ) from error
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)


def replace(source, target):
    """os.replace with retries: Windows refuses while another program, a virus scanner for example, reads the target."""
    for wait in (0.02, 0.1, 0.3):
        try:
            return os.replace(source, target)
        except PermissionError:
            time.sleep(wait)
    os.replace(source, target)


def keep_copy(current, previous):
    """Makes `previous` a copy of `current`, in one step, before `current` is replaced."""
    keep = current.with_name(".keep.tmp")
    keep.unlink(missing_ok=True)
    try:
        os.link(current, keep)
    except (OSError, AttributeError):  # a file system without hard links, such as FAT
        shutil.copyfile(current, keep)
    replace(keep, previous)


def write_json(path, content):
    """Writes JSON atomically. Raises: DataError if the file cannot be written."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path, remedy):
    """Reads a JSON object.

    Args:
        path: the file.
        remedy: what the user can do about a file that is missing or damaged; ends the error's sentence.
    Returns: dict.
    Raises: DataError if the file is missing, damaged or holds no object.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it holds no settings")
        return content
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read ({error}); {remedy}") from error


def print_anywhere():
    """Makes a console without UTF-8, common on Windows, print "?" for τ instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # a notebook's stream, or a closed one
            stream.reconfigure(errors="replace")


def first_line(error):
    """The first line of an error's message, or its type where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]
