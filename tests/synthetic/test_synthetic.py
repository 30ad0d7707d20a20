"""Synthetic hazelnuts: the same seed gives the same bytes, masks lie on the nut, the folder is in MVTec layout."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from hazelnut_ae.errors import DataError
from hazelnut_ae.synthetic import paint, painted, stages, write_dataset, writing


def contents(folder):
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.slow
def test_write_gives_the_same_bytes_on_any_number_of_workers(tmp_path):
    counts = {"train/good": 2, "test/good": 1, "crack": 1, "print": 2}
    one = contents(write_dataset(tmp_path / "one", counts, seed=3, workers=1))
    two = contents(write_dataset(tmp_path / "two", counts, seed=3, workers=2))
    assert one == two
    names = ["license.txt", *(f"{place}/{i:03}.png" for place, n in counts.items() for i in range(n))]
    names = {name if "/good/" in name or "/" not in name else f"test/{name}" for name in names}
    assert set(one) == names | {f"ground_truth/{name}_mask.png" for name in ("crack/000", "print/000", "print/001")}
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


def test_only_what_is_missing_is_painted_and_never_two_seeds_in_one_set(tmp_path, monkeypatch):
    counts, folder = {"train/good": 2, "cut": 1}, tmp_path / "set"
    first = contents(write_dataset(folder, counts, seed=3, workers=1))
    (folder / "train/good/.001.png.x1y2.tmp").write_bytes(b"what a killed process leaves")
    (folder / "train/good/001.png").unlink()
    (folder / "ground_truth/cut/000_mask.png").unlink()
    kept = (folder / "train/good/000.png").stat().st_mtime_ns
    again = contents(write_dataset(folder, counts, seed=3, workers=1))
    assert again.pop("train/good/.001.png.x1y2.tmp")
    assert again == first
    assert (folder / "train/good/000.png").stat().st_mtime_ns == kept

    paint_file, calls = writing._paint_file, []

    def killed(job):
        calls.append(job)
        if len(calls) == 3:  # after the comparison and one image
            raise KeyboardInterrupt
        return paint_file(job)

    with monkeypatch.context() as patch:
        patch.setattr(writing, "_paint_file", killed)
        with pytest.raises(KeyboardInterrupt):
            write_dataset(folder, counts, seed=4, workers=1)
    assert not set(first.values()) & {digest for name, digest in contents(folder).items() if name.endswith("0.png")}
    other = contents(write_dataset(folder, counts, seed=4, workers=1))
    assert other["train/good/001.png"] != first["train/good/001.png"]
    assert other == contents(folder) | contents(write_dataset(tmp_path / "fresh", counts, seed=4, workers=1))


def test_a_machine_without_processes_paints_the_same_in_one(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise ImportError("This platform lacks a functioning sem_open implementation")

    monkeypatch.setattr(writing, "ProcessPoolExecutor", refuse)
    counts = {"train/good": 1, "test/good": 1}
    found = contents(write_dataset(tmp_path / "two", counts, workers=2))
    assert found == contents(write_dataset(tmp_path / "one", counts, workers=1))


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_what_is_finished_stays(tiny_disk):
    with pytest.raises(DataError, match="free some space"):
        write_dataset(tiny_disk / "set", {"train/good": 6}, workers=2)
    assert all(Image.open(path).size == (256, 256) for path in tiny_disk.glob("set/train/good/[0-9]*.png"))


def test_a_picture_can_be_painted_alone_and_with_pictures_on_the_way(painted_folder):
    pictures = stages(np.random.default_rng(5), "print")
    image, mask = paint(np.random.default_rng(5), "print")
    assert list(pictures) == ["normals", "shell", "scar", "print", "light", "ground", "photograph", "mask"]
    assert np.array_equal(pictures["photograph"], image)
    assert np.array_equal(pictures["mask"], mask)
    image, mask = painted("hole", 1)  # of the set
    assert np.array_equal(np.asarray(Image.open(painted_folder / "test/hole/001.png")), image)
    assert np.array_equal(np.asarray(Image.open(painted_folder / "ground_truth/hole/001_mask.png")) > 0, mask)


def test_a_good_nut_has_an_empty_mask_and_an_unknown_defect_is_named():
    image, mask = paint(np.random.default_rng(0))
    assert (image.shape, image.dtype, mask.shape, mask.dtype) == ((256, 256, 3), np.uint8, (256, 256), bool)
    assert not mask.any()
    with pytest.raises(ValueError, match="scratch"):
        paint(np.random.default_rng(0), "scratch")


SHARES = {"crack": (0.2, 35), "cut": (0.15, 3), "hole": (0.15, 4), "print": (0.5, 7)}  # of the image, in percent


@pytest.mark.slow
@pytest.mark.parametrize("defect", SHARES)
def test_masks_lie_on_the_nut_and_have_the_size_of_real_ones(defect):
    low, high = SHARES[defect]
    for seed in range(3):
        pictures = stages(np.random.default_rng(seed), defect)
        mask = pictures["mask"]
        nut = pictures["normals"].any(-1).reshape(256, 2, 256, 2).any((1, 3))
        assert not (mask & ~nut).any()
        assert low < 100 * mask.mean() < high
