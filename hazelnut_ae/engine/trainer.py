"""Trains the article's network for hours: the loop of `training` with checkpoints, evaluation and several processes.

A run that was stopped or killed can resume. It ends with the same weights as a run that was never stopped.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from hazelnut_ae import metrics, training
from hazelnut_ae.augmentation import AugmentedCopies, OnlineAugmentation
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.dataset import Dataset
from hazelnut_ae.detection import reconstruct, residual
from hazelnut_ae.engine import calibration, checkpoints, runs
from hazelnut_ae.engine.device import best_precision, find_device, prepare_network
from hazelnut_ae.engine.distributed import first_process_first, join_processes, mean_over_processes, stop_signals
from hazelnut_ae.errors import DataError, Interrupted
from hazelnut_ae.io.files import DAMAGE, first_line, write_json
from hazelnut_ae.presets import PRESETS, Preset, steps_per_epoch
from hazelnut_ae.thresholds import printed_tau

CHECKPOINT_SECONDS = 60
WARM_UP, MEASURED = 2, 8  # steps; the first are slower, the mean of the others gives the time of all


def train_run(
    dataset: Dataset, folder: str | Path, preset: Preset, seed: int = 0, epochs: int | None = None,
    latent_dim: int | None = None, device: str | torch.device | None = None, resume: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> runs.Run | None:  # fmt: skip
    """Trains the article's network and writes a run folder; the same arguments give the same weights on a machine.

    Args:
        dataset: its good training images are used; a tenth of them is held out to choose thresholds.
        folder: the run folder.
        preset: the settings of the training.
        seed: decides weights, split, order and augmentation.
        epochs, latent_dim: replace the preset's values.
        device: by default the best of this machine.
        resume: continue the run in the folder, if there is one.
        checkpoint_seconds: time between two checkpoints.

    Returns:
        The run in the first process; None in the others.

    Raises:
        DataError: the folder contains another run or a damaged one, the disk is full, or there are too few images.
        Interrupted: Ctrl-C or SIGTERM stopped it; a checkpoint is saved.
    """
    folder, device = Path(folder), find_device(device)
    rank, world = join_processes()
    train_rows, held_out_rows = training.split_good(len(dataset.train), seed)
    settings = settings_of(preset, len(train_rows), epochs, latent_dim, best_precision(device))
    config = runs.make_config("article", preset, dataset, seed, settings)
    with first_process_first(rank, world):
        old = runs.open_folder(folder, config, resume or rank > 0) or {}
        config["precision"] = old.get("precision", config["precision"])  # a resumed run keeps its precision
        state = checkpoints.load(folder / "checkpoint.pt")
        if state is not None:
            runs.refuse_other_run(folder, state["config"], config)
        if rank == 0:
            write_json(folder / "config.json", config)
    trainer = Trainer(dataset, folder, config, device, state)
    trainer.train(preset.evaluate_every, checkpoint_seconds, rank, world)
    if rank > 0:
        return None
    run = runs.load_run(folder)
    calibration.write_missing(folder, run.detector, dataset.train.images[held_out_rows])
    return run


def measured_time(dataset: Dataset, preset: Preset = PRESETS["quick"]) -> str:
    """Trains a new network for a few steps; returns in words how long all steps of the preset would take."""
    device, images = find_device(), len(training.split_good(len(dataset.train), 0)[0])
    settings = settings_of(preset, images, precision=best_precision(device)) | {"seed": 0}
    trainer = Trainer(dataset, None, settings, device)
    ends, start = [], time.monotonic()
    for loss in training.train(trainer.network, trainer.optimizer, trainer.batches()):
        loss.item()  # waits for a GPU
        ends.append(time.monotonic())
        if len(ends) == WARM_UP + MEASURED or (len(ends) > WARM_UP and ends[-1] - start > 4):  # on a slow machine
            return time_words(ends, trainer.steps)


def time_words(ends, steps):
    """Returns in words how long `steps` steps take; ends: the times in seconds at which the first few ended."""
    seconds = (ends[-1] - ends[WARM_UP - 1]) / (len(ends) - WARM_UP)
    total = seconds * steps
    amount = f"{total / 3600:.1f} h" if total > 7200 else f"{total / 60:.0f} min" if total > 90 else f"{total:.0f} s"
    return f"about {amount} on this machine ({seconds:.2g} s a step, measured)"


def settings_of(preset, images, epochs=None, latent_dim=None, precision="float32"):
    """Returns the settings of a run on this number of good training images, as stored in config.json."""
    names = ("copies", "augmentations", "augment_online", "batch_size", "learning_rate", "one_cycle")
    settings = {"latent_dim": latent_dim or preset.latent_dim} | {name: getattr(preset, name) for name in names}
    settings["augmentations"] = list(preset.augmentations)  # as JSON returns them
    return settings | {"epochs": epochs or preset.epochs_for(preset.copies * images), "precision": precision}


@dataclass
class Progress:
    """Per step the loss; per epoch (step, loss of held-out images); per evaluated epoch (epoch, {defect: F1})."""

    losses: list[float] = field(default_factory=list)
    held_out: list[tuple[int, float]] = field(default_factory=list)
    f1: list[tuple[int, dict[str, float]]] = field(default_factory=list)


def restore(folder, state, model, optimizer):
    """Loads a checkpoint into network and optimizer; returns the `Progress`. Raises DataError if it does not fit."""
    try:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        for parameter, moments in optimizer.state.items():
            if {moments["exp_avg"].shape, moments["exp_avg_sq"].shape} != {parameter.shape}:
                raise ValueError("its optimizer belongs to another network")
        held_out = state.get("held_out", torch.empty(0, 2)).reshape(-1, 2)  # older checkpoints have none
        held_out = [(int(step), float(loss)) for step, loss in held_out.tolist()]
        return Progress(state["losses"].tolist(), held_out, [(int(epoch), dict(f1)) for epoch, f1 in state["f1"]])
    except DAMAGE as error:
        remedy = "remove the folder and train again"
        raise DataError(f"The checkpoint in {folder} cannot be used ({first_line(error)}); {remedy}.") from error


class Trainer:
    """Trains one run, from its first step or a checkpoint to its last step."""

    def __init__(self, dataset, folder, config, device, state=None):
        torch.manual_seed(config["seed"])
        self.dataset, self.folder, self.config, self.device = dataset, folder, config, device
        self.train_rows, self.held_out_rows = training.split_good(len(dataset.train), config["seed"])
        self.steps_per_epoch = steps_per_epoch(config["copies"] * len(self.train_rows), config["batch_size"])
        self.steps = config["epochs"] * self.steps_per_epoch
        self.model = Autoencoder(config["latent_dim"])
        self.network = prepare_network(self.model, device, config["precision"])
        self.optimizer = torch.optim.Adam(self.model.parameters(), config["learning_rate"], fused=True)
        self.progress = Progress() if state is None else restore(folder, state, self.model, self.optimizer)

    def train(self, evaluate_every, checkpoint_seconds=CHECKPOINT_SECONDS, rank=0, world=1):
        """Trains to the last step; saves, evaluates and shows progress in the first process."""
        network = DistributedDataParallel(self.network) if world > 1 else self.network
        losses = training.train(network, self.optimizer, self.batches(rank, world), training.l2_loss)
        epochs, first, saved, ends = self.config["epochs"], len(self.progress.losses), time.monotonic(), []
        bar = tqdm(total=self.steps, initial=first, unit="step", disable=None if rank == 0 else True)
        with stop_signals() as stop, bar:
            for step, loss in enumerate(losses, start=first + 1):
                self.progress.losses.append(mean_over_processes(loss, world))
                ends.append(time.monotonic())
                if len(ends) == WARM_UP + MEASURED and rank == 0:
                    bar.write(f"Will train for {time_words(ends, self.steps - step)}.")
                epoch, done = -(-step // self.steps_per_epoch), step == self.steps
                bar.update()
                bar.set_description(f"epoch {epoch}/{epochs}, loss {self.progress.losses[-1]:.4f}", refresh=False)
                if step % self.steps_per_epoch == 0 and rank == 0:
                    self.evaluate(step, with_f1=epoch % evaluate_every == 0 or epoch == 1 or done)
                stopping = mean_over_processes(torch.tensor(float(stop.wanted)), world) > 0  # all at the same step
                if stopping or done or time.monotonic() - saved > checkpoint_seconds:
                    if rank == 0:
                        self.save()
                    saved = time.monotonic()
                if stopping and not done:
                    raise Interrupted(f"Stopped in epoch {epoch} of {epochs} and saved; continue with --resume.")

    def batches(self, rank=0, world=1):
        """Yields this process's share of each remaining batch, uint8 [batch size / world, 3, 256, 256].

        Sets the learning rate of each step. Seed and epoch alone decide the order, so a resumed run repeats it.
        """
        first = len(self.progress.losses)
        if first >= self.steps:
            return  # the run is finished and needs no augmented images
        config, size = self.config, self.config["batch_size"]
        augment = OnlineAugmentation if config["augment_online"] else AugmentedCopies
        arguments = config["copies"], config["seed"], config["augmentations"], self.train_rows
        augmented = augment(self.dataset.train.images, *arguments).to(self.device)
        for step in range(first, self.steps):
            epoch, position = divmod(step, self.steps_per_epoch)
            if position == 0 or step == first:
                order = training.epoch_order(len(augmented), config["seed"], epoch)
            if config["one_cycle"]:
                self.optimizer.param_groups[0]["lr"] = training.one_cycle(step, self.steps, config["learning_rate"])
            rows = order[position * size : (position + 1) * size][rank::world]
            yield augmented.batch(rows, step * world + rank).to(self.device)

    def evaluate(self, step, with_f1):
        """Records the held-out loss and, with `with_f1`, the F1 on the test images, by which nothing is chosen."""
        held_out = torch.from_numpy(self.dataset.train.images[self.held_out_rows]).to(self.device)
        self.progress.held_out.append((step, training.loss_on(self.model, held_out)))
        if with_f1:
            test = self.dataset.test
            maps = residual(test.images, reconstruct(self.model, test.images))  # float32 [N, 256, 256]
            f1 = metrics.f1_by_defect(maps, test, {name: printed_tau(name) for name in test.defect_names})
            self.progress.f1.append((step // self.steps_per_epoch, f1))

    def save(self):
        """Writes the checkpoint and the files that people read."""
        progress = self.progress
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "config": self.config}
        state |= {"losses": torch.tensor(progress.losses), "held_out": torch.tensor(progress.held_out)}
        checkpoints.save(self.folder / "checkpoint.pt", state | {"f1": progress.f1})
        runs.write_run(self.folder, progress, self.steps_per_epoch, self.model)
