"""The two thresholds of a run, chosen from its held-out good images and stored in thresholds.json.

`train` and `evaluate` write the file, `predict` reads it. It contains the hash of the weights, so it is never used with
other weights.
"""

import contextlib
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from hazelnut_ae import thresholds
from hazelnut_ae.detection import Detector
from hazelnut_ae.engine.checkpoints import digest_of
from hazelnut_ae.errors import DataError
from hazelnut_ae.io.files import read_json, write_json

FILE = "thresholds.json"


@dataclass(frozen=True)
class Calibration:
    """What a detector's results on held-out good images determine."""

    tau: float  # the pixel threshold
    image_tau: float  # the image score threshold
    typical: float = 0.0  # the median pixel score; a heat map is coloured from this value on
    held_out_scores: tuple[float, ...] = ()  # one per held-out image; empty if unknown

    @property
    def false_alarms(self) -> float:
        """The false-alarm rate that N held-out images guarantee (conformal prediction); 1 without images."""
        above = sum(score > self.image_tau for score in self.held_out_scores)
        return (above + 1) / (len(self.held_out_scores) + 1)


def write(folder, detector, held_out_maps, tau, scores):
    """Writes thresholds.json; returns the `Calibration`. Raises DataError if a score is NaN.

    held_out_maps: anomaly maps of good images, float32 [M, H, W], M ≥ 1; tau: of pixels; scores: of these images, [M].
    """
    image_tau, typical = thresholds.tau_images_label_free(scores), float(np.median(held_out_maps))
    found = Calibration(tau, image_tau, typical, tuple(float(score) for score in scores))
    write_json(Path(folder) / FILE, {"weights": digest_of(detector.state())} | asdict(found))
    return found


def write_missing(folder, detector, held_out):
    """Writes missing thresholds, or prints why there are none (diverged); held_out: uint8 [M, 3, 256, 256]."""
    with contextlib.suppress(DataError):
        return read(folder, detector)
    try:
        found = detector.predict(held_out)
        tau = detector.label_free_tau(held_out, found.anomaly_maps)
        return write(folder, detector, found.anomaly_maps, tau, found.image_scores)
    except DataError as error:
        print(f"{folder} has no thresholds. {error}")


def read(folder: str | Path, detector: Detector) -> Calibration:
    """Reads the thresholds of a run. Raises DataError if there are none for the weights of this detector."""
    path = Path(folder) / FILE
    remedy = f"run hazelnut-ae evaluate DIR --run {folder} once, with the images it learned from as DIR"
    if not path.is_file():
        raise DataError(f"{folder} holds no thresholds; {remedy}, or give both --tau and --image-tau.")
    content = read_json(path, remedy + ".")
    if content.pop("weights", None) != digest_of(detector.state()):
        raise DataError(f"{path} belongs to other weights; {remedy}.")
    try:
        numbers = {name: float(content[name]) for name in ("tau", "image_tau", "typical")}
        scores = tuple(float(score) for score in content["held_out_scores"])
        if not all(map(math.isfinite, [*numbers.values(), *scores])):
            raise ValueError("not all of its numbers are finite")
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); {remedy}.") from error
    return Calibration(**numbers, held_out_scores=scores)
