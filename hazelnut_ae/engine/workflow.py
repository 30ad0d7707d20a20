"""From a data folder and a run to numbers and pictures: what `evaluate`, `figures` and the notebooks have in common."""

import sys

from hazelnut_ae import pasting, results, shipped
from hazelnut_ae.detection import maps_and_scores, reconstruct, residual
from hazelnut_ae.engine import calibration, gallery, runs
from hazelnut_ae.engine.files import DataError
from hazelnut_ae.presets import PRESETS
from hazelnut_ae.thresholds import printed_tau
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


def detector_of(run):
    """The fitted `Detector` of a run; how a run folder becomes one is in `kinds`."""
    return run.detector


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


def evaluate(dataset, run):
    """Measures a run on the test images of a dataset: the dict of `evaluate --json`, also left as results.json.

    A run may be measured on other images than it learnt from, with a note. Raises: DataError without test images.
    """
    if not len(dataset.test):
        raise DataError(
            f"{dataset.name} has no test images; put some into test/good and test/<defect> to measure a run."
        )
    same = note_other_data(dataset, run)
    detector = detector_of(run)
    good = held_out(dataset, run)
    held_out_maps, held_out_scores = maps_and_scores(detector, good)
    maps, scores = maps_and_scores(detector, dataset.test.images)
    tau = pasting.label_free_tau(detector, good, held_out_maps)
    result = results.evaluate(
        detector.name,
        maps,
        dataset.test,
        held_out_maps,
        tau_printed=detector.has_printed_tau,
        data=dataset.name,
        tau_label_free=tau,
        scores=scores,
        held_out_scores=held_out_scores,
    )
    if same and shipped.FOLDER not in run.folder.parents:
        runs.write_json(run.folder / "results.json", result)
        calibration.write(run.folder, detector, held_out_maps, tau, held_out_scores)
    return result


def note_other_data(dataset, run):
    """Whether the run learnt from this dataset; says so where it did not."""
    same = run.config["data"] == dataset.fingerprint
    if not same:
        print(f"Note: {run.folder} learnt from other images ({run.config['data_name']}).", file=sys.stderr)
    return same


def figures(dataset, run, out):
    """Draws figures 3–7 and 9–14 and the picture of defects found into the folder `out`; returns the paths.

    A detector without the printed τ is shown at the run's own, one that reconstructs nothing with its anomaly map, and
    one that learns no step by step without loss and F1 by epoch.
    """
    same = note_other_data(dataset, run)
    test, detector = dataset.test, detector_of(run)
    if detector.has_printed_tau:
        reconstructions = reconstruct(run.model, test.images)  # float32 [N, 3, 256, 256]
        maps = residual(test.images, reconstructions)  # float32 [N, 256, 256]
        tau, scale = {name: printed_tau(name) for name in test.defect_names}, {}
    else:
        reconstructions, maps = None, detector.anomaly_maps(test.images)
        own = calibration.read(run.folder, detector)
        tau = dict.fromkeys(test.defect_names, own.tau)
        scale = {"levels": (own.tau / 2, own.tau, own.tau * 2), "floor": own.typical}
    f1 = run.f1 if same or both_synthetic(dataset, run) else {}
    return gallery.write_all(
        out,
        dataset.train,
        test,
        reconstructions,
        maps,
        run.history,
        run.held_out,
        f1,
        tau,
        caption(dataset, run),
        **scale,
    )


def caption(dataset, run):
    """The small line under a figure: which data, under whose licence, and which run."""
    return f"Data: {dataset.name} ({dataset.license or 'licence not stated in the folder'}). Run: {run.caption}."
