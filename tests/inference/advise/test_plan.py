"""What held-out images can promise, and how long training takes."""

import numpy as np
import pytest
import torch

from hazelnut_ae import backbones, thresholds, training
from hazelnut_ae.engine.calibration import Calibration
from hazelnut_ae.inference.advise import plan, words


@pytest.mark.parametrize("count", [4, 20, 30, 85, 86, 200])
def test_what_is_promised_is_what_the_threshold_keeps(count):
    """The promise of advice is the one that `predict` reports of such a run."""
    n = plan.held_out(count)
    assert n == len(training.split_good(count, 5)[1])
    scores = tuple(np.random.default_rng(count).normal(size=n))
    tau = thresholds.tau_images_label_free(scores)
    assert plan.false_alarms(n) == pytest.approx(Calibration(0.0, tau, 0.0, scores).false_alarms)


def test_the_promise_holds():
    """Of good parts whose scores come from anywhere, no more are called defective than was said."""
    rng = np.random.default_rng(0)
    for n in (2, 9, 12):
        scores = rng.lognormal(size=(20_000, n + 1))
        above = [one[-1] > thresholds.tau_images_label_free(one[:-1]) for one in scores[:4000]]
        assert np.mean(above) == pytest.approx(plan.false_alarms(n), abs=0.02)


def test_how_many_are_enough():
    enough = plan.enough_good_images()
    assert plan.false_alarms(plan.held_out(enough)) <= 0.1 < plan.false_alarms(plan.held_out(enough - 1))
    assert "That is enough" in words.held_out_words(enough)
    assert "--image-tau" not in words.held_out_words(enough)
    assert "21 of 213" in words.held_out_words(213)
    assert "(--image-tau) it would be 4.5%" in words.held_out_words(213)
    few = words.held_out_words(30)
    assert "up to 1 in 4 good parts (25%) may be called defective" in few
    assert f"it takes {enough} good images" in few
    assert "moves the threshold of pixels" not in few
    assert "moves the threshold of pixels" in words.held_out_words(8)
    assert "at least 4 good images, not 3" in words.held_out_words(3)


def test_what_test_images_can_measure():
    assert words.test_words([]).startswith("no images.")
    assert "cannot tell false alarms" in words.test_words(["cut"])
    assert "cannot tell what is found" in words.test_words(["good"])
    assert words.test_words(["good", "cut", "hole"]) == "1 good and 2 defective images."


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (3, "less than a minute"),
        (89, "about a minute"),
        (100, "about 2 minutes"),
        (45 * 60, "about 45 minutes"),
        (100 * 60, "about 2 hours"),
    ],
)
def test_durations_in_words(seconds, said):
    assert plan.in_words(seconds) == said


def test_the_shortest_time_counts():
    clock = iter([0, 9, 9, 11, 11, 30])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan.time, "perf_counter", lambda: next(clock))
        assert plan.fastest(lambda: None) == 2


def test_the_article_takes_as_long_as_its_steps(monkeypatch):
    monkeypatch.setattr(plan, "fastest", lambda work, times=3: work() * 0 + 2.0)
    state = torch.get_rng_state()
    many, few = plan.article_seconds(400), plan.article_seconds(30)
    assert torch.equal(torch.get_rng_state(), state)
    assert many == pytest.approx(1.1 * 2.0 * plan.PRESET.steps, rel=0.05)
    assert few == pytest.approx(many, rel=0.05)  # quick takes the same number of steps


def test_a_bank_takes_longer_with_more_images_up_to_those_it_looks_at(monkeypatch):
    torch.manual_seed(0)
    stages = backbones.empty_stages("efficientnet-lite0")
    monkeypatch.setattr("hazelnut_ae.patchcore.imagenet_stages", lambda: stages)
    monkeypatch.setattr(plan, "TRIED", 3)
    done = []
    monkeypatch.setattr(plan, "fastest", lambda work, times=3: done.append(work()) or 0.5)
    few, more, many = (plan.bank_seconds(count) for count in (30, 100, 5000))
    assert more - few == pytest.approx(2 * 0.5 * 70)  # each image is looked at once by both, learnt from or mapped
    assert many - few > 0.5 * 2 * (400 - 27)
    assert many < 0.5 * 2 * (400 + 500) + few
    assert len(done) == 3 * 2 * 3


def test_the_time_is_said_of_the_detector_that_is_advised(monkeypatch):
    monkeypatch.setattr(plan, "article_seconds", lambda count: 1200)
    monkeypatch.setattr(plan, "bank_seconds", lambda count: 50)
    assert words.time_words(True, 30).startswith("about a minute with features (about 20 minutes with article)")
    monkeypatch.setattr(plan, "bank_seconds", lambda count: pytest.fail("there is no bank"))
    assert words.time_words(False, 30).startswith("about 20 minutes with article")
