"""The part of the README that tells how fast: a processor with bfloat16 units and one without, a GPU, the recipe."""

import pandas as pd

from benchmarks.numbers.cells import markdown
from benchmarks.numbers.sets import read_json

TARGETS = {  # what `quick` set out to reach over three seeds, less what was allowed: pixel AUROC, F1 max
    "mvtec_hazelnut_128": (0.918, 0.48),
    "hazelnut_toy": (0.985, 0.77),
    "synthetic_hazelnuts": (0.895, 0.43),
}


def how_fast(folder):
    """The measurements of single machines, where their files are there."""
    measured = folder / "measured"
    parts = [benches(measured), on_a_gpu(measured), minutes(measured), seeds(measured), other_studies(measured)]
    return "\n\n".join(["## How fast", *filter(None, parts)]) if any(parts) else ""


def benches(measured):
    """`hazelnut-ae bench` of each kind of processor, a column each."""
    kinds = {
        "with bfloat16 units": measured / "bench_bfloat16.json",
        "without": measured / "bench_avx2.json",
    }
    found = {kind: read_json(path) for kind, path in kinds.items() if path.is_file()}
    if not found:
        return ""
    names = list(dict.fromkeys(name for one in found.values() for name in one if name != "agreement"))
    rows = [[f"`{name}`", *(number(one.get(name)) for one in found.values())] for name in names]
    return "\n\n".join(
        [
            "`hazelnut-ae bench` on two cores of one machine: as it is, and told to use what a processor without\n"
            "bfloat16 units has (`ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2`,\n"
            "and the precision of float32). Steps and products of the second column are of a run of their own.",
            markdown(["measured", *found], rows),
        ]
    )


def number(value):
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def on_a_gpu(measured):
    """The training step on a GPU, each way, alternating."""
    path = measured / "gpu.json"
    if not path.is_file():
        return ""
    found = read_json(path)
    fastest = min(found["step_ms"], key=found["step_ms"].get)
    rows = [[way, f"{ms:.1f}"] for way, ms in found["step_ms"].items()]
    return "\n\n".join(
        [
            f"On one {found['device']} (torch {found['torch']}), milliseconds of a step of\n"
            f"{found['batch']} images, the median of 15 turns of 50 steps each:",
            markdown(["step", "ms"], rows),
            f"The fastest is {fastest}.\n"
            f"{found['article_epochs']} epochs of the `article` preset on {found['article_images']} images took "
            f"{found['article_epochs_s']:.0f} s, asking once whether\ncompiling pays included, in "
            f"{found['precision']} and {found['peak_gpu_gb']:.1f} GB. All 1000 epochs: not measured.",
        ]
    )


def minutes(measured):
    """Quality against minutes, the recipe of today beside the one before, on both kinds of machine."""
    kinds = {"with": measured / "minutes_bfloat16.csv", "without": measured / "minutes_avx2.csv"}
    studies = {kind: pd.read_csv(path) for kind, path in kinds.items() if path.is_file()}
    if not studies:
        return ""
    columns = {"seconds": "minutes", "pixel_auroc": "pixel AUROC", "f1_max": "F1 max"}
    table = pd.concat({kind: one.set_index(["recipe", "step"])[[*columns]] for kind, one in studies.items()}, axis=1)
    rows = [
        [recipe, str(step)]
        + [
            f"{row[kind, name] / 60:.1f}" if name == "seconds" else f"{row[kind, name]:.3f}"
            for name in columns
            for kind in studies
        ]
        for (recipe, step), row in table.iterrows()
    ]
    head = [f"{title}, {kind}" for title in columns.values() for kind in studies]
    return "\n\n".join(
        [
            "What a minute of training brings on synthetic hazelnuts, seed 0, on two cores "
            f"{' and '.join(studies)}\nbfloat16 units: `quick` and the recipe before\n"
            "(`python -m benchmarks time DIR --recipes quick,before`).",
            markdown(["recipe", "step", *head], rows),
        ]
    )


def seeds(measured):
    """What other seeds give, and whether the recipe reaches what it set out to."""
    path = measured / "seeds.csv"
    if not path.is_file():
        return ""
    study, rows = pd.read_csv(path), []
    for (data, recipe), part in study.groupby(["data", "recipe"], sort=False):
        means = part[["pixel_auroc", "f1_max"]].mean()
        spread = part[["pixel_auroc", "f1_max"]].max() - part[["pixel_auroc", "f1_max"]].min()
        wanted = TARGETS[data]
        rows.append(
            [data, recipe, str(len(part))]
            + [f"{mean:.3f} ({apart:.3f})" for mean, apart in zip(means, spread, strict=True)]
            + [", ".join(reached(mean, goal) for mean, goal in zip(means, wanted, strict=True))]
        )
    return "\n\n".join(
        [
            "Other seeds, trained on the GPU: means, in brackets what lies between the lowest and the highest.\n"
            "*Goal*: what `quick` was to reach in pixel AUROC and in F1 max (✓ reached, ✗ missed).",
            markdown(["data", "recipe", "seeds", "pixel AUROC", "F1 max", "goal"], rows),
        ]
    )


def reached(mean, goal):
    return f"{goal:.3f} {'✓' if mean >= goal else '✗'}"


def other_studies(measured):
    parts = []
    for name in ("scale", "precision"):
        path = measured / f"{name}.csv"
        if path.is_file():
            frame = pd.read_csv(path)
            rows = [[f"{value:.4g}" for value in row] for row in frame.itertuples(index=False)]
            parts += [f"`python -m benchmarks {name}`:", markdown(list(frame), rows)]
    return "\n\n".join(parts)
