"""The run that comes with the package: the article preset on synthetic hazelnuts, all 1000 epochs."""

import json

import numpy as np
import pytest

from hazelnut_ae import dataset, metrics, synthetic
from hazelnut_ae import shipped as shipped_files
from hazelnut_ae.detection import AutoencoderDetector
from hazelnut_ae.engine import calibration, run_data, runs
from hazelnut_ae.presets import PRESETS, steps_per_epoch

FOLDER = shipped_files.FOLDER / "article"


@pytest.fixture(scope="module")
def shipped():
    return runs.load_run(FOLDER)


def test_it_is_the_whole_article_preset_in_six_files(shipped):
    preset = PRESETS["article"]
    kept_for_training = preset.counts["train/good"] - 39  # a tenth held out
    settings = {"preset": "article", "seed": 0, "latent_dim": 500, "epochs": preset.epochs}
    assert settings.items() <= shipped.config.items()
    assert len(shipped.history) == 1000 * steps_per_epoch(preset.copies * kept_for_training, preset.batch_size)
    for points in shipped.f1.values():
        assert [epoch for epoch, _ in points] == [1, *range(10, 1001, 10)]
    # it is small and whole
    names = "config.json f1.csv history.csv model.safetensors results.json thresholds.json".split()
    assert sorted(path.name for path in FOLDER.iterdir()) == names
    assert (FOLDER / "model.safetensors").stat().st_size <= 11e6
    assert (FOLDER / "history.csv").stat().st_size <= 3e6


def test_its_curves_and_its_results_are_of_one_run(shipped):
    """The F1 of the last epoch was computed while training, results.json afterwards from the saved weights."""
    result = json.loads((FOLDER / "results.json").read_text(encoding="utf-8"))
    for name, points in shipped.f1.items():
        assert points[-1][1] == pytest.approx(result["defects"][name]["f1"], abs=0.005)
    counts = {name: count for name, count in PRESETS["article"].counts.items() if "/" not in name}
    assert {name: block["images"] for name, block in result["defects"].items()} == counts


def test_its_thresholds_are_those_of_its_results(shipped):
    """Painted again for them, on another machine: the same to three digits."""
    found = calibration.read(FOLDER, shipped.detector)
    result = json.loads((FOLDER / "results.json").read_text(encoding="utf-8"))
    assert len(found.held_out_scores) == 39
    assert found.tau == pytest.approx(result["pixels"]["tau_label_free"], rel=1e-3)
    assert found.image_tau == pytest.approx(result["images"]["tau"], rel=1e-3)


@pytest.mark.slow
def test_it_finds_defects_in_newly_painted_hazelnuts(shipped, tmp_path):
    """Seed 1: nuts that no run of the package has seen."""
    synthetic.write_dataset(tmp_path / "nuts", {"train/good": 1, "test/good": 1, "hole": 2, "print": 2}, seed=1)
    data = dataset.load(tmp_path / "nuts")
    assert run_data.shipped_run(data).config == shipped.config
    maps = AutoencoderDetector(shipped.model).anomaly_maps(data.test.images)
    assert metrics.PixelMetrics().update(maps, data.test.masks).compute()["auroc"] > 0.9
    good = np.array(data.test.defects) == "good"
    assert maps[good].mean() < 0.05


@pytest.mark.parametrize("name", ["mvtec_hazelnut_128", "hazelnut_toy", "transistor", "synthetic_hazelnuts", "bottle"])
def test_the_same_systems_were_measured_on_every_set(name):
    compared = shipped_files.measured(f"comparison_{name}")
    systems = ["article", "AE(L2)", "AE(SSIM)", "AnoGAN", "CNN feature dictionary"]
    assert [one["system"].split(" (E")[0] for one in compared] == systems
    assert {one["setting"] for one in compared} == {"quick"}
    assert shipped_files.measured(name)["pixels"].keys() == compared[0]["pixels"].keys()


def test_the_variants_start_from_the_quick_fits():
    """The study's unchanged systems are those of the comparison on the same images."""
    study = shipped_files.study("transistor_variants").set_index("variant")["pixel_auroc"]
    for one in shipped_files.measured("comparison_transistor")[1:4]:
        assert study[one["system"]] == pytest.approx(one["pixels"]["auroc"], abs=1e-4)
