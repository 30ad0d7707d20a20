"""The device, the precision of its arithmetic, and the memory of this process."""

import contextlib
import ctypes
import os
from pathlib import Path

import torch
from torch import nn

from hazelnut_ae.errors import DataError


def find_device(name: str | torch.device | None = None) -> torch.device:
    """Returns the device `name`; by default a GPU (under torchrun the one of this process), else the CPU.

    Raises DataError if this machine has no such device.
    """
    best = "mps" if torch.backends.mps.is_available() else "cpu"
    best = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else best
    try:
        device = torch.device(name or best)
        torch.zeros(1, device=device)
        return device
    except (RuntimeError, AssertionError) as error:
        raise DataError(f"This machine has no device {str(name or best)!r}; choose --device cpu.") from error


def best_precision(device: str | torch.device) -> str:
    """Returns "bfloat16" for a CPU with AMX units, where it is much faster; else "float32", also on every GPU."""
    amx = torch.device(device).type == "cpu" and hasattr(torch.cpu, "get_capabilities")  # not in older versions
    return "bfloat16" if amx and torch.cpu.get_capabilities().get("amx_bf16") else "float32"


def autocast(device, precision=None):
    """Returns a context that computes matrix products in `precision` (default: the best for the device)."""
    enabled = (precision or best_precision(device)) == "bfloat16"
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=enabled)


class AutocastNetwork(nn.Module):
    """Computes a network in bfloat16; weights and output stay float32."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        with autocast(x.device, "bfloat16"):
            return self.network(x).float()


def prepare_network(network: nn.Module, device: str | torch.device, precision: str) -> nn.Module:
    """Moves a network to a device in the fastest memory layout; wraps it in `AutocastNetwork` for bfloat16."""
    plain = torch.device(device).type == "cpu" and precision == "float32"
    network.to(device, memory_format=torch.contiguous_format if plain else torch.channels_last)
    return AutocastNetwork(network) if precision == "bfloat16" else network


def retain_memory():
    """Makes glibc keep freed memory for the next training step, which saves a tenth of it on a CPU."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # not on macOS, Windows and musl
        libc = ctypes.CDLL(None)
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD: memory at the end of the heap that is not given back
        libc.mallopt(-3, 1 << 25)  # M_MMAP_THRESHOLD: smaller tensors come from the heap


def peak_memory_gb() -> float | None:
    """Returns the peak memory of this process in GB since `reset_peak_memory`; None if not on Linux."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e9


def reset_peak_memory():
    """Makes `peak_memory_gb` measure from now on."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
