"""The thresholds of a run: chosen as notebook 7 chooses them, and never those of other weights."""

import json

import numpy as np
import pytest

from hazelnut_ae import metrics, thresholds
from hazelnut_ae.engine import calibration, run_data
from hazelnut_ae.engine.trainer import train_run
from hazelnut_ae.errors import DataError
from hazelnut_ae.inference import evaluate as evaluation
from hazelnut_ae.presets import PRESETS


def test_training_leaves_the_label_free_thresholds(painted, tiny_run):
    detector = tiny_run.detector
    maps = detector.anomaly_maps(run_data.held_out(painted, tiny_run))
    scores = metrics.image_scores(maps)
    found = calibration.read(tiny_run.folder, detector)
    assert found.tau == thresholds.tau_label_free(maps)
    assert found.image_tau == thresholds.tau_images_label_free(scores)
    assert found.held_out_scores == tuple(scores)
    assert found.typical == pytest.approx(np.median(maps))


def test_evaluate_and_resume_write_them_for_an_older_run_that_has_none(painted, run_copy):
    path = run_copy.folder / calibration.FILE
    before = path.read_bytes()
    path.unlink()
    result = evaluation.evaluate(painted, run_copy)
    assert path.read_bytes() == before
    found = calibration.read(run_copy.folder, run_copy.detector)
    assert found.image_tau == result["images"]["tau"]
    assert found.tau == result["pixels"]["tau_label_free"]
    path.write_text("{}")
    train_run(painted, run_copy.folder, PRESETS["tiny"], resume=True)
    assert path.read_bytes() == before


def test_a_run_that_has_diverged_stays_without_thresholds(painted, run_copy, capsys):
    for parameter in run_copy.model.parameters():
        parameter.data.fill_(float("nan"))
    assert calibration.write_missing(run_copy.folder, run_copy.detector, painted.train.images[:2]) is None
    assert "has no thresholds" in capsys.readouterr().out


DAMAGE = [{"tau": "high"}, {"tau": float("nan")}, {"image_tau": None}, {"held_out_scores": 3}]
CHANGES = [(None, "holds no thresholds; run hazelnut-ae evaluate DIR"), ({"weights": "0" * 64}, "other weights")]
CHANGES += [("", "cannot be read"), ("[1]", "cannot be read"), *((change, "is damaged") for change in DAMAGE)]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_what_is_missing_or_damaged_is_one_sentence_with_the_remedy(run_copy, change, message):
    path = run_copy.folder / calibration.FILE
    text = json.dumps(json.loads(path.read_text()) | change) if isinstance(change, dict) else change or ""
    path.write_text(text)
    if change is None:
        path.unlink()
    with pytest.raises(DataError, match=message) as caught:
        calibration.read(run_copy.folder, run_copy.detector)
    assert "hazelnut-ae evaluate" in str(caught.value)


def test_few_images_promise_little():
    for scores, promised in ((np.linspace(0, 1, 39), 0.1), ([0, 0.5], 1 / 3)):
        image_tau = thresholds.tau_images_label_free(scores)
        assert calibration.Calibration(1, image_tau, 0, scores).false_alarms == pytest.approx(promised)
    assert calibration.Calibration(1, 1).false_alarms == 1
