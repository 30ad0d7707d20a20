"""Figure 8 of the article: reconstruct, subtract, take the largest colour difference, compare with τ.

Everything that finds anomalies here is a `Detector`, so that the article's autoencoder and the comparison systems
can be measured by the same code.
"""

from typing import Protocol

import numpy as np


class Detector(Protocol):
    """What can be fitted to good images and then scores every pixel of others."""

    name: str

    def fit(self, good: np.ndarray) -> None:
        """Learns from defect-free images, uint8 [N, 3, 256, 256]."""

    def anomaly_maps(self, images: np.ndarray) -> np.ndarray:
        """Scores uint8 [N, 3, 256, 256] as float32 [N, 256, 256], larger = more anomalous."""
