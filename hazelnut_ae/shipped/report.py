"""The page of measured numbers, shipped/README.md, written from the files beside it: `python -m hazelnut_ae.shipped`.

No number stands here or in the page's words, page.md. A sentence about numbers is made from them, or not written.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hazelnut_ae import published, shipped
from hazelnut_ae.engine.files import atomic_path


class Set(NamedTuple):
    """A data set of the page: the name of its file in `measured`, how tables call it, and what one has to know."""

    file: str
    title: str
    about: str


SETS = {
    "a": Set(
        "mvtec_hazelnut_128",
        "MVTec AD hazelnut",
        "78 photographs of MVTec AD's category hazelnut, taken from published result figures at 128 pixels, with masks "
        "from the same figures: 37 good ones to train on, 5 good and 9 of each defect to test on; **not the official "
        "split**. MVTec AD, Bergmann et al., CVPR 2019, CC BY-NC-SA 4.0.",
    ),
    "b": Set(
        "hazelnut_toy",
        "Hazelnut toy",
        '"Hazelnut toy" of the anomalib project (Intel), CC BY 4.0: 28 good ones to train on, 6 good and 17 defective '
        "to test on; **not an official split**.",
    ),
    "c": Set(
        "transistor",
        "MVTec AD transistor",
        "The whole category at 256 pixels: 213 good ones to train on, 60 good and 4 × 10 defective to test on. "
        "MVTec AD, CC BY-NC-SA 4.0. All its photographs show one orientation, so it was trained with "
        "`--augment noise`.",
    ),
    "d": Set(
        "synthetic_hazelnuts",
        "synthetic hazelnuts",
        "Painted by this code, seed 0: 120 good ones to train on, 20 good and 4 × 9 defective to test on. What "
        "`make run` shows. Trained in float32, on two cores without bfloat16 units.",
    ),
    "e": Set(
        "../article/results",
        "synthetic hazelnuts",
        "Painted alike: 391 good ones to train on, 40 good and 18 / 17 / 18 / 17 defective to test on. The run "
        "that comes with the package.",
    ),
}
EPOCHS = (1, 10, 100, 500, 1000)  # of the shipped run, in its table


def page():
    """The whole page as Markdown."""
    words = (Path(__file__).parent / "page.md").read_text(encoding="utf-8")
    return words.format(
        measured=measured_table(),
        descriptions=descriptions(),
        compared=compared_table(),
        compared_words=compared_words(),
        kept=kept_table(),
        variants=variants_table(),
        run_words=run_words(),
        run=run_table(),
        latent=latent_table(),
    )


def write_page():
    """Writes shipped/README.md; returns its path."""
    path = shipped.FOLDER / "README.md"
    with atomic_path(path) as temporary:
        temporary.write_text(page(), encoding="utf-8")
    return path


def markdown(header, rows):
    """A table of texts."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(block, key):
    """ "0.55 [0.40, 0.64]", a value with its interval; "" where there is none."""
    value, interval = block.get(key), block.get("intervals", {}).get(key)
    if value is None:
        return ""
    return f"{value:.2f}" + (f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")


def results():
    """{letter: the result of `evaluate`} of the sets whose numbers are shipped."""
    found = {letter: shipped.measured(one.file) for letter, one in SETS.items()}
    return {letter: result for letter, result in found.items() if result is not None}


def comparisons():
    """{letter: the results of `compare`} of the sets that all systems were measured on."""
    found = {letter: shipped.measured(f"comparison_{one.file}") for letter, one in SETS.items() if "/" not in one.file}
    return {letter: result for letter, result in found.items() if result is not None}


def measured_table():
    """Every defect of every set."""
    rows = []
    for letter, result in results().items():
        name = f"{SETS[letter].title} ({letter})"
        for defect, block in result["defects"].items():
            found = [number(block, key) for key in ("f1", "f1_label_free", "f1_max", "pixel_auroc", "pro")]
            rows.append([name, defect, *found, ""])
        pixels = [number(result["pixels"], key) for key in ("f1_label_free", "f1_max", "auroc", "pro")]
        rows.append([name, "**all**", "", *pixels, number(result["images"], "auroc")])
    header = ["data", "defect", "F1 at τ", "F1 label-free", "F1 max", "pixel AUROC", "PRO", "image AUROC"]
    return markdown(header, rows)


def front_table():
    """The few numbers of the front page: all defects of each set together."""
    rows = []
    for letter, result in results().items():
        pixels, images = result["pixels"], result["images"]
        found = (pixels["auroc"], images["auroc"], pixels["f1_max"], pixels["f1_label_free"])
        rows.append([f"{SETS[letter].title} ({letter})", *[f"{value:.2f}" for value in found]])
    return markdown(["data", "pixel AUROC", "image AUROC", "F1 at the best τ", "F1 at the label-free τ"], rows)


def descriptions():
    """What the letters mean."""
    return " ".join(f"({letter}) {SETS[letter].about}" for letter in results())


def short(system):
    """A system's name without the paper's full title."""
    return system.replace("CNN feature dictionary", "dictionary")


def compared_table():
    """All systems on all sets."""
    rows = []
    for letter, found in comparisons().items():
        for one in found:
            pixels = [number(one["pixels"], key) for key in ("auroc", "pro", "f1_max", "f1_label_free")]
            took = ["" if one[key] is None else f"{one[key]:.0f} s" for key in ("fit_s", "predict_s")]
            peak = "" if one["peak_gb"] is None else f"{one['peak_gb']:.1f}"
            name = f"{SETS[letter].title} ({letter})"
            rows.append([name, short(one["system"]), *pixels, number(one["images"], "auroc"), *took, peak])
    header = ["data", "system", "pixel AUROC", "PRO", "F1 max", "F1 label-free", "image AUROC", "fit", "test images"]
    return markdown([*header, "peak GB"], rows)


def compared_words():
    """Which system leads by which measure, counted."""
    sentences = []
    for key, words in (("pro", "PRO"), ("auroc", "pixel AUROC"), ("f1_max", "F1 max")):
        best = {}
        for letter, found in comparisons().items():
            leader = max(found, key=lambda one: one["pixels"][key])
            best.setdefault(short(leader["system"]), []).append(f"({letter})")
        sentences.append(f"highest {words}: " + "; ".join(f"{name} on {', '.join(on)}" for name, on in best.items()))
    return "Which leads by the number alone, whatever the intervals: " + ". ".join(sentences) + "."


def kept_table():
    """How much of the F1 at the best τ the label-free τ keeps, by system."""
    found = comparisons()
    systems = [short(one["system"]) for one in next(iter(found.values()))]
    rows = []
    for letter, measured in found.items():
        kept = [f"{one['pixels']['f1_label_free'] / one['pixels']['f1_max']:.0%}" for one in measured]
        rows.append([f"{SETS[letter].title} ({letter})", *kept])
    return "How much of the F1 at the best τ the label-free τ keeps:\n\n" + markdown(["data", *systems], rows)


def variants_table():
    """Pixel AUROC of each variant, and after a blur of the map, below the published numbers."""
    study = shipped.variants_study()
    rows = [
        ["published: " + one.system + ("" if one.checked else " (from memory)"), f"{one.auroc:.2f}", ""]
        for one in published.AUROC_RESULTS
        if one.category == "transistor" and one.counts == "pixel"
    ]
    for _, one in study.iterrows():
        rows.append([one["variant"], f"{one['pixel_auroc']:.2f}", f"{one['pixel_auroc_smoothed']:.2f}"])
    return markdown(["on (c)", "pixel AUROC", "with the map blurred by a Gaussian of 4 pixels"], rows)


def run_table():
    """Loss and F1 of the shipped run at some epochs."""
    history = pd.read_csv(shipped.FOLDER / "article" / "history.csv")
    f1 = pd.read_csv(shipped.FOLDER / "article" / "f1.csv").set_index("epoch")
    rows = []
    for epoch in EPOCHS:
        loss = np.median(history["loss"][history["epoch"] == epoch])
        rows.append([str(epoch), f"{loss:.4f}", *[f"{f1[name][epoch]:.2f}" for name in f1]])
    first = [f"{name}" for name in f1]
    curves = published.ARTICLE_CURVES
    ends = [f"{low:.2f} to {high:.2f}" for low, high in (curves[name] for name in f1)]
    loss = "{:.2f} to {:.3f}".format(*curves["loss"])
    rows.append(["the article's curves, first to last, on its photographs", loss, *ends])
    return markdown(["epoch", "loss", *[f"F1 {name}" for name in first]], rows)


def latent_table():
    """Residuals and F1 by latent size."""
    study = shipped.latent_study()
    defects = [column for column in study if column.startswith("f1_") and column != "f1_max"]
    rows = []
    for _, one in study.iterrows():
        residuals = [f"{one[key]:.3f}" for key in ("residual_good", "residual_defective")]
        rows.append([f"{one['latent']:.0f}", *residuals, *[f"{one[name]:.2f}" for name in defects]])
    header = ["latent size", "residual of good pixels", "of defective ones"]
    return markdown([*header, *[f"F1 {name.removeprefix('f1_')}" for name in defects]], rows)


def run_words():
    """How many steps the shipped run took."""
    config = json.loads((shipped.FOLDER / "article" / "config.json").read_text(encoding="utf-8"))
    history = pd.read_csv(shipped.FOLDER / "article" / "history.csv")
    steps, seed, latent_dim = len(history), config["seed"], config["latent_dim"]
    return f"{config['epochs']:,} epochs, {steps:,} steps, seed {seed}, latent size {latent_dim}"
