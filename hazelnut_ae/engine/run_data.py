"""Which run belongs to a data folder, and which of its images that run has seen."""

import sys
from pathlib import Path

from hazelnut_ae import shipped
from hazelnut_ae.dataset import SIZE, Dataset, load
from hazelnut_ae.engine import runs
from hazelnut_ae.errors import DataError
from hazelnut_ae.presets import PRESETS
from hazelnut_ae.training import split_good


def shipped_run(dataset):
    """Returns the shipped run that learned from this Dataset, or any if both are synthetic hazelnuts; else None."""
    for config in sorted(shipped.FOLDER.glob("*/config.json")):
        run = runs.load_run(config.parent)
        if run.config["data"] == dataset.fingerprint or both_synthetic(dataset, run):
            return run


def load_for(folder: str | Path, run: str | Path | None = None) -> tuple[Dataset, runs.Run]:
    """Reads a data folder as the run in another folder does (default: the shipped one). DataError if there is none."""
    found = None if run is None else runs.load_run(run)
    dataset = load(folder, found.size if found else SIZE)
    if (found := found or shipped_run(dataset)) is None:
        remedy = "train one (hazelnut-ae train) and name it with --run"
        raise DataError(f"No run comes with the package for {dataset.name}; {remedy}.")
    return dataset, found


def both_synthetic(dataset, run):
    """Whether run and Dataset are synthetic hazelnuts: the same images, of which one may have fewer."""
    return run.config["data_name"].startswith("synthetic") and dataset.license.startswith("synthetic")


def good_rows(dataset, run):
    """Returns two arrays of rows of the good training images: (those the run learned from, those it held out)."""
    count = len(dataset.train)
    if run.config["data"] != dataset.fingerprint and both_synthetic(dataset, run):
        count = PRESETS[run.config["preset"]].counts["train/good"]  # the run split the full painted set of its preset
    return [rows[rows < len(dataset.train)] for rows in split_good(count, run.config["seed"])]


def held_out(dataset, run):
    """Returns the good training images that the run never saw, uint8 [M, 3, H, W]."""
    return dataset.train.images[good_rows(dataset, run)[1]]


def note_other_data(dataset, run):
    """Returns whether the run learned from this Dataset; prints a note if not, raises DataError for other bits."""
    same, size = run.config["data"] == dataset.fingerprint, dataset.train.images.shape[2:]
    if size != run.size:
        remedy = f"use dataset.load(DIR, {run.size}), or a run of --side 256 --tiles 1x1 for `compare`"
        raise DataError(f"{run.folder} reads images as {run.size}, {dataset.name} is read as {size} here; {remedy}.")
    if dataset.white not in (0, run.config["white"]):
        other = f"in the images of {run.folder} to {run.config['white']}; name a run that learned from this range"
        raise DataError(f"16-bit grey in {dataset.name} reaches to {dataset.white}, but {other}.")
    if not same:
        print(f"Note: {run.folder} learned from other images ({run.config['data_name']}).", file=sys.stderr)
    return same


def caption(dataset, run):
    """Returns the caption of a figure: the data, their licence and the run."""
    return f"Data: {dataset.name} ({dataset.license or 'licence not stated in the folder'}). Run: {run.caption}."
