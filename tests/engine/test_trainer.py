"""The loop, the run folder, resuming, and everything that can go wrong with a run."""

import csv
import dataclasses
import json
import os
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hazelnut_ae import training
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.engine import checkpoints, runs, trainer
from hazelnut_ae.engine.device import FastNetwork, prepared
from hazelnut_ae.engine.trainer import train_run
from hazelnut_ae.errors import DataError, Interrupted
from hazelnut_ae.presets import PRESETS, Preset, find_preset, steps_per_epoch

TINY = PRESETS["tiny"]


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_presets_are_the_articles():
    article = find_preset("article")
    assert article.counts == {"train/good": 391, "test/good": 40, "crack": 18, "cut": 17, "hole": 18, "print": 17}
    assert (article.copies, article.batch_size, article.epochs, article.latent_dim) == (5, 32, 1000, 500)
    with pytest.raises(DataError, match="tiny, quick, article"):
        find_preset("huge")


def test_copies_fill_up_to_about_2000_images():
    quick, article = PRESETS["quick"], PRESETS["article"]
    assert [quick.copies_for(n) for n in (33, 192, 352, 5000)] == [20, 10, 5, 5]
    assert [article.copies_for(n) for n in (33, 391)] == [5, 5]


def test_work_in_steps_does_not_depend_on_the_number_of_images():
    quick = PRESETS["quick"]
    for images in (600, 4000):
        steps = quick.epochs_for(images) * steps_per_epoch(images, quick.batch_size)
        assert abs(steps - quick.steps) <= steps_per_epoch(images, quick.batch_size)


def test_run_folder(tiny_run, painted):
    folder = tiny_run.folder
    config = json.loads((folder / "config.json").read_text())
    assert config["data"] == painted.fingerprint
    assert config["preset"] == "tiny"
    assert {"torch", "hazelnut_ae", "python"} == set(config["versions"])
    rows = list(csv.DictReader(open(folder / "history.csv")))
    assert [int(r["step"]) for r in rows] == list(range(1, len(rows) + 1))
    assert {int(r["epoch"]) for r in rows} == {1, 2}
    assert all(0 < float(r["loss"]) < 1 for r in rows)
    f1 = list(csv.DictReader(open(folder / "f1.csv")))
    assert list(f1[0]) == ["epoch", "crack", "cut", "hole", "print"]
    assert [r["epoch"] for r in f1] == ["1", "2"]
    assert tiny_run.f1["crack"][1][0] == 2
    assert not list(folder.glob("*.tmp"))


@pytest.mark.slow
def test_training_lowers_the_loss(painted, tmp_path):
    preset = dataclasses.replace(TINY, epochs=15, evaluate_every=100)
    losses = [row[2] for row in train_run(painted, tmp_path / "run", preset).history]
    assert np.mean(losses[-3:]) < 0.7 * np.mean(losses[:3])


@pytest.mark.slow
def test_same_seed_same_weights_other_seed_other_weights(painted, tmp_path, tiny_run):
    train_run(painted, tmp_path / "same", TINY)
    assert same(weights(tmp_path / "same"), weights(tiny_run.folder))
    train_run(painted, tmp_path / "other", TINY, seed=1)
    assert not same(weights(tmp_path / "other"), weights(tiny_run.folder))


def test_latent_dim_and_epochs_override_the_preset(painted, tmp_path):
    run = train_run(painted, tmp_path / "run", TINY, epochs=1, latent_dim=7)
    assert run.model.latent_dim == 7
    assert run.history[-1][1] == 1


def test_sigterm_saves_and_resume_gives_the_same_weights(painted, tmp_path, tiny_run, monkeypatch):
    l2_loss, calls = training.l2_loss, []

    def loss_then_signal(*arguments):
        calls.extend([1] * (signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL))  # only steps, no trial of folding
        if calls and len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return l2_loss(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training, "l2_loss", loss_then_signal)
        with pytest.raises(Interrupted, match="--resume"):
            train_run(painted, tmp_path / "run", TINY)
    assert len(calls) == 2, "it must stop after the step in which it was asked"
    run = train_run(painted, tmp_path / "run", TINY, resume=True)
    assert same(weights(run.folder), weights(tiny_run.folder))
    assert run.history == tiny_run.history


FRESH = dataclasses.replace(TINY, name="fresh", augment_online=True, one_cycle=True, epochs=3)


def test_a_fresh_run_on_a_cycle_resumes_with_the_same_weights(painted, tmp_path, monkeypatch):
    whole = train_run(painted, tmp_path / "whole", FRESH)
    l2_loss, calls = training.l2_loss, []

    def loss_then_signal(*arguments):
        calls.extend([1] * (signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL))  # only steps, no trial of folding
        if calls and len(calls) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return l2_loss(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training, "l2_loss", loss_then_signal)
        with pytest.raises(Interrupted):
            train_run(painted, tmp_path / "run", FRESH)
    run = train_run(painted, tmp_path / "run", FRESH, resume=True)
    assert same(weights(run.folder), weights(whole.folder))
    assert (run.history, run.held_out) == (whole.history, whole.held_out)


def test_the_loss_of_held_out_images_stands_beside_the_training_loss(painted, tiny_run):
    rows = list(csv.DictReader(open(tiny_run.folder / "history.csv")))
    per_epoch = len(rows) // 2
    assert [i + 1 for i, row in enumerate(rows) if row["held_out_loss"]] == [per_epoch, 2 * per_epoch]
    assert [step for step, _ in tiny_run.held_out] == [per_epoch, 2 * per_epoch]
    held_out = painted.train.images[training.split_good(len(painted.train), 0)[1]]
    assert tiny_run.held_out[-1][1] == pytest.approx(training.loss_on(tiny_run.model, held_out), rel=1e-4)


def test_a_run_of_before_loads_and_resumes(painted, tiny_run, tmp_path):
    """Without the column of held-out losses, and without the settings that came with it."""
    folder = copy_run(tiny_run, tmp_path / "run")
    lines = (folder / "history.csv").read_text().splitlines()
    (folder / "history.csv").write_text("".join(line.rsplit(",", 1)[0] + "\n" for line in lines))
    config = json.loads((folder / "config.json").read_text())
    for key in ("fresh", "one_cycle"):
        del config[key]
    (folder / "config.json").write_text(json.dumps(config))
    state = trainer.load_checkpoint(folder)
    del state["held_out"]
    state["config"] = config
    checkpoints.save(folder / "checkpoint.pt", state)
    run = runs.load_run(folder)
    assert run.history == tiny_run.history
    assert run.held_out == []
    assert same(weights(train_run(painted, folder, TINY, resume=True).folder), weights(tiny_run.folder))


def test_resume_of_a_finished_run_changes_nothing_and_augments_nothing(painted, tiny_run, monkeypatch):
    before = weights(tiny_run.folder)
    monkeypatch.setattr(trainer, "AugmentedCopies", lambda *_: pytest.fail("augmented for nothing"))
    run = train_run(painted, tiny_run.folder, TINY, resume=True)
    assert same(weights(run.folder), before)


def test_resume_without_a_run_begins_one(painted, tmp_path):
    assert train_run(painted, tmp_path / "new", TINY, epochs=1, resume=True).history


def test_existing_run_is_not_overwritten(painted, tiny_run):
    with pytest.raises(DataError, match="--resume"):
        train_run(painted, tiny_run.folder, TINY)


@pytest.mark.parametrize(("change", "said"), [({"seed": 5}, "seed"), ({"latent_dim": 9}, "latent_dim")])
def test_resume_with_other_options_is_refused(painted, tiny_run, change, said):
    with pytest.raises(DataError, match=said):
        train_run(painted, tiny_run.folder, TINY, resume=True, **change)


def test_resume_with_other_preset_or_data_is_refused(painted, tiny_run):
    with pytest.raises(DataError, match="preset 'tiny'"):
        train_run(painted, tiny_run.folder, dataclasses.replace(TINY, name="quick"), resume=True)
    other = dataclasses.replace(painted, fingerprint="0" * 64)
    with pytest.raises(DataError, match="other images"):
        train_run(other, tiny_run.folder, TINY, resume=True)


def copy_run(run, target):
    target.mkdir()
    for path in run.folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def test_version_of_the_checkpoint_is_checked(painted, tiny_run, tmp_path, monkeypatch):
    folder = copy_run(tiny_run, tmp_path / "run")
    monkeypatch.setattr(runs, "FORMAT", 2)
    with pytest.raises(DataError, match="another version"):
        train_run(painted, folder, TINY, resume=True)


def test_damaged_checkpoint_falls_back_to_the_one_before(painted, tiny_run, tmp_path, capsys):
    folder = copy_run(tiny_run, tmp_path / "run")
    whole = (folder / "checkpoint.pt").read_bytes()
    (folder / "checkpoint.previous.pt").write_bytes(whole)
    (folder / "checkpoint.pt").write_bytes(whole[: len(whole) // 2])
    run = train_run(painted, folder, TINY, resume=True)
    assert "damaged" in capsys.readouterr().out
    assert same(weights(run.folder), weights(tiny_run.folder))


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "empty"])
def test_damaged_checkpoint_alone_is_one_sentence(painted, tiny_run, tmp_path, damage):
    folder = copy_run(tiny_run, tmp_path / "run")
    whole = bytearray((folder / "checkpoint.pt").read_bytes())
    flipped = whole.copy()
    flipped[len(whole) // 2] ^= 1
    content = {"cut": whole[:5000], "flipped": flipped, "text": b"no checkpoint", "empty": b""}[damage]
    (folder / "checkpoint.pt").write_bytes(content)
    with pytest.raises(DataError, match=r"checkpoint\.pt is damaged") as caught:
        train_run(painted, folder, TINY, resume=True)
    assert "\n" not in str(caught.value)
    assert (folder / "checkpoint.pt").read_bytes() == bytes(content), "nothing may be overwritten"


@pytest.mark.slow
def test_full_disk_leaves_the_previous_checkpoint(painted, tiny_run, tmp_path, monkeypatch):
    folder = copy_run(tiny_run, tmp_path / "run")
    before = (folder / "checkpoint.pt").read_bytes()

    def disk_is_full(state, path):
        path.write_bytes(b"half a checkpo")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", disk_is_full)
        with pytest.raises(DataError, match=r"No space left.*--resume"):
            train_run(painted, folder, TINY, epochs=3, resume=True)
    assert (folder / "checkpoint.pt").read_bytes() == before
    assert not list(folder.glob(".*"))
    assert train_run(painted, folder, TINY, epochs=3, resume=True).history[-1][1] == 3


@pytest.mark.parametrize(
    ("name", "left"), [("config.json", 20), ("history.csv", 20), ("f1.csv", 30), ("model.safetensors", 5000)]
)
def test_damaged_run_is_one_sentence(tiny_run, tmp_path, name, left):
    folder = copy_run(tiny_run, tmp_path / "run")
    (folder / name).write_bytes((folder / name).read_bytes()[:left])
    with pytest.raises(DataError) as caught:
        runs.load_run(folder)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="no finished run"):
        runs.load_run(tmp_path)


@pytest.mark.slow
def test_bfloat16_follows_float32(painted):
    """The loss of the first steps is the same within a few percent, whichever arithmetic computes it."""
    curves = []
    batch = torch.from_numpy(painted.train.images[:4])  # uint8 [4, 3, 256, 256]
    for precision, folded in (("float32", False), ("bfloat16", False), ("bfloat16", True)):
        torch.manual_seed(0)
        model = Autoencoder(16)
        network = FastNetwork(model, precision, folded)
        images = prepared(batch, folded, "cpu")
        optimizer = torch.optim.Adam(model.parameters(), 1e-3)
        curves.append([float(loss) for loss in training.train(network, optimizer, [images] * 8)])
    np.testing.assert_allclose(curves[1], curves[0], rtol=0.05)
    np.testing.assert_allclose(curves[2], curves[0], rtol=0.05)


def test_preset_names_every_number():
    assert {field.name for field in dataclasses.fields(Preset)} >= {"copies", "batch_size", "steps", "learning_rate"}
