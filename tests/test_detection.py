"""Figure 8, step by step, on numbers that can be checked by hand."""

import numpy as np
import pytest
import torch

from hazelnut_ae import detection
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.detection import AutoencoderDetector, predicted_pixels, reconstruct, residual


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


def test_reconstruct_does_not_depend_on_the_batch():
    model = Autoencoder(latent_dim=8)
    images = np.random.default_rng(0).integers(0, 256, (35, 3, 256, 256), dtype=np.uint8)
    together = reconstruct(model, images)
    assert together.shape == images.shape
    assert together.dtype == np.float32
    np.testing.assert_allclose(reconstruct(model, images[34:]), together[34:], atol=1e-5)


def test_maps_have_the_contracts_shape_and_range():
    detector = AutoencoderDetector(Autoencoder(latent_dim=8))
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 256, 256), dtype=np.uint8)
    maps = detector.anomaly_maps(images)
    assert maps.shape == (3, 256, 256)
    assert maps.dtype == np.float32
    assert 0 <= maps.min() <= maps.max() <= 1
    assert detector.anomaly_maps(images[:0]).shape == (0, 256, 256)


@pytest.mark.slow
def test_fit_lowers_the_l2_loss(monkeypatch):
    monkeypatch.setattr(detection, "BATCH", 8)
    torch.manual_seed(0)
    shades = np.linspace(40, 220, 8, dtype=np.uint8)
    good = np.broadcast_to(shades[:, None, None, None], (8, 3, 256, 256))
    detector = AutoencoderDetector(Autoencoder(latent_dim=4))
    x = torch.from_numpy(good.copy()).float() / 255  # [8, 3, 256, 256]

    def loss():  # with the batch's own statistics: BatchNorm's averages need more steps than a test should take
        with torch.no_grad():
            return float(torch.nn.functional.mse_loss(detector.model.train()(x), x))

    before = loss()
    detector.fit(good, steps=30)
    after = loss()
    assert after < 0.8 * before, (before, after)
