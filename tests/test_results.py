import json
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn import metrics as sk

from hazelnut_ae import metrics, results
from hazelnut_ae.detection import Prediction, prediction_from_maps
from hazelnut_ae.errors import DataError
from hazelnut_ae.thresholds import printed_tau


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
    assert (measured["data"], measured["system"], measured["image_size"]) == ("made up", "article", 64)
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured


def test_the_numbers_are_those_of_the_right_pixels(measured):
    maps, test, _ = made_up()
    hole = np.array(test.defects) == "hole"
    block, truth = measured["defects"]["hole"], test.masks[hole].ravel()
    assert block["tau"] == 0.25
    without = evaluate(*made_up(), printed=None)["defects"]["hole"]
    assert (without["tau"], without["f1"]) == (block["tau_label_free"], block["f1_label_free"])
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


def test_what_the_data_cannot_give_is_null():
    found = evaluate(*made_up(good=0))
    assert found["images"]["auroc"] is found["images"]["tnr"] is None
    assert None not in (found["images"]["tpr"], found["pixels"]["auroc"])

    maps, test, _ = made_up(good=1, crack=1, hole=0)
    for nothing in (None, np.zeros((0, 64, 64), np.float32)):
        alone = evaluate(maps, test, nothing)
        block = alone["defects"]["crack"]
        assert block["tau_label_free"] is block["f1_label_free"] is None
        assert alone["images"]["tau"] is alone["images"]["tnr"] is None
        assert block["f1"] is not None
        assert block["intervals"]["f1"] is None  # one image says nothing of others
    for one in (found, alone):
        assert not re.search("nan|None", results.pretty(results.results_table(one)).to_string())


def test_no_images_at_all_is_no_crash_and_nan_is_an_error():
    found = evaluate(*made_up(0, 0, 0))
    assert found["pixels"]["f1_max"] is found["images"]["auroc"] is None
    assert len(results.pretty(results.results_table(found)))
    for where in (0, 2):  # the test images, the held-out ones
        parts = made_up()
        parts[where][1, 3, 3] = np.nan
        with pytest.raises(DataError, match="NaN"):
            evaluate(*parts)


def test_every_row_says_what_it_counts_and_the_baseline_calls_everything_defective(measured):
    (_, test, _), frame = made_up(), results.results_table(measured)
    assert frame["source"].str.len().min() > 0
    assert not frame[frame["counts"] == "pixel"][["TNR", "TPR"]].notna().any(axis=None)
    image = frame[frame["counts"] == "image"]
    assert not image[["average precision", "PRO", "F1-max"]].notna().any(axis=None)
    assert list(frame[frame["source"] == "measured here"]["defect"]) == ["crack", "hole", "all", "all"]
    base = frame[frame["system"] == "call everything defective"]
    image = base[base["counts"] == "image"].iloc[0]
    assert image["F1"] == pytest.approx(sk.f1_score([0] * 6 + [1] * 9, [1] * 15))
    assert image["precision"] == pytest.approx(9 / 15)
    pixel = base[(base["counts"] == "pixel") & (base["defect"] == "all")].iloc[0]
    assert pixel["precision"] == pytest.approx(test.masks.mean())
    assert pixel["F1"] == pytest.approx(sk.f1_score(test.masks.ravel(), np.ones(test.masks.size)))
    text = results.pretty(frame)
    assert "nan" not in text.to_string()
    f1, (low, high) = measured["defects"]["crack"]["f1"], measured["defects"]["crack"]["intervals"]["f1"]
    assert text.iloc[0]["F1"] == f"{f1:.2f} [{low:.2f}, {high:.2f}]"
    assert text.iloc[0]["TNR"] == ""
    assert math.isnan(frame.iloc[0]["TNR"])


PIXELS = ("precision", "recall", "f1", "accuracy", "f1_label_free", "f1_max", "average_precision", "pro")


def test_without_masks_images_are_counted_and_pixel_quantities_are_null(measured):
    maps, test, held_out = made_up()
    found = evaluate(maps, SimpleNamespace(**vars(test) | {"masks": np.zeros_like(test.masks)}), held_out)
    assert found["images"] == evaluate(maps, test, held_out)["images"] | {"intervals": found["images"]["intervals"]}
    for block in [*found["defects"].values(), found["pixels"]]:
        assert {block[name] for name in (*PIXELS, "f1_all_defective")} == {None}
        assert not any(block["intervals"].values())
    assert (found["pixels"]["masks"], found["defects"]["crack"]["images"], found["pixels"]["images"]) == (0, 5, 15)
    said = "\n".join(results.report(found))
    assert "9 of 9 defective images have no mask" in said
    assert "pixel AUROC, PRO and F1" in said
    assert "nan" not in said.replace("unknown", "")
    assert "no mask" not in "\n".join(results.report(measured))


def test_a_kind_with_half_of_its_masks_is_measured_where_they_are():
    maps, test, held_out = made_up()
    test.masks[[6, 7, 11]] = False  # two of five cracks, one of four holes
    rest = np.delete(np.arange(15), [6, 7, 11])
    kept = SimpleNamespace(masks=test.masks[rest], ignored=None, defects=[test.defects[i] for i in rest])
    found, alone = evaluate(maps, test, held_out), evaluate(maps[rest], kept, held_out)
    for name in ("crack", "hole"):
        same = {key: value for key, value in alone["defects"][name].items() if key not in ("images", "intervals")}
        assert same.items() <= found["defects"][name].items()
    assert {name: found["pixels"][name] for name in PIXELS} == {name: alone["pixels"][name] for name in PIXELS}
    assert (found["defects"]["crack"]["images"], found["defects"]["crack"]["masks"]) == (5, 3)
    assert found["images"]["auroc"] == evaluate(*made_up())["images"]["auroc"]
    assert "3 of 9 defective images have no mask" in "\n".join(results.report(found))


def test_good_images_alone_give_the_false_alarm_rate_and_defective_ones_alone_what_is_found():
    found = evaluate(*made_up(crack=0, hole=0))
    assert {found["pixels"][name] for name in (*PIXELS, "auroc")} == {None}
    assert found["defects"] == {}
    assert found["images"]["auroc"] is found["images"]["tpr"] is found["images"]["f1"] is None
    said, refused = list(results.report(found)), found["images"]["refused"]["good"]
    assert found["images"]["tnr"] == 1 - refused / 6
    assert any(line.startswith(f"good: {refused} of 6 refused") and "false alarms" in line for line in said)
    assert said[-1].startswith("Without images in test/<defect>")
    said = list(results.report(evaluate(*made_up(good=0))))
    assert said[-1].startswith("Without images in test/good")
    assert not any("false alarms 0%" in line or "good ones" in line for line in said)


def test_thresholds_of_the_user_replace_those_of_the_run():
    maps, test, held_out = made_up()
    scores = metrics.image_scores(maps)
    middle = float(np.median(scores[6:]))
    found = evaluate(maps, test, held_out, tau=0.3, image_tau=middle)
    assert {block["tau"] for block in [*found["defects"].values(), found["pixels"]]} == {0.3}
    f1 = sk.f1_score(test.masks.ravel(), (maps > np.float32(0.3)).ravel())
    assert found["pixels"]["f1"] == pytest.approx(f1)
    assert found["pixels"]["tau_label_free"] == evaluate(maps, test, held_out)["pixels"]["tau_label_free"]
    assert (found["images"]["tau"], found["images"]["tpr"]) == (middle, pytest.approx(4 / 9))
    crack, hole = ((scores[part] > middle).sum() for part in (slice(6, 11), slice(11, None)))
    assert found["images"]["refused"] == {"crack": crack, "good": 0, "hole": hole}
    low, high = found["images"]["intervals"]["tpr"]
    assert 0 < low < found["images"]["tpr"] < high < 1


@pytest.mark.parametrize("factor", [1, 1e-3, 1e6, -1, 0])
def test_the_threshold_that_refuses_all_is_right_as_it_is_printed(factor):
    maps, test, held_out = made_up()
    scores = metrics.image_scores(maps) * factor
    found = results.evaluate("x", Prediction(maps, scores), test, prediction_from_maps(held_out))
    (line,) = (line for line in results.report(found) if "Chosen on these test images" in line)
    tau, good = re.search(r"--image-tau (\S+) refuses all 9 and (\d+) of 6 good ones", line).groups()
    assert (scores[6:] > float(tau)).all()
    assert int(good) == (scores[:6] > float(tau)).sum()
    assert factor == 0 or not (scores[6:] > float(tau) + 0.0016 * abs(float(tau))).all()
