"""Figures in notebooks: sharp, shown at their own size, as the kind of file that suits them."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from hazelnut_ae import figures
from hazelnut_ae.course import lesson


def chart():
    figure = Figure(figsize=(5, 3), dpi=100)
    figure.add_subplot().plot([0, 1], [1, 0], color=figures.VERMILION)
    return figure


BOTH = [(chart(), "png", "jpeg"), (figures.panels([[np.eye(256)]], caption="An identity."), "jpeg", "png")]


@pytest.mark.parametrize(("figure", "kind", "other"), BOTH)
def test_a_figure_has_twice_the_pixels_of_its_size_on_the_page(figure, kind, other):
    assert lesson.encoded(figure, other) is None
    data, shown = lesson.encoded(figure, kind)
    file = Image.open(io.BytesIO(data))
    assert file.format.lower() == kind
    assert abs(file.width - 2 * shown["width"]) <= 1
    assert abs(file.height - 2 * shown["height"]) <= 1
    assert 0.8 < shown["width"] / (figure.get_size_inches()[0] * figure.dpi) < 1.2


def test_a_panel_stays_what_it_is_up_to_a_grey_level_or_two():
    picture = np.random.default_rng(0).integers(90, 110, (3, 256, 256)).astype(np.uint8)
    data, _ = lesson.encoded(figures.panels([[picture]]), "jpeg")
    page = np.asarray(Image.open(io.BytesIO(data)).convert("L"), float)
    inner = page[100:400, 100:400]
    assert abs(inner.mean() - picture.mean()) < 2
    assert lesson.encoded(Figure(), "png") is None  # an empty figure is not shown


def test_a_shell_takes_both_kinds(monkeypatch):
    from IPython.core.formatters import DisplayFormatter

    class Shell:
        display_formatter = DisplayFormatter()

    lesson.show_sharp_figures(Shell)
    data, about = Shell.display_formatter.format(chart(), include={"image/png", "image/jpeg"})
    assert list(data) == ["image/png"]
    assert set(about["image/png"]) == {"width", "height"}
