"""From a data folder and a run to numbers and pictures: what `evaluate` and `figures` do."""

from hazelnut_ae import results, shipped
from hazelnut_ae.detection import reconstruct, residual
from hazelnut_ae.engine import calibration, runs
from hazelnut_ae.engine.run_data import both_synthetic, caption, held_out, note_other_data
from hazelnut_ae.errors import DataError
from hazelnut_ae.inference import article_figures


def evaluate(dataset, run):
    """Measures a run on the test images of a dataset: the dict of `evaluate --json`, also left as results.json.

    A run may be measured on other images than it learnt from, with a note. Raises: DataError without test images.
    """
    if not len(dataset.test):
        raise DataError(
            f"{dataset.name} has no test images; put some into test/good and test/<defect> to measure a run."
        )
    same = note_other_data(dataset, run)
    detector = run.detector
    good = held_out(dataset, run)
    on_good, on_test = detector.predict(good), detector.predict(dataset.test.images)
    tau = detector.label_free_tau(good, on_good.anomaly_maps) if len(good) else None
    result = results.evaluate(
        detector.name, on_test, dataset.test, on_good, detector.printed_tau, tau_label_free=tau, data=dataset.name
    )
    if same and shipped.FOLDER not in run.folder.parents:
        runs.write_json(run.folder / "results.json", result)
        calibration.write(run.folder, detector, on_good.anomaly_maps, tau, on_good.image_scores)
    return result


def figures(dataset, run, out):
    """Draws figures 3–7 and 9–14 and the picture of defects found into the folder `out`; returns the paths.

    A detector without the printed τ is shown at the run's own, one that reconstructs nothing with its anomaly map, and
    one that learns no step by step without loss and F1 by epoch.
    """
    same = note_other_data(dataset, run)
    test, detector = dataset.test, run.detector
    if run.model is not None:
        reconstructions = reconstruct(run.model, test.images)  # float32 [N, 3, 256, 256]
        maps = residual(test.images, reconstructions)  # float32 [N, 256, 256]
        tau, scale = {name: detector.printed_tau(name) for name in test.defect_names}, {}
    else:
        reconstructions, maps = None, detector.anomaly_maps(test.images)
        own = calibration.read(run.folder, detector)
        tau = dict.fromkeys(test.defect_names, own.tau)
        scale = {"levels": (own.tau / 2, own.tau, own.tau * 2), "floor": own.typical}
    f1 = run.f1 if same or both_synthetic(dataset, run) else {}
    return article_figures.write_all(
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
