"""The folded layers give what the network gives; and whoever edits a loss or a layer gets what he wrote."""

import pytest
import torch
from torch import nn

from hazelnut_ae import training
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.comparison.autoencoders import BergmannNetwork
from hazelnut_ae.engine import folding
from hazelnut_ae.engine.device import faster
from hazelnut_ae.engine.trainer import train_run
from hazelnut_ae.presets import PRESETS
from hazelnut_ae.training import l2_loss


def small(seed=0):
    torch.manual_seed(seed)
    return Autoencoder(16)


@pytest.mark.slow
@pytest.mark.parametrize("latent_dim", [16, 500])
def test_folded_loss_and_its_gradients_are_those_of_the_plain_loss(latent_dim):
    """In double precision, where rounding cannot hide a wrong tap."""
    x = torch.rand(4, 3, 256, 256, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = []
    for forward, images in ((Autoencoder.__call__, x), (folding.forward, folding.fold(x))):
        torch.manual_seed(0)
        model = Autoencoder(latent_dim).double().to(memory_format=torch.channels_last)
        loss = nn.functional.mse_loss(forward(model, images), images)
        loss.backward()
        found.append(
            (loss.detach(), {name: p.grad for name, p in model.named_parameters()}, dict(model.named_buffers()))
        )
    (plain, plain_gradients, plain_buffers), (folded, folded_gradients, folded_buffers) = found
    torch.testing.assert_close(folded, plain, rtol=1e-12, atol=0)
    for name, gradient in plain_gradients.items():
        torch.testing.assert_close(folded_gradients[name], gradient, rtol=1e-8, atol=1e-13)
    for name, value in plain_buffers.items():  # BatchNorm's running mean and variance
        torch.testing.assert_close(folded_buffers[name], value, rtol=1e-9, atol=1e-12)


def test_fold_puts_each_square_of_pixels_into_channels():
    x = torch.arange(16).view(1, 1, 4, 4)
    assert folding.fold(x)[0, :, 0, 0].tolist() == [0, 1, 4, 5]


@pytest.mark.slow
def test_the_networks_that_it_knows_fit():
    for model in (small(), BergmannNetwork(1, 16), BergmannNetwork(3, 16)):
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        assert folding.fits(model, l2_loss)
        assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items()), "it was trained"


def larger_first_kernel(model):
    model.encoder[0] = nn.Conv2d(3, 3, 6, 2, 2)


def first_layer_without_bias(model):
    model.encoder[0] = nn.Conv2d(3, 3, 4, 2, 1, bias=False)


def dilated_first_layer(model):
    model.encoder[0] = nn.Conv2d(3, 3, 4, 2, 1, dilation=1, padding_mode="reflect")


def grouped_last_layer(model):
    model.decoder[-2] = nn.ConvTranspose2d(3, 3, 4, 2, 1, groups=3)


def last_layer_of_upsampling(model):
    model.decoder[-2] = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 3, 3, padding=1))


def softmax_at_the_end(model):
    model.decoder[-1] = nn.Softmax(dim=1)


def a_layer_more(model):
    model.decoder.append(nn.Conv2d(3, 3, 1))


def a_forward_of_ones_own(model):
    model.forward = lambda x: model.decoder(model.encoder(x)) * 0.5


def noise_in_training(model):
    model.forward = lambda x: model.decoder(model.encoder(x + 0.1 * model.training))


EDITS = [
    larger_first_kernel, first_layer_without_bias, dilated_first_layer, grouped_last_layer, last_layer_of_upsampling,
    softmax_at_the_end, a_layer_more, a_forward_of_ones_own, noise_in_training,
]  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_network_is_computed_as_it_was_written(edit):
    """On a processor with bfloat16 units as on one without."""
    model = small()
    edit(model)
    assert not folding.fits(model, l2_loss)
    x = torch.rand(2, 3, 256, 256)
    network, prepare = faster(model, l2_loss, "cpu", "bfloat16")
    torch.testing.assert_close(network.eval()(prepare(x)), model.eval()(x), atol=0.05, rtol=0.05)


def l1_loss(model, batch):
    x = training.to_float(batch)
    return (x - model(x)).abs().mean()


def neighbours(model, batch):
    x = training.to_float(batch)
    return ((x - model(x)).diff(dim=-1) ** 2).mean()


def red_alone(model, batch):
    x = training.to_float(batch)
    return ((x - model(x))[:, 0] ** 2).mean()


def summed_over_rows(model, batch):
    x = training.to_float(batch)
    return ((x - model(x)) ** 2).sum(dim=2).mean()


def with_a_latent_penalty(model, batch):
    x = training.to_float(batch)
    z = model.encoder(x)
    return l2_loss(model, batch) + z.square().mean()


def a_little_of_neighbours(model, batch):
    return l2_loss(model, batch) + 1e-3 * neighbours(model, batch)


@pytest.mark.slow
def test_a_loss_that_cares_for_places_gets_images_and_one_that_does_not_may_get_folded_ones():
    model = small()
    for loss in (neighbours, red_alone, summed_over_rows, with_a_latent_penalty, a_little_of_neighbours):
        assert not folding.fits(model, loss), loss.__name__
    assert folding.fits(model, l1_loss)  # its own code is called, on folded images


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_edited_loss_takes_effect_on_every_processor(painted, tmp_path, monkeypatch, precision):
    """The loss is called as it stands, also where layers are folded and products are in bfloat16."""
    monkeypatch.setattr(device, "best_precision", lambda device: precision)
    for loss, offset in ((l2_loss, 100), (l1_loss, 200), (neighbours, 300)):
        monkeypatch.setattr(
            training, "l2_loss", lambda model, batch, loss=loss, offset=offset: offset + loss(model, batch)
        )
        run = train_run(painted, tmp_path / f"run-{offset}", PRESETS["tiny"], epochs=1, latent_dim=8)
        assert run.config["precision"] == precision
        assert all(offset < loss < offset + 1 for _, _, loss in run.history)


def test_folding_is_for_bfloat16_on_one_processor():
    model = small()
    assert faster(model, l2_loss, "cpu", "float32")[0] is model
    assert faster(model, l2_loss, "cpu", "bfloat16")[0].folded
    assert not faster(model, l2_loss, "cpu", "bfloat16", processes=2)[0].folded
