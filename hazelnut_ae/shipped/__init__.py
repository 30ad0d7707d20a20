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


def study(name):
    """Reads measured/NAME.csv, the table of a study, such as "latent_sizes" or "time_to_quality"."""
    return pd.read_csv(MEASURED / f"{name}.csv")
