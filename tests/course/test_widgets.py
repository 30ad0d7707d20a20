"""The widgets without a browser: what they draw, and that they follow what is moved."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy.stats import norm
from sklearn.metrics import auc, average_precision_score

from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.course import widgets


def picture_of(widget):
    return Image.open(io.BytesIO(widget.picture.value))


def test_an_interactive_figure_follows_and_leaves_its_picture():
    def look(tau):
        figure = Figure(figsize=(2, 1))
        figure.add_subplot().plot([0, tau])
        return figure

    slider = widgets.slider(0.2, 0.0, 1.0, 0.1, "τ")
    widget = widgets.interactive_figure(look, tau=slider)
    before = widget.picture.value
    assert picture_of(widget).format == "JPEG"
    slider.value = 0.6
    assert widget.picture.value != before
    bundle, about = widget._repr_mimebundle_()
    assert {"image/jpeg", "application/vnd.jupyter.widget-view+json"} <= set(bundle)
    assert about["image/jpeg"]["width"] * 2 == picture_of(widget).width  # twice as sharp as it is shown


@pytest.mark.parametrize("tool", widgets.TOOLS)
def test_a_stroke_changes_the_nut_where_its_mask_is_and_nowhere_else(tool):
    nut = np.full((3, 256, 256), 120, np.uint8)
    image, mask = widgets.painted(nut, [(tool, [[100, 100], [120, 110]])])
    assert 20 < mask.sum() < 5000
    assert (image != nut).any(axis=0)[~mask].sum() == 0
    assert (image != nut).any(axis=0)[mask].mean() > 0.9


def test_what_is_drawn_on_the_canvas_reaches_the_network_and_buttons_mark_pixels():
    widget = widgets.draw_a_defect(Autoencoder(latent_dim=4), np.full((2, 3, 256, 256), 90, np.uint8))
    canvas = widget.children[0].children[0]
    before, shown = widget.picture.value, canvas.picture
    canvas.strokes = [*canvas.strokes, [[30, 200], [60, 220]]]
    assert widget.picture.value != before
    assert canvas.picture != shown
    widget.children[0].children[1].children[-1].click()  # clear
    assert canvas.strokes == []
    widget = widgets.paint_a_mask(np.eye(8, dtype=bool), np.zeros((8, 8), bool))
    before = widget.picture.value
    widget.children[0].children[2 * 8 + 2].value = True
    assert widget.picture.value != before


def test_ssim_forgives_more_light_and_not_noise():
    nut = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8).repeat(4, axis=1).repeat(4, axis=2)

    def told(change, amount):
        titles = [ax.get_title() for ax in widgets.differences(nut, change, amount).axes]
        return [float(title.split()[-1]) for title in titles[2:4]]

    assert all(told(change, 0) == [0, 0] for change in widgets.CHANGES)
    light, noise = told("more light", 5), told("noise", 5)
    assert light[0] > noise[0]  # grey is the mean of three colours, and so is its noise
    assert light[1] < noise[1]
    before = widgets.l2_vs_ssim(nut)
    shown = before.picture.value
    before.children[0].children[0].value = "shift"
    assert before.picture.value != shown


def test_the_curves_of_two_distributions_are_those_of_a_sample():
    rng = np.random.default_rng(0)
    truth = rng.random(400_000) < 0.1
    scores = rng.normal(size=len(truth)) + 2.0 * truth
    x = np.linspace(-4, 8, 601)
    recall, alarms, precision, f1 = widgets.rates(x, 2.0, 0.1)
    assert auc(recall, precision) == pytest.approx(average_precision_score(truth, scores), abs=0.01)
    assert auc(alarms, recall) == pytest.approx(norm.cdf(2**0.5), abs=0.001)
    at = np.argmax(f1)
    marked = scores > x[at]
    assert f1[at] == pytest.approx(2 * (marked & truth).sum() / (marked.sum() + truth.sum()), abs=0.01)
