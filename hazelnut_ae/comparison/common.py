"""What the comparison systems share: moving the training images about, resuming a long fit, faster arithmetic."""

import copy
import math
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from hazelnut_ae.engine import runs, speed
from hazelnut_ae.engine.files import atomic_path

AUGMENTATIONS = ("turn", "upright", "none")


def augment(images: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """Moves every image of a batch, float32 [N, C, H, W], by its own random amount; the border is reflected.

    "turn": any rotation, mirroring, translation by up to 4 % (hazelnuts lie as they fall).
    "upright": translation by whole pixels only, for objects that always lie the same way, such as the transistor.
    "none": as it is. Bergmann et al. (2019) translate, rotate and mirror; how far is not printed.
    """
    if kind not in AUGMENTATIONS:
        raise ValueError(f"augmentation {kind!r} is none of {', '.join(AUGMENTATIONS)}")
    if kind == "none":
        return images
    number, width = len(images), images.shape[-1]
    # affine_grid measures in half widths. Whole pixels for "upright": no interpolation, so no blur.
    shift = ((torch.rand(number, 2, generator=generator) * 2 - 1) * 0.04 * width).round() * 2 / width  # [N, 2]
    angle, mirror = torch.zeros(number), torch.ones(number)
    if kind == "turn":
        angle = torch.rand(number, generator=generator) * 2 * math.pi
        mirror = torch.randint(0, 2, (number,), generator=generator) * 2.0 - 1
    rows = [
        torch.stack([mirror * angle.cos(), -angle.sin(), shift[:, 0]], dim=1),
        torch.stack([mirror * angle.sin(), angle.cos(), shift[:, 1]], dim=1),
    ]
    matrix = torch.stack(rows, dim=1)  # [N, 2, 3]
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)  # [N, H, W, 2]
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)  # [N, C, H, W]


def batch_of(images: Tensor, batch_size: int, kind: str, seed: int, step: int) -> Tensor:
    """One augmented training batch, float32 [B, C, H, W] in [0, 1], from uint8 or float [N, C, H, W].

    It depends on nothing but (seed, step): a fit that resumes at step k sees what it would have seen.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    chosen = torch.randint(0, len(images), (batch_size,), generator=generator)
    batch = images[chosen]
    return augment(batch.float() / 255 if batch.dtype == torch.uint8 else batch, kind, generator)


def faster_arithmetic(device: str):
    """bfloat16 where the hardware multiplies it faster than float32; weights and losses stay float32."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=speed.best_precision(device) == "bfloat16")


class Checkpoint:
    """Where a long fit keeps its place. `key` says what is being fitted: a file with another key is ignored."""

    def __init__(self, path: Path | str, key: str, every_seconds: float = 60):
        self.path, self.key, self.every_seconds = Path(path), key, every_seconds
        self.started = self.saved = time.monotonic()
        self.seconds_before = 0.0

    @property
    def seconds(self) -> float:
        """Time spent on this fit so far, in this process and in those it resumes."""
        return self.seconds_before + time.monotonic() - self.started

    def resume(self, **parts) -> int:
        """Loads modules and optimizers in place; returns the step to go on from, 0 if there is nothing."""
        if not self.path.exists():
            return 0
        before = {name: copy.deepcopy(part.state_dict()) for name, part in parts.items()}
        try:
            saved = torch.load(self.path, weights_only=True, map_location="cpu")
            if saved["key"] != self.key:
                return 0
            for name, part in parts.items():
                part.load_state_dict(saved[name])
        except Exception:  # a damaged checkpoint costs time, not the fit
            for name, part in parts.items():
                part.load_state_dict(before[name])
            return 0
        self.seconds_before = saved["seconds"]
        return saved["step"]

    def save(self, step: int, **parts) -> None:
        """Saves after `step` steps, at most once in `every_seconds`."""
        if time.monotonic() - self.saved < self.every_seconds:
            return
        state = {name: part.state_dict() for name, part in parts.items()}
        with atomic_path(self.path) as temporary:
            runs.torch_save(state | {"key": self.key, "step": step, "seconds": self.seconds}, temporary)
        self.saved = time.monotonic()

    def remove(self) -> None:
        """Called when the fit is done and kept elsewhere."""
        self.path.unlink(missing_ok=True)
