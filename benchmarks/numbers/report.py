"""The README of this folder, from the files beside it: `python -m hazelnut_ae.shipped`.

Every number on the page is read from a file or computed from one, in the sentences, too.
"""

from benchmarks.numbers import ladder, rules, speed, studies
from benchmarks.numbers.cells import cell, listed, markdown, percent, pixel_cells, share, short, two_digits
from benchmarks.numbers.sets import comparisons, memory_banks, results


def page(folder):
    """The whole README as text, from the files in `folder`; a set or study whose file is not there is left out."""
    parts = [HEAD, measured(folder), sets(folder), label_free(folder), THRESHOLDS]
    parts += [COMPARISON, compared(folder), SECONDS, leaders(folder), kept(folder), UNLIKE]
    parts += [memory_bank(folder), ladder.costs(folder), ladder.every_rung(folder), rules.other_rules(folder)]
    parts += [studies.beside_published(folder), studies.own_run(folder), studies.latent_sizes(folder)]
    parts += [studies.time_to_quality(folder)]
    parts += [speed.how_fast(folder), elsewhere(folder)]
    return "\n\n".join(part for part in parts if part) + "\n"


HEAD = """# The numbers that come along

<!-- Written by `python -m hazelnut_ae.shipped` from the files beside it: change those, or report.py, not this page. -->

This page is written by `python -m hazelnut_ae.shipped` from the JSON and CSV files beside it. They were made by
`hazelnut-ae evaluate DIR --run RUN --json FILE`, by `hazelnut-ae compare DIR --run RUN --json FILE` and by the studies
(`python -m benchmarks --help`).

## Measured

All by this code, on two CPU cores unless it says so, latent size 500, seed 0, with the `quick` preset; (e) is the
`article` preset. F1
counts pixels, per kind of defect. *At τ*: the article's threshold. *Label-free*: a threshold chosen from held-out good
images alone. *Max*: the best threshold, which no user knows. In brackets: 95 % bootstrap interval over images."""

THRESHOLDS = """How the threshold is chosen without labels, and what other rules reach, is notebook 07 and
`thresholds.rules_table`. The rule was picked on (a) to (d), so expect less on images of your own. Where the article's
own table stands beside these numbers, and why its borrowed rows cannot, is notebook 08."""

COMPARISON = """## The comparison systems, measured alike

The article sets its results beside borrowed numbers of another kind (notebook 08) and concludes that it beats AE(SSIM),
AnoGAN and the feature dictionary. Here all systems learnt from the same images and were measured on the same test
images with the same code, all with their `quick` setting: `hazelnut-ae compare DIR --run RUN`. The article's network
on (a), (b) and (c) in this table, and in notebook 09, is of the recipe that `quick` had before (1,800 steps, 2000
fixed copies); what it reaches by today's is in the table above."""

SECONDS = """*Fit* and *test images* are seconds on two cores. Peak memory is that of fitting and predicting, for the
article's network of predicting alone. Where they are missing, the systems were fitted on a GPU, or (the dictionary)
beside other work."""

UNLIKE = """The measuring is alike, the training is not: each system has a `quick` setting of its own
(`hazelnut_ae/comparison/systems.py`), and the papers' settings were not run. EfficientNet-Lite0 stands in for the
ResNet-18 of the dictionary's paper where torchvision's weights cannot be had, as here."""

MEMORY_BANK = """`hazelnut-ae train DIR --run RUN --detector features` (PatchCore, notebook 10), seed 0. The stages,
sizes and blur of its fine bank and the weight of the coarse one were chosen on (b) and (d). That there is a coarse one,
that it alone scores images, and the rule for τ, was decided after all five sets had been measured without them, so only
images of your own can say what they are worth. TNR and TPR: good images accepted and defective ones refused at the
label-free image threshold."""

QUESTIONS = (  # question, command, the file that answers it here when it is there
    (
        "how fast this machine trains and loads, as ratios",
        "`hazelnut-ae bench --json FILE`",
        "measured/bench_avx2.json",
    ),
    ("what an epoch costs when there are many images", "`python -m benchmarks scale`", "measured/scale.csv"),
    (
        "whether bfloat16 learns as float32 does",
        "`python -m benchmarks precision DIR`",
        "measured/precision.csv",
    ),
    ("what the article's epochs do on photographs", "`hazelnut-ae train DIR --run RUN --preset article`", None),
    (
        "what a network that learnt from painted nuts sees on photographs",
        "`hazelnut-ae evaluate PHOTOGRAPHS --run RUN` with the run of the painted ones",
        None,
    ),
    (
        "what the comparison systems do on synthetic hazelnuts",
        "`hazelnut-ae compare DIR --run RUN`, or notebook 09",
        "measured/comparison_synthetic_hazelnuts.json",
    ),
)


# Sets -----------------------------------------------------------------------------------------------------------------


def measured(folder):
    """The table of all sets: a row for each kind of defect, and one for all."""
    rows = []
    for one, result in results(folder):
        for name, block in result["defects"].items():
            rows.append([f"{one.title} ({one.letter})", name, *pixel_cells(block), ""])
        image_auroc = cell(result["images"], "auroc")
        rows.append([f"{one.title} ({one.letter})", "**all**", *pixel_cells(result["pixels"]), image_auroc])
    head = ["data", "defect", "F1 at τ", "F1 label-free", "F1 max", "pixel AUROC", "PRO", "image AUROC"]
    return markdown(head, rows)


def front_table(folder):
    """The small table of the front page."""
    rows = []
    for one, result in results(folder):
        pixels, images = result["pixels"], result["images"]
        numbers = [pixels["auroc"], images["auroc"], pixels["f1_label_free"], pixels["f1_max"]]
        rows.append([f"{one.title} ({one.letter})", *map(two_digits, numbers)])
    return markdown(["data", "pixel AUROC", "image AUROC", "F1 label-free", "F1 max"], rows)


def sets(folder):
    """A paragraph on each set: what it is, whose, how many, how it was trained."""
    lines = []
    for one, result in results(folder):
        kinds = ", ".join(f"{block['images']} {name}" for name, block in result["defects"].items())
        text = f"- **({one.letter}) {one.title}.** {one.images}: {one.good} good ones to train on, "
        text += f"{result['images']['good']} good, {kinds} to test on."
        if one.split:
            text += f" **{one.split.capitalize()}.**"
        lines.append(f"{text} {one.credit}. {one.training}".strip())
    return "\n".join(lines)


def label_free(folder):
    """What the label-free threshold reaches of the best."""
    shares = [f"{percent(share(result['pixels']))} on ({one.letter})" for one, result in results(folder)]
    return f"Of the F1 at the best τ over all pixels, the label-free τ reaches {listed(shares)}."


# Comparison systems ---------------------------------------------------------------------------------------------------


def compared(folder):
    """The table of all systems on all sets."""
    rows = []
    for one, systems in comparisons(folder):
        for result in systems:
            pixels, fit = result["pixels"], result["fit_s"]
            rows.append(
                [f"{one.title} ({one.letter})", short(result["system"])]
                + [cell(pixels, key) for key in ("auroc", "pro", "f1_max", "f1_label_free")]
                + [cell(result["images"], "auroc"), "" if fit is None else f"{fit:.0f} s"]
                + ["" if result["predict_s"] is None else f"{result['predict_s']:.0f} s"]
                + ["" if result["peak_gb"] is None else f"{result['peak_gb']:.1f}"]
            )
    head = ["data", "system", "pixel AUROC", "PRO", "F1 max", "F1 label-free", "image AUROC"]
    return markdown([*head, "fit", "test images", "peak GB"], rows)


def memory_bank(folder):
    """The memory bank of notebook 10 on all sets, F1 as means over the kinds of defects."""
    rows, new = [], []
    for one, result in memory_banks(folder):
        kinds, pixels, images = result["defects"].values(), result["pixels"], result["images"]
        means = [sum(kind[key] for kind in kinds) / len(kinds) for key in ("f1_max", "f1_label_free")]
        rates = [two_digits(images[key]) for key in ("tnr", "tpr")]
        numbers = [cell(pixels, "auroc"), cell(pixels, "pro"), *map(two_digits, means), cell(images, "auroc"), *rates]
        rows.append([f"{one.title} ({one.letter})", *numbers])
        if not (folder / one.file).is_file():
            counts = f"{one.good} good images to train on, {images['good']} to test on"
            new.append(f"({one.letter}): {one.images}: {counts}. {one.credit}.")
    head = ["data", "pixel AUROC", "PRO", "mean F1 max", "mean F1 label-free", "image AUROC", "TNR", "TPR"]
    return "\n\n".join(["## The memory bank", MEMORY_BANK, markdown(head, rows), *new]) if rows else ""


def leaders(folder):
    """Who has the highest number of each measure on each set."""
    sentences = []
    for key, name in (("auroc", "pixel AUROC"), ("pro", "PRO"), ("f1_max", "F1 at the best τ")):
        best = {}
        for one, systems in comparisons(folder):
            first = max(systems, key=lambda result: result["pixels"][key])
            rest = [r for r in systems if r is not first]
            low = first["pixels"]["intervals"][key][0]
            alone = all(r["pixels"]["intervals"][key][1] < low for r in rest)
            best.setdefault(short(first["system"]), []).append(f"({one.letter})" + "*" * alone)
        parts = [f"{system} on {listed(letters)}" for system, letters in best.items()]
        sentences.append(f"Highest {name}: {listed(parts)}.")
    note = (
        "A star marks an interval that touches none of the others; without it, other images could give another order."
    )
    return " ".join([*sentences, note]).replace("*", "\\*") if comparisons(folder) else ""


def kept(folder):
    """What the label-free rule, made for the article's maps, does with those of others."""
    shares = {}
    for one, systems in comparisons(folder):
        for result in systems:
            shares.setdefault(short(result["system"]), []).append(f"{percent(share(result['pixels']))} ({one.letter})")
    parts = [f"{system} {', '.join(found)}" for system, found in shares.items()]
    return f"What the label-free τ keeps of the best F1: {'; '.join(parts)}." if parts else ""


def elsewhere(folder):
    """The questions that have a command and no file here."""
    rows = [list(row) for *row, file in QUESTIONS if file is None or not (folder / file).is_file()]
    return "## Measured on your machine\n\nSome questions have a command and no file here:\n\n" + markdown(
        ["question", "command"], rows
    )
