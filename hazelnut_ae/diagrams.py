"""The article's drawings (notebooks 1, 4 and 6): autoencoder (Figure 1), outcomes (Figure 2), algorithm (Figure 8)."""

import numpy as np
import torch
from matplotlib.patches import FancyArrowPatch, Rectangle

from hazelnut_ae.autoencoder import TABLE_1, TABLE_2, table_with_sizes
from hazelnut_ae.figures import BLUE, DPI, ORANGE, blank, draw

RIGHT, WRONG = "#DCE9F2", "#F6E3D3"  # pale blue and pale orange; labels tell them apart in grey


def outputs(table, side):
    """Returns (channels, side) of the output of each convolution of a table, for an input of `side` pixels."""
    with torch.device("meta"):  # shapes without numbers
        return [(row["out"], row["output"][1]) for row in table_with_sizes(table, side) if row["kernel"]]


ENCODER, DECODER = outputs(TABLE_1, 256), outputs(TABLE_2, 1)  # 256 pixels to 1, and back


def _stage(width, height, caption):
    """A figure, and axes that cover it above its caption, in pixels with the origin at the top left."""
    figure, room = blank(width, height, caption)
    ax = figure.add_axes((0, room / (height + room), 1, height / (height + room)))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    return figure, ax


def _picture(figure, ax, picture, x, y, side):
    """Draws a picture of side×side pixels whose top left corner is at x, y of the stage `ax`."""
    width, height = figure.get_size_inches() * DPI
    total, floor = ax.get_ylim()[0], height - ax.get_ylim()[0]
    inset = figure.add_axes((x / width, (floor + total - y - side) / height, side / width, side / height))
    inset.set(xticks=[], yticks=[])
    draw(inset, picture)


def _text(ax, x, y, text, fontsize=8, va="center", **options):
    ax.text(x, y, text, ha="center", va=va, fontsize=fontsize, **options)


def _arrow(ax, start, end):
    style = dict(arrowstyle="-|>", mutation_scale=11, color="0.3", linewidth=1.1, shrinkA=0, shrinkB=0)
    ax.add_patch(FancyArrowPatch(start, end, **style))


def autoencoder(image=None, reconstruction=None, caption="", encoder=ENCODER, decoder=DECODER):
    """Figure 1: the image, the encoder, the latent vector, the decoder, the reconstruction.

    image, reconstruction: [3, H, W] or None; encoder, decoder: lists of (channels, side), a bar for each.
    """
    width, height, middle, side = 920, 250, 112, 150
    figure, ax = _stage(width, height, caption)
    for picture, x, name in ((image, 16, "input $x$"), (reconstruction, width - 16 - side, "output $\\hat x$")):
        if picture is None:
            ax.add_patch(Rectangle((x, middle - side / 2), side, side, facecolor="0.93", edgecolor="0.4"))
        else:
            _picture(figure, ax, picture, x, middle - side / 2, side)
        _text(ax, x + side / 2, middle + side / 2 + 8, f"{name}\n256 × 256 × 3\n= 196,608 numbers", va="top")
    layers = [(c, s, BLUE) for c, s in encoder] + [(c, s, ORANGE) for c, s in decoder]
    widths = [5 + 2 * np.sqrt(c) for c, _, _ in layers]
    left, right = 16 + side + 26, width - 16 - side - 26
    gap = (right - left - sum(widths)) / (len(layers) - 1)
    x, edges = left, []
    for (channels, s, colour), w in zip(layers, widths, strict=True):
        h, face, alpha = 10 + 8.2 * np.sqrt(s), *(("black", 1) if s == 1 else (colour, 0.75))  # 1: the latent vector
        ax.add_patch(Rectangle((x, middle - h / 2), w, h, facecolor=face, edgecolor="white", alpha=alpha))
        _text(ax, x + w / 2, middle + h / 2 + 3, f"{channels}", va="top", fontsize=8, color="0.25")
        edges.append((x, x + w))
        x += w + gap
    _arrow(ax, (16 + side + 4, middle), (left - 3, middle))
    _arrow(ax, (right + 3, middle), (right + 22, middle))
    (enc_from, _), (lat_from, lat_to), (_, dec_to) = edges[0], edges[len(encoder) - 1], edges[-1]
    for text, a, b in (("encoder", enc_from, lat_from), ("decoder", lat_to, dec_to)):
        _text(ax, (a + b) / 2, 40, text, va="top", fontsize=10)
    _text(ax, (lat_from + lat_to) / 2, middle + 52, f"latent vector $z$\n{encoder[-1][0]} numbers", va="top")
    legend = "one bar per layer: its height grows with the side of the feature maps, its width with their number"
    _text(ax, (left + right) / 2, height - 14, f"{legend} (below)", color="0.35")
    return figure


def outcomes(counts=None, caption=""):
    """Figure 2: the table of true and predicted conditions; counts: (tp, fp, fn, tn) to write into it."""
    figure, ax = _stage(620, 330, caption)
    cells = [
        ("TP", "true positive", "defect found", RIGHT, 0, 0),
        ("FP", "false positive", "false alarm (type I error)", WRONG, 0, 1),
        ("FN", "false negative", "defect missed (type II error)", WRONG, 1, 0),
        ("TN", "true negative", "good left alone", RIGHT, 1, 1),
    ]
    x0, y0, w, h = 130, 74, 230, 115
    for i, (short, name, meaning, colour, row, column) in enumerate(cells):
        x, y = x0 + column * (w + 6), y0 + row * (h + 6)
        ax.add_patch(Rectangle((x, y), w, h, facecolor=colour, edgecolor="0.35", linewidth=0.8))
        title = short if counts is None else f"{short} = {counts[i]:,}"
        _text(ax, x + w / 2, y + 36, title, fontsize=15, weight="bold")
        _text(ax, x + w / 2, y + 68, name, fontsize=9)
        _text(ax, x + w / 2, y + 88, meaning, color="0.3")
    _text(ax, x0 + w + 3, 18, "what the mask says (true condition)", fontsize=10)
    for i, text in enumerate(("defective", "good")):
        _text(ax, x0 + i * (w + 6) + w / 2, 52, text, fontsize=9)
        _text(ax, x0 - 14, y0 + i * (h + 6) + h / 2, text, rotation=90, fontsize=9)
    _text(ax, 24, y0 + h + 3, "what the detector says\n(predicted condition)", rotation=90, fontsize=10)
    return figure


def algorithm(image, reconstruction, tau, truth=None, caption=""):
    """Figure 8: the steps of the detection algorithm, each with its real image.

    image: uint8 [3, H, W]; reconstruction: float32 [3, H, W] in [0, 1]; truth: bool [H, W], drawn last, or None.
    """
    difference = np.abs(np.asarray(image) / 255 - reconstruction)  # [3, H, W]
    residual = difference.max(axis=0)  # [H, W]
    bright = max(float(residual.max()), 1e-6)
    side, gap, top = 160, 46, 40
    steps = [
        (image, "input $x$", "", ""),
        (reconstruction, "reconstruction $\\hat x$", "autoencoder", "$\\hat x = D(E(x))$"),
        (difference / bright, "difference", "subtract", "$|x - \\hat x|$ per colour"),
        (residual, "anomaly map $r$", "largest colour", "$r = \\max_c |x_c - \\hat x_c|$"),
        (residual > tau, "predicted pixels", "threshold", f"$r > \\tau$, here $\\tau = {tau:g}$"),
    ]
    if truth is not None:
        steps.append((np.asarray(truth, bool), "ground truth", None, "comes with the data,\nnot used by the algorithm"))
    figure, ax = _stage(16 + len(steps) * (side + gap) - gap + 16, 262, caption)
    for i, (picture, name, verb, formula) in enumerate(steps):
        left = 16 + i * (side + gap)
        _picture(figure, ax, picture, left, top, side)
        _text(ax, left + side / 2, top - 8, name, va="bottom", fontsize=9)
        _text(ax, left + side / 2, top + side + 8, formula, va="top")
        if verb:
            _arrow(ax, (left - gap + 5, top + side / 2), (left - 5, top + side / 2))
            _text(ax, left + side / 2, top + side + 44, f"{i}. {verb}", weight="bold")
    return figure
