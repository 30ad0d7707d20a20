"""The device, and the precision of its arithmetic."""

import os

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
