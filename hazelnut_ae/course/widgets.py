"""What the notebooks let you turn and draw, with ipywidgets; where no kernel runs, the last picture stays.

    widgets.dial(look, tau=slider)          a figure that follows its controls
    widgets.draw_a_defect(model, nuts)      notebook 6: scratch a nut, and see copy, residual and marked pixels
    widgets.l2_vs_ssim(nut)                   notebook 9: what L2 and SSIM say of a shift, a blur, more light, noise
    widgets.score_distributions()                     notebook 7: prevalence and τ against ROC, precision–recall and F1
    widgets.paint_a_mask(truth, marked)     notebook 1: TP, FP and FN as you mark pixels

They are tools of the course, not part of a lesson.
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

TOOLS = {  # colour and width of a stroke; letters are painted where it begins
    "scratch": ((214, 178, 138), 4),
    "dirt": ((66, 52, 34), 14),
    "letters": ((236, 234, 228), 34),
    "hole": ((22, 14, 9), 20),
}
EXAMPLE = [[[96, 140], [112, 148], [128, 152], [144, 160]]]  # a scratch to begin with


class Dial(ipywidgets.VBox):
    """Controls above a picture, and the picture alone for whoever reads the notebook without a kernel."""

    def __init__(self, controls, picture):
        super().__init__([*controls, picture])
        self.picture = picture

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        data["image/jpeg"] = base64.b64encode(self.picture.value).decode()
        data["text/plain"] = "(A widget: it can be moved where a kernel runs.)"
        return data, {"image/jpeg": {"width": int(self.picture.layout.width.removesuffix("px"))}}


def dial(draw, **controls):
    """A picture that follows its controls: draw(**values) returns a matplotlib figure, anew at each change.

    controls: ipywidgets with a `value`, by the name of draw's argument.
    """
    picture = ipywidgets.Image(format="jpeg", layout=ipywidgets.Layout(max_width="100%", object_fit="contain"))

    def follow(change=None):
        show(picture, draw(**{name: control.value for name, control in controls.items()}))

    for control in controls.values():
        control.observe(follow, "value")
    follow()
    return Dial([ipywidgets.HBox(list(controls.values()), layout=ipywidgets.Layout(flex_flow="row wrap"))], picture)


def show(picture, figure):
    """Puts a matplotlib figure into an `ipywidgets.Image`, as a JPEG of twice the resolution that it is shown at."""
    file = io.BytesIO()
    figure.savefig(file, format="jpeg", dpi=2 * figures.DPI, pil_kwargs={"quality": 82, "subsampling": 0})
    picture.layout.width = f"{round(figure.get_figwidth() * figures.DPI)}px"
    picture.value = file.getvalue()


def slider(value, least, most, step, words):
    """A slider that answers when it is let go, so that slow pictures do not pile up."""
    kind = ipywidgets.IntSlider if isinstance(step, int) else ipywidgets.FloatSlider
    return kind(value, min=least, max=most, step=step, description=words, continuous_update=False)


# --- notebook 6: a defect of your own --------------------------------------------------------------------------------


class Canvas(anywidget.AnyWidget):
    """A picture to draw on: `picture` is a PNG in base64, `strokes` what was drawn, [[[x, y], ...], ...] in pixels."""

    _esm = Path(__file__).with_name("canvas.js")
    picture = traitlets.Unicode().tag(sync=True)
    strokes = traitlets.List().tag(sync=True)


def draw_a_defect(model, nuts, tau=0.2, caption=""):
    """A nut to draw on with mouse, finger or keys, beside what the network makes of it.

    model: the Autoencoder; nuts: uint8 [N, 3, 256, 256] to choose from; tau: where its slider begins. The drawing is
    the mask, so F1 can be told at once.
    """
    canvas = Canvas(strokes=EXAMPLE)
    nut = slider(0, 0, len(nuts) - 1, 1, "nut")
    tool = ipywidgets.Dropdown(options=list(TOOLS), description="draw")
    threshold = slider(tau, 0.02, 0.8, 0.01, "τ")
    text = ipywidgets.Text("NUT", description="letters", layout=ipywidgets.Layout(width="12em"))
    undo, clear = (ipywidgets.Button(description=words) for words in ("undo", "clear"))
    picture = ipywidgets.Image(format="jpeg", layout=ipywidgets.Layout(max_width="100%", object_fit="contain"))
    kinds = ["scratch"] * len(EXAMPLE)  # the tool of each stroke

    def follow(change=None):
        del kinds[len(canvas.strokes) :]
        kinds.extend([tool.value] * (len(canvas.strokes) - len(kinds)))
        image, mask = painted(nuts[nut.value], zip(kinds, canvas.strokes, strict=True), text.value)
        copy = detection.reconstruct(model, image[None])  # [1, 3, 256, 256]
        residual = detection.residual(image[None], copy)[0]  # [256, 256]
        found = residual > threshold.value
        counts = metrics.confusion(found, mask)
        words = f"marked: precision {metrics.precision(counts):.2f}, recall {metrics.recall(counts):.2f}"
        words = words if mask.any() else "marked"
        row = [image, copy[0], residual, figures.marked(image, found, mask)]
        titles = ["input", "copy", "residual (white: 0.6)", words]
        show(picture, figures.panels([row], titles, caption=caption, values=0.6))
        file = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(file, format="png")
        canvas.picture = base64.b64encode(file.getvalue()).decode()

    def take_back(button):
        canvas.strokes = canvas.strokes[:-1] if button is undo else []

    for control in (nut, threshold, text):
        control.observe(follow, "value")
    canvas.observe(follow, "strokes")
    undo.on_click(take_back)
    clear.on_click(take_back)
    follow()
    return Dial([ipywidgets.HBox([canvas, ipywidgets.VBox([nut, tool, text, threshold, undo, clear])])], picture)


def painted(nut, strokes, text="NUT"):
    """A nut with strokes on it, and where they are: (uint8 [3, 256, 256], bool [256, 256]).

    nut: uint8 [3, 256, 256]; strokes: pairs (name of a tool, [[x, y], ...]).
    """
    picture, mask = Image.fromarray(nut.transpose(1, 2, 0)), Image.new("1", (nut.shape[2], nut.shape[1]))
    for tool, points in strokes:
        colour, width = TOOLS[tool]
        for image, ink in ((picture, colour), (mask, 1)):
            draw = ImageDraw.Draw(image)
            draw.fontmode = "1"  # letters without soft edges: picture and mask agree to the pixel
            points = [tuple(point) for point in points]
            if tool == "letters":
                draw.text(points[0], text, fill=ink, font_size=width, anchor="mm")
            else:
                draw.line(points, fill=ink, width=width, joint="curve")
                for x, y in (points[0], points[-1]):  # round ends
                    draw.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=ink)
    return np.asarray(picture).transpose(2, 0, 1).copy(), np.asarray(mask)


# --- notebook 7: two bells -------------------------------------------------------------------------------------------


def score_distributions():
    """Scores of good and defective items, both normal: turn their distance, the share of defective ones and τ."""
    return dial(
        bells,
        distance=slider(2.0, 0.0, 4.0, 0.1, "distance"),
        prevalence=ipywidgets.SelectionSlider(
            options=[0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001], value=0.1, description="defective"
        ),
        tau=slider(1.5, -3.0, 6.0, 0.1, "τ"),
    )


def bells(distance, prevalence, tau):
    """The figure of `score_distributions`: the bells, ROC curve, precision–recall curve and F1 by τ, each with its point at τ."""
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


# --- notebook 9: two eyes --------------------------------------------------------------------------------------------

CHANGES = {  # of an image float [3, H, W] in [0, 1], by an amount of 0 to 10
    "shift": lambda x, amount: np.roll(x, round(amount), axis=2),  # pixels
    "blur": lambda x, amount: gaussian_filter(x, (0, amount / 2, amount / 2)),  # σ in half pixels
    "more light": lambda x, amount: x + 0.02 * amount,
    "noise": lambda x, amount: x + 0.02 * amount * np.random.default_rng(0).standard_normal(x.shape),
}


def l2_vs_ssim(nut):
    """A nut and the same one changed, as L2 and as SSIM see the difference; nut: uint8 [3, H, W]."""
    return dial(
        lambda change, amount: eyes(nut, change, amount),
        change=ipywidgets.Dropdown(options=list(CHANGES), value="more light", description="change"),
        amount=slider(3, 0, 10, 1, "amount"),
    )


def eyes(nut, change, amount):
    """The figure of `l2_vs_ssim`."""
    changed = np.clip(CHANGES[change](nut / 255, amount), 0, 1)  # [3, H, W]
    before, after = (torch.from_numpy(one.mean(axis=0)).float()[None, None] for one in (nut / 255, changed))
    l2 = (before - after)[0, 0].abs().numpy()  # [H, W], grey as what SSIM sees
    ssim = (1 - ssim_map(before, after)[0]).numpy()  # [H, W]
    titles = ["the nut", change, f"L2 distance {np.sqrt((l2**2).mean()):.2f}", f"1 − SSIM {ssim.mean():.2f}"]
    return figures.panels([[nut, changed, l2, ssim]], titles, caption="Both maps: white from 0.6 on.", values=0.6)


# --- notebook 1: a mask of your own ----------------------------------------------------------------------------------


def paint_a_mask(truth, marked):
    """A button for each pixel of a small mask: mark some, and read the four counts and measures.

    truth and marked, which is what to begin with: bool [H, W].
    """
    size = ipywidgets.Layout(width="30px", height="30px")
    buttons = [ipywidgets.ToggleButton(value=bool(value), layout=size) for value in marked.flat]
    for number, button in enumerate(buttons):
        button.tooltip = f"row {number // truth.shape[1] + 1}, column {number % truth.shape[1] + 1}"
    picture = ipywidgets.Image(format="jpeg", layout=ipywidgets.Layout(max_width="100%", object_fit="contain"))

    def follow(change=None):
        now = np.array([button.value for button in buttons]).reshape(truth.shape)
        show(picture, outcomes(now, truth))

    for button in buttons:
        button.observe(follow, "value")
    follow()
    grid = ipywidgets.GridBox(
        buttons, layout=ipywidgets.Layout(grid_template_columns=f"repeat({truth.shape[1]}, 34px)")
    )
    return Dial([grid], picture)


def outcomes(marked, truth):
    """The figure of `paint_a_mask`: truth, marked pixels, and the two compared, with the measures in its title."""
    figure, room = figures.blank(640, 230)
    kinds = (("TP", marked & truth, diagrams.RIGHT), ("FP", marked & ~truth, diagrams.WRONG))
    kinds += (("FN", ~marked & truth, diagrams.WRONG),)  # as in Figure 2: right or wrong, and which, the letters say
    c = metrics.confusion(marked, truth)
    for i, (name, picture) in enumerate((("ground truth", truth), ("you marked", marked), ("compared", None))):
        ax = figure.add_axes((0.02 + 0.33 * i, (room + 4) / (230 + room), 0.31, 180 / (230 + room)))
        ax.imshow(np.zeros(truth.shape) if picture is None else picture, cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.set_title(name, fontsize=9)
        for word, where, colour in kinds if picture is None else ():
            for row, column in np.argwhere(where):
                ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color=colour))
                ax.text(column, row, word, ha="center", va="center", fontsize=7)
    figure.suptitle(
        f"TP {c.tp}, FP {c.fp}, FN {c.fn}, TN {c.tn}: precision {metrics.precision(c):.2f}, "
        f"recall {metrics.recall(c):.2f}, F1 {metrics.f1(c):.2f}, accuracy {metrics.accuracy(c):.2f}",
        fontsize=9,
        y=0.99,
    )
    return figure
