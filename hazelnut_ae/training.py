"""Training (notebook 5): the L2 loss, and one loop that everything here learns with.

What a long run needs around the loop (resuming, checkpoints, several processes) is in `engine.trainer`.
"""

import math

import numpy as np
import torch
from torch import nn

from hazelnut_ae.errors import DataError

HELD_OUT = 0.1  # of the good training images: never trained on, kept for choosing τ without labels


def to_float(images):
    """uint8 [N, 3, H, W] in 0 … 255 as float32 of the same shape in [0, 1], the range of the network."""
    return torch.as_tensor(images).float() / 255


def l2_loss(model, batch):
    """The article's loss: the mean squared error between images uint8 [N, 3, 256, 256] and their reconstructions.

    Edit it, and every training of this package lowers what you wrote.
    """
    x = to_float(batch)  # [N, 3, 256, 256]
    reconstruction = model(x)  # [N, 3, 256, 256]
    return nn.functional.mse_loss(reconstruction, x)


def train(model, optimizer, batches, loss_function=l2_loss):
    """The training loop: one step of gradient descent for each batch; yields the loss of each, a scalar tensor.

    batches: whatever gives one batch after the other, uint8 [N, 3, 256, 256]. The loop runs as far as its caller goes:
    `losses = [loss.item() for loss in train(model, optimizer, batches)]` runs it to the end.
    """
    for batch in batches:
        model.train()  # BatchNorm learns its averages from the batches
        loss = loss_function(model, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.detach()


def loss_on(model, images, loss_function=l2_loss):
    """The mean loss of images uint8 [N, 3, 256, 256] that are only looked at, in evaluation mode: a float.

    On held-out images it tells what the training loss cannot: whether hazelnuts are learnt, or these photographs.
    """
    model.eval()  # BatchNorm uses its averages, and learns nothing here
    with torch.no_grad():
        losses = [loss_function(model, batch).item() * len(batch) for batch in torch.as_tensor(images).split(32)]
    return sum(losses) / len(images)


def one_cycle(step, steps, highest):
    """The learning rate of step 0 … steps - 1: it rises in a fifth of them, then falls to almost nothing.

    Both along half a cosine, from 1/25 of the highest (Smith and Topin, 2018, as torch's `OneCycleLR` has it).
    """
    rising = 0.2 * steps - 1
    if step <= rising:
        begin, end, share = highest / 25, highest, step / rising
    else:
        begin, end, share = highest, highest / 250_000, (step - rising) / (steps - 1 - rising)
    return end + (begin - end) * (1 + math.cos(math.pi * share)) / 2


def split_good(count, seed):
    """Splits `count` good images into (training rows, held-out rows): 10 %, at least 2, the same for the same seed.

    Raises: DataError for fewer than 4 images.
    """
    if count < 4:
        raise DataError(f"train/good holds {count} images, but training needs at least 4; add some.")
    order = np.random.default_rng([seed, 391]).permutation(count)
    held_out = max(2, round(HELD_OUT * count))
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def epoch_order(count, seed, epoch):
    """The order of the images in an epoch, [count]; the same for the same arguments: a resumed run repeats it."""
    return torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(count))
