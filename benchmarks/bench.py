"""`hazelnut-ae bench`: how fast this machine trains and loads, as ratios of two things measured in turn in one process.

Ratios survive a noisy machine where seconds do not: both sides of a ratio are run alternately and compared by medians.
"""

import contextlib
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from benchmarks import bench_metrics
from benchmarks.profile import step_shares
from hazelnut_ae import dataset, synthetic, training
from hazelnut_ae.augmentation import AugmentedCopies, augment
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.engine import compiling, memory
from hazelnut_ae.engine.device import best_precision, faster

STEP_GFLOP = 26.1  # 136.0 M multiply-adds per image, ×2 operations, ×32 images, ×3 for forward and both gradients
BATCH = 32
IMAGES = 501  # of the article preset: 391 + 40 + 70
PHOTOGRAPH = 1024  # pixels, as in MVTec AD
PRODUCT = 2048  # rows and columns of the matrices that are multiplied


def measure(turns=9, part_seconds=25):
    """All ratios and seconds, as a dict for `--json`, None for what this machine cannot do; prints what it does.

    Each part takes as many of its `turns` as fit into part_seconds, so that a slow machine ends in minutes, too.
    """
    with memory.kept(), tempfile.TemporaryDirectory() as folder, own_cache(Path(folder) / "cache"):
        report("training steps: ours beside plain eager float32, and a matrix product")
        result = processor() | steps(turns, part_seconds)
        report(f"reading {IMAGES} photographs of {PHOTOGRAPH}×{PHOTOGRAPH}, cold and from the cache")
        photographs = write_photographs(Path(folder) / "photographs")
        result |= loading(photographs)
        report("an epoch beside a DataLoader of two workers")
        result |= epoch(photographs, result.pop("our_step"), part_seconds)
        report("memory of a training process")
        result["peak_gb"] = peak_gb(photographs, Path(folder) / "run")
        report("the metrics of 110 maps beside scikit-learn's")
    return result | bench_metrics.measure()


def processor():
    """What kind of processor the numbers are from: its widest instructions, and whether it multiplies bfloat16."""
    can = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return {
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bfloat16_units": bool(can.get("amx_bf16")),
        "threads": torch.get_num_threads(),
    }


def report(what):
    print(f"Measuring {what} …", file=sys.stderr)


@contextlib.contextmanager
def own_cache(folder):
    """Within it, image sets are cached in a folder of our own: the first load is cold."""
    before = os.environ.get("HAZELNUT_CACHE")
    os.environ["HAZELNUT_CACHE"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("HAZELNUT_CACHE")
        if before is not None:
            os.environ["HAZELNUT_CACHE"] = before


def alternately(turns, seconds, functions):
    """Median seconds of each of {name: function}, all called in turn after one call that does not count.

    As many turns as fit into so many seconds, judged by the first one: at most `turns`, at least one.
    """
    taken = {name: [] for name in functions}
    started = time.perf_counter()
    for function in functions.values():
        function()
    turns = max(1, min(turns, int(seconds / (time.perf_counter() - started))))
    for _ in tqdm(range(turns), leave=False, disable=None):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in taken.items()}


def plain_step(model, optimizer, batch):
    """The step as everybody writes it first: eager, float32, channels first, Adam without options."""
    x = batch.float() / 255  # [32, 3, 256, 256]
    loss = nn.functional.mse_loss(model(x), x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def steps(turns, seconds):
    """Our step against the plain one, and against the time that its multiplications alone would take."""
    batch = torch.randint(0, 256, (BATCH, 3, 256, 256), dtype=torch.uint8)
    plain, ours = Autoencoder(), Autoencoder()
    plain_adam = torch.optim.Adam(plain.parameters(), 1e-3)
    our_adam = torch.optim.Adam(ours.parameters(), 1e-3, fused=True)
    precision = best_precision("cpu")
    network, prepare = faster(ours, training.l2_loss, "cpu", precision)
    same = itertools.repeat(prepare(batch))
    compiling_s = compiling.measure(ours, training.l2_loss, batch, "cpu", precision, turns=1)
    fast = training.train(network, our_adam, same, compiling.compiled_or_not(training.l2_loss))
    eager = training.train(network, our_adam, same)
    a32 = torch.randn(PRODUCT, PRODUCT)
    functions = {
        "ours": lambda: next(fast).item(),
        "eager": lambda: next(eager).item(),
        "plain": lambda: plain_step(plain, plain_adam, batch),
        "product32": lambda: a32 @ a32,
    }
    if precision == "bfloat16":  # without units for it, one such product takes a processor minutes
        a16 = a32.bfloat16()
        functions["product16"] = lambda: a16 @ a16
    functions["ours"]()  # compiles
    found = alternately(turns, seconds, functions)
    rate32 = 2 * PRODUCT**3 / 1e9 / found["product32"]  # GFLOP/s
    saved = found["eager"] - found["ours"]
    rate16 = 2 * PRODUCT**3 / 1e9 / found["product16"] if "product16" in found else None
    return {
        "our_step": functions["ours"],
        "precision": precision,
        "step_s": found["ours"],
        "eager_step_s": found["eager"],
        "plain_step_s": found["plain"],
        "matmul_gflops_float32": rate32,
        "matmul_gflops_bfloat16": rate16,
        "step_vs_eager": found["plain"] / found["ours"],
        "step_vs_eager_without_compiling": found["plain"] / found["eager"],
        "compile_s": compiling_s["compile_s"],
        "compile_from_cache_s": compiling_s["from_cache_s"],
        "compile_pays_from_steps": compiling_s["compile_s"] / saved if saved > 0 else None,
        "compile_from_cache_pays_from_steps": compiling_s["from_cache_s"] / saved if saved > 0 else None,
        **{f"step_share_{name}": share for name, share in step_shares(plain, batch).items()},
        "step_vs_floor": found["ours"] * rate32 / STEP_GFLOP,
        "step_vs_floor_own_precision": found["ours"] * (rate16 or rate32) / STEP_GFLOP,
    }


def write_photographs(folder, distinct=16):
    """A data folder of 501 PNG files of 1024×1024 pixels: a few synthetic hazelnuts enlarged, under many names."""
    good = folder / "train" / "good"
    good.mkdir(parents=True)
    for number in range(IMAGES):
        path = good / f"{number:03}.png"
        if number < distinct:
            image, _ = synthetic.paint(np.random.default_rng(number))
            Image.fromarray(image).resize((PHOTOGRAPH, PHOTOGRAPH), Image.Resampling.BICUBIC).save(path)
        else:
            shutil.copy(good / f"{number % distinct:03}.png", path)
    return folder


def loading(photographs):
    """Seconds to load the photographs from their files, and again from the cache."""
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        dataset.load(photographs)
        seconds.append(time.perf_counter() - start)
    return {"cold_load_s": seconds[0], "warm_load_s": statistics.median(seconds[1:])}


class EveryAccess(Dataset):
    """The usual way: decode, resize and augment a photograph each time it is asked for."""

    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return 5 * len(self.paths)

    def __getitem__(self, index):
        image = torch.from_numpy(dataset.read_image(self.paths[index % len(self.paths)]))
        return augment(image, index // len(self.paths), seed=index)


def epoch(photographs, our_step, seconds, batches=4):
    """A whole epoch of ours against the usual way, by the seconds per batch of a part of it."""
    images = dataset.load(photographs).train.images[: -(-BATCH * batches // 5)]
    paths = sorted((photographs / "train" / "good").iterdir())[: len(images)]
    plain = Autoencoder()
    adam = torch.optim.Adam(plain.parameters(), 1e-3)
    augmented = AugmentedCopies(images, 5)

    def ours():
        order = torch.randperm(len(augmented))
        for start in range(0, len(augmented) - BATCH + 1, BATCH):
            augmented.batch(order[start : start + BATCH])
            our_step()

    def usual():
        for batch in DataLoader(EveryAccess(paths), BATCH, shuffle=True, num_workers=2, drop_last=True):
            plain_step(plain, adam, batch)

    found = alternately(3, seconds, {"ours": ours, "usual": usual})
    return {"epoch_vs_dataloader": found["usual"] / found["ours"]}


PEAK = """
import sys
from hazelnut_ae.cli import main
status = main(sys.argv[1:])
try:
    import resource
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9 if status == 0 else "failed")
except ImportError:  # Windows
    print("unknown")
"""


def peak_gb(photographs, run):
    """Peak memory in GB of a process that trains on the photographs, one epoch; None where the system does not tell."""
    options = ["--run", str(run), "--preset", "quick", "--epochs", "1"]
    command = [sys.executable, "-c", PEAK, "train", str(photographs), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    said = done.stdout.strip().splitlines()[-1:]
    if done.returncode or said == ["failed"]:
        raise RuntimeError("the training process failed")
    return None if said == ["unknown"] else float(said[0])
