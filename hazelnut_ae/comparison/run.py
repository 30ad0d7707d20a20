"""`compare`: fits each system to the run's own training images and measures it as the run itself is measured.

What is computed is kept in RUN/comparison: the fitted system and its maps as safetensors, the place of an unfinished
fit as a checkpoint. A second call computes only what is missing, and returns the same numbers.
"""

import json
import time
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from hazelnut_ae import results, runs
from hazelnut_ae.comparison.common import AUGMENTATIONS, Checkpoint
from hazelnut_ae.comparison.figure import maps_figure, samples_figure
from hazelnut_ae.comparison.systems import SETTINGS, SYSTEMS, build
from hazelnut_ae.detection import AutoencoderDetector
from hazelnut_ae.figures import save
from hazelnut_ae.files import DataError, atomic_path
from hazelnut_ae.training import split_good


def compare(dataset, run_folder, systems=None, setting="quick", augment="turn", seed=None, device="cpu"):
    """Fits and evaluates `systems` (names of `SYSTEMS`, and "article" for the run itself; default all) on a `Dataset`.

    All of them learn from the images that the run learned from; the same held-out good images set their label-free τ.
    setting: "quick" or "paper"; augment: "turn", "upright" or "none" (see `common.augment`); seed: else the run's.
    Returns one dict per system, as `results.evaluate` makes it, with "setting", "augment", "fit_s" (None for the
    article, whose training was another command), "predict_s" (seconds for the test images) and "peak_gb" (the
    process's largest memory while it fitted and predicted; None where the operating system does not tell).
    Raises: DataError for an unknown name, a run made on other data, or a dictionary without ImageNet weights.
    """
    run_folder = Path(run_folder)
    systems = ["article", *SYSTEMS] if systems is None else list(systems)
    for name in systems:
        if name != "article" and name not in SYSTEMS:
            raise DataError(f"there is no comparison system {name!r}; choose from article, {', '.join(SYSTEMS)}.")
    if augment not in AUGMENTATIONS:
        raise DataError(f"there is no augmentation {augment!r}; choose from {', '.join(AUGMENTATIONS)}.")
    run = runs.load_run(run_folder) if "article" in systems or (run_folder / "config.json").is_file() else None
    if run is not None and run.config["data"] != dataset.fingerprint:
        raise DataError(f"the run in {run_folder} was trained on other images than {dataset.name}; name its own data.")
    if seed is None:
        seed = run.config["seed"] if run is not None else 0
    train_rows, held_out_rows = split_good(len(dataset.train), seed)
    good, held_out = dataset.train.images[train_rows], dataset.train.images[held_out_rows]

    measured = []
    for name in systems:
        if name == "article":
            found = _article(run, dataset.test.images, held_out)
        else:
            found = _fitted(run_folder, name, setting, augment, seed, device, dataset, good, held_out)
        result = results.evaluate(
            found["system"], found["maps"], dataset.test, found["held_out_maps"], name == "article"
        )
        result["data"] = dataset.name
        measured.append(result | {key: found[key] for key in ("setting", "augment", "fit_s", "predict_s", "peak_gb")})
    return measured


def _article(run, images, held_out):
    """The run's own maps, and what they took."""
    detector = AutoencoderDetector(run.model)
    reset_peak_memory()
    started = time.monotonic()
    maps = detector.anomaly_maps(images)
    predict_s = time.monotonic() - started
    return {
        "system": "article",
        "maps": maps,
        "held_out_maps": detector.anomaly_maps(held_out),
        "setting": run.config["preset"],
        "augment": ", ".join(run.config["augmentations"]),
        "fit_s": None,
        "predict_s": predict_s,
        "peak_gb": peak_memory_gb(),
    }


def _fitted(run_folder, name, setting, augment, seed, device, dataset, good, held_out):
    """One system's maps, from RUN/comparison where they are there, else computed and put there."""
    if setting not in SETTINGS:
        raise DataError(f"there is no setting {setting!r}; choose from {', '.join(SETTINGS)}.")
    folder = run_folder / "comparison"
    # the key names all that decides the weights; other data or other options are another fit, never mixed up
    wanted = {"data": dataset.fingerprint, "system": name, "seed": seed, "augment": augment, **SETTINGS[setting][name]}
    if name == "dictionary":
        wanted["augment"] = "none"
    checkpoint = None
    if name != "dictionary":  # fitted in minutes
        checkpoint = Checkpoint(folder / f"{name}.checkpoint.pt", json.dumps(wanted, sort_keys=True))
    detector = build(name, setting, augment, seed, device, checkpoint)
    key = json.dumps(wanted | {"name": detector.name}, sort_keys=True)

    reset_peak_memory()
    tensors, facts = read_tensors(folder / f"{name}.safetensors", key)
    if tensors is None:
        started = time.monotonic()
        detector.fit(good)
        facts = {"fit_s": checkpoint.seconds if checkpoint else time.monotonic() - started}
        tensors = detector.state()
        write_tensors(folder / f"{name}.safetensors", tensors, key, facts)
        if checkpoint:
            checkpoint.remove()
    detector.restore(tensors)
    key = json.dumps(
        {
            "weights": runs.digest_of(tensors),
            "data": dataset.fingerprint,
            "seed": seed,
            "search": wanted.get("search_steps"),
        }
    )
    maps, maps_facts = read_tensors(folder / f"{name}.maps.safetensors", key)
    if maps is None:
        started = time.monotonic()
        test_maps = detector.anomaly_maps(dataset.test.images)
        maps_facts = {"predict_s": time.monotonic() - started}
        maps = {"maps": torch.from_numpy(test_maps), "held_out_maps": torch.from_numpy(detector.anomaly_maps(held_out))}
        if name == "anogan":
            maps["samples"] = torch.from_numpy(detector.samples(16))
        maps_facts["peak_gb"] = peak_memory_gb()
        write_tensors(folder / f"{name}.maps.safetensors", maps, key, maps_facts)
    found = {name: tensor.numpy() for name, tensor in maps.items()}
    return found | facts | maps_facts | {"system": detector.name, "setting": setting, "augment": wanted["augment"]}


def figures(dataset, run_folder, rows=None, caption=""):
    """Draws what the last `compare` left in RUN/comparison: comparison_maps.png (rows: one image of each defect, or
    the test images numbered `rows`; columns: systems) and comparison_samples.png (what AnoGAN paints).

    Returns the paths written. Raises: DataError if there is nothing to draw.
    """
    folder = Path(run_folder) / "comparison"
    columns = {}
    if (Path(run_folder) / "model.safetensors").is_file():
        rows_of = _rows(dataset.test) if rows is None else list(rows)
        columns["article"] = AutoencoderDetector(runs.load_run(run_folder).model).anomaly_maps(
            dataset.test.images[rows_of]
        )
    rows = _rows(dataset.test) if rows is None else list(rows)
    written = []
    titles = {"ae-l2": "AE(L2)", "ae-ssim": "AE(SSIM)", "anogan": "AnoGAN", "dictionary": "feature dictionary"}
    for name in SYSTEMS:
        tensors, _ = read_tensors(folder / f"{name}.maps.safetensors")
        if tensors is None or len(tensors["maps"]) != len(dataset.test):
            continue
        columns[titles[name]] = tensors["maps"].numpy()[rows]
        if "samples" in tensors:
            picture = samples_figure(tensors["samples"].numpy(), caption)
            written.append(save(picture, folder, "comparison_samples"))
    if not columns:
        raise DataError(f"{folder} holds no anomaly maps of {dataset.name}; run hazelnut-ae compare first.")
    chosen = dataset.test.subset(rows)
    picture = maps_figure(chosen.images, chosen.masks, columns, chosen.defects, caption)
    return [save(picture, folder, "comparison_maps"), *written]


def _rows(test):
    """The first test image of each defect, and one good one."""
    return [test.defects.index(name) for name in [*test.defect_names, "good"] if name in test.defects]


def read_tensors(path, key=None):
    """({name: tensor}, facts) of a safetensors file, (None, {}) if there is none, it is damaged or has another key."""
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            if key is not None and about.get("key") != key:
                return None, {}
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(about["facts"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None, {}


def write_tensors(path, tensors, key, facts):
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={"key": key, "facts": json.dumps(facts)})


def reset_peak_memory():
    """Linux keeps the process's largest memory since this; elsewhere nothing happens."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def peak_memory_gb():
    """The process's largest resident memory since `reset_peak_memory`, in GB; None outside Linux."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e9
    except (OSError, StopIteration):
        return None


def comparison_table(measured):
    """One row per system, to print: what was run, at what length, and the numbers that all systems share."""
    import pandas as pd

    rows = []
    for one in measured:
        pixels, images = one["pixels"], one["images"]
        rows.append(
            {
                "system": one["system"],
                "setting": one["setting"],
                "pixel AUROC": _with_interval(pixels, "auroc"),
                "PRO": _with_interval(pixels, "pro"),
                "F1-max": _with_interval(pixels, "f1_max"),
                "F1 at the label-free τ": _with_interval(pixels, "f1_label_free"),
                "image AUROC": _with_interval(images, "auroc"),
                "fit": _seconds(one["fit_s"]),
                "predict": _seconds(one["predict_s"]),
                "peak GB": "" if one["peak_gb"] is None else f"{one['peak_gb']:.1f}",
            }
        )
    return pd.DataFrame(rows)


def _with_interval(block, key):
    value, interval = block.get(key), block.get("intervals", {}).get(key)
    if value is None:
        return ""
    return f"{value:.3f}" + (f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")


def _seconds(value):
    return "" if value is None else f"{value:.0f} s"
