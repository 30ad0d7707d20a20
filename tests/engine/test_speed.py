import subprocess
import sys

import pytest
import torch

from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.engine import folding, memory, speed
from hazelnut_ae.training import l2_loss


@pytest.fixture
def batch():
    return torch.randint(0, 256, (4, 3, 256, 256), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def loss_and_gradients(loss_function, batch, latent_dim=500):
    torch.manual_seed(0)
    model = Autoencoder(latent_dim).double().to(memory_format=torch.channels_last)
    loss = loss_function(model, batch)
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in model.named_parameters()}, dict(model.named_buffers())


@pytest.mark.parametrize("latent_dim", [16, 500])
def test_folded_loss_and_its_gradients_are_those_of_the_plain_loss(batch, latent_dim, monkeypatch):
    """In double precision, where rounding cannot hide a wrong tap."""
    for module in (folding, speed):
        to_double = lambda x: x.double().div(255).contiguous(memory_format=torch.channels_last)  # noqa: E731
        monkeypatch.setattr(module, "to_input", to_double)
    monkeypatch.setattr(torch.Tensor, "float", lambda self: self)
    plain, plain_gradients, plain_buffers = loss_and_gradients(l2_loss, batch, latent_dim)
    folded, folded_gradients, folded_buffers = loss_and_gradients(folding.folded_l2_loss, batch, latent_dim)
    torch.testing.assert_close(folded, plain, rtol=1e-12, atol=0)
    for name, gradient in plain_gradients.items():
        torch.testing.assert_close(folded_gradients[name], gradient, rtol=1e-8, atol=1e-13)
    for name, value in plain_buffers.items():  # BatchNorm's running mean and variance
        torch.testing.assert_close(folded_buffers[name], value, rtol=1e-9, atol=1e-12)


def test_fold_puts_each_square_of_pixels_into_channels():
    x = torch.arange(16).view(1, 1, 4, 4)
    assert folding.fold(x)[0, :, 0, 0].tolist() == [0, 1, 4, 5]


@pytest.mark.skipif(memory.memory_gb() is None, reason="only Linux tells")
def test_largest_memory_is_that_since_it_was_forgotten():
    """In a process of its own, which keeps freed memory as a training process does."""
    code = """
import torch
from hazelnut_ae.engine import memory
memory.keep_memory()
memory.forget_largest_memory()
before = memory.memory_gb()
torch.ones(75_000_000)
assert 0.2 < memory.memory_gb() - before < 0.4
memory.forget_largest_memory()
assert memory.memory_gb() - before < 0.1
"""
    subprocess.run([sys.executable, "-c", code], check=True)
