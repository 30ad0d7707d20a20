"""The run folder: what training leaves on the disk, written so that a kill at any moment leaves a run that resumes.

config.json (what was asked for), checkpoint.pt (everything that resume needs) and checkpoint.previous.pt,
history.csv (step, epoch, loss, and once an epoch held_out_loss), f1.csv (epoch, one column per defect),
model.safetensors (what the detector has learnt), thresholds.json (see `calibration`), results.json. A detector that
does not learn step by step leaves neither checkpoint nor history (`kinds`).
"""

import csv
import math
import os
import platform
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file

import hazelnut_ae
from hazelnut_ae.detection import AutoencoderDetector, Detector
from hazelnut_ae.engine.detectors import KINDS
from hazelnut_ae.errors import DataError
from hazelnut_ae.io.files import atomic_path, first_line, read_json, write_json  # noqa: F401

FORMAT = 1  # of checkpoint.pt
OLDER = {"detector": "article", "one_cycle": False, "fresh": False}  # what runs did before their settings said so


@dataclass
class Run:
    """A finished or unfinished run, read from its folder.

    history: list of (step, epoch, loss), empty where nothing is learnt step by step; held_out: list of (step, loss of
    the held-out images), empty in older runs, too; f1: {defect: list of (epoch, F1 or None)}; detector: fitted.
    """

    folder: Path
    config: dict
    history: list = field(default_factory=list)
    held_out: list = field(default_factory=list)
    f1: dict = field(default_factory=dict)
    detector: Detector | None = None

    @property
    def model(self):
        """The article's network, in eval mode; None where the detector is of another kind."""
        return self.detector.model if isinstance(self.detector, AutoencoderDetector) else None

    @property
    def caption(self):
        """The run in a few words, for the small line under a figure."""
        return kind_of(self.config).caption(self)


def kind_of(config):
    """The row of `KINDS` that a run's settings name. Raises: ValueError if this version has no such detector."""
    name = config.get("detector", OLDER["detector"])
    if not isinstance(name, str) or name not in KINDS:
        raise ValueError(f"config.json has {name!r} as its detector")
    return KINDS[name]


def make_config(detector, preset, dataset, seed, settings):
    """What config.json holds: all that decides the weights (`settings`: a dict), and the versions that computed them.

    detector: a name of `KINDS`.
    """
    return {
        "format": FORMAT,
        "detector": detector,
        "preset": preset.name,
        "data_name": dataset.name,
        "data": dataset.fingerprint,
        "seed": seed,
        **settings,
        "versions": {
            "hazelnut_ae": hazelnut_ae.__version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
    }


def refuse_other_run(folder, old, new):
    """Raises: DataError if the run of config `old` is not the one that `new` asks for, naming what differs."""
    for key in ("detector", "data", *kind_of(new).must_agree, "format"):
        value = old.get(key, OLDER.get(key))
        if value != new[key]:
            what = {"data": "other images", "format": "another version of hazelnut_ae"}.get(
                key, f"{key} {value!r}, not {new[key]!r}"
            )
            raise DataError(
                f"{folder} holds a run of {what}; choose another --run folder, or the same data and options."
            )


def open_folder(folder, config, resume):
    """The config of the run that lies in the folder, or None. Raises: DataError for one not to be gone on with."""
    if not os.path.exists(Path(folder) / "config.json"):
        return None
    old = read_json(Path(folder) / "config.json", "remove the folder, or choose another --run folder.")
    if not resume:
        raise DataError(f"{folder} already holds a run; add --resume to go on with it, or choose another --run folder.")
    refuse_other_run(folder, old, config)
    return old


def write_run(folder, progress, steps_per_epoch, model):
    """Writes what people and figures read, of a `long_run.Progress`: history.csv, f1.csv and the weights."""
    folder, held_out, f1_rows = Path(folder), dict(progress.held_out), progress.f1
    with atomic_path(folder / "history.csv") as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "epoch", "loss", "held_out_loss"])
        for step, loss in enumerate(progress.losses, start=1):
            unseen = f"{held_out[step]:.6g}" if step in held_out else ""
            writer.writerow([step, 1 + (step - 1) // steps_per_epoch, f"{float(loss):.6g}", unseen])
    names = sorted({name for _, row in f1_rows for name in row})
    with atomic_path(folder / "f1.csv") as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *names])
        for epoch, row in f1_rows:
            values = [row.get(name) for name in names]
            writer.writerow([epoch, *["" if v is None or np.isnan(v) else f"{v:.6g}" for v in values]])
    write_weights(folder, model.state_dict())


def write_weights(folder, state):
    """Writes model.safetensors, atomically: what a detector has learnt, {name: tensor}."""
    with atomic_path(Path(folder) / "model.safetensors") as temporary:
        # contiguous in the ordinary order: channels_last is a matter of speed, not of the file
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, temporary)


def check_settings(config):
    """Raises: ValueError if a run's settings are not of the types that the programs work with."""
    types = {"preset": str, "data_name": str, "data": str, "seed": int}
    for key, wanted in (types | kind_of(config).settings).items():
        if key not in config:
            raise ValueError(f"config.json has no {key}; another version may have written it")
        value = config[key]
        if type(value) is not wanted or (wanted is not str and not 0 <= value < math.inf):
            raise ValueError(f"config.json has {value!r} as its {key}")


def load_run(folder):
    """Reads a run folder. Raises: DataError if there is no run in it or a file of it is damaged."""
    folder = Path(folder)
    remedy = "train again with hazelnut-ae train, or name the folder of a run."
    if not all(os.path.isfile(folder / name) for name in ("config.json", "model.safetensors")):
        raise DataError(f"{folder} holds no finished run; {remedy}")
    config = read_json(folder / "config.json", remedy)
    try:
        weights = load((folder / "model.safetensors").read_bytes())  # not mapped, so that Windows may replace it
        check_settings(config)
        kind = kind_of(config)
        detector = kind.build(config, weights)
        course = read_course(folder) if kind.learns_in_steps else {}
    except (
        OSError,
        RuntimeError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        csv.Error,
        SafetensorError,
    ) as error:
        raise DataError(f"The run in {folder} is damaged ({first_line(error)}); {remedy}") from error
    return Run(folder, config, detector=detector, **course)


def read_course(folder):
    """The fields history, held_out and f1 of a `Run`, from history.csv and f1.csv. Raises: ValueError for damage."""
    with open(folder / "history.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    if any(None in row.values() for row in rows) or not rows:
        raise ValueError("history.csv is cut short")
    history = [(int(row["step"]), int(row["epoch"]), float(row["loss"])) for row in rows]
    held_out = [(int(row["step"]), float(row["held_out_loss"])) for row in rows if row.get("held_out_loss")]
    f1 = {}
    with open(folder / "f1.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, strict=True):
            if None in row.values():
                raise ValueError("f1.csv is cut short")
            epoch = int(row.pop("epoch"))
            for name, value in row.items():
                f1.setdefault(name, []).append((epoch, float(value) if value else None))
    return {"history": history, "held_out": held_out, "f1": f1}
