"""Train the recipe of the `quick` preset and two others, and measure quality over steps and seconds."""

import time
from dataclasses import replace

import pandas as pd
import torch
from tqdm import tqdm

from benchmarks.common import add_data, load_test_set, numbers, words
from hazelnut_ae import metrics, training
from hazelnut_ae.detection import AutoencoderDetector
from hazelnut_ae.engine.device import best_precision
from hazelnut_ae.engine.trainer import Trainer, settings_of
from hazelnut_ae.errors import DataError
from hazelnut_ae.presets import PRESETS

OUT = "time_to_quality.csv"
QUICK = PRESETS["quick"]
RECIPES = {
    "quick": QUICK,
    "five fixed copies": replace(QUICK, augment_online=False),  # as the article makes them
    "before": replace(QUICK, copies=20, steps=1600, learning_rate=2e-2),  # what quick was before
}


def add_options(command):
    add_data(command)
    command.add_argument("--recipes", type=words, default=tuple(RECIPES), help=f"default: {','.join(RECIPES)}")
    command.add_argument("--seeds", type=numbers, default=[0, 1, 2], help="default: 0,1,2")
    command.add_argument("--looks", type=int, default=6, help="how often each run is measured (default: 6)")
    command.add_argument("--augment", type=words, help="other augmentations, as noise or rotation,flip")


def run(options):
    data = load_test_set(options.data)
    return time_to_quality(data, options.recipes, options.seeds, options.looks, options.augment)


def time_to_quality(data, names=tuple(RECIPES), seeds=(0, 1, 2), looks=6, augment=None):
    """Trains each recipe once per seed on the processor and measures it several times during the training.

    Args:
        data: a Dataset with test images.
        names: some of `RECIPES`.
        seeds: of the runs.
        looks: how often each run is measured.
        augment: augmentations instead of the recipes' own.

    Returns:
        A DataFrame with a row per measurement: data, recipe, seed, step, seconds (of training and augmenting alone),
        loss (of the step), held_out_loss, pixel_auroc and f1_max (over all test pixels).

    Raises:
        DataError: there is no such recipe.
    """
    if unknown := set(names) - set(RECIPES):
        raise DataError(f"there is no recipe {', '.join(sorted(unknown))}; choose from {', '.join(RECIPES)}.")
    rows = []
    for name in names:
        for seed in seeds:
            preset = RECIPES[name] if augment is None else replace(RECIPES[name], augmentations=augment)
            found = one_run(data, preset, seed, looks)
            rows += [{"data": data.name, "recipe": name, "seed": seed} | row for row in found]
    return pd.DataFrame(rows)


def one_run(data, preset, seed, looks):
    """Returns the rows of one run, trained exactly as `hazelnut-ae train` would."""
    train_rows, held_out_rows = training.split_good(len(data.train), seed)
    held_out = torch.from_numpy(data.train.images[held_out_rows])
    settings = settings_of(preset, len(train_rows), precision=best_precision("cpu"))
    trainer = Trainer(data, None, settings | {"seed": seed}, "cpu")
    losses = training.train(trainer.network, trainer.optimizer, trainer.batches())
    steps, seconds, rows, start = trainer.steps, 0.0, [], time.perf_counter()
    for step, loss in enumerate(tqdm(losses, total=steps, disable=None, leave=False), start=1):
        if step * looks % steps >= looks:
            continue
        seconds += time.perf_counter() - start
        maps = AutoencoderDetector(trainer.model).anomaly_maps(data.test.images)  # float32 [N, 256, 256]
        pixels = metrics.PixelMetrics().update(maps, data.test.masks).compute()
        unseen = training.loss_on(trainer.model, held_out)
        row = {"step": step, "seconds": seconds, "loss": loss.item(), "held_out_loss": unseen}
        rows.append(row | {"pixel_auroc": pixels["auroc"], "f1_max": pixels["f1_max"]})
        start = time.perf_counter()
    return rows
