"""The bootstrap of a difference: the same draw for both systems, and what follows from that."""

import numpy as np
import pytest

from hazelnut_ae import bootstrap, comparison, metrics
from hazelnut_ae.comparison import differences
from hazelnut_ae.dataset import ImageSet
from hazelnut_ae.metrics import PixelMetrics

NUMBERS = ("pixel AUROC", "F1-max", "image AUROC")


@pytest.fixture(scope="module")
def test_set():
    """12 defective and 8 good images of 32 × 32 pixels; some defects are harder to see than others."""
    rng = np.random.default_rng(0)
    masks = np.zeros((20, 32, 32), bool)
    for i in range(12):
        masks[i, 4 : 8 + i, 4:20] = True
    images = np.zeros((20, 3, 32, 32), np.uint8)
    names = ["crack"] * 12 + ["good"] * 8
    maps = rng.random(masks.shape) + masks * rng.random((20, 1, 1))
    return ImageSet(images, masks, names, [f"{i}.png" for i in range(20)]), maps.astype(np.float32)


def other_maps(maps, noise=0.1):
    """The same maps, seen a little differently."""
    return maps + np.random.default_rng(1).normal(0, noise, maps.shape).astype(np.float32)


def test_a_system_differs_from_its_twin_by_nothing(test_set):
    test, maps = test_set
    (row,) = comparison.paired_differences(test, {"a": maps, "twin": maps.copy()}, "a").to_dict("records")
    assert row["system"] == "twin"
    assert all(row[f"{name}{end}"] == 0 for name in NUMBERS for end in ("", " low", " high"))


def test_the_reference_is_subtracted(test_set):
    test, maps = test_set
    both = {"a": maps, "b": other_maps(maps)}
    (less_a,) = comparison.paired_differences(test, both, "a").to_dict("records")
    (less_b,) = comparison.paired_differences(test, both, "b").to_dict("records")
    aurocs = [PixelMetrics().update(one, test.masks).compute()["auroc"] for one in both.values()]
    assert less_a["pixel AUROC"] == pytest.approx(aurocs[1] - aurocs[0])
    for name in NUMBERS:
        assert less_b[name] == pytest.approx(-less_a[name])
        assert less_b[f"{name} low"] == pytest.approx(-less_a[f"{name} high"])


def test_it_is_the_difference_on_images_drawn_again(test_set):
    test, maps = test_set
    both = [maps, other_maps(maps)]
    weights = bootstrap.draw_weights(test.defects, draws=40)
    measured = [differences._measured(one, test.masks, np.arange(20) < 12, weights) for one in both]
    drawn = []
    for one in weights:
        chosen = np.repeat(np.arange(20), one.astype(int))
        a, b = (PixelMetrics().update(m[chosen], test.masks[chosen]).compute()["auroc"] for m in both)
        scores = [metrics.image_scores(m[chosen]) for m in both]
        of_images = [metrics.image_auroc(s, chosen < 12) for s in scores]
        drawn.append((b - a, of_images[1] - of_images[0]))
    for name, values in zip(("pixel AUROC", "image AUROC"), np.array(drawn).T, strict=True):
        np.testing.assert_allclose(measured[1][name][1] - measured[0][name][1], values, atol=2e-3)


def test_scores_of_ones_own_decide_between_images(test_set):
    test, maps = test_set
    own = np.arange(20.0)  # the good images, which come last, highest
    (row,) = comparison.paired_differences(test, {"a": maps, "b": maps}, "a", scores={"b": own}).to_dict("records")
    assert row["image AUROC"] == -metrics.image_auroc(metrics.image_scores(maps), np.arange(20) < 12)
    assert (row["pixel AUROC"], row["F1-max"]) == (0, 0)


def test_pairing_narrows_the_interval(test_set):
    test, maps = test_set
    (row,) = comparison.paired_differences(test, {"a": maps, "b": other_maps(maps)}, "a").to_dict("records")
    weights = bootstrap.draw_weights(test.defects)
    low, high = bootstrap.interval(
        differences._measured(maps, test.masks, np.arange(20) < 12, weights)["pixel AUROC"][1]
    )
    assert row["pixel AUROC high"] - row["pixel AUROC low"] < 0.5 * (high - low)


def test_without_good_images_there_is_no_image_auroc(test_set):
    test, maps = test_set
    defective = test.subset(range(12))
    both = {"a": maps[:12], "b": other_maps(maps)[:12]}
    (row,) = comparison.paired_differences(defective, both, "a").to_dict("records")
    assert np.isnan(row["image AUROC"])
    assert np.isnan(row["image AUROC low"])
    assert not np.isnan(row["pixel AUROC low"])
