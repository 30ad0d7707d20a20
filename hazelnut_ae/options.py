"""How a command of the command line is declared: its help text, its options, and what their texts may say."""

import argparse
import math
from pathlib import Path

from hazelnut_ae.presets import PRESETS

COMMANDS = {}  # name: (function, help text, options)


def command(text, *options):
    """Makes a command of the function below it, under the function's name."""

    def register(function):
        COMMANDS[function.__name__] = (function, text, options)
        return function

    return register


def option(*flags, **settings):
    """One option or argument, in the words of argparse's `add_argument`."""
    return flags, settings


# What the text of an option may say


def natural(text):
    """Returns a whole number from 0 on."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return number


def positive(text):
    """Returns a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return number


def finite(text):
    """Returns a finite number, such as a threshold."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number")
    return value


def above_zero(text):
    """Returns a finite number above 0."""
    value = finite(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def words(text):
    """Returns the words of a list such as a,b."""
    return [word.strip() for word in text.split(",") if word.strip()]


def augmentations(text):
    """Returns the augmentations of a list such as rotation,noise, or of a name for a choice such as upright."""
    from hazelnut_ae.augmentation import ALL_AUGMENTATIONS, AUGMENTATION_PRESETS

    names = AUGMENTATION_PRESETS.get(text, tuple(words(text)))
    if unknown := set(names) - set(ALL_AUGMENTATIONS):
        raise argparse.ArgumentTypeError(f"no such augmentation: {', '.join(sorted(unknown))}")
    return names


# Options that several commands share

FOLDER = option("folder", metavar="DIR", type=Path, help="a data folder in MVTec layout")
RUN = option("--run", required=True, type=Path, metavar="RUN", help="the folder of the run")
RUN_OR_SHIPPED = option("--run", type=Path, metavar="RUN", help="its folder (default: the run in the package)")
PRESETS_HELP = "tiny: seconds, only shows that everything runs; quick: minutes (default); article: 1000 epochs"
PRESET = option("--preset", default="quick", choices=list(PRESETS), help=PRESETS_HELP)
SEED = option("--seed", type=natural, default=0, help="default: 0")
JSON = option("--json", type=Path, metavar="FILE", help="write the numbers to this file, too")
TAU = option("--tau", type=finite, help="threshold of pixels (default: the run's own)")
IMAGE_TAU = option("--image-tau", type=finite, help="threshold of image scores (default: the run's own)")
AUGMENT = "of rotation,flip,noise,shift, those that suit the images; upright keeps an orientation that all images share"
