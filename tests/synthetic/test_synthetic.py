"""Synthetic hazelnuts: the same seed gives the same bytes, masks lie on the nut, the folder is in MVTec layout."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from hazelnut_ae.errors import DataError
from hazelnut_ae.synthetic import paint, stages, write_dataset

DEFECTS = ("crack", "cut", "hole", "print")


def contents(folder):
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.slow
def test_write_gives_the_same_bytes_on_any_number_of_workers(tmp_path):
    counts = {"train/good": 2, "test/good": 1, "crack": 1, "print": 2}
    one = contents(write_dataset(tmp_path / "one", counts, seed=3, workers=1))
    two = contents(write_dataset(tmp_path / "two", counts, seed=3, workers=2))
    assert one == two
    assert set(one) == {
        "license.txt", "train/good/000.png", "train/good/001.png", "test/good/000.png", "test/crack/000.png",
        "test/print/000.png", "test/print/001.png", "ground_truth/crack/000_mask.png",
        "ground_truth/print/000_mask.png", "ground_truth/print/001_mask.png",
    }  # fmt: skip
    assert "synthetic" in (tmp_path / "one/license.txt").read_text()
    assert len(set(one.values())) == len(one)  # no two images are alike
    other = contents(write_dataset(tmp_path / "other", {"train/good": 1}, seed=4, workers=1))
    assert other["train/good/000.png"] != one["train/good/000.png"]
    mask = np.asarray(Image.open(tmp_path / "one/ground_truth/crack/000_mask.png"))
    assert mask.shape == (256, 256)
    assert set(np.unique(mask)) == {0, 255}


def test_write_refuses_a_folder_that_holds_something_else(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match=r"thesis\.txt"):
        write_dataset(tmp_path, {"train/good": 1}, workers=1)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    folder = tmp_path / "set"
    first = contents(write_dataset(folder, {"train/good": 1}, workers=1))
    assert contents(write_dataset(folder, {"train/good": 1}, workers=1)) == first  # the same set again is welcome


def test_a_good_nut_has_an_empty_mask():
    image, mask = paint(np.random.default_rng(0))
    assert image.shape == (256, 256, 3)
    assert image.dtype == np.uint8
    assert mask.shape == (256, 256)
    assert mask.dtype == bool
    assert not mask.any()


def test_unknown_defect_is_named():
    with pytest.raises(ValueError, match="scratch"):
        paint(np.random.default_rng(0), "scratch")


@pytest.mark.slow
@pytest.mark.parametrize("defect", DEFECTS)
def test_masks_lie_on_the_nut_and_have_the_size_of_real_ones(defect):
    low, high = {"crack": (0.2, 35), "cut": (0.15, 3), "hole": (0.15, 4), "print": (0.5, 7)}[defect]
    for seed in range(3):
        pictures = stages(np.random.default_rng(seed), defect)
        mask = pictures["mask"]
        nut = pictures["normals"].any(-1).reshape(256, 2, 256, 2).any((1, 3))
        assert not (mask & ~nut).any()
        assert low < 100 * mask.mean() < high
