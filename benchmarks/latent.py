"""Train the network and PCA at several latent sizes and measure what is found and what is copied (section 5.2).

Per size and seed: the losses, the metrics on the test images, and on pairs of painted nuts, with and without a defect,
how much of the defect the reconstruction copies (`pairs.copied_share`). A study that was stopped goes on.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.common import add_data, load_test_set, numbers
from benchmarks.pairs import copied_share, paint_pairs
from benchmarks.rows import Rows
from hazelnut_ae import metrics, training
from hazelnut_ae.augmentation import OnlineAugmentation
from hazelnut_ae.baselines import PCADetector
from hazelnut_ae.detection import AutoencoderDetector, prediction_from_maps, reconstruct, residual
from hazelnut_ae.engine import trainer
from hazelnut_ae.engine.run_data import good_rows
from hazelnut_ae.presets import find_preset

OUT = None  # the study writes its table itself, row by row
LATENT_SIZES = (2, 8, 32, 128, 500, 2000)
SEEDS = (0, 1, 2)
PCA_IMAGES = 2400  # augmented images from which PCA learns, so that 2000 components exist


def add_options(command):
    add_data(command)
    command.add_argument("--runs", default="runs/latent", help="folder of the runs and of the table")
    command.add_argument("--sizes", type=numbers, default=LATENT_SIZES, help="default: 2,8,32,128,500,2000")
    command.add_argument("--seeds", type=numbers, default=SEEDS, help="default: 0,1,2")
    command.add_argument("--preset", default="quick", help="of each training (default: quick)")
    command.add_argument("--pairs", type=int, default=20, help="painted pairs of each kind of defect (default: 20)")


def run(options):
    table = latent_sizes(
        load_test_set(options.data), Path(options.runs), options.sizes, options.seeds, options.preset, options.pairs
    )
    print(table.to_string(index=False, float_format="{:.4g}".format))


def latent_sizes(data, folder, sizes=LATENT_SIZES, seeds=SEEDS, preset="quick", per_defect=20):
    """Measures the article's network and PCA at each size.

    Args:
        data: a Dataset with test images.
        folder: for the runs, one subfolder each, and latent_sizes.csv; what exists is kept.
        sizes: the latent sizes.
        seeds: of each training; PCA's are those of its augmented images.
        preset: name of the preset; all runs take the same number of steps.
        per_defect: painted pairs of each kind of defect.

    Returns:
        A DataFrame with a row per system, size and seed; copied_<defect> is the median over the pairs.
    """
    rows = Rows(folder / "latent_sizes.csv", ("system", "latent", "seed"))
    jobs = [(seed, size, system) for seed in seeds for size in sizes for system in ("PCA", "autoencoder")]
    pairs = None
    for seed, size, system in jobs:
        if rows.missing(system=system, latent=size, seed=seed):
            pairs = pairs or paint_pairs(per_defect)
            measure = of_pca if system == "PCA" else of_network
            row = measure(data, folder, size, seed, find_preset(preset), pairs)
            rows.add([{"system": system, "latent": size, "seed": seed} | row])
            print({"system": system, "latent": size, "seed": seed} | row, flush=True)
    return rows.table()


def of_network(data, folder, size, seed, preset, pairs):
    """Trains the article's network, or resumes it, and returns its numbers."""
    preset = replace(preset, evaluate_every=10_000)  # F1 curves are not needed
    run = trainer.train_run(data, folder / f"latent-{size}-seed-{seed}", preset, seed, None, size, resume=True)
    learnt, held_out = good_rows(data, run)
    images, losses = data.train.images, [loss for _, _, loss, *_ in run.history[-50:]]
    row = {
        "steps": len(run.history),
        "loss": float(np.median(losses)),
        "loss_learnt": training.loss_on(run.model, images[learnt]),
        "loss_held_out": training.loss_on(run.model, images[held_out]),
    }
    detector = AutoencoderDetector(run.model)
    reconstructions = [reconstruct(run.model, one) for one in (pairs.defective, pairs.clean)]
    return row | quality(detector.predict(data.test.images), data.test) | of_pairs(*reconstructions, pairs)


def of_pca(data, folder, size, seed, preset, pairs):
    """Fits PCA to augmented good images and returns its numbers; losses are those of 64×64 pixels."""
    learnt, held_out = training.split_good(len(data.train), seed)
    images = data.train.images
    augmented = OnlineAugmentation(images, 20, seed, preset.augmentations, learnt)
    order = torch.from_numpy(np.random.default_rng(seed).integers(0, len(augmented), max(PCA_IMAGES, size + 1)))
    good = torch.cat([augmented.batch(part, step) for step, part in enumerate(order.split(32))]).numpy()
    pca = PCADetector(size)
    pca.fit(good)

    def loss(some):
        return float(np.mean((pca.reduce(some) - pca.reconstruct(some)) ** 2))

    def enlarged(some):
        return F.interpolate(torch.from_numpy(pca.reconstruct(some)), some.shape[2:], mode="bilinear").numpy()

    row = {"steps": 0, "loss": loss(good), "loss_learnt": loss(images[learnt]), "loss_held_out": loss(images[held_out])}
    predicted = pca.predict(data.test.images)
    return row | quality(predicted, data.test) | of_pairs(enlarged(pairs.defective), enlarged(pairs.clean), pairs)


def quality(predicted, test):
    """Returns the metrics of a Prediction on an ImageSet."""
    maps, masks, good = predicted.anomaly_maps, test.masks, np.array(test.defects) == "good"
    pixels = metrics.PixelMetrics().update(maps, masks).compute()
    row = {
        "residual_good": maps[~masks].mean(),
        "residual_defective": maps[masks].mean(),
        "pixel_auroc": pixels["auroc"],
        "pro": pixels["pro"],
        "f1_max": pixels["f1_max"],
        "image_auroc": metrics.image_auroc(predicted.image_scores, ~good),
    }
    for name in test.defect_names:
        of_kind = np.array(test.defects) == name
        row[f"f1_max_{name}"] = metrics.PixelMetrics().update(maps[of_kind], masks[of_kind]).compute()["f1_max"]
    return row


def of_pairs(reconstructed, reconstructed_clean, pairs):
    """Returns, per kind, what the reconstruction copies of a defect and how large its residual is there."""
    shares, defects = copied_share(reconstructed, reconstructed_clean, pairs), np.array(pairs.defects)
    maps = residual(pairs.defective, reconstructed)  # float32 [N, 256, 256]
    clean_maps = residual(pairs.clean, reconstructed_clean)
    row = {"copied": float(np.median(shares))}
    for name in sorted(set(pairs.defects)):
        of_kind = defects == name
        masks = pairs.masks[of_kind]
        row[f"copied_{name}"] = float(np.median(shares[of_kind]))
        row[f"residual_{name}"] = float(maps[of_kind][masks].mean())
        row[f"residual_clean_{name}"] = float(clean_maps[of_kind][masks].mean())
    found = metrics.image_auroc(
        np.concatenate([prediction_from_maps(one).image_scores for one in (maps, clean_maps)]),
        np.repeat([True, False], len(maps)),
    )
    return row | {"pairs_image_auroc": found}
