"""Paints a part that is no hazelnut, a toothed steel wheel, for the final project: python paint_parts.py DIR

A data folder in MVTec layout: 30 good wheels to learn from; 6 good ones, 5 with a scratch and 5 with a broken tooth to
test on, with masks. Licence: MIT, as the code.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage import draw

SIZE, FINE = 256, 3  # pixels of a picture; painted that many times larger, then averaged
TEETH = 12


def outline(teeth_missing, turn):
    """The wheel's polygon in polar form: radius of each of 720 directions, in parts of half the picture."""
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    place = ((angle - turn) % (2 * np.pi)) * TEETH / (2 * np.pi)  # which tooth, and where on it
    radius = np.where((place % 1 > 0.22) & (place % 1 < 0.72), 0.78, 0.66)
    for tooth in teeth_missing:
        on_it = place.astype(int) == tooth
        radius = np.where(on_it & (radius > 0.7), 0.67 + 0.03 * np.cos(40 * angle), radius)
    return angle, radius


def paint(rng, defect=None):
    """One wheel: (picture uint8 [256, 256, 3], mask bool [256, 256]); defect: None, "scratch" or "tooth"."""
    n = SIZE * FINE
    half, turn = n / 2, rng.uniform(0, 2 * np.pi)
    row, column = half + rng.uniform(-0.04, 0.04, 2) * n
    missing = [int(rng.integers(TEETH))] if defect == "tooth" else []
    masks = []
    for teeth in (missing, []):
        angle, radius = outline(teeth, turn)
        wheel = draw.polygon2mask(
            (n, n), np.c_[row + half * radius * np.sin(angle), column + half * radius * np.cos(angle)]
        )
        masks.append(wheel)
    wheel, whole = masks
    defective = whole & ~wheel
    light = np.full((n, n), 0.16)
    y, x = np.mgrid[:n, :n]
    distance = np.hypot(y - row, x - column) / half
    brushed = ndimage.gaussian_filter1d(rng.normal(0, 1, (n, n)), 12, axis=1)  # lines left by the turning tool
    steel = 0.62 + 0.05 * np.cos(70 * distance) + 0.25 * brushed + 0.08 * (x - y) / n
    light = np.where(wheel, steel, light)
    light = np.where(distance < 0.18, 0.16, light)  # the bore
    light = np.where((distance > 0.18) & (distance < 0.22), 0.8, light)
    for hole in range(4):
        at = turn + hole * np.pi / 2
        light[
            draw.disk((row + 0.42 * half * np.sin(at), column + 0.42 * half * np.cos(at)), 0.08 * half, shape=(n, n))
        ] = 0.16
    if defect == "scratch":
        at, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.12, 0.3) * half
        start = row + 0.5 * half * np.sin(at), column + 0.5 * half * np.cos(at)
        way = rng.uniform(0, np.pi)
        bend = np.cumsum(rng.normal(0, 0.25, 60))
        line = np.zeros((n, n), bool)
        steps = np.linspace(0, length, 60)
        line[
            (start[0] + steps * np.sin(way) + bend).astype(int), (start[1] + steps * np.cos(way) + bend).astype(int)
        ] = True
        line = ndimage.binary_dilation(line, iterations=FINE + 1) & (light > 0.3)
        light, defective = np.where(line, rng.uniform(0.86, 0.98), light), line
    light = ndimage.gaussian_filter(light, FINE / 2) * rng.uniform(0.93, 1.07)
    small = light.reshape(SIZE, FINE, SIZE, FINE).mean(axis=(1, 3))
    colour = small[..., None] * [1.0, 1.0, 1.03] + rng.normal(0, 0.012, (SIZE, SIZE, 3))
    mask = defective.reshape(SIZE, FINE, SIZE, FINE).mean(axis=(1, 3)) > 0.3
    return (255 * np.clip(colour, 0, 1)).astype(np.uint8), mask


def main(folder, seed=0):
    folder, rng = Path(folder), np.random.default_rng(seed)
    for place, defect, count in (
        ("train/good", None, 30), ("test/good", None, 6), ("test/scratch", "scratch", 5), ("test/tooth", "tooth", 5),
    ):  # fmt: skip
        (folder / place).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture, mask = paint(rng, defect)
            Image.fromarray(picture).save(folder / place / f"{number:03d}.png")
            if defect:
                (folder / "ground_truth" / defect).mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(folder / "ground_truth" / defect / f"{number:03d}_mask.png")
    (folder / "license.txt").write_text("Painted wheels, MIT\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:2] or ["wheels"])
