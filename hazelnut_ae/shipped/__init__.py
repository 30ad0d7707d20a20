"""Weights and measured numbers that are part of the package, and the functions that read them."""

import json
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parent
MEASURED = FOLDER / "measured"


def measured(name):
    """Reads measured/NAME.json, the result of `evaluate` on a set of images, such as "hazelnut_toy".

    Names that begin with "comparison_" or "ladder_" give a list of results, one for each system or rung.
    """
    return json.loads((MEASURED / f"{name}.json").read_text(encoding="utf-8"))


def latent_study():
    """Reads the study of latent sizes (`benchmarks.latent`): a row per system, size and seed."""
    return pd.read_csv(FOLDER / "latent_sizes.csv")


def variants_study():
    """Reads how single choices change the pixel AUROC of the comparison systems on MVTec AD's transistor."""
    return pd.read_csv(MEASURED / "transistor_variants.csv")


def time_to_quality():
    """Reads the quality of the `quick` recipe, with online augmentation and with fixed copies, by step and seconds."""
    return pd.read_csv(MEASURED / "time_to_quality.csv")
