"""Measure what more pixels are worth to a memory bank: thin scratches on large photographs, a strip, your own folder.

Each set is read three times: squeezed to 256×256, as `train --detector features` reads it, and with more tiles. Masks
are read at the same size as the images, so pixel metrics of two sizes are of two sets of pixels; image AUROC is not.
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from benchmarks.common import timed_fit, timed_predict
from hazelnut_ae import dataset, metrics, results, synthetic
from hazelnut_ae.io.images import headers, scan
from hazelnut_ae.patchcore import MemoryBank
from hazelnut_ae.synthetic_anomalies import object_mask

OUT = "hazelnut_ae/shipped/measured/sight.csv"
WIDTHS = (1, 2, 4)  # of scratches, in pixels of the photograph
NUT, STRIP = (1024, 1024), (500, 1250)  # (width, height)


def add_options(command):
    command.add_argument("data", nargs="*", metavar="DIR", help="further data folders with test images")
    command.add_argument("--good", type=int, default=30, help="good images to fit (default: 30)")
    command.add_argument("--test", type=int, default=8, help="test images of each kind (default: 8)")
    command.add_argument("--tiles", type=int, default=2, help="times as many tiles in the third reading (default: 2)")


def run(options):
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for name, draw in {"painted nuts": nut, "strip": strip}.items():
            write(Path(place) / name, draw, options.good, options.test)
        for folder in (*sorted(Path(place).iterdir()), *map(Path, options.data)):
            size = next(size for _, size, _ in headers(entry.path for entry in scan(folder)[0]))
            usual, tiles = dataset.working_size(size)
            more = tuple(count * options.tiles for count in tiles)
            readings = [((256, 256), (1, 1)), (usual, tiles), (dataset.working_size(size, tiles=more)[0], more)]
            for shape, tiles in readings:
                rows += measured(folder, shape, tiles, options.good, options.test)
    return pd.DataFrame(rows)


def measured(folder, shape, tiles, good, count):
    """Fits a bank to at most `good` images read at `shape`, in `tiles`; returns a row for each kind of defect.

    It is measured on the first `count` test images of each kind.
    """
    data, detector, rows = dataset.load(folder, shape), MemoryBank(rows=tiles[0], columns=tiles[1]), []
    kinds = np.array(data.test.defects)
    test = data.test.subset(np.concatenate([np.flatnonzero(kinds == name)[:count] for name in np.unique(kinds)]))
    fit_s = timed_fit(detector, data.train.images[:good])
    found, seconds = timed_predict(detector, test.images)
    result, defects = results.evaluate("bank", found, test), np.array(test.defects)
    for name, block in result["defects"].items():
        of = (defects == name) | (defects == "good")
        row = {"data": folder.name, "defect": name, "height": shape[0], "width": shape[1]}
        row |= {"rows": tiles[0], "columns": tiles[1]}
        row["image_auroc"] = metrics.image_auroc(found.image_scores[of], defects[of] != "good")
        highest = found.anomaly_maps[of].max(axis=(1, 2))  # what the image score could be, if the map decided
        row["image_auroc_of_maximum"] = metrics.image_auroc(highest, defects[of] != "good")
        row |= {key: block[key] for key in ("pixel_auroc", "pro", "f1_max")}
        rows.append(row | {"fit_s": fit_s, "seconds_per_image": seconds})
    return rows


def write(folder, draw, good, test, seed=0):
    """Writes a data folder: good images, and the same kind of image with scratches of each of `WIDTHS`."""
    rng = np.random.default_rng(seed)
    for place, count in {"train/good": good, "test/good": test, **{f"test/scratch_{w}": test for w in WIDTHS}}.items():
        for number in range(count):
            image, part = draw(rng)
            if "scratch" in place:
                mask = scratch(rng, part, int(place[-1]))
                image = np.where(mask[..., None], np.clip(image + 50.0, 0, 255), image)
                save(folder / "ground_truth" / place.removeprefix("test/") / f"{number:03d}.png", 255 * mask)
            save(folder / place / f"{number:03d}.png", image)


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values, np.uint8)).save(path)


def nut(rng):
    """Paints a nut, enlarges it and adds noise: uint8 [H, W, 3], and where it is, bool [H, W]."""
    small = synthetic.paint(rng)[0]  # uint8 [256, 256, 3]
    part = Image.fromarray(object_mask(small.transpose(2, 0, 1))).resize(NUT)
    large = np.asarray(Image.fromarray(small).resize(NUT, Image.Resampling.BICUBIC)) + rng.normal(0, 4, NUT)[..., None]
    return large.clip(0, 255).astype(np.uint8), np.asarray(part)


def strip(rng):
    """Draws a brushed surface: uint8 [H, W, 3], and that it is everywhere, bool [H, W]."""
    grain = gaussian_filter(rng.normal(0, 1, STRIP[::-1]), (12, 1))
    grey = 120 + 15 * grain / grain.std() + rng.normal(0, 3, STRIP[::-1])  # [H, W]
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2), np.ones(STRIP[::-1], bool)


def scratch(rng, part, width):
    """Draws a bent line of 100 to 250 pixels, `width` of them wide, that starts on the part: bool [H, W]."""
    places, mask = np.argwhere(part), Image.new("L", part.shape[::-1])
    row, column = places[rng.integers(len(places))]
    angle, points = rng.uniform(0, 2 * np.pi), [(float(column), float(row))]
    for _ in range(4):
        step, angle = rng.uniform(25, 62), angle + rng.normal(0, 0.25)
        points.append((points[-1][0] + step * np.cos(angle), points[-1][1] + step * np.sin(angle)))
    ImageDraw.Draw(mask).line(points, fill=255, width=width)
    return np.asarray(mask) > 0
