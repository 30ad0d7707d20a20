"""Measure how fast this machine trains, predicts and loads, as seconds and as ratios of two things run in turn.

Ratios are the same on a busy machine; seconds are not.
"""

import functools
import itertools
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

from benchmarks.common import alternate
from hazelnut_ae import dataset, synthetic, training
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.backbones import empty_stages
from hazelnut_ae.detection import AutoencoderDetector
from hazelnut_ae.engine.device import find_device, prepare_network
from hazelnut_ae.patchcore import MemoryBank

OUT = "speed.json"
PHOTOGRAPHS, SIDE = 200, 1024  # files that are loaded, and their side in pixels, as in MVTec AD
IMAGES = 8  # that the detectors predict at a time


def add_options(command):
    command.add_argument("--device", help="cpu, cuda or mps, for the training step (default: the best there is)")
    command.add_argument("--batch-size", type=int, default=16, help="of the training step (default: 16, as `quick`)")
    command.add_argument("--seconds", type=float, default=20, help="for each of the three parts (default: 20)")


def run(options):
    found = measure(find_device(options.device), options.batch_size, options.seconds)
    for name, value in found.items():
        print(f"{name:32} {'not on this machine' if value is None else value}")
    return found


def measure(device, batch_size=16, seconds=20):
    """Runs the three parts, a few tens of seconds each.

    Args:
        device: where the training step runs.
        batch_size: of the training step.
        seconds: how long each part repeats its measurements.

    Returns:
        A dict of names, seconds and ratios for JSON; None for what this machine cannot do.
    """
    device = torch.device(device)
    print("Measuring training steps, detectors and loading …", file=sys.stderr)
    result = {"device": device.type, "instructions": torch.backends.cpu.get_cpu_capability()}
    result |= {"threads": torch.get_num_threads(), "batch_size": batch_size}
    return result | steps(device, batch_size, seconds) | predictions(seconds) | loading()


def multiplies_bfloat16(device):
    """Whether the hardware has instructions for bfloat16; without them one step would take minutes."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return device.type == "cpu" and bool(found.get("amx_bf16") or found.get("avx512_bf16"))


def steps(device, batch_size, seconds):
    """Times a training step in plain float32 and one in bfloat16 (autocast)."""
    batch = torch.randint(0, 256, (batch_size, 3, 256, 256), dtype=torch.uint8).to(device)

    def step_in(precision):
        model = Autoencoder()
        network = prepare_network(model, device, precision)
        optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
        losses = training.train(network, optimizer, itertools.repeat(batch))
        return lambda: next(losses).item()  # item() waits for the device

    functions = {"float32": step_in("float32")}
    if multiplies_bfloat16(device):
        functions["bfloat16"] = step_in("bfloat16")
    found = alternate(functions, seconds, turns=50)
    return {
        "step_float32_s": found["float32"],
        "step_bfloat16_s": found.get("bfloat16"),
        "bfloat16_speedup": found["float32"] / found["bfloat16"] if "bfloat16" in found else None,
    }


def predictions(seconds):
    """Times the article's detector and a memory bank, both with random weights."""
    nuts = np.stack([synthetic.paint(np.random.default_rng(i))[0].transpose(2, 0, 1) for i in range(IMAGES)])
    bank = MemoryBank(empty_stages("efficientnet-lite0"))
    bank.fit(nuts)
    detectors = {"article": AutoencoderDetector(), "memory_bank": bank}
    found = alternate({name: functools.partial(one.predict, nuts) for name, one in detectors.items()}, seconds)
    rates = {f"{name}_images_per_s": IMAGES / taken for name, taken in found.items()}
    return rates | {"article_vs_memory_bank": found["memory_bank"] / found["article"]}


def loading(distinct=8):
    """Times loading a folder of PNG files, first from the files, then from the cache."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ):
        os.environ["HAZELNUT_CACHE"] = f"{folder}/cache"  # empty at first, and gone afterwards
        good = Path(folder) / "photographs" / "train" / "good"
        good.mkdir(parents=True)
        for number in range(PHOTOGRAPHS):
            path = good / f"{number:03}.png"
            if number < distinct:
                image = Image.fromarray(synthetic.paint(np.random.default_rng(number))[0])
                image.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)
            else:
                shutil.copy(good / f"{number % distinct:03}.png", path)
        taken = []
        for _ in range(4):
            start = time.perf_counter()
            dataset.load(good.parents[1])
            taken.append(time.perf_counter() - start)
    warm = statistics.median(taken[1:])
    return {"cold_load_s": taken[0], "warm_load_s": warm, "cache_speedup": taken[0] / warm}
