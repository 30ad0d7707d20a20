"""The commands `evaluate` and `figures`: metrics and figures of a run on a data folder."""

from pathlib import Path

from tqdm import tqdm

from hazelnut_ae import results, shipped
from hazelnut_ae.dataset import Dataset
from hazelnut_ae.detection import reconstruct, residual
from hazelnut_ae.engine import calibration, runs
from hazelnut_ae.engine.run_data import held_out, note_other_data
from hazelnut_ae.errors import DataError
from hazelnut_ae.inference import article_figures
from hazelnut_ae.io.files import write_json


def evaluate(dataset: Dataset, run: runs.Run, **thresholds: float | None) -> dict:
    """Measures a run on test images; prints a note if it learned from other data. Raises DataError without test images.

    Returns the dict of `evaluate --json`, also written to the run's results.json. thresholds: see `results.evaluate`.
    """
    keeps = note_other_data(dataset, run) and shipped.FOLDER not in run.folder.parents
    detector, good = run.detector, held_out(dataset, run)
    if not len(dataset.test):
        if keeps:  # the remedy for a run without thresholds is to evaluate it
            calibration.write_missing(run.folder, detector, good)
        raise DataError(f"{dataset.name} has no test images; put some into test/good and test/<defect> to measure it.")
    both = tqdm((good, dataset.test.images), desc="measuring", unit="set", disable=None)
    on_good, on_test = map(detector.predict, both)
    tau = detector.label_free_tau(good, on_good.anomaly_maps) if len(good) else None
    taus = {"printed_tau": detector.printed_tau, "tau_label_free": tau} | thresholds
    result = results.evaluate(detector.name, on_test, dataset.test, on_good, data=dataset.name, **taus)
    if keeps:
        write_json(run.folder / "results.json", result)
        calibration.write(run.folder, detector, on_good.anomaly_maps, tau, on_good.image_scores)
    return result


def figures(dataset: Dataset, run: runs.Run, out: str | Path) -> list[Path]:
    """Draws figures 3–7 and 9–14 and the picture of defects found into the folder `out`; returns the paths.

    For a detector other than the article's, they show the run's own τ and the anomaly map instead of a reconstruction.
    """
    note_other_data(dataset, run)
    images = dataset.test.images
    if run.model is None:
        own = calibration.read(run.folder, run.detector)
        return article_figures.write_all(out, dataset, run, run.detector.anomaly_maps(images), own=own)
    reconstructions = reconstruct(run.model, images)  # float32 [N, 3, 256, 256]
    return article_figures.write_all(out, dataset, run, residual(images, reconstructions), reconstructions)
