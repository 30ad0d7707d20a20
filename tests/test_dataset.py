"""Any folder in MVTec layout, every kind of image file, the cache, and bad input."""

import shutil

import numpy as np
import pytest
from PIL import Image

from hazelnut_ae import dataset
from hazelnut_ae.errors import DataError
from hazelnut_ae.io import cache


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def grey(value, height=64, width=64):
    return np.full((height, width, 3), value, np.uint8)


def mask(height=64, width=64):
    array = np.zeros((height, width), np.uint8)
    array[: height // 4, : width // 4] = 255
    return array


@pytest.fixture
def folder(tmp_path):
    """Four good images to train on, one good and two scratched ones to test on."""
    root = tmp_path / "nuts"
    for i in range(4):
        save(root / "train/good" / f"{i}.png", grey(50 + i))
    save(root / "test/good/0.png", grey(60))
    for i in range(2):
        save(root / "test/scratch" / f"{i}.png", grey(100 + i))
        save(root / "ground_truth/scratch" / f"{i}_mask.png", mask())
    return root


def test_loads_the_layout(folder):
    data = dataset.load(folder)
    assert (data.name, data.train.defects) == ("nuts", ["good"] * 4)
    assert (data.train.images.shape, data.train.images.dtype) == ((4, 3, 256, 256), np.uint8)
    assert [int(image[0, 0, 0]) for image in data.train.images] == [50, 51, 52, 53]
    assert data.test.defects == ["good", "scratch", "scratch"]
    assert data.test.defect_names == ["scratch"]
    assert data.test.masks.sum((1, 2)).tolist() == [0, 64 * 64, 64 * 64]
    assert data.test.paths[1] == "test/scratch/0.png"
    assert len(data.test.of("scratch")) == 2


@pytest.mark.parametrize("name", ["a.jpg", "a.bmp", "a.TIFF"])
def test_formats_and_masks_without_suffix(folder, name):
    save(folder / "test/hole" / name, grey(90, 80, 60))
    save(folder / "ground_truth/hole/a.png", mask(80, 60))
    hole = dataset.load(folder).test.of("hole")
    assert hole.images.shape == (1, 3, 256, 256)
    assert abs(int(hole.images.mean()) - 90) <= 1
    assert hole.masks.sum() == 64 * 64


def test_area_averaging_and_binary_masks(tmp_path):
    stripes = np.zeros((1024, 1024, 3), np.uint8)
    stripes[:, ::2] = 200
    image = dataset.read_image(save(tmp_path / "stripes.png", stripes))
    assert set(np.unique(image)) == {100}
    tiny = np.zeros((1024, 1024), np.uint8)
    tiny[500, 500] = 255  # a sixteenth of a pixel at 256
    resized = dataset.read_mask(save(tmp_path / "tiny.png", tiny), (1024, 1024))
    assert resized.sum() == 1, "a tiny defect must not vanish"
    half = np.zeros((1024, 1024), np.uint8)
    half[:, :514] = 255
    assert dataset.read_mask(save(tmp_path / "half.png", half), (1024, 1024)).sum() == 129 * 256
    zero_and_one = mask() // 255
    assert dataset.read_mask(save(tmp_path / "m.png", zero_and_one), (64, 64)).mean() == 1 / 16


def test_image_modes(tmp_path):
    rgb = Image.fromarray(grey(120))
    expected = np.full((3, 256, 256), 120)
    for mode in ("L", "RGBA", "CMYK", "P", "LA", "1", "YCbCr"):
        path = tmp_path / f"{mode}.{ {'CMYK': 'tif', 'YCbCr': 'jpg'}.get(mode, 'png') }"
        converted = {"1": Image.new("1", (64, 64), 1), "P": rgb.quantize(4)}
        (converted.get(mode) or rgb.convert(mode)).save(path)
        image = dataset.read_image(path)
        target = np.full_like(expected, 255) if mode == "1" else expected
        assert np.abs(image.astype(int) - target).max() <= 3, mode
    save(tmp_path / "sixteen.png", np.full((64, 64), 120 * 257, np.uint16))
    assert np.array_equal(dataset.read_image(tmp_path / "sixteen.png"), expected)


def test_upright_as_the_camera_says(tmp_path):
    array = grey(0)
    array[:, :32] = 200  # bright on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise: bright on top
    path = tmp_path / "camera.jpg"
    Image.fromarray(array).save(path, exif=exif, quality=95)
    image = dataset.read_image(path)
    assert image[:, :100].mean() > 180
    assert image[:, 156:].mean() < 20


def test_second_load_comes_from_the_cache_and_a_changed_source_is_noticed(folder, monkeypatch):
    first = dataset.load(folder)
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "read_entry", lambda *_: pytest.fail("the cache was not used"))
        second = dataset.load(folder)
    assert second.fingerprint == first.fingerprint
    assert np.array_equal(second.test.masks, first.test.masks)
    save(folder / "train/good/2.png", grey(200))
    third = dataset.load(folder)
    assert third.train.images[2, 0, 0, 0] == 200
    assert third.fingerprint != first.fingerprint
    elsewhere = shutil.copytree(folder, folder.parent / "elsewhere")
    assert dataset.load(elsewhere).fingerprint == third.fingerprint
    (folder / "train/good/3.png").unlink()
    assert len(dataset.load(folder).train) == 3


def test_a_damaged_cached_set_is_made_anew(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HAZELNUT_CACHE", str(tmp_path / "cache"))
    first = dataset.load(folder)
    (header,) = (tmp_path / "cache").glob("sets/*/*/set.json")
    images = header.with_name("images.npy")
    images.write_bytes(images.read_bytes()[:1000])
    assert np.array_equal(dataset.load(folder).train.images, first.train.images)
    header.write_text("{}", encoding="utf-8")
    assert dataset.load(folder).fingerprint == first.fingerprint
    assert "fingerprint" in header.read_text(encoding="utf-8")
    assert [path.name for path in header.parent.parent.iterdir()] == [header.parent.name]


def test_large_sets_stay_on_the_disk(folder, monkeypatch):
    monkeypatch.setattr(cache, "HOLD_IN_MEMORY", 0)
    data = dataset.load(folder)
    assert isinstance(data.train.images, np.memmap)
    assert data.train.images[1, 0, 0, 0] == 51


def problem(folder):
    with pytest.raises(DataError) as caught:
        dataset.load(folder)
    message = str(caught.value)
    assert "\n" not in message
    _, problems, _ = dataset.check(folder)
    assert problems, "check must list what load refuses"
    return message


def test_missing_folders_and_no_training_images(folder):
    assert "is not a folder" in problem(folder / "nowhere")
    shutil.rmtree(folder / "train")
    assert "train/good" in problem(folder)


def test_files_that_do_not_fit_together(folder):
    save(folder / "train/good/0.bmp", grey(3))
    assert "same name" in problem(folder)
    (folder / "train/good/0.bmp").unlink()
    (folder / "test/scratch/0.png").unlink()
    assert "0_mask.png has no image" in problem(folder)
    shutil.copy(folder / "test/scratch/1.png", folder / "test/scratch/0.png")
    save(folder / "ground_truth/scratch/0_mask.png", mask(32, 32))
    assert "32×32" in problem(folder)


def test_masks_may_be_missing_for_some_images_or_for_all(folder):
    (folder / "ground_truth/scratch/0_mask.png").unlink()
    assert dataset.load(folder).test.masks.any(axis=(1, 2)).tolist() == [False, False, True]
    shutil.rmtree(folder / "ground_truth")
    assert dataset.check(folder)[:2] == ({"train/good": 4, "test/good": 1, "test/scratch": 2}, [])


def test_images_that_are_cut_off_or_hold_floating_point_numbers_are_refused(folder):
    path = save(folder / "train/good/float.tif", np.ones((8, 8), np.float32))
    assert "floating-point" in problem(folder)
    path.unlink()
    path = folder / "train/good/1.png"
    path.write_bytes(path.read_bytes()[:-60])
    assert "1.png cannot be read" in problem(folder)


def test_other_files_are_passed_over_and_named(folder):
    (folder / "train/good/notes.txt").write_text("bought in Viterbo")
    (folder / "train/good/.hidden").write_text("x")
    assert len(dataset.load(folder).train) == 4
    _, problems, (skipped,) = dataset.check(folder)
    assert not problems
    assert "notes.txt" in skipped


def test_check_lists_all_problems_at_once(folder):
    (folder / "train/good/1.png").write_bytes(b"no image")
    save(folder / "ground_truth/scratch/0_mask.png", mask(32, 32))
    save(folder / "ground_truth/scratch/9_mask.png", mask())
    counts, problems, _ = dataset.check(folder)
    assert counts == {"train/good": 4, "test/good": 1, "test/scratch": 2}
    assert len(problems) == 3


def test_licence_is_read_from_the_folder(folder):
    assert dataset.load(folder).license == ""
    (folder / "license.txt").write_text("MVTec AD ... Attribution-NonCommercial-ShareAlike 4.0 (CC BY-NC-SA 4.0)")
    assert "CC BY-NC-SA" in dataset.load(folder).license
