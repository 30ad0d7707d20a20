"""The ladder of notebook 10 on one set of images: each rung measured on the same test images, beside the one before."""

import functools
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from hazelnut_ae import baselines, detection, results, synthetic, synthetic_anomalies
from hazelnut_ae.comparison.autoencoders import BergmannAutoencoder
from hazelnut_ae.comparison.compare import as_the_run
from hazelnut_ae.comparison.differences import paired_differences
from hazelnut_ae.dataset import load
from hazelnut_ae.detection import maps_and_scores
from hazelnut_ae.engine import memory, run_data, runs, trainer
from hazelnut_ae.figures import BLUE, GREEN, VERMILION, blank
from hazelnut_ae.patchcore import MemoryBank
from hazelnut_ae.presets import PRESETS
from hazelnut_ae.synthetic.defects import DEFECTS
from hazelnut_ae.training import split_good

KINDS = tuple(DEFECTS)
PAINTED = 60  # nuts of each kind of defect, and as many good ones, that the U-Net learns from


def ladder(dataset, run_folder, rungs=None):
    """Results of `results.evaluate`, a list with one for each rung, with "fit_s", "image_s", "peak_gb" and, but for the
    first, "against_the_rung_before": the differences in pixel AUROC, F1-max and image AUROC with their intervals.

    dataset: a Dataset with test images; run_folder: the article's network, trained on these images; rungs: {name:
    function} in order, RUNGS unless given.
    """
    maps, measured, before = {}, [], None
    article = runs.load_run(run_folder)
    for name, rung in (rungs or RUNGS).items():
        memory.forget_largest_memory()
        found = rung(dataset, article, maps)
        maps[name] = found
        result = results.evaluate(
            name,
            found["test"],
            dataset.test,
            found["good"],
            False,
            dataset.name,
            tau_label_free=found.get("tau"),
            scores=found.get("scores"),
            held_out_scores=found.get("good_scores"),
        )
        result |= {key: found.get(key) for key in ("fit_s", "image_s")} | {"peak_gb": memory.memory_gb()}
        if before:
            both = {one: maps[one]["test"] for one in (name, before)}
            own = {one: maps[one].get("scores") for one in both}
            row = paired_differences(dataset.test, both, before, scores=own).iloc[0].to_dict()
            result["against_the_rung_before"] = {key: _plain(value) for key, value in row.items() if key != "system"}
        measured.append(result)
        before = name
    return measured


def fitted(detector, dataset):
    """What `of` finds after fitting a detector to the good images less the held-out ones, and "fit_s"."""
    learn, _ = split_good(len(dataset.train), 0)
    with memory.kept():
        started = time.perf_counter()
        detector.fit(dataset.train.images[learn])
        fit_s = time.perf_counter() - started
        return of(detector, dataset, kept_aside(dataset)) | {"fit_s": fit_s}


def kept_aside(dataset):
    """The good images that no rung learns from, uint8 [M, 3, 256, 256]."""
    return dataset.train.images[split_good(len(dataset.train), 0)[1]]


def of(detector, dataset, good):
    """{"test", "good"}: a fitted detector's maps of test images and of good ones; "scores", "good_scores": of these
    images; "tau"; "image_s": seconds for one."""
    started = time.perf_counter()
    maps, scores = maps_and_scores(detector, dataset.test.images)
    found = {"test": maps, "scores": scores, "image_s": (time.perf_counter() - started) / len(dataset.test)}
    maps, scores = maps_and_scores(detector, good)
    return found | {
        "good": maps,
        "good_scores": scores,
        "tau": synthetic_anomalies.label_free_tau(detector, good, maps),
    }


def fixed_copies(dataset, article, maps):
    """The article's network once more, from five copies of each photograph that are made once; all else is `article`'s:
    so many steps, their rates, the kinds of augmentation."""
    preset = replace(
        PRESETS[article.config["preset"]],
        augment_online=False,
        copies=5,
        augmentations=tuple(article.config["augmentations"]),
        evaluate_every=10**6,  # small sets have short epochs, and the time is measured
    )
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        run = trainer.train_run(dataset, Path(folder) / "run", preset, seed=article.config["seed"], device="cpu")
        fit_s = time.perf_counter() - started
        return of(run.detector, dataset, run_data.held_out(dataset, run)) | {"fit_s": fit_s}


def structural(dataset, article, maps):
    """AE(SSIM), whose loss sees structure, after as many images as `article` has seen."""
    steps, batch_size = len(article.history), PRESETS[article.config["preset"]].batch_size
    return fitted(BergmannAutoencoder("ssim", steps, batch_size, 1e-3, **as_the_run(article)), dataset)


def softened(dataset, article, maps):
    """The article's copies, read with a pixel's tolerance and a Gaussian."""
    model, good = article.model, run_data.held_out(dataset, article)

    def soft(images):
        return baselines.gaussian_smooth(baselines.shift_tolerant(images, detection.reconstruct(model, images)))

    return {"test": soft(dataset.test.images), "good": soft(good)}


def joined(dataset, article, maps):
    """The memory bank's map and the article's, as `baselines.combine_maps` joins them."""
    d, r = maps["memory bank"], maps["the article"]
    good_r = article.detector.anomaly_maps(kept_aside(dataset))  # of the same images as d["good"]
    return {
        "test": baselines.combine_maps(d["test"], r["test"], d["good"], good_r),
        "good": baselines.combine_maps(d["good"], good_r, d["good"], good_r),
    }


@functools.cache
def trained_unet(left_out=None):
    """A U-Net that learnt from painted nuts with all kinds of defects, or with all but one, and the seconds it took.

    Whatever it is tested on it is the same one, so a process that asks again need not wait again.
    """
    images, masks = painted_defects([kind for kind in KINDS if kind != left_out])
    detector = baselines.UNetSegmenter()
    with memory.kept():
        started = time.perf_counter()
        detector.fit(images, masks)
        return detector, time.perf_counter() - started


def unet_maps(dataset, left_out=None):
    """What that U-Net finds in images that it never learnt from."""
    detector, seconds = trained_unet(left_out)
    return of(detector, dataset, kept_aside(dataset)) | {"fit_s": seconds}


RUNGS = {
    "mean image": lambda dataset, *_: fitted(baselines.MeanImageDetector(), dataset),
    "PCA": lambda dataset, *_: fitted(baselines.PCADetector(), dataset),
    "the article, fixed copies": fixed_copies,
    "the article": lambda dataset, article, _: of(article.detector, dataset, run_data.held_out(dataset, article)),
    "its map, softened": softened,
    "AE(SSIM)": structural,
    "U-Net on painted defects": lambda dataset, *_: unet_maps(dataset),
    "memory bank": lambda dataset, *_: fitted(MemoryBank(), dataset),
    "both together": joined,
}


def left_out(dataset):
    """The price of being told: pixel AUROC and F1-max of each kind of defect in `dataset`, by a U-Net that saw it
    painted and by one that saw all others: a list of dicts with "defect", "seen", "f1_max" and "pixel_auroc"."""
    rows = []
    for kind in (None, *KINDS):
        found = unet_maps(dataset, kind)
        blocks = results.evaluate("U-Net", found["test"], dataset.test, found["good"], False)["defects"]
        for defect in KINDS if kind is None else (kind,):
            if defect in blocks:
                block = {key: blocks[defect][key] for key in ("f1_max", "pixel_auroc")}
                rows.append({"defect": defect, "seen": kind is None} | block)
    return rows


def painted_defects(kinds):
    """Painted nuts to learn from, of these kinds and good ones: uint8 [N, 3, 256, 256] and bool [N, 256, 256]."""
    nuts = painted_nuts()
    chosen = np.isin(nuts.defects, ["good", *kinds])
    return nuts.images[chosen], nuts.masks[chosen]


@functools.cache
def painted_nuts(seed=1):
    """An ImageSet of PAINTED nuts of each kind; others than those of the painted data sets, whose seed is 0."""
    with tempfile.TemporaryDirectory() as folder:
        counts = {"train/good": 1, "test/good": PAINTED} | dict.fromkeys(KINDS, PAINTED)
        test = load(synthetic.write_dataset(Path(folder) / "nuts", counts, seed=seed)).test
        return replace(test, images=np.array(test.images), masks=np.array(test.masks))


def _plain(value):
    return None if value != value else float(value)


MARKS = "osD^v"  # apart without colour, too
COLOURS = (BLUE, VERMILION, "0.45", GREEN, "black")


def drawn(measured, caption=""):
    """Pixel AUROC and the mean F1-max of every rung, the lowest below, a mark for each set of images: a figure.

    measured: {name of a set: results of `ladder`}.
    """
    rungs = [one["system"] for one in next(iter(measured.values()))]
    width, height = 960, 80 + 26 * len(rungs)
    figure, room = blank(width, height, caption)
    axes = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(190 / width, (room + 42) / (height + room), 1 - 12 / width, 1 - 26 / (height + room), 0.06)
    for (name, results_of), mark, colour in zip(measured.items(), MARKS, COLOURS, strict=False):
        auroc = [one["pixels"]["auroc"] for one in results_of]
        f1_max = [np.mean([kind["f1_max"] for kind in one["defects"].values()]) for one in results_of]
        for ax, values in zip(axes, (auroc, f1_max), strict=True):
            ax.plot(values, range(len(values)), mark, color=colour, label=name, markersize=7, alpha=0.85)
    axes[0].set_yticks(range(len(rungs)), rungs)
    axes[0].axvline(0.5, color="0.6", linewidth=1, linestyle=":")  # chance
    for ax, title in zip(axes, ("pixel AUROC (dotted: chance)", "mean F1-max of the kinds of defects"), strict=True):
        ax.set_title(title, fontsize=10)
        ax.grid(axis="y", color="0.9")
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].legend(fontsize=8, loc="lower left", framealpha=1)
    return figure
