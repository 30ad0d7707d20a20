"""The run of a memory bank: fitted in one go, it leaves a folder like any other run, less checkpoint and history."""

from pathlib import Path

from hazelnut_ae.engine import calibration, memory, runs
from hazelnut_ae.engine.detectors import BANK
from hazelnut_ae.engine.device import find_device
from hazelnut_ae.patchcore import MemoryBank
from hazelnut_ae.training import split_good


def train_run(dataset, folder, preset, seed=0, device=None, resume=False, **settings):
    """Fits the memory bank to a Dataset and leaves a run folder; returns the `Run`.

    preset: a Preset, of which only the name is kept; device: as in `long_run.train_run`; resume: a finished run stays
    as it is, one that was stopped is fitted anew; settings: of `MemoryBank`, instead of its own. The same arguments on
    the same machine give the same bank.
    Raises: DataError for a folder that holds another run, a full disk, too few images or no weights to be had.
    """
    folder = Path(folder)
    train_rows, held_out_rows = split_good(len(dataset.train), seed)
    detector = MemoryBank(seed=seed, device=find_device(device), **settings)
    settings = {"backbone": detector.network.name} | {key: getattr(detector, key) for key in BANK}
    config = runs.make_config("features", preset, dataset, seed, settings)
    old = runs.open_folder(folder, config, resume)
    if old is None or not (folder / "model.safetensors").is_file():
        runs.write_json(folder / "config.json", config)
        with memory.kept():
            detector.fit(dataset.train.images[train_rows])
        runs.write_weights(folder, detector.state())
    run = runs.load_run(folder)
    calibration.keep(folder, run.detector, dataset.train.images[held_out_rows])
    return run
