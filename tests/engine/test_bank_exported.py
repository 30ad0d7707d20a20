"""The memory banks as one network: under onnxruntime they say the same, of good images that they know too."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from hazelnut_ae import backbones, cli
from hazelnut_ae.engine import bank_trainer
from hazelnut_ae.engine.calibration import calibrate
from hazelnut_ae.inference import export
from hazelnut_ae.inference.loaded import LoadedDetector
from hazelnut_ae.patchcore import GaussianSmoothing, MemoryBank
from hazelnut_ae.presets import PRESETS

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SMALL = dict(side=128, coarse_side=64, candidates=3000, size=300)


def fitted(painted, backbone="efficientnet-lite0", **settings):
    """A bank of the painted images, with a network of chance."""
    torch.manual_seed(0)
    bank = MemoryBank(backbones.empty_stages(backbone), **SMALL | settings)
    bank.fit(painted.train.images)
    return bank


def loaded(bank, painted):
    """With thresholds of its own; half of the test images count as defective."""
    maps, scores = bank.maps_and_scores(painted.test.images)
    return LoadedDetector(bank, calibrate(maps, scores=scores), image_tau=np.median(scores))


@pytest.mark.parametrize("sigma", [0, 0.3, 1, 2, 4.4, 30])
def test_the_smoothing_is_that_of_scipy(sigma):
    maps = torch.rand(2, 1, 40, 50) * 9
    expected = [gaussian_filter(one.numpy(), sigma, mode="nearest") for one in maps[:, 0]]
    np.testing.assert_allclose(GaussianSmoothing(sigma)(maps)[:, 0], expected, atol=1e-5)


@pytest.mark.parametrize(
    "settings", [{}, {"blur": 0.0}, {"side": 200, "neighbourhood": 3}, {"backbone": "resnet18", "blur": 5.0}]
)
def test_it_says_what_the_bank_says_with_and_without_torch(painted, settings):
    detector = loaded(fitted(painted, **settings), painted)
    images = np.concatenate([painted.test.images, painted.train.images[1:3]])  # the last ones are in the banks
    native = detector.predict(images)
    with torch.no_grad():
        maps, scores = detector.detector.map_network()(torch.from_numpy(np.array(images)) / 255)
    span = np.ptp(native.maps)
    np.testing.assert_allclose(maps.numpy(), native.maps, atol=1e-4 * span)
    np.testing.assert_allclose(scores.numpy(), native.scores, rtol=1e-4)
    found = export.differences(detector, export.onnx_bytes(detector), images)
    assert (found.images, found.decisions) == (12, 0)
    assert max(found.maps, found.scores) < 1e-4 * span
    assert set(native.decisions) == {False, True}


def test_a_run_becomes_a_file_that_takes_any_number_of_images(painted, tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    stages = backbones.empty_stages("efficientnet-lite0")
    monkeypatch.setattr("hazelnut_ae.patchcore.imagenet_stages", lambda: stages)
    run = bank_trainer.train_run(painted, tmp_path / "run", PRESETS["tiny"], **SMALL)
    assert cli.main(["export", "--run", str(run.folder), str(tmp_path / "part.onnx")]) == 0
    assert "and the same decisions." in capsys.readouterr().out
    session = onnxruntime.InferenceSession(str(tmp_path / "part.onnx"), providers=["CPUExecutionProvider"])
    images = np.array(painted.test.images)
    whole = session.run(["scores", "maps"], {"images": images})
    assert [one.shape for one in whole] == [(10,), (10, 256, 256)]
    single = session.run(["scores", "maps"], {"images": images[7:8]})
    np.testing.assert_allclose(single[1][0], whole[1][7], atol=1e-5)
    assert session.get_modelmeta().custom_metadata_map["detector"] == "memory bank (efficientnet-lite0)"
