"""Measure the memory bank and anomalib's PatchCore and PaDiM, given the same network (needs anomalib).

One system in one process, so that its memory is its own. EfficientAD needs a teacher that anomalib downloads.
"""

import time

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.common import peak_memory_gb, reset_peak_memory
from hazelnut_ae import dataset, results
from hazelnut_ae.backbones import imagenet_stages
from hazelnut_ae.detection import Detector, Prediction
from hazelnut_ae.errors import DataError
from hazelnut_ae.io.images import headers, scan
from hazelnut_ae.patchcore import MemoryBank
from hazelnut_ae.training import split_good, to_float

OUT = "peer.csv"
SIDE = 256  # anomalib's default
RATIO = 0.1  # of all patches that PatchCore keeps, anomalib's default
STAGES = {"patchcore": (2, 4), "padim": (1, 2, 4)}  # of strides 8 and 16, and 4, 8 and 16, as their layers of a ResNet


def add_options(command):
    command.add_argument("data", metavar="DIR", help="a data folder with test images")
    command.add_argument("--system", default="bank", choices=SYSTEMS, help="default: bank")


def run(options):
    size = next(size for _, size, _ in headers(entry.path for entry in scan(options.data)[0]))
    size, tiles = dataset.working_size(size)  # as `train --detector features` reads it
    return measured(dataset.load(options.data, size), SYSTEMS[options.system](*tiles))


class Layers(nn.Module):
    """Some stages of a network by name, as anomalib's models need them."""

    def __init__(self, network, stages):
        super().__init__()
        self.network, self.stages = network, stages

    def forward(self, x):
        seen = self.network(x, max(self.stages) + 1)
        return {str(i): seen[i] for i in self.stages}


class Anomalib(Detector):
    """A model of anomalib around our network; it sees 256×256 pixels, and its maps are enlarged to the image's size."""

    score_description = "anomalib's score of an image"

    def __init__(self, model, network=None, ratio=RATIO):
        """
        Args:
            model: "patchcore" or "padim".
            network: a `backbones.Stages`; None: EfficientNet-Lite0 with ImageNet weights.
            ratio: of the patches that PatchCore keeps.

        Raises:
            DataError: anomalib is not installed.
        """
        try:
            import anomalib
            from anomalib.models.image.padim.torch_model import PadimModel
            from anomalib.models.image.patchcore.torch_model import PatchcoreModel
        except ImportError as error:
            raise DataError(
                f"this study needs anomalib ({error}); pip install anomalib gets it, best into another environment."
            ) from error
        network, self.ratio = network or imagenet_stages(), ratio
        self.name = f"anomalib {anomalib.__version__} {model} ({network.name})"
        build = PatchcoreModel if model == "patchcore" else PadimModel
        self.model = build(layers=["layer1", "layer2", "layer3"], backbone="resnet18", pre_trained=False)
        self.model.feature_extractor = Layers(network, STAGES[model]).eval()  # in place of that ResNet
        self.model.layers = [str(i) for i in STAGES[model]]
        if model == "padim":  # 100 features at random, as anomalib takes of a ResNet-18
            torch.manual_seed(0)
            self.model.idx = torch.randperm(sum(network.widths[i] for i in STAGES[model]))[: self.model.n_features]

    def squeezed(self, image):
        return F.interpolate(to_float(np.asarray(image)[None]), (SIDE, SIDE), mode="bilinear", antialias=True)

    @torch.no_grad()
    def fit(self, good):
        self.model.train()
        self.model.feature_extractor.eval()
        for image in good:
            self.model(self.squeezed(image))
        self.model.subsample_embedding(self.ratio) if hasattr(self.model, "subsample_embedding") else self.model.fit()

    @torch.no_grad()
    def predict(self, images):
        self.model.eval()
        found = [self.model(self.squeezed(image)) for image in images]
        maps = [F.interpolate(one.anomaly_map, images.shape[2:], mode="bilinear")[0, 0].numpy() for one in found]
        return Prediction(np.stack(maps), torch.cat([one.pred_score.flatten() for one in found]).double().numpy())


SYSTEMS = {  # each gets the rows and columns of tiles
    "bank": lambda rows, columns: MemoryBank(rows=rows, columns=columns),
    "patchcore": lambda *_: Anomalib("patchcore"),
    "padim": lambda *_: Anomalib("padim"),
}


def measured(data, detector):
    """Fits and measures one detector.

    Returns:
        A DataFrame with one row: data, system, pixel_auroc, pro, f1_max (mean over the kinds of defects), image_auroc,
        fit_s and image_s (seconds of all cores together), peak_gb.
    """
    learn, _ = split_good(len(data.train), 0)
    reset_peak_memory()
    start = time.process_time()
    detector.fit(data.train.images[learn])
    fitted = time.process_time()
    found = detector.predict(data.test.images)
    image_s = (time.process_time() - fitted) / len(data.test)
    result = results.evaluate(detector.name, found, data.test, data=data.name)
    row = {"data": data.name, "system": detector.name}
    row |= {"pixel_auroc": result["pixels"]["auroc"], "pro": result["pixels"]["pro"]}
    row["f1_max"] = np.mean([block["f1_max"] for block in result["defects"].values()])
    row |= {"image_auroc": result["images"]["auroc"], "fit_s": fitted - start, "image_s": image_s}
    return pd.DataFrame([row | {"peak_gb": peak_memory_gb()}])
