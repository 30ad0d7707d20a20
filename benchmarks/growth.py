"""Time a memory bank of 50, 500 and 5,000 good images: fitting, predicting, memory."""

import multiprocessing

import numpy as np
import pandas as pd

from benchmarks.common import numbers, peak_memory_gb, reset_peak_memory, timed_fit, timed_predict
from hazelnut_ae import synthetic
from hazelnut_ae.patchcore import MemoryBank

OUT = "growth.csv"
COUNTS = (50, 500, 5_000)
DISTINCT = 16  # painted nuts, repeated with noise of their own: painting thousands would take longer than the study


def add_options(command):
    command.add_argument("--counts", type=numbers, default=COUNTS, help="of good images (default: 50,500,5000)")


def run(options):
    return growth(options.counts)


def growth(counts=COUNTS, predicted=20):
    """Returns a DataFrame with a row per number of good images: images, fit_s, image_s, memory_gb."""
    rows = []
    for count in counts:
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # a process of its own: its peak memory, too
            rows.append(pool.apply(one_bank, (count, predicted)))
    return pd.DataFrame(rows)


class Nuts:
    """`count` good images, uint8 [3, 256, 256], each created on access, like a large set on disk."""

    def __init__(self, count):
        self.count = count
        self.nuts = [synthetic.paint(np.random.default_rng(i))[0].transpose(2, 0, 1) for i in range(DISTINCT)]

    def __len__(self):
        return self.count

    def __getitem__(self, row):
        noise = np.random.default_rng(int(row)).normal(0, 4, (3, 256, 256))
        return np.clip(self.nuts[row % DISTINCT] + noise, 0, 255).astype(np.uint8)


def one_bank(count, predicted, **settings):
    """Returns one row of `growth`; settings are those of `MemoryBank`."""
    good, detector = Nuts(count), MemoryBank(**settings)
    reset_peak_memory()
    fit_s = timed_fit(detector, good)
    _, image_s = timed_predict(detector, np.stack([good[row] for row in range(predicted)]))
    return {"images": count, "fit_s": fit_s, "image_s": image_s, "memory_gb": peak_memory_gb()}
