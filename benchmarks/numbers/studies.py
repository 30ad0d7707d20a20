"""The part on single runs and studies: the published numbers, the shipped run, latent sizes, recipes."""

import pandas as pd

from benchmarks.numbers.cells import f1_heads, listed, markdown, paragraphs, short, signed, study, two_digits
from benchmarks.numbers.sets import results_of
from hazelnut_ae import published

LABELS = {  # a variant's name after the system's -> its row
    "3000 steps": "quick, 3000 steps (AnoGAN: 1600)",
    "1600 steps": "quick, 3000 steps (AnoGAN: 1600)",
    "300 steps": "quick, 300 steps",
    "any rotation": "quick, rotated by any angle in training",
    "latent size 100": "quick, latent size 100 instead of 500",
    "grey": "quick, grey instead of colour",
    "detail of 128 pixels": "quick, the images with the detail of 128 pixels",
}
LONGER = LABELS["3000 steps"]
PLAIN = ""  # the row of a variant that changes nothing
SYSTEMS = ("AE(SSIM)", "AE(L2)", "AnoGAN", "dictionary")


def beside_published(folder):
    """Pixel AUROC on the transistor, whose test images are the official ones: published, measured, varied."""
    variants = study(folder, "transistor_variants")
    quick = {one.letter: systems for one, systems in results_of(folder, "comparison")}.get("c")
    if quick is None or variants is None:
        return ""
    quick = {short(one["system"]).split(" (")[0]: one["pixels"]["auroc"] for one in quick}
    printed = {
        short(one.system): one for one in published.AUROC_RESULTS if one.category == "transistor"
    }  # its rows of other systems are not used
    sharp, blurred, baseline = variant_rows(variants)
    plain = sharp.pop(PLAIN)

    def line(label, numbers):
        return [label, *(two_digits(numbers.get(system)) for system in SYSTEMS)]

    doubts = ["" if printed[system].checked else " (from memory)" for system in SYSTEMS]
    table = [
        [f"published ({published.BERGMANN_2019})"]
        + [two_digits(printed[system].auroc) + doubt for system, doubt in zip(SYSTEMS, doubts, strict=True)],
        line("measured, quick", quick),
        *(line(label, numbers) for label, numbers in sharp.items()),
        line("quick, the map blurred by a Gaussian", blurred[PLAIN]),
        line(f"{LONGER}, the map blurred", blurred[LONGER]),
        line("the distance to the mean good image, no learning", {"AE(L2)": baseline}),
    ]
    changes = {label.removeprefix("quick, "): row["AE(L2)"] for label, row in sharp.items() if "AE(L2)" in row}
    changes["the map blurred"] = blurred[PLAIN]["AE(L2)"]
    changes = {label: auroc - plain["AE(L2)"] for label, auroc in changes.items()}
    moved = "; ".join(f"{one} {signed(changes[one])}" for one in sorted(changes, key=lambda one: -abs(changes[one])))
    left = [f"{s} {signed(blurred[LONGER][s] - printed[s].auroc)}" for s in SYSTEMS if s in blurred[LONGER]]
    return paragraphs(
        "## Beside the published numbers",
        "Pixel AUROC on (c), whose test images are the official ones; one choice changed at a time, always\n"
        "without rotation unless stated otherwise (`python -m benchmarks variants DIR`, drawn in notebook 09).",
        markdown(["", *SYSTEMS], table),
        f"What each choice changes, for AE(L2), the largest first: {moved}.\n"
        f"Trained for longer and blurred, against the published numbers: {listed(left)}.",
    )


def variant_rows(variants):
    """{row: {system: pixel AUROC}} of the maps and of the blurred maps, and the mean image's pixel AUROC."""
    sharp, blurred, baseline = {}, {}, None
    for row in variants.itertuples():
        system, _, choice = row.variant.partition(", ")
        if system not in SYSTEMS:
            baseline = row.pixel_auroc
            continue
        label = LABELS.get(choice, f"quick, {choice}") if choice else PLAIN
        sharp.setdefault(label, {})[system] = row.pixel_auroc
        blurred.setdefault(label, {})[system] = row.pixel_auroc_smoothed
    return sharp, blurred, baseline


def own_run(folder):
    """Loss and F1 of the shipped run by epoch."""
    steps = pd.read_csv(folder / "article" / "history.csv")
    f1 = pd.read_csv(folder / "article" / "f1.csv").set_index("epoch")
    loss = steps.groupby("epoch").loss.median()
    last = int(loss.index.max())
    epochs = [epoch for epoch in (1, 10, 100, 500, last) if epoch in f1.index and epoch in loss.index]
    rows = [[str(e), f"{loss[e]:.4f}", *map(two_digits, f1.loc[e])] for e in epochs]
    change = max((f1.loc[last] - f1.loc[100]).abs())
    return paragraphs(
        "## The shipped run",
        f"`article/` holds the finished `article` preset on synthetic hazelnuts, set (e): weights, the loss of\n"
        f"each of its {len(steps):,} steps, F1 every ten epochs, results. The notebooks, `hazelnut-ae evaluate`\n"
        "and `hazelnut-ae figures` use it for synthetic hazelnuts when no other run is named.",
        markdown(["epoch", "loss", *f1_heads(f1.columns)], rows),
        "Loss: median of the epoch's steps. F1: at the article's τ, on test images, so nothing may be chosen by it.\n"
        f"From epoch 100 to {last} no F1 changes by more than {change:.2f}.\n"
        "Notebook 05 sets the article's own curves beside it.",
    )


def latent_sizes(folder):
    """The study of latent sizes: means over the seeds."""
    path = folder / "measured" / "latent_sizes.csv"
    if not path.is_file():
        return ""
    table = pd.read_csv(path)
    columns = ["residual_good", "copied", "f1_max", "pro", "image_auroc"]
    rows = [
        [system, str(size), str(len(runs)), *(f"{runs[name].mean():.3f}" for name in columns)]
        for (system, size), runs in table.groupby(["system", "latent"])
    ]
    head = ["system", "latent size", "seeds", "residual of good pixels", "copied share", "F1 max", "PRO", "image AUROC"]
    return paragraphs(
        "## Other latent sizes",
        f"The `quick` recipe at each size, {table.steps.max():,} steps, and PCA of augmented images, on set (d):\n"
        "means over the seeds (`python -m benchmarks latent DIR`, drawn in notebook 07). *Copied share*: how much of\n"
        "a defect the reconstruction takes over, the median over painted pairs of nuts with and without it.",
        markdown(head, rows),
    )


def time_to_quality(folder):
    """What the recipe of `quick` reaches, beside the same with fixed copies."""
    table = study(folder, "time_to_quality")
    if table is None:
        return ""
    last = table[table["step"] == table.groupby(["data", "recipe", "seed"])["step"].transform("max")]
    rows = []
    for (data, recipe), part in last.groupby(["data", "recipe"]):
        loss, held_out, auroc, f1 = part[["loss", "held_out_loss", "pixel_auroc", "f1_max"]].mean()
        numbers = [f"{loss:.5f}", f"{held_out:.5f}", f"{auroc:.3f}", f"{f1:.3f}"]
        rows.append([data, recipe, str(len(part)), f"{part['step'].median():.0f}", *numbers])
    head = ["data", "recipe", "seeds", "steps", "loss", "held-out loss", "pixel AUROC", "F1 max"]
    return paragraphs(
        "## Fixed copies and online augmentation",
        "`quick` with the 1,600 steps that it had before, which augments every image anew each time, beside\n"
        "itself with the article's five fixed copies (`python -m benchmarks time DIR`, drawn in notebook 05).\n"
        "Means over the seeds, at the last step.",
        markdown(head, rows),
    )


def sight(folder):
    """What a memory bank finds in the same files, read with fewer and with more pixels."""
    table = study(folder, "sight")
    if table is None:
        return ""
    rows = []
    for one in table.itertuples():
        read = f"{one.width}×{one.height}" + f" in {one.rows}×{one.columns}" * (one.rows * one.columns > 1)
        numbers = (one.image_auroc, one.image_auroc_of_maximum, one.pixel_auroc, one.f1_max)
        rows.append([one.data, one.defect, read, *map(two_digits, numbers), f"{one.seconds_per_image:.1f}"])
    scores = ["image AUROC", "of the map's maximum", "pixel AUROC", "F1 max"]
    return paragraphs(
        "## More pixels",
        "A memory bank on the same files, read three times (`python -m benchmarks sight`): squeezed to 256×256, as\n"
        "`train --detector features` reads them, and in more tiles (rows × columns). One seed, few images. Pixel\n"
        "metrics count the pixels that were read, so those of two readings are not comparable; image AUROC is.",
        markdown(["data", "defect", "read as", *scores, "seconds per image"], rows),
    )
