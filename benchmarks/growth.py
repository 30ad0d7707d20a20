"""What a memory bank costs when there are many good images: seconds to fit, seconds an image, memory."""

import multiprocessing
import time

import numpy as np
import pandas as pd

from hazelnut_ae import synthetic
from hazelnut_ae.engine import memory
from hazelnut_ae.patchcore import MemoryBank

COUNTS = (50, 500, 5_000)
DISTINCT = 16  # painted nuts, repeated with noise of their own: painting thousands would take longer than the study


def growth(counts=COUNTS, predicted=20):
    """A row for so many good images, each in a process of its own: "images", "fit_s", "image_s", "memory_gb"."""
    rows = []
    for count in counts:
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # a fresh process: its memory is its own
            rows.append(pool.apply(one_bank, (count, predicted)))
    return pd.DataFrame(rows)


class Nuts:
    """`count` good images uint8 [3, 256, 256], each made when it is asked for: a large set lies on disk, too."""

    def __init__(self, count):
        self.count = count
        self.nuts = [synthetic.paint(np.random.default_rng(i))[0].transpose(2, 0, 1) for i in range(DISTINCT)]

    def __len__(self):
        return self.count

    def __getitem__(self, row):
        noise = np.random.default_rng(int(row)).normal(0, 4, (3, 256, 256))
        return np.clip(self.nuts[row % DISTINCT] + noise, 0, 255).astype(np.uint8)


def one_bank(count, predicted, **settings):
    """One row of `growth`."""
    good, detector = Nuts(count), MemoryBank(**settings)
    memory.forget_largest_memory()
    with memory.kept():
        started = time.perf_counter()
        detector.fit(good)
        fitted = time.perf_counter()
        detector.anomaly_maps(np.stack([good[row] for row in range(predicted)]))
        image_s = (time.perf_counter() - fitted) / predicted
    return {"images": count, "fit_s": fitted - started, "image_s": image_s, "memory_gb": memory.memory_gb()}
