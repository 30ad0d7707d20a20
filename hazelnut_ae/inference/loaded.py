"""A trained detector from a run folder, loaded once, for images from files or from a program's own arrays."""

import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from hazelnut_ae import curves
from hazelnut_ae.dataset import SIZE, read_image, rgb_at
from hazelnut_ae.detection import BATCH, predicted_pixels
from hazelnut_ae.engine import calibration, run_data, runs
from hazelnut_ae.engine.calibration import Calibration
from hazelnut_ae.errors import DataError


class Predictions(NamedTuple):
    """What a detector says of N images, in their order."""

    scores: np.ndarray  # float64 [N], larger = more anomalous: a map's 100 largest values on average, or the bank's own
    decisions: np.ndarray  # bool [N], True = defective: the score exceeds image_tau
    maps: np.ndarray  # float32 [N, 256, 256], larger = more anomalous; the article's network: in [0, 1]
    masks: np.ndarray  # bool [N, 256, 256], True = defective pixel: the map exceeds tau


def load_detector(run, tau=None, image_tau=None):
    """The detector of a run folder with its thresholds, ready to predict.

        detector = load_detector("runs/parts")
        scores, decisions, maps, masks = detector.predict(["new/1.png", photograph])

    run: the folder; tau and image_tau: instead of the run's own label-free thresholds of pixels and of image scores.
    Raises: DataError if there is no run in the folder, a file of it is damaged, or it holds no thresholds and not both
    are given.
    """
    detector = run_data.detector_of(runs.load_run(run))
    try:
        known = calibration.read(run, detector)
    except DataError:
        if tau is None or image_tau is None:
            raise
        known = Calibration(tau, image_tau)
    return LoadedDetector(detector, known, tau, image_tau)


class LoadedDetector:
    """Any fitted `Detector` with its `Calibration`.

    tau, image_tau: the thresholds in use, those of the calibration unless others are given.
    """

    def __init__(self, detector, calibration, tau=None, image_tau=None):
        self.detector, self.calibration = detector, calibration
        self.tau = calibration.tau if tau is None else float(tau)
        self.image_tau = calibration.image_tau if image_tau is None else float(image_tau)
        self.score_description = detector.score_description
        self._one_at_a_time = threading.Lock()

    def predict(self, images):
        """`Predictions` of one image or of a list of them: (scores, decisions, maps, masks).

        images: the path of a PNG, JPEG, BMP or TIFF file; an array uint8 in 0 … 255, RGB, of any size: [H, W, 3],
        [3, H, W] or grey [H, W]; many of one size: [N, H, W, 3] or [N, 3, H, W]; a list or tuple of paths and
        arrays of single images, mixed as you like. Each is squeezed to 256×256 as in training.
        Threads may call it at the same time.
        Raises: DataError for a file that is no image; ValueError for an array of another kind or shape.
        """
        found = [(np.zeros((0, SIZE, SIZE), np.float32), np.zeros(0))]
        found += [
            self.maps_and_scores(np.stack([prepared(one) for one in some])) for some in groups(list(each(images)))
        ]
        maps, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))  # [N, 256, 256], [N]
        return Predictions(scores, scores > self.image_tau, maps, predicted_pixels(maps, np.float32(self.tau)))

    def maps_and_scores(self, images):
        """float32 [N, 256, 256] and float64 [N] of uint8 [N, 3, 256, 256]. Raises: DataError if one is NaN."""
        with self._one_at_a_time:  # a Detector need not expect two callers, and torch uses all processors for one
            found = self.detector.predict(images)
            maps, scores = found.anomaly_maps, found.image_scores
        return curves.finite(maps), curves.finite(scores)


def groups(images):
    """Lists of at most 32, the last one shorter."""
    return (images[i : i + BATCH] for i in range(0, len(images), BATCH))


def each(images):
    """Single images, paths or arrays, of whatever `LoadedDetector.predict` takes."""
    if isinstance(images, str | Path):
        return [images]
    if isinstance(images, np.ndarray):
        return images if images.ndim == 4 else [images]
    if isinstance(images, list | tuple):
        return images
    raise ValueError(f"images are paths, arrays or a list of them, not {type(images).__name__}")


def prepared(image):
    """One image, a path or an array of any size, as uint8 [3, 256, 256]."""
    if isinstance(image, str | Path):
        return read_image(Path(image))
    shape = getattr(image, "shape", ())
    if getattr(image, "dtype", None) != np.uint8:
        kind = getattr(image, "dtype", type(image).__name__)
        raise ValueError(f"an image is a path or a NumPy array uint8 in 0 … 255, not {kind}")
    image = np.asarray(image)
    if len(shape) == 3 and shape[0] == 3 and shape[2] != 3:
        image = image.transpose(1, 2, 0)  # [3, H, W] → [H, W, 3]
    if 0 in shape or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ValueError(f"an image is [H, W, 3], [3, H, W] or [H, W], not {list(shape)}")
    return rgb_at(Image.fromarray(np.ascontiguousarray(image)), (SIZE, SIZE))
