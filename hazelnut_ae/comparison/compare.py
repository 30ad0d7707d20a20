"""`compare`: fits each system to the run's own training images and measures it as the run itself is measured.

What is computed is kept in RUN/comparison, under a name for each setting: the fitted system and its maps as
safetensors, the place of an unfinished fit as a checkpoint. A second call computes only what is missing, and returns
the same numbers.
"""

import json
import time
from functools import partial
from pathlib import Path

import torch
from filelock import FileLock

from hazelnut_ae import results
from hazelnut_ae.augmentation import ALL_AUGMENTATIONS, AUGMENTATION_PRESETS
from hazelnut_ae.comparison.systems import EVERY, SYSTEMS, new_detector, options_of
from hazelnut_ae.detection import Prediction
from hazelnut_ae.engine import memory, run_data, runs
from hazelnut_ae.engine.checkpoints import Checkpoint, digest_of, read_tensors, write_tensors
from hazelnut_ae.errors import DataError
from hazelnut_ae.training import split_good

OWN = "article"  # how the run itself is named, whatever it holds: it was trained by another command
CODE = 5  # counts up with each change of a system's weights or maps: what is kept of an older one is not taken


def compare(dataset, run_folder, systems=None, setting="quick", augment=None, seed=None, device="cpu"):
    """Fits and evaluates `systems` (names of `EVERY`, and "article" for the run itself) on a `Dataset`.

    By default the run itself and the article's four, `SYSTEMS`.

    If the run was trained on this dataset, and with this seed, all of them learn from the images that it learned from,
    and the same held-out good images set their label-free τ.
    setting: "quick" or "paper"; augment: some of `augmentation.ALL_AUGMENTATIONS`, by default rotation, flip and
    shift, or shift alone beside a run that was trained without rotation; seed: else the run's.
    Returns one dict per system, as `results.evaluate` makes it, with "setting", "augment", "fit_s" (None for the
    article, whose training was another command), "predict_s" (seconds for the test images) and "peak_gb" (the
    process's largest memory while it fitted and predicted, for the article while it predicted; None where the
    operating system does not tell).
    Raises: DataError for an unknown name, no test images, or a dictionary without ImageNet weights.
    """
    if not len(dataset.test):
        raise DataError(f"{dataset.name} has no test images; put some into test/good and test/<defect> to compare on.")
    found = found_by(dataset, run_folder, systems, setting=setting, augment=augment, seed=seed, device=device)
    return [evaluate(dataset, one()) for one in found.values()]


def found_by(dataset, run_folder, systems=None, augment=None, seed=None, **options):
    """{name: a function that finds its maps}, as `predict` does; arguments are those of `compare`.

    What can be refused is refused here, before the first long fit.
    """
    run_folder = Path(run_folder)
    systems = [OWN, *SYSTEMS] if systems is None else list(systems)
    for name in systems:
        if name != OWN:
            options_of(name, options.get("setting", "quick"))
    run = run_of(run_folder, required=OWN in systems)
    options |= as_the_run(run, augment, seed)
    check_kinds(options["augment"])
    for name in systems:
        if name != OWN and not EVERY[name].trained:
            new_detector(name, options.get("setting", "quick"))  # weights that cannot be had are better missed now
    if run is not None:
        run_data.note_other_data(dataset, run)
    makers = {name: partial(predict, dataset, run_folder / "comparison", name, **options) for name in EVERY}
    makers[OWN] = partial(article, dataset, run)
    return {name: makers[name] for name in systems}


def as_the_run(run, augment=None, seed=None):
    """{"augment", "seed"} as given, else as a `Run` (or None) was trained: without rotation, images are only moved."""
    config = run.config if run is not None else {}
    turned = "rotation" in config.get("augmentations", ["rotation"])
    if augment is None:
        augment = AUGMENTATION_PRESETS["turn"] if turned else AUGMENTATION_PRESETS["upright"]
    return {"augment": tuple(augment), "seed": config.get("seed", 0) if seed is None else seed}


def check_kinds(kinds):
    """Raises: DataError for a kind of augmentation that does not exist."""
    if unknown := set(kinds) - set(ALL_AUGMENTATIONS):
        raise DataError(
            f"there is no augmentation {', '.join(sorted(unknown))}; choose from {', '.join(ALL_AUGMENTATIONS)}."
        )


def run_of(run_folder, required=True):
    """The `Run` in a folder; None where there is none and none is required. Raises: DataError as `runs.load_run`."""
    return runs.load_run(run_folder) if required or (Path(run_folder) / "config.json").is_file() else None


def evaluate(dataset, found):
    """The result of `results.evaluate` on what `predict` or `article` found, with what was run and what it took."""
    result = results.evaluate(
        found["system"],
        Prediction(found["maps"], found["scores"]),
        dataset.test,
        Prediction(found["held_out_maps"], found["held_out_scores"]),
        found.get("printed_tau"),
        found["tau_label_free"],
        dataset.name,
    )
    return result | {key: found.get(key) for key in ("setting", "augment", "fit_s", "predict_s", "peak_gb")}


def article(dataset, run):
    """The run's own maps, and what they took."""
    detector = run.detector
    memory.forget_largest_memory()
    started = time.monotonic()
    on_test = detector.predict(dataset.test.images)
    predict_s = time.monotonic() - started
    good = run_data.held_out(dataset, run)
    on_good = detector.predict(good)
    return {
        "system": detector.name,
        "printed_tau": detector.printed_tau,
        "maps": on_test.anomaly_maps,
        "held_out_maps": on_good.anomaly_maps,
        "scores": on_test.image_scores,
        "held_out_scores": on_good.image_scores,
        "tau_label_free": detector.label_free_tau(good, on_good.anomaly_maps),
        "setting": run.config["preset"],
        "augment": ", ".join(run.config.get("augmentations", ())),
        "fit_s": None,
        "predict_s": predict_s,
        "peak_gb": memory.memory_gb(),
    }


def fit(dataset, folder, name, setting="quick", augment=AUGMENTATION_PRESETS["turn"], seed=0, device="cpu"):
    """One system fitted to the dataset's good images less the held-out ones: (detector, {"fit_s": …, "augment": …}).

    Taken from `folder` where it is there, gone on with where it is half there, else fitted and put there, by one
    process at a time: another that wants the same waits and takes it.
    """
    check_kinds(augment)
    augment = tuple(augment) if EVERY[name].trained else ()
    path = file_of(folder, name, setting, augment, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        return _fit(dataset, path, name, setting, augment, seed, device)


def _fit(dataset, path, name, setting, augment, seed, device):
    checkpoint = None
    # the key names all that decides the weights; other data or other options are another fit, never mixed up
    wanted = {"code": CODE, "data": dataset.fingerprint, "system": name, "seed": seed, "augment": short_name(augment)}
    wanted |= options_of(name, setting)
    if EVERY[name].trained:
        checkpoint = Checkpoint(path.with_suffix(".checkpoint.pt"), json.dumps(wanted, sort_keys=True))
    detector = new_detector(name, setting, seed, device, augment=augment, checkpoint=checkpoint)
    key = json.dumps(wanted | {"name": detector.name}, sort_keys=True)
    tensors, facts = read_tensors(path, key)
    if tensors is None:
        train_rows, _ = split_good(len(dataset.train), seed)
        memory.forget_largest_memory()
        started = time.monotonic()
        with memory.kept():
            detector.fit(dataset.train.images[train_rows])
        facts = {"fit_s": checkpoint.seconds if checkpoint else time.monotonic() - started}
        facts["peak_gb"] = memory.memory_gb()
        tensors = detector.state()
        write_tensors(path, tensors, key, facts)
        if checkpoint:
            checkpoint.remove()
    detector.restore(tensors)
    return detector, facts | {"setting": setting, "augment": ", ".join(augment)}


def short_name(kinds):
    """One word for these kinds of augmentation, as it stands in file names: "turn", "upright", "none" or a+b."""
    return next((word for word, meaning in AUGMENTATION_PRESETS.items() if set(meaning) == set(kinds)), "+".join(kinds))


def file_of(folder, name, setting, augment, seed):
    """Where a fitted system is kept: a quick fit must not take the place of one that took days."""
    return Path(folder) / f"{name}-{setting}-{short_name(augment)}-{seed}.safetensors"


def predict(dataset, folder, name, setting="quick", augment=AUGMENTATION_PRESETS["turn"], seed=0, device="cpu"):
    """One system's "maps" of the test images and "held_out_maps", float32 [N, H, W], the images' "scores" and
    "held_out_scores", float64 [N], with `fit`'s facts and its own.

    Taken from `folder` where they are there, else computed and put there.
    """
    detector, facts = fit(dataset, folder, name, setting, augment, seed, device)
    kinds = augment if EVERY[name].trained else ()
    path = file_of(folder, name, setting, kinds, seed).with_suffix(".maps.safetensors")
    about = {"code": CODE, "weights": digest_of(detector.state()), "data": dataset.fingerprint, "seed": seed}
    key = json.dumps(about | {"search": getattr(detector, "search_steps", None)})
    maps, maps_facts = read_tensors(path, key)
    if maps is None:
        _, held_out_rows = split_good(len(dataset.train), seed)
        memory.forget_largest_memory()
        started = time.monotonic()
        with memory.kept():
            found = detector.predict(dataset.test.images)
            maps = {"maps": found.anomaly_maps, "scores": found.image_scores}
            maps_facts = {"predict_s": time.monotonic() - started}
            good = dataset.train.images[held_out_rows]
            found = detector.predict(good)
            maps |= {"held_out_maps": found.anomaly_maps, "held_out_scores": found.image_scores}
            maps_facts["tau_label_free"] = detector.label_free_tau(good, found.anomaly_maps)
        maps = {part: torch.from_numpy(one) for part, one in maps.items()}
        peaks = [peak for peak in (facts.get("peak_gb"), memory.memory_gb()) if peak is not None]
        maps_facts["peak_gb"] = max(peaks, default=None)
        write_tensors(path, maps, key, maps_facts)
    about = {"system": detector.name, "printed_tau": detector.printed_tau}
    return {part: maps[part].numpy() for part in maps} | facts | maps_facts | about
