"""Train and measure the network at several latent sizes (the article argues about them in section 5.2)."""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.common import add_data, load_test_set, numbers
from hazelnut_ae import metrics, presets
from hazelnut_ae.engine import trainer
from hazelnut_ae.thresholds import printed_tau

OUT = "latent_sizes.csv"
LATENT_SIZES = (16, 64, 100, 500, 2000)


def add_options(command):
    add_data(command)
    command.add_argument("--runs", default="runs/latent", help="folder of the runs; resumes an interrupted study")
    command.add_argument("--sizes", type=numbers, default=LATENT_SIZES, help="default: 16,64,100,500,2000")
    command.add_argument("--epochs", type=int, default=30, help="of each run (default: 30)")


def run(options):
    return latent_sizes(load_test_set(options.data), options.runs, options.sizes, options.epochs)


def latent_sizes(data, folder, sizes=LATENT_SIZES, epochs=30, seed=0):
    """Trains the article preset once per latent size and measures each run.

    Args:
        data: a Dataset with test images.
        folder: for the runs, one subfolder each; existing runs are resumed.
        sizes: the latent sizes.
        epochs: of each run.
        seed: of each run.

    Returns:
        A DataFrame with a row per size: latent, epochs, loss (median of the last 50 steps), residual_good and
        residual_defective (mean residual of those test pixels), pixel_auroc, f1_max, f1_<defect> (at the article's τ).
    """
    rows, masks = [], data.test.masks
    for size in sizes:
        run_folder = Path(folder) / f"latent-{size}"
        trained = trainer.train_run(data, run_folder, presets.PRESETS["article"], seed, epochs, size, resume=True)
        maps = trained.detector.anomaly_maps(data.test.images)  # float32 [N, 256, 256]
        pixels = metrics.PixelMetrics().update(maps, masks).compute()
        f1 = metrics.f1_by_defect(maps, data.test, {name: printed_tau(name) for name in data.test.defect_names})
        row = {
            "latent": size,
            "epochs": trained.history[-1][1],
            "loss": np.median([value for _, _, value in trained.history[-50:]]),
            "residual_good": maps[~masks].mean(),
            "residual_defective": maps[masks].mean(),
            "pixel_auroc": pixels["auroc"],
            "f1_max": pixels["f1_max"],
        }
        rows.append(row | {f"f1_{name}": value for name, value in f1.items()})
    return pd.DataFrame(rows)
