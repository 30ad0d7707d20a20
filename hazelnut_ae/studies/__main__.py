"""The studies behind the course, as commands: what the latent size does (the article's section 5.2 argues, without a
measurement), what an epoch costs when there are many images, whether bfloat16 learns as float32 does, and which choice
moves a comparison system's number.

    python -m hazelnut_ae.studies latent DIR --runs runs/latent --out latent_sizes.csv
    python -m hazelnut_ae.studies scale --out scale.csv
    python -m hazelnut_ae.studies precision DIR --out precision.csv
    python -m hazelnut_ae.studies variants DIR --maps runs/variants --out variants.csv
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from hazelnut_ae import augmentation, dataset, metrics, presets, synthetic, training
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.detection import AutoencoderDetector
from hazelnut_ae.engine import cache, speed
from hazelnut_ae.engine.files import DataError, Interrupted, atomic_path
from hazelnut_ae.studies import variants
from hazelnut_ae.thresholds import printed_tau

LATENT_SIZES = (16, 64, 100, 500, 2000)
SET_SIZES = (2_000, 10_000, 50_000)
BATCH = 32


def latent_sizes(data, folder, sizes=LATENT_SIZES, epochs=30, seed=0):
    """Trains the article preset on a Dataset once per latent size, in folder/latent-N, and measures each run.

    A run that is there is gone on with. Returns a DataFrame with a row per size: latent, epochs, loss (median of the
    last 50 steps), residual_good and residual_defective (mean residual of those pixels of the test images),
    pixel_auroc, f1_max (at the best τ of all pixels), and f1_<defect> (at the article's τ).
    """
    if not len(data.test):
        raise DataError(f"{data.name} has no test images; put some into test/good and test/<defect> to measure on.")
    rows = []
    for size in sizes:
        run_folder = Path(folder) / f"latent-{size}"
        run = training.train(data, run_folder, presets.PRESETS["article"], seed, epochs, size, resume=True)
        maps = AutoencoderDetector(run.model).anomaly_maps(data.test.images)  # float32 [N, 256, 256]
        masks = data.test.masks
        pixels = metrics.PixelMetrics().update(maps, masks).compute()
        f1 = metrics.f1_by_defect(maps, data.test, {name: printed_tau(name) for name in data.test.defect_names})
        rows.append(
            {
                "latent": size,
                "epochs": run.history[-1][1],
                "loss": np.median([value for _, _, value in run.history[-50:]]),
                "residual_good": maps[~masks].mean(),
                "residual_defective": maps[masks].mean(),
                "pixel_auroc": pixels["auroc"],
                "f1_max": pixels["f1_max"],
            }
            | {f"f1_{name}": value for name, value in f1.items()}
        )
    return pd.DataFrame(rows)


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
    speed.keep_memory()
    folder = cache.cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    nuts = [synthetic.paint(np.random.default_rng(i))[0].transpose(2, 0, 1) for i in range(distinct)]
    with tempfile.TemporaryFile(dir=folder) as file:
        photographs = np.memmap(file, np.uint8, "w+", shape=(size // copies, 3, 256, 256))
        for row in range(len(photographs)):
            photographs[row] = nuts[row % distinct]
        start = time.perf_counter()
        augmented = augmentation.AugmentedSet(photographs, copies)
        prepared = time.perf_counter()
        model = Autoencoder().to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
        precision = speed.best_precision("cpu")
        loss_function = speed.folded_l2_loss if speed.pays_to_fold("cpu", precision) else training.l2_loss
        order = training.epoch_order(len(augmented), 0, 0)
        started = time.perf_counter()
        for step in tqdm(range(len(order) // BATCH), desc=f"{size} images", disable=None, leave=False):
            train_step_on(model, optimizer, augmented, order, step, precision, loss_function)
        seconds = time.perf_counter() - started
    return {
        "images": size,
        "prepare_s": prepared - start,
        "epoch_s": seconds,
        "per_image_ms": 1000 * seconds / (len(order) // BATCH * BATCH),
        "memory_gb": speed.memory_gb("RssAnon"),
    }


def precisions(data, steps=300, seed=0, every=50):
    """Trains on a Dataset from the same weights with the same batches, in float32 and in bfloat16 (folded, as a run).

    Returns a DataFrame with a row per `every` steps: step, and the median loss of those steps, "float32", "bfloat16".
    """
    augmented = augmentation.AugmentedSet(data.train.images, copies=5, seed=seed)
    epochs = -(-steps * BATCH // len(augmented)) + 1
    order = torch.cat([training.epoch_order(len(augmented), seed, epoch) for epoch in range(epochs)])
    losses = {}
    for precision, loss_function in (("float32", training.l2_loss), ("bfloat16", speed.folded_l2_loss)):
        torch.manual_seed(seed)
        model = Autoencoder().to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
        losses[precision] = [
            float(train_step_on(model, optimizer, augmented, order, step, precision, loss_function))
            for step in tqdm(range(steps), desc=precision, disable=None, leave=False)
        ]
    table = pd.DataFrame(losses).groupby(np.arange(steps) // every).median().reset_index(drop=True)
    table.insert(0, "step", np.minimum((table.index + 1) * every, steps))
    return table


def train_step_on(model, optimizer, augmented, order, step, precision, loss_function):
    """Step number `step` over images in this order; returns the loss."""
    batch = augmented.batch(order[step * BATCH : (step + 1) * BATCH])  # uint8 [32, 3, 256, 256]
    return training.train_step(model, optimizer, batch, precision, loss_function)


def numbers(text):
    """ "16,64" as [16, 64]."""
    return [int(word) for word in text.split(",")]


def main(arguments=None):
    """The command line of the studies; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m hazelnut_ae.studies", description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(dest="study", required=True)
    c = commands.add_parser("latent", help="train and measure the network at several latent sizes")
    c.add_argument("data", metavar="DIR", help="a data folder with test images")
    c.add_argument("--runs", default="runs/latent", help="folder of the runs; an interrupted study goes on there")
    c.add_argument("--sizes", type=numbers, default=LATENT_SIZES, help="default: 16,64,100,500,2000")
    c.add_argument("--epochs", type=int, default=30)
    c.add_argument("--out", default="latent_sizes.csv", help="the table (default: latent_sizes.csv)")
    c = commands.add_parser("scale", help="time an epoch over 2,000, 10,000 and 50,000 images")
    c.add_argument("--sizes", type=numbers, default=SET_SIZES)
    c.add_argument("--out", default="scale.csv", help="the table (default: scale.csv)")
    c = commands.add_parser("precision", help="train in float32 and in bfloat16 and set the losses side by side")
    c.add_argument("data", metavar="DIR", help="a data folder")
    c.add_argument("--steps", type=int, default=300)
    c.add_argument("--out", default="precision.csv", help="the table (default: precision.csv)")
    c = commands.add_parser("variants", help="fit the comparison systems with one choice changed at a time")
    c.add_argument("data", metavar="DIR", help="a data folder with test images, all in one orientation")
    c.add_argument("--maps", default="runs/variants", help="folder of the maps; an interrupted study goes on there")
    c.add_argument("--only", type=lambda text: text.split(";"), help='some of them, as "AE(L2);AE(L2), grey"')
    c.add_argument("--out", default="variants.csv", help="the table (default: variants.csv)")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.study == "latent":
            table = latent_sizes(dataset.load(chosen.data), chosen.runs, chosen.sizes, chosen.epochs)
        elif chosen.study == "scale":
            table = scale(chosen.sizes)
        elif chosen.study == "precision":
            table = precisions(dataset.load(chosen.data), chosen.steps)
        else:
            table = variants.variants(dataset.load(chosen.data), Path(chosen.maps), chosen.only)
        with atomic_path(Path(chosen.out)) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
    except (DataError, Interrupted) as error:
        print(f"hazelnut_ae.studies: {error}", file=sys.stderr)
        return 1
    print(table.to_string(index=False, float_format="{:.4g}".format))
    return 0


if __name__ == "__main__":
    sys.exit(main())
