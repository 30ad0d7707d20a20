"""Training (notebook 5): the L2 loss, and the one training loop of this package.

What a long run needs around the loop (resuming, checkpoints, several processes) is in `engine.trainer`.
"""

import math

import numpy as np
import torch
from torch import nn

from hazelnut_ae.errors import DataError

HELD_OUT = 0.1  # of the good training images: not used for training, but to choose τ without labels


def to_float(images):
    """Converts uint8 [N, 3, H, W] in 0 … 255 to float32 of the same shape in [0, 1], the range of the network."""
    return torch.as_tensor(images).float() / 255


def l2_loss(model, batch):
    """Returns the article's loss: the mean squared error between images uint8 [N, 3, 256, 256] and reconstructions.

    Edit it, and every training of this package minimises what you wrote.
    """
    x = to_float(batch)  # [N, 3, 256, 256]
    reconstruction = model(x)  # [N, 3, 256, 256]
    return nn.functional.mse_loss(reconstruction, x)


def train(model, optimizer, batches, loss_function=l2_loss):
    """The training loop: one step of gradient descent per batch.

    The loop runs as far as its caller does: `losses = [loss.item() for loss in train(…)]` runs it to the end.

    Args:
        model: the network.
        optimizer: a torch optimizer of its parameters.
        batches: iterable of batches, each uint8, shape (N, 3, 256, 256).
        loss_function: function of (model, batch) that returns a scalar tensor.

    Yields:
        The loss of each batch, a scalar tensor.
    """
    for batch in batches:
        model.train()  # BatchNorm learns its averages from the batches
        loss = loss_function(model, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.detach()


def loss_on(model, images, loss_function=l2_loss):
    """Returns the mean loss of images uint8 [N, 3, 256, 256] without training on them, a float.

    On held-out images it shows whether the network learns hazelnuts in general or only the training images.
    """
    model.eval()  # BatchNorm uses its averages, and learns nothing here
    with torch.no_grad():
        losses = [loss_function(model, batch).item() * len(batch) for batch in torch.as_tensor(images).split(32)]
    return sum(losses) / len(images)  # the last batch may be smaller


def one_cycle(step, steps, highest):
    """Returns the learning rate of a step: it rises during the first fifth of the steps, then falls to almost 0.

    Both follow half a cosine (Smith and Topin, 2018; the same numbers as torch's `OneCycleLR`).

    Args:
        step: number of the step, from 0 to steps - 1.
        steps: number of all steps.
        highest: the highest rate; the first is 1/25 of it.
    """
    rising = 0.2 * steps - 1
    if step <= rising:
        begin, end, share = highest / 25, highest, step / rising
    else:
        begin, end, share = highest, highest / 250_000, (step - rising) / (steps - 1 - rising)
    return end + (begin - end) * (1 + math.cos(math.pi * share)) / 2


def split_good(count, seed):
    """Splits the indices of good images into (training, held out: 10 %, at least 2). Raises DataError below 4."""
    if count < 4:
        raise DataError(f"train/good holds {count} images, but training needs at least 4; add some.")
    order = np.random.default_rng([seed, 391]).permutation(count)  # [count]; 391: any constant would do
    held_out = max(2, round(HELD_OUT * count))
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def epoch_order(count, seed, epoch):
    """Returns the order of `count` images in an epoch, [count]; the same for the same arguments, so runs can resume."""
    return torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(count))
