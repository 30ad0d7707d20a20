"""Charts of the measurements that come with the course (notebook 10)."""

import numpy as np

from hazelnut_ae.figures import BLUE, GREEN, VERMILION, blank

SETS = tuple(zip((BLUE, VERMILION, "0.45", GREEN, "black"), "osD^v", strict=True))  # markers differ without colour, too


def grid(width, height, rows, columns, margins, gaps, caption="", **options):
    """Returns (figure, axes [rows, columns]); margins: left, bottom, right, top in pixels; gaps: shares of an axis."""
    figure, room = blank(width, height, caption)
    left, bottom, right, top = margins
    total = height + room
    figure.subplots_adjust(left / width, (room + bottom) / total, 1 - right / width, 1 - top / total, *gaps)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def ladder(measured, caption=""):
    """Draws pixel AUROC and mean F1-max of each rung of notebook 10; measured: {data set: list of results}."""
    rungs = [one["system"] for one in next(iter(measured.values()))]
    figure, (axes,) = grid(960, 80 + 40 * len(rungs), 1, 2, (190, 42, 12, 26), (0.06, 0), caption, sharey=True)
    for at, ((name, results), (colour, marker)) in enumerate(zip(measured.items(), SETS, strict=False)):
        y, auroc = np.arange(len(rungs)) + 0.14 * (at - 2), [one["pixels"]["auroc"] for one in results]
        axes[0].hlines(y, *np.transpose([one["pixels"]["intervals"]["auroc"] for one in results]), color=colour)
        for value, height in zip(auroc, y, strict=True):
            words, place = f"◂ {value:.2f}" * (value < 0.6), 0.605 + 0.06 * (at % 2)
            axes[0].text(place, height, words, color=colour, fontsize=8, va="center")
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
