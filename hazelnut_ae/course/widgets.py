"""The interactive figures of the notebooks, with ipywidgets; without a kernel the last picture stays.

interactive_figure(draw, tau=slider)    any figure that follows its controls
draw_a_defect(model, nuts)              notebook 6: draw on a nut; see reconstruction, residual and marked pixels
l2_vs_ssim(nut)                         notebook 9: a shift, a blur, more light or noise by L2 and by SSIM
score_distributions()                   notebook 7: prevalence and τ by ROC, precision–recall and F1
paint_a_mask(truth, marked)             notebook 1: TP, FP and FN as you mark pixels
"""

import base64
import io
from pathlib import Path

import anywidget
import ipywidgets
import numpy as np
import torch
import traitlets
from matplotlib.patches import Rectangle
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter
from scipy.stats import norm

from hazelnut_ae import detection, diagrams, figures, metrics
from hazelnut_ae.comparison.autoencoders import ssim_map

TOOLS = {  # colour and width of a stroke; letters are drawn where it begins
    "scratch": ((214, 178, 138), 4),
    "dirt": ((66, 52, 34), 14),
    "letters": ((236, 234, 228), 34),
    "hole": ((22, 14, 9), 20),
}
EXAMPLE = [[[96, 140], [112, 148], [128, 152], [144, 160]]]  # the first scratch


class InteractiveFigure(ipywidgets.VBox):
    """Controls above a figure that `draw` makes anew at each change; the picture alone is what a page shows.

    Args:
        controls: a widget that contains everything to operate.
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
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        data["image/jpeg"] = base64.b64encode(self.picture.value).decode()
        data["text/plain"] = "(A widget: it can be moved where a kernel runs.)"
        return data, {"image/jpeg": {"width": int(self.picture.layout.width.removesuffix("px"))}}


def interactive_figure(draw, **controls):
    """Returns a figure that follows its controls.

    Args:
        draw: function of the controls' values that returns a matplotlib figure.
        **controls: ipywidgets with a `value`, named as the arguments of draw.
    """
    box = ipywidgets.HBox(list(controls.values()), layout={"flex_flow": "row wrap"})
    return InteractiveFigure(
        box, controls.values(), lambda: draw(**{name: control.value for name, control in controls.items()})
    )


def slider(value, least, most, step, words):
    """Returns a slider that reacts when it is released, so that slow figures do not queue up."""
    widget = ipywidgets.IntSlider if isinstance(step, int) else ipywidgets.FloatSlider
    return widget(value, min=least, max=most, step=step, description=words, continuous_update=False)


# --- notebook 6: a defect of your own --------------------------------------------------------------------------------


class Canvas(anywidget.AnyWidget):
    """A picture to draw on: `picture` is a PNG in base64, `strokes` are [[[x, y], ...], ...] in pixels."""

    _esm = Path(__file__).with_name("canvas.js")
    picture = traitlets.Unicode().tag(sync=True)
    strokes = traitlets.List().tag(sync=True)


def draw_a_defect(model, nuts, tau=0.2, caption=""):
    """Returns a nut to draw on with mouse, finger or keys, beside what the network makes of it.

    The drawing is the mask, so precision and recall are known at once.

    Args:
        model: the Autoencoder.
        nuts: uint8, shape (N, 3, 256, 256), to choose from.
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
        file = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(file, format="png")
        canvas.picture = base64.b64encode(file.getvalue()).decode()
        reconstruction = detection.reconstruct(model, image[None])  # [1, 3, 256, 256]
        residual = detection.residual(image[None], reconstruction)[0]  # [256, 256]
        found = residual > threshold.value
        counts = metrics.confusion(found, mask)
        words = f"marked: precision {metrics.precision(counts):.2f}, recall {metrics.recall(counts):.2f}"
        titles = ["input", "copy", "residual (white: 0.6)", words if mask.any() else "marked"]
        row = [image, reconstruction[0], residual, figures.marked(image, found, mask)]
        return figures.panels([row], titles, caption=caption, values=0.6)

    def take_back(button):
        canvas.strokes = canvas.strokes[:-1] if button is undo else []

    undo.on_click(take_back)
    clear.on_click(take_back)
    box = ipywidgets.HBox([canvas, ipywidgets.VBox([nut, tool, text, threshold, undo, clear])])
    widget = InteractiveFigure(box, (nut, threshold, text), draw)
    canvas.observe(widget.refresh, "strokes")
    return widget


def painted(nut, strokes, text="NUT"):
    """Draws strokes on a nut.

    Args:
        nut: uint8, shape (3, 256, 256).
        strokes: pairs (name of a tool, [[x, y], ...]).
        text: what the tool "letters" writes.
    Returns: the picture, uint8 (3, 256, 256), and the mask of the strokes, bool (256, 256).
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


# --- notebook 7: two distributions of scores -------------------------------------------------------------------------


def score_distributions():
    """Returns normal scores of good and defective items: change their distance, the prevalence and τ."""
    shares = ipywidgets.SelectionSlider(
        options=[0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001], value=0.1, description="defective"
    )
    distance, tau = slider(2.0, 0.0, 4.0, 0.1, "distance"), slider(1.5, -3.0, 6.0, 0.1, "τ")
    return interactive_figure(distributions, distance=distance, prevalence=shares, tau=tau)


def distributions(distance, prevalence, tau):
    """Draws both densities, the ROC curve, the precision–recall curve and F1 by τ, each with its point at τ."""
    figure, room = figures.blank(1100, 270)
    axes = [figure.add_axes((0.04 + 0.25 * i, (room + 40) / (270 + room), 0.195, 195 / (270 + room))) for i in range(4)]
    x = np.linspace(-4, 8, 601)
    recall, alarms, precision, f1 = rates(x, distance, prevalence)
    at = [float(np.interp(tau, x, values)) for values in (recall, alarms, precision, f1)]
    axes[0].fill_between(x, (1 - prevalence) * norm.pdf(x), color="0.6", label="good")
    axes[0].fill_between(x, prevalence * norm.pdf(x - distance), color=figures.DEFECTIVE, alpha=0.8, label="defective")
    axes[0].axvline(tau, color="black", linestyle="--", linewidth=1)
    axes[0].legend(frameon=False, fontsize=8)
    axes[0].set(xlabel="score", yticks=[], title=f"defective: {100 * prevalence:g} %")
    curves = (
        (alarms, recall, at[1], at[0], "share of good marked", "recall", f"AUROC {norm.cdf(distance / 2**0.5):.2f}"),
        (recall, precision, at[0], at[2], "recall", "precision", f"average precision {area(recall, precision):.2f}"),
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
    recall, alarms = norm.sf(tau - distance), norm.sf(tau)
    tp, fp = prevalence * recall, (1 - prevalence) * alarms
    return recall, alarms, tp / (tp + fp), 2 * tp / (tp + fp + prevalence)


def area(across, up):
    """The area under a curve whose points run from right to left."""
    return float(((up[:-1] + up[1:]) / 2 * (across[:-1] - across[1:])).sum())


# --- notebook 9: L2 and SSIM -----------------------------------------------------------------------------------------

CHANGES = {  # of an image float [3, H, W] in [0, 1], by an amount of 0 to 10
    "shift": lambda x, amount: np.roll(x, round(amount), axis=2),  # pixels
    "blur": lambda x, amount: gaussian_filter(x, (0, amount / 2, amount / 2)),  # σ in half pixels
    "more light": lambda x, amount: x + 0.02 * amount,
    "noise": lambda x, amount: x + 0.02 * amount * np.random.default_rng(0).standard_normal(x.shape),
}


def l2_vs_ssim(nut):
    """Returns a nut, uint8 [3, H, W], and the same one changed, compared by L2 and by SSIM."""
    change = ipywidgets.Dropdown(options=list(CHANGES), value="more light", description="change")
    amount = slider(3, 0, 10, 1, "amount")
    return interactive_figure(lambda **values: differences(nut, **values), change=change, amount=amount)


def differences(nut, change, amount):
    """Draws the figure of `l2_vs_ssim`."""
    changed = np.clip(CHANGES[change](nut / 255, amount), 0, 1)  # [3, H, W]
    before, after = (torch.from_numpy(one.mean(axis=0)).float()[None, None] for one in (nut / 255, changed))
    l2 = (before - after)[0, 0].abs().numpy()  # [H, W], grey as what SSIM sees
    ssim = (1 - ssim_map(before, after)[0]).numpy()  # [H, W]
    titles = ["the nut", change, f"L2 distance {np.sqrt((l2**2).mean()):.2f}", f"1 − SSIM {ssim.mean():.2f}"]
    return figures.panels([[nut, changed, l2, ssim]], titles, caption="Both maps: white from 0.6 on.", values=0.6)


# --- notebook 1: a mask of your own ----------------------------------------------------------------------------------


def paint_a_mask(truth, marked):
    """Returns a button for each pixel of a small mask, bool [H, W], and the four counts; `marked` is the start."""
    height, width = truth.shape
    buttons = [ipywidgets.ToggleButton(value=bool(value), layout={"width": "30px"}) for value in marked.flat]
    for number, button in enumerate(buttons):
        button.tooltip = f"row {number // width + 1}, column {number % width + 1}"
        button.layout.height = "30px"
    grid = ipywidgets.GridBox(buttons, layout={"grid_template_columns": f"repeat({width}, 34px)"})
    return InteractiveFigure(
        grid, buttons, lambda: outcomes(np.array([one.value for one in buttons]).reshape(height, width), truth)
    )


def outcomes(marked, truth):
    """Draws truth, marked pixels and the outcome of each, with the measures as title."""
    figure, room = figures.blank(640, 230)
    c = metrics.confusion(marked, truth)
    cells = (("TP", marked & truth, diagrams.RIGHT), ("FP", marked & ~truth, diagrams.WRONG))
    cells += (("FN", ~marked & truth, diagrams.WRONG),)  # colours of Figure 2; the letters say which error it is
    for i, (name, picture) in enumerate((("ground truth", truth), ("you marked", marked), ("compared", None))):
        ax = figure.add_axes((0.02 + 0.33 * i, (room + 4) / (230 + room), 0.31, 180 / (230 + room)))
        ax.imshow(np.zeros(truth.shape) if picture is None else picture, cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.set_title(name, fontsize=9)
        for word, where, colour in cells if picture is None else ():
            for row, column in np.argwhere(where):
                ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color=colour))
                ax.text(column, row, word, ha="center", va="center", fontsize=7)
    words = f"TP {c.tp}, FP {c.fp}, FN {c.fn}, TN {c.tn}: precision {metrics.precision(c):.2f}, "
    words += f"recall {metrics.recall(c):.2f}, F1 {metrics.f1(c):.2f}, accuracy {metrics.accuracy(c):.2f}"
    figure.suptitle(words, fontsize=9, y=0.99)
    return figure
