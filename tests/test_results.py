import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn import metrics as sk

from hazelnut_ae import results
from hazelnut_ae.detection import prediction_from_maps
from hazelnut_ae.errors import DataError
from hazelnut_ae.thresholds import printed_tau

DEFECT_KEYS = {
    "images", "tau", "precision", "recall", "f1", "accuracy", "tau_label_free", "f1_label_free", "f1_max",
    "pixel_auroc", "average_precision", "pro",
}  # fmt: skip


def made_up(good=6, crack=5, hole=4, seed=0):
    """A test set with its maps and three held-out maps."""
    rng = np.random.default_rng(seed)
    defects = ["good"] * good + ["crack"] * crack + ["hole"] * hole
    masks = np.zeros((len(defects), 64, 64), bool)
    for i, name in enumerate(defects):
        if name != "good":
            masks[i, 10 + i : 25 + i, 10:30] = True
    maps = (rng.gamma(1.5, 0.04, masks.shape) + masks * rng.gamma(2, 0.1, masks.shape)).astype(np.float32)
    held_out = rng.gamma(1.5, 0.04, (3, 64, 64)).astype(np.float32)
    return maps, SimpleNamespace(masks=masks, defects=defects, images=None, paths=None, ignored=None), held_out


def evaluate(maps, test, held_out=None, printed=printed_tau, **options):
    good = None if held_out is None else prediction_from_maps(held_out)
    return results.evaluate("article", prediction_from_maps(maps), test, good, printed, **options)


@pytest.fixture(scope="module")
def measured():
    return evaluate(*made_up(), data="made up")


def test_the_contract_of_the_json(measured):
    assert set(measured) >= {"data", "system", "image_size", "defects", "pixels", "images"}
    assert (measured["data"], measured["system"], measured["image_size"]) == ("made up", "article", 64)
    assert list(measured["defects"]) == ["crack", "hole"]
    for block in measured["defects"].values():
        assert set(block) >= DEFECT_KEYS
    assert set(measured["pixels"]) >= {"auroc", "average_precision", "f1_max", "pro"}
    assert set(measured["images"]) >= {"auroc", "tau", "tnr", "tpr", "f1"}
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured


def test_the_numbers_are_those_of_the_right_pixels(measured):
    maps, test, _ = made_up()
    hole = np.array(test.defects) == "hole"
    block, truth = measured["defects"]["hole"], test.masks[hole].ravel()
    assert block["tau"] == 0.25
    predicted = (maps[hole] > np.float32(0.25)).ravel()
    for name in ("f1", "precision", "recall", "accuracy"):
        assert block[name] == pytest.approx(getattr(sk, f"{name}_score")(truth, predicted))
    assert block["pixel_auroc"] == pytest.approx(sk.roc_auc_score(truth, maps[hole].ravel()), abs=1e-4)
    free = (maps > np.float32(block["tau_label_free"])).ravel()
    assert measured["pixels"]["f1_label_free"] == pytest.approx(sk.f1_score(test.masks.ravel(), free))
    assert measured["pixels"]["auroc"] == pytest.approx(sk.roc_auc_score(test.masks.ravel(), maps.ravel()), abs=1e-4)
    assert measured["images"]["auroc"] == 1


def test_every_f1_and_auroc_has_its_interval(measured):
    for block in [*measured["defects"].values(), measured["pixels"], measured["images"]]:
        for name, value in block.items():
            if value is not None and ("auroc" in name or (name.startswith("f1") and name != "f1_all_defective")):
                low, high = block["intervals"][name]
                assert low - 1e-3 <= value <= high + 1e-3, name


def test_without_a_printed_tau_the_label_free_one_is_used():
    block = evaluate(*made_up(), printed=None)["defects"]["crack"]
    assert (block["tau"], block["f1"]) == (block["tau_label_free"], block["f1_label_free"])


def test_what_the_data_cannot_give_is_null():
    found = evaluate(*made_up(good=0))
    assert found["images"]["auroc"] is found["images"]["tnr"] is None
    assert None not in (found["images"]["tpr"], found["pixels"]["auroc"])

    found = evaluate(*made_up(crack=0, hole=0))
    assert found["defects"] == {}
    for name in ("auroc", "average_precision", "f1_max", "pro", "f1_label_free"):
        assert found["pixels"][name] is None, name
    assert found["images"]["auroc"] is found["images"]["tpr"] is found["images"]["f1"] is None

    maps, test, _ = made_up()
    for nothing in (None, np.zeros((0, 64, 64), np.float32)):
        found = evaluate(maps, test, nothing)
        assert found["defects"]["crack"]["tau_label_free"] is found["defects"]["crack"]["f1_label_free"] is None
        assert found["images"]["tau"] is found["images"]["tnr"] is None
        assert found["defects"]["crack"]["f1"] is not None

    maps, test, held_out = made_up(good=1, crack=1, hole=0)
    block = evaluate(maps, test, held_out)["defects"]["crack"]
    assert block["f1"] is not None
    assert block["intervals"]["f1"] is None  # one image says nothing of others
    for table in (results.results_table(found), results.results_table(evaluate(*made_up(good=0)))):
        assert "nan" not in results.pretty(table).to_string()
        assert "None" not in results.pretty(table).to_string()


def test_no_images_at_all_is_no_crash_and_nan_is_an_error():
    found = evaluate(*made_up(0, 0, 0))
    assert found["pixels"]["f1_max"] is found["images"]["auroc"] is None
    assert len(results.pretty(results.results_table(found)))
    for where in (0, 2):  # the test images, the held-out ones
        parts = made_up()
        parts[where][1, 3, 3] = np.nan
        with pytest.raises(DataError, match="NaN"):
            evaluate(*parts)


def test_every_row_says_what_it_counts_and_where_it_is_from(measured):
    frame = results.results_table(measured)
    assert frame["source"].str.len().min() > 0
    assert not frame[frame["counts"] == "pixel"][["TNR", "TPR"]].notna().any(axis=None)
    image = frame[frame["counts"] == "image"]
    assert not image[["average precision", "PRO", "F1-max"]].notna().any(axis=None)
    assert list(frame[frame["source"] == "measured here"]["defect"]) == ["crack", "hole", "all", "all"]


def test_the_table_sets_the_published_rows_beside(measured):
    frame = results.results_table(measured)
    cut = frame[(frame["system"] == "article as printed") & (frame["defect"] == "cut")].iloc[0]
    assert cut["F1"] == 0.74
    assert "corrected from 0.57" in cut["source"]
    l2 = frame[(frame["system"] == "AE(L2)") & (frame["counts"] == "image")].iloc[0]
    assert (l2["TNR"], l2["TPR"]) == (0.93, 0.84)
    assert round(l2["precision"], 2) == 0.95  # not the 0.93 that the article prints as such
    assert frame["source"].str.contains("to be checked").any()
    assert set(results.results_table(measured, category=None)["system"]) == {"article", "call everything defective"}
    assert "article as printed" not in set(results.results_table(measured, category="transistor")["system"])


def test_the_baseline_calls_everything_defective(measured):
    _, test, _ = made_up()
    frame = results.results_table(measured)
    base = frame[frame["system"] == "call everything defective"]
    image = base[base["counts"] == "image"].iloc[0]
    assert image["F1"] == pytest.approx(sk.f1_score([0] * 6 + [1] * 9, [1] * 15))
    assert image["precision"] == pytest.approx(9 / 15)
    pixel = base[(base["counts"] == "pixel") & (base["defect"] == "all")].iloc[0]
    assert pixel["precision"] == pytest.approx(test.masks.mean())
    assert pixel["F1"] == pytest.approx(sk.f1_score(test.masks.ravel(), np.ones(test.masks.size)))


def test_blanks_and_intervals_in_text(measured):
    frame = results.results_table(measured)
    text = results.pretty(frame)
    assert "nan" not in text.to_string()
    f1, (low, high) = measured["defects"]["crack"]["f1"], measured["defects"]["crack"]["intervals"]["f1"]
    assert text.iloc[0]["F1"] == f"{f1:.2f} [{low:.2f}, {high:.2f}]"
    assert text[text["system"] == "PatchCore"].iloc[0]["F1"] == ""
    assert math.isnan(frame[frame["system"] == "PatchCore"].iloc[0]["F1"])
