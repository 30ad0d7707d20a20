"""`hazelnut-ae export`: writes a run as one ONNX file, with everything but the resizing and scaling of 16-bit grey."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from torch import nn

import hazelnut_ae
from hazelnut_ae import synthetic
from hazelnut_ae.engine.checkpoints import digest_of
from hazelnut_ae.errors import DataError
from hazelnut_ae.graph import onnx_bytes, session
from hazelnut_ae.inference.inputs import prepared
from hazelnut_ae.inference.loaded import load_detector
from hazelnut_ae.io.files import atomic_path, first_line
from hazelnut_ae.metrics import IMAGE_SCORE_PIXELS

PER_IMAGE = ("scores", "defective", "maps", "masks")  # outputs with a row per image
OUTPUTS = (*PER_IMAGE, "tau", "image_tau")
RANGES = {"uint8": "uint8 in 0 … 255", "float32": "float32 in [0, 1]"}
TOLERANCE = 1e-4  # of maps and scores, between the file and the run; a share of the largest where that is above 1


class Exported(nn.Module):
    """Scaling, a detector's module and the decisions: images [N, 3, H, W] to `OUTPUTS`.

    scores: float64 [N]; defective: bool [N]; maps and masks: float32 and bool [N, H, W]; tau and image_tau.
    """

    def __init__(self, network, tau, image_tau):
        super().__init__()
        self.network = network
        self.register_buffer("pixel_threshold", torch.tensor(tau, dtype=torch.float32))
        self.register_buffer("image_threshold", torch.tensor(image_tau, dtype=torch.float64))

    def forward(self, images):
        found = self.network(images if images.dtype == torch.float32 else images.float() / 255)
        if not isinstance(found, tuple):  # as `metrics.image_scores`
            found = found, found.flatten(1).topk(IMAGE_SCORE_PIXELS).values.double().mean(dim=1)
        maps, scores = found  # [N, H, W], [N]
        masks, defective = maps > self.pixel_threshold, scores > self.image_threshold
        return scores, defective, maps, masks, self.pixel_threshold, self.image_threshold


class Differences(NamedTuple):
    """The largest differences of a file from its run in maps and scores (if large, their share); other decisions."""

    images: int
    maps: float
    scores: float
    decisions: int


def export(
    run: str | Path, file: str | Path, tau: float | None = None, image_tau: float | None = None, takes: str = "uint8"
) -> Differences:
    """Writes a run as an ONNX file, and returns the differences between file and run on five images.

    Args:
        run: the run folder.
        file: the new file; its name ends in .onnx.
        tau, image_tau: replace the run's thresholds, see `load_detector`.
        takes: the dtype of its input, "uint8" or "float32".

    Raises:
        DataError: the run cannot be loaded or exported, the file cannot be written or differs.
    """
    if Path(file).suffix.lower() != ".onnx":
        raise DataError(f"{file} does not end in .onnx; give the file a name such as part.onnx.")
    detector = load_detector(run, tau=tau, image_tau=image_tau)
    content = export_bytes(detector, takes)
    rng = np.random.default_rng(0)
    nuts = [prepared(synthetic.paint(rng, defect)[0], working=detector.size) for defect in (None, "hole")]
    noise = rng.integers(0, 256, (3, *detector.size), dtype=np.uint8)
    steps = np.broadcast_to((np.arange(detector.size[1]) // 32 * 32 % 256).astype(np.uint8), noise.shape)
    found = differences(detector, content, np.stack([*nuts, noise, steps, np.zeros_like(noise)]))
    if found.decisions or not (found.maps <= TOLERANCE and found.scores <= TOLERANCE):  # `not`: NaN is not small
        said = f"its maps differ from those of {run} by {found.maps:.2g}, its decisions on {found.decisions} images"
        raise DataError(f"{file} was not written: under onnxruntime {said}; install another onnxruntime or torch.")
    with atomic_path(file) as temporary:
        temporary.write_bytes(content)
    return found


def export_bytes(detector, takes="uint8"):
    """The checked ONNX model of a `LoadedDetector`. Raises DataError if its detector cannot be exported."""
    module = Exported(detector.detector.onnx_module(), detector.tau, detector.image_tau)
    try:
        content = onnx_bytes(module, detector.size, PER_IMAGE, ("tau", "image_tau"), takes)
    except RuntimeError as error:
        raise DataError(f"the detector {detector.detector.name!r} cannot be exported ({first_line(error)}).") from error
    model = onnx.load_model_from_string(content)
    height, width = detector.size
    about = {  # float() gives the exact numbers back
        "hazelnut_ae": hazelnut_ae.__version__,
        "detector": detector.detector.name,
        "weights": digest_of(detector.detector.state()),
        "images": f"[N, 3, {height}, {width}], RGB, {RANGES[takes]}, the whole image squeezed to this size",
        "white": str(detector.white),  # the value of 16-bit grey that becomes 255
        "tau": repr(float(detector.tau)),
        "image_tau": repr(float(detector.image_tau)),
        "false_alarms": repr(detector.calibration.false_alarms),
        "held_out": str(len(detector.calibration.held_out_scores)),
    }
    onnx.helper.set_model_props(model, about)
    model.doc_string = "Finds defects in images: scores above image_tau are defective, map pixels above tau are where."
    onnx.checker.check_model(model)
    return model.SerializeToString()


@torch.no_grad()
def differences(detector, content, images):
    """The `Differences` between a `LoadedDetector` in PyTorch and its serialized model on uint8 [N, 3, H, W]."""
    runtime = session(content)
    given = images if runtime.get_inputs()[0].type == "tensor(uint8)" else images.astype(np.float32) / 255
    scores, defective, maps = runtime.run(["scores", "defective", "maps"], {"images": given})
    network = Exported(detector.detector.onnx_module(), detector.tau, detector.image_tau)
    native = zip(*(network(torch.from_numpy(one[None])) for one in images), strict=True)
    native_scores, decisions, native_maps = (torch.cat(one).numpy() for one in list(native)[:3])
    maps = np.abs(maps - native_maps).max() / max(1, native_maps.max())  # distances of a bank have no unit
    scores = np.abs(scores - native_scores).max() / max(1, native_scores.max())
    return Differences(len(images), float(maps), float(scores), int((defective != decisions).sum()))
