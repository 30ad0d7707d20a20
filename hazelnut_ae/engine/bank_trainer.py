"""Trains a memory bank in one pass, so its run folder has no checkpoint and no history."""

from pathlib import Path

import torch

from hazelnut_ae.backbones import imagenet_stages
from hazelnut_ae.dataset import Dataset
from hazelnut_ae.engine import calibration, runs
from hazelnut_ae.engine.detectors import BANK
from hazelnut_ae.engine.device import find_device
from hazelnut_ae.io.files import write_json
from hazelnut_ae.patchcore import MemoryBank
from hazelnut_ae.presets import Preset
from hazelnut_ae.training import split_good


def train_run(
    dataset: Dataset, folder: str | Path, preset: Preset, seed: int = 0, device: str | torch.device | None = None,
    resume: bool = False, backbone: str | None = None, **settings,
) -> runs.Run:  # fmt: skip
    """Fits a memory bank and writes a run folder. Arguments and errors as for `trainer.train_run`.

    Args:
        preset: only its name is stored.
        resume: keep a finished run unchanged, and fit an unfinished one again.
        backbone: the source of its network for `backbones.imagenet_stages`; its weights become part of the run.
        **settings: arguments of `MemoryBank` that replace its defaults.
    """
    if backbone:
        network = imagenet_stages(backbone)
        settings = {"network": network, "neighbourhood": network.about.neighbourhood} | settings
    detector = MemoryBank(seed=seed, device=find_device(device), **settings)
    settings = {"backbone": detector.network.name, "backbone_sha256": detector.network.sha256}
    settings |= {key: getattr(detector, key) for key in BANK}
    return fit_run("features", detector, settings, dataset, folder, preset, seed, resume)


def fit_run(name, detector, settings, dataset, folder, preset, seed=0, resume=False):
    """Fits any `Detector` in one go and writes its run folder.

    name: its entry in `DETECTORS`; settings: a dict of what this entry asks config.json for; the rest: as above.
    """
    folder = Path(folder)
    train_rows, held_out_rows = split_good(len(dataset.train), seed)
    config = runs.make_config(name, preset, dataset, seed, settings)
    if runs.open_folder(folder, config, resume) is None or not (folder / "model.safetensors").is_file():
        write_json(folder / "config.json", config)
        detector.fit(dataset.train.images[train_rows])
        runs.write_weights(folder, detector.state())
    run = runs.load_run(folder)
    calibration.write_missing(folder, run.detector, dataset.train.images[held_out_rows])
    return run
