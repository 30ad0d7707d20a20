"""From a data folder and a run to numbers and pictures: what `evaluate`, `figures` and the notebooks have in common."""

import sys

from hazelnut_ae import figures as drawing
from hazelnut_ae import results, runs
from hazelnut_ae.detection import AutoencoderDetector, reconstruct, residual
from hazelnut_ae.files import DataError
from hazelnut_ae.thresholds import printed_tau
from hazelnut_ae.training import split_good


def held_out(dataset, run):
    """The good training images that the run never saw, uint8 [M, 3, 256, 256]; the same ones as in training."""
    _, rows = split_good(len(dataset.train), run.config["seed"])
    return dataset.train.images[rows]


def evaluate(dataset, run):
    """Measures a run on the test images of a dataset: the dict of `evaluate --json`, also left as results.json.

    A run may be measured on other images than it learnt from, with a note. Raises: DataError without test images.
    """
    if not len(dataset.test):
        raise DataError(
            f"{dataset.name} has no test images; put some into test/good and test/<defect> to measure a run."
        )
    same = note_other_data(dataset, run)
    detector = AutoencoderDetector(run.model)
    result = results.evaluate(
        detector.name,
        detector.anomaly_maps(dataset.test.images),
        dataset.test,
        detector.anomaly_maps(held_out(dataset, run)),
        tau_printed=True,
        data=dataset.name,
    )
    if same:
        runs.write_json(run.folder / "results.json", result)
    return result


def note_other_data(dataset, run):
    """Whether the run learnt from this dataset; says so where it did not."""
    same = run.config["data"] == dataset.fingerprint
    if not same:
        print(f"Note: {run.folder} learnt from other images ({run.config['data_name']}).", file=sys.stderr)
    return same


def figures(dataset, run, out):
    """Draws figures 3–7 and 9–14 and the picture of defects found into the folder `out`; returns the paths."""
    note_other_data(dataset, run)
    test = dataset.test
    reconstructions = reconstruct(run.model, test.images)  # float32 [N, 3, 256, 256]
    return drawing.write_all(
        out,
        dataset.train,
        test,
        reconstructions,
        residual(test.images, reconstructions),  # float32 [N, 256, 256]
        run.history,
        run.f1 if run.config["data"] == dataset.fingerprint else {},
        {name: printed_tau(name) for name in test.defect_names},
        caption(dataset, run),
    )


def caption(dataset, run):
    """The small line under a figure: which data, under whose licence, and which run."""
    return f"Data: {dataset.name} ({dataset.license or 'licence not stated in the folder'}). Run: {run.caption}."
