import dataclasses

import pandas as pd
import pytest

from benchmarks import __main__ as studies
from benchmarks import scale, time_to_quality
from hazelnut_ae.engine.trainer import train_run
from hazelnut_ae.presets import PRESETS

pytestmark = pytest.mark.slow


def test_latent_sizes_measures_each_size_and_keeps_its_runs(painted_folder, tmp_path, capsys):
    out = tmp_path / "sizes.csv"
    command = ["latent", str(painted_folder), "--runs", str(tmp_path / "runs"), "--sizes", "4,16", "--epochs", "1"]
    assert studies.main([*command, "--out", str(out)]) == 0
    table = pd.read_csv(out)
    assert table["latent"].tolist() == [4, 16]
    assert {"residual_good", "residual_defective", "f1_crack", "f1_max", "pixel_auroc", "loss"} <= set(table)
    assert table.drop(columns="latent").notna().all().all()
    assert studies.main([*command, "--out", str(tmp_path / "again.csv")]) == 0  # the runs are there: only measured
    assert (tmp_path / "again.csv").read_bytes() == out.read_bytes()


def test_latent_sizes_without_data_is_one_sentence(tmp_path, capsys):
    assert studies.main(["latent", str(tmp_path / "nothing"), "--out", str(tmp_path / "sizes.csv")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_one_epoch_of_a_set_of_any_size():
    row = scale.one_epoch(40)
    assert row["images"] == 40
    assert row["epoch_s"] > 0
    assert abs(row["per_image_ms"] - 1000 * row["epoch_s"] / 32) < 1e-6  # the last, incomplete batch is left out


def test_precisions_start_from_the_same_weights_and_see_the_same_batches(painted_folder, tmp_path):
    out = tmp_path / "precision.csv"
    assert studies.main(["precision", str(painted_folder), "--steps", "2", "--out", str(out)]) == 0
    table = pd.read_csv(out)
    assert table["step"].tolist() == [2]
    assert abs(table["bfloat16"][0] / table["float32"][0] - 1) < 0.02


def test_a_set_is_as_painted_as_itself(painted_folder, tmp_path):
    out = tmp_path / "painted.csv"
    assert studies.main(["painted", str(painted_folder), str(painted_folder), "--out", str(out)]) == 0
    table = pd.read_csv(out).set_index("quantity")
    assert {"nut's share of the frame", "background red", "crack: area", "print: contrast"} <= set(table.index)
    assert (table["mean ratio"] - 1).abs().max() < 1e-9
    assert 0.05 < table["real mean"]["nut's share of the frame"] < 0.8


def test_recipes_are_looked_at_on_the_way(painted_folder, tmp_path, monkeypatch, capsys):
    short = {
        name: dataclasses.replace(one, steps=4, batch_size=2, copies=2) for name, one in time_to_quality.RECIPES.items()
    }
    monkeypatch.setattr(time_to_quality, "RECIPES", short)
    out = tmp_path / "time.csv"
    command = ["time", str(painted_folder), "--seeds", "0,1", "--looks", "2", "--out", str(out)]
    assert studies.main([*command, "--recipes", "quick,before"]) == 0
    table = pd.read_csv(out)
    assert table.groupby(["recipe", "seed"]).size().tolist() == [2] * 4
    for _, one in table.groupby(["recipe", "seed"]):
        assert one["seconds"].is_monotonic_increasing
        assert one["step"].is_monotonic_increasing
    assert table[["loss", "held_out_loss", "pixel_auroc", "f1_max"]].gt(0).all().all()
    figure = time_to_quality.drawn(table)
    assert [len(ax.lines) for ax in figure.axes] == [2, 2]
    capsys.readouterr()
    assert studies.main([*command, "--recipes", "slow"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_recipe_is_trained_as_a_run_would_be(painted, tmp_path, monkeypatch):
    """The same losses as `train_run` with that preset."""
    preset = dataclasses.replace(PRESETS["quick"], steps=6, batch_size=2, copies=2)
    run = train_run(painted, tmp_path / "run", preset, seed=1)
    rows = time_to_quality.course(painted, preset, 1, looks=2)
    steps = {step: loss for step, _, loss in run.history}
    assert rows[-1]["step"] == len(steps)
    for row in rows:
        assert row["loss"] == pytest.approx(steps[row["step"]], rel=0.02)
