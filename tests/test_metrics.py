import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import ndimage
from scipy.stats import binomtest
from sklearn import metrics as sk
from torchmetrics import classification as tm

from benchmarks import bench_metrics
from hazelnut_ae import curves, metrics
from hazelnut_ae.errors import DataError
from hazelnut_ae.metrics import Confusion, PixelMetrics


def seeded_example():
    """Six 64×64 maps with 12 regions, among them overlapping rectangles and two pixels that touch at a corner."""
    rng = np.random.default_rng(2019)
    masks = np.zeros((6, 64, 64), bool)
    for image in range(1, 6):
        for top, left, height, width in rng.integers(2, 24, (image, 4)):
            masks[image, top * 2 : top * 2 + height, left * 2 : left * 2 + width] = True
    masks[5, 60, 60] = masks[5, 61, 61] = True
    maps = (rng.random(masks.shape) + 0.4 * masks * rng.random(masks.shape)).astype(np.float32)
    return maps, masks


def on_edges(maps):
    """Scores that fall on bin edges: multiples of 1/512 below 2 are exact in 10 bits of mantissa."""
    return np.floor(maps * 512).astype(np.float32) / 512


def hazelnut_like(n=6, seed=0):
    """Maps with a heavy tail and smooth blobs, as residuals have, some defective."""
    rng = np.random.default_rng(seed)
    maps = rng.gamma(1.5, 0.03, (n, 256, 256)) + ndimage.gaussian_filter(rng.random((n, 256, 256)), (0, 6, 6)) * 0.1
    masks = np.zeros(maps.shape, bool)
    for i in range(n // 3, n):
        top, left = rng.integers(10, 200, 2)
        masks[i, top : top + 40, left : left + 30] = True
    return (maps + masks * rng.gamma(1.5, 0.1, maps.shape)).astype(np.float32), masks


def all_metrics(maps, masks):
    return PixelMetrics().update(maps, masks).compute()


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(npst.arrays(bool, (2, 3, 8)))
def test_definitions_agree_with_scikit_learn_and_torchmetrics(both):
    predicted, truth = both
    c = metrics.confusion(predicted, truth)
    tn, fp, fn, tp = sk.confusion_matrix(truth.ravel(), predicted.ravel(), labels=[False, True]).ravel()
    assert (c.tp, c.fp, c.fn, c.tn) == (tp, fp, fn, tn)
    for ours, theirs, reference in (
        (metrics.precision, sk.precision_score, tm.BinaryPrecision()),
        (metrics.recall, sk.recall_score, tm.BinaryRecall()),
        (metrics.f1, sk.f1_score, tm.BinaryF1Score()),
        (metrics.accuracy, sk.accuracy_score, tm.BinaryAccuracy()),
    ):
        if np.isnan(ours(c)):  # they answer 0 where there is no answer
            assert not (truth.any() and predicted.any())
        else:
            assert ours(c) == pytest.approx(theirs(truth.ravel(), predicted.ravel()), abs=1e-9)
            assert ours(c) == pytest.approx(reference(torch.tensor(predicted), torch.tensor(truth)).item(), abs=1e-6)


def test_the_four_are_nan_where_undefined():
    nothing_called = Confusion(tp=0, fp=0, fn=5, tn=5)
    assert np.isnan(metrics.precision(nothing_called))
    assert metrics.recall(nothing_called) == metrics.f1(nothing_called) == 0  # it missed all there was: a true 0
    nothing_there = Confusion(tp=0, fp=3, fn=0, tn=5)
    undefined = metrics.recall(nothing_there), metrics.f1(nothing_there), metrics.accuracy(Confusion(0, 0, 0, 0))
    assert np.isnan(undefined).all()


def test_f1_by_defect_pools_the_images_of_a_defect_alone():
    maps, masks = hazelnut_like(9)
    defects = ["good"] * 3 + ["crack"] * 4 + ["hole"] * 2
    test = SimpleNamespace(masks=masks, defects=defects, ignored=None)
    found = metrics.f1_by_defect(maps, test, {"crack": 0.3, "hole": 0.4})
    assert found == {
        "crack": pytest.approx(sk.f1_score(masks[3:7].ravel(), maps[3:7].ravel() > np.float32(0.3))),
        "hole": pytest.approx(sk.f1_score(masks[7:].ravel(), maps[7:].ravel() > np.float32(0.4))),
    }
    assert metrics.f1_by_defect(maps, test, 0.3)["crack"] == found["crack"]


@pytest.mark.parametrize("scale", [1, 300.0])
def test_curves_agree_with_scikit_learn_and_torchmetrics(scale):
    maps, masks = hazelnut_like()
    maps = maps * np.float32(scale)
    ours, scores, truth = all_metrics(maps, masks), maps.ravel(), masks.ravel()
    assert ours["auroc"] == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-5)
    assert ours["average_precision"] == pytest.approx(sk.average_precision_score(truth, scores), abs=5e-4)
    precision, recall, _ = sk.precision_recall_curve(truth, scores)
    best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
    assert ours["f1_max"] == pytest.approx(best, abs=5e-4)
    tensors = torch.tensor(scores / scores.max()), torch.tensor(truth).int()
    assert ours["auroc"] == pytest.approx(tm.BinaryAUROC()(*tensors).item(), abs=1e-4)
    assert ours["average_precision"] == pytest.approx(tm.BinaryAveragePrecision()(*tensors).item(), abs=5e-4)


def test_the_numbers_of_the_histograms_are_those_of_the_curves():
    maps, masks = hazelnut_like(4)
    maps, masks = on_edges(maps[:, ::4, ::4]), masks[:, ::4, ::4]
    scores, truth, fast = maps.ravel(), masks.ravel(), all_metrics(maps, masks)
    precision, recall, thresholds = sk.precision_recall_curve(truth, scores)
    precision, recall = precision[:-1], recall[:-1]  # without the point that has no threshold
    assert fast["auroc"] == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-12)
    assert fast["average_precision"] == pytest.approx(sk.average_precision_score(truth, scores), abs=1e-12)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert f1.max() == pytest.approx(fast["f1_max"], abs=1e-12)
    assert fast["tau"] < thresholds[f1.argmax()] <= np.nextafter(np.float32(fast["tau"]), np.float32(np.inf))
    assert curves.sorted_pro(maps, masks) == pytest.approx(fast["pro"], abs=1e-12)


def step_at_the_limit():
    """The mean overlap rises where the false-positive rate is just the limit of PRO, 3 of 10: no area comes of it."""
    maps, masks = np.zeros((1, 4, 4), np.int8), np.zeros((1, 4, 4), bool)
    maps[0, :2, :2] = [[1, 2], [2, 2]]
    masks[0, :2, 2:] = masks[0, 0, 0] = masks[0, 2, 0] = True
    return maps, masks


@settings(deadline=None)
@example(step_at_the_limit())
@given(
    st.integers(1, 3).flatmap(
        lambda n: st.tuples(npst.arrays(np.int8, (n, 4, 4), elements=st.integers(-4, 4)), npst.arrays(bool, (n, 4, 4)))
    )
)
def test_all_curves_against_brute_force(one):
    maps, masks = one[0].astype(np.float32), one[1]
    ours = all_metrics(maps, masks)
    if not masks.any():
        assert all(np.isnan(value) for value in ours.values())
        return
    f1s = [metrics.f1(metrics.confusion(maps >= t, masks)) for t in np.unique(maps)]
    assert ours["f1_max"] == pytest.approx(max(f1s), abs=1e-12)
    assert metrics.f1(metrics.pixel_confusion(maps, masks, ours["tau"])) == pytest.approx(ours["f1_max"], abs=1e-12)
    if masks.all():
        assert np.isnan(ours["auroc"])
        assert np.isnan(ours["pro"])
        return
    good, bad = maps[~masks], maps[masks]
    wins = np.mean([(b > g) + (b == g) / 2 for b, g in itertools.product(bad, good)])
    assert ours["auroc"] == pytest.approx(wins, abs=1e-12)
    assert ours["pro"] == pytest.approx(bench_metrics.pro_by_regions(maps, masks, np.unique(maps)[::-1]), abs=1e-12)
    assert curves.sorted_pro(maps, masks) == pytest.approx(ours["pro"], abs=1e-12)


def test_bins_keep_the_order_of_all_floats():
    rng = np.random.default_rng(0)
    scores = rng.standard_normal(10_000).astype(np.float32) * 10.0 ** rng.integers(-30, 30, 10_000).astype("f4")
    bins = curves.score_bins(np.sort(scores))
    assert (np.diff(bins) >= 0).all()
    assert 0 <= bins.min() <= bins.max() < curves.BINS
    assert curves.score_bins(np.float32([-0.0])) == curves.score_bins(np.float32([0.0]))


def test_pro_against_peers():
    """The seeded example by pyaupro 0.1.11: MVTec's official `compute_pro`, interpolated at 30 %, and torchmetrics."""
    maps, masks = seeded_example()
    assert all_metrics(maps, masks)["pro"] == pytest.approx(0.336031, abs=1e-3)  # official and torchmetrics
    assert all_metrics(on_edges(maps), masks)["pro"] == pytest.approx(0.3360357799, abs=1e-8)  # official, interpolated
    assert all_metrics(on_edges(maps), masks)["pro"] == pytest.approx(0.336034175, abs=1e-5)  # torchmetrics


def test_a_constant_map_ranks_nothing():
    _, masks = seeded_example()
    ours, share = all_metrics(np.full(masks.shape, -2, np.float32), masks), masks.mean()
    assert ours.pop("tau") < -2
    expected = {"auroc": 0.5, "average_precision": share, "pro": 0.15}  # PRO: the diagonal up to 30 %
    expected["f1_max"] = 2 * share / (1 + share)  # that of calling everything defective
    assert ours == pytest.approx(expected)


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_nan_in_a_map_is_an_error(bad):
    maps, masks = seeded_example()
    maps[3, 10, 10] = bad
    pixels = PixelMetrics()
    with pytest.raises(DataError, match="image 3 holds NaN"):
        pixels.update(maps, masks)
    assert not pixels.negatives.any()  # nothing of it was counted
    with pytest.raises(DataError, match="NaN"):
        metrics.image_auroc(np.array([0.1, bad]), [False, True])
    with pytest.raises(DataError, match="NaN"):
        metrics.image_rates(np.array([0.1, bad]), [False, True], 0.5)


def test_shapes_that_do_not_fit_are_an_error():
    with pytest.raises(ValueError, match=r"both be \[N, H, W\]"):
        PixelMetrics().update(np.zeros((2, 4, 4)), np.zeros((2, 4, 5)))
    with pytest.raises(ValueError, match="predicted is"):
        metrics.confusion(np.zeros(3), np.zeros((3, 1)))


def test_streaming_equals_one_update():
    maps, masks = hazelnut_like(10)
    pixels = PixelMetrics()
    for i in range(10):
        pixels.update(maps[i : i + 1], masks[i : i + 1])
    assert pixels.compute() == pytest.approx(all_metrics(maps, masks), abs=1e-12)


def test_image_score_is_the_mean_of_the_largest_pixels():
    rng = np.random.default_rng(1)
    maps = rng.random((4, 20, 20)).astype(np.float32)
    expected = np.sort(maps.reshape(4, -1))[:, -100:].mean(1)
    np.testing.assert_allclose(metrics.image_scores(maps), expected, rtol=1e-6)
    np.testing.assert_allclose(metrics.image_scores(maps[:, :5, :5]), maps[:, :5, :5].mean((1, 2)), rtol=1e-6)
    assert metrics.image_scores(np.zeros((0, 8, 8))).shape == (0,)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_image_auroc_agrees_with_scikit_learn(pairs):
    scores, truth = np.array([s for s, _ in pairs], float), np.array([t for _, t in pairs])
    ours = metrics.image_auroc(scores, truth)
    if truth.all() or not truth.any():
        assert np.isnan(ours)
    else:
        assert ours == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-12)


def test_image_rates():
    rates = metrics.image_rates([0.1, 0.6, 0.4, 0.9, 0.8], [False, False, True, True, True], 0.5)
    assert rates == pytest.approx({"tnr": 1 / 2, "tpr": 2 / 3, "precision": 2 / 3, "f1": 2 / 3})
    assert np.isnan(metrics.image_rates([0.1], [True], 0.5)["tnr"])
    assert np.isnan(metrics.image_rates([0.1], [False], 0.5)["tpr"])


def test_rate_interval_is_wilsons():
    for count, total in ((0, 7), (20, 20), (20, 36), (1, 1), (399, 400)):
        expected = binomtest(count, total).proportion_ci(method="wilson")
        assert metrics.rate_interval(count, total) == pytest.approx(list(expected), abs=1e-4)
    assert np.isnan(metrics.rate_interval(0, 0)).all()
