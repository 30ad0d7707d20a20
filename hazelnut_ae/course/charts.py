"""Charts of the measurements that come with the course (notebooks 5 and 10)."""

import numpy as np

from hazelnut_ae.figures import BLUE, GREEN, VERMILION, blank

RECIPES = {"quick": (BLUE, "-o"), "five fixed copies": (VERMILION, ":^"), "before": ("0.45", "--s")}
SETS = tuple(zip((BLUE, VERMILION, "0.45", GREEN, "black"), "osD^v", strict=True))  # markers differ without colour, too


def grid(width, height, rows, columns, margins, gaps, caption="", **options):
    """Returns (figure, axes [rows, columns]); margins: left, bottom, right, top in pixels; gaps: shares of an axis."""
    figure, room = blank(width, height, caption)
    left, bottom, right, top = margins
    total = height + room
    figure.subplots_adjust(left / width, (room + bottom) / total, 1 - right / width, 1 - top / total, *gaps)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def learning_curves(table, measures=("pixel_auroc", "f1_max"), over="seconds", caption=""):
    """Draws what each training recipe reaches: a row of charts per data set, a column per measure.

    Args:
        table: DataFrame as `shipped.time_to_quality` returns it; the median over the seeds is drawn.
        measures: columns of the table.
        over: "seconds" (drawn in minutes) or "step".
        caption: the line under the figure.
    """
    sets = list(table["data"].unique())
    width, height = 40 + 300 * len(measures), 40 + 230 * len(sets)
    figure, axes = grid(width, height, len(sets), len(measures), (60, 40, 12, 26), (0.25, 0.35), caption)
    for row, name in enumerate(sets):
        for ax, measure in zip(axes[row], measures, strict=True):
            for recipe, part in table[table["data"] == name].groupby("recipe"):
                line = part.groupby("step")[["seconds", measure]].median().reset_index()
                x = line["seconds"] / 60 if over == "seconds" else line["step"]
                colour, style = RECIPES[recipe]
                ax.plot(x, line[measure], style, color=colour, label=recipe, markersize=4, linewidth=1.6)
            ax.set_title(measure.replace("_", " ").replace("auroc", "AUROC").replace("f1", "F1"), fontsize=9)
            ax.set_xlabel("minutes" if over == "seconds" else "step", fontsize=8)
            ax.spines[["top", "right"]].set_visible(False)
            ax.tick_params(labelsize=8)
        axes[row][0].set_ylabel(name, fontsize=9)
    axes[0][0].legend(frameon=False, fontsize=8)
    return figure


def ladder(measured, caption=""):
    """Draws pixel AUROC and mean F1-max of each rung of notebook 10; measured: {data set: list of results}."""
    rungs = [one["system"] for one in next(iter(measured.values()))]
    figure, (axes,) = grid(960, 80 + 40 * len(rungs), 1, 2, (190, 42, 12, 26), (0.06, 0), caption, sharey=True)
    for at, ((name, results), (colour, marker)) in enumerate(zip(measured.items(), SETS, strict=False)):
        y, auroc = np.arange(len(rungs)) + 0.14 * (at - 2), [one["pixels"]["auroc"] for one in results]
        axes[0].hlines(y, *np.transpose([one["pixels"]["intervals"]["auroc"] for one in results]), color=colour)
        for value, height in zip(auroc, y, strict=True):
            axes[0].text(
                0.605 + 0.06 * (at % 2), height, f"◂ {value:.2f}" * (value < 0.6), color=colour, fontsize=8, va="center"
            )
        f1_max = [np.mean([defect["f1_max"] for defect in one["defects"].values()]) for one in results]
        for ax, values in zip(axes, (auroc, f1_max), strict=True):
            ax.plot(values, y, marker, color=colour, label=name, markersize=5)
    axes[0].set_yticks(range(len(rungs)), rungs)
    axes[0].set_xlim(0.6, 1.005)  # the few below it are given as numbers
    for ax, title in zip(axes, ("pixel AUROC", "mean F1-max of the kinds of defects"), strict=True):
        ax.set_title(title, fontsize=10)
        ax.grid(axis="y", color="0.9")
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].legend(fontsize=8, loc="lower left", framealpha=1)
    return figure
