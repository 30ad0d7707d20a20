"""What `predict` writes about each image: a line of journal.jsonl at once, predictions.csv and .json at the end."""

import contextlib
import csv
import json
import os
from pathlib import Path

from hazelnut_ae.errors import DataError, printable
from hazelnut_ae.inference.inputs import reason, stamp
from hazelnut_ae.io.files import atomic_path

JOURNAL = "journal.jsonl"
KEYS = {"file", "stamp", "size", "score", "share", "regions", "boxes", "pictures", "thumbnails"}
COLUMNS = (
    "file", "decision", "score", "defective_share", "regions", "boxes", "width", "height", "heat_map", "overlay",
    "problem",
)  # fmt: skip
FORMULA = tuple("=+-@＝＋－＠")  # what a spreadsheet may take for the beginning of a formula


class Journal:
    """One line of JSON for each finished image, {path: (where its line begins, its score)} in `done`.

    The same command goes on from it after a kill: a line that is cut short, or whose image or pictures have changed
    since, does not count. Raises DataError if the folder holds anything else, or predictions with other settings.
    """

    def __init__(self, folder, settings, paths):
        self.folder, self.path, self.done = Path(folder), Path(folder) / JOURNAL, {}
        header = line_of({"hazelnut_ae": "predictions", "format": 1} | settings)
        try:
            names = [name for name in os.listdir(folder) if name[0] != "."] if os.path.lexists(folder) else []
            if not names:
                with atomic_path(self.path) as temporary:
                    temporary.write_bytes(header)
            elif JOURNAL not in names:
                raise DataError(f"{folder} holds other files ({min(names)}); choose a new or empty folder for --out.")
            self.file = open(self.path, "r+b")
        except OSError as error:
            raise DataError(f"{folder} cannot be used ({error.strerror}); choose another folder for --out.") from error
        if self.file.readline() != header:
            self.file.close()
            raise DataError(
                f"{folder} holds predictions of another run, with another --tau or choice of --no-pictures, or other "
                "files; choose a new folder for --out."
            )
        for left in self.folder.glob(".*.tmp"):  # of a table that a kill left half written
            left.unlink()
        wanted = set(paths)
        for line in iter(self.file.readline, b""):
            start, entry = self.file.tell() - len(line), parsed(line)
            if not line.endswith(b"\n"):
                self.file.truncate(start)
            elif str(entry.get("file")) in wanted and self._is_current(entry):
                self.done[entry["file"]] = start, entry["score"]

    def _is_current(self, entry):
        """Whether the image is the file it was, and its pictures have the sizes that were written."""
        if not entry.keys() >= KEYS or entry["stamp"] != stamp(entry["file"]):
            return False
        return all((stamp(self.folder / name) or [None])[0] == size for name, size in entry["pictures"].values())

    def append(self, entries):
        """Adds entries, and returns when they are on the disk."""
        entries = list(entries)
        try:
            self.file.seek(0, os.SEEK_END)
            for entry in entries:
                self.done[entry["file"]] = self.file.tell(), entry["score"]
                self.file.write(line_of(entry))
            self.file.flush()
            os.fsync(self.file.fileno())
        except OSError as error:
            remedy = "free some space, then the same command goes on"
            raise DataError(f"{self.path} could not be written ({error.strerror}); {remedy}.") from error

    def entry(self, path):
        """Reads what is written about an image."""
        self.file.seek(self.done[path][0])
        return parsed(self.file.readline())

    def close(self):
        with contextlib.suppress(OSError):  # a full disk, which `append` has reported
            self.file.close()


def line_of(entry):
    """One line of JSON, as bytes; JSON escapes line ends in names."""
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"


def parsed(line):
    """The dict in a line of JSON, {} where there is none."""
    with contextlib.suppress(ValueError, RecursionError):
        entry = json.loads(line)
        return entry if isinstance(entry, dict) else {}
    return {}


def row_of(entry, image_tau):
    """What both tables say about an image, from its line in the journal."""
    pictures = {key: name for key, (name, _) in entry["pictures"].items()}
    return {
        "file": entry["file"],
        "decision": "defective" if entry["score"] > image_tau else "good",
        "score": entry["score"],
        "defective_share": entry["share"],
        "regions": entry["regions"],
        "boxes": entry["boxes"],
        "width": entry["size"][0],
        "height": entry["size"][1],
        "heat_map": pictures.get("heat_map"),
        "overlay": pictures.get("overlay"),
    }


def write_csv(path, rows, unreadable):
    """Writes a row per image, then those that cannot be read, {path: DataError}.

    A box is written 40x22+12+30: width, height, x, y in pixels of the file. Text that a spreadsheet could take for a
    formula gets an apostrophe before it, and characters that a terminal could obey are escaped.
    """
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8-sig") as file:
        # the byte order mark lets a spreadsheet see UTF-8; quotes protect cells where columns end at a semicolon
        writer = csv.DictWriter(file, COLUMNS, restval="", quoting=csv.QUOTE_NONNUMERIC)
        writer.writeheader()
        for row in rows:
            boxes = " ".join(f"{box['width']}x{box['height']}+{box['x']}+{box['y']}" for box in row["boxes"])
            writer.writerow(row | {"file": as_text(row["file"]), "boxes": boxes})
        for one, error in unreadable.items():
            problem = as_text(reason(one, error)).replace(";", ",")
            writer.writerow({"file": as_text(one), "decision": "unreadable", "problem": problem})


def as_text(text):
    """Text that no spreadsheet computes with."""
    text = printable(text)
    return f"'{text}" if text.startswith(FORMULA) else text


def write_json(path, settings, rows, unreadable):
    """Writes one object with the settings, "images" and "unreadable"; each image has a line of its own."""
    problems = ({"file": printable(one), "problem": reason(one, error)} for one, error in unreadable.items())
    with atomic_path(path) as temporary, open(temporary, "w", newline="\n", encoding="utf-8") as file:
        file.write("{\n")
        for key, value in settings.items():
            file.write(f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)},\n")
        for key, items, end in (("images", rows, ",\n"), ("unreadable", problems, "\n}\n")):
            file.write(f'  "{key}": [')
            for number, item in enumerate(items):
                file.write((",\n    " if number else "\n    ") + json.dumps(item, ensure_ascii=False))
            file.write("\n  ]" + end)
