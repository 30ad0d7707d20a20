"""scipy's gaussian_filter as a layer of a network, so that a map with its blur can be exported."""

import torch
from torch import nn
from torch.nn import functional as F


class GaussianBlur(nn.Module):
    """Maps [N, 1, H, W] through scipy's gaussian_filter(mode="nearest"): one axis after the other."""

    def __init__(self, sigma):
        super().__init__()
        self.register_buffer("kernel", gaussian(sigma), persistent=False)  # [2·r + 1]

    def forward(self, maps):
        width = len(self.kernel) // 2
        maps = F.conv2d(F.pad(maps, (0, 0, width, width), mode="replicate"), self.kernel[None, None, :, None])
        return F.conv2d(F.pad(maps, (width, width, 0, 0), mode="replicate"), self.kernel[None, None, None, :])


def gaussian(sigma):
    """The kernel [2·r + 1] by which scipy's gaussian_filter blurs, as far as four σ: float32, of sum 1."""
    radius = int(4 * sigma + 0.5)
    steps = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (steps / max(sigma, 1e-15)) ** 2)  # a σ of 0 leaves the one number in the middle
    return (kernel / kernel.sum()).float()
