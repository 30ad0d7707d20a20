from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from hazelnut_ae import thresholds
from hazelnut_ae.errors import DataError


def exponential_maps(n=4, scale=0.03, seed=0):
    return np.random.default_rng(seed).exponential(scale, (n, 128, 128)).astype(np.float32)


def test_quantile_lets_through_its_share_of_good_pixels():
    maps = exponential_maps()
    assert (maps > thresholds.tau_quantile(maps)).mean() == pytest.approx(0.001, abs=1e-4)
    assert (maps > thresholds.tau_quantile(maps, 0.01)).mean() == pytest.approx(0.01, abs=1e-4)


def largest_region(above):
    labels = [ndimage.label(one, np.ones((3, 3)))[0] for one in above]  # corners touch
    return max(np.bincount(one.ravel())[1:].max(initial=0) for one in labels)


def test_region_rule_is_the_smallest_tau_whose_regions_are_all_below_the_area():
    rng = np.random.default_rng(1)
    maps = rng.integers(0, 50, (3, 24, 24)).astype(np.float32)
    for area in (1, 2, 5, 30, 10_000):
        tau = thresholds.tau_region(maps, area)
        largest = {value: largest_region(maps > value) for value in np.unique(maps)}
        assert tau == min(value for value, size in largest.items() if size < area)


def test_exponential_rule_is_the_quantile_where_residuals_are_exponential():
    maps = exponential_maps(n=20)
    assert thresholds.tau_exponential(maps) == pytest.approx(0.03 * np.log(1000), rel=0.02)
    assert thresholds.tau_exponential(maps) == pytest.approx(thresholds.tau_quantile(maps), rel=0.05)
    assert thresholds.tau_exponential(maps + 5) == pytest.approx(thresholds.tau_exponential(maps) + 5, rel=1e-3)
    assert thresholds.tau_exponential(maps * 300) == pytest.approx(thresholds.tau_exponential(maps) * 300, rel=1e-3)


def test_one_spot_on_one_held_out_image_moves_the_exponential_rule_least():
    clean, spotted = exponential_maps(), exponential_maps()
    spotted[0, 20:40, 20:40] = 0.6
    moved = {name: rule(spotted) / rule(clean) for name, rule in thresholds.RULES.items()}
    assert moved["exponential (default)"] == pytest.approx(1, abs=0.02)
    assert min(moved["99.9 % quantile"], moved["largest region below 100 pixels"]) > 2


@pytest.mark.parametrize("rule", [*thresholds.RULES.values(), thresholds.tau_label_free])
def test_one_image_is_enough_a_constant_gives_its_value_and_none_or_nan_is_an_error(rule):
    for value in (0, 0.3, -1):
        assert rule(np.full((2, 16, 16), value, np.float32)) == pytest.approx(value)
    maps = exponential_maps(1)
    assert 0 < rule(maps) <= maps.max()
    with pytest.raises(ValueError, match="held-out good images"):
        rule(maps[:0])
    maps[0, 3, 3] = np.nan
    with pytest.raises(DataError, match="NaN"):
        rule(maps)


def test_compare_gives_each_rule_its_share_of_f1_max():
    rng = np.random.default_rng(2)
    masks = np.zeros((6, 64, 64), bool)
    masks[2:, 10:30, 10:30] = True
    maps = (rng.exponential(0.03, masks.shape) + masks * rng.exponential(0.2, masks.shape)).astype(np.float32)
    test = SimpleNamespace(masks=masks, defects=["good"] * 2 + ["crack"] * 2 + ["hole"] * 2, ignored=None)
    frame = thresholds.rules_table(maps, test, rng.exponential(0.03, (3, 64, 64)).astype(np.float32))
    assert list(frame.index) == list(thresholds.RULES)
    assert list(frame) == ["tau", "f1", "of_f1_max", "of_f1_max crack", "of_f1_max hole"]
    assert frame["of_f1_max"].between(0, 1).all()
    assert frame["of_f1_max"].max() > 0.8


def test_good_images_alone_tell_what_a_rule_promises_keeps_and_averages_over():
    frame = thresholds.rules_on_good_images(exponential_maps(n=6), border=32, draws=20)
    assert list(frame.index) == list(thresholds.RULES)
    assert list(frame) == ["tau", "low", "high", "marked", "wider"]
    assert (frame["low"] <= frame["tau"] + 1e-6).all()
    assert frame.loc["99 % quantile", "marked"] == pytest.approx(1, abs=0.1)
    assert frame.loc["99.9 % quantile", "marked"] == pytest.approx(0.1, abs=0.03)
    fallen = 1 - frame["wider"] / frame["tau"]  # by the border of even, small residuals
    assert fallen["exponential (default)"] > fallen["99 % quantile"] > 0
    assert fallen["largest region below 400 pixels"] == 0


@pytest.mark.parametrize(("n", "expected"), [(3, 1 / 4), (9, 1 / 10), (40, 4 / 41)])
def test_image_tau_is_exceeded_by_the_share_of_good_images_it_says(n, expected):
    """Over 1,500 repetitions with log-normal scores; the rule does not know that they are."""
    scores = np.exp(np.random.default_rng(3).normal(-2, 0.3, (1500, n + 1)))
    alarms = np.mean([one[-1] > thresholds.tau_images_label_free(one[:-1]) for one in scores])
    assert alarms == pytest.approx(expected, abs=0.03)
    assert np.isnan(thresholds.tau_images_label_free([]))
    assert thresholds.tau_images_label_free([0.2, 0.2, 0.2]) == 0.2
    with pytest.raises(DataError, match="NaN"):
        thresholds.tau_images_label_free([0.2, np.nan])


def test_jackknife_plus_refuses_at_most_twice_the_rate_and_about_the_rate():
    """Detector: the distance to the mean of the good ones. 1,500 repetitions with 20 good numbers and a new one."""
    rng, n = np.random.default_rng(4), 20
    refused = []
    for numbers in rng.standard_normal((1500, n + 1)):
        good, new = numbers[:-1], numbers[-1]
        means = (good.sum() - good) / (n - 1)  # [n], each without one
        refused.append(thresholds.refused_cross(np.abs(new - means)[:, None], np.abs(good - means), np.arange(n))[0])
    assert np.mean(refused) == pytest.approx(2 / 21, abs=0.03)  # the largest two of 21
    assert np.mean(refused) < 0.2


def test_detectors_that_agree_refuse_what_the_split_rule_refuses():
    left_out, new = np.random.default_rng(5).random(12), np.linspace(0, 1, 50)
    refused = thresholds.refused_cross(np.tile(new, (3, 1)), left_out, np.arange(12) % 3)
    assert (refused == (new > thresholds.tau_images_label_free(left_out))).all()
    with pytest.raises(DataError, match="NaN"):
        thresholds.refused_cross([[np.nan]], [0.2], [0])
