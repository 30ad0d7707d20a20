"""What has been predicted so far: DIR/journal.jsonl, one line per image, so that a killed call goes on where it was.

The first line says of which run and threshold they are. A line is written when all that belongs to its image is on the
disk; a line that a kill has cut short counts as none.
"""

import json
import os
from pathlib import Path

from hazelnut_ae.errors import DataError
from hazelnut_ae.inference.inputs import stamp
from hazelnut_ae.io.files import atomic_path

NAME = "journal.jsonl"
FORMAT = 1
KEYS = {"file", "stamp", "size", "score", "share", "regions", "boxes", "pictures", "thumbnails"}
WRITTEN = (NAME, "predictions.csv", "predictions.json", "report.html")


class Journal:
    """The journal of an output folder, opened for a list of images.

    about: what must agree for its lines to be taken: "weights", "tau", "pictures".
    done: {path: (where its line begins, its score)}; changed: those whose line no longer counts, as the image or its
    pictures are not what they were.
    Raises: DataError if the folder holds something else, predictions that do not agree or images that are not among
    these, or cannot be written.
    """

    def __init__(self, folder, about, paths):
        self.folder, self.path = Path(folder), Path(folder) / NAME
        self.done, self.changed = {}, set()
        about = {"hazelnut_ae": "predictions", "format": FORMAT} | about
        names = self._names()
        if NAME not in names:
            if names:
                raise DataError(f"{folder} holds other files ({names[0]}); choose a new or empty folder for --out.")
            with atomic_path(self.path) as temporary:
                temporary.write_bytes(line_of(about))
        try:
            self.reader = open(self.path, "rb")
            try:
                self._refuse_another(about)
                self._read(set(paths))
                self.writer = open(self.path, "ab")
            except BaseException:
                self.reader.close()
                raise
        except OSError as error:
            raise DataError(
                f"{self.path} cannot be used ({error.strerror or error}); choose another folder for --out."
            ) from error

    def _names(self):
        """What the folder holds, less what a kill left of a file that was about to be written."""
        if os.path.lexists(self.folder) and not os.path.isdir(self.folder):
            raise DataError(f"{self.folder} is a file, not a folder; choose another one for --out.")
        try:
            names = sorted(os.listdir(self.folder)) if os.path.isdir(self.folder) else []
            for name in names:
                if name.endswith(".tmp") and name.startswith(tuple(f".{one}." for one in WRITTEN)):
                    os.unlink(self.folder / name)
        except OSError as error:
            raise DataError(
                f"{self.folder} cannot be used ({error.strerror or error}); choose another folder for --out."
            ) from error
        return [name for name in names if not name.startswith(".")]

    def _refuse_another(self, about):
        old = parsed(self.reader.readline())
        if old.get("hazelnut_ae") != about["hazelnut_ae"]:
            raise DataError(f"{self.folder} holds other files ({NAME}); choose a new or empty folder for --out.")
        for key, what in {"format": "version of hazelnut_ae", "weights": "run"}.items():
            if old.get(key) != about[key]:
                raise DataError(f"{self.folder} holds predictions of another {what}; choose another folder for --out.")
        if old.get("tau") != about["tau"]:
            raise DataError(
                f"{self.folder} holds predictions at a τ of pixels of {old.get('tau')}, not {about['tau']}; choose "
                "another folder for --out, or the same --tau."
            )
        if old.get("pictures") != about["pictures"]:
            kind = "without" if about["pictures"] else "with"
            raise DataError(
                f"{self.folder} holds predictions {kind} pictures; choose another folder for --out, or do as before."
            )

    def _read(self, wanted):
        """Finds the lines that count, and cuts off one that is not whole."""
        others, whole = [], self.reader.tell()
        for line in self.reader:
            start, whole = whole, whole + len(line)
            if not line.endswith(b"\n"):
                whole = start
                break
            entry = parsed(line)
            path = entry.get("file")
            if not isinstance(path, str):
                continue
            if path not in wanted:
                others.append(path)
            elif self._is_current(entry):
                self.done[path] = start, entry["score"]
            else:
                self.changed.add(path)
        if others:
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            raise DataError(
                f"{self.folder} holds predictions of images that are not named now ({others[0]}{more}); name them, "
                "too, or choose another folder for --out."
            )
        self.changed -= self.done.keys()
        os.truncate(self.path, whole)

    def _is_current(self, entry):
        """Whether the image is the file it was and its pictures are on the disk as they were written."""
        if not entry.keys() >= KEYS or entry["stamp"] != stamp(entry["file"]):
            return False
        files = entry["pictures"].values()
        return all((stamp(self.folder / name) or [None])[0] == size for name, size in files)

    def append(self, entries):
        """Adds entries, each with its "file", and returns when they are on the disk."""
        try:
            for entry in entries:
                start = self.writer.tell()
                self.writer.write(line_of(entry))
                self.done[entry["file"]] = start, entry["score"]
            self.writer.flush()
            os.fsync(self.writer.fileno())
        except OSError as error:
            raise DataError(
                f"{self.path} could not be written ({error.strerror or error}); free some space, then the same "
                "command goes on."
            ) from error

    def entry(self, path):
        """What is written of an image."""
        self.reader.seek(self.done[path][0])
        return parsed(self.reader.readline())

    def close(self):
        self.reader.close()
        self.writer.close()


def line_of(entry):
    """One line of JSON, as bytes; line ends in names are escaped in it."""
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"


def parsed(line):
    """The entry of a line, {} where it is none."""
    try:
        entry = json.loads(line)
        return entry if isinstance(entry, dict) else {}
    except (ValueError, RecursionError):
        return {}
