"""What an epoch costs when there are many images."""

import multiprocessing
import tempfile
import time

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from hazelnut_ae import augmentation, synthetic, training
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.engine import memory
from hazelnut_ae.engine.device import best_precision, faster
from hazelnut_ae.io import cache

SET_SIZES = (2_000, 10_000, 50_000)
BATCH = 32


def scale(sizes=SET_SIZES):
    """One epoch over training sets of so many (augmented) images, each in a process of its own.

    Returns a DataFrame: images, prepare_s (augmenting all of them, once per run), epoch_s, per_image_ms, memory_gb
    (what the process holds itself; pages of mapped files, which the system takes back at will, are not counted).
    """
    rows = []
    for size in sizes:
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # a fresh process: its memory is its own
            rows.append(pool.apply(one_epoch, (size,)))
    return pd.DataFrame(rows)


def one_epoch(size, copies=5, distinct=16):
    """One row of `scale`: photographs of which only a few differ, in a mapped file, augmented and trained on once."""
    folder = cache.cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    nuts = [synthetic.paint(np.random.default_rng(i))[0].transpose(2, 0, 1) for i in range(distinct)]
    with memory.kept(), tempfile.TemporaryFile(dir=folder) as file:
        photographs = np.memmap(file, np.uint8, "w+", shape=(size // copies, 3, 256, 256))
        for row in range(len(photographs)):
            photographs[row] = nuts[row % distinct]
        start = time.perf_counter()
        augmented = augmentation.AugmentedCopies(photographs, copies)
        prepared = time.perf_counter()
        model = Autoencoder().to(memory_format=torch.channels_last)
        order = training.epoch_order(len(augmented), 0, 0)
        started = time.perf_counter()
        for _ in tqdm(steps_on(model, augmented, order), total=len(order) // BATCH, disable=None, leave=False):
            pass
        seconds = time.perf_counter() - started
    return {
        "images": size,
        "prepare_s": prepared - start,
        "epoch_s": seconds,
        "per_image_ms": 1000 * seconds / (len(order) // BATCH * BATCH),
        "memory_gb": memory.memory_gb("RssAnon"),
    }


def steps_on(model, augmented, order, precision=None):
    """Trains as a run does, one step for each 32 images of an AugmentedCopies in this order; yields the losses."""
    network, prepare = faster(model, training.l2_loss, "cpu", precision or best_precision("cpu"))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    rows = (order[i : i + BATCH] for i in range(0, len(order) - BATCH + 1, BATCH))
    return training.train(network, optimizer, (prepare(augmented.batch(chosen)) for chosen in rows))
