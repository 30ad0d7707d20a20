"""A whole synthetic data set in MVTec layout."""

import filecmp
import os
import signal
import tempfile
import threading
import zlib
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context, parent_process
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image
from tqdm import tqdm

from hazelnut_ae.errors import DataError
from hazelnut_ae.io.files import atomic_path
from hazelnut_ae.synthetic.painting import paint

# Of each process: one thread, and (C library of Linux) memory that is kept for the next array.
WORKER = {"OMP_NUM_THREADS": "1", "MALLOC_TRIM_THRESHOLD_": "999999999", "MALLOC_MMAP_THRESHOLD_": "999999999"}

LICENSE = """\
These are synthetic hazelnuts: computer-painted pictures, not photographs.
They were made by hazelnut_ae.synthetic and may be used under the terms of the MIT licence.
"""


def write_dataset(folder, counts, seed=0, workers=None):
    """Paints a data set in MVTec layout: train/good/000.png, test/<defect>/000.png, ground_truth/<defect>/000_mask.png.

    Args:
        folder: new, empty, or holding such a set; its images stay if they are of the same seed.
        counts: images wanted by group, for example {"train/good": 391, "test/good": 40, "crack": 18}.
        seed: the same seed gives the same bytes, whatever the number of workers.
        workers: number of processes; None: one per processor.
    Returns: the folder as a Path.
    Raises: DataError if the folder holds anything else or cannot be written.
    """
    folder = Path(folder)
    tasks = [(group, number) for group, count in counts.items() for number in range(count)]
    names = {name for task in tasks for name in _names(*task)}
    _refuse_other_contents(folder, names | {"license.txt"})
    with atomic_path(folder / "license.txt") as path:
        path.write_text(LICENSE, encoding="utf-8")
    old = [name for name in names if (folder / name).is_file()]
    if old and not _is_painted(folder, *tasks[0], seed):  # another seed, or another version: none of them may stay
        for name in old:
            (folder / name).unlink()
    jobs = [(folder, *task, seed) for task in tasks if not all((folder / name).is_file() for name in _names(*task))]
    workers = min(workers or os.cpu_count() or 1, len(jobs), 61)  # the most on Windows
    with tqdm(total=len(tasks), initial=len(tasks) - len(jobs), desc="painting", unit="image", disable=None) as bar:
        for job in jobs[_paint_in_processes(jobs, workers, bar) if workers > 1 else 0 :]:
            _paint_file(job)
            bar.update()
    return folder


def _paint_in_processes(jobs, workers, bar):
    """Paints, and returns how many of the jobs are done: not all where a machine lets us have no processes."""
    done = 0
    with suppress(OSError, ImportError, BrokenProcessPool), patch.dict(os.environ, WORKER):
        with ProcessPoolExecutor(workers, get_context("spawn"), _begin) as pool:
            for done, _ in enumerate(pool.map(_paint_file, jobs), start=1):  # noqa: B007
                bar.update()
    return done


def _begin():
    """Begins a process that paints: Ctrl-C is left to its parent, and it ends with its parent, even a killed one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=lambda: parent_process().join() or os._exit(1), daemon=True).start()


def _names(group, number):
    """The files of one image, relative to the data folder."""
    if "/" in group:
        return [f"{group}/{number:03d}.png"]
    return [f"test/{group}/{number:03d}.png", f"ground_truth/{group}/{number:03d}_mask.png"]


def _refuse_other_contents(folder, names):
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; name a new folder for the synthetic hazelnuts.")
    paths = (path for path in folder.rglob("*") if not path.is_dir() and not path.match(".?*.tmp"))  # of a killed call
    present = {path.relative_to(folder).as_posix() for path in paths}
    ours = "license.txt" in present and (folder / "license.txt").read_text(errors="replace") == LICENSE
    if present and not (ours and present <= names):
        remedy = "nothing was written, name a new or empty folder for the synthetic hazelnuts"
        raise DataError(f"{folder} already holds other files ({min(present - names or present)}); {remedy}.")


def painted(group, number, seed=0):
    """Paints image `number` of a group of a data set: image uint8 [256, 256, 3], mask bool [256, 256]."""
    rng = np.random.default_rng([seed, zlib.crc32(group.encode()), number])  # per image: the order does not matter
    return paint(rng, None if group.endswith("good") else group)


def _is_painted(folder, group, number, seed):
    """Whether the folder holds this image, painted with this seed: paints it again, and compares."""
    name = _names(group, number)[0]
    with tempfile.TemporaryDirectory() as place:
        _paint_file((Path(place), group, number, seed))
        return (folder / name).is_file() and filecmp.cmp(folder / name, Path(place) / name, shallow=False)


def _paint_file(job):
    folder, group, number, seed = job
    image, mask = painted(group, number, seed)
    for name, picture in zip(_names(group, number), [image, mask.astype(np.uint8) * 255], strict=False):
        with atomic_path(folder / name) as path:
            Image.fromarray(picture).save(path, format="PNG", compress_level=1)  # a quarter of the time, a tenth larger
