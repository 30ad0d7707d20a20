"""The article's figures 3–7 and 9–14, for all notebooks: from arrays to a matplotlib figure.

The drawings (Figures 1, 2 and 8) are in `diagrams`. In all functions an image is uint8 or float32 in [0, 1], [3, H, W];
a mask is bool [H, W]; an anomaly map is float32 [H, W].
"""

import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import colormaps, cycler
from matplotlib.figure import Figure
from scipy.ndimage import binary_dilation

from hazelnut_ae.io.files import atomic_path
from hazelnut_ae.metrics import confusion, f1

DPI = 100
PANEL = 256
MARGIN = 10

# Okabe and Ito's palette suits colour-blind readers; line styles and markers suit grey print.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK = "#E69F00", "#56B4E9", "#000000"
DEFECTIVE = VERMILION  # defective pixels, whatever the defect
DEFECT_STYLE = {
    "crack": dict(color=BLUE, linestyle="-", marker="o"),
    "cut": dict(color=VERMILION, linestyle="--", marker="s"),
    "hole": dict(color=GREEN, linestyle="-", marker="^"),
    "print": dict(color=PURPLE, linestyle="--", marker="D"),
}
OTHER_STYLES = cycler(
    color=[ORANGE, SKY, BLACK, BLUE, VERMILION, GREEN], linestyle=["-", "--", ":", "-.", ":", "-."], marker=[*"vPXos^"]
)
FOUND, TRUTH = (1.0, 0.58, 0.0), (1.0, 1.0, 1.0)  # predicted pixels and the outline of the truth
ARTICLE_FIGURE = {"print": 9, "crack": 10, "cut": 11, "hole": 12}


def styles(defects):
    """Returns {defect: line style}: fixed for the article's four, in sorted order for others."""
    others = zip(sorted(set(defects) - set(DEFECT_STYLE)), OTHER_STYLES(), strict=False)  # endless
    known = DEFECT_STYLE | dict(others)
    return {name: known[name] for name in defects}


def save(figure, folder, name):
    """Writes folder/name.png atomically and returns its path; DataError if it cannot be written."""
    path = Path(folder) / f"{name}.png"
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
    return path


def panels(rows, titles=(), labels=(), caption="", values=None, panel=PANEL):
    """Draws a grid of pictures.

    Args:
        rows: list of lists of images, masks (drawn in black and white) and anomaly maps (in greys); None stays empty.
        titles: texts above the columns.
        labels: texts beside the rows.
        caption: small text below.
        values: the value of a map that is drawn white (black is 0); None for its maximum.
        panel: side of a picture in pixels.
    """
    columns = max(len(row) for row in rows)
    left = MARGIN + (18 if any(labels) else 0)
    top = 26 if any(titles) else MARGIN
    figure, _ = blank(left + columns * (panel + MARGIN), top + len(rows) * (panel + MARGIN) - MARGIN, caption, below=6)
    width, height = figure.get_size_inches() * DPI
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            x, y = left + c * (panel + MARGIN), height - top - (r + 1) * panel - r * MARGIN
            ax = figure.add_axes((x / width, y / height, panel / width, panel / height))
            ax.set_axis_off()
            if picture is not None:
                draw(ax, picture, values)
            if r == 0 and c < len(titles):
                ax.set_title(titles[c], fontsize=9, pad=4)
            if c == 0 and r < len(labels):
                ax.text(-0.03, 0.5, labels[r], transform=ax.transAxes, rotation=90, ha="right", va="center", fontsize=9)
    return figure


def draw(ax, picture, values=None):
    """Shows one image, mask or map in axes, pixel for pixel."""
    picture = np.asarray(picture)
    if picture.ndim == 3:
        picture = picture.transpose(1, 2, 0)  # [H, W, 3]
        ax.imshow(picture if picture.dtype == np.uint8 else picture.clip(0, 1), interpolation="nearest")
    else:
        top = 1 if picture.dtype == bool else values or max(float(picture.max()), 1e-6)
        ax.imshow(picture, cmap="gray", vmin=0, vmax=top, interpolation="nearest")


def blank(width, height, caption="", below=0):
    """Returns (empty figure of width×height pixels plus space for the caption, height of that space in pixels)."""
    lines = textwrap.wrap(caption, max(20, int((width - 2 * MARGIN) / 5.7)))
    room = below + (len(lines) * 14 + 8 if lines else 4)
    figure = Figure(figsize=(width / DPI, (height + room) / DPI), dpi=DPI, facecolor="white")
    if lines:
        figure.text(MARGIN / width, 6 / (height + room), "\n".join(lines), fontsize=8, color="#444444", va="bottom")
    return figure, room


def _chart(caption, xlabel, ylabel, width=640, height=360):
    figure, room = blank(width, height, caption)
    total = height + room
    ax = figure.add_axes((62 / width, (room + 42) / total, (width - 84) / width, (height - 84) / total))
    _label(ax, xlabel, ylabel)
    return figure, ax


def _label(ax, xlabel, ylabel):
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8)
    ax.set_xlabel(xlabel, fontsize=9)
    ax.set_ylabel(ylabel, fontsize=9)


def _grey(image):
    return (image / (255 if image.dtype == np.uint8 else 1)).mean(axis=0)  # [H, W] in [0, 1]


def overlay(image, anomaly_map, top=None):
    """Draws the map in colour over the grey image, float [3, H, W]; `top`: the brightest value (its maximum)."""
    strength = np.clip(anomaly_map / (top or max(float(anomaly_map.max()), 1e-6)), 0, 1)
    heat = colormaps["inferno"](strength)[..., :3]  # lightness grows with the value, so it reads in grey too
    mix = np.clip(2 * strength, 0, 0.9)[..., None]
    return ((1 - mix) * 0.7 * _grey(image)[..., None] + mix * heat).transpose(2, 0, 1)


def marked(image, predicted, truth):
    """Draws the grey image with predicted pixels in orange and the outline of the truth in white, float [3, H, W]."""
    picture = np.repeat(0.75 * _grey(image)[..., None], 3, axis=2)
    picture[predicted] = FOUND
    grown = binary_dilation(truth, iterations=2)
    picture[binary_dilation(grown, iterations=1) & ~truth] = 0  # a dark edge beside the white line
    picture[grown & ~truth] = TRUTH
    return picture.transpose(2, 0, 1)


def training_images(images, caption=""):
    """Figure 3: a row of images."""
    return panels([list(images)], caption=caption)


def defects_and_masks(images, masks, names, caption=""):
    """Figure 4: one image of each defect above its mask."""
    return panels([list(images), [np.asarray(mask, bool) for mask in masks]], titles=names, caption=caption)


def loss(history, held_out=(), caption=""):
    """Figure 5: the loss by step and its running median, and the loss of held-out images.

    history: rows (step, epoch, loss); held_out: rows (step, loss). The axis is logarithmic beyond a factor of ten.
    """
    figure, ax = _chart(caption, "step", "loss (mean squared error)")
    if len(history):
        step, epoch, value = np.asarray(history, float).T[:3]
        window = max(1, len(value) // 50)
        median = pd.Series(value).rolling(window, center=True, min_periods=1).median()
        name = f"median of {window} steps" if window > 1 else "median"
        ax.plot(step, value, color="0.75", linewidth=0.8, label="each step")
        ax.plot(step, median, color="black", linewidth=1.6, label=name)
        if len(held_out):
            ax.plot(*np.asarray(held_out, float).T, "--", color=VERMILION, linewidth=1.6, label="held-out good images")
        if np.nanmax(value) > 10 * max(np.nanmin(value), 1e-12):
            ax.set_yscale("log")
        ax.legend(frameon=False, fontsize=8)
        per_epoch = step[-1] / max(epoch[-1], 1)
        top = ax.secondary_xaxis("top", functions=(lambda s: s / per_epoch, lambda e: e * per_epoch))
        top.set_xlabel("epoch", fontsize=8)
        top.tick_params(labelsize=7)
    return figure


def f1_by_epoch(f1_of, defects=None, caption=""):
    """Figures 6 and 7: F1 by epoch, one line per defect. f1_of: {defect: [(epoch, f1), ...]}; None or nan is a gap."""
    figure, ax = _chart(caption, "epoch", "F1 of all pixels of the folder")
    chosen = list(defects or f1_of)
    for name, style in styles(chosen).items():
        points = np.array([(e, np.nan if v is None else v) for e, v in f1_of.get(name, [])], float).reshape(-1, 2)
        every = max(1, len(points) // 12)
        ax.plot(*points.T, label=name, linewidth=1.6, markersize=5, markevery=every, **style)
    if chosen:
        ax.legend(frameon=False, fontsize=8, loc="upper left")
    ax.set_ylim(0, 1)
    return figure


def latent_sizes(study, caption=""):
    """`shipped.study("latent_sizes")` by latent size: each seed as a point, the mean of the seeds as a line."""
    figure, room = blank(960, 300, caption)
    height, sizes = 300 + room, sorted(set(study["latent"]))
    styles_of = {"PCA": ("0.4", "--", "s"), "autoencoder": (BLUE, "-", "o")}
    columns = {"residual_good": "mean residual of good pixels", "copied": "share of a defect that is copied"}
    for place, (column, ylabel) in enumerate((columns | {"f1_max": "F1-max"}).items()):
        ax = figure.add_axes((0.06 + 0.33 * place, (room + 46) / height, 0.26, 240 / height))
        for system, (color, line, marker) in styles_of.items():
            runs = study[study["system"] == system]
            means = runs.groupby("latent")[column].mean()
            ax.plot(means.index, means, color=color, linestyle=line, label=system)
            ax.scatter(runs["latent"], runs[column], 18, color=color, marker=marker, alpha=0.6)
        _label(ax, "latent numbers", ylabel)
        ax.set(xscale="log", ylim=(0, None))
        ax.set_xticks(sizes, [f"{size:g}" for size in sizes])
        ax.minorticks_off()
    ax.legend(frameon=False, fontsize=8)
    return figure


def defect_panels(image, evidence, predicted, truth, caption=""):
    """Figures 9–12: original, reconstruction, predicted pixels and ground truth side by side.

    evidence: the reconstruction [3, H, W], or the anomaly map [H, W] of a detector without reconstructions.
    """
    name = "reconstruction" if np.ndim(evidence) == 3 else "anomaly map"
    row = [image, evidence, np.asarray(predicted, bool), np.asarray(truth, bool)]
    return panels([row], titles=["original", name, "predicted pixels", "ground truth"], caption=caption)


def image_and_mask(image, mask, caption=""):
    """Figure 13: an image and its mask."""
    return panels([[image, np.asarray(mask, bool)]], titles=["original", "ground truth"], caption=caption)


def thresholds(anomaly_map, taus=(0.1, 0.2, 0.7), caption=""):
    """Figure 14: the pixels above each τ."""
    return panels([[anomaly_map > tau for tau in taus]], titles=[f"τ = {tau:.3g}" for tau in taus], caption=caption)


def defects_found(images, maps, masks, taus, names, caption="", floor=0.0):
    """Draws a column per defect: original, anomaly map (all on one scale from `floor`), predicted pixels with truth."""
    top = max((float(np.quantile(m, 0.999)) - floor for m in maps), default=1.0)
    rows = [
        list(images),
        [overlay(image, m - floor, top) for image, m in zip(images, maps, strict=True)],
        [marked(i, m > tau, truth) for i, m, tau, truth in zip(images, maps, taus, masks, strict=True)],
    ]
    labels = ["original", "anomaly map", "found (orange), truth (white)"]
    return panels(rows, titles=names, labels=labels, caption=caption)


def representative(maps, masks, tau):
    """Returns (index of the image with the median F1 at τ, the lower one of two; that F1): a fair example."""
    scores = [f1(confusion(m > tau, truth)) for m, truth in zip(maps, masks, strict=True)]
    order = np.argsort(np.nan_to_num(scores, nan=-1.0), kind="stable")
    chosen = int(order[(len(order) - 1) // 2])
    return chosen, float(scores[chosen])


def typical(masks):
    """Returns the index of the mask of median area (the lower one of two): an example to show before any detection."""
    return int(np.argsort(np.asarray(masks).sum(axis=(1, 2)), kind="stable")[(len(masks) - 1) // 2])


def f1_groups(defects):
    """Returns {6: defects, 7: defects} of Figures 6 and 7: two halves of the sorted names, as in the article."""
    defects, half = sorted(defects), (len(defects) + 1) // 2
    return {number: names for number, names in ((6, defects[:half]), (7, defects[half:])) if names}
