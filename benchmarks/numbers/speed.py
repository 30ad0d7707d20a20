"""The part that tells how fast: a processor with bfloat16 units and one without, a GPU, quality over minutes."""

import pandas as pd

from benchmarks.numbers.cells import markdown, paragraphs, study
from benchmarks.numbers.sets import read_json

TARGETS = {  # what `quick` had to reach over three seeds, with some tolerance: pixel AUROC, F1 max
    "mvtec_hazelnut_128": (0.918, 0.48),
    "hazelnut_toy": (0.985, 0.77),
    "synthetic_hazelnuts": (0.895, 0.43),
}

BENCHES = """Measured by an earlier version, which compiled and rewrote the training step (`python -m benchmarks speed`
measures today's), on two cores of one machine: as it is, and told to use what a processor without bfloat16 units has
(`ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2`, and the precision of float32). Steps
and products of the second column come from a run of their own."""

SEEDS = """Other seeds, trained on the GPU: means, and in brackets the difference between the lowest and the highest.
*Goal*: what `quick` had to reach in pixel AUROC and in F1 max (✓ reached, ✗ missed)."""


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
        "bfloat16 units: `quick` and the recipe before\n"
        "(`python -m benchmarks time DIR --recipes quick,before`, by the same earlier version).",
        markdown(["recipe", "step", *head], rows),
    )


def seeds(folder):
    """What other seeds give, and whether the recipe reaches its goal."""
    table = study(folder, "seeds")
    if table is None:
        return ""
    rows = []
    for (data, recipe), part in table.groupby(["data", "recipe"], sort=False):
        numbers = part[["pixel_auroc", "f1_max"]]
        means, spread = numbers.mean(), numbers.max() - numbers.min()
        goals = [f"{goal:.3f} {'✓' if mean >= goal else '✗'}" for mean, goal in zip(means, TARGETS[data], strict=True)]
        cells = [f"{mean:.3f} ({apart:.3f})" for mean, apart in zip(means, spread, strict=True)]
        rows.append([data, recipe, str(len(part)), *cells, ", ".join(goals)])
    return paragraphs(SEEDS, markdown(["data", "recipe", "seeds", "pixel AUROC", "F1 max", "goal"], rows))
