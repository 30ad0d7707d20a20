"""Figure 8 of the article: reconstruct, subtract, take the largest colour difference, compare with τ (notebook 6).

All systems here are a `Detector`, so the same code measures the article's autoencoder and the others.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.errors import DataError
from hazelnut_ae.graph import Graph, onnx_bytes
from hazelnut_ae.metrics import image_scores
from hazelnut_ae.thresholds import printed_tau, tau_label_free
from hazelnut_ae.training import to_float, train

BATCH = 32


@dataclass
class Prediction:
    """The result of a detector for N images; a larger number means more anomalous."""

    anomaly_maps: np.ndarray  # float32 [N, H, W]
    image_scores: np.ndarray  # float64 [N]


class Detector(ABC):
    """Learns from good images, then scores each pixel of other images. Methods that are not abstract have a default."""

    name: str
    outputs: tuple[str, ...] = ("maps",)  # of `onnx_module`
    graph: Graph | None = None  # `onnx_module` in onnxruntime; a run stores it
    learned: tuple[str, ...] = ()  # the attributes that `fit` sets, tensors
    network: nn.Module | None = None  # what `fit` trains, if it is a network
    score_description: str = "the mean of the 100 largest values of its anomaly map"

    @abstractmethod
    def fit(self, good: np.ndarray) -> None:
        """Learns from defect-free images, uint8, shape (N, 3, H, W)."""

    def predict(self, images: np.ndarray) -> Prediction:
        """Scores images, uint8, shape (N, 3, H, W), on the CPU; here by `graph`, so that none depends on the others."""
        self.graph = self.graph or Graph(lambda size: onnx_bytes(self.onnx_module(), size, self.outputs))
        maps, scores = np.zeros((len(images), *images.shape[2:]), np.float32), np.zeros(len(images))
        for row in tqdm(range(len(images)), desc=f"{self.name}: maps", disable=None):
            maps[row : row + 1], *own = self.graph(images[row : row + 1])  # [1, H, W], [1] if it has its own scores
            scores[row] = own[0][0] if own else image_scores(maps[row : row + 1])[0]
        return Prediction(maps, scores)

    def state(self) -> dict[str, torch.Tensor]:
        """Returns everything it has learned as named tensors; here the attributes in `learned` and the `network`."""
        weights = {} if self.network is None else self.network.state_dict()
        return weights | {name: getattr(self, name) for name in self.learned}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Loads what `state` of the same detector class returned. Raises RuntimeError if the tensors do not match."""
        self.graph = None
        vars(self).update({name: state[name] for name in self.learned})
        if self.network is not None:
            self.network.load_state_dict(state)

    def anomaly_maps(self, images: np.ndarray) -> np.ndarray:
        """Returns only the anomaly maps of `predict`."""
        return self.predict(images).anomaly_maps

    def printed_tau(self, defect: str) -> float | None:
        """Returns the article's threshold for a defect, or None if its thresholds do not suit these maps."""
        return None

    def label_free_tau(self, good: np.ndarray, good_maps: np.ndarray | None = None) -> float:
        """Chooses the pixel threshold from good images uint8 [N, 3, H, W] that `fit` has not seen, N ≥ 1.

        good_maps: their anomaly maps, if already computed. Raises DataError if one holds NaN.
        """
        return tau_label_free(self.anomaly_maps(good) if good_maps is None else good_maps)

    def onnx_module(self) -> nn.Module:
        """Returns what `predict` computes as one torch module. Raises DataError if this detector has none.

        It maps float32 (N, 3, H, W) in [0, 1] to maps (N, H, W), or to maps and image scores (N,): `outputs`.
        """
        other = "choose a run of the article's network or a memory bank"
        raise DataError(f"A run of {self.name} cannot be exported; {other}.")


def prediction_from_maps(anomaly_maps: np.ndarray) -> Prediction:
    """Returns a Prediction whose image scores are the means of each map's 100 largest values."""
    maps = np.asarray(anomaly_maps, np.float32)  # [N, H, W]
    return Prediction(maps, image_scores(maps))


@torch.no_grad()
def reconstruct(model, images):
    """Returns a network's reconstructions of images uint8 [N, 3, 256, 256]: the same shape, float32 in [0, 1]."""
    model.eval()
    device = next(model.parameters()).device
    outputs = [model(to_float(batch).to(device)).cpu() for batch in batches(images)]
    return torch.cat(outputs).numpy() if outputs else np.zeros((0, 3, 256, 256), dtype=np.float32)


def residual(images, reconstructions):
    """Figure 8's error: |x - x̂|, the maximum over the three colours, float32 [N, H, W] in [0, 1].

    images: uint8 [N, 3, H, W]; reconstructions: float32 [N, 3, H, W] in [0, 1].
    """
    error = np.abs(np.asarray(images, dtype=np.float32) / 255 - reconstructions)  # [N, 3, H, W]
    return error.max(axis=1)  # [N, H, W]


class Residual(nn.Module):
    """Reconstruction and residual as one network: float32 [N, 3, 256, 256] in [0, 1] to [N, 256, 256]."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return (x - self.model(x)).abs().amax(dim=1)  # [N, 256, 256]


def predicted_pixels(anomaly_maps, tau):
    """Does the last step of Figure 8: a pixel is defective if its error exceeds τ. Returns bool [N, H, W]."""
    return anomaly_maps > tau


class AutoencoderDetector(Detector):
    """The article's detector around a network: the anomaly map is the residual of Figure 8."""

    name = "article"
    network = property(lambda self: self.model)

    def __init__(self, model: nn.Module | None = None):
        self.model = model or Autoencoder()

    def fit(self, good: np.ndarray, steps: int = 500, seed: int = 0) -> None:
        """Trains on good images uint8 [N, 3, 256, 256] simply: L2, Adam, batches of 32, no augmentation."""
        self.graph, generator = None, torch.Generator().manual_seed(seed)
        rows = (torch.randint(len(good), (BATCH,), generator=generator).numpy() for _ in range(steps))  # [32] each
        optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        for _ in train(self.model, optimizer, (good[chosen] for chosen in rows)):
            pass

    def printed_tau(self, defect: str) -> float | None:
        return printed_tau(defect)  # these maps are residuals in [0, 1]

    def onnx_module(self) -> nn.Module:
        return Residual(self.model)


def batches(images, size=(256, 256)):
    """Yields slices of at most 32 images, fewer of a larger (H, W), so that memory does not grow with their number."""
    count = max(1, BATCH * 256 * 256 // (size[0] * size[1]))
    return (images[i : i + count] for i in range(0, len(images), count))
