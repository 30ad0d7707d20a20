"""The ladder's rungs run on a tiny set, and each is set beside the one before."""

import functools
import json

import numpy as np
import pytest

from benchmarks import __main__ as studies
from benchmarks import ladder
from hazelnut_ae import backbones, baselines
from hazelnut_ae.patchcore import MemoryBank

NOT_FITTED = ("the article", "its map, softened", "both together")  # trained by another command, or read from others
SMALL = dict(side=128, coarse_side=64, candidates=2000, size=200)


@pytest.fixture
def small(monkeypatch):
    """A small bank with weights of chance, and a U-Net of two steps on four painted nuts."""
    network = functools.partial(backbones.empty_stages, "efficientnet-lite0")
    monkeypatch.setattr(ladder, "MemoryBank", lambda: MemoryBank(network(), **SMALL))
    monkeypatch.setattr(ladder, "PAINTED", 1)
    monkeypatch.setattr(baselines.UNetSegmenter, "__init__", functools.partialmethod(two_steps))
    for kept in (ladder.painted_nuts, ladder.trained_unet):
        kept.cache_clear()
    yield
    for kept in (ladder.painted_nuts, ladder.trained_unet):
        kept.cache_clear()


def two_steps(self):
    self.steps, self.batch_size, self.learning_rate, self.seed = 2, 2, 1e-3, 0


@pytest.mark.slow
def test_every_rung_is_measured_beside_the_one_before(small, painted_folder, tiny_run, tmp_path):
    out = tmp_path / "ladder.json"
    arguments = ["ladder", str(painted_folder), "--run", str(tiny_run.folder), "--out", str(out)]
    assert studies.main(arguments) == 0
    measured = json.loads(out.read_text())
    assert [one["system"] for one in measured] == list(ladder.RUNGS)
    assert "against_the_rung_before" not in measured[0]
    for one, before in zip(measured[1:], measured, strict=False):
        difference = one["against_the_rung_before"]["pixel AUROC"]
        assert one["fit_s"] is None if one["system"] in NOT_FITTED else one["fit_s"] > 0
        assert difference == pytest.approx(one["pixels"]["auroc"] - before["pixels"]["auroc"], abs=1e-6)
    assert studies.main([*arguments, "--left-out"]) == 0
    rows = json.loads(out.read_text())
    assert {row["defect"] for row in rows} == set(ladder.KINDS)
    assert all(sum(row["seen"] for row in rows if row["defect"] == kind) == 1 for kind in ladder.KINDS)


def test_the_time_to_fit_is_without_the_time_to_predict(painted, monkeypatch):
    clock = iter([0.0, 1.0, 5.0, 9.0])  # begins, is fitted; predicts from, to
    monkeypatch.setattr(ladder.time, "perf_counter", lambda: next(clock))
    found = ladder.fitted(baselines.MeanImageDetector(), painted)
    assert found["fit_s"] == 1
    assert found["image_s"] == pytest.approx(4 / len(painted.test))
    assert np.isfinite(found["good"]).all()
