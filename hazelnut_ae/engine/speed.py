"""What makes a step fast without showing in the loop: the device, bfloat16, the memory layout, glibc's allocator, and
the outermost layers computed on folded images."""

import contextlib
import ctypes
import os
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

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


def to_input(batch):
    """uint8 [N, 3, H, W] as float32 in [0, 1], channels last: the order in which convolutions run fastest."""
    return batch.to(torch.float32, memory_format=torch.channels_last).div_(255)


def keep_memory():
    """Tells glibc not to map large blocks one by one and not to trim the heap; does nothing elsewhere.

    A step allocates and frees the same few hundred MB; getting them from the kernel anew costs page faults each time.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-4, 0)  # M_MMAP_MAX
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def memory_gb(line="VmHWM"):
    """This process's memory in GB by a line of /proc/self/status; None where the operating system does not tell.

    "VmHWM" is its largest resident size since `forget_largest_memory`, "RssAnon" what it holds without mapped files.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(text.split()[1]) for text in lines if text.startswith(line)) * 1024 / 1e9
    except (OSError, StopIteration):
        return None


def forget_largest_memory():
    """Lets "VmHWM" count from now on, on Linux; elsewhere nothing happens. What is free is given back first."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # also where `keep_memory` has told glibc not to trim by itself
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


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


def pays_to_fold(device, precision, processes=1):
    """Whether `folded_l2_loss` is faster here than the plain loss: with bfloat16 on a processor."""
    return torch.device(device).type == "cpu" and precision == "bfloat16" and processes == 1


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
