"""Writes the results of `predict`: journal.jsonl image by image, predictions.csv and .json at the end."""

import contextlib
import csv
import json
import os
from pathlib import Path

from hazelnut_ae.errors import DataError, printable
from hazelnut_ae.inference.inputs import reason, stamp
from hazelnut_ae.io import files

KEYS = ("file", "stamp", "size", "score", "share", "regions", "boxes", "pictures", "thumbnails")  # of a line
COLUMNS = "file decision score defective_share regions boxes width height heat_map overlay problem".split()
FORMULA = tuple("=+-@＝＋－＠")  # characters with which a formula in a spreadsheet can begin


class Journal:
    """One line of JSON per finished image; `done` is {path: (offset of its line, its score)}.

    After a kill the same command continues from it. It ignores incomplete lines, and images or pictures that changed.
    Raises DataError if the folder has other content, or predictions with other settings.
    """

    def __init__(self, folder, settings, paths):
        self.folder, self.path, self.done = Path(folder), Path(folder) / "journal.jsonl", {}
        header = line_of({"hazelnut_ae": "predictions", "format": 1} | settings)
        try:
            names = [name for name in os.listdir(folder) if name[0] != "."] if os.path.lexists(folder) else []
            if not names:
                with files.atomic_path(self.path) as temporary:
                    temporary.write_bytes(header)
            elif self.path.name not in names:
                raise DataError(f"{folder} holds other files ({min(names)}); choose a new or empty folder for --out.")
            self.file = open(self.path, "r+b")
        except OSError as error:
            raise DataError(f"{folder} cannot be used ({error.strerror}); choose another folder for --out.") from error
        if self.file.readline() != header:
            self.file.close()
            other = "predictions of another run, with another --tau or choice of --no-pictures, or other files"
            raise DataError(f"{folder} holds {other}; choose a new folder for --out.")
        for left in self.folder.glob(".*.tmp"):  # an incomplete table of a killed process
            left.unlink()
        wanted = set(paths)
        for line in iter(self.file.readline, b""):
            start = self.file.tell() - len(line)
            if not line.endswith(b"\n"):
                self.file.truncate(start)
                continue
            with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError, RecursionError):  # a damaged line
                entry = json.loads(line)
                if entry.keys() >= set(KEYS) and entry["file"] in wanted and entry["stamp"] == stamp(entry["file"]):
                    pictures = entry["pictures"].values()
                    if all((stamp(self.folder / name) or [None])[0] == size for name, size in pictures):
                        self.done[entry["file"]] = start, entry["score"]

    def append(self, entries):
        """Appends entries and waits until they are on the disk."""
        try:
            self.file.seek(0, os.SEEK_END)
            for entry in entries:
                self.done[entry["file"]] = self.file.tell(), entry["score"]
                self.file.write(line_of(entry))
            self.file.flush()
            os.fsync(self.file.fileno())
        except OSError as error:
            raise not_written(self.path, error) from error

    def entry(self, path):
        """Reads the entry of an image."""
        self.file.seek(self.done[path][0])
        return json.loads(self.file.readline())


def not_written(path, error):
    remedy = "free some space, or give yourself the right to write there; then the same command goes on"
    return DataError(f"{path} could not be written ({error.strerror}); {remedy}.")


def line_of(entry):
    """Encodes an entry as one line of JSON."""
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"


def row_of(entry, image_tau):
    """Converts a journal entry to a row of the tables."""
    heat_map, overlay = (entry["pictures"].get(name, [None])[0] for name in ("heat_map", "overlay"))
    decision = "defective" if entry["score"] > image_tau else "good"
    found = entry["file"], decision, entry["score"], entry["share"], entry["regions"], entry["boxes"], *entry["size"]
    return dict(zip(COLUMNS[:-1], (*found, heat_map, overlay), strict=True))


def write_csv(path, rows, unreadable):
    """Writes a row per image, then the unreadable ones; a box is 40x22+12+30: width, height, x, y in pixels."""
    with files.atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8-sig") as file:
        # spreadsheets need the byte order mark for UTF-8, and quotes if they split cells at semicolons
        writer = csv.DictWriter(file, COLUMNS, restval="", quoting=csv.QUOTE_NONNUMERIC)
        writer.writeheader()
        for row in rows:
            boxes = " ".join(f"{box['width']}x{box['height']}+{box['x']}+{box['y']}" for box in row["boxes"])
            writer.writerow(row | {"file": as_text(row["file"]), "boxes": boxes})
        for one, error in unreadable.items():
            problem = as_text(reason(one, error)).replace(";", ",")
            writer.writerow({"file": as_text(one), "decision": "unreadable", "problem": problem})


def as_text(text):
    """Makes text safe: no formula for a spreadsheet, no control characters for a terminal."""
    text = printable(text)
    return f"'{text}" if text.startswith(FORMULA) else text


def write_json(path, settings, rows, unreadable):
    """Writes one object with the settings, "images" and "unreadable"."""
    problems = [{"file": printable(one), "problem": reason(one, error)} for one, error in unreadable.items()]
    files.write_json(path, settings | {"images": rows, "unreadable": problems})
