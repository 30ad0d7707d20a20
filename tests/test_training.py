"""The loop that everything learns with, and how images are held out and ordered."""

import numpy as np
import pytest
import torch
from torch import nn

from hazelnut_ae import training
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.errors import DataError
from hazelnut_ae.training import l2_loss, train


def test_held_out_images_are_ten_percent_and_never_trained_on():
    train, held_out = training.split_good(391, seed=0)
    assert len(held_out) == 39
    assert sorted([*train, *held_out]) == list(range(391))
    again, other = training.split_good(391, 0)[1], training.split_good(391, 1)[1]
    assert np.array_equal(held_out, again)
    assert not np.array_equal(held_out, other)
    assert len(training.split_good(5, 0)[1]) == 2
    with pytest.raises(DataError, match="at least 4"):
        training.split_good(3, 0)


def test_epoch_order_is_a_permutation_that_seed_and_epoch_decide():
    order = training.epoch_order(50, 0, 3)
    assert sorted(order.tolist()) == list(range(50))
    assert torch.equal(order, training.epoch_order(50, 0, 3))
    assert not torch.equal(order, training.epoch_order(50, 0, 4))
    assert not torch.equal(order, training.epoch_order(50, 1, 3))


@pytest.mark.parametrize("steps", [10, 61])
def test_one_cycle_is_torchs(steps):
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], 0.003)
    options = {"total_steps": steps, "pct_start": 0.2, "cycle_momentum": False}
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.003, **options)
    for step in range(steps):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(training.one_cycle(step, steps, 0.003), rel=1e-9)
        optimizer.step()
        if step < steps - 1:
            schedule.step()


def test_the_loss_of_held_out_images_leaves_the_network_unchanged():
    """The mean over all of them whatever the batches, by BatchNorm's averages, which stay as they were."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3))
    images = torch.randint(0, 256, (33, 3, 8, 8), dtype=torch.uint8)  # one more than a batch
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = training.loss_on(model, images)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with torch.no_grad():
        one_by_one = [l2_loss(model.eval(), image[None]).item() for image in images]
    assert found == pytest.approx(np.mean(one_by_one), rel=1e-5)


def test_the_loop_gives_the_weights_of_steps_written_by_hand():
    """Three steps of `train`, with evaluations between them, beside three by hand: the same losses and weights."""
    batches = torch.randint(0, 256, (3, 2, 3, 256, 256), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    ours = Autoencoder(8)
    losses = [(loss.item(), ours.eval())[0] for loss in train(ours, torch.optim.Adam(ours.parameters(), 1e-3), batches)]
    torch.manual_seed(0)
    theirs, by_hand = Autoencoder(8), []
    optimizer = torch.optim.Adam(theirs.parameters(), 1e-3)
    for batch in batches:
        x = batch.float() / 255
        loss = nn.functional.mse_loss(theirs(x), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        by_hand.append(loss.item())
    assert losses == by_hand
    assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))
