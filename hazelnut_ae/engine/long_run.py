"""The long run: the loop of `training` with everything that a thousand epochs need around it.

A data set goes in, a run folder comes out. A kill at any moment leaves a folder that resumes, and the weights at the
end are those of a run that was never stopped.
"""

import os
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from hazelnut_ae import metrics, training
from hazelnut_ae.augmentation import AugmentedSet
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.detection import AutoencoderDetector
from hazelnut_ae.engine import calibration, checkpoints, memory, runs, speed
from hazelnut_ae.engine.files import DataError, Interrupted
from hazelnut_ae.engine.parallel import first_process_first, join_processes, mean_over_processes, stop_signals
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
    device = speed.find_device(device)
    precision = speed.best_precision(device)
    train_rows, held_out_rows = training.split_good(len(dataset.train), seed)
    preset = replace(preset, copies=preset.copies_for(len(train_rows)))
    epochs = epochs or preset.epochs_for(preset.copies * len(train_rows))
    per_epoch = steps_per_epoch(preset.copies * len(train_rows), preset.batch_size)
    steps = epochs * per_epoch
    compiled = world == 1 and speed.pays_to_compile(steps, device)
    config = runs.make_config(preset, dataset.name, dataset.fingerprint, seed, latent_dim, epochs, precision, compiled)
    with first_process_first(rank, world):
        state = open_run(folder, config, resume or rank > 0)

    torch.manual_seed(seed)
    model = Autoencoder(latent_dim).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), preset.learning_rate, fused=True)
    losses, f1_rows = restore(folder, state, model, optimizer) if state is not None else ([], [])
    precision = config["precision"]  # as recorded: a run keeps its arithmetic
    network, prepare = speed.faster(model, training.l2_loss, device, precision, world)
    network = DistributedDataParallel(network) if world > 1 else network
    loss_function = speed.compiled(training.l2_loss) if config["compiled"] else training.l2_loss

    def save():
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "config": config}
        checkpoints.save(folder / "checkpoint.pt", state | {"losses": torch.tensor(losses), "f1": f1_rows})
        runs.write_run(folder, losses, per_epoch, f1_rows, model)

    first, saved, batches = len(losses), time.monotonic(), ()
    if first < steps:  # else the run is finished, and no image is needed any more
        augmented = AugmentedSet(dataset.train.images, preset.copies, seed, preset.augmentations, train_rows).to(device)
        batches = own_batches(augmented, preset.batch_size, seed, range(first, steps), per_epoch, rank, world)
    bar = tqdm(total=steps, initial=first, unit="step", disable=None if rank == 0 else True)
    course = training.train(network, optimizer, map(prepare, batches), loss_function)
    with memory.kept(), stop_signals() as stop, bar:
        for step, loss in enumerate(course, start=first + 1):
            losses.append(mean_over_processes(loss, world))
            epoch, done = -(-step // per_epoch), step == steps
            bar.update()
            bar.set_description(f"epoch {epoch}/{epochs}, loss {losses[-1]:.4f}", refresh=False)
            last_of_epoch = step % per_epoch == 0
            if last_of_epoch and (epoch % preset.evaluate_every == 0 or epoch == 1 or done) and rank == 0:
                f1_rows.append((epoch, f1_on_test(model, dataset.test)))
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
    calibration.keep(folder, AutoencoderDetector(run.model), dataset.train.images[held_out_rows])
    return run


def own_batches(augmented, batch_size, seed, steps, per_epoch, rank, world):
    """This process's share of the batch of each of these steps, uint8 [32 / world, 3, 256, 256].

    The order depends on (seed, epoch) alone, so a run that resumes in the middle of an epoch sees what it would have.
    """
    for step in steps:
        epoch, position = divmod(step, per_epoch)
        if position == 0 or step == steps.start:
            order = training.epoch_order(len(augmented), seed, epoch)
        rows = order[position * batch_size : (position + 1) * batch_size]
        yield augmented.batch(rows[rank::world])


def open_run(folder, config, resume):
    """Prepares the run folder; returns the checkpoint to go on from, or None. Raises: DataError for another run's."""
    if os.path.exists(folder / "config.json"):
        old = runs.read_json(folder / "config.json", "remove the folder, or choose another --run folder.")
        if not resume:
            raise DataError(
                f"{folder} already holds a run; add --resume to go on with it, or choose another --run folder."
            )
        runs.refuse_other_run(folder, old, config)
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
    """Puts a checkpoint's weights into the network and the optimizer; returns (losses, rows of F1) so far.

    Raises: DataError if it holds something else, although its checksum is right.
    """
    try:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        for parameter, moments in optimizer.state.items():
            if {moments["exp_avg"].shape, moments["exp_avg_sq"].shape} != {parameter.shape}:
                raise ValueError("its optimizer is another network's")
        return state["losses"].tolist(), [(int(epoch), dict(f1)) for epoch, f1 in state["f1"]]
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
