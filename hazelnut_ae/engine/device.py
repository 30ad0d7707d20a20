"""What makes a step fast without showing in the loop: the device, bfloat16, the layout, the folded outermost layers.

The loop of `training` is called with a network and a loss function as always. Here both are wrapped: the network
computes the same numbers (up to rounding) in less time, and the loss is the caller's own, whatever it is.
`compiling` adds to it.
"""

import functools
import os

import torch
from torch import nn

from hazelnut_ae.engine import folding
from hazelnut_ae.errors import DataError


def best_device():
    """The device "cuda" where there is a GPU (under torchrun, this process's own), else "mps", else "cpu"."""
    if torch.cuda.is_available():
        return f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def find_device(name=None):
    """The torch device of that name, or the best there is. Raises: DataError if this machine has no such device."""
    try:
        device = torch.device(name or best_device())
        torch.zeros(1, device=device)
        return device
    except (RuntimeError, AssertionError) as error:
        raise DataError(f"This machine has no device {name!r}; leave --device out, or choose cpu.") from error


def best_precision(device):
    """ "bfloat16" where the hardware multiplies it faster than float32, else "float32"."""
    if torch.device(device).type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if torch.device(device).type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        return "bfloat16" if torch.cpu.get_capabilities().get("amx_bf16") else "float32"
    return "float32"


def faster_arithmetic(device, precision=None):
    """Within it, products are in bfloat16 where the hardware multiplies that faster; weights stay float32."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=(precision or best_precision(device)) == "bfloat16")


class FastNetwork(nn.Module):
    """An autoencoder in bfloat16, on images or on folded ones; its weights are the model's own, its answer float32."""

    def __init__(self, model, precision, folded):
        super().__init__()
        self.model, self.precision, self.folded = model, precision, folded

    def forward(self, x):
        with faster_arithmetic(x.device, self.precision):
            reconstruction = folding.forward(self.model, x) if self.folded else self.model(x)
        return reconstruction.float()


def layout(device, precision):
    """The order of numbers in which a step is fastest: channels last, but on a processor's float32 as they are."""
    as_they_are = torch.device(device).type == "cpu" and precision == "float32"
    return torch.contiguous_format if as_they_are else torch.channels_last


def faster(model, loss_function, device, precision="float32", processes=1):
    """(network, prepare): the network in the form that is fastest here, and what a batch becomes before it gets there.

    Folding pays with bfloat16 on a processor, and is done only where it is the same training (`folding.fits`): another
    loss, or another first or last layer, is computed as it stands.
    """
    pays = torch.device(device).type == "cpu" and precision == "bfloat16" and processes == 1
    folded = pays and folding.fits(model, loss_function)
    order = layout(device, precision)
    model.to(device, memory_format=order)
    network = FastNetwork(model, precision, folded) if precision == "bfloat16" else model
    return network, functools.partial(prepared, folded=folded, device=device, order=order)


def prepared(batch, folded, device, order=torch.channels_last):
    """A batch [N, C, H, W] on its device, folded or not, its numbers in the order in which convolutions run fastest."""
    batch = folding.fold(batch) if folded else batch
    return batch.to(device, memory_format=order)
