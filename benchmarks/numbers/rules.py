"""The part of the README on rules for τ that need no labels: what each keeps on every set, of every detector's map."""

import pandas as pd

from benchmarks.numbers.cells import listed, markdown, percent, two_digits

OWN = "pasted defects"
ENOUGH, FLOOR = 0.9, 0.6  # of F1 max: wanted in four of five cells, and never less
FACTS = ("tau_best", "tau_pasted", "pasted_f1_max", "area", "pasted_area")  # columns that are no rule's


def other_rules(folder):
    """The table of `studies label-free`, and how many cells each rule serves."""
    path = folder / "measured" / "label_free.csv"
    if not path.is_file():
        return ""
    study = pd.read_csv(path)
    names = [name for name in study if name not in ("data", "system", "f1_max", *FACTS)]
    rows = [
        [row["data"], row["system"], two_digits(row["f1_max"]), *(percent(row[name]) for name in names)]
        for row in study.to_dict("records")
    ]
    served = [
        f"{name}: {(study[name] >= ENOUGH).sum()} of {len(study)}, lowest {percent(study[name].min())}"
        for name in names
    ]
    worst = study.groupby("data", sort=False)[OWN].min()
    failed = [name for name, least in worst.items() if least < FLOOR]
    others = study[~study["data"].isin(failed)][OWN]
    bank = study[study["system"] == "memory bank"]["median of three"]
    return "\n\n".join(
        [
            "## One rule for every map?",
            "What five rules for τ keep of the F1 at the best τ over all pixels, from held-out good images alone:\n"
            "`python -m benchmarks label-free DIR --run RUN`. *Pasted defects* are patches of good images\n"
            "in held-out ones (`pasting`); that rule was fixed on the synthetic hazelnuts and hazelnut_toy. The\n"
            "*median of three* is the middle one of the 99 % quantile, the exponential rule and the pasted defects;\n"
            "that it is the rule of the memory bank was decided with all of this table in sight. The memory bank: on\n"
            "two cores, every pixel; the other systems in their `quick` setting, seed 0, on a GPU, every third pixel.",
            markdown(["data", "system", "F1 max", *names], rows),
            f"Cells in which a rule keeps {percent(ENOUGH)}: {'; '.join(served)}. Pasted defects keep at least "
            f"{percent(others.min())}\nof F1 max on every set but {listed(failed)}, where they keep as little "
            f"as {percent(worst.min())}. So the memory bank takes the median of\nthree, "
            f"which keeps {listed([percent(one) for one in bank])} of its F1 max, and all others the\nexponential one.",
            *why(study),
        ]
    )


def why(study):
    """How far the τ of pasted defects is from the best one, and how large and how visible both kinds of defects are."""
    study = study.assign(off=study["tau_pasted"] / study["tau_best"])
    sets = study.groupby("data", sort=False)
    table = study.pivot(index="data", columns="system", values="off")[list(study["system"].unique())]
    rows = [
        [name, *(f"{100 * part[area].iloc[0]:.1f} %" for area in ("area", "pasted_area"))]
        + [f"{part[one].min():.2f} to {part[one].max():.2f}" for one in ("f1_max", "pasted_f1_max")]
        + [f"{number:.1f}" for number in table.loc[name]]
        for name, part in sets
    ]
    head = ["data", "defective pixels", "pasted ones", "F1 max", "of the pasted", *table]
    return (
        "Why pasted defects fail: the best τ hangs on how large and how visible the real defects are, and no good\n"
        "image tells that. *F1 max*: of the real defects, from the worst system to the best, and of the pasted ones;\n"
        "then how many times as high the τ of the pasted ones is as the best.",
        markdown(head, rows),
    )
