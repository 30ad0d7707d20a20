"""The run folder: its files, writing and reading them.

config.json (the settings), checkpoint.pt and checkpoint.previous.pt (what --resume needs), history.csv (step, epoch,
loss, and once per epoch held_out_loss), f1.csv (epoch, one column per defect), model.safetensors (the weights),
thresholds.json (`calibration`), results.json, graph.safetensors (the detector for onnxruntime). A memory bank has no
checkpoint, history or F1.
"""

import contextlib
import csv
import json
import math
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from platform import python_version

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file

import hazelnut_ae
from hazelnut_ae import shipped
from hazelnut_ae.dataset import SIZE, WHITE
from hazelnut_ae.detection import AutoencoderDetector, Detector
from hazelnut_ae.engine.checkpoints import digest_of, read_tensors, write_tensors
from hazelnut_ae.engine.detectors import DETECTORS
from hazelnut_ae.errors import DataError
from hazelnut_ae.graph import Graph, onnx_bytes
from hazelnut_ae.io import cache
from hazelnut_ae.io.files import DAMAGE, atomic_path, first_line, read_json

FORMAT = 1  # of checkpoint.pt
GRAPH = 3  # of graph.safetensors; increase it when the same weights give another graph
OLDER = {"detector": "article", "one_cycle": False, "augment_online": False}  # for config.json of older versions


@dataclass
class Run:
    """A run, as read from its folder."""

    folder: Path
    config: dict  # the content of config.json
    history: list[tuple[int, int, float]] = field(default_factory=list)  # (step, epoch, loss) of each step
    held_out: list[tuple[int, float]] = field(default_factory=list)  # (step, loss of held-out images); older runs: none
    f1: dict[str, list[tuple[int, float | None]]] = field(default_factory=dict)  # {defect: [(epoch, F1 or None), …]}
    detector: Detector | None = None  # trained

    @property
    def model(self):
        """The article's network in eval mode; None for another detector."""
        return self.detector.model if isinstance(self.detector, AutoencoderDetector) else None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels at which it reads images."""
        return self.config["height"], self.config["width"]

    @property
    def caption(self) -> str:
        """The run in a few words, for captions."""
        return detector_type(self.config).caption(self)


def detector_type(config):
    """Returns the `DetectorType` of a run. Raises ValueError if this version has no such detector."""
    name = config.get("detector", OLDER["detector"])
    if not isinstance(name, str) or name not in DETECTORS:
        raise ValueError(f"config.json has {name!r} as its detector")
    return DETECTORS[name]


def make_config(detector, preset, dataset, seed, settings):
    """Returns the content of config.json. detector: a name in `DETECTORS`; settings: a dict of this detector's own."""
    height, width = dataset.train.images.shape[2:]
    versions = {"hazelnut_ae": hazelnut_ae.__version__, "torch": str(torch.__version__), "python": python_version()}
    config = {"format": FORMAT, "detector": detector, "preset": preset.name, "data_name": dataset.name}
    config |= {"data": dataset.fingerprint, "white": dataset.white or WHITE, "height": height, "width": width}
    return config | {"seed": seed, **settings, "versions": versions}


def refuse_other_run(folder, old, new):
    """Raises DataError, which names the difference, if `old` is the config of another run than `new`."""
    old = OLDER | {"augment_online": old.get("fresh", False)} | old  # "fresh" in older versions
    for key in ("detector", "data", *detector_type(new).must_agree, "format"):
        if old.get(key) != new[key]:
            what = {"data": "other images", "format": "another version of hazelnut_ae"}
            what = what.get(key, f"{key} {old.get(key)!r}, not {new[key]!r}")
            raise DataError(
                f"{folder} holds a run of {what}; choose another --run folder, or the same data and options."
            )


def open_folder(folder, config, resume):
    """Returns the config of the run in a folder, None if there is none. Raises DataError if it cannot be resumed."""
    if not os.path.exists(folder / "config.json"):
        return None
    old = read_json(folder / "config.json", "remove the folder, or choose another --run folder.")
    if not resume:
        raise DataError(f"{folder} already holds a run; add --resume to continue it, or choose another --run folder.")
    refuse_other_run(folder, old, config)
    return old


def write_run(folder, progress, steps_per_epoch, model):
    """Writes history.csv, f1.csv and model.safetensors from a `trainer.Progress` and the network."""
    held_out = {step: f"{loss:.6g}" for step, loss in progress.held_out}
    rows = [[step, 1 + (step - 1) // steps_per_epoch, f"{loss:.6g}", held_out.get(step, "")]
            for step, loss in enumerate(progress.losses, start=1)]  # fmt: skip
    write_csv(folder / "history.csv", ["step", "epoch", "loss", "held_out_loss"], rows)
    names = sorted({name for _, f1 in progress.f1 for name in f1})
    rows = [
        [epoch, *[f"{f1.get(name, math.nan):.6g}".replace("nan", "") for name in names]] for epoch, f1 in progress.f1
    ]
    write_csv(folder / "f1.csv", ["epoch", *names], rows)
    write_weights(folder, model.state_dict())


def write_csv(path, header, rows):
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def write_weights(folder, state):
    """Writes model.safetensors atomically: the state of a detector, {name: tensor}."""
    with atomic_path(folder / "model.safetensors") as temporary:
        # in the usual memory layout; channels_last is only for speed
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, temporary)


def load_run(folder: str | Path) -> Run:
    """Reads a run folder. Raises DataError if it holds no run or a file is damaged."""
    folder = Path(folder)
    remedy = "remove it and train again with hazelnut-ae train, or name another run."
    if not all(os.path.isfile(folder / name) for name in ("config.json", "model.safetensors")):
        raise DataError(f"{folder} holds no finished run; train one (--resume finishes it), or name another folder.")
    config = read_json(folder / "config.json", remedy)
    try:
        weights = load((folder / "model.safetensors").read_bytes())  # not mapped, so that Windows can replace the file
        check_settings(config)
        type_ = detector_type(config)
        detector = type_.build(config, weights)
        history = read_history(folder) if type_.learns_in_steps else {}
    except (*DAMAGE, csv.Error, SafetensorError) as error:
        raise DataError(f"The run in {folder} is damaged ({first_line(error)}); {remedy}") from error
    detector.graph = Graph(partial(read_graph, folder, config, detector))
    return Run(folder, config, detector=detector, **history)


def read_graph(folder, config, detector, size):
    """Returns a detector's ONNX graph for images of this size; makes it anew if the file is missing, stale or damaged.

    It is stored in the run folder, else (read-only, or part of the package) in the cache, else not at all.
    """
    inputs = {"weights": digest_of(detector.state()), "size": list(size)}
    inputs |= {key: config[key] for key in detector_type(config).settings}
    places = [folder / "graph.safetensors", cache.entry("graphs", GRAPH, **inputs).with_suffix(".safetensors")]
    places, key = places[shipped.FOLDER.resolve() in folder.resolve().parents :], json.dumps([GRAPH, inputs])
    for place in filter(os.path.isfile, places):
        stored, digest = read_tensors(place, key)
        if stored is not None and digest == digest_of(stored):
            return stored["graph"].numpy().tobytes()
    content = onnx_bytes(detector.onnx_module(), size, detector.outputs)
    stored = {"graph": torch.frombuffer(bytearray(content), dtype=torch.uint8)}
    for place in places:
        with contextlib.suppress(DataError):
            write_tensors(place, stored, key, digest_of(stored))
            break
    return content


def check_settings(config):
    """Raises ValueError if a setting is missing or has the wrong type."""
    types = {"preset": str, "data_name": str, "data": str, "seed": int, "white": int, "height": int, "width": int}
    config.update({"white": WHITE, "height": SIZE, "width": SIZE} | config)  # older runs have none
    for key, wanted in (types | detector_type(config).settings).items():
        if (value := config.get(key)) is None:
            raise ValueError(f"config.json has no {key}; another version may have written it")
        most = 20_000 if key in ("height", "width") else math.inf  # before memory is allocated
        if type(value) is not wanted or (wanted is not str and not 0 <= value < most):
            raise ValueError(f"config.json has {value!r} as its {key}")


def read_history(folder):
    """Returns `history`, `held_out` and `f1` of a `Run` as a dict. Raises ValueError for a damaged file."""
    rows = read_csv(folder / "history.csv")
    if not rows:
        raise ValueError("history.csv is cut short")
    history = [(int(row["step"]), int(row["epoch"]), float(row["loss"])) for row in rows]
    held_out = [(int(row["step"]), float(row["held_out_loss"])) for row in rows if row.get("held_out_loss")]
    f1 = {}
    for row in read_csv(folder / "f1.csv"):
        epoch = int(row.pop("epoch"))
        for name, value in row.items():
            f1.setdefault(name, []).append((epoch, float(value) if value else None))
    return {"history": history, "held_out": held_out, "f1": f1}


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    if any(None in row.values() for row in rows):
        raise ValueError(f"{path.name} is cut short")
    return rows
