"""What makes a step fast without showing in the loop: the device, bfloat16, the memory layout, glibc's allocator, and
the outermost layers computed on folded images."""

import os

import torch

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
