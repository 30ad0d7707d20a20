"""Measure each rung of notebook 10 on one set of images, beside the rung before it.

With --left-out: what the U-Net finds of a kind of defect that was missing in its training.
"""

import functools
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.common import add_data, load_test_set, peak_memory_gb, reset_peak_memory, timed_fit, timed_predict
from hazelnut_ae import baselines, results, synthetic
from hazelnut_ae.comparison.autoencoders import BergmannAutoencoder
from hazelnut_ae.comparison.compare import as_the_run
from hazelnut_ae.comparison.differences import paired_differences
from hazelnut_ae.dataset import load
from hazelnut_ae.detection import prediction_from_maps, reconstruct
from hazelnut_ae.engine import run_data, runs, trainer
from hazelnut_ae.patchcore import MemoryBank
from hazelnut_ae.presets import PRESETS
from hazelnut_ae.synthetic.defects import DEFECTS
from hazelnut_ae.training import split_good

OUT = "ladder.json"
KINDS = tuple(DEFECTS)
PAINTED = 60  # nuts of each kind of defect, and as many good ones, that the U-Net learns from


def add_options(command):
    add_data(command, "the article's network, trained on these images")
    command.add_argument("--left-out", action="store_true", help="measure defects that the U-Net never saw, instead")


def run(options):
    data = load_test_set(options.data)
    return left_out(data) if options.left_out else ladder(data, options.run)


def ladder(data, run_folder):
    """Measures every rung of `RUNGS` on the test images.

    Args:
        data: a Dataset with test images.
        run_folder: a run of the article's network on it.

    Returns:
        A list with a dict per rung, as `results.evaluate` makes it, with fit_s, image_s, peak_gb and, from the second
        rung on, against_the_rung_before: the differences in pixel AUROC, F1-max and image AUROC with their intervals.
    """
    found, measured, before = {}, [], None
    article = runs.load_run(run_folder)
    for name, rung in RUNGS.items():
        reset_peak_memory()
        one = found[name] = rung(data, article, found)
        result = results.evaluate(
            name, one["test"], data.test, one["good"], tau_label_free=one.get("tau"), data=data.name
        )
        result |= {key: one.get(key) for key in ("fit_s", "image_s")} | {"peak_gb": peak_memory_gb()}
        if before:
            pair = {rung: found[rung]["test"] for rung in (name, before)}
            maps = {rung: prediction.anomaly_maps for rung, prediction in pair.items()}
            scores = {rung: prediction.image_scores for rung, prediction in pair.items()}
            row = paired_differences(data.test, maps, before, scores=scores).iloc[0].drop("system")
            result["against_the_rung_before"] = {
                key: None if np.isnan(value) else float(value) for key, value in row.items()
            }
        measured.append(result)
        before = name
    return measured


def fitted(detector, data):
    """Fits a detector to the good images without the held-out ones; returns what `predicted` returns, and "fit_s"."""
    learn, held_out = split_good(len(data.train), 0)
    fit_s = timed_fit(detector, data.train.images[learn])
    return predicted(detector, data, data.train.images[held_out]) | {"fit_s": fit_s}


def predicted(detector, data, good):
    """What a fitted detector says about the test images and about good images that it has not seen.

    Returns:
        A dict: "test" and "good", a Prediction each; "image_s", seconds per image; "tau", chosen without labels.
    """
    on_test, image_s = timed_predict(detector, data.test.images)
    on_good = detector.predict(good)
    tau = detector.label_free_tau(good, on_good.anomaly_maps)
    return {"test": on_test, "good": on_good, "image_s": image_s, "tau": tau}


def held_out_good(data):
    """Returns the good images that no rung learns from, uint8 [M, 3, 256, 256]."""
    return data.train.images[split_good(len(data.train), 0)[1]]


def fixed_copies(data, article, found):
    """The article's network again, from five augmented copies of each photograph that are made once.

    The number of steps, the learning rates and the augmentations are those of the run `article`.
    """
    preset = replace(
        PRESETS[article.config["preset"]],
        augment_online=False,
        copies=5,
        augmentations=tuple(article.config["augmentations"]),
        evaluate_every=10**6,  # small sets have short epochs, and the time is measured
    )
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        trained = trainer.train_run(data, Path(folder) / "run", preset, seed=article.config["seed"], device="cpu")
        fit_s = time.perf_counter() - start
        return predicted(trained.detector, data, run_data.held_out(data, trained)) | {"fit_s": fit_s}


def structural(data, article, found):
    """AE(SSIM), whose loss compares structure, after as many images as `article` has seen."""
    steps, batch_size = len(article.history), PRESETS[article.config["preset"]].batch_size
    return fitted(BergmannAutoencoder("ssim", steps, batch_size, 1e-3, **as_the_run(article)), data)


def softened(data, article, found):
    """The article's reconstructions, compared with a tolerance of a pixel and smoothed by a Gaussian."""
    model, good = article.model, run_data.held_out(data, article)

    def soft(images):
        maps = baselines.shift_tolerant(images, reconstruct(model, images))
        return prediction_from_maps(baselines.gaussian_smooth(maps))

    return {"test": soft(data.test.images), "good": soft(good)}


def joined(data, article, found):
    """The memory bank's map and the article's, joined into one."""
    bank, own = found["memory bank"], found["the article"]
    good_maps = bank["good"].anomaly_maps, article.detector.anomaly_maps(held_out_good(data))  # of the same images

    def join(*maps):
        return prediction_from_maps(baselines.combine_maps(*maps, *good_maps))

    return {"test": join(bank["test"].anomaly_maps, own["test"].anomaly_maps), "good": join(*good_maps)}


@functools.cache
def trained_unet(left_out=None):
    """Returns a U-Net trained on painted nuts with all kinds of defects, or all but one, and the seconds it took.

    It is the same for all sets of images, so a second call in one process returns the first one's.
    """
    nuts = painted_nuts()
    chosen = np.isin(nuts.defects, ["good", *(kind for kind in KINDS if kind != left_out)])
    segmenter = baselines.UNetSegmenter()
    start = time.perf_counter()
    segmenter.fit(nuts.images[chosen], nuts.masks[chosen])
    return segmenter, time.perf_counter() - start


@functools.cache
def painted_nuts(seed=1):
    """Returns an ImageSet of PAINTED nuts of each kind; the data sets that are painted have seed 0."""
    with tempfile.TemporaryDirectory() as folder:
        counts = {"train/good": 1, "test/good": PAINTED} | dict.fromkeys(KINDS, PAINTED)
        test = load(synthetic.write_dataset(Path(folder) / "nuts", counts, seed=seed)).test
        return replace(test, images=np.array(test.images), masks=np.array(test.masks))


def unet_maps(data, left_out=None):
    """What that U-Net says about images that it never learned from."""
    segmenter, fit_s = trained_unet(left_out)
    on_test, image_s = timed_predict(segmenter, data.test.images)
    return {"test": on_test, "good": segmenter.predict(held_out_good(data)), "image_s": image_s, "fit_s": fit_s}


RUNGS = {  # name in the results: function of the Dataset, the article's run and what the rungs before found
    "mean image": lambda data, *_: fitted(baselines.MeanImageDetector(), data),
    "PCA": lambda data, *_: fitted(baselines.PCADetector(), data),
    "the article, fixed copies": fixed_copies,
    "the article": lambda data, article, _: predicted(article.detector, data, run_data.held_out(data, article)),
    "its map, softened": softened,
    "AE(SSIM)": structural,
    "U-Net on painted defects": lambda data, *_: unet_maps(data),
    "memory bank": lambda data, *_: fitted(MemoryBank(), data),
    "both together": joined,
}


def left_out(data):
    """Measures each kind of defect by a U-Net that saw it painted, and by one that saw only the others.

    Returns:
        A list of dicts: defect, seen, f1_max, pixel_auroc.
    """
    rows = []
    for kind in (None, *KINDS):
        found = unet_maps(data, kind)
        blocks = results.evaluate("U-Net", found["test"], data.test, found["good"])["defects"]
        for defect in KINDS if kind is None else (kind,):
            if defect in blocks:
                block = {key: blocks[defect][key] for key in ("f1_max", "pixel_auroc")}
                rows.append({"defect": defect, "seen": kind is None} | block)
    return rows
