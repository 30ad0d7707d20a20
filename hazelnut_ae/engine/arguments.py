"""What the text of an option may say, for argparse."""

import argparse
import math


def natural(text):
    """A whole number from 0 on."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return number


def positive(text):
    """A whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return number


def number(text):
    """A number that is finite, such as a threshold."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is no threshold")
    return value


def augmentations(text):
    """A list such as rotation,noise, or a word for one such as upright."""
    from hazelnut_ae.augmentation import (  # torch takes seconds to import: not for --help
        ALL_AUGMENTATIONS,
        AUGMENTATION_PRESETS,
    )

    kinds = AUGMENTATION_PRESETS.get(text, tuple(words(text)))
    if unknown := set(kinds) - set(ALL_AUGMENTATIONS):
        raise argparse.ArgumentTypeError(f"no such augmentation: {', '.join(sorted(unknown))}")
    return kinds


def words(text):
    """A list such as a,b."""
    return [word.strip() for word in text.split(",") if word.strip()]
