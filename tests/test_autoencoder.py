"""The network against the article's printed tables."""

import pytest
import torch
from torch import nn

from hazelnut_ae import autoencoder
from hazelnut_ae.autoencoder import TABLE_1, TABLE_2, TABLE_2_PRINTED, Autoencoder, table_with_sizes

# The tables once more, typed from the article: type, in, out, kernel, stride; a norm row has its channels alone.
PRINTED_1 = """
C 3 3 4 2 | L 3 | C 3 32 4 2 | L 32 | C 32 32 4 2 | L 32 | C 32 32 3 1 | L 32 | C 32 64 4 2 | L 64 | C 64 64 3 1 | L 64
| C 64 128 4 2 | L 128 | C 128 64 3 1 | L 64 | C 64 32 3 1 | L 32 | C 32 500 8 1 | B 500
"""
PRINTED_2 = """
T 500 32 8 1 | L 32 | T 32 64 3 1 | L 64 | T 64 128 3 1 | L 128 | T 128 64 4 2 | L 64 | T 64 64 3 1 | L 64
| T 64 32 4 2 | L 32 | T 32 32 3 1 | L 32 | T 32 3 4 2 | L 64 | T 3 3 4 2
"""
NAMES = {"C": "CONV2D", "T": "CONVTRANSPOSE2D", "L": "BATCHNORM2D, LEAKYRELU", "B": "BATCHNORM2D"}


def typed(text):
    rows = [row.split() for row in text.split("|")]
    return [(NAMES[kind], *map(int, numbers)) for kind, *numbers in rows]


def test_tables_are_the_printed_ones_and_the_mended_one_mirrors_the_encoder():
    assert typed(PRINTED_1) == TABLE_1
    assert typed(PRINTED_2) == TABLE_2_PRINTED
    # the mended table differs in one row and one number
    assert len(TABLE_2) == len(TABLE_2_PRINTED) + 2  # the row and its BatchNorm
    mended = list(TABLE_2)
    del mended[14:16]
    assert mended == autoencoder.TABLE_2_WITHOUT_MISSING_ROW
    different = [i for i, (a, b) in enumerate(zip(mended, TABLE_2_PRINTED, strict=True)) if a != b]
    assert [(TABLE_2_PRINTED[i][1], mended[i][1]) for i in different] == [(64, 3)]
    encoder = [row[1:] for row in TABLE_1 if row[0] == "CONV2D"]
    decoder = [row[1:] for row in TABLE_2 if row[0] == "CONVTRANSPOSE2D"]
    assert decoder == [(o, i, k, s) for i, o, k, s in reversed(encoder)]  # it mirrors the encoder


def test_sizes_and_parameters():
    model = Autoencoder()
    rows = table_with_sizes(TABLE_1, 256) + table_with_sizes(TABLE_2, 1)
    assert sum(p.numel() for p in model.parameters()) == sum(row["parameters"] for row in rows) == 2_692_497
    assert [rows[i]["output"] for i in (0, len(TABLE_1) - 1, -1)] == [(3, 128, 128), (500, 1, 1), (3, 256, 256)]
    x = torch.rand(2, 3, 256, 256)
    assert model.encoder(x).shape == (2, 500, 1, 1)
    assert Autoencoder(as_printed=True)(x).shape == (2, 3, 128, 128)
    y = model(x)
    assert y.shape == x.shape
    assert 0 <= y.min() <= y.max() <= 1


def test_any_latent_dim_but_zero():
    x = torch.rand(2, 3, 256, 256)
    for latent_dim in (1, 2000):
        model = Autoencoder(latent_dim)
        assert model.encoder(x).shape == (2, latent_dim, 1, 1)
        assert model(x).shape == x.shape
    with pytest.raises(ValueError, match="at least 1"):
        Autoencoder(0)


def test_only_256_closes_table_1():
    z = Autoencoder().eval().encoder(torch.rand(1, 3, 512, 512))
    assert z.shape == (1, 500, 9, 9)
    with pytest.raises(ValueError, match="too small"):
        table_with_sizes(TABLE_1, 128)


def test_settings_of_norm_and_activation():
    modules = list(Autoencoder().modules())
    norms = [m for m in modules if isinstance(m, nn.BatchNorm2d)]
    assert {(m.momentum, m.eps) for m in norms} == {(0.1, 1e-6)}
    assert {m.negative_slope for m in modules if isinstance(m, nn.LeakyReLU)} == {0.01}
    assert isinstance(Autoencoder().encoder[-1], nn.BatchNorm2d)  # Table 1's last row has no LeakyReLU
