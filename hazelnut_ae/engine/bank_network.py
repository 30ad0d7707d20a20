"""The memory bank's maps as one network, for export: what `features.MemoryBank` does with torch and scipy by turns."""

import torch
from torch import nn
from torch.nn import functional as F

from hazelnut_ae.features import GRID, locally_aware

PART = 256  # patches of each image compared at once: their table of distances to a bank of 5,000 takes 5 MB


class BankNetwork(nn.Module):
    """float32 [N, 3, H, W] in [0, 1] to the maps float32 [N, H, W] of a fitted `MemoryBank`, ≥ 0."""

    def __init__(self, detector):
        super().__init__()
        self.network, self.side, self.neighbourhood = detector.network, detector.side, detector.neighbourhood
        for name in ("mean", "scale", "bank"):
            self.register_buffer(name, getattr(detector, name))
        self.register_buffer("kernel", gaussian(detector.blur).to(self.bank.device))

    def forward(self, x):
        large = F.interpolate(x, size=(self.side, self.side), mode="bilinear")  # [N, 3, S, S]
        stages = self.network(large)
        patches = (locally_aware(stages, self.neighbourhood) - self.mean) * self.scale  # [N, P, D]
        distances = self.nearest(patches).unflatten(1, (1, *stages[GRID].shape[-2:]))  # [N, 1, S/8, S/8]
        maps = F.interpolate(distances, size=x.shape[-2:], mode="bilinear")  # [N, 1, H, W]
        return self.blurred(maps)[:, 0]

    def nearest(self, patches):
        """The distance of each patch [N, P, D] to the nearest in the bank: [N, P], by |a|² − 2 a·b + |b|².

        |a|² is the same for the whole bank, so it is added to what is left of each row.
        """
        squares = self.bank.square().sum(dim=1)  # [K]
        parts = [patches[:, i : i + PART] for i in range(0, patches.shape[1], PART)]  # `split` exports a wrong last one
        left = [(squares - 2 * (part @ self.bank.T)).amin(dim=2) for part in parts]
        return (patches.square().sum(dim=2) + torch.cat(left, dim=1)).clamp_min(0).sqrt()

    def blurred(self, maps):
        """Maps [N, 1, H, W] through scipy's gaussian_filter(mode="nearest"): one axis after the other."""
        width = len(self.kernel) // 2
        maps = F.conv2d(F.pad(maps, (0, 0, width, width), mode="replicate"), self.kernel[None, None, :, None])
        return F.conv2d(F.pad(maps, (width, width, 0, 0), mode="replicate"), self.kernel[None, None, None, :])


def gaussian(sigma):
    """The kernel [2·r + 1] by which scipy's gaussian_filter blurs, as far as four σ: float32, of sum 1."""
    radius = int(4 * sigma + 0.5)
    steps = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (steps / max(sigma, 1e-15)) ** 2)  # a σ of 0 leaves the one number in the middle
    return (kernel / kernel.sum()).float()
