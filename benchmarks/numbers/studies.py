"""The part of the README on single runs and studies: the published numbers, the run, latent sizes, recipes."""

import pandas as pd

from benchmarks.numbers.cells import f1_heads, listed, markdown, short, signed, two_digits
from benchmarks.numbers.sets import comparisons
from hazelnut_ae import published

LABELS = {  # what a variant's name says after the system's -> what the row says
    "": "quick, once more",
    "3000 steps": "quick, 3000 steps (AnoGAN: 1600)",
    "1600 steps": "quick, 3000 steps (AnoGAN: 1600)",
    "300 steps": "quick, 300 steps",
    "any rotation": "quick, turned by any angle in training",
    "latent size 100": "quick, latent size 100 instead of 500",
    "grey": "quick, grey instead of colour",
    "detail of 128 pixels": "quick, the images with the detail of 128 pixels",
}
LONGER = LABELS["3000 steps"]


def beside_published(folder):
    """Pixel AUROC on the transistor, whose test images are the official ones: published, measured, varied."""
    path = folder / "measured" / "transistor_variants.csv"
    quick = {one.letter: systems for one, systems in comparisons(folder)}.get("c")
    if quick is None or not path.is_file():
        return ""
    quick = {short(one["system"]).split(" (")[0]: one["pixels"]["auroc"] for one in quick}
    systems = ["AE(SSIM)", "AE(L2)", "AnoGAN", "dictionary"]
    printed, doubts = {}, {}
    for one in published.AUROC_RESULTS:
        if one.category == "transistor" and short(one.system) in systems:
            printed[short(one.system)] = one.auroc
            doubts[short(one.system)] = "" if one.checked else " (from memory)"
    study = pd.read_csv(path)
    rows, blurred, baseline = {}, {}, None
    for name, sharp, smooth in zip(study.variant, study.pixel_auroc, study.pixel_auroc_smoothed, strict=True):
        system, _, choice = name.partition(", ")
        if system not in systems:
            baseline = sharp
            continue
        label = LABELS.get(choice, f"quick, {choice}")
        rows.setdefault(label, {})[system] = sharp
        blurred.setdefault(label, {})[system] = smooth
    plain = rows.pop(LABELS[""])

    def line(label, numbers):
        return [label, *(two_digits(numbers.get(system)) for system in systems)]

    table = [
        [f"published ({published.BERGMANN_2019})", *(two_digits(printed[s]) + doubts[s] for s in systems)],
        line("measured, quick", quick),
        *(line(label, numbers) for label, numbers in rows.items()),
        line("quick, the map blurred by a Gaussian", blurred[LABELS[""]]),
        line(f"{LONGER}, the map blurred", blurred[LONGER]),
        line("the distance to the mean good image, no learning", {"AE(L2)": baseline}),
    ]
    changes = {
        label.removeprefix("quick, "): row["AE(L2)"] - plain["AE(L2)"] for label, row in rows.items() if "AE(L2)" in row
    }
    changes["the map blurred"] = blurred[LABELS[""]]["AE(L2)"] - plain["AE(L2)"]
    ordered = sorted(changes, key=lambda label: -abs(changes[label]))
    moved = "; ".join(f"{label} {signed(changes[label])}" for label in ordered)
    left = [f"{s} {signed(blurred[LONGER][s] - printed[s])}" for s in systems if s in blurred[LONGER]]
    return "\n\n".join(
        [
            "## Beside the published numbers",
            "Pixel AUROC on (c), whose test images are the official ones; one choice changed at a time, always\n"
            "without turning unless it says so (`python -m benchmarks variants DIR`, drawn in notebook 09).",
            markdown(["", *systems], table),
            f"What each choice moves, for AE(L2), the largest first: {moved}.\n"
            f"Fitted for longer and blurred, against the published numbers: {listed(left)}.",
        ]
    )


def own_run(folder):
    """The course of the run that comes along."""
    steps = pd.read_csv(folder / "article" / "history.csv")
    f1 = pd.read_csv(folder / "article" / "f1.csv").set_index("epoch")
    loss = steps.groupby("epoch").loss.median()
    last = int(loss.index.max())
    epochs = [epoch for epoch in (1, 10, 100, 500, last) if epoch in f1.index and epoch in loss.index]
    rows = [[str(e), f"{loss[e]:.4f}", *map(two_digits, f1.loc[e])] for e in epochs]
    change = max((f1.loc[last] - f1.loc[100]).abs()) if 100 in f1.index else None
    late = f" From epoch 100 to {last} no F1 moves by more than {change:.2f}." if change is not None else ""
    return "\n\n".join(
        [
            "## The run that comes along",
            f"`article/` holds the finished `article` preset on synthetic hazelnuts, set (e): weights, the loss of\n"
            f"each of its {len(steps):,} steps, F1 every ten epochs, results. The notebooks, `hazelnut-ae evaluate`\n"
            "and `hazelnut-ae figures` take it for synthetic hazelnuts when no other run is named.",
            markdown(["epoch", "loss", *f1_heads(f1.columns)], rows),
            "Loss: median of the epoch's steps. F1 at the article's τ, on test images, so it is for watching and not\n"
            f"for choosing.{late}\nNotebook 05 sets the article's own curves beside it.",
        ]
    )


def latent_sizes(folder):
    """The study of other latent sizes."""
    path = folder / "latent_sizes.csv"
    if not path.is_file():
        return ""
    study = pd.read_csv(path)
    defects = [name for name in study if name.startswith("f1_") and name != "f1_max"]
    rows = [
        [str(row["latent"]), f"{row['residual_good']:.3f}", f"{row['residual_defective']:.3f}"]
        + [two_digits(row[name]) for name in defects]
        for row in study.to_dict("records")
    ]
    spreads = [f"{study[name].max() - study[name].min():.2f} ({name.removeprefix('f1_')})" for name in defects]
    head = ["latent size", "residual of good pixels", "of defective ones"]
    return "\n\n".join(
        [
            "## Other latent sizes",
            f"The same training, {study.epochs.iloc[0]} epochs for each size, on the same images (drawn in notebook\n"
            "07; `python -m benchmarks latent DIR` measures them on others).",
            markdown([*head, *f1_heads(name.removeprefix("f1_") for name in defects)], rows),
            f"Between the highest and the lowest F1 of all sizes lie {listed(spreads)}.",
        ]
    )


def time_to_quality(folder):
    """What the recipe of `quick` reaches, beside the same with fixed copies."""
    path = folder / "measured" / "time_to_quality.csv"
    if not path.is_file():
        return ""
    study = pd.read_csv(path)
    last = study[study["step"] == study.groupby(["data", "recipe", "seed"])["step"].transform("max")]
    rows = []
    for (data, recipe), part in last.groupby(["data", "recipe"]):
        found = part[["loss", "held_out_loss", "pixel_auroc", "f1_max"]].mean()
        means = [f"{found['loss']:.5f}", f"{found['held_out_loss']:.5f}"]
        means += [f"{found['pixel_auroc']:.3f}", f"{found['f1_max']:.3f}"]
        rows.append([data, recipe, str(len(part)), f"{part['step'].median():.0f}", *means])
    head = ["data", "recipe", "seeds", "steps", "loss", "held-out loss", "pixel AUROC", "F1 max"]
    return "\n\n".join(
        [
            "## Fixed copies and fresh ones",
            "`quick`, which augments every image afresh, beside itself with the article's five fixed copies:\n"
            "`python -m benchmarks time DIR`, drawn in notebook 05. Means over the seeds, at the last step.",
            markdown(head, rows),
        ]
    )
