"""Compiling a training step: whether it pays on this machine, measured once, and what to do where it cannot be done.

The compiled code lies in the cache folder, so that it is compiled once: the next process reads it in seconds.
"""

import copy
import os
import statistics
import time
from pathlib import Path

import torch

from hazelnut_ae import training
from hazelnut_ae.engine import memory, runs
from hazelnut_ae.engine.device import faster
from hazelnut_ae.errors import DataError
from hazelnut_ae.io import cache
from hazelnut_ae.io.files import first_line

ASK_FROM_STEPS = 2000  # a shorter run is over before asking, which compiles, has paid
TORCHS_FOLDER = "torchinductor_"  # how the folder's name begins that torch itself sets on being imported
TURNS = 5  # steps that are timed with and without
FAILURES = (RuntimeError, OSError)  # torch's own are RuntimeErrors: say, without a C++ compiler


def pays(steps, model, loss_function, batch, device, precision):
    """Whether a run of that many steps is sooner at its end if its step is compiled.

    batch: one of its batches, uint8 [N, 3, 256, 256]. What was measured is kept: it is asked once on a machine.
    """
    if steps < ASK_FROM_STEPS or torch.device(device).type not in ("cpu", "cuda"):
        return False
    found = known(batch, device, precision)
    if found is None:
        print("Trying whether compiling the training step pays on this machine: under a minute, once.", flush=True)
        try:
            with memory.kept():
                found = measure(model, loss_function, batch, device, precision)
        except FAILURES as error:
            print(f"It cannot be compiled here ({first_line(error)}); going on without.")
            return False
        remember(found, batch, device, precision)
    return steps * (found["eager_s"] - found["compiled_s"]) > found["from_cache_s"]


def measure(model, loss_function, batch, device, precision, turns=TURNS):
    """Seconds that compiling takes, the first time and from the cache, and seconds of a step without and with it.

    Tried on a copy of the model; the two kinds of step are timed in turn, and their medians taken.
    """
    trial = copy.deepcopy(model)
    network, prepare = faster(trial, loss_function, device, precision)
    optimizer, batches = torch.optim.Adam(trial.parameters(), fused=True), [prepare(batch)]

    def seconds(function):
        start = time.perf_counter()
        for loss in training.train(network, optimizer, batches, function):
            loss.item()  # on a GPU: when it is done
        return time.perf_counter() - start

    seconds(loss_function)
    first = seconds(compiled(loss_function))
    torch.compiler.reset()  # forgets what this process knows of it, not what lies in the cache folder
    fast = compiled(loss_function)
    again = seconds(fast)
    eager, quick = zip(*[(seconds(loss_function), seconds(fast)) for _ in range(turns)], strict=True)
    return {
        "compile_s": first,
        "from_cache_s": again,
        "eager_s": statistics.median(eager),
        "compiled_s": statistics.median(quick),
    }


def compiled(function):
    """`torch.compile` of a loss function, its code kept in the cache folder."""
    if Path(os.environ.get("TORCHINDUCTOR_CACHE_DIR", TORCHS_FOLDER)).name.startswith(TORCHS_FOLDER):
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder() / "code")  # unless the user named another
    return torch.compile(function, dynamic=False)


def compiled_or_not(function):
    """A loss function that is compiled at its first call; where that fails after all, it is computed as it stands."""
    fast = compiled(function)

    def loss(*arguments):
        nonlocal fast
        if fast is not function:
            try:
                return fast(*arguments)
            except FAILURES as error:
                print(f"Compiling failed ({first_line(error)}); going on without.")
                fast = function
        return function(*arguments)

    return loss


def folder():
    """Where compiled code and what was measured of it are kept."""
    return cache.cache_folder() / "compiled"


def key(batch, device, precision):
    """What the measured seconds depend on."""
    processor = f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"
    return f"torch {torch.__version__}, {device}, {processor}, {precision}, {tuple(batch.shape)}"


def known(batch, device, precision):
    """What `measure` found on this machine before; None if it has not, or its file is damaged."""
    try:
        found = runs.read_json(folder() / "measured.json", "").get(key(batch, device, precision))
        return found if isinstance(found, dict) and all(type(value) is float for value in found.values()) else None
    except DataError:
        return None


def remember(found, batch, device, precision):
    """Keeps what was measured; a cache that cannot be written is measured again."""
    path = folder() / "measured.json"
    try:
        everything = runs.read_json(path, "")
    except DataError:
        everything = {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        runs.write_json(path, everything | {key(batch, device, precision): found})
    except (OSError, DataError):
        pass
