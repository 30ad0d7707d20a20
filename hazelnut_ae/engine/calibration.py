"""The two thresholds of a run, chosen from its held-out good images and kept beside its weights.

Training and `evaluate` have the data folder at hand and leave RUN/thresholds.json; whoever then has nothing but the run
and new images reads it there. The file names the weights that it belongs to, so one of older weights is never taken.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from hazelnut_ae import metrics, thresholds
from hazelnut_ae.engine.checkpoints import digest_of
from hazelnut_ae.engine.runs import read_json, write_json
from hazelnut_ae.errors import DataError

FILE = "thresholds.json"


@dataclass(frozen=True)
class Calibration:
    """What held-out good images tell of a detector.

    tau: of pixels; image_tau: of image scores (`Detector.predict`); typical: the median of their pixels'
    scores, where a heat map begins to glow; held_out_scores: one per held-out good image, () where none is known.
    """

    tau: float
    image_tau: float
    typical: float = 0.0
    held_out_scores: tuple[float, ...] = ()

    @property
    def false_alarms(self):
        """The share of good images that may exceed image_tau, as far as these images can promise; 1 without any.

        As in `thresholds.tau_images_label_free`: of N + 1 good images the next one is as likely as any to be largest.
        """
        above = sum(score > self.image_tau for score in self.held_out_scores)
        return (above + 1) / (len(self.held_out_scores) + 1)


def calibrate(held_out_maps, tau=None, scores=None):
    """The `Calibration` by the label-free rules, from maps float32 [M, H, W] of held-out good images, M ≥ 1.

    tau: else by the exponential rule; scores: of these images, [M], else `metrics.image_scores` of the maps.
    Raises: ValueError without maps; DataError if one holds NaN.
    """
    scores = metrics.image_scores(held_out_maps) if scores is None else scores
    return Calibration(
        tau=thresholds.tau_label_free(held_out_maps) if tau is None else tau,
        image_tau=thresholds.tau_images_label_free(scores),
        typical=float(np.median(held_out_maps)),
        held_out_scores=tuple(float(score) for score in scores),
    )


def write(folder, detector, held_out_maps, tau, scores):
    """Calibrates a detector and leaves RUN/thresholds.json, atomically; returns the `Calibration`."""
    found = calibrate(held_out_maps, tau, scores)
    write_json(Path(folder) / FILE, {"weights": digest_of(detector.state())} | asdict(found))
    return found


def read(folder, detector):
    """The `Calibration` of a run folder. Raises: DataError where there is none that belongs to these weights."""
    path = Path(folder) / FILE
    remedy = f"run hazelnut-ae evaluate DIR --run {folder} once, with the images it learnt from as DIR"
    if not path.is_file():
        raise DataError(f"{folder} holds no thresholds; {remedy}, or give both --tau and --image-tau.")
    content = read_json(path, remedy + ".")
    if content.pop("weights", None) != digest_of(detector.state()):
        raise DataError(f"{path} belongs to other weights; {remedy}.")
    try:
        numbers = {name: float(content[name]) for name in ("tau", "image_tau", "typical")}
        scores = tuple(float(score) for score in content["held_out_scores"])
        if not all(map(math.isfinite, [*numbers.values(), *scores])):
            raise ValueError("it holds what is no number")
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); {remedy}.") from error
    return Calibration(**numbers, held_out_scores=scores)


def keep(folder, detector, held_out):
    """Leaves the thresholds of a finished run, unless they are there; held_out: uint8 [M, 3, 256, 256].

    A network that has diverged has none: it is said, and the run stays as it is.
    """
    try:
        return read(folder, detector)
    except DataError:
        pass
    try:
        found = detector.predict(held_out)
        tau = detector.label_free_tau(held_out, found.anomaly_maps)
        return write(folder, detector, found.anomaly_maps, tau, found.image_scores)
    except DataError as error:
        print(f"{folder} has no thresholds. {error}")
        return None
