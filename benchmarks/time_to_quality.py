"""How good a detector is after how many steps and seconds: the recipe of a preset beside the one that it replaced."""

import time
from dataclasses import replace

import pandas as pd
import torch
from hazelnut_ae.engine.ahead import ahead
from tqdm import tqdm

from hazelnut_ae import metrics, training
from hazelnut_ae.augmentation import AUGMENTATIONS, AugmentedCopies, OnlineAugmentation
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.detection import AutoencoderDetector
from hazelnut_ae.engine import compiling, memory, trainer
from hazelnut_ae.engine.device import best_precision, faster
from hazelnut_ae.errors import DataError
from hazelnut_ae.figures import BLUE, VERMILION, blank
from hazelnut_ae.presets import PRESETS, steps_per_epoch

QUICK = PRESETS["quick"]
RECIPES = {
    "quick": QUICK,
    "five fixed copies": replace(QUICK, augment_online=False, copies=5),  # as the article makes them; all else is quick's
    # what quick was before: 2000 fixed copies, a constant rate
    "before": replace(
        QUICK,
        batch_size=32,
        steps=1800,
        learning_rate=1e-3,
        one_cycle=False,
        augment_online=False,
        augmentations=AUGMENTATIONS,
    ),
}
STYLES = {
    "quick": dict(color=BLUE, linestyle="-", marker="o"),
    "five fixed copies": dict(color=VERMILION, linestyle=":", marker="^"),
    "before": dict(color="0.45", linestyle="--", marker="s"),
}


def time_to_quality(data, names=tuple(RECIPES), seeds=(0, 1, 2), looks=6, augment=None):
    """Trains each of these recipes on a Dataset once per seed, and looks at it so many times on the way.

    Returns a DataFrame with a row per look: data, recipe, seed, step, seconds (of training and augmenting alone),
    loss (of the step), held_out_loss, pixel_auroc and f1_max (over all test pixels). augment: other augmentations.
    """
    if unknown := set(names) - set(RECIPES):
        raise DataError(f"there is no recipe {', '.join(sorted(unknown))}; choose from {', '.join(RECIPES)}.")
    if not len(data.test):
        raise DataError(f"{data.name} has no test images; put some into test/good and test/<defect> to measure on.")
    rows = []
    for name in names:
        for seed in seeds:
            preset = RECIPES[name]
            preset = replace(preset, augmentations=preset.augmentations if augment is None else augment)
            found = course(data, preset, seed, looks)
            rows += [{"data": data.name, "recipe": name, "seed": seed} | row for row in found]
    return pd.DataFrame(rows)


def course(data, preset, seed, looks):
    """One run of `time_to_quality`: the same batches, rates and weights as `hazelnut-ae train` would have."""
    train_rows, held_out_rows = training.split_good(len(data.train), seed)
    held_out = torch.from_numpy(data.train.images[held_out_rows])
    preset = replace(preset, copies=preset.copies_for(len(train_rows)))
    per_epoch = steps_per_epoch(preset.copies * len(train_rows), preset.batch_size)
    steps = preset.epochs_for(preset.copies * len(train_rows)) * per_epoch
    torch.manual_seed(seed)
    model = Autoencoder(preset.latent_dim)
    optimizer = torch.optim.Adam(model.parameters(), preset.learning_rate, fused=True)
    precision = best_precision("cpu")
    network, prepare = faster(model, training.l2_loss, "cpu", precision)
    seconds, rows, started = 0.0, [], time.perf_counter()
    kind = OnlineAugmentation if preset.augment_online else AugmentedCopies
    augmented = kind(data.train.images, preset.copies, seed, preset.augmentations, train_rows)
    batches = trainer.own_batches(augmented, preset.batch_size, seed, range(steps), per_epoch, 0, 1)
    batches = trainer.at_their_rates(ahead(map(prepare, batches)), optimizer, preset, range(steps), steps)
    some = torch.zeros(preset.batch_size, 3, 256, 256, dtype=torch.uint8)
    compiled = compiling.pays(steps, model, training.l2_loss, some, "cpu", precision)
    loss_function = compiling.compiled_or_not(training.l2_loss) if compiled else training.l2_loss
    steps_done = training.train(network, optimizer, batches, loss_function)
    with memory.kept():
        for step, loss in enumerate(tqdm(steps_done, total=steps, disable=None, leave=False), start=1):
            if step * looks % steps >= looks:
                continue
            seconds += time.perf_counter() - started
            maps = AutoencoderDetector(model).anomaly_maps(data.test.images)  # float32 [N, 256, 256]
            pixels = metrics.PixelMetrics().update(maps, data.test.masks).compute()
            unseen = training.loss_on(model, held_out)
            row = {"step": step, "seconds": seconds, "loss": loss.item(), "held_out_loss": unseen}
            rows.append(row | {"pixel_auroc": pixels["auroc"], "f1_max": pixels["f1_max"]})
            started = time.perf_counter()
    return rows


def drawn(table, measures=("pixel_auroc", "f1_max"), over="seconds", caption=""):
    """The table of `time_to_quality` as a figure: a row for each data set, a column for each measure, a line for each
    recipe (the median over its seeds) against minutes or, `over="step"`, against steps."""
    sets = list(table["data"].unique())
    width, height = 40 + 300 * len(measures), 40 + 230 * len(sets)
    figure, room = blank(width, height, caption)
    axes = figure.subplots(len(sets), len(measures), squeeze=False)
    bottom, top = (room + 40) / (height + room), 1 - 26 / (height + room)
    figure.subplots_adjust(60 / width, bottom, 1 - 12 / width, top, 0.25, 0.35)
    for row, name in enumerate(sets):
        for ax, measure in zip(axes[row], measures, strict=True):
            for recipe, part in table[table["data"] == name].groupby("recipe"):
                line = part.groupby("step")[["seconds", measure]].median().reset_index()
                x = line["seconds"] / 60 if over == "seconds" else line["step"]
                ax.plot(x, line[measure], label=recipe, markersize=4, linewidth=1.6, **STYLES[recipe])
            ax.set_title(measure.replace("_", " ").replace("auroc", "AUROC").replace("f1", "F1"), fontsize=9)
            ax.set_xlabel("minutes" if over == "seconds" else "step", fontsize=8)
            ax.spines[["top", "right"]].set_visible(False)
            ax.tick_params(labelsize=8)
        axes[row][0].set_ylabel(name, fontsize=9)
    axes[0][0].legend(frameon=False, fontsize=8)
    return figure
