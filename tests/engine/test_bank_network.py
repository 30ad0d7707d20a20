"""The memory bank as one network: each piece beside what it stands for, and all of it under onnxruntime."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from hazelnut_ae import cli
from hazelnut_ae.engine import backbones, bank_run
from hazelnut_ae.engine.bank_network import PART, BankNetwork, gaussian
from hazelnut_ae.engine.calibration import calibrate
from hazelnut_ae.features import MemoryBank, nearest_distances
from hazelnut_ae.metrics import image_scores
from hazelnut_ae.predict import export
from hazelnut_ae.predict.loaded import LoadedDetector
from hazelnut_ae.presets import PRESETS

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SMALL = dict(side=128, candidates=3000, size=300)


def fitted(painted, backbone="efficientnet-lite0", **settings):
    """A bank of the painted images, with a network of chance."""
    torch.manual_seed(0)
    bank = MemoryBank(backbones.empty_stages(backbone), **SMALL | settings)
    bank.fit(painted.train.images)
    return bank


@pytest.fixture(scope="module")
def bank(painted):
    return fitted(painted)


def loaded(bank, painted):
    """With thresholds of its own; half of the test images count as defective."""
    maps = bank.anomaly_maps(painted.test.images)
    return LoadedDetector(bank, calibrate(maps), image_tau=np.median(image_scores(maps)))


@pytest.mark.parametrize("sigma", [0, 0.3, 1, 2, 4.4, 30])
def test_the_blur_is_that_of_scipy(bank, sigma):
    maps = torch.rand(2, 1, 40, 50) * 9
    network = BankNetwork(bank)
    network.kernel = gaussian(sigma)
    expected = [gaussian_filter(one.numpy(), sigma, mode="nearest") for one in maps[:, 0]]
    np.testing.assert_allclose(network.blurred(maps)[:, 0], expected, atol=1e-5)


@pytest.mark.parametrize("count", [1, PART, 3 * PART + 5])
def test_distances_are_those_of_the_bank(bank, count):
    patches = torch.randn(2, count, bank.bank.shape[1])
    expected = torch.stack([nearest_distances(one, bank.bank) for one in patches])
    torch.testing.assert_close(BankNetwork(bank).nearest(patches), expected, atol=1e-4, rtol=1e-4)
    itself = BankNetwork(bank).nearest(bank.bank[None, :1])
    assert 0 <= itself.item() < 1e-2  # of two large numbers that cancel


@pytest.mark.parametrize(
    "settings", [{}, {"blur": 0.0}, {"side": 200, "neighbourhood": 3}, {"backbone": "resnet18", "blur": 5.0}]
)
def test_it_says_what_the_bank_says_with_and_without_torch(painted, settings):
    detector = loaded(fitted(painted, **settings), painted)
    images = painted.test.images
    native = detector.predict(images)
    with torch.no_grad():
        maps = detector.detector.map_network()(torch.from_numpy(np.array(images)) / 255).numpy()
    span = np.ptp(native.maps)
    np.testing.assert_allclose(maps, native.maps, atol=1e-4 * span)
    found = export.differences(detector, export.onnx_bytes(detector), images)
    assert (found.images, found.decisions) == (10, 0)
    assert max(found.maps, found.scores) < 1e-4 * span
    assert set(native.decisions) == {False, True}


def test_a_run_becomes_a_file_that_takes_any_number_of_images(painted, tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    stages = backbones.empty_stages("efficientnet-lite0")
    monkeypatch.setattr("hazelnut_ae.features.imagenet_stages", lambda: stages)
    run = bank_run.train_run(painted, tmp_path / "run", PRESETS["tiny"], **SMALL)
    assert cli.main(["export", "--run", str(run.folder), str(tmp_path / "part.onnx")]) == 0
    assert "and the same decisions." in capsys.readouterr().out
    session = onnxruntime.InferenceSession(str(tmp_path / "part.onnx"), providers=["CPUExecutionProvider"])
    images = np.array(painted.test.images)
    whole = session.run(["scores", "maps"], {"images": images})
    assert [one.shape for one in whole] == [(10,), (10, 256, 256)]
    single = session.run(["scores", "maps"], {"images": images[7:8]})
    np.testing.assert_allclose(single[1][0], whole[1][7], atol=1e-5)
    assert session.get_modelmeta().custom_metadata_map["detector"] == "memory bank (efficientnet-lite0)"
