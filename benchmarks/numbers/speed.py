"""The part that tells how fast: a processor with bfloat16 units and one without, a GPU, quality over minutes."""

import pandas as pd

from benchmarks.numbers.cells import markdown, paragraphs, study
from benchmarks.numbers.sets import read_json

TARGETS = {  # what the recipe before reached over three seeds, less 0.01 and 0.02: pixel AUROC, F1 max
    "mvtec_hazelnut_128": (0.913, 0.48),
    "hazelnut_toy": (0.98, 0.74),
    "synthetic_hazelnuts": (0.868, 0.41),
}

BENCHES = """Measured by an earlier version, which compiled and rewrote the training step (`python -m benchmarks speed`
measures today's), on two cores of one machine: as it is, and told to use what a processor without bfloat16 units has
(`ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2`, and the precision of float32). Steps
and products of the second column come from a run of their own."""

SEEDS = """Today's `quick` (800 steps of 16 images, the rate up to 1.5e-2) and the one before (1,600 steps, up to 2e-2):
means over the seeds, and in brackets the difference between the lowest and the highest. *Goal*: what the one before
reached on the processor, less 0.01 in pixel AUROC and 0.02 in F1 max (✓ reached, ✗ missed). The rows of `before` come
from a GPU."""

ON_THE_WAY = """The same runs of `quick` on the way, means over the seeds. The seconds are those of computing, on one
core without bfloat16 units: {:.2f} for a step with its augmentation. (Other programs on the other core slowed it.)"""


def how_fast(folder):
    """The measurements of single machines, where their files exist."""
    parts = [benches(folder), on_a_gpu(folder), minutes(folder), seeds(folder)]
    return paragraphs("## How fast", *parts) if any(parts) else ""


def benches(folder):
    """A column for each kind of processor."""
    files = {"with bfloat16 units": "bench_bfloat16.json", "without": "bench_avx2.json"}
    paths = {column: folder / "measured" / file for column, file in files.items()}
    found = {column: read_json(path) for column, path in paths.items() if path.is_file()}
    if not found:
        return ""
    names = list(dict.fromkeys(name for one in found.values() for name in one if name != "agreement"))
    rows = [[f"`{name}`", *(number(one.get(name)) for one in found.values())] for name in names]
    return paragraphs(BENCHES, markdown(["measured", *found], rows))


def number(value):
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def on_a_gpu(folder):
    """Ways to compute the training step on a GPU."""
    path = folder / "measured" / "gpu.json"
    if not path.is_file():
        return ""
    found = read_json(path)
    fastest = min(found["step_ms"], key=found["step_ms"].get)
    return paragraphs(
        f"On one {found['device']} (torch {found['torch']}), the same version, milliseconds of a step of\n"
        f"{found['batch']} images, the median of 15 turns of 50 steps each:",
        markdown(["step", "ms"], [[way, f"{ms:.1f}"] for way, ms in found["step_ms"].items()]),
        f"The fastest is {fastest}.\n"
        f"{found['article_epochs']} epochs of the `article` preset on {found['article_images']} images took "
        f"{found['article_epochs_s']:.0f} s, in {found['precision']} and {found['peak_gpu_gb']:.1f} GB, with the time\n"
        "to decide once whether compiling is worth it. All 1000 epochs: not measured.",
    )


def minutes(folder):
    """Quality over minutes: today's recipe beside the one before, on both kinds of machine."""
    found = {column: study(folder, f"minutes_{file}") for column, file in (("with", "bfloat16"), ("without", "avx2"))}
    found = {column: one for column, one in found.items() if one is not None}
    if not found:
        return ""
    columns = {"seconds": "minutes", "pixel_auroc": "pixel AUROC", "f1_max": "F1 max"}
    table = pd.concat({column: one.set_index(["recipe", "step"]) for column, one in found.items()}, axis=1)
    rows = [
        [recipe, str(step)]
        + [
            f"{row[column, name] / 60:.1f}" if name == "seconds" else f"{row[column, name]:.3f}"
            for name in columns
            for column in found
        ]
        for (recipe, step), row in table.iterrows()
    ]
    head = [f"{title}, {column}" for title in columns.values() for column in found]
    return paragraphs(
        f"What minutes of training reach on synthetic hazelnuts, seed 0, on two cores {' and '.join(found)}\n"
        "bfloat16 units: `quick` as it was then (`before` in the table below) and the recipe before it,\n"
        "by the same earlier version (`python -m benchmarks time DIR --recipes quick,before` measures today's).",
        markdown(["recipe", "step", *head], rows),
    )


def seeds(folder):
    """What the recipes reach over several seeds, whether it is the goal, and what `quick` reaches on the way."""
    table = study(folder, "schedule")
    if table is None:
        return ""
    rows = []
    last = table[table["step"] == table.groupby(["data", "recipe", "seed"])["step"].transform("max")]
    for (data, recipe), part in last.groupby(["data", "recipe"], sort=False):
        numbers = part[["pixel_auroc", "f1_max"]]
        means, spread = numbers.mean(), numbers.max() - numbers.min()
        goals = [f"{goal:.3f} {'✓' if mean >= goal else '✗'}" for mean, goal in zip(means, TARGETS[data], strict=True)]
        cells = [f"{mean:.3f} ({apart:.3f})" for mean, apart in zip(means, spread, strict=True)]
        rows.append([data, recipe, str(len(part)), *cells, ", ".join(goals)])
    way = table.dropna(subset=["seconds"])
    each = (way["seconds"] / way["step"]).mean()
    way = way.groupby(["data", "step"], sort=False)[["seconds", "held_out_loss", "pixel_auroc", "f1_max"]].mean()
    on_the_way = [
        [
            data,
            str(step),
            f"{row.seconds:.0f}",
            f"{row.held_out_loss:.5f}",
            f"{row.pixel_auroc:.3f}",
            f"{row.f1_max:.3f}",
        ]
        for (data, step), row in way.iterrows()
    ]
    return paragraphs(
        SEEDS,
        markdown(["data", "recipe", "seeds", "pixel AUROC", "F1 max", "goal"], rows),
        ON_THE_WAY.format(each),
        markdown(["data", "step", "seconds of one core", "held-out loss", "pixel AUROC", "F1 max"], on_the_way),
    )
