"""A detector that is no network, so that no test here depends on the one that this package trains."""

import numpy as np
import pytest
import torch
from spots import spotted

from hazelnut_ae.detection import Detector, prediction_from_maps
from hazelnut_ae.engine.calibration import Calibration
from hazelnut_ae.inference.loaded import LoadedDetector


class Redness(Detector):
    """Scores above 10, far from [0, 1]; red is what it never saw."""

    name, learned = "redness", ("bank",)

    def __init__(self):
        self.batches, self.bank = [], torch.ones(3)

    def fit(self, good):
        pass

    def predict(self, images):
        self.batches.append(len(images))
        return prediction_from_maps(10 + np.asarray(images, np.float32)[:, 0] / 25.5)  # [N, 256, 256] in [10, 20]


@pytest.fixture
def redness():
    return LoadedDetector(Redness(), Calibration(15.0, 18.0, 10.5, (10.5, 11.0, 11.5, 18.5)))


@pytest.fixture
def photographs(tmp_path):
    """Forty images in two folders, every fourth with a red spot, and one that cannot be read."""
    for i in range(40):
        spotted(tmp_path / "new" / ("a" if i < 20 else "b") / f"{i:02d}.png", red=250 if i % 4 == 0 else 10 + i)
    (tmp_path / "new" / "b" / "30a.png").write_text("I am no image")
    return tmp_path / "new"
