"""The run folder: what training leaves on the disk, written so that a kill at any moment leaves a run that resumes.

config.json (what was asked for), checkpoint.pt (everything that resume needs) and checkpoint.previous.pt,
history.csv (step, epoch, loss, and once an epoch held_out_loss), f1.csv (epoch, one column per defect),
model.safetensors (weights only), thresholds.json (see `calibration`), results.json.
"""

import csv
import json
import os
import platform
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file

import hazelnut_ae
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.engine.checkpoints import first_line
from hazelnut_ae.engine.files import DataError, atomic_path

FORMAT = 1  # of checkpoint.pt
MUST_AGREE = (
    "data",
    "preset",
    "seed",
    "latent_dim",
    "copies",
    "augmentations",
    "batch_size",
    "learning_rate",
    "one_cycle",
    "fresh",
    "format",
)
OLDER = {"one_cycle": False, "fresh": False}  # what runs did before their settings said so


@dataclass
class Run:
    """A finished or unfinished run, read from its folder.

    history: list of (step, epoch, loss); held_out: list of (step, loss of the held-out images), empty in older runs;
    f1: {defect: list of (epoch, F1 or None)}; model: the network, in eval mode.
    """

    folder: Path
    config: dict
    history: list = field(default_factory=list)
    held_out: list = field(default_factory=list)
    f1: dict = field(default_factory=dict)
    model: Autoencoder | None = None

    @property
    def caption(self):
        """The run in a few words, for the small line under a figure."""
        epochs = self.history[-1][1] if self.history else 0
        c = self.config
        return f"{c['preset']} preset, {epochs} epochs, latent {c['latent_dim']}, seed {c['seed']}"


def make_config(preset, data_name, fingerprint, seed, latent_dim, epochs, precision):
    """What config.json holds: all that decides the weights, and the versions that computed them.

    Whether the step is compiled is not decided yet.
    """
    return {
        "format": FORMAT,
        "preset": preset.name,
        "data_name": data_name,
        "data": fingerprint,
        "seed": seed,
        "latent_dim": latent_dim,
        "copies": preset.copies,
        "augmentations": list(preset.augmentations),
        "batch_size": preset.batch_size,
        "learning_rate": preset.learning_rate,
        "one_cycle": preset.one_cycle,
        "fresh": preset.fresh,
        "epochs": epochs,
        "precision": precision,
        "compiled": None,
        "versions": {
            "hazelnut_ae": hazelnut_ae.__version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
    }


def refuse_other_run(folder, old, new):
    """Raises: DataError if the run of config `old` is not the one that `new` asks for, naming what differs."""
    for key in MUST_AGREE:
        value = old.get(key, OLDER.get(key))
        if value != new[key]:
            what = {"data": "other images", "format": "another version of hazelnut_ae"}.get(
                key, f"{key} {value!r}, not {new[key]!r}"
            )
            raise DataError(
                f"{folder} holds a run of {what}; choose another --run folder, or the same data and options."
            )


def write_json(path, content):
    """Writes JSON atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path, remedy):
    """Reads a JSON object. Raises: DataError if the file is missing, damaged or holds something else."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it holds no settings")
        return content
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read ({error}); {remedy}") from error


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
    with atomic_path(folder / "model.safetensors") as temporary:
        # contiguous in the ordinary order: channels_last is a matter of speed, not of the file
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
        save_file(weights, temporary)


def check_settings(config, weights):
    """Raises: ValueError if a run's settings are not of the kind that the programs work with."""
    for key, kind in {
        "preset": str,
        "data_name": str,
        "data": str,
        "seed": int,
        "latent_dim": int,
        "epochs": int,
    }.items():
        value = config.get(key)
        if type(value) is not kind or (kind is int and value < 0):
            raise ValueError(f"config.json has {value!r} as its {key}")
    if not any(config["latent_dim"] in tensor.shape for tensor in weights.values()):  # before memory is asked for
        raise ValueError(f"the weights are not those of a latent vector of {config['latent_dim']}")


def load_run(folder):
    """Reads a run folder. Raises: DataError if there is no run in it or a file of it is damaged."""
    folder = Path(folder)
    remedy = "train again with hazelnut-ae train, or name the folder of a run."
    if not all(os.path.isfile(folder / name) for name in ("config.json", "model.safetensors")):
        raise DataError(f"{folder} holds no finished run; {remedy}")
    config = read_json(folder / "config.json", remedy)
    try:
        weights = load((folder / "model.safetensors").read_bytes())  # not mapped, so that Windows may replace it
        check_settings(config, weights)
        model = Autoencoder(config["latent_dim"])
        model.load_state_dict(weights)
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
    model.eval()
    return Run(folder, config, history, held_out, f1, model)
