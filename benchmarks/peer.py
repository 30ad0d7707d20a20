"""Measure the memory bank beside anomalib's PatchCore, given the same network (needs anomalib)."""

import numpy as np
import pandas as pd
import torch
from torch import nn

from benchmarks.common import add_data, load_test_set, peak_memory_gb, reset_peak_memory, timed_fit, timed_predict
from hazelnut_ae import results
from hazelnut_ae.backbones import imagenet_stages
from hazelnut_ae.detection import Detector, Prediction
from hazelnut_ae.errors import DataError
from hazelnut_ae.patchcore import COARSE, MemoryBank
from hazelnut_ae.training import split_good, to_float

OUT = "peer.csv"
RATIO = 0.1  # of all patches, anomalib's default


def add_options(command):
    add_data(command)


def run(options):
    return beside_peer(load_test_set(options.data))


class Layers(nn.Module):
    """Some stages of a network by name, as anomalib's model needs them."""

    def __init__(self, network, stages):
        super().__init__()
        self.network, self.stages = network, stages

    def forward(self, x):
        seen = self.network(x, max(self.stages) + 1)
        return {str(i): seen[i] for i in self.stages}


class AnomalibPatchCore(Detector):
    """anomalib's PatchCore around our network, with its stages `COARSE` and anomalib's own settings."""

    score_description = "anomalib's score of an image"

    def __init__(self, network=None, ratio=RATIO):
        """Raises DataError where anomalib is not installed."""
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
    def predict(self, images):
        self.model.eval()
        found = [self.model(to_float(np.asarray(image)[None])) for image in images]
        maps = torch.cat([one.anomaly_map for one in found])[:, 0].numpy()  # [N, H, W]
        return Prediction(maps, torch.cat([one.pred_score for one in found]).double().numpy())

    def state(self):
        return {"memory_bank": self.model.memory_bank.contiguous()}

    def restore(self, state):
        self.model.memory_bank = state["memory_bank"]


def beside_peer(data, detectors=None):
    """Measures both on the same images, one after the other.

    Returns:
        A DataFrame with a row per detector: data, system, pixel_auroc, pro, f1_max (mean over the kinds of defects),
        image_auroc, fit_s, image_s, peak_gb.

    Raises:
        DataError: anomalib is not installed.
    """
    learn, _ = split_good(len(data.train), 0)
    rows = []
    for detector in detectors or (AnomalibPatchCore(), MemoryBank()):
        reset_peak_memory()
        fit_s = timed_fit(detector, data.train.images[learn])
        found, image_s = timed_predict(detector, data.test.images)
        result = results.evaluate(detector.name, found, data.test, data=data.name)
        rows.append(
            {
                "data": data.name,
                "system": detector.name,
                "pixel_auroc": result["pixels"]["auroc"],
                "pro": result["pixels"]["pro"],
                "f1_max": np.mean([block["f1_max"] for block in result["defects"].values()]),
                "image_auroc": result["images"]["auroc"],
                "fit_s": fit_s,
                "image_s": image_s,
                "peak_gb": peak_memory_gb(),
            }
        )
    return pd.DataFrame(rows)
