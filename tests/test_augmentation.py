"""The article's ×5, what rotation must not invent, and batches that depend on the seed alone."""

import numpy as np
import torch

from hazelnut_ae import augmentation
from hazelnut_ae.augmentation import AugmentedCopies, OnlineAugmentation, augment, random_batch, rotate


def picture(seed=0, low=60, high=200):
    """Smooth random colours, uint8 [3, 256, 256], far from black."""
    coarse = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) * (high - low) + low
    return torch.nn.functional.interpolate(coarse, 256, mode="bilinear")[0].round().to(torch.uint8)


PICTURES = torch.stack([picture(i) for i in range(4)]).numpy()


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
        assert turned.max() <= 181
    assert (rotate(image, 90).float() - torch.rot90(image, 1, (-2, -1)).float()).abs().median() <= 1
    assert torch.equal(rotate(image, 0), image)


def test_the_seed_alone_decides_the_copies_whether_they_are_stored_or_not(monkeypatch):
    used, rows = [3, 0, 2], torch.tensor([0, 17, 4, 9, 16])
    stored = AugmentedCopies(PICTURES, 6, seed=3, rows=used).to("cpu")
    other = AugmentedCopies(PICTURES, 6, seed=4, rows=used)
    monkeypatch.setattr(augmentation, "MEMORY_BUDGET", 0)
    made_anew = AugmentedCopies(PICTURES, 6, seed=3, rows=used).to("cpu")
    assert made_anew.stored is None
    assert torch.equal(stored.batch(rows), made_anew.batch(rows))
    assert not torch.equal(stored.batch(rows), other.batch(rows))
    assert torch.equal(stored.batch(torch.arange(3)), torch.from_numpy(PICTURES[used]))


def test_online_augmentation_gives_no_image_twice_and_the_same_ones_to_a_run_that_resumes():
    online = OnlineAugmentation(PICTURES, 5, seed=3, rows=[3, 0, 2])
    assert len(online) == 15
    rows = torch.tensor([0, 3, 6])  # three times the same photograph
    first, again, later = online.batch(rows, step=7), online.batch(rows, step=7), online.batch(rows, step=8)
    assert (first.dtype, first.shape) == (torch.uint8, (3, 3, 256, 256))
    assert torch.equal(first, again)
    assert len({image.numpy().tobytes() for image in (*first, *later)}) == 6
    assert not torch.equal(first, OnlineAugmentation(PICTURES, 5, seed=4, rows=[3, 0, 2]).batch(rows, step=7))


def test_online_augmentation_uses_the_chosen_photographs_and_augmentations_alone():
    online = OnlineAugmentation(PICTURES, 2, augmentations=(), rows=[3, 1])
    assert np.array_equal(online.batch(torch.arange(4), step=0).numpy(), PICTURES[[3, 1, 3, 1]])
    online.augmentations = ("flip",)
    flipped = online.batch(torch.arange(4), step=0).numpy()
    for image, source in zip(flipped, PICTURES[[3, 1, 3, 1]], strict=True):
        assert min(np.abs(image - one.astype(int)).max() for one in (source, source[:, :, ::-1])) <= 1


def test_a_shift_moves_by_whole_pixels_and_a_batch_depends_on_seed_and_step():
    images = torch.zeros(4, 3, 64, 64, dtype=torch.uint8)
    images[:, :, 20:44, 10:50] = 255
    for one in random_batch(images, 4, ("shift",), seed=1, step=5):  # by at most 4 % of 64 pixels
        rows, columns = (one[0] > 0.5).any(dim=1).nonzero(), (one[0] > 0.5).any(dim=0).nonzero()
        assert (len(rows), len(columns)) == (24, 40)
        assert max(abs(int(rows[0]) - 20), abs(int(columns[0]) - 10)) <= 3
    first, again, other = (random_batch(images, 3, ("rotation",), seed=1, step=step) for step in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(random_batch(images, 3, (), seed=1, step=5), images[:3].float() / 255)
