"""The memory bank beside another implementation of PatchCore, given the same network: that of anomalib.

anomalib is no dependency of this package; where it is not installed, the study says how to get it.
"""

import contextlib
import time

import numpy as np
import pandas as pd
import torch
from torch import nn

from hazelnut_ae import results
from hazelnut_ae.backbones import imagenet_stages
from hazelnut_ae.detection import Prediction, maps_and_scores
from hazelnut_ae.engine import memory
from hazelnut_ae.errors import DataError
from hazelnut_ae.patchcore import COARSE, MemoryBank
from hazelnut_ae.training import split_good, to_float

RATIO = 0.1  # of all patches that anomalib keeps unless told otherwise


class Layers(nn.Module):
    """Some stages of a network under names, as anomalib's model asks for them."""

    def __init__(self, network, stages):
        super().__init__()
        self.network, self.stages = network, stages

    def forward(self, x):
        seen = self.network(x, max(self.stages) + 1)
        return {str(i): seen[i] for i in self.stages}


class Peer:
    """anomalib's PatchCore around our network, its stages `COARSE` and its own settings, as a `Detector`."""

    has_printed_tau = False

    def __init__(self, network=None, ratio=RATIO):
        """Raises: DataError where anomalib is not installed."""
        try:
            import anomalib
            from anomalib.models.image.patchcore.torch_model import PatchcoreModel
        except ImportError as error:
            raise DataError(
                f"this study needs anomalib ({error}); pip install anomalib gets it, best into another environment."
            ) from error
        network = network or imagenet_stages()
        self.name, self.ratio = f"anomalib {anomalib.__version__} ({network.name})", ratio
        self.model = PatchcoreModel(layers=["layer2", "layer3"], backbone="resnet18", pre_trained=False)
        self.model.feature_extractor = Layers(network, COARSE).eval()  # in place of that ResNet
        self.model.layers = [str(i) for i in COARSE]

    @torch.no_grad()
    def fit(self, good):
        self.model.train()
        self.model.feature_extractor.eval()
        for image in good:
            self.model(to_float(np.asarray(image)[None]))
        self.model.subsample_embedding(self.ratio)

    @torch.no_grad()
    def maps_and_scores(self, images):
        self.model.eval()
        found = [self.model(to_float(np.asarray(image)[None])) for image in images]
        maps = torch.cat([one.anomaly_map for one in found])[:, 0].numpy()  # [N, H, W]
        return maps, torch.cat([one.pred_score for one in found]).double().numpy()  # ..., [N]


def beside_peer(dataset, detectors=None):
    """Both on the same images, one after the other in one process: a DataFrame with "system", "pixel_auroc", "pro",
    "f1_max" (the mean over the kinds of defects), "image_auroc", "fit_s", "image_s" and "peak_gb".

    Raises: DataError where anomalib is not installed.
    """
    learn, _ = split_good(len(dataset.train), 0)
    rows = []
    for detector in detectors or (Peer(), MemoryBank()):
        memory.forget_largest_memory()
        # as each is used by itself: what is kept for our bank would pile up under the other's changing sizes
        with memory.kept() if isinstance(detector, MemoryBank) else contextlib.nullcontext():
            started = time.perf_counter()
            detector.fit(dataset.train.images[learn])
            fitted = time.perf_counter()
            maps, scores = maps_and_scores(detector, dataset.test.images)
            seconds = {"fit_s": fitted - started, "image_s": (time.perf_counter() - fitted) / len(dataset.test)}
        found = results.evaluate(detector.name, Prediction(maps, scores), dataset.test, data=dataset.name)
        rows.append(
            {"data": dataset.name, "system": detector.name}
            | {"pixel_auroc": found["pixels"]["auroc"], "pro": found["pixels"]["pro"]}
            | {"f1_max": np.mean([kind["f1_max"] for kind in found["defects"].values()])}
            | {"image_auroc": found["images"]["auroc"]}
            | seconds
            | {"peak_gb": memory.memory_gb()}
        )
    return pd.DataFrame(rows)
