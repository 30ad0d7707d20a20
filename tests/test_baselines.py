"""The simple detectors: each against its definition or a library, and that it does what it is for."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from hazelnut_ae import baselines, detection

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 3, 64, 64), dtype=np.uint8)


@pytest.mark.parametrize("new", [baselines.MeanImageDetector, baselines.PCADetector])
def test_mean_image_and_pca_are_detectors(new):
    detector = new()
    detector.fit(IMAGES[:4])
    maps = detector.predict(IMAGES).anomaly_maps
    assert (maps.shape, maps.dtype) == ((5, 64, 64), np.float32)
    assert maps[4].mean() > maps[:4].mean()  # the one that it has not seen
    assert detector.predict(IMAGES[:0]).anomaly_maps.shape == (0, 64, 64)
    other = new()
    other.restore(detector.state())
    np.testing.assert_array_equal(other.predict(IMAGES).anomaly_maps, maps)


def test_the_linear_reconstruction_is_that_of_scikit_learn():
    detector = baselines.PCADetector(latent_dim=3)
    detector.fit(IMAGES)
    rows = detector.reduce(IMAGES).reshape(5, -1)
    pca = PCA(3, svd_solver="full").fit(rows)
    expected = pca.inverse_transform(pca.transform(rows))
    np.testing.assert_allclose(detector.reconstruct(IMAGES).reshape(5, -1), expected, atol=1e-4)


def test_a_pixel_may_be_shifted():
    reconstructions = RNG.random((2, 3, 12, 9)).astype(np.float32)
    images = RNG.integers(0, 256, (2, 3, 12, 9), dtype=np.uint8)
    plain = detection.residual(images, reconstructions)
    np.testing.assert_allclose(baselines.shift_tolerant(images, reconstructions, 0), plain, atol=1e-6)
    maps = baselines.shift_tolerant(images, reconstructions, 2)
    near = images[1, :, 5, 4, None, None] / 255 - reconstructions[1, :, 3:8, 2:7]  # [3, 5, 5]
    assert maps[1, 5, 4] == pytest.approx(np.abs(near).max(axis=0).min(), abs=1e-6)
    assert (maps <= plain + 1e-6).all()
    moved = np.roll(images, 1, axis=2)  # one pixel down: nothing is wrong with it but where it is
    assert baselines.shift_tolerant(images, (moved / 255).astype(np.float32), 1)[:, :-1].max() < 1e-6


def test_combined_maps_do_not_depend_on_units():
    d, r, good_d, good_r = (RNG.random((2, 4, 4)).astype(np.float32) for _ in range(4))
    maps = baselines.combine_maps(d, r, good_d, good_r)
    np.testing.assert_allclose(baselines.combine_maps(7 * d, 3 * r, 7 * good_d, 3 * good_r), maps, rtol=1e-5)
    alike = np.ones((1, 2, 2), np.float32)
    np.testing.assert_allclose(baselines.combine_maps(2 * alike, 0.5 * alike, alike, alike), 4)  # 2² · √(½ + ½)


def test_the_u_net_finds_what_it_was_shown():
    images = RNG.integers(90, 130, (12, 3, 64, 64), dtype=np.uint8)
    masks = np.zeros((12, 64, 64), bool)
    for number in range(12):
        row, column = RNG.integers(4, 44, 2)
        masks[number, row : row + 16, column : column + 16] = True
    images.transpose(0, 2, 3, 1)[masks] = 20
    unet = baselines.UNetSegmenter(steps=40, batch_size=4)
    unet.fit(images[:8], masks[:8])
    maps = unet.predict(images[8:]).anomaly_maps
    assert (maps.shape, maps.dtype) == ((4, 64, 64), np.float32)
    assert roc_auc_score(masks[8:].ravel(), maps.ravel()) > 0.95
    assert baselines.UNet()(torch.zeros(2, 3, 32, 48)).shape == (2, 32, 48)
