"""What makes a step fast without showing in the loop: the device, bfloat16, compiling, and the folded outermost layers.

The loop of `training` is called with a network and a loss function as always. Here both are wrapped: the network
computes the same numbers (up to rounding) in less time, and the loss is the caller's own, whatever it is.
"""

import functools
import os

import torch
from torch import nn

from hazelnut_ae.engine import folding
from hazelnut_ae.engine.files import DataError

COMPILE_FROM_STEPS = 5_000  # compiling takes as long as some hundred steps, and saves a fifth of each (bench)


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


def faster(model, loss_function, device, precision="float32", processes=1):
    """(network, prepare): the network in the form that is fastest here, and what a batch becomes before it gets there.

    Folding pays with bfloat16 on a processor, and is done only where it is the same training (`folding.fits`): another
    loss, or another first or last layer, is computed as it stands.
    """
    pays = torch.device(device).type == "cpu" and precision == "bfloat16" and processes == 1
    folded = pays and folding.fits(model, loss_function)
    network = FastNetwork(model, precision, folded) if precision == "bfloat16" else model
    return network, functools.partial(prepared, folded=folded, device=device)


def prepared(batch, folded, device):
    """A batch [N, C, H, W] on its device, folded or not, channels last: so convolutions run fastest."""
    batch = folding.fold(batch) if folded else batch
    return batch.to(device, memory_format=torch.channels_last)


def pays_to_compile(steps, device):
    """Whether a run of that many steps wins back the time that compiling takes: only long ones do."""
    return steps >= COMPILE_FROM_STEPS and torch.device(device).type in ("cpu", "cuda")


def compiled(function):
    """`torch.compile` of a loss function; where that cannot work, say without a C++ compiler, the function itself."""
    print("Compiling the training step: the first one takes a while, each of the others is faster for it.")
    fast = torch.compile(function, dynamic=False)

    def compiled_or_not(*arguments):
        nonlocal fast
        if fast is not function:
            try:
                return fast(*arguments)
            except (torch._dynamo.exc.TorchDynamoException, RuntimeError) as error:
                print(f"Compiling failed ({str(error).splitlines()[0]}); going on without.")
                fast = function
        return function(*arguments)

    return compiled_or_not
