"""The part of the README on notebook 10's ladder: every rung on every set, and what a kind of defect costs unseen."""

import pandas as pd

from benchmarks.numbers.cells import listed, markdown, two_digits
from benchmarks.numbers.sets import ladders, left_out
from hazelnut_ae import published

NUMBERS = ("pixel AUROC", "F1-max", "image AUROC")

ABOUT = """Every rung on the same test images, `python -m benchmarks ladder DIR --run RUN`, seed 0, on two
cores with bfloat16 units beside light other work. F1: means over the kinds of defects, *label-free* at the τ of
held-out good images. *The article* is its network by `quick`, from fresh copies (on (c) and (f), other than above,
turned in training and on two cores), which its map, softened, and both together use, too; its training is not in
*fit*. *Fixed copies* is the same from five copies of each photograph that are made once, with as many steps; AE(SSIM)
saw as many images. The U-Net learnt from painted nuts and their masks, whatever it is tested on. *Peak* is the
process's while the rung was fitted and measured, with what earlier rungs left in it."""


def every_rung(folder):
    """The table of all rungs on all sets, what is sure between neighbours, and published numbers beside."""
    found = ladders(folder)
    if not found:
        return ""
    rows = [row_of(one, result) for one, results in found for result in results]
    head = ["data", "rung", "pixel AUROC", "PRO", "mean F1 max", "mean F1 label-free", "image AUROC", "TNR", "TPR"]
    parts = ["## The ladder", ABOUT, markdown([*head, "fit", "an image", "peak GB"], rows), steps(found)]
    return "\n\n".join(part for part in (*parts, elsewhere(), unseen(folder)) if part)


def costs(folder):
    """What a bank takes with more images, and beside another implementation: two tables."""
    parts = []
    if (path := folder / "measured" / "growth.csv").is_file():
        rows = [
            [f"{row['images']:,.0f}", f"{row['fit_s']:.0f} s", f"{row['image_s']:.2f} s", f"{row['memory_gb']:.2f}"]
            for row in pd.read_csv(path).to_dict("records")
        ]
        note = "The bank with more good images (`studies growth`), which are looked at 400 at most:"
        parts += [note, markdown(["good images", "fit", "an image", "peak GB"], rows)]
    if (path := folder / "measured" / "peer.csv").is_file():
        keys = ("pixel_auroc", "pro", "f1_max", "image_auroc")
        rows = []
        for row in pd.read_csv(path).to_dict("records"):
            seconds = (f"{row['fit_s']:.0f} s", f"{row['image_s']:.2f} s")
            rows.append([row["data"], row["system"], *(f"{row[key]:.3f}" for key in keys), *seconds])
        note = "Beside anomalib's PatchCore, given the same network (`studies peer`; 256 pixels and its own settings):"
        head = ["data", "system", "pixel AUROC", "PRO", "mean F1 max", "image AUROC", "fit", "an image"]
        parts += [note, markdown(head, rows)]
    return "\n\n".join(parts)


def row_of(one, result):
    kinds, pixels, images = list(result["defects"].values()), result["pixels"], result["images"]
    means = [sum(kind[key] for kind in kinds) / len(kinds) for key in ("f1_max", "f1_label_free")]
    numbers = [pixels["auroc"], pixels["pro"], *means, images["auroc"], images["tnr"], images["tpr"]]
    fit, image, peak = (result[key] for key in ("fit_s", "image_s", "peak_gb"))
    costs = ["" if fit is None else f"{fit:.1f} s", "" if image is None else f"{1000 * image:.0f} ms", f"{peak:.1f}"]
    three = [f"{number:.3f}" for number in (numbers[0], numbers[4])]
    cells = [three[0], *map(two_digits, numbers[1:4]), three[1], *map(two_digits, numbers[5:])]
    return [f"{one.title} ({one.letter})", result["system"], *cells, *costs]


def steps(found):
    """Which rung differs surely from the one before: 95 % of paired draws of the images on one side of 0."""
    sentences = []
    for result in found[0][1][1:]:
        better, worse = [], []
        for one, results in found:
            rung = next(other for other in results if other["system"] == result["system"])
            for number in NUMBERS:
                low, high = (rung["against_the_rung_before"][f"{number} {end}"] for end in ("low", "high"))
                if low is not None and (low > 0 or high < 0):
                    (better if low > 0 else worse).append(f"{number} on ({one.letter})")
        sides = [f"surely {word} in {listed(where)}" for word, where in (("better", better), ("worse", worse)) if where]
        sentences.append(f"- {result['system']}: {'; '.join(sides) or 'no sure difference'}.")
    return "Each rung against the one before it, paired over the images (95 %):\n\n" + "\n".join(sentences)


def elsewhere():
    """PatchCore with a larger network, on whole categories, as others measured it."""
    pairs = {}
    for one in published.PATCHCORE_RESULTS:
        pairs.setdefault(one.category, []).append(f"{one.auroc:.3f} ({one.counts})")
    numbers = "; ".join(f"{category} {', '.join(found)}" for category, found in pairs.items())
    return f"PatchCore as others measured it, AUROC on the official split: {numbers} ({published.ANOMALIB})."


def unseen(folder):
    """The price of being told: what the U-Net finds of a kind of defect that it never saw painted."""
    rows = []
    for one, found in left_out(folder):
        for row in (row for row in found if row["seen"]):
            other = next(r for r in found if r["defect"] == row["defect"] and not r["seen"])
            numbers = [two_digits(r[key]) for key in ("f1_max", "pixel_auroc") for r in (row, other)]
            rows.append([f"{one.title} ({one.letter})", row["defect"], *numbers])
    if not rows:
        return ""
    head = [
        "data",
        "defect",
        "F1 max, seen painted",
        "F1 max, never seen",
        "pixel AUROC, seen",
        "pixel AUROC, never seen",
    ]
    note = "What the U-Net finds of a kind of defect that was left out of its training (`studies ladder --left-out`):"
    return f"{note}\n\n{markdown(head, rows)}"
