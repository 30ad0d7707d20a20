"""Which run belongs to a data folder, and which of its images that run has seen."""

import sys

from hazelnut_ae import shipped
from hazelnut_ae.engine import runs
from hazelnut_ae.errors import DataError
from hazelnut_ae.presets import PRESETS
from hazelnut_ae.training import split_good


def shipped_run(dataset):
    """The run in the package that learnt from this Dataset, or from synthetic hazelnuts where these are; else None."""
    for config in sorted(shipped.FOLDER.glob("*/config.json")):
        run = runs.load_run(config.parent)
        if run.config["data"] == dataset.fingerprint or both_synthetic(dataset, run):
            return run
    return None


def run_for(dataset, folder=None):
    """The `Run` in a folder, or where no folder is named the shipped one that fits. Raises: DataError without one."""
    if folder is not None:
        return runs.load_run(folder)
    run = shipped_run(dataset)
    if run is None:
        raise DataError(
            f"No run comes with the package for {dataset.name}; train one (hazelnut-ae train) and name it with --run."
        )
    return run


def both_synthetic(dataset, run):
    """Whether the run and the dataset are synthetic hazelnuts, and so perhaps shorter or longer rows of the same."""
    return run.config["data_name"].startswith("synthetic") and dataset.license.startswith("synthetic")


def held_out(dataset, run):
    """The good training images that the run never saw, uint8 [M, 3, 256, 256]; the same ones as in training."""
    return dataset.train.images[good_rows(dataset, run)[1]]


def learnt_from(dataset, run):
    """The good training images that the run learnt from, uint8 [N, 3, 256, 256], as they are before augmentation."""
    return dataset.train.images[good_rows(dataset, run)[0]]


def good_rows(dataset, run):
    """The numbers of the dataset's good training images in two parts: (learnt from, held out) by this run."""
    count = len(dataset.train)
    if run.config["data"] != dataset.fingerprint and both_synthetic(dataset, run):
        count = PRESETS[run.config["preset"]].counts["train/good"]  # of which it kept its own tenth
    return [rows[rows < len(dataset.train)] for rows in split_good(count, run.config["seed"])]


def note_other_data(dataset, run):
    """Whether the run learnt from this dataset; says so where it did not."""
    same = run.config["data"] == dataset.fingerprint
    if not same:
        print(f"Note: {run.folder} learnt from other images ({run.config['data_name']}).", file=sys.stderr)
    return same


def caption(dataset, run):
    """The small line under a figure: which data, under whose licence, and which run."""
    return f"Data: {dataset.name} ({dataset.license or 'licence not stated in the folder'}). Run: {run.caption}."
