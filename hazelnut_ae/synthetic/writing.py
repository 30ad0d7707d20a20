"""A whole synthetic data set in MVTec layout."""

import os
import zlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from hazelnut_ae.errors import DataError
from hazelnut_ae.io.files import atomic_path
from hazelnut_ae.synthetic.painting import paint

LICENSE = """\
These are synthetic hazelnuts: computer-painted pictures, not photographs.
They were made by hazelnut_ae.synthetic and may be used under the terms of the MIT licence.
"""


def write_dataset(folder, counts, seed=0, workers=None):
    """Paints a data set in MVTec layout: train/good/000.png, test/<defect>/000.png, ground_truth/<defect>/000_mask.png.

    Args:
        folder: new, empty, or holding such a set already, which is then painted again.
        counts: images wanted by group, for example {"train/good": 391, "test/good": 40, "crack": 18}.
        seed: the same seed gives the same bytes, whatever the number of workers.
        workers: number of processes; None: one per processor.
    Returns: the folder as a Path.
    Raises: DataError if the folder holds anything else or cannot be written.
    """
    folder = Path(folder)
    tasks = [(group, number) for group, count in counts.items() for number in range(count)]
    names = {name for group, number in tasks for name in _names(group, number)} | {"license.txt"}
    _refuse_other_contents(folder, names)
    with atomic_path(folder / "license.txt") as path:
        path.write_text(LICENSE, encoding="utf-8")
    jobs = [(folder, group, number, seed) for group, number in tasks]
    workers = min(workers or os.cpu_count() or 1, len(jobs), 61) or 1  # the most on Windows
    bar = tqdm(total=len(jobs), desc="painting", unit="image", disable=None)
    with bar:
        if workers == 1:
            for job in jobs:
                _paint_file(job)
                bar.update()
        else:
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                for _ in pool.map(_paint_file, jobs, chunksize=2):
                    bar.update()
    return folder


def _names(group, number):
    """The files of one image, relative to the data folder."""
    if "/" in group:
        return [f"{group}/{number:03d}.png"]
    return [f"test/{group}/{number:03d}.png", f"ground_truth/{group}/{number:03d}_mask.png"]


def _refuse_other_contents(folder, names):
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; name a new folder for the synthetic hazelnuts.")
    present = (
        {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()} if folder.exists() else set()
    )
    ours = "license.txt" in present and (folder / "license.txt").read_text(errors="replace") == LICENSE
    if present and not (ours and present <= names):
        raise DataError(
            f"{folder} already holds other files ({min(present - names or present)}); nothing was written, "
            "name a new or empty folder for the synthetic hazelnuts."
        )


def _paint_file(job):
    folder, group, number, seed = job
    rng = np.random.default_rng([seed, zlib.crc32(group.encode()), number])  # per image: the order does not matter
    image, mask = paint(rng, None if group.endswith("good") else group)
    for name, picture in zip(_names(group, number), [image, mask.astype(np.uint8) * 255], strict=False):
        with atomic_path(folder / name) as path:
            Image.fromarray(picture).save(path, format="PNG", compress_level=1)  # a quarter of the time, a tenth larger
