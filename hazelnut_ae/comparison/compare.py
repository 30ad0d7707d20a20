"""`compare`: fits each system to the training images of a run, and measures system and run in the same way.

RUN/comparison stores the fitted systems and their maps. A second call computes only what is missing.
"""

import json
import time
from functools import partial
from pathlib import Path

import torch
from filelock import FileLock

from hazelnut_ae import results
from hazelnut_ae.augmentation import ALL_AUGMENTATIONS, AUGMENTATION_PRESETS
from hazelnut_ae.comparison.autoencoders import TURN
from hazelnut_ae.comparison.systems import ALL_SYSTEMS, SYSTEMS, new_detector, options_of
from hazelnut_ae.detection import Prediction
from hazelnut_ae.engine import run_data, runs
from hazelnut_ae.engine.checkpoints import digest_of, read_tensors, write_tensors
from hazelnut_ae.errors import DataError
from hazelnut_ae.training import split_good

RUN = "article"  # the name of the run itself, for any detector
VERSION = 5  # increase it when weights or maps change: older files are then computed again


def compare(dataset, run_folder, systems=None, setting="quick", augment=None, device="cpu"):
    """Fits systems to a data set, with the same split as the run, and evaluates them.

    Args:
        dataset: a `Dataset` with test images.
        run_folder: the folder of the run; the results are stored in it.
        systems: names of `ALL_SYSTEMS`, and "article" for the run itself; None: the run and the four of the article.
        setting: "paper", "quick" or "tiny".
        augment: some of `augmentation.ALL_AUGMENTATIONS`; None: rotation, flip and shift, or only shift if the run was
            trained without rotation.
        device: a torch device.

    Returns:
        A dict for each system, of `results.evaluate`, with "setting", "augment", "fit_s" (None for the run)
        and "predict_s" (seconds for the test images).

    Raises:
        DataError: a name is unknown, or test images or ImageNet weights are missing.
    """
    if not len(dataset.test):
        raise DataError(f"{dataset.name} has no test images; put some into test/good and test/<defect> to compare on.")
    makers = predictions(dataset, run_folder, systems, setting, augment, device)
    return [evaluate(dataset, make()) for make in makers.values()]


def predictions(dataset, run_folder, systems=None, setting="quick", augment=None, device="cpu"):
    """Returns {name: function that calls `predict`}; checks everything first; arguments as for `compare`."""
    systems = [RUN, *SYSTEMS] if systems is None else list(systems)
    folder, run = Path(run_folder) / "comparison", run_of(run_folder, required=RUN in systems)
    options = {"setting": setting, "device": device} | as_the_run(run, augment)
    for name in systems:
        if name != RUN and options_of(name, setting) is not None and not ALL_SYSTEMS[name].trained:
            new_detector(name, setting)  # reports missing ImageNet weights before the first fit
    if run is not None:
        run_data.note_other_data(dataset, run)
    makers = {name: partial(predict, dataset, folder, name, **options) for name in ALL_SYSTEMS}
    makers[RUN] = partial(article, dataset, run)
    return {name: makers[name] for name in systems}


def as_the_run(run, augment=None):
    """Returns {"augment", "seed"} as `run` (or None) was trained; augment: replaces its own. DataError if unknown."""
    config = run.config if run is not None else {}
    turned = "rotation" in config.get("augmentations", ["rotation"])
    augment = AUGMENTATION_PRESETS["turn" if turned else "upright"] if augment is None else augment
    if unknown := ", ".join(sorted(set(augment) - set(ALL_AUGMENTATIONS))):
        raise DataError(f"there is no augmentation {unknown}; choose from {', '.join(ALL_AUGMENTATIONS)}.")
    return {"augment": tuple(augment), "seed": config.get("seed", 0)}


def run_of(run_folder, required=True):
    """Returns the `Run` in a folder, or None if it has none and none is required. Raises DataError as `load_run`."""
    return runs.load_run(run_folder) if required or (Path(run_folder) / "config.json").is_file() else None


def evaluate(dataset, found):
    """Measures what `predict` or `article` returned: the dict of `compare`."""
    on_test = Prediction(found["maps"], found["scores"])
    on_good = Prediction(found["held_out_maps"], found["held_out_scores"])
    tau = {"printed_tau": found["printed_tau"], "tau_label_free": found["tau_label_free"]}
    facts = {key: found[key] for key in ("setting", "augment", "fit_s", "predict_s")}
    return results.evaluate(found["system"], on_test, dataset.test, on_good, data=dataset.name, **tau) | facts


def article(dataset, run):
    """Returns the run's own maps, as `predict` does."""
    arrays, facts = maps_of(run.detector, dataset, run_data.held_out(dataset, run))
    augment = ", ".join(run.config.get("augmentations", ()))
    facts |= {"setting": run.config["preset"], "augment": augment, "fit_s": None}
    return arrays | facts | {"system": run.detector.name, "printed_tau": run.detector.printed_tau}


def maps_of(detector, dataset, good):
    """Returns a detector's arrays and facts for the test images and held-out good images: ({name: array}, {…})."""
    started = time.monotonic()
    on_test = detector.predict(dataset.test.images)
    seconds, on_good = time.monotonic() - started, detector.predict(good)
    tau = detector.label_free_tau(good, on_good.anomaly_maps)
    arrays = {"maps": on_test.anomaly_maps, "scores": on_test.image_scores}
    arrays |= {"held_out_maps": on_good.anomaly_maps, "held_out_scores": on_good.image_scores}
    return arrays, {"tau_label_free": tau, "predict_s": seconds}


def fit(dataset, folder, name, setting="quick", augment=TURN, seed=0, device="cpu"):
    """Fits a system to the good images that are not held out, or loads it from `folder`; arguments as for `compare`.

    Returns the detector and {"fit_s", "setting", "augment"}. A lock lets only one process fit a system.
    """
    augment = tuple(augment) if ALL_SYSTEMS[name].trained else ()
    path = file_of(folder, name, setting, augment, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    # the key contains everything that decides the weights
    key = {"code": VERSION, "data": dataset.fingerprint, "system": name, "seed": seed, "augment": short_name(augment)}
    key |= options_of(name, setting)
    detector = new_detector(name, setting, seed, device, augment)
    with FileLock(path.with_suffix(".lock")):
        tensors, facts = read_tensors(path, named := json.dumps(key | {"name": detector.name}, sort_keys=True))
        if tensors is None:
            started = time.monotonic()
            detector.fit(dataset.train.images[split_good(len(dataset.train), seed)[0]])
            facts, tensors = {"fit_s": time.monotonic() - started}, detector.state()
            write_tensors(path, tensors, named, facts)
    detector.restore(tensors)
    return detector, facts | {"setting": setting, "augment": ", ".join(augment)}


def short_name(augment):
    """Returns a name for these augmentations, for file names: "turn", "upright", "none" or a+b."""
    words = {frozenset(names): word for word, names in AUGMENTATION_PRESETS.items()}
    return words.get(frozenset(augment), "+".join(augment))


def file_of(folder, name, setting, augment, seed):
    """Returns the file of a fitted system in a setting."""
    return Path(folder) / f"{name}-{setting}-{short_name(augment)}-{seed}.safetensors"


def predict(dataset, folder, name, setting="quick", augment=TURN, seed=0, device="cpu"):
    """Computes a system's maps and scores, or loads them from `folder`; arguments as for `fit`.

    Returns:
        A dict with "maps" and "held_out_maps", float32, shape (N, H, W), "scores" and "held_out_scores", float64, shape
        (N,), the facts of `fit`, "tau_label_free", "predict_s", "system" and "printed_tau".
    """
    detector, facts = fit(dataset, folder, name, setting, augment, seed, device)
    trained_with = augment if ALL_SYSTEMS[name].trained else ()
    path = file_of(folder, name, setting, trained_with, seed).with_suffix(".maps.safetensors")
    key = {"code": VERSION, "weights": digest_of(detector.state()), "data": dataset.fingerprint, "seed": seed}
    key = json.dumps(key | options_of(name, setting), sort_keys=True)
    arrays, maps_facts = read_tensors(path, key)
    if arrays is None:
        good = dataset.train.images[split_good(len(dataset.train), seed)[1]]
        arrays, maps_facts = maps_of(detector, dataset, good)
        arrays = {part: torch.from_numpy(one) for part, one in arrays.items()}
        write_tensors(path, arrays, key, maps_facts)
    about = {"system": detector.name, "printed_tau": detector.printed_tau}
    return {part: one.numpy() for part, one in arrays.items()} | facts | maps_facts | about
