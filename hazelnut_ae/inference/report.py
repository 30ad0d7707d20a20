"""report.html: one page that needs no other file, with the worst images first and a threshold to move."""

import json
import math
import os
from pathlib import Path

import numpy as np
from jinja2 import Environment

from hazelnut_ae import figures
from hazelnut_ae.errors import printable
from hazelnut_ae.inference.inputs import reason
from hazelnut_ae.io.files import atomic_path

FOLDER = Path(__file__).parent
PICTURES = 1000  # images that have a picture in the page: with up to 2 × 20 kB for each it stays below 60 MB
COLOURS = {"good": (figures.BLUE, figures.SKY), "defective": (figures.VERMILION, figures.ORANGE)}  # on white, on black


def write(path, name, detector, journal, scored, scores, unreadable):
    """Writes the page for the images of these paths and their scores [N].

    The journal's lines are read one by one, so that memory does not hold the pictures.
    """
    tau, known = detector.image_tau, detector.calibration
    order = np.argsort(-scores, kind="stable")
    held_out = np.sort(np.array(known.held_out_scores))[::-1]
    low, high, ticks = axis([*scores[order[:1]], *scores[order[-1:]], *held_out[:1], *held_out[-1:], tau])
    common = len(common_folder(scored))
    data = {"scores": scores[order].tolist(), "held_out": held_out.tolist(), "tau": tau, "low": low, "high": high}
    content = {
        "name": printable(name),
        "detector": detector.detector.name,
        "score_is": detector.detector.score_description,
        "tau": detector.tau,
        "image_tau": tau,
        "own": tau == known.image_tau,
        "false_alarms": known.false_alarms,
        "total": len(scores),
        "defective": int((scores > tau).sum()),
        "held_out": len(held_out),
        "alarms": int((held_out > tau).sum()),
        "at": 1000 * (tau - low) / (high - low),
        "bars": bars(scores, low, high, 118) + bars(held_out, low, high, -78),
        "ticks": ticks,
        "shown": PICTURES,
        "cards": (card(journal.entry(scored[i]), tau, common) for i in order[:PICTURES]),
        "unreadable": [(printable(file), reason(file, error)) for file, error in unreadable.items()],
        "colours": COLOURS,
        "css": (FOLDER / "report.css").read_text(encoding="utf-8"),
        "js": (FOLDER / "report.js").read_text(encoding="utf-8"),
        "data": json.dumps(data),  # numbers alone: no name can end the script
    }
    source = (FOLDER / "report.html").read_text(encoding="utf-8")
    template = Environment(autoescape=True, trim_blocks=True).from_string(source)
    with atomic_path(path) as temporary, open(temporary, "w", newline="\n", encoding="utf-8") as file:
        file.writelines(template.generate(content))


def card(entry, tau, common):
    """What the page shows of one image; `common`: length of the folder name that all paths share."""
    count, (image, heat) = entry["regions"], entry["thumbnails"]
    regions = f"{count} region{'s' * (count != 1)}, {100 * entry['share']:.2g} % of the area"
    return {
        "file": printable(entry["file"]),
        "name": printable(entry["file"][common:].lstrip("/\\")),
        "score": f"{entry['score']:.4g}",
        "defective": entry["score"] > tau,
        "regions": regions if count else "no defective region",
        "image": image,
        "heat": heat,
    }


def common_folder(paths):
    """The folder that holds all paths, "" where there is none, as on two drives."""
    try:
        return os.path.commonpath([os.path.dirname(path) for path in paths])
    except ValueError:
        return ""


def axis(values):
    """A range (low, high) between round numbers that holds all values, and the labels of equal steps in it."""
    smallest, largest = float(min(values)), float(max(values))
    width = largest - smallest or abs(largest) or 1.0
    power = 10 ** math.floor(math.log10(width / 6))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= width / 6)
    first, last = math.floor(smallest / step), math.ceil(largest / step)
    last += first == last
    digits = max(0, -math.floor(math.log10(step)))
    return first * step, last * step, [f"{number * step:.{digits}f}" for number in range(first, last + 1)]


def bars(scores, low, high, height):
    """A histogram as an SVG path over x in [0, 1000], up or down from y = 120; the highest bar has this height."""
    counts, _ = np.histogram(scores, 80, (low, high))
    counts, _ = np.histogram(scores, 80, (low, high))
    width, path = 1000 / len(counts), ""
    for number in np.flatnonzero(counts):
        tall = math.copysign(max(3.0, abs(height) * counts[number] / counts.max()), height)  # 3: one image is seen
        path += f"M{number * width + 0.5:g} 120v{-tall:.1f}h{width - 1:g}v{tall:.1f}z"
    return path
