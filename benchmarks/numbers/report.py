"""The page of numbers: every number on it, also in the sentences, is read from a measured file or computed from one."""

from benchmarks.numbers import ladder, rules, speed, studies
from benchmarks.numbers.cells import (
    amount,
    cell,
    listed,
    markdown,
    means_of_defects,
    paragraphs,
    percent,
    pixel_cells,
    share,
    short,
    two_digits,
)
from benchmarks.numbers.sets import read_json, results, results_of


def page(folder):
    """Returns the whole page as text, from the files in `folder`; sets and studies without a file are left out."""
    return (
        paragraphs(
            *(HEAD, measured(folder), sets(folder), label_free(folder), THRESHOLDS),
            *(COMPARISON, compared(folder), SECONDS, leaders(folder), label_free_of_systems(folder), UNLIKE),
            *(memory_bank(folder), ladder.costs(folder), ladder.every_rung(folder), rules.other_rules(folder)),
            *(studies.beside_published(folder), studies.own_run(folder), studies.latent_sizes(folder)),
            *(studies.time_to_quality(folder), studies.sight(folder), speed.how_fast(folder), ELSEWHERE),
        )
        + "\n"
    )


HEAD = """# Measured numbers

<!-- Written by `python -m benchmarks numbers` from the files beside it: change those, or benchmarks/numbers. -->

This page is written by `python -m benchmarks numbers` from the JSON and CSV files beside it. They come from
`hazelnut-ae evaluate DIR --run RUN --json FILE`, `hazelnut-ae compare DIR --run RUN --json FILE` and the studies
(`python -m benchmarks --help`).

## Measured

All numbers come from this code, on two CPU cores unless stated otherwise, latent size 500, seed 0, with the `quick`
preset as it was before: 1,600 steps instead of today's 800; (e) is the `article` preset. F1 counts pixels, per kind
of defect. *At τ*: the article's threshold. *Label-free*: a threshold chosen from held-out good images alone. *Max*:
the best threshold, which no user knows. In brackets: 95 % bootstrap interval over images."""

THRESHOLDS = """Notebook 07 and `thresholds.rules_table` show how the threshold is chosen without labels, and what other
rules reach. The rule was chosen on (a) to (d), so expect less on your own images. Notebook 08 sets the article's own
table beside these numbers, and says why its borrowed rows cannot be compared."""

COMPARISON = """## The comparison systems, measured alike

The article sets its results beside borrowed numbers that measure something else (notebook 08) and concludes that it
beats AE(SSIM), AnoGAN and the feature dictionary. Here all systems learned from the same images and were measured on
the same test images with the same code, `hazelnut-ae compare DIR --run RUN`, with the `quick` settings of an earlier
version: 1,000 steps for the two autoencoders (today 400), 800 for AnoGAN at twice its width (today 400), stride 4 for
the dictionary (today 8). The article's network on (a), (b) and (c) in this table had 1,800 steps and 2000 fixed copies.
Today's settings are cheaper and were measured in notebook 09 alone, on (d)."""

SECONDS = """*Fit* and *test images* are seconds on two cores. Peak memory is that of fitting and predicting, for the
article's network of predicting alone. Where they are missing, the systems were fitted on a GPU, or (the dictionary)
beside other work."""

UNLIKE = """All systems are measured alike, but not trained alike: each has a `quick` setting of its own
(`hazelnut_ae/comparison/systems.py`), and the papers' settings were not run. EfficientNet-Lite0 replaces the ResNet-18
of the dictionary's paper where torchvision's weights cannot be downloaded, as here."""

MEMORY_BANK = """`hazelnut-ae train DIR --run RUN --detector features` (PatchCore, notebook 10), seed 0, images at their
own size up to 640 pixels a side. `benchmarks/PROTOCOL.md` says what was chosen on which set. *Development*: the stages,
sizes and blur were chosen on these two sets; the halos, too, and on painted nuts of 128 pixels, after a look at (a).
*Seen*: measured many times while the bank was built; its coarse bank, its image score and its rule for τ come from
there. *Once*: measured after everything was frozen, and never before. TNR and TPR: good images accepted and defective
ones refused at the label-free image threshold."""

ROLES = {
    "development": {"synthetic_hazelnuts": "synthetic hazelnuts (d)", "hazelnut_toy": "Hazelnut toy (b)"},
    "seen": {
        "mvtec_hazelnut_128": "MVTec AD hazelnut (a)",
        "transistor": "MVTec AD transistor (c)",
        "bottle": "MVTec AD bottle (f)",
    },
    "once": {"mpdd_plate": "MPDD metal plate", "kolektor_sdd": "KolektorSDD"},
}
ONCE = """MPDD: Jezek et al., ICUMT 2021; KolektorSDD: Tabernik et al., J. Intell. Manuf. 2020; both CC BY-NC-SA 4.0.
Neither is the official split; the strips of KolektorSDD, of about 410×1024 pixels, were squeezed to 256×256 before."""

ELSEWHERE = """## Measure it yourself

These questions have a command and no file here:

| question | command |
|---|---|
| how fast this machine trains, predicts and loads | `python -m benchmarks speed` |
| what the article's epochs do on photographs | `hazelnut-ae train DIR --run RUN --preset article` |
| what a network that learned from painted nuts finds in photographs | `hazelnut-ae evaluate PHOTOGRAPHS --run RUN` |"""


# Sets -----------------------------------------------------------------------------------------------------------------


def measured(folder):
    """The table of all sets: a row for each kind of defect, and one for all."""
    rows = []
    for one, result in results(folder):
        rows += [[one.label, name, *pixel_cells(block), ""] for name, block in result["defects"].items()]
        rows.append([one.label, "**all**", *pixel_cells(result["pixels"]), cell(result["images"], "auroc")])
    head = ["data", "defect", "F1 at τ", "F1 label-free", "F1 max", "pixel AUROC", "PRO", "image AUROC"]
    return markdown(head, rows)


def front_table(folder):
    """The small table of the front page."""
    rows = []
    for one, result in results(folder):
        pixels, images = result["pixels"], result["images"]
        numbers = [pixels["auroc"], images["auroc"], pixels["f1_label_free"], pixels["f1_max"]]
        rows.append([one.label, *map(two_digits, numbers)])
    return markdown(["data", "pixel AUROC", "image AUROC", "F1 label-free", "F1 max"], rows)


def sets(folder):
    """A paragraph on each set: what it is, whose it is, how many images, how it was trained."""
    lines = []
    for one, result in results(folder):
        defects = ", ".join(f"{block['images']} {name}" for name, block in result["defects"].items())
        text = f"- **({one.letter}) {one.title}.** {one.images}: {one.good} good ones to train on, "
        text += f"{result['images']['good']} good, {defects} to test on."
        if one.split:
            text += f" **{one.split.capitalize()}.**"
        lines.append(f"{text} {one.credit}. {one.training}".strip())
    return "\n".join(lines)


def label_free(folder):
    """What the label-free threshold reaches of the best F1."""
    shares = [f"{percent(share(result['pixels']))} on ({one.letter})" for one, result in results(folder)]
    return f"Of the F1 at the best τ over all pixels, the label-free τ reaches {listed(shares)}."


# Comparison systems ---------------------------------------------------------------------------------------------------


def compared(folder):
    """The table of all systems on all sets."""
    rows = []
    for one, systems in results_of(folder, "comparison"):
        for result in systems:
            rows.append(
                [one.label, short(result["system"])]
                + [cell(result["pixels"], key) for key in ("auroc", "pro", "f1_max", "f1_label_free")]
                + [cell(result["images"], "auroc"), amount(result["fit_s"], 0, " s")]
                + [amount(result["predict_s"], 0, " s"), amount(result["peak_gb"], 1, "")]
            )
    head = ["data", "system", "pixel AUROC", "PRO", "F1 max", "F1 label-free", "image AUROC"]
    return markdown([*head, "fit", "test images", "peak GB"], rows)


def memory_bank(folder):
    """The memory bank of notebook 10 on all sets, by what each set was used for."""
    rows = []
    for role, titles in ROLES.items():
        for name, title in titles.items():
            path = folder / "measured" / f"features_{name}.json"
            if not path.is_file():
                continue
            result = read_json(path)
            pixels, images = result["pixels"], result["images"]
            rates = [two_digits(images[key]) for key in ("tnr", "tpr")]
            means = map(two_digits, means_of_defects(result))
            numbers = [cell(pixels, "auroc"), cell(pixels, "pro"), *means, cell(images, "auroc"), *rates]
            rows.append([role, title, *numbers])
    head = ["role", "data", "pixel AUROC", "PRO", "mean F1 max", "mean F1 label-free", "image AUROC", "TNR", "TPR"]
    return paragraphs("## The memory bank", MEMORY_BANK, markdown(head, rows), ONCE) if rows else ""


def leaders(folder):
    """Which system has the highest number of each measure on each set."""
    found, sentences = results_of(folder, "comparison"), []
    for key, name in (("auroc", "pixel AUROC"), ("pro", "PRO"), ("f1_max", "F1 at the best τ")):
        best = {}
        for one, systems in found:
            first = max(systems, key=lambda result: result["pixels"][key])
            low = first["pixels"]["intervals"][key][0]
            alone = all(r["pixels"]["intervals"][key][1] < low for r in systems if r is not first)
            best.setdefault(short(first["system"]), []).append(f"({one.letter})" + r"\*" * alone)
        parts = [f"{system} on {listed(letters)}" for system, letters in best.items()]
        sentences += [f"Highest {name}: {listed(parts)}."] if parts else []
    note = "A star marks an interval that overlaps no other; without it, other images could give another order."
    return " ".join([*sentences, note]) if found else ""


def label_free_of_systems(folder):
    """What the label-free rule, made for the article's maps, reaches on the maps of others."""
    shares = {}
    for one, systems in results_of(folder, "comparison"):
        for result in systems:
            shares.setdefault(short(result["system"]), []).append(f"{percent(share(result['pixels']))} ({one.letter})")
    parts = [f"{system} {', '.join(found)}" for system, found in shares.items()]
    return f"What the label-free τ reaches of the best F1: {'; '.join(parts)}." if parts else ""
