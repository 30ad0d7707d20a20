import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hazelnut_ae import metrics, synthetic_anomalies, thresholds
from hazelnut_ae.errors import DataError


def parts(n=5, seed=0):
    """Textured grey discs on black ground: uint8 [n, 3, 256, 256]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:256, :256] - 128
    disc = x**2 + y**2 < 90**2
    grain = gaussian_filter(rng.standard_normal((n, 3, 256, 256)), (0, 0, 2, 2))
    return (disc * (130 + 200 * grain)).clip(0, 255).astype(np.uint8)


def test_the_part_is_what_differs_from_the_border():
    part = synthetic_anomalies.part_of(parts(1)[0])
    assert part[128, 128]
    assert not part[5, 5]
    assert synthetic_anomalies.part_of(np.full((3, 64, 64), 90, np.uint8)).all()  # nothing stands out: anywhere will do


def test_pasted_defects_are_where_their_masks_say_and_nothing_else_changed():
    good = parts()
    images, masks = synthetic_anomalies.paste_defects(good)
    assert images.shape == (30, 3, 256, 256)
    assert images.dtype == np.uint8
    changed = np.abs(images.astype(int) - np.tile(good, (6, 1, 1, 1))).max(axis=1)  # [30, 256, 256]
    assert masks.any(axis=(1, 2)).all()
    assert np.median(changed[masks]) > synthetic_anomalies.VISIBLE
    for one, mask in zip(changed, masks, strict=True):
        y, x = np.nonzero(one > synthetic_anomalies.VISIBLE)
        assert mask[y.min() : y.max() + 1, x.min() : x.max() + 1].sum() == mask.sum()  # one spot, and all of it
    assert 0.0005 < masks.mean() < 0.05


def test_the_same_seed_gives_the_same_defects_and_another_others():
    good = parts(2)
    first, again, other = (synthetic_anomalies.paste_defects(good, seed)[1] for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize(("good", "pasted"), [(1, 6), (8, 48), (10, 40), (48, 48), (60, 60)])
def test_how_many(good, pasted):
    flat = np.zeros((good, 3, 64, 64), np.uint8)
    assert len(synthetic_anomalies.paste_defects(flat)[0]) == pasted


def test_tau_is_between_the_good_and_the_pasted_and_one_odd_image_does_not_move_it():
    rng = np.random.default_rng(0)
    masks = np.zeros((9, 64, 64), bool)
    masks[:, 20:30, 20:30] = True
    maps = rng.uniform(0, 1, masks.shape).astype(np.float32) + 2 * masks
    tau = synthetic_anomalies.tau_pasted(maps, masks)
    assert 1 <= tau <= 2.1
    assert metrics.f1(metrics.pixel_confusion(maps, masks, tau)) > 0.97
    maps[0] *= 1000
    assert synthetic_anomalies.tau_pasted(maps, masks) == pytest.approx(tau, rel=0.05)


def test_what_it_refuses():
    with pytest.raises(ValueError, match="should be"):
        synthetic_anomalies.tau_pasted(np.zeros((0, 4, 4)), np.zeros((0, 4, 4), bool))
    with pytest.raises(ValueError, match="should be"):
        synthetic_anomalies.tau_pasted(np.zeros((2, 4, 4)), np.zeros((3, 4, 4), bool))
    with pytest.raises(DataError):
        synthetic_anomalies.tau_pasted(np.full((1, 4, 4), np.nan), np.ones((1, 4, 4), bool))


class Brightness:
    """A detector whose map is the brightness of its images; counts those it saw."""

    def __init__(self, tau_from_pasted):
        self.tau_from_pasted, self.seen = tau_from_pasted, 0

    def anomaly_maps(self, images):
        self.seen += len(images)
        return images.mean(axis=1, dtype=np.float32) / 255


def test_each_detector_has_its_rule():
    good = np.random.default_rng(0).integers(90, 110, (3, 3, 64, 64)).astype(np.uint8)
    residuals, distances = Brightness(False), Brightness(True)
    maps = residuals.anomaly_maps(good)
    assert synthetic_anomalies.label_free_tau(residuals, good, maps) == thresholds.tau_label_free(maps)
    assert residuals.seen == 3
    images, masks = synthetic_anomalies.paste_defects(good)
    pasted = Brightness(True).anomaly_maps(images)
    three = [
        thresholds.tau_quantile(maps, 0.01),
        thresholds.tau_exponential(maps),
        synthetic_anomalies.tau_pasted(pasted, masks),
    ]
    assert synthetic_anomalies.label_free_tau(distances, good, maps) == pytest.approx(sorted(three)[1])
    assert distances.seen == len(images)
    assert synthetic_anomalies.label_free_tau(distances, good[:0], maps[:0]) is None
