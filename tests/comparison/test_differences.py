"""The bootstrap of a difference: the same draw for both systems, and what follows from that."""

import numpy as np
import pytest

from hazelnut_ae import bootstrap, comparison, metrics
from hazelnut_ae.dataset import ImageSet
from hazelnut_ae.metrics import PixelMetrics

NUMBERS = ("pixel AUROC", "F1-max", "image AUROC")


@pytest.fixture(scope="module")
def test_set():
    """12 defective and 8 good images of 32 × 32 pixels, and maps of two similar systems."""
    rng = np.random.default_rng(0)
    masks = np.zeros((20, 32, 32), bool)
    for i in range(12):
        masks[i, 4 : 8 + i, 4:20] = True  # some defects are harder to see than others
    images = np.zeros((20, 3, 32, 32), np.uint8)
    maps = (rng.random(masks.shape) + masks * rng.random((20, 1, 1))).astype(np.float32)
    test = ImageSet(images, masks, ["crack"] * 12 + ["good"] * 8, [f"{i}.png" for i in range(20)])
    return test, {"a": maps, "b": maps + rng.normal(0, 0.1, maps.shape).astype(np.float32)}


def differences(test, maps, reference="a", **options):
    """The one row of `paired_differences` of two systems."""
    (row,) = comparison.paired_differences(test, maps, reference, **options).to_dict("records")
    return row


def test_images_without_a_mask_count_as_images_alone(test_set):
    test, maps = test_set
    bare = ImageSet(test.images, test.masks.copy(), test.defects, test.paths)
    bare.masks[:4] = False
    row, rest = differences(bare, maps), list(range(4, 20))
    marked = differences(test.subset(rest), {name: one[rest] for name, one in maps.items()})
    assert [row[name] for name in NUMBERS[:2]] == [marked[name] for name in NUMBERS[:2]]
    assert row["image AUROC"] == differences(test, maps)["image AUROC"]


def test_the_reference_is_subtracted_and_a_twin_does_not_differ(test_set):
    test, maps = test_set
    row = differences(test, {"a": maps["a"], "twin": maps["a"].copy()})
    assert row["system"] == "twin"
    assert all(row[f"{name}{end}"] == 0 for name in NUMBERS for end in ("", " low", " high"))
    less_a, less_b = differences(test, maps, "a"), differences(test, maps, "b")
    a, b = (PixelMetrics().update(one, test.masks).compute()["auroc"] for one in maps.values())
    assert less_a["pixel AUROC"] == pytest.approx(b - a)
    for name in NUMBERS:
        assert less_b[name] == pytest.approx(-less_a[name])
        assert less_b[f"{name} low"] == pytest.approx(-less_a[f"{name} high"])


def test_the_interval_is_that_of_images_drawn_again(test_set, monkeypatch):
    test, maps = test_set
    weights = bootstrap.draw_weights(test.defects, draws=40)
    monkeypatch.setattr(bootstrap, "draw_weights", lambda *_, **__: weights)
    drawn, alone = [], []
    for one in weights:
        chosen = np.repeat(np.arange(20), one.astype(int))
        pixels = [PixelMetrics().update(m[chosen], test.masks[chosen]).compute()["auroc"] for m in maps.values()]
        images = [metrics.image_auroc(metrics.image_scores(m[chosen]), chosen < 12) for m in maps.values()]
        drawn.append((pixels[1] - pixels[0], images[1] - images[0]))
        alone.append(pixels[0])
    row = differences(test, maps)
    for name, values in zip(("pixel AUROC", "image AUROC"), np.array(drawn).T, strict=True):
        np.testing.assert_allclose((row[f"{name} low"], row[f"{name} high"]), bootstrap.interval(values), atol=2e-3)
    low, high = bootstrap.interval(np.array(alone))
    assert row["pixel AUROC high"] - row["pixel AUROC low"] < 0.5 * (high - low)  # pairing narrows it


def test_a_systems_own_scores_decide_between_images_and_without_good_ones_nothing_does(test_set):
    test, maps = test_set
    own = np.arange(20.0)  # the good images, which come last, highest
    row = differences(test, {"a": maps["a"], "b": maps["a"]}, scores={"b": own})
    assert row["image AUROC"] == -metrics.image_auroc(metrics.image_scores(maps["a"]), np.arange(20) < 12)
    assert (row["pixel AUROC"], row["F1-max"]) == (0, 0)
    row = differences(test.subset(range(12)), {name: one[:12] for name, one in maps.items()})
    assert np.isnan(row["image AUROC"])
    assert np.isnan(row["image AUROC low"])
    assert not np.isnan(row["pixel AUROC low"])
