"""Which run belongs to a data folder, and which of its images that run has seen."""

import sys
from pathlib import Path

from hazelnut_ae import shipped
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


def run_for(dataset, folder: str | Path | None = None) -> runs.Run:
    """Returns the run in a folder (default: the shipped run for this Dataset). Raises DataError if there is none."""
    run = shipped_run(dataset) if folder is None else runs.load_run(folder)
    if run is None:
        remedy = "train one (hazelnut-ae train) and name it with --run"
        raise DataError(f"No run comes with the package for {dataset.name}; {remedy}.")
    return run


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
    """Returns the good training images that the run never saw, uint8 [M, 3, 256, 256]."""
    return dataset.train.images[good_rows(dataset, run)[1]]


def note_other_data(dataset, run):
    """Returns whether the run learned from this Dataset; prints a note if not, raises DataError for other bits."""
    same = run.config["data"] == dataset.fingerprint
    if dataset.white not in (0, run.config["white"]):
        other = f"in the images of {run.folder} to {run.config['white']}; name a run that learned from this range"
        raise DataError(f"16-bit grey in {dataset.name} reaches to {dataset.white}, but {other}.")
    if not same:
        print(f"Note: {run.folder} learned from other images ({run.config['data_name']}).", file=sys.stderr)
    return same


def caption(dataset, run):
    """Returns the caption of a figure: the data, their licence and the run."""
    return f"Data: {dataset.name} ({dataset.license or 'licence not stated in the folder'}). Run: {run.caption}."
