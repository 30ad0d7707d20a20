"""Declares the commands of the command line: help texts, options and the types of their values."""

import argparse
import math
import re
from pathlib import Path

from hazelnut_ae.presets import PRESETS

COMMANDS = {}  # name: (function, help text, options)


def command(text, *options):
    """Registers the decorated function as a command of the same name."""

    def register(function):
        COMMANDS[function.__name__] = (function, text, options)
        return function

    return register


def option(*flags, **settings):
    """Returns one option; the arguments are those of argparse's `add_argument`."""
    return flags, settings


def number(kind, allowed, problem):
    """Returns a type for argparse: numbers of a kind (int, float) that are allowed; `problem` says what others are."""

    def convert(text):
        value = kind(text)
        if not allowed(value):
            raise argparse.ArgumentTypeError(f"{text} {problem}")
        return value

    convert.__name__ = kind.__name__  # argparse says "invalid int value"
    return convert


natural = number(int, lambda value: value >= 0, "is below 0")
positive = number(int, lambda value: value >= 1, "is below 1")
finite = number(float, math.isfinite, "is not a finite number")
side = number(int, lambda value: 64 <= value <= 2048, "is not from 64 to 2048")
above_zero = number(float, lambda value: 0 < value < math.inf, "is not a finite number above 0")


def tiles(text):
    """Converts 2x3 to (2, 3), and auto to None."""
    if text != "auto" and not re.fullmatch("[1-8][x×][1-8]", text):
        raise argparse.ArgumentTypeError(f"{text} is not auto, nor rows and columns from 1 to 8, such as 2x3")
    return None if text == "auto" else (int(text[0]), int(text[2]))


def words(text):
    """Converts "a,b" to ["a", "b"]."""
    return [word.strip() for word in text.split(",") if word.strip()]


def augmentations(text):
    """Converts a list such as rotation,noise, or a preset such as upright, to names of augmentations."""
    from hazelnut_ae.augmentation import ALL_AUGMENTATIONS, AUGMENTATION_PRESETS

    names = AUGMENTATION_PRESETS.get(text, tuple(words(text)))
    if unknown := set(names) - set(ALL_AUGMENTATIONS):
        raise argparse.ArgumentTypeError(f"no such augmentation: {', '.join(sorted(unknown))}")
    return names


TILES = "of features: rows and columns of tiles, such as 2x3, to see finer defects (default: auto, nearly square ones)"
BACKBONE = "of features: efficientnet-lite0 (default), resnet18, or a safetensors file, such as DINOv2 small's of timm"
# Options of several commands
FOLDER = option("folder", metavar="DIR", type=Path, help="a data folder in MVTec layout")
RUN = option("--run", required=True, type=Path, metavar="RUN", help="the folder of the run")
RUN_OR_SHIPPED = option("--run", type=Path, metavar="RUN", help="its folder (default: the run in the package)")
PRESETS_HELP = "tiny: seconds, only shows that everything runs; quick: minutes (default); article: 1000 epochs"
PRESET = option("--preset", default="quick", choices=list(PRESETS), help=PRESETS_HELP)
SEED = option("--seed", type=natural, default=0, help="default: 0")
JSON = option("--json", type=Path, metavar="FILE", help="also write the numbers to this file")
TAUS = (
    option("--tau", type=finite, help="threshold of pixels (default: the run's own)"),
    option("--image-tau", type=finite, help="threshold of image scores (default: the run's own)"),
)
AUGMENT = "some of rotation,flip,noise,shift; use upright if all images have the same orientation"
