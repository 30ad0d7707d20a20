"""The training loop: L2 loss, Adam, 1000 epochs if you like. Everything a long run needs is around it, not in it."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from hazelnut_ae import metrics
from hazelnut_ae.augmentation import AugmentedSet
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.detection import AutoencoderDetector
from hazelnut_ae.engine import folding, memory, runs, speed
from hazelnut_ae.engine.files import DataError, Interrupted
from hazelnut_ae.engine.parallel import first_process_first, join_processes, mean_over_processes, stop_signals
from hazelnut_ae.presets import steps_per_epoch
from hazelnut_ae.thresholds import printed_tau

HELD_OUT = 0.1  # of the good training images: never trained on, kept for choosing τ without labels
CHECKPOINT_SECONDS = 60


def split_good(count, seed):
    """Splits `count` good images into (training rows, held-out rows): 10 %, at least 2, the same for the same seed.

    Raises: DataError for fewer than 4 images.
    """
    if count < 4:
        raise DataError(f"train/good holds {count} images, but training needs at least 4; add some.")
    order = np.random.default_rng([seed, 391]).permutation(count)
    held_out = max(2, round(HELD_OUT * count))
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def l2_loss(model, batch, precision="float32"):
    """The article's loss: the mean squared error between uint8 images [N, 3, 256, 256] and their reconstructions."""
    x = speed.to_input(batch)  # float32 [N, 3, 256, 256] in [0, 1]
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        reconstruction = model(x)  # [N, 3, 256, 256]
    return nn.functional.mse_loss(reconstruction.float(), x)


def train_step(model, optimizer, batch, precision="float32", loss_function=l2_loss):
    """One step of gradient descent on uint8 [N, 3, 256, 256]; returns the loss as a scalar tensor."""
    loss = loss_function(model, batch, precision)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def epoch_order(count, seed, epoch):
    """The order of the images in an epoch; depends on nothing but its arguments, so that a resumed run repeats it."""
    return torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(count))


def train(
    dataset,
    run_folder,
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
    latent_dim = latent_dim or preset.latent_dim
    rank, world = join_processes()
    device = speed.find_device(device)
    precision = speed.best_precision(device)
    train_rows, _ = split_good(len(dataset.train), seed)
    preset = replace(preset, copies=preset.copies_for(len(train_rows)))
    epochs = epochs or preset.epochs_for(preset.copies * len(train_rows))
    per_epoch = steps_per_epoch(preset.copies * len(train_rows), preset.batch_size)
    compiled = world == 1 and speed.pays_to_compile(epochs * per_epoch, device)
    config = runs.make_config(preset, dataset.name, dataset.fingerprint, seed, latent_dim, epochs, precision, compiled)
    with first_process_first(rank, world):
        state = open_run(Path(run_folder), config, resume or rank > 0)
    precision = config["precision"]
    loss_function = folding.folded_l2_loss if speed.pays_to_fold(device, precision, world) else l2_loss
    if config["compiled"]:
        loss_function = speed.compiled(loss_function)

    images = dataset.train.images  # uint8 [N, 3, 256, 256]
    augmented = AugmentedSet(images, preset.copies, seed, preset.augmentations, train_rows).to(device)
    torch.manual_seed(seed)
    model = Autoencoder(latent_dim).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), preset.learning_rate, fused=True)
    losses, f1_rows = [], []
    if state is not None:
        losses, f1_rows = runs.restore(run_folder, state, model, optimizer)
    network = DistributedDataParallel(model) if world > 1 else model

    def save():
        if rank == 0:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "config": config}
            runs.save_checkpoint(run_folder, state | {"losses": torch.tensor(losses), "f1": f1_rows})
            runs.write_run(run_folder, losses, per_epoch, f1_rows, model)

    saved = time.monotonic()
    bar = tqdm(total=epochs * per_epoch, initial=len(losses), unit="step", disable=None if rank == 0 else True)
    memory.keep_memory()
    with stop_signals() as stop, bar:
        for step in range(len(losses), epochs * per_epoch):
            epoch, position = divmod(step, per_epoch)
            if position == 0 or step == len(losses):
                order = epoch_order(len(augmented), seed, epoch)
                model.train()
            rows = order[position * preset.batch_size : (position + 1) * preset.batch_size]
            batch = augmented.batch(rows[rank::world]).to(device)  # uint8 [32, 3, 256, 256]
            loss = train_step(network, optimizer, batch, precision, loss_function)
            losses.append(mean_over_processes(loss, world))
            bar.update()
            bar.set_description(f"epoch {epoch + 1}/{epochs}, loss {losses[-1]:.4f}", refresh=False)
            last_of_epoch, done = position == per_epoch - 1, step == epochs * per_epoch - 1
            if last_of_epoch and ((epoch + 1) % preset.evaluate_every == 0 or epoch == 0 or done) and rank == 0:
                f1_rows.append((epoch + 1, evaluate_f1(model, dataset.test)))
            stopping = stop.asked(world)
            if stopping or done or time.monotonic() - saved > checkpoint_seconds:
                save()
                saved = time.monotonic()
            if stopping and not done:
                raise Interrupted(f"Stopped in epoch {epoch + 1} of {epochs} and saved; go on with --resume.")
    return runs.load_run(run_folder) if rank == 0 else None


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
    state = runs.load_checkpoint(folder)
    if state is not None:
        runs.refuse_other_run(folder, state["config"], config)
    if int(os.environ.get("RANK", 0)) == 0:
        runs.write_json(folder / "config.json", config)
    return state


def evaluate_f1(model, test):
    """F1 of each defect at the article's τ on the test images, as for Figures 6 and 7: {defect: F1 or nan}.

    To watch, never to choose by: these are the test folders.
    """
    maps = AutoencoderDetector(model).anomaly_maps(test.images)  # float32 [N, 256, 256]
    f1 = metrics.f1_by_defect(maps, test, {name: printed_tau(name) for name in test.defect_names})
    return {name: float(value) for name, value in f1.items()}  # plain floats: the checkpoint holds no NumPy objects
