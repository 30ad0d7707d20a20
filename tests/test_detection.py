"""Figure 8, step by step, on numbers that can be checked by hand, and what a `Detector` has by default."""

import numpy as np
import pytest
import torch

from hazelnut_ae import detection, metrics, thresholds, training
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.baselines import MeanImageDetector
from hazelnut_ae.detection import AutoencoderDetector, Detector, predicted_pixels, reconstruct, residual
from hazelnut_ae.errors import DataError


def test_residual_is_the_largest_colour_difference():
    image = np.zeros((1, 3, 2, 2), np.uint8)
    image[0, :, 0, 0] = (255, 51, 0)
    reconstruction = np.zeros((1, 3, 2, 2), np.float32)
    reconstruction[0, :, 0, 0] = (0.9, 0.5, 0.0)
    reconstruction[0, :, 1, 1] = (0.0, 0.0, 0.25)
    error = residual(image, reconstruction)
    assert error.dtype == np.float32
    np.testing.assert_allclose(error, [[[0.3, 0.0], [0.0, 0.25]]], atol=1e-6)
    assert predicted_pixels(error, 0.25).tolist() == [[[True, False], [False, False]]]  # exceeds, not reaches


def test_reconstructions_and_maps_do_not_depend_on_the_batch(monkeypatch):
    monkeypatch.setattr(detection, "BATCH", 2)
    detector = AutoencoderDetector(Autoencoder(latent_dim=8))
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 256, 256), dtype=np.uint8)
    reconstructions = reconstruct(detector.model, images)
    assert (reconstructions.shape, reconstructions.dtype) == (images.shape, np.float32)
    np.testing.assert_allclose(reconstruct(detector.model, images[2:]), reconstructions[2:], atol=1e-5)
    found = detector.predict(images)
    np.testing.assert_allclose(found.anomaly_maps, residual(images, reconstructions), atol=1e-6)
    np.testing.assert_array_equal(found.image_scores, metrics.image_scores(found.anomaly_maps))
    with torch.no_grad():
        as_network = detector.onnx_module()(torch.from_numpy(images) / 255)
    np.testing.assert_allclose(as_network.numpy(), found.anomaly_maps, atol=1e-5)
    empty = detector.predict(images[:0])
    assert (empty.anomaly_maps.shape, empty.image_scores.shape) == ((0, 256, 256), (0,))


def test_a_detector_needs_fit_and_has_defaults_for_the_rest():
    good = np.random.default_rng(0).integers(90, 110, (3, 3, 64, 64)).astype(np.uint8)
    detector = MeanImageDetector()
    detector.fit(good)
    maps = detector.anomaly_maps(good)
    assert detector.label_free_tau(good) == detector.label_free_tau(good, maps) == thresholds.tau_label_free(maps)
    assert detector.printed_tau("crack") is None
    with pytest.raises(DataError, match="mean image cannot be exported"):
        detector.onnx_module()
    with pytest.raises(TypeError, match="fit"):
        type("Incomplete", (MeanImageDetector,), {"fit": Detector.fit})()


@pytest.mark.slow
def test_fit_lowers_the_l2_loss(monkeypatch):
    monkeypatch.setattr(detection, "BATCH", 8)
    torch.manual_seed(0)
    good = np.linspace(40, 220, 8, dtype=np.uint8)[:, None, None, None].repeat(3, 1).repeat(256, 2).repeat(256, 3)
    detector = AutoencoderDetector(Autoencoder(latent_dim=4))
    before = training.l2_loss(detector.model.train(), good).item()  # with the batch's own statistics
    detector.fit(good, steps=10)
    assert training.l2_loss(detector.model.train(), good).item() < 0.9 * before
