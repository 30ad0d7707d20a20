"""Pasted defects and the thresholds that they give."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hazelnut_ae import metrics, synthetic_anomalies, thresholds
from hazelnut_ae.errors import DataError


def discs(n, seed=0):
    """Textured grey discs on a black background: uint8 [n, 3, 256, 256]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:256, :256] - 128
    disc = x**2 + y**2 < 90**2
    grain = gaussian_filter(rng.standard_normal((n, 3, 256, 256)), (0, 0, 2, 2))
    return (disc * (130 + 200 * grain)).clip(0, 255).astype(np.uint8)


def test_the_object_is_what_differs_from_the_border():
    mask = synthetic_anomalies.object_mask(discs(1)[0])
    assert mask[128, 128] > mask[5, 5]
    assert synthetic_anomalies.object_mask(np.full((3, 64, 64), 90, np.uint8)).all()  # no object: anywhere will do


def test_pasted_defects_are_where_their_masks_say_and_nothing_else_changes():
    good = discs(2)
    images, masks = synthetic_anomalies.paste_defects(good)
    assert (images.shape, images.dtype, masks.shape) == ((12, 3, 256, 256), np.uint8, (12, 256, 256))
    changed = np.abs(images.astype(int) - np.tile(good, (6, 1, 1, 1))).max(axis=1)  # [12, 256, 256]
    assert masks.any(axis=(1, 2)).all()
    assert np.median(changed[masks]) > synthetic_anomalies.VISIBLE
    for one, mask in zip(changed, masks, strict=True):
        y, x = np.nonzero(one > synthetic_anomalies.VISIBLE)
        assert mask[y.min() : y.max() + 1, x.min() : x.max() + 1].sum() == mask.sum()  # one spot, and all of it
    assert 0.0005 < masks.mean() < 0.05
    again, other = (synthetic_anomalies.paste_defects(good, seed)[1] for seed in (0, 1))
    assert (again == masks).all()
    assert (other != masks).any()


def test_each_good_image_gets_up_to_six_defects_and_all_together_48():
    for good, pasted in ((1, 6), (8, 48), (10, 40), (60, 60)):
        flat = np.zeros((good, 3, 64, 64), np.uint8)
        assert len(synthetic_anomalies.paste_defects(flat)[0]) == pasted


def test_tau_separates_good_from_pasted_and_one_odd_image_hardly_moves_it():
    rng = np.random.default_rng(0)
    masks = np.zeros((9, 64, 64), bool)
    masks[:, 20:30, 20:30] = True
    maps = rng.uniform(0, 1, masks.shape).astype(np.float32) + 2 * masks
    tau = synthetic_anomalies.tau_pasted(maps, masks)
    assert 1 <= tau <= 2.1
    assert metrics.f1(metrics.pixel_confusion(maps, masks, tau)) > 0.97
    good = rng.uniform(0, 1, masks.shape).astype(np.float32)
    rules = [thresholds.tau_quantile(good, 0.01), thresholds.tau_exponential(good), tau]
    assert synthetic_anomalies.tau_median(good, maps, masks) == sorted(rules)[1]
    maps[0] *= 1000
    assert synthetic_anomalies.tau_pasted(maps, masks) == pytest.approx(tau, rel=0.05)


def test_missing_maps_other_shapes_and_nan_are_refused():
    for maps, masks in ((np.zeros((0, 4, 4)), np.zeros((0, 4, 4))), (np.zeros((2, 4, 4)), np.zeros((3, 4, 4)))):
        with pytest.raises(ValueError, match="should be"):
            synthetic_anomalies.tau_pasted(maps, masks.astype(bool))
    with pytest.raises(DataError):
        synthetic_anomalies.tau_pasted(np.full((1, 4, 4), np.nan), np.ones((1, 4, 4), bool))
