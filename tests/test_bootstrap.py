import numpy as np
import pytest

from hazelnut_ae import bootstrap, curves, metrics
from hazelnut_ae.metrics import PixelMetrics


def coarse(maps, masks):
    images = curves.image_histograms(maps, masks)
    return bootstrap.CoarseHistograms(images, PixelMetrics(images))


def some_images(n=12, seed=0):
    rng = np.random.default_rng(seed)
    masks = np.zeros((n, 32, 32), bool)
    for i in range(n):
        masks[i, 4 : 6 + i, 4:20] = True
    maps = rng.random(masks.shape) + masks * rng.random((n, 1, 1)) * 0.8  # some images are easier than others
    return maps.astype(np.float32), masks


def test_draws_keep_the_size_of_each_group():
    groups = np.array(["good"] * 5 + ["crack"] * 3)
    weights = bootstrap.draw_weights(groups)
    assert (weights[:, :5].sum(1) == 5).all()
    assert (weights[:, 5:].sum(1) == 3).all()
    np.testing.assert_array_equal(weights, bootstrap.draw_weights(groups))


def test_weighing_histograms_and_counts_equals_drawing_the_images_again():
    maps, masks = some_images()
    weights = bootstrap.draw_weights(np.zeros(len(maps)), draws=40)
    drawn = []
    for one in weights:
        chosen = np.repeat(np.arange(len(maps)), one.astype(int))
        drawn.append(PixelMetrics().update(maps[chosen], masks[chosen]).compute())
        drawn[-1]["f1"] = metrics.f1(metrics.confusion(maps[chosen] > 0.9, masks[chosen]))
    found = coarse(maps, masks).intervals(weights, np.ones(len(maps), bool))
    for name in ("auroc", "average_precision", "f1_max", "pro"):
        assert found[name] == pytest.approx(bootstrap.interval([one[name] for one in drawn]), abs=2e-3), name
    expected = bootstrap.interval([one["f1"] for one in drawn])
    assert bootstrap.f1_interval(maps > 0.9, masks, weights) == pytest.approx(expected, abs=1e-9)


def test_image_auroc_interval_equals_drawing_the_images_again():
    rng = np.random.default_rng(3)
    truth = np.arange(30) >= 12
    scores = rng.integers(0, 8, 30) + 2 * truth
    weights = bootstrap.draw_weights(truth, draws=50)
    drawn = [metrics.image_auroc(np.repeat(scores, w.astype(int)), np.repeat(truth, w.astype(int))) for w in weights]
    found = bootstrap.image_auroc_interval(scores, truth, weights)
    assert found == pytest.approx(bootstrap.interval(drawn), abs=1e-6)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """120 test sets of 30 + 30 images whose AUROC is known: Φ(1 / √2) = 0.7602 for normals one deviation apart."""
    covered = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        truth = np.arange(60) >= 30
        scores = rng.standard_normal(60) + truth
        low, high = bootstrap.image_auroc_interval(scores, truth, bootstrap.draw_weights(truth, draws=300))
        covered += low <= 0.7602 <= high
    assert 0.88 < covered / 120 <= 0.99


def test_too_few_images_have_no_interval():
    maps, masks = some_images(1)
    weights = bootstrap.draw_weights(["crack"])
    found_in = coarse(maps, masks)
    assert set(found_in.intervals(weights, np.ones(1, bool)).values()) == {None}
    assert bootstrap.f1_interval(maps > 0.5, masks, weights) is None
    assert bootstrap.image_auroc_interval([0.1, 0.2], [False, True], np.ones((5, 2))) is None
