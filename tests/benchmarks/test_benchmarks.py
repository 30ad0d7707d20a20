"""Every study once, through its command, on the tiny painted set."""

import dataclasses
import functools
import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import __main__ as benchmarks
from benchmarks import augmentations, bank_parts, drift, growth, label_free, ladder, pairs, peer, speed, time_to_quality
from hazelnut_ae import backbones, baselines, bootstrap, patchcore
from hazelnut_ae.engine.trainer import train_run
from hazelnut_ae.metrics import PixelMetrics, image_auroc
from hazelnut_ae.patchcore import MemoryBank
from hazelnut_ae.presets import PRESETS
from hazelnut_ae.training import split_good

SMALL = dict(side=128, coarse_side=64, candidates=2000, size=200)


@pytest.fixture(scope="module")
def small_bank():
    """Makes small memory banks with random weights."""
    network = backbones.empty_stages("efficientnet-lite0")
    return lambda *_: MemoryBank(network, **SMALL)


@pytest.fixture
def study(painted_folder, tmp_path):
    """Runs one study by its command; returns its table, or what its JSON holds."""

    def run(name, *options, data=True):
        out = tmp_path / f"{name}.out"
        arguments = [name, *([str(painted_folder)] if data else []), *map(str, options), "--out", str(out)]
        assert benchmarks.main(arguments) == 0
        text = out.read_text(encoding="utf-8")
        return json.loads(text) if text[0] in "[{" else pd.read_csv(out)

    return run


def refused(capsys, *arguments):
    """The one sentence with which a command ends in exit status 1."""
    assert benchmarks.main([*map(str, arguments)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_every_study_has_help(capsys):
    for name in benchmarks.STUDIES:
        with pytest.raises(SystemExit, match="0"):
            benchmarks.main([name, "--help"])
        assert f"benchmarks {name}" in capsys.readouterr().out


def test_what_cannot_be_measured_is_refused_in_one_sentence(painted_folder, tiny_run, tmp_path, monkeypatch, capsys):
    assert "is not a folder" in refused(capsys, "latent", tmp_path / "nothing")
    assert "there is no recipe slow" in refused(capsys, "time", painted_folder, "--recipes", "slow")
    assert "there is no variant 'AE(L3)'" in refused(capsys, "variants", painted_folder, "--only", "AE(L3)")
    arguments = ("label-free", painted_folder, "--run", tiny_run.folder, "--system", "anything")
    assert "there is no comparison system 'anything'" in refused(capsys, *arguments)
    monkeypatch.setitem(sys.modules, "anomalib", None)
    assert "pip install anomalib" in refused(capsys, "peer", painted_folder, "--system", "padim")


@pytest.mark.slow
def test_the_study_of_latent_sizes_goes_on_where_it_was(painted_folder, tmp_path):
    options = ["latent", str(painted_folder), "--runs", str(tmp_path), "--preset", "tiny", "--pairs", "1"]
    for sizes in ("4", "4,16"):  # the second call goes on
        assert benchmarks.main([*options, "--sizes", sizes, "--seeds", "0"]) == 0
    table = pd.read_csv(tmp_path / "latent_sizes.csv")
    assert table[["system", "latent"]].to_numpy().tolist() == [[s, n] for n in (4, 16) for s in ("PCA", "autoencoder")]
    assert {"copied_crack", "f1_max", "pixel_auroc", "loss_held_out", "pairs_image_auroc"} <= set(table)
    assert table.notna().all().all()


def test_a_drift_changes_images_and_a_lamp_can_be_undone():
    images = pairs.paint_good(3)
    for name, (_, strengths) in drift.DRIFTS.items():
        changed = drift.drifted(images, name, strengths[0])
        assert (changed.shape, changed.dtype) == (images.shape, images.dtype)
        assert (changed == images).all() == (name == "none"), name
    darker = drift.drifted(images, "brightness", -0.1)
    assert np.abs(drift.normalized(darker, darker, images).astype(int) - images).mean() < 1


@pytest.mark.slow
def test_the_parts_of_a_bank_are_those_of_the_shipped_detector(painted, small_bank, tmp_path, monkeypatch):
    for module in (patchcore, bank_parts):
        monkeypatch.setattr(module, "imagenet_stages", lambda: small_bank().network)
    settings = dict(side=128, coarse_side=64, candidates=2000)
    fits = {"200": (200, 7, bank_parts.PARTS), "100": (100, 7, bank_parts.PARTS), "near": (200, 3, ("both", "fine"))}
    table = bank_parts.parts(painted, tmp_path, (0,), fits, **settings).set_index(["variant", "part"])
    assert len(table) == 10
    bank, split = MemoryBank(size=100, **settings), split_good(len(painted.train), 0)
    learnt, held_out = (painted.train.images[rows] for rows in split)
    bank.fit(learnt)
    found, test, row = bank.predict(painted.test.images), painted.test, table.loc["100", "shipped"]
    best, of_held_out = PixelMetrics().update(found.anomaly_maps, test.masks).compute(), bank.predict(held_out)
    assert row[["f1_max", "pro"]].tolist() == pytest.approx([best["f1_max"], best["pro"]], rel=1e-4)
    assert row["image_auroc"] == image_auroc(found.image_scores, np.array(test.defects) != "good")
    assert row["image_tau"] == pytest.approx(of_held_out.image_scores.max(), rel=1e-4)
    assert len(set(table["pro"])) == 8  # "both" and "shipped" have one map


@pytest.mark.slow
def test_the_study_of_training_sets_has_a_row_for_each_set(painted_folder, tmp_path):
    options = ["--runs", str(tmp_path), "--seeds", "0", "--systems", "PCA"]
    assert benchmarks.main(["training-set", str(painted_folder), *options]) == 0
    table = pd.read_csv(tmp_path / "training_set.csv")
    assert table.groupby("question").size().to_dict() == {
        "count": 6,
        "dirty": 4,
        "dirty, held out too": 1,
    }  # 1 and 5 % of 8 images are none
    assert table[["image_auroc", "alarms", "missed"]].notna().all().all()


def test_of_a_pair_only_the_defect_differs_and_its_copied_share_is_0_to_1():
    painted = pairs.paint_pairs(1)
    differs = (painted.defective != painted.clean).any(axis=1)  # bool [N, 256, 256]
    assert differs[painted.masks].mean() > 0.9
    assert differs[~painted.masks].mean() < 0.05
    clean, defective = (images.astype(np.float32) / 255 for images in (painted.clean, painted.defective))
    assert np.allclose(pairs.copied_share(clean, clean, painted), 0)
    assert np.allclose(pairs.copied_share(defective, clean, painted), 1)


@pytest.mark.slow
def test_recipes_are_measured_on_the_way(study, monkeypatch):
    short = {
        name: dataclasses.replace(one, steps=4, batch_size=2, copies=2) for name, one in time_to_quality.RECIPES.items()
    }
    monkeypatch.setattr(time_to_quality, "RECIPES", short)
    table = study("time", "--seeds", "0,1", "--looks", "2", "--recipes", "quick,before")
    assert table.groupby(["recipe", "seed"]).size().tolist() == [2] * 4
    for _, one in table.groupby(["recipe", "seed"]):
        assert one["seconds"].is_monotonic_increasing
        assert one["step"].is_monotonic_increasing
    assert table[["loss", "held_out_loss", "pixel_auroc", "f1_max"]].gt(0).all().all()


@pytest.mark.slow
def test_a_recipe_has_the_losses_of_a_run(painted, tmp_path):
    preset = dataclasses.replace(PRESETS["quick"], steps=6, batch_size=2, copies=2)
    run = train_run(painted, tmp_path / "run", preset, seed=1, device="cpu")
    rows = time_to_quality.one_run(painted, preset, 1, looks=2)
    losses = {step: loss for step, _, loss in run.history}
    assert rows[-1]["step"] == len(losses)
    for row in rows:
        assert row["loss"] == pytest.approx(losses[row["step"]], rel=0.02)


@pytest.mark.slow
def test_every_augmentation_is_measured(study):
    found = study("augmentations", "--steps", 1)
    assert list(found) == list(augmentations.VARIANTS)
    assert np.isfinite(pd.DataFrame(found).to_numpy(float)).all()


@pytest.mark.slow
def test_every_rung_is_measured_beside_the_one_before(study, small_bank, tiny_run, monkeypatch):
    monkeypatch.setattr(ladder, "MemoryBank", small_bank)
    monkeypatch.setattr(ladder, "PAINTED", 1)
    monkeypatch.setattr(bootstrap, "draw_weights", functools.partial(bootstrap.draw_weights, draws=20))
    monkeypatch.setattr(ladder, "KINDS", ("crack", "print"))
    two_steps = functools.partial(baselines.UNetSegmenter, steps=2, batch_size=2)
    monkeypatch.setattr(baselines, "UNetSegmenter", two_steps)
    for function in (ladder.painted_nuts, ladder.trained_unet):
        monkeypatch.setattr(ladder, function.__name__, functools.cache(function.__wrapped__))
    measured = study("ladder", "--run", tiny_run.folder)
    assert [one["system"] for one in measured] == list(ladder.RUNGS)
    assert "against_the_rung_before" not in measured[0]
    not_fitted = ("the article", "its map, softened", "both together")  # trained before, or made from other rungs
    for one, before in zip(measured[1:], measured, strict=False):
        difference = one["against_the_rung_before"]["pixel AUROC"]
        assert one["fit_s"] is None if one["system"] in not_fitted else one["fit_s"] > 0
        assert difference == pytest.approx(one["pixels"]["auroc"] - before["pixels"]["auroc"], abs=1e-6)
    rows = study("ladder", "--run", tiny_run.folder, "--left-out")
    seen = sorted((row["defect"], row["seen"]) for row in rows)
    assert seen == sorted((defect, seen) for defect in ladder.KINDS for seen in (False, True))


def test_a_bank_is_timed_on_images_that_are_made_when_asked_for(monkeypatch):
    monkeypatch.setattr(growth, "DISTINCT", 2)
    nuts = growth.Nuts(40)
    assert (len(nuts), nuts[3].shape, nuts[3].dtype) == (40, (3, 256, 256), np.uint8)
    np.testing.assert_array_equal(nuts[3], nuts[3])
    assert (nuts[3] != nuts[3 + growth.DISTINCT]).any()  # the same nut, another photograph
    row = growth.one_bank(10, 2, network=backbones.empty_stages("efficientnet-lite0"), **SMALL)
    assert row["images"] == 10
    assert min(row["fit_s"], row["image_s"]) > 0


def test_a_bank_is_measured_beside_a_peer_by_its_own_image_scores(small_bank, painted):
    bank = small_bank()
    (row,) = peer.measured(painted, bank).to_dict("records")
    defective = np.array(painted.test.defects) != "good"
    assert row["image_auroc"] == image_auroc(bank.predict(painted.test.images).image_scores, defective)
    assert row["system"] == bank.name
    assert row["fit_s"] > 0


def test_a_rule_reaches_what_its_tau_reaches():
    masks = np.zeros((4, 64, 64), bool)
    masks[:2, 10:30, 10:30] = True
    rng = np.random.default_rng(0)
    good, noise = (rng.uniform(0, 1, masks.shape).astype(np.float32) for _ in range(2))
    found = label_free.shares_of_best_f1(noise + 5 * masks, masks, good, good + 5 * masks, masks)
    assert found["f1_max"] == pytest.approx(1, abs=1e-3)
    assert found["99.9 % quantile"] > 0.99  # it lets 4 pixels of 4,096 through, on ground without a defect, too
    assert all(0 <= found[rule] <= 1.0001 for rule in label_free.RULES)
    assert (found["area"], found["pasted_area"]) == (masks.mean(), masks.mean())
    assert 0.9 < found["tau_best"] < 5.1
    worse = label_free.shares_of_best_f1(noise + 0.2 * masks, masks, good, good + 5 * masks, masks)
    assert worse["pasted defects"] < 0.5  # pasted ones that stand out far more than the real ones mislead


def test_a_painted_set_is_like_itself_and_rules_for_a_label_free_tau_are_compared(study, painted_folder, tiny_run):
    table = study("painted", painted_folder).set_index("quantity")
    assert {"nut's share of the frame", "background red", "crack: area", "print: contrast"} <= set(table.index)
    assert (table["mean ratio"] - 1).abs().max() < 1e-9
    table = study("label-free", "--run", tiny_run.folder)
    assert table["data"].tolist() == ["hazelnuts"]
    assert set(label_free.RULES) <= set(table)


@pytest.mark.slow
def test_speed_is_measured_in_seconds_and_ratios(study, small_bank, monkeypatch):
    monkeypatch.setattr(speed, "MemoryBank", small_bank)
    for name, value in (("PHOTOGRAPHS", 4), ("SIDE", 64), ("IMAGES", 2)):
        monkeypatch.setattr(speed, name, value)
    found = study("speed", "--device", "cpu", "--batch-size", 2, "--seconds", 0, data=False)
    assert found["device"] == "cpu"
    assert all(value > 0 for value in found.values() if isinstance(value, float))
    assert found["cache_speedup"] == pytest.approx(found["cold_load_s"] / found["warm_load_s"])
    if speed.multiplies_bfloat16(torch.device("cpu")):
        assert found["bfloat16_speedup"] == pytest.approx(found["step_float32_s"] / found["step_bfloat16_s"])
    else:
        assert found["bfloat16_speedup"] is found["step_bfloat16_s"] is None
