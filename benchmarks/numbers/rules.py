"""The part on rules for τ that need no labels: what each reaches on every set, for every detector's map."""

from benchmarks.numbers.cells import listed, markdown, paragraphs, percent, study, two_digits

PASTED = "pasted defects"
ENOUGH, FLOOR = 0.9, 0.6  # of the best F1: wanted in four of five cells, and the least in every cell
FACTS = ("data", "system", "f1_max", "tau_best", "tau_pasted", "pasted_f1_max", "area", "pasted_area")

ABOUT = """The F1 at the τ of five label-free rules, as a share of the F1 at the best τ, over all pixels. Each rule sees
held-out good images alone: `python -m benchmarks label-free DIR --run RUN`. *Pasted defects* are patches of good images
in held-out ones (`synthetic_anomalies`); that rule was fixed on the synthetic hazelnuts and hazelnut_toy. The *median
of three* is the middle one of the 99 % quantile, the exponential rule and the pasted defects; it became the rule of the
memory bank after all of this table was known. The memory bank ran on two cores and counts every pixel; the other
systems ran in their `quick` setting, seed 0, on a GPU, and count every third pixel."""

WHY = """Why pasted defects fail: the best τ depends on how large and how visible the real defects are, and no good
image tells that. *F1 max*: of the real defects, from the worst system to the best, and of the pasted ones. The last
columns: the τ of the pasted defects, divided by the best τ."""


def other_rules(folder):
    """The table of `label-free`, and in how many cells each rule is good enough."""
    table = study(folder, "label_free")
    if table is None:
        return ""
    names = [name for name in table if name not in FACTS]
    rows = [
        [row["data"], row["system"], two_digits(row["f1_max"]), *(percent(row[name]) for name in names)]
        for row in table.to_dict("records")
    ]
    good = [
        f"{name}: {(table[name] >= ENOUGH).sum()} of {len(table)}, lowest {percent(table[name].min())}"
        for name in names
    ]
    worst = table.groupby("data", sort=False)[PASTED].min()
    failed = [name for name, least in worst.items() if least < FLOOR]
    others = table[~table["data"].isin(failed)][PASTED]
    bank = table[table["system"] == "memory bank"]["median of three"]
    return paragraphs(
        "## One rule for every map?",
        ABOUT,
        markdown(["data", "system", "F1 max", *names], rows),
        f"Cells in which a rule reaches {percent(ENOUGH)}: {'; '.join(good)}. Pasted defects reach at least "
        f"{percent(others.min())}\nof F1 max on every set but {listed(failed)}, where the lowest is "
        f"{percent(worst.min())}. So the memory bank takes the median of\nthree, which reaches "
        f"{listed([percent(one) for one in bank])} of its F1 max, and all others take the\nexponential rule.",
        WHY,
        why(table),
    )


def why(table):
    """A table: size and visibility of real and pasted defects, and the τ of the pasted ones by the best τ."""
    table = table.assign(off=table["tau_pasted"] / table["tau_best"])
    off = table.pivot(index="data", columns="system", values="off")[list(table["system"].unique())]
    rows = [
        [name, *(f"{100 * part[area].iloc[0]:.1f} %" for area in ("area", "pasted_area"))]
        + [f"{part[one].min():.2f} to {part[one].max():.2f}" for one in ("f1_max", "pasted_f1_max")]
        + [f"{number:.1f}" for number in off.loc[name]]
        for name, part in table.groupby("data", sort=False)
    ]
    return markdown(["data", "defective pixels", "pasted ones", "F1 max", "of the pasted", *off], rows)
