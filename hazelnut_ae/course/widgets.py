"""The interactive figures of the notebooks (ipywidgets); without a kernel the last picture stays."""

import base64
import io
from pathlib import Path

import anywidget
import ipywidgets
import numpy as np
import scipy
import torch
import traitlets
from matplotlib.patches import Rectangle
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from hazelnut_ae import detection, diagrams, figures, metrics
from hazelnut_ae.course import charts

TOOLS = {  # colour and width of a stroke; letters are drawn where it begins
    "scratch": ((214, 178, 138), 4),
    "dirt": ((66, 52, 34), 14),
    "letters": ((236, 234, 228), 34),
    "hole": ((22, 14, 9), 20),
}
EXAMPLE = [[[96, 140], [112, 148], [128, 152], [144, 160]]]  # the first scratch


class InteractiveFigure(ipywidgets.VBox):
    """Controls above a figure that is drawn again at each change; without a kernel a page shows only the picture.

    Args:
        controls: a widget with all controls.
        observed: widgets whose `value` the figure depends on.
        draw: function without arguments that returns a matplotlib figure.
    """

    def __init__(self, controls, observed, draw):
        self.draw = draw
        self.picture = ipywidgets.Image(format="jpeg", layout={"max_width": "100%", "object_fit": "contain"})
        super().__init__([controls, self.picture])
        for widget in observed:
            widget.observe(self.refresh, "value")
        self.refresh()

    def refresh(self, change=None):
        """Draws the figure again, as a JPEG of twice the resolution at which it is shown."""
        figure, file = self.draw(), io.BytesIO()
        figure.savefig(file, format="jpeg", dpi=2 * figures.DPI, pil_kwargs={"quality": 82, "subsampling": 0})
        self.picture.layout.width = f"{round(figure.get_figwidth() * figures.DPI)}px"
        self.picture.value = file.getvalue()

    def _repr_mimebundle_(self, **kwargs):
        data = super()._repr_mimebundle_(**kwargs) | {"image/jpeg": base64.b64encode(self.picture.value).decode()}
        return data, {"image/jpeg": {"width": int(self.picture.layout.width.removesuffix("px"))}}


def interactive_figure(draw, **controls):
    """Returns a figure that `draw` draws from the values of ipywidgets, its keyword arguments."""
    box = ipywidgets.HBox(list(controls.values()), layout={"flex_flow": "row wrap"})
    return InteractiveFigure(box, controls.values(), lambda: draw(**{key: one.value for key, one in controls.items()}))


def slider(value, least, most, step, words):
    """Returns a slider that reacts when it is released, so that slow figures do not queue up."""
    widget = ipywidgets.IntSlider if isinstance(step, int) else ipywidgets.FloatSlider
    return widget(value, min=least, max=most, step=step, description=words, continuous_update=False)


class Canvas(anywidget.AnyWidget):
    """A picture to draw on: `picture` is a PNG in base64, `strokes` are [[[x, y], ...], ...] in pixels."""

    _esm = Path(__file__).with_name("canvas.js")
    picture = traitlets.Unicode().tag(sync=True)
    strokes = traitlets.List().tag(sync=True)


def draw_a_defect(model, nuts, tau=0.2, caption=""):
    """Returns a nut to draw on (notebook 6) and its reconstruction; the drawing is the mask.

    Args:
        model: the Autoencoder.
        nuts: uint8 [N, 3, 256, 256], to choose from.
        tau: start value of the threshold.
        caption: the line under the figure.
    """
    canvas = Canvas(strokes=EXAMPLE)
    nut, threshold = slider(0, 0, len(nuts) - 1, 1, "nut"), slider(tau, 0.02, 0.8, 0.01, "τ")
    tool = ipywidgets.Dropdown(options=list(TOOLS), description="draw")
    text = ipywidgets.Text("NUT", description="letters", layout={"width": "12em"})
    undo, clear = (ipywidgets.Button(description=words) for words in ("undo", "clear"))
    tools = ["scratch"] * len(EXAMPLE)  # of each stroke

    def draw():
        del tools[len(canvas.strokes) :]
        tools.extend([tool.value] * (len(canvas.strokes) - len(tools)))
        image, mask = painted(nuts[nut.value], zip(tools, canvas.strokes, strict=True), text.value)
        Image.fromarray(image.transpose(1, 2, 0)).save(file := io.BytesIO(), format="png")
        canvas.picture = base64.b64encode(file.getvalue()).decode()
        reconstruction = detection.reconstruct(model, image[None])  # [1, 3, 256, 256]
        residual = detection.residual(image[None], reconstruction)[0]  # [256, 256]
        found = residual > threshold.value
        counts = metrics.confusion(found, mask)
        words = f"marked: precision {metrics.precision(counts):.2f}, recall {metrics.recall(counts):.2f}"
        titles = ["input", "reconstruction", "residual (white: 0.6)", words if mask.any() else "marked"]
        row = [image, reconstruction[0], residual, figures.marked(image, found, mask)]
        return figures.panels([row], titles, caption=caption, values=0.6)

    undo.on_click(lambda _: canvas.set_trait("strokes", canvas.strokes[:-1]))
    clear.on_click(lambda _: canvas.set_trait("strokes", []))
    box = ipywidgets.HBox([canvas, ipywidgets.VBox([nut, tool, text, threshold, undo, clear])])
    widget = InteractiveFigure(box, (nut, threshold, text), draw)
    canvas.observe(widget.refresh, "strokes")
    return widget


def painted(nut, strokes, text="NUT"):
    """Draws strokes, pairs (name of a tool, [[x, y], ...]), on a nut.

    Returns: the picture, uint8 [3, 256, 256], and the mask of the strokes, bool [256, 256].
    """
    picture, mask = Image.fromarray(nut.transpose(1, 2, 0)), Image.new("1", (nut.shape[2], nut.shape[1]))
    for tool, points in strokes:
        colour, width = TOOLS[tool]
        points = [tuple(point) for point in points]
        for image, ink in ((picture, colour), (mask, 1)):
            draw = ImageDraw.Draw(image)
            draw.fontmode = "1"  # letters without soft edges: picture and mask agree to the pixel
            if tool == "letters":
                draw.text(points[0], text, fill=ink, font_size=width, anchor="mm")
                continue
            draw.line(points, fill=ink, width=width, joint="curve")
            for x, y in (points[0], points[-1]):  # round ends
                draw.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=ink)
    return np.asarray(picture).transpose(2, 0, 1).copy(), np.asarray(mask)


def score_distributions():
    """Returns normal scores of good and defective items (notebook 8): change their distance, the prevalence and τ."""
    options = [0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001]
    shares = ipywidgets.SelectionSlider(options=options, value=0.1, description="defective")
    distance, tau = slider(2.0, 0.0, 4.0, 0.1, "distance"), slider(1.5, -3.0, 6.0, 0.1, "τ")
    return interactive_figure(distributions, distance=distance, prevalence=shares, tau=tau)


def distributions(distance, prevalence, tau):
    """Draws both densities, the ROC curve, the precision–recall curve and F1 by τ, each with its point at τ."""
    figure, (axes,) = charts.grid(1100, 270, 1, 4, (44, 40, 17, 35), (0.28, 0))
    from sklearn.metrics import auc  # seconds to import, for this one widget

    x, normal = np.linspace(-4, 8, 601), scipy.stats.norm  # SciPy imports its statistics here, on first use
    recall, alarms, precision, f1 = rates(x, distance, prevalence)
    at = [float(np.interp(tau, x, values)) for values in (recall, alarms, precision, f1)]
    axes[0].fill_between(x, (1 - prevalence) * normal.pdf(x), color="0.6", label="good")
    defective = prevalence * normal.pdf(x - distance)
    axes[0].fill_between(x, defective, color=figures.DEFECTIVE, alpha=0.8, label="defective")
    axes[0].axvline(tau, color="black", linestyle="--", linewidth=1)
    axes[0].legend(frameon=False, fontsize=8)
    axes[0].set(xlabel="score", yticks=[], title=f"defective: {100 * prevalence:g} %")
    curves = (
        (alarms, recall, at[1], at[0], "share of good marked", "recall", f"AUROC {normal.cdf(distance / 2**0.5):.2f}"),
        (recall, precision, at[0], at[2], "recall", "precision", f"average precision {auc(recall, precision):.2f}"),
        (x, f1, tau, at[3], "τ", "F1", f"F1 {at[3]:.2f}; at best {f1.max():.2f}"),
    )
    for ax, (across, up, here, there, name, other, title) in zip(axes[1:], curves, strict=True):
        ax.plot(across, up, color="black", linewidth=1.5)
        ax.plot([here], [there], "o", color=figures.DEFECTIVE)
        ax.set(xlabel=name, ylabel=other, title=title, ylim=(0, 1.03))
    for ax in axes:
        for words in (ax.title, ax.xaxis.label, ax.yaxis.label):
            words.set_fontsize(9)
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def rates(tau, distance, prevalence):
    """(recall, share of good marked, precision, F1) at each τ for good ~ N(0, 1), defective ~ N(distance, 1)."""
    normal = scipy.stats.norm
    recall, alarms = normal.sf(tau - distance), normal.sf(tau)
    tp, fp = prevalence * recall, (1 - prevalence) * alarms
    return recall, alarms, tp / (tp + fp), 2 * tp / (tp + fp + prevalence)


CHANGES = {  # of an image float [3, H, W] in [0, 1], by an amount of 0 to 10
    "shift": lambda x, amount: np.roll(x, round(amount), axis=2),  # pixels
    "blur": lambda x, amount: gaussian_filter(x, (0, amount / 2, amount / 2)),  # σ in half pixels
    "more light": lambda x, amount: x + 0.02 * amount,
    "noise": lambda x, amount: x + 0.02 * amount * np.random.default_rng(0).standard_normal(x.shape),
}


def l2_vs_ssim(nut):
    """Returns a nut, uint8 [3, H, W], compared with a changed one by L2 and by SSIM (notebook 9)."""
    change = ipywidgets.Dropdown(options=list(CHANGES), value="more light", description="change")
    amount = slider(3, 0, 10, 1, "amount")
    return interactive_figure(lambda **values: differences(nut, **values), change=change, amount=amount)


def differences(nut, change, amount):
    """Draws the figure of `l2_vs_ssim`."""
    from hazelnut_ae.comparison.autoencoders import ssim_map  # seconds, for one notebook

    changed = np.clip(CHANGES[change](nut / 255, amount), 0, 1)  # [3, H, W]
    before, after = (torch.from_numpy(one.mean(axis=0)).float()[None, None] for one in (nut / 255, changed))
    l2 = (before - after)[0, 0].abs().numpy()  # [H, W], grey as what SSIM sees
    ssim = (1 - ssim_map(before, after)[0]).numpy()  # [H, W]
    titles = ["the nut", change, f"L2 distance {np.sqrt((l2**2).mean()):.2f}", f"1 − SSIM {ssim.mean():.2f}"]
    return figures.panels([[nut, changed, l2, ssim]], titles, caption="Both maps: white from 0.6 on.", values=0.6)


def paint_a_mask(truth, marked):
    """Returns a button for each pixel of a small mask, bool [H, W], and the four counts (notebook 1)."""
    size, width = {"width": "30px", "height": "30px"}, truth.shape[1]
    buttons = [
        ipywidgets.ToggleButton(value=bool(value), layout=size, tooltip=f"row {row + 1}, column {column + 1}")
        for (row, column), value in np.ndenumerate(marked)
    ]
    grid = ipywidgets.GridBox(buttons, layout={"grid_template_columns": f"repeat({width}, 34px)"})
    values = lambda: np.reshape([one.value for one in buttons], truth.shape)  # noqa: E731
    return InteractiveFigure(grid, buttons, lambda: outcomes(values(), truth))


def outcomes(marked, truth):
    """Draws truth, marked pixels and the outcome of each, with the measures below."""
    c = metrics.confusion(marked, truth)
    words = f"TP {c.tp}, FP {c.fp}, FN {c.fn}, TN {c.tn}: precision {metrics.precision(c):.2f}, "
    words += f"recall {metrics.recall(c):.2f}, F1 {metrics.f1(c):.2f}, accuracy {metrics.accuracy(c):.2f}"
    pictures, names = [truth, marked, np.zeros_like(truth)], ["ground truth", "you marked", "compared"]
    figure = figures.panels([pictures], names, caption=words, panel=200)
    for (row, column), answer in np.ndenumerate(marked):
        if answer or truth[row, column]:  # colours of Figure 2
            colour = diagrams.RIGHT if answer == truth[row, column] else diagrams.WRONG
            word = "FN" if not answer else "TP" if truth[row, column] else "FP"
            figure.axes[2].add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color=colour))
            figure.axes[2].text(column, row, word, ha="center", va="center", fontsize=7)
    return figure
