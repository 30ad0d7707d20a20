"""Training of the article's network: the run folder, resuming, and everything that can go wrong with a run."""

import contextlib
import csv
import dataclasses
import json
import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hazelnut_ae import training
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.engine import checkpoints, device, runs, trainer
from hazelnut_ae.engine.trainer import train_run
from hazelnut_ae.errors import DataError, Interrupted
from hazelnut_ae.presets import PRESETS

TINY = PRESETS["tiny"]
ONLINE = dataclasses.replace(TINY, name="online", augment_online=True, one_cycle=True, epochs=3)


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_run_folder(tiny_run, painted):
    folder = tiny_run.folder
    config = json.loads((folder / "config.json").read_text())
    assert (config["data"], config["preset"]) == (painted.fingerprint, "tiny")
    held_out = painted.train.images[training.split_good(len(painted.train), 0)[1]]
    assert tiny_run.held_out[-1][1] == pytest.approx(training.loss_on(tiny_run.model, held_out), rel=1e-4)
    assert {"torch", "hazelnut_ae", "python"} == set(config["versions"])
    rows = list(csv.DictReader(open(folder / "history.csv")))
    assert [int(r["step"]) for r in rows] == list(range(1, len(rows) + 1))
    assert {int(r["epoch"]) for r in rows} == {1, 2}
    assert all(0 < float(r["loss"]) < 1 for r in rows)
    ends = [len(rows) // 2, len(rows)]  # of the epochs
    assert [step for step, row in enumerate(rows, 1) if row["held_out_loss"]] == ends
    assert [step for step, _ in tiny_run.held_out] == ends
    f1 = list(csv.DictReader(open(folder / "f1.csv")))
    assert list(f1[0]) == ["epoch", "crack", "cut", "hole", "print"]
    assert [r["epoch"] for r in f1] == ["1", "2"]
    assert tiny_run.f1["crack"][1][0] == 2
    assert not list(folder.glob("*.tmp"))


def test_another_seed_gives_other_weights_and_options_override_the_preset(painted, tmp_path, tiny_run):
    run = train_run(painted, tmp_path / "run", TINY, seed=1, epochs=1, latent_dim=7)
    assert (run.model.latent_dim, run.history[-1][1]) == (7, 1)
    assert run.history[0][2] != tiny_run.history[0][2]


@contextlib.contextmanager
def stopped_in_step(number):
    """SIGTERM comes while this step is computed."""
    l2_loss, steps = training.l2_loss, []

    def loss_then_signal(*arguments):
        steps.append(1)
        if len(steps) == number:
            os.kill(os.getpid(), signal.SIGTERM)
        return l2_loss(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "l2_loss", loss_then_signal)
        with pytest.raises(Interrupted, match="--resume"):
            yield
    assert len(steps) == number, "it must stop after the step in which the signal came"


def test_sigterm_saves_and_resume_gives_the_same_weights(painted, tmp_path, tiny_run):
    with stopped_in_step(2):
        train_run(painted, tmp_path / "run", TINY, resume=True)  # there is none yet: it begins one
    run = train_run(painted, tmp_path / "run", TINY, resume=True)
    assert same(weights(run.folder), weights(tiny_run.folder))
    assert run.history == tiny_run.history


def test_resume_gives_the_same_weights_with_online_augmentation_and_one_cycle(painted, tmp_path):
    whole = train_run(painted, tmp_path / "whole", ONLINE, latent_dim=8)
    with stopped_in_step(5):
        train_run(painted, tmp_path / "run", ONLINE, latent_dim=8)
    run = train_run(painted, tmp_path / "run", ONLINE, latent_dim=8, resume=True)
    assert same(weights(run.folder), weights(whole.folder))
    assert (run.history, run.held_out) == (whole.history, whole.held_out)


@pytest.fixture
def clock(monkeypatch):
    """A list of the seconds that each step takes (the last for all others), on a clock that nothing else moves."""
    seconds, l2_loss, taken = [1.0], training.l2_loss, []

    def slow_loss(*arguments):
        taken.append(seconds[min(len(taken), len(seconds) - 1)])
        return l2_loss(*arguments)

    monkeypatch.setattr(training, "l2_loss", slow_loss)
    monkeypatch.setattr(training.train, "__defaults__", (slow_loss,))
    monkeypatch.setattr(trainer, "time", SimpleNamespace(monotonic=lambda: sum(taken)))
    return seconds, taken


def test_train_says_how_long_the_rest_takes(painted, tmp_path, clock, capsys):
    """Of 36 steps 10 are over by then; the first two, slower than the others, do not count."""
    clock[0][:] = [60, 60, 2.5]
    train_run(painted, tmp_path / "run", TINY, epochs=12, latent_dim=8)
    assert "Will train for about 65 s on this machine (2.5 s a step, measured)." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "steps", "words"),
    [
        ([0.5, 0.5, 0.3], 10, "about 5 min on this machine (0.3 s a step, measured)"),
        ([3, 3, 30], 3, "about 8.5 h on this machine (30 s a step, measured)"),  # too slow to measure more steps
    ],
)
def test_the_time_of_a_training_is_measured_on_the_spot(painted, clock, seconds, steps, words):
    clock[0][:] = seconds
    preset = dataclasses.replace(PRESETS["quick"], batch_size=2, steps=1020)
    assert trainer.measured_time(painted, preset) == words
    assert len(clock[1]) == steps


def test_a_run_of_an_older_version_loads_and_resumes(painted, tiny_run, run_copy):
    """With other settings, without the column and the entry of held-out losses."""
    folder = run_copy.folder
    lines = (folder / "history.csv").read_text().splitlines()
    (folder / "history.csv").write_text("".join(line.rsplit(",", 1)[0] + "\n" for line in lines))
    config = json.loads((folder / "config.json").read_text())
    for key in ("detector", "augment_online", "one_cycle"):
        del config[key]
    state = checkpoints.load(folder / "checkpoint.pt")
    del state["held_out"]
    for older in ({}, {"fresh": False, "compiled": True, "folded": True}):
        (folder / "config.json").write_text(json.dumps(config | older))
        checkpoints.save(folder / "checkpoint.pt", state | {"config": config | older})
        run = runs.load_run(folder)
        assert (run.history, run.held_out) == (tiny_run.history, [])
        assert same(weights(train_run(painted, folder, TINY, resume=True).folder), weights(tiny_run.folder))
    (folder / "config.json").write_text(json.dumps(config | {"fresh": True}))
    with pytest.raises(DataError, match="augment_online True, not False"):
        train_run(painted, folder, TINY, resume=True)


def test_resume_of_a_finished_run_changes_nothing_and_another_run_is_refused(painted, tiny_run, monkeypatch):
    folder, before = tiny_run.folder, weights(tiny_run.folder)
    monkeypatch.setattr(trainer, "AugmentedCopies", lambda *_: pytest.fail("augmented for nothing"))
    assert same(weights(train_run(painted, folder, TINY, resume=True).folder), before)
    with pytest.raises(DataError, match="--resume"):
        train_run(painted, folder, TINY)
    other = dataclasses.replace(painted, fingerprint="0" * 64)
    for said, data, preset, options in (
        ("seed", painted, TINY, {"seed": 5}),
        ("latent_dim", painted, TINY, {"latent_dim": 9}),
        ("preset 'tiny'", painted, dataclasses.replace(TINY, name="quick"), {}),
        ("other images", other, TINY, {}),
    ):
        with pytest.raises(DataError, match=said):
            train_run(data, folder, preset, resume=True, **options)
    monkeypatch.setattr(runs, "FORMAT", 2)
    with pytest.raises(DataError, match="another version"):
        train_run(painted, folder, TINY, resume=True)


def test_a_damaged_checkpoint_is_one_sentence_or_falls_back_to_the_one_before(painted, tiny_run, run_copy, capsys):
    path = run_copy.folder / "checkpoint.pt"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content in (bytes(flipped), b"no checkpoint", b"", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"checkpoint\.pt is damaged") as caught:
            train_run(painted, run_copy.folder, TINY, resume=True)
        assert "\n" not in str(caught.value)
        assert path.read_bytes() == content, "nothing may be overwritten"
    path.with_name("checkpoint.previous.pt").write_bytes(whole)
    train_run(painted, run_copy.folder, TINY, resume=True)
    assert "damaged" in capsys.readouterr().out
    assert same(weights(run_copy.folder), weights(tiny_run.folder))


@pytest.mark.parametrize("error", [OSError(28, "No space left"), RuntimeError("unexpected pos 64 vs 0")])
def test_full_disk_leaves_the_previous_checkpoint(error, painted, run_copy, monkeypatch):
    folder = run_copy.folder
    before = (folder / "checkpoint.pt").read_bytes()

    def disk_is_full(state, path):
        path.write_bytes(b"half a checkpo")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", disk_is_full)
        with pytest.raises(DataError, match=r"(No space left|the disk is full).*--resume"):
            train_run(painted, folder, TINY, epochs=3, resume=True)
    assert (folder / "checkpoint.pt").read_bytes() == before
    assert not list(folder.glob(".*"))
    assert train_run(painted, folder, TINY, epochs=3, resume=True).history[-1][1] == 3


def test_damaged_run_is_one_sentence(run_copy, tmp_path):
    for name, left in (("config.json", 20), ("history.csv", 20), ("f1.csv", 30), ("model.safetensors", 5000)):
        path = run_copy.folder / name
        whole = path.read_bytes()
        path.write_bytes(whole[:left])
        with pytest.raises(DataError, match=r"^.*remove it and train again.*$"):
            runs.load_run(run_copy.folder)
        path.write_bytes(whole)
    with pytest.raises(DataError, match="no finished run; train one"):
        runs.load_run(tmp_path)


def test_bfloat16_follows_float32(painted):
    """The losses of the first steps differ by a few percent at most; weights and reconstruction stay float32."""
    batch, curves = torch.from_numpy(painted.train.images[:2]), []  # uint8 [2, 3, 256, 256]
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        model = Autoencoder(16)
        network = device.prepare_network(model, "cpu", precision)
        optimizer = torch.optim.Adam(model.parameters(), 1e-3)
        curves.append([float(loss) for loss in training.train(network, optimizer, [batch] * 4)])
        assert {p.dtype for p in model.parameters()} == {network(batch / 255).dtype} == {torch.float32}
    np.testing.assert_allclose(curves[1], curves[0], rtol=0.05)


def test_precision_is_bfloat16_only_on_a_cpu_that_has_units_for_it(monkeypatch):
    for amx in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda amx=amx: {"amx_bf16": amx}, raising=False)
        assert device.best_precision("cpu") == ("bfloat16" if amx else "float32")
        assert device.best_precision("cuda") == "float32"
    with pytest.raises(DataError, match="no device 'cuda:99'"):
        device.find_device("cuda:99")
