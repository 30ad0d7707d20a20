"""The article's ×5, and what rotation must not invent."""

import numpy as np
import torch

from hazelnut_ae import augmentation
from hazelnut_ae.augmentation import AugmentedSet, FreshSet, augment, rotate
from hazelnut_ae.io import cache


def picture(seed=0, low=60, high=200):
    """Smooth random colours, uint8 [3, 256, 256], far from black."""
    coarse = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) * (high - low) + low
    return torch.nn.functional.interpolate(coarse, 256, mode="bilinear")[0].round().to(torch.uint8)


def test_five_copies_are_the_articles():
    image = picture()
    copies = [augment(image, copy, seed=1) for copy in range(5)]
    assert torch.equal(copies[0], image)
    assert not torch.equal(copies[1], image)
    assert torch.equal(copies[2], image.flip(-1))
    assert torch.equal(copies[3], image.flip(-2))
    noise = copies[4].float() - image.float()
    assert abs(noise.mean()) < 0.1
    assert 4.5 < noise.std() < 5.7  # 0.02 × 255
    assert all(copy.dtype == torch.uint8 and copy.shape == image.shape for copy in copies)


def test_rotation_fills_corners_from_the_image():
    image = picture(low=100, high=180)
    for degrees in (10, 45, 123.4, 200):
        turned = rotate(image, degrees)
        assert turned.min() >= 99, "a corner was painted black"
        corner = turned[:, :20, :20].float().mean((1, 2))
        assert (corner > 99).all()
        assert (corner < 181).all()


def test_rotation_by_a_quarter_turn_is_exact():
    image = picture()
    difference = (rotate(image, 90).float() - torch.rot90(image, 1, (-2, -1)).float()).abs()
    assert difference.median() <= 1
    assert torch.equal(rotate(image, 0), image)


def test_same_seed_same_bytes_and_other_seed_other_bytes():
    images = torch.stack([picture(0), picture(1)]).numpy()
    a, b, c = (AugmentedSet(images, 7, seed=s).batch(torch.arange(14)) for s in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_391_images_make_1955_and_about_63_steps():
    images = np.zeros((391, 3, 4, 4), np.uint8)
    augmented = AugmentedSet(images, 5, kinds=())
    assert len(augmented) == 1955
    assert 60 <= len(augmented) // 32 <= 63


def test_orientation_can_be_kept():
    image = picture()
    for copy in range(1, 8):
        changed = augment(image, copy, seed=0, kinds=("noise",)).float() - image.float()
        assert changed.abs().max() < 40, "more than noise"
        assert changed.abs().max() > 0


def test_a_set_beyond_the_memory_budget_gives_the_same_batches(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HAZELNUT_CACHE", str(tmp_path / "cache"))
    images = torch.stack([picture(i) for i in range(4)]).numpy()
    used = [3, 0, 2]
    held = AugmentedSet(images, 6, seed=3, rows=used)
    monkeypatch.setattr(augmentation, "MEMORY_BUDGET", 0)
    on_disk = AugmentedSet(images, 6, seed=3, rows=used).to("cpu")
    monkeypatch.setattr(cache, "disk_array", lambda shape: None)
    made_anew = AugmentedSet(images, 6, seed=3, rows=used).to("cpu")
    assert "on the disk" in capsys.readouterr().out
    assert made_anew.held is None
    assert list((tmp_path / "cache").iterdir()) == []  # the file has no name that could be left behind
    rows = torch.tensor([0, 17, 4, 9, 16])
    assert torch.equal(held.batch(rows), on_disk.batch(rows))
    assert torch.equal(held.batch(rows), made_anew.batch(rows))
    assert torch.equal(held.batch(torch.arange(3)), torch.from_numpy(images[used]))


def test_a_disk_without_room_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("HAZELNUT_CACHE", str(tmp_path))
    assert cache.disk_array((2**50,)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_fresh_set_gives_no_image_twice_and_the_same_ones_to_a_run_that_resumes():
    images = torch.stack([picture(i) for i in range(4)]).numpy()
    fresh = FreshSet(images, 5, seed=3, rows=[3, 0, 2])
    assert len(fresh) == 15
    rows = torch.tensor([0, 3, 6])  # three times the same photograph
    first, again, later = fresh.batch(rows, step=7), fresh.batch(rows, step=7), fresh.batch(rows, step=8)
    assert first.dtype == torch.uint8
    assert first.shape == (3, *images.shape[1:])
    assert torch.equal(first, again)
    different = {image.numpy().tobytes() for image in (*first, *later)}
    assert len(different) == 6
    assert not torch.equal(first, FreshSet(images, 5, seed=4, rows=[3, 0, 2]).batch(rows, step=7))


def test_a_fresh_set_without_augmentation_gives_the_photographs_that_it_may_use():
    images = torch.stack([picture(i) for i in range(4)]).numpy()
    fresh = FreshSet(images, 2, kinds=(), rows=[3, 1])
    assert np.array_equal(fresh.batch(torch.arange(4), step=0).numpy(), images[[3, 1, 3, 1]])
