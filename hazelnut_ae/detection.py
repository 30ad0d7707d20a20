"""Figure 8 of the article: reconstruct, subtract, take the largest colour difference, compare with τ.

Everything that finds anomalies here is a `Detector`, so that the article's autoencoder and the comparison systems
can be measured by the same code.
"""

from typing import Protocol

import numpy as np
import torch
from torch import nn

from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.metrics import image_scores
from hazelnut_ae.training import to_float, train

BATCH = 32


class Detector(Protocol):
    """What can be fitted to good images and then scores every pixel of others.

    An image's score is the mean of its map's 100 largest pixels (`metrics.image_scores`), unless a detector has one of
    its own: `maps_and_scores(images)`, which see, and `score_is`, in words. One whose maps a network computes may also
    offer it: `map_network()`, a torch module from float32 [N, 3, 256, 256] in [0, 1] to float32 [N, 256, 256], and to
    scores [N] if it has its own. Then `hazelnut-ae export` can write it for programs without torch. And one for which
    the exponential rule is wrong sets `tau_from_pasted`: its label-free τ is that of `pasting.tau_median`.
    """

    name: str
    has_printed_tau: bool  # whether the article's τ is one for these maps: it fits residuals in [0, 1]

    def fit(self, good: np.ndarray) -> None:
        """Learns from defect-free images, uint8 [N, 3, 256, 256]."""

    def anomaly_maps(self, images: np.ndarray) -> np.ndarray:
        """Scores uint8 [N, 3, 256, 256] as float32 [N, 256, 256], larger = more anomalous."""

    def state(self) -> dict[str, torch.Tensor]:
        """What it has learnt, by name: all that a new one needs to give the same maps."""

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Takes over what another one of its kind has learnt."""


def maps_and_scores(detector, images):
    """Anomaly maps of uint8 [N, 3, 256, 256], float32 [N, 256, 256], and the images' scores, float64 [N]."""
    if hasattr(detector, "maps_and_scores"):
        return detector.maps_and_scores(images)
    maps = detector.anomaly_maps(images)
    return maps, image_scores(maps)


@torch.no_grad()
def reconstruct(model, images):
    """What the network makes of uint8 [N, 3, 256, 256]: float32 [N, 3, 256, 256] in [0, 1]."""
    model.eval()
    device = next(model.parameters()).device
    outputs = [model(to_float(images[i : i + BATCH]).to(device)).cpu() for i in range(0, len(images), BATCH)]
    return torch.cat(outputs).numpy() if outputs else np.zeros((0, 3, 256, 256), dtype=np.float32)


def residual(images, reconstructions):
    """Figure 8's error: |x - x̂|, the maximum over the three colours. float32 [N, H, W] in [0, 1].

    images: uint8 [N, 3, H, W]; reconstructions: float32 [N, 3, H, W] in [0, 1].
    """
    error = np.abs(np.asarray(images, dtype=np.float32) / 255 - reconstructions)  # [N, 3, H, W]
    return error.max(axis=1)  # [N, H, W]


class Residual(nn.Module):
    """The same with its reconstruction, as one network: float32 [N, 3, 256, 256] in [0, 1] to [N, 256, 256]."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return (x - self.model(x)).abs().amax(dim=1)  # [N, 256, 256]


def predicted_pixels(anomaly_maps, tau):
    """Figure 8's last step: a pixel is defective where its error exceeds τ. bool [N, H, W]."""
    return anomaly_maps > tau


class AutoencoderDetector:
    """The article's detector around a network: the anomaly map is the residual of Figure 8."""

    name = "article"
    has_printed_tau = True

    def __init__(self, model=None):
        self.model = model or Autoencoder()

    def fit(self, good, steps=500, seed=0):
        """The article's training in its plainest form, on uint8 [N, 3, 256, 256]: L2, Adam, batches of 32.

        `engine.long_run` runs the same loop with all that a long run needs.
        """
        generator = torch.Generator().manual_seed(seed)
        rows = (torch.randint(len(good), (BATCH,), generator=generator).numpy() for _ in range(steps))
        optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        for _ in train(self.model, optimizer, (good[chosen] for chosen in rows)):
            pass

    def anomaly_maps(self, images):
        """The residual of each image uint8 [N, 3, 256, 256], as float32 [N, 256, 256] in [0, 1]."""
        maps = [residual(batch, reconstruct(self.model, batch)) for batch in batches(images)]
        return np.concatenate(maps) if maps else np.zeros((0, *images.shape[2:]), dtype=np.float32)

    def map_network(self):
        """What `anomaly_maps` computes, as one torch module."""
        return Residual(self.model)

    def state(self):
        """The network's weights, {name: tensor}."""
        return self.model.state_dict()

    def restore(self, state):
        """Takes over weights; raises RuntimeError if they are another network's."""
        self.model.load_state_dict(state)


def batches(images):
    """Slices of at most 32 images, so that memory does not grow with the number of images."""
    return (images[i : i + BATCH] for i in range(0, len(images), BATCH))
