"""report.html: one self-contained page, worst images first, with a threshold slider."""

import contextlib
import json
import math
import os
from pathlib import Path

import numpy as np
from jinja2 import Environment
from matplotlib.ticker import MaxNLocator

from hazelnut_ae import figures
from hazelnut_ae.errors import printable
from hazelnut_ae.inference.inputs import reason
from hazelnut_ae.io.files import atomic_path

FOLDER = Path(__file__).parent
PICTURES = 1000  # images shown with pictures; the page stays below 60 MB
COLOURS = {"good": (figures.BLUE, figures.SKY), "defective": (figures.VERMILION, figures.ORANGE)}  # on white, on black


def write(path, name, detector, journal, scored, scores, unreadable):
    """Writes the page for the paths `scored` and their scores [N]; reads one picture at a time."""
    tau, order = detector.image_tau, np.argsort(-scores, kind="stable")
    held_out = np.sort(np.array(detector.calibration.held_out_scores))[::-1]
    ticks = axis([*scores, *held_out, tau])
    low, high, common = float(ticks[0]), float(ticks[-1]), 0
    with contextlib.suppress(ValueError):  # no image, or two drives
        common = len(os.path.commonpath([os.path.dirname(path) for path in scored]))
    page, css, js = ((FOLDER / f"report.{end}").read_text(encoding="utf-8") for end in ("html", "css", "js"))
    data = {"scores": scores[order].tolist(), "held_out": held_out.tolist(), "tau": tau, "low": low, "high": high}
    content = {
        "name": printable(name), "detector": detector, "total": len(scores), "defective": int((scores > tau).sum()),
        "held_out": len(held_out), "alarms": int((held_out > tau).sum()), "at": 1000 * (tau - low) / (high - low),
        "bars": bars(scores, low, high, 118) + bars(held_out, low, high, -78), "ticks": [f"{one:.6g}" for one in ticks],
        "shown": PICTURES, "cards": (journal.entry(scored[i]) for i in order[:PICTURES]), "printable": printable,
        "unreadable": [(printable(file), reason(file, error)) for file, error in unreadable.items()],
        "common": common,  # length of the folder name that all paths share
        "colours": COLOURS, "css": css, "js": js,
        "data": json.dumps(data),  # only numbers, so no text can end the script
    }  # fmt: skip
    template = Environment(autoescape=True, trim_blocks=True).from_string(page)
    with atomic_path(path) as temporary, open(temporary, "w", newline="\n", encoding="utf-8") as file:
        file.writelines(template.generate(content))


def axis(values):
    """Returns ticks [T]: round numbers in equal steps that include all values."""
    low, high = min(values), max(values)
    return MaxNLocator(8).tick_values(low, high if high > low else low + (abs(low) or 1))


def bars(scores, low, high, height):
    """Draws a histogram as an SVG path over x in [0, 1000], from y = 120 up, or down if `height` is negative."""
    counts, _ = np.histogram(scores, 80, (low, high))
    width, path = 1000 / len(counts), ""
    for number in np.flatnonzero(counts):
        tall = math.copysign(max(3.0, abs(height) * counts[number] / counts.max()), height)  # at least 3: visible
        path += f"M{number * width + 0.5:g} 120v{-tall:.1f}h{width - 1:g}v{tall:.1f}z"
    return path
