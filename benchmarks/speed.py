"""Measure how fast this machine trains, predicts and loads, as seconds and as ratios of two things run in turn.

Ratios are the same on a busy machine; seconds are not.
"""

import functools
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

from benchmarks.common import Autocast, alternate
from hazelnut_ae import dataset, synthetic, training
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.backbones import empty_stages
from hazelnut_ae.detection import AutoencoderDetector
from hazelnut_ae.engine.device import find_device
from hazelnut_ae.patchcore import MemoryBank

OUT = "speed.json"


def add_options(command):
    command.add_argument("--device", help="cpu, cuda or mps, for the training step (default: the best there is)")
    command.add_argument("--batch-size", type=int, default=16, help="of the training step (default: 16, as `quick`)")
    command.add_argument("--seconds", type=float, default=20, help="for each of the three parts (default: 20)")


def run(options):
    found = measure(find_device(options.device), options.batch_size, options.seconds)
    for name, value in found.items():
        print(f"{name:32} {'not on this machine' if value is None else value}")
    return found


def measure(device, batch_size=16, seconds=20, photographs=200):
    """Runs the three parts, a few tens of seconds each.

    Args:
        device: where the training step runs.
        batch_size: of the training step.
        seconds: how long each part repeats its measurements.
        photographs: how many files of 1024 × 1024 pixels are loaded.

    Returns:
        A dict of names, seconds and ratios for JSON; None for what this machine cannot do.
    """
    device = torch.device(device)
    print("Measuring training steps, detectors and loading …", file=sys.stderr)
    result = {"device": device.type, "instructions": torch.backends.cpu.get_cpu_capability()}
    result |= {"threads": torch.get_num_threads(), "batch_size": batch_size}
    return result | steps(device, batch_size, seconds) | predictions(seconds) | loading(photographs)


def multiplies_bfloat16(device):
    """Whether the hardware has instructions for bfloat16; without them one step would take minutes."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return device.type == "cpu" and bool(found.get("amx_bf16") or found.get("avx512_bf16"))


def steps(device, batch_size, seconds):
    """Times a training step in plain float32 and one in bfloat16 (autocast)."""
    batch = torch.randint(0, 256, (batch_size, 3, 256, 256), dtype=torch.uint8).to(device)

    def step_of(wrap):
        model = Autoencoder().to(device)
        optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
        losses = training.train(wrap(model), optimizer, iter(lambda: batch, None))
        return lambda: next(losses).item()  # item() waits for the device

    functions = {"float32": step_of(lambda model: model)}
    if multiplies_bfloat16(device):
        functions["bfloat16"] = step_of(Autocast)
    found = alternate(functions, seconds, turns=50)
    return {
        "step_float32_s": found["float32"],
        "step_bfloat16_s": found.get("bfloat16"),
        "bfloat16_speedup": found["float32"] / found["bfloat16"] if "bfloat16" in found else None,
    }


def predictions(seconds, images=8, **settings):
    """Times the article's detector and the memory bank; settings are those of `MemoryBank`, its weights random."""
    nuts = np.stack([synthetic.paint(np.random.default_rng(i))[0].transpose(2, 0, 1) for i in range(images)])
    bank = MemoryBank(empty_stages("efficientnet-lite0"), **settings)
    bank.fit(nuts)
    detectors = {"article": AutoencoderDetector(), "memory_bank": bank}
    found = alternate({name: functools.partial(one.predict, nuts) for name, one in detectors.items()}, seconds)
    rates = {f"{name}_images_per_s": images / taken for name, taken in found.items()}
    return rates | {"article_vs_memory_bank": found["memory_bank"] / found["article"]}


def loading(photographs, side=1024, distinct=8):
    """Times loading a folder of PNG files, first from the files, then from the cache."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ):
        os.environ["HAZELNUT_CACHE"] = f"{folder}/cache"  # empty at first, and gone afterwards
        good = Path(folder) / "photographs" / "train" / "good"
        good.mkdir(parents=True)
        for number in range(photographs):
            path = good / f"{number:03}.png"
            if number < distinct:
                image = Image.fromarray(synthetic.paint(np.random.default_rng(number))[0])
                image.resize((side, side), Image.Resampling.BICUBIC).save(path)
            else:
                shutil.copy(good / f"{number % distinct:03}.png", path)
        taken = []
        for _ in range(4):
            start = time.perf_counter()
            dataset.load(good.parents[1])
            taken.append(time.perf_counter() - start)
    warm = statistics.median(taken[1:])
    return {"cold_load_s": taken[0], "warm_load_s": warm, "cache_speedup": taken[0] / warm}
