"""The outermost layers computed on folded images: the same network, faster on a processor.

A processor multiplies 16 or 32 channels at a time, and the outermost layers of an autoencoder of images have 3. With
each 2×2 square of pixels folded into channels they have 12, and a 4×4 kernel of stride 2 becomes one of 3×3.
"""

import copy

import torch
from torch import nn
from torch.nn import functional as F


def fold(x):
    """Folds each 2×2 square of pixels into channels: [N, C, H, W] to [N, 4·C, H/2, W/2]."""
    return F.pixel_unshuffle(x, 2)


def fold_kernel(weight):
    """The 3×3 kernel that does to folded images what a 4×4 kernel of stride 2 does to images: [O, C, 4, 4] to
    [O, 4·C, 3, 3], the taps that the larger window adds being zero."""
    return fold(F.pad(weight, (1, 1, 1, 1)))


def forward(model, x):
    """The autoencoder on folded images [N, 4·C, H/2, W/2]: its reconstruction, folded alike.

    The other transposed convolutions add their bias outside, because the library sums its gradient slowly.
    """
    layers = [*model.encoder, *model.decoder]
    first, last = outermost(model)
    for layer in layers:
        if layer is first:
            x = F.conv2d(x, fold_kernel(layer.weight), layer.bias, padding=1)  # [N, 3, H/2, W/2]
        elif layer is last:  # a transposed convolution is one with the kernel turned round
            kernel = fold_kernel(layer.weight).flip(2, 3).transpose(0, 1)  # [4·C, 3, 3, 3]
            x = F.conv2d(x, kernel, layer.bias.repeat_interleave(4), padding=1)  # [N, 4·C, H/2, W/2]
        elif isinstance(layer, nn.ConvTranspose2d) and layer.kernel_size == (8, 8):  # of 1×1 pixel: a matrix product
            x = (x.flatten(1) @ layer.weight.flatten(1)).unflatten(1, layer.weight.shape[1:])  # [N, 32, 8, 8]
            x = x.contiguous(memory_format=torch.channels_last) + layer.bias[:, None, None]
        elif isinstance(layer, nn.ConvTranspose2d):
            x = F.conv_transpose2d(x, layer.weight, None, layer.stride, layer.padding) + layer.bias[:, None, None]
        else:
            x = layer(x)
    return x  # [N, 4·C, H/2, W/2]


def outermost(model):
    """The first layer of the encoder and the last convolution of the decoder, after which comes its activation."""
    return model.encoder[0], model.decoder[-2]


def fits(model, loss_function):
    """Whether training on folded images is training on the images themselves: both are tried, with this very loss.

    Whoever edits a layer, the activation, the forward pass or the loss gets his own computed, not what is known here.
    """
    try:
        return network_fits(model) and loss_fits(loss_function, model.encoder[0].in_channels)
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):  # of a kind that is not known here
        return False


def network_fits(model, size=256):
    """Whether `forward` gives what the model itself gives: tried on a copy, in training and in double precision."""
    first, last = outermost(model)
    for layer in (first, last):
        if (layer.kernel_size, layer.stride, layer.padding) != ((4, 4), (2, 2), (1, 1)) or layer.bias is None:
            return False
    if not (isinstance(first, nn.Conv2d) and isinstance(last, nn.ConvTranspose2d)):
        return False
    with torch.random.fork_rng(devices=()), torch.no_grad():
        plain = copy.deepcopy(model).double().train()
        folded = copy.deepcopy(plain)
        x = torch.rand(3, first.in_channels, size, size, dtype=torch.float64)  # [3, C, size, size]
        same_output = torch.allclose(forward(folded, fold(x)), fold(plain(x)), rtol=1e-9, atol=1e-9)
    buffers = zip(plain.buffers(), folded.buffers(), strict=True)  # BatchNorm's averages
    return same_output and all(torch.allclose(a.double(), b.double()) for a, b in buffers)


class Answer(nn.Module):
    """A network that gives the same answer to everything: what a loss makes of it shows what the loss looks at."""

    def __init__(self, reconstruction):
        super().__init__()
        self.reconstruction = reconstruction

    def forward(self, x):
        return self.reconstruction


def loss_fits(loss_function, channels, size=32):
    """Whether a loss and its gradient are the same on folded images: true of a mean over pixels and colours.

    False of a loss that looks at neighbours, at one colour, or into the network.
    """
    generator = torch.Generator().manual_seed(0)
    batch = torch.randint(0, 256, (3, channels, size, size), generator=generator, dtype=torch.uint8)
    answer = torch.rand(batch.shape, generator=generator)  # float32 [3, C, size, size]
    losses, gradients = [], []
    for images, reconstruction in ((batch, answer.clone()), (fold(batch), fold(answer))):
        reconstruction.requires_grad_()
        loss = loss_function(Answer(reconstruction), images)
        losses.append(loss.detach())
        gradients.append(*torch.autograd.grad(loss, reconstruction))
    return torch.allclose(*losses, rtol=1e-5) and torch.allclose(fold(gradients[0]), gradients[1], rtol=1e-4, atol=1e-9)
