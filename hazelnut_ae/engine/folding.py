"""The outermost layers computed on folded images: the same network, faster on a processor."""

import torch
from torch import nn
from torch.nn import functional as F

from hazelnut_ae.engine.speed import to_input


def fold(x):
    """Folds each 2×2 square of pixels into channels: [N, C, H, W] to [N, 4·C, H/2, W/2]."""
    return F.pixel_unshuffle(x, 2)


def fold_kernel(weight):
    """The 3×3 kernel that does to folded images what a 4×4 kernel of stride 2 does to images: [O, C, 4, 4] to
    [O, 4·C, 3, 3], the taps that the larger window adds being zero."""
    return fold(F.pad(weight, (1, 1, 1, 1)))


def folded_forward(model, x):
    """The autoencoder on folded images [N, 12, 128, 128]: gives its reconstruction folded alike, up to rounding.

    A processor multiplies 16 or 32 channels at a time, and the outermost layers have 3; folded they have 12. The
    other transposed convolutions add their bias outside, because the library sums its gradient slowly.
    """
    layers = [*model.encoder, *model.decoder]
    first, last = layers[0], layers[-2]  # after the last convolution comes only the sigmoid
    for layer in layers:
        if layer is first:
            x = F.conv2d(x, fold_kernel(layer.weight), layer.bias, padding=1)  # [N, 3, 128, 128]
        elif layer is last:  # a transposed convolution is one with the kernel turned round
            kernel = fold_kernel(layer.weight).flip(2, 3).transpose(0, 1)  # [12, 3, 3, 3]
            x = F.conv2d(x, kernel, layer.bias.repeat_interleave(4), padding=1)  # [N, 12, 128, 128]
        elif isinstance(layer, nn.ConvTranspose2d) and layer.kernel_size == (8, 8):  # of 1×1 pixel: a matrix product
            x = (x.flatten(1) @ layer.weight.flatten(1)).unflatten(1, layer.weight.shape[1:])  # [N, 32, 8, 8]
            x = x.contiguous(memory_format=torch.channels_last) + layer.bias[:, None, None]
        elif isinstance(layer, nn.ConvTranspose2d):
            x = F.conv_transpose2d(x, layer.weight, None, layer.stride, layer.padding) + layer.bias[:, None, None]
        else:
            x = layer(x)
    return x


def folded_l2_loss(model, batch, precision="float32"):
    """`training.l2_loss` for two cores: the same loss and gradients up to rounding, about a fifth faster."""
    x = to_input(fold(batch))  # float32 [N, 12, 128, 128] in [0, 1]
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        reconstruction = folded_forward(model, x)  # [N, 12, 128, 128]
    return F.mse_loss(reconstruction.float(), x)
