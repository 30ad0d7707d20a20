"""Training under SIGKILL at random moments, and in two processes."""

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

from hazelnut_ae.engine import checkpoints
from hazelnut_ae.engine.runs import load_run
from hazelnut_ae.engine.trainer import train_run
from hazelnut_ae.presets import PRESETS

pytestmark = pytest.mark.slow

KILLS = 6
LONG = dataclasses.replace(
    PRESETS["tiny"], epochs=12, batch_size=2, evaluate_every=6, augment_online=True, one_cycle=True
)  # with all that could go wrong: batches that depend on the step, at a rate that depends on the step


def train_in_child(dataset, folder):
    torch.set_num_threads(1)
    train_run(dataset, folder, LONG, latent_dim=8, resume=True, checkpoint_seconds=0.05)


def steps_done(folder):
    """Steps in the newest checkpoint, 0 before the first."""
    state = checkpoints.load(folder / "checkpoint.pt")
    return 0 if state is None else len(state["losses"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, so that each need not import torch again")
def test_killed_at_random_moments_ends_bit_identical(painted, tmp_path):
    """SIGKILL at random moments, many of them in the middle of a write, changes nothing in the end."""
    fork, moments, reached = multiprocessing.get_context("fork"), random.Random(0), [0]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a fork has only the thread that forks

    def start(name):
        child = fork.Process(target=train_in_child, args=(painted, tmp_path / name))
        child.start()
        return child

    try:
        for _ in range(KILLS):
            child, deadline = start("killed"), time.monotonic() + 60
            while child.is_alive() and steps_done(tmp_path / "killed") <= reached[-1] and time.monotonic() < deadline:
                time.sleep(0.01)  # each child gets at least one checkpoint further
            child.join(moments.uniform(0, 0.15))
            assert child.is_alive(), "it ended before it could be killed"
            os.kill(child.pid, signal.SIGKILL)
            child.join()
            reached.append(steps_done(tmp_path / "killed"))
        assert reached == sorted(reached), "a kill must not lose a checkpoint"
        for child in (start("killed"), start("whole")):
            child.join()
            assert child.exitcode == 0
    finally:
        torch.set_num_threads(threads)
    killed, whole = (load_file(tmp_path / name / "model.safetensors") for name in ("killed", "whole"))
    assert all(torch.equal(killed[name], whole[name]) for name in whole)
    for name in ("history.csv", "f1.csv"):
        assert (tmp_path / "killed" / name).read_text() == (tmp_path / "whole" / name).read_text()


def test_two_processes_follow_the_curve_of_one(tiny_run, painted_folder, tmp_path):
    launch = "-m torch.distributed.run --standalone --nproc-per-node=2 -m hazelnut_ae --"  # else torchrun takes --run
    options = ["train", str(painted_folder), "--preset", "tiny", "--run", str(tmp_path / "two")]
    command = [sys.executable, *launch.split(), *options]
    done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    two, one = (np.array([loss for _, _, loss in run.history]) for run in (load_run(tmp_path / "two"), tiny_run))
    assert abs(two[0] - one[0]) < 0.01 * one[0], "the first batch must be the same images"
    assert np.abs(two / one - 1).max() < 0.05
