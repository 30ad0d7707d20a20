"""Shared by several studies: options, loading and timing."""

import contextlib
import statistics
import time
from pathlib import Path

from hazelnut_ae import dataset
from hazelnut_ae.errors import DataError


def numbers(text):
    """Returns "16,64" as [16, 64]."""
    return [int(word) for word in text.split(",")]


def words(text):
    """Returns "rotation,flip" as ("rotation", "flip")."""
    return tuple(text.split(","))


def add_data(command, run_help=None):
    """Adds DIR to the options of a study, and --run where run_help describes it."""
    command.add_argument("data", metavar="DIR", help="a data folder with test images")
    if run_help:
        command.add_argument("--run", required=True, help=run_help)


def load_test_set(folder):
    """Loads a Dataset. Raises DataError if it has no test images."""
    data = dataset.load(folder)
    if not len(data.test):
        raise DataError(f"{data.name} has no test images; put some into test/good and test/<defect> to measure on.")
    return data


def timed_fit(detector, good):
    """Fits a detector to uint8 images [N, 3, H, W] and returns the seconds."""
    start = time.perf_counter()
    detector.fit(good)
    return time.perf_counter() - start


def timed_predict(detector, images):
    """Returns the Prediction for uint8 images [N, 3, H, W], and the seconds per image."""
    start = time.perf_counter()
    found = detector.predict(images)
    return found, (time.perf_counter() - start) / len(images)


def alternate(functions, seconds, turns=9):
    """Calls functions in turn, so that other work on the machine slows all of them alike.

    Args:
        functions: {name: function without arguments}; each is called once before the clock starts.
        seconds: stops after about this time, but not before the first turn.
        turns: the most turns.

    Returns:
        {name: median seconds of a call}.
    """
    taken = {name: [] for name in functions}
    start = time.perf_counter()
    for function in functions.values():
        function()
    turns = max(1, min(turns, int(seconds / (time.perf_counter() - start))))
    for _ in range(turns):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in taken.items()}


def peak_memory_gb() -> float | None:
    """Returns the peak memory of this process in GB since `reset_peak_memory`; None if not on Linux."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e9


def reset_peak_memory():
    """Makes `peak_memory_gb` measure from now on."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
