"""The long run: the loop of `training` with everything that a thousand epochs need around it.

A data set goes in, a run folder comes out. A kill at any moment leaves a folder that resumes, and the weights at the
end are those of a run that was never stopped.
"""

import contextlib
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from hazelnut_ae import metrics, training
from hazelnut_ae.augmentation import AugmentedCopies, OnlineAugmentation
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.detection import AutoencoderDetector
from hazelnut_ae.engine import calibration, checkpoints, compiling, memory, runs
from hazelnut_ae.engine.ahead import ahead
from hazelnut_ae.engine.device import best_precision, faster, find_device
from hazelnut_ae.engine.distributed import first_process_first, join_processes, mean_over_processes, stop_signals
from hazelnut_ae.errors import DataError, Interrupted
from hazelnut_ae.presets import steps_per_epoch
from hazelnut_ae.thresholds import printed_tau

CHECKPOINT_SECONDS = 60


def train_run(
    dataset,
    folder,
    preset,
    seed=0,
    epochs=None,
    latent_dim=None,
    device=None,
    resume=False,
    checkpoint_seconds=CHECKPOINT_SECONDS,
):
    """Trains the article's network on a Dataset and leaves a run folder; returns the `Run` (in the first process).

    preset: a Preset; epochs and latent_dim override its own; device: "cpu", "cuda", …, or None for the best there is;
    resume: go on where the run in the folder stopped. The same arguments on the same machine give the same weights.
    Ctrl-C (or SIGTERM) saves and raises Interrupted. Raises: DataError for a folder that holds another run, a full
    disk, or too few images.
    """
    folder, latent_dim = Path(folder), latent_dim or preset.latent_dim
    rank, world = join_processes()
    device = find_device(device)
    precision = best_precision(device)
    train_rows, held_out_rows = training.split_good(len(dataset.train), seed)
    preset = replace(preset, copies=preset.copies_for(len(train_rows)))
    epochs = epochs or preset.epochs_for(preset.copies * len(train_rows))
    per_epoch = steps_per_epoch(preset.copies * len(train_rows), preset.batch_size)
    steps = epochs * per_epoch
    config = runs.make_config("article", preset, dataset, seed, settings_of(preset, latent_dim, epochs, precision))
    with first_process_first(rank, world):
        state = open_run(folder, config, resume or rank > 0)

    torch.manual_seed(seed)
    model = Autoencoder(latent_dim).to(device)
    optimizer = torch.optim.Adam(model.parameters(), preset.learning_rate, fused=True)
    progress = restore(folder, state, model, optimizer) if state is not None else Progress()
    first = len(progress.losses)
    precision = config["precision"]  # as recorded: a run keeps its arithmetic
    network, prepare = faster(model, training.l2_loss, device, precision, world)
    network = DistributedDataParallel(network) if world > 1 else network
    batches, loss_function = (), training.l2_loss
    if first < steps:  # else the run is finished, and no image is needed any more
        kind = OnlineAugmentation if preset.augment_online else AugmentedCopies
        augmented = kind(dataset.train.images, preset.copies, seed, preset.augmentations, train_rows).to(device)
        if config["compiled"] is None:
            some = augmented.batch(torch.zeros(preset.batch_size, dtype=int), 0)
            config["compiled"] = world == 1 and compiling.pays(steps, model, loss_function, some, device, precision)
            if rank == 0:
                runs.write_json(folder / "config.json", config)
        loss_function = compiling.compiled_or_not(loss_function) if config["compiled"] else loss_function
        batches = own_batches(augmented, preset.batch_size, seed, range(first, steps), per_epoch, rank, world)
        batches = at_their_rates(ahead(map(prepare, batches)), optimizer, preset, range(first, steps), steps)
    held_out = torch.from_numpy(dataset.train.images[held_out_rows]).to(device)  # uint8 [M, 3, 256, 256]

    def save():
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "config": config}
        checkpoints.save(folder / "checkpoint.pt", state | progress.state())
        runs.write_run(folder, progress, per_epoch, model)

    saved = time.monotonic()
    bar = tqdm(total=steps, initial=first, unit="step", disable=None if rank == 0 else True)
    course = training.train(network, optimizer, batches, loss_function)
    with memory.kept(), stop_signals() as stop, bar, contextlib.closing(course):
        for step, loss in enumerate(course, start=first + 1):
            progress.losses.append(mean_over_processes(loss, world))
            epoch, done = -(-step // per_epoch), step == steps
            bar.update()
            bar.set_description(f"epoch {epoch}/{epochs}, loss {progress.losses[-1]:.4f}", refresh=False)
            if step % per_epoch == 0 and rank == 0:
                progress.held_out.append((step, training.loss_on(model, held_out)))
                if epoch % preset.evaluate_every == 0 or epoch == 1 or done:
                    progress.f1.append((epoch, f1_on_test(model, dataset.test)))
            stopping = stop.asked(world)
            if stopping or done or time.monotonic() - saved > checkpoint_seconds:
                if rank == 0:
                    save()
                saved = time.monotonic()
            if stopping and not done:
                raise Interrupted(f"Stopped in epoch {epoch} of {epochs} and saved; go on with --resume.")
    if rank > 0:
        return None
    run = runs.load_run(folder)
    calibration.keep(folder, run.detector, dataset.train.images[held_out_rows])
    return run


def settings_of(preset, latent_dim, epochs, precision):
    """What config.json holds beside what every run has; whether the step is compiled is not decided yet."""
    return {
        "latent_dim": latent_dim,
        "copies": preset.copies,
        "augmentations": list(preset.augmentations),
        "batch_size": preset.batch_size,
        "learning_rate": preset.learning_rate,
        "one_cycle": preset.one_cycle,
        "fresh": preset.augment_online,
        "epochs": epochs,
        "precision": precision,
        "compiled": None,
    }


@dataclass
class Progress:
    """How far a run is: the loss of each step, (step, loss of the held-out images) and (epoch, F1 by defect)."""

    losses: list = field(default_factory=list)
    held_out: list = field(default_factory=list)
    f1: list = field(default_factory=list)

    def state(self):
        """What a checkpoint holds of it."""
        return {"losses": torch.tensor(self.losses), "held_out": torch.tensor(self.held_out), "f1": self.f1}


def own_batches(augmented, batch_size, seed, steps, per_epoch, rank, world):
    """This process's share of the batch of each of these steps, uint8 [32 / world, 3, 256, 256].

    The order depends on (seed, epoch) alone, so a run that resumes in the middle of an epoch sees what it would have.
    """
    for step in steps:
        epoch, position = divmod(step, per_epoch)
        if position == 0 or step == steps.start:
            order = training.epoch_order(len(augmented), seed, epoch)
        rows = order[position * batch_size : (position + 1) * batch_size]
        yield augmented.batch(rows[rank::world], step * world + rank)


def at_their_rates(batches, optimizer, preset, numbers, steps):
    """The same batches; when one is taken, the optimizer is set to the learning rate of its step."""
    with contextlib.closing(batches):  # ends the thread that makes them
        for step, batch in zip(numbers, batches, strict=True):
            if preset.one_cycle:
                for group in optimizer.param_groups:
                    group["lr"] = training.one_cycle(step, steps, preset.learning_rate)
            yield batch


def open_run(folder, config, resume):
    """Prepares the run folder; returns the checkpoint to go on from, or None. Raises: DataError for another run's."""
    old = runs.open_folder(folder, config, resume) or {}
    config |= {key: old[key] for key in ("precision", "compiled") if key in old}  # a run keeps its arithmetic
    state = load_checkpoint(folder)
    if state is not None:
        runs.refuse_other_run(folder, state["config"], config)
    if int(os.environ.get("RANK", 0)) == 0:
        runs.write_json(folder / "config.json", config)
    return state


def load_checkpoint(folder):
    """The newest whole checkpoint of a run, or None where there is none. Raises: DataError if all are damaged."""
    remedy = f"Remove {folder} and train again; no whole checkpoint is left in it."
    state = checkpoints.load(folder / "checkpoint.pt", remedy, needs=("model", "optimizer", "config", "losses", "f1"))
    if state is not None and not isinstance(state["config"], dict):
        raise DataError(f"{folder / 'checkpoint.pt'} holds no run. {remedy}")
    return state


def restore(folder, state, model, optimizer):
    """Puts a checkpoint's weights into the network and the optimizer; returns the `Progress` so far.

    Raises: DataError if it holds something else, although its checksum is right.
    """
    try:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        for parameter, moments in optimizer.state.items():
            if {moments["exp_avg"].shape, moments["exp_avg_sq"].shape} != {parameter.shape}:
                raise ValueError("its optimizer is another network's")
        held_out = state.get("held_out", torch.empty(0, 2)).reshape(-1, 2)  # older checkpoints have none
        return Progress(
            state["losses"].tolist(),
            [(int(step), float(loss)) for step, loss in held_out.tolist()],
            [(int(epoch), dict(f1)) for epoch, f1 in state["f1"]],
        )
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DataError(
            f"The checkpoint in {folder} cannot be used ({checkpoints.first_line(error)}); remove the folder and train "
            "again."
        ) from error


def f1_on_test(model, test):
    """F1 of each defect at the article's τ on the test images, as for Figures 6 and 7: {defect: F1 or nan}.

    To watch, never to choose by: these are the test folders.
    """
    maps = AutoencoderDetector(model).anomaly_maps(test.images)  # float32 [N, 256, 256]
    f1 = metrics.f1_by_defect(maps, test, {name: printed_tau(name) for name in test.defect_names})
    return {name: float(value) for name, value in f1.items()}  # plain floats: the checkpoint holds no NumPy objects
