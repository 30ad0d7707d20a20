"""Training under SIGKILL at random moments, and in two processes."""

import csv
import dataclasses
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hazelnut_ae.engine.trainer import load_checkpoint, train_run
from hazelnut_ae.presets import PRESETS

pytestmark = pytest.mark.slow

KILLS = 20
LONG = dataclasses.replace(
    PRESETS["tiny"], epochs=60, batch_size=2, evaluate_every=20, augment_online=True, one_cycle=True
)  # with all that could go wrong: batches made in another thread, each by its own seed, at a rate of its own


def train_in_child(dataset, folder):
    torch.set_num_threads(1)
    train_run(dataset, folder, LONG, latent_dim=8, resume=True, checkpoint_seconds=0.05)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, so that each need not import torch again")
def test_killed_at_random_moments_ends_bit_identical(painted, tmp_path):
    """SIGKILL at 20 random moments, many of them in the middle of a write, changes nothing in the end."""
    fork = multiprocessing.get_context("fork")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a fork carries no threads along
    moments = random.Random(0)
    reached = []
    try:
        for _ in range(KILLS):
            child = fork.Process(target=train_in_child, args=(painted, tmp_path / "killed"))
            child.start()
            before = reached[-1] if reached else 0
            deadline = time.monotonic() + 60
            while child.is_alive() and steps_done(tmp_path / "killed") <= before and time.monotonic() < deadline:
                time.sleep(0.01)  # each child gets at least one checkpoint further
            child.join(moments.uniform(0, 0.3))
            assert child.is_alive(), "it ended before it could be killed"
            os.kill(child.pid, signal.SIGKILL)
            child.join()
            assert child.exitcode == -signal.SIGKILL
            reached.append(steps_done(tmp_path / "killed"))
        assert reached == sorted(reached), "a kill must not lose a checkpoint"
        for folder in ("killed", "whole"):
            child = fork.Process(target=train_in_child, args=(painted, tmp_path / folder))
            child.start()
            child.join()
            assert child.exitcode == 0
    finally:
        torch.set_num_threads(threads)
    killed, whole = (load_file(tmp_path / folder / "model.safetensors") for folder in ("killed", "whole"))
    assert all(torch.equal(killed[name], whole[name]) for name in whole)
    for name in ("history.csv", "f1.csv"):
        assert (tmp_path / "killed" / name).read_text() == (tmp_path / "whole" / name).read_text()
    print(f"{KILLS} kills, after {reached} steps")


def steps_done(folder):
    """Steps in the newest checkpoint, 0 before the first."""
    state = load_checkpoint(folder) if folder.exists() else None
    return 0 if state is None else len(state["losses"])


def test_two_processes_follow_the_curve_of_one(painted_folder, tmp_path):
    arguments = ["train", painted_folder, "--preset", "tiny", "--epochs", "4", "--latent", "16", "--run"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    # without the "--" torchrun takes --run for one of its own options
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "hazelnut_ae",
        "--",
    ]
    for start, run in ((launch, "two"), ([sys.executable, "-m", "hazelnut_ae"], "one")):
        command = [str(part) for part in (*start, *arguments, tmp_path / run)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-2000:]
    curves = []
    for run in ("two", "one"):
        with open(tmp_path / run / "history.csv") as file:
            curves.append([float(row["loss"]) for row in csv.DictReader(file)])
    two, one = np.array(curves)
    assert abs(two[0] - one[0]) < 0.01 * one[0], "the first batch must be the same images"
    assert np.abs(two / one - 1).max() < 0.05
