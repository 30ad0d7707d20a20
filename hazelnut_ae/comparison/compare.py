"""`compare`: fits each system to the run's own training images and measures it as the run itself is measured.

What is computed is kept in RUN/comparison, under a name for each setting: the fitted system and its maps as
safetensors, the place of an unfinished fit as a checkpoint. A second call computes only what is missing, and returns
the same numbers.
"""

import json
import time
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from hazelnut_ae import results
from hazelnut_ae.comparison.common import AUGMENTATIONS, Checkpoint
from hazelnut_ae.comparison.systems import SETTINGS, SYSTEMS, build
from hazelnut_ae.detection import AutoencoderDetector
from hazelnut_ae.engine import memory, runs, workflow
from hazelnut_ae.engine.files import DataError, atomic_path
from hazelnut_ae.training import split_good

CODE = 3  # counts up with each change of a system's weights or maps: what is kept of an older one is not taken


def compare(dataset, run_folder, systems=None, setting="quick", augment=None, seed=None, device="cpu"):
    """Fits and evaluates `systems` (names of `SYSTEMS`, and "article" for the run itself; default all) on a `Dataset`.

    If the run was trained on this dataset, and with this seed, all of them learn from the images that it learned from,
    and the same held-out good images set their label-free τ.
    setting: "quick" or "paper"; augment: "turn", "upright" or "none" (see `common.augment`), by default "turn", or
    "upright" beside a run that was trained without rotation; seed: else the run's.
    Returns one dict per system, as `results.evaluate` makes it, with "setting", "augment", "fit_s" (None for the
    article, whose training was another command), "predict_s" (seconds for the test images) and "peak_gb" (the
    process's largest memory while it fitted and predicted, for the article while it predicted; None where the
    operating system does not tell).
    Raises: DataError for an unknown name, no test images, or a dictionary without ImageNet weights.
    """
    run_folder = Path(run_folder)
    systems = ["article", *SYSTEMS] if systems is None else list(systems)
    for name in systems:
        if name != "article" and name not in SYSTEMS:
            raise DataError(f"there is no comparison system {name!r}; choose from article, {', '.join(SYSTEMS)}.")
    if not len(dataset.test):
        raise DataError(f"{dataset.name} has no test images; put some into test/good and test/<defect> to compare on.")
    run = run_of(run_folder, required="article" in systems)
    if run is not None:
        workflow.note_other_data(dataset, run)
    options = dict(setting=setting, device=device) | as_the_run(run, augment, seed)

    if "dictionary" in systems:
        build("dictionary", setting, device=device)  # that its weights cannot be had is better known before long fits
    measured = []
    for name in systems:
        if name == "article":
            found = article(dataset, run)
        else:
            found = predict(dataset, run_folder / "comparison", name, **options)
        measured.append(measure(dataset, found))
    return measured


def as_the_run(run, augment=None, seed=None):
    """{"augment", "seed"} as given, else as a `Run` (or None) was trained: without rotation means "upright"."""
    config = run.config if run is not None else {}
    turned = "rotation" in config.get("augmentations", ["rotation"])
    return {
        "augment": augment or ("turn" if turned else "upright"),
        "seed": config.get("seed", 0) if seed is None else seed,
    }


def run_of(run_folder, required=True):
    """The `Run` in a folder; None where there is none and none is required. Raises: DataError as `runs.load_run`."""
    return runs.load_run(run_folder) if required or (Path(run_folder) / "config.json").is_file() else None


def measure(dataset, found):
    """The result of `results.evaluate` on what `predict` or `article` found, with what was run and what it took."""
    printed = found["system"] == "article"
    maps, held_out_maps = found["maps"], found["held_out_maps"]
    result = results.evaluate(found["system"], maps, dataset.test, held_out_maps, printed, dataset.name)
    return result | {key: found.get(key) for key in ("setting", "augment", "fit_s", "predict_s", "peak_gb")}


def article(dataset, run):
    """The run's own maps, and what they took."""
    detector = AutoencoderDetector(run.model)
    memory.forget_largest_memory()
    started = time.monotonic()
    maps = detector.anomaly_maps(dataset.test.images)
    predict_s = time.monotonic() - started
    return {
        "system": "article",
        "maps": maps,
        "held_out_maps": detector.anomaly_maps(workflow.held_out(dataset, run)),
        "setting": run.config["preset"],
        "augment": ", ".join(run.config["augmentations"]),
        "fit_s": None,
        "predict_s": predict_s,
        "peak_gb": memory.memory_gb(),
    }


def fit(dataset, folder, name, setting="quick", augment="turn", seed=0, device="cpu"):
    """One system fitted to the dataset's good images less the held-out ones: (detector, {"fit_s": …, "augment": …}).

    Taken from `folder` where it is there, gone on with where it is half there, else fitted and put there.
    """
    if setting not in SETTINGS:
        raise DataError(f"there is no setting {setting!r}; choose from {', '.join(SETTINGS)}.")
    if augment not in AUGMENTATIONS:
        raise DataError(f"there is no augmentation {augment!r}; choose from {', '.join(AUGMENTATIONS)}.")
    trained = name != "dictionary"  # the dictionary's features come trained
    augment = augment if trained else "none"
    path, checkpoint = file_of(folder, name, setting, augment, seed), None
    # the key names all that decides the weights; other data or other options are another fit, never mixed up
    wanted = {
        "code": CODE,
        "data": dataset.fingerprint,
        "system": name,
        "seed": seed,
        "augment": augment,
        **SETTINGS[setting][name],
    }
    if trained:
        checkpoint = Checkpoint(path.with_suffix(".checkpoint.pt"), json.dumps(wanted, sort_keys=True))
    detector = build(name, setting, augment, seed, device, checkpoint)
    key = json.dumps(wanted | {"name": detector.name}, sort_keys=True)
    memory.keep_memory()
    memory.forget_largest_memory()
    tensors, facts = read_tensors(path, key)
    if tensors is None:
        train_rows, _ = split_good(len(dataset.train), seed)
        started = time.monotonic()
        detector.fit(dataset.train.images[train_rows])
        facts = {"fit_s": checkpoint.seconds if checkpoint else time.monotonic() - started}
        facts["peak_gb"] = memory.memory_gb()
        tensors = detector.state()
        write_tensors(path, tensors, key, facts)
        if checkpoint:
            checkpoint.remove()
    detector.restore(tensors)
    return detector, facts | {"setting": setting, "augment": augment}


def file_of(folder, name, setting, augment, seed):
    """Where a fitted system is kept: a quick fit must not take the place of one that took days."""
    return Path(folder) / f"{name}-{setting}-{augment}-{seed}.safetensors"


def predict(dataset, folder, name, **options):
    """One system's "maps" of the test images and "held_out_maps", float32 [N, H, W], with `fit`'s facts and its own.

    `options` are those of `fit`. Taken from `folder` where they are there, else computed and put there.
    """
    detector, facts = fit(dataset, folder, name, **options)
    seed = options.get("seed", 0)
    path = file_of(folder, name, facts["setting"], facts["augment"], seed).with_suffix(".maps.safetensors")
    about = {"code": CODE, "weights": runs.digest_of(detector.state()), "data": dataset.fingerprint, "seed": seed}
    key = json.dumps(about | {"search": getattr(detector, "search_steps", None)})
    maps, maps_facts = read_tensors(path, key)
    if maps is None:
        _, held_out_rows = split_good(len(dataset.train), seed)
        started = time.monotonic()
        test_maps = detector.anomaly_maps(dataset.test.images)
        maps_facts = {"predict_s": time.monotonic() - started}
        held_out_maps = detector.anomaly_maps(dataset.train.images[held_out_rows])
        maps = {"maps": torch.from_numpy(test_maps), "held_out_maps": torch.from_numpy(held_out_maps)}
        peaks = [peak for peak in (facts.get("peak_gb"), memory.memory_gb()) if peak is not None]
        maps_facts["peak_gb"] = max(peaks, default=None)
        write_tensors(path, maps, key, maps_facts)
    return {part: maps[part].numpy() for part in maps} | facts | maps_facts | {"system": detector.name}


def read_tensors(path, key):
    """({name: tensor}, facts) of a safetensors file, (None, {}) if there is none, it is damaged or has another key."""
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            if about.get("key") != key:
                return None, {}
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(about["facts"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None, {}


def write_tensors(path, tensors, key, facts):
    """Writes tensors atomically, with the key that says what they are and the facts measured beside them."""
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={"key": key, "facts": json.dumps(facts)})
