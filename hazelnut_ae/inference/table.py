"""predictions.csv for a spreadsheet and predictions.json for programs, one image after the other."""

import csv
import json

from hazelnut_ae.errors import printable
from hazelnut_ae.inference.inputs import reason
from hazelnut_ae.io.files import atomic_path

COLUMNS = (
    "file", "decision", "score", "defective_share", "regions", "boxes", "width", "height", "heat_map", "overlay",
    "problem",
)  # fmt: skip
FORMULA = "=+-@＝＋－＠"  # what a spreadsheet may take for the beginning of a formula


def row_of(entry, image_tau):
    """What both tables say of an image, from its line in the journal."""
    width, height = entry["size"]
    return {
        "file": entry["file"],
        "decision": "defective" if entry["score"] > image_tau else "good",
        "score": entry["score"],
        "defective_share": entry["share"],
        "regions": entry["regions"],
        "boxes": entry["boxes"],
        "width": width,
        "height": height,
        "heat_map": entry["pictures"].get("heat_map", [None])[0],
        "overlay": entry["pictures"].get("overlay", [None])[0],
    }


def write_csv(path, detector, journal, scored, unreadable):
    """A row per image, in their order, then those that cannot be read.

    A box is written 40x22+12+30: width, height, x, y in pixels of the file. Text that a spreadsheet could take for a
    formula gets an apostrophe before it, and characters that no terminal should get are escaped.
    """
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8-sig") as file:
        # with the mark that lets a spreadsheet see UTF-8, and quotes for those that part columns at another sign
        writer = csv.DictWriter(file, COLUMNS, restval="", quoting=csv.QUOTE_NONNUMERIC)
        writer.writeheader()
        for one in scored:
            row = row_of(journal.entry(one), detector.image_tau)
            boxes = [f"{box['width']}x{box['height']}+{box['x']}+{box['y']}" for box in row["boxes"]]
            writer.writerow(row | {"file": as_text(one), "boxes": " ".join(boxes)})
        for one, error in unreadable.items():
            why = as_text(reason(one, error)).replace(";", ",")
            writer.writerow({"file": as_text(one), "decision": "unreadable", "problem": why})


def as_text(text):
    """Text that no spreadsheet computes with."""
    text = printable(text)
    return f"'{text}" if text.startswith(tuple(FORMULA)) else text


def write_json(path, name, detector, journal, scored, unreadable):
    """One object with the settings, "images" and "unreadable"; an image stands on a line of its own."""
    about = {"run": name, "detector": detector.detector.name, "tau": detector.tau, "image_tau": detector.image_tau}
    with atomic_path(path) as temporary, open(temporary, "w", newline="\n", encoding="utf-8") as file:
        file.write("{\n")
        for key, value in about.items():
            file.write(f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)},\n")
        rows = (row_of(journal.entry(one), detector.image_tau) for one in scored)
        _write_list(file, "images", rows)
        file.write(",\n")
        problems = ({"file": printable(one), "problem": reason(one, error)} for one, error in unreadable.items())
        _write_list(file, "unreadable", problems)
        file.write("\n}\n")


def _write_list(file, key, rows):
    file.write(f'  "{key}": [')
    for number, row in enumerate(rows):
        file.write(",\n    " if number else "\n    ")
        file.write(json.dumps(row, ensure_ascii=False))
    file.write("\n  ]")
