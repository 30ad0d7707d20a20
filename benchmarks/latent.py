"""What the size of the latent vector does: the article argues it in section 5.2, without a measurement."""

from pathlib import Path

import numpy as np
import pandas as pd

from hazelnut_ae import metrics, presets
from hazelnut_ae.detection import AutoencoderDetector
from hazelnut_ae.engine import trainer
from hazelnut_ae.errors import DataError
from hazelnut_ae.thresholds import printed_tau

LATENT_SIZES = (16, 64, 100, 500, 2000)


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
        run = trainer.train_run(data, run_folder, presets.PRESETS["article"], seed, epochs, size, resume=True)
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
