"""Numbers and weights that come along, and how to read them."""

import json
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parent
CREDIT = (
    "Measured on synthetic hazelnuts (painted, MIT) and on photographs: mvtec_hazelnut_128 (MVTec AD, Bergmann et al., "
    "CVPR 2019, CC BY-NC-SA 4.0; not the official split), hazelnut_toy (anomalib project, CC BY 4.0; not an official "
    "split)."
)


def latent_study():
    """The measured runs at other latent sizes as a DataFrame, or None where the package ships none.

    Columns: latent, residual_good and residual_defective (mean residual of those test pixels), f1_<defect>.
    """
    path = FOLDER / "latent_sizes.csv"
    return pd.read_csv(path) if path.is_file() else None


def variants_study():
    """`comparison.variants` on MVTec AD's transistor as a DataFrame, or None where the package ships none."""
    path = FOLDER / "measured" / "transistor_variants.csv"
    return pd.read_csv(path) if path.is_file() else None


def time_to_quality():
    """The measured course of the recipes, as `studies.time_to_quality` returns it, or None where there is none."""
    path = FOLDER / "measured" / "time_to_quality.csv"
    return pd.read_csv(path) if path.is_file() else None


def minutes():
    """The course of `quick` and of the recipe before, as `studies.time_to_quality` returns it, on two cores with and
    without bfloat16 units; "data" says which."""
    files = {
        f"{kind} bfloat16 units": f"minutes_{file}.csv" for kind, file in (("with", "bfloat16"), ("without", "avx2"))
    }
    return pd.concat([pd.read_csv(FOLDER / "measured" / file).assign(data=kind) for kind, file in files.items()])


def measured(name):
    """A result of `evaluate` on a real data set that the package ships as numbers, or None.

    name: "mvtec_hazelnut_128", "hazelnut_toy" or "transistor"; with "comparison_" before it, the list of results that
    `comparison.compare` returned.
    """
    path = FOLDER / "measured" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
