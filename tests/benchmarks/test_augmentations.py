"""The short trainings of notebook 3."""

import numpy as np
import pytest
import torch

from benchmarks import augmentations as study


@pytest.mark.slow
def test_every_variant_is_measured_once(painted, monkeypatch):
    table = study.augmentations(painted, steps=1)
    assert list(table.index) == list(study.VARIANTS)
    assert np.isfinite(table.to_numpy()).all()
    monkeypatch.setattr(study, "trained", lambda *_: pytest.fail("trained twice"))
    assert study.augmentations(painted, steps=1).equals(table)


def test_only_one_set_has_black_corners():
    images = np.full((2, 3, 64, 64), 200, np.uint8)
    both = torch.arange(2)
    for name, (kind, copies, changes, _) in study.VARIANTS.items():
        some = kind(images, copies, 0, changes, np.arange(2)).batch(both, 3)
        assert some.shape == (2, 3, 64, 64)
        assert bool((some == 0).any()) == ("black" in name)
    black = study.BlackCornerSet(images, 20)
    assert torch.equal(black.batch(both, 3), black.batch(both, 3))
    assert not torch.equal(black.batch(both, 3), black.batch(both, 4))
