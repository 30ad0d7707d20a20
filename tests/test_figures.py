import numpy as np
import pytest
from PIL import Image

from hazelnut_ae import diagrams, figures
from hazelnut_ae.errors import DataError


def test_panels_show_every_pixel_once(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (3, 256, 256), dtype=np.uint8)
    mask = rng.random((256, 256)) < 0.5
    figure = figures.panels([[image, mask]], titles=["a", "b"], caption="word " * 60)
    assert figure.texts[0].get_text().count("\n") >= 3  # a long caption wraps
    path = figures.save(figure, tmp_path, "two")
    pixels = np.asarray(Image.open(path).convert("RGB"))  # [H, W, 3]
    left, top = figures.MARGIN, 26
    np.testing.assert_array_equal(pixels[top : top + 256, left : left + 256], image.transpose(1, 2, 0))
    left += 256 + figures.MARGIN
    np.testing.assert_array_equal(pixels[top : top + 256, left : left + 256, 0], mask * np.uint8(255))


def test_examples_are_the_median_by_f1_and_by_area():
    truth = np.zeros((5, 16, 16), bool)
    truth[:, :8] = True
    maps = np.zeros((5, 16, 16), np.float32)
    for i, rows in enumerate([8, 1, 4, 2, 6]):  # rows of the 8 that are found
        maps[i, :rows] = 1
    chosen, score = figures.representative(maps, truth, 0.5)
    assert chosen == 2
    assert score == pytest.approx(2 * 4 / (4 + 8))
    nothing, score = figures.representative(np.zeros((1, 16, 16), np.float32), np.zeros((1, 16, 16), bool), 0.5)
    assert nothing == 0
    assert figures.typical(maps > 0) == 2  # by area


def test_marked_and_overlay_show_prediction_outline_and_map():
    image = np.full((3, 64, 64), 100, np.uint8)
    truth, predicted = np.zeros((2, 64, 64), bool)
    truth[20:40, 20:40] = True
    predicted[25:30, 25:30] = True
    picture = figures.marked(image, predicted, truth)
    assert tuple(picture[:, 27, 27]) == figures.FOUND
    assert tuple(picture[:, 30, 18]) == figures.TRUTH
    np.testing.assert_allclose(picture[:, 5, 5], 0.75 * 100 / 255)
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    brightness = figures.overlay(image, ramp).mean(axis=(0, 1))  # [W], grows with the map
    assert brightness[-1] > brightness[40] > brightness[24]


def test_save_names_the_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="file"):
        figures.save(figures.panels([[np.eye(256)]]), tmp_path / "file", "figure")


def test_charts_take_short_and_empty_histories():
    assert len(figures.loss([], (), "c").axes) == 1
    assert len(figures.loss([(1, 1, 0.5)], caption="c").axes[0].lines) == 2
    assert len(figures.loss([(1, 1, 0.5)], [(1, 0.6)], "c").axes[0].lines) == 3
    assert not figures.f1_by_epoch({}, caption="c").axes[0].lines


def test_algorithm_shows_the_steps_of_figure_8():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (3, 256, 256), dtype=np.uint8)
    reconstruction = rng.random((3, 256, 256), dtype=np.float32)
    figure = diagrams.algorithm(image, reconstruction, 0.3, truth=image[0] > 250)
    pictures = [ax.images[0].get_array() for ax in figure.axes if ax.images]
    assert len(pictures) == 6
    residual = np.abs(image / 255 - reconstruction).max(axis=0)
    np.testing.assert_allclose(pictures[3], residual)
    np.testing.assert_array_equal(pictures[4], residual > 0.3)
