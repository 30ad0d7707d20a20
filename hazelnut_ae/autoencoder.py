"""The article's network (notebook 4): Table 1 (encoder) and Table 2 (decoder) as data, and the network built from them.

Hold the rows below against the printed tables. What the tables leave out: the padding is 1 everywhere but 0 for the
kernel of 8, BatchNorm has momentum 0.1 and eps 1e-6, LeakyReLU has slope 0.01, and the decoder ends in a sigmoid.
"""

import torch
from torch import nn

LATENT_DIM = 500

# (layer, in, out, kernel, stride), or (layers, channels); a line holds two rows of the printed table
TABLE_1 = [
    ("CONV2D", 3, 3, 4, 2), ("BATCHNORM2D, LEAKYRELU", 3),
    ("CONV2D", 3, 32, 4, 2), ("BATCHNORM2D, LEAKYRELU", 32),
    ("CONV2D", 32, 32, 4, 2), ("BATCHNORM2D, LEAKYRELU", 32),
    ("CONV2D", 32, 32, 3, 1), ("BATCHNORM2D, LEAKYRELU", 32),
    ("CONV2D", 32, 64, 4, 2), ("BATCHNORM2D, LEAKYRELU", 64),
    ("CONV2D", 64, 64, 3, 1), ("BATCHNORM2D, LEAKYRELU", 64),
    ("CONV2D", 64, 128, 4, 2), ("BATCHNORM2D, LEAKYRELU", 128),
    ("CONV2D", 128, 64, 3, 1), ("BATCHNORM2D, LEAKYRELU", 64),
    ("CONV2D", 64, 32, 3, 1), ("BATCHNORM2D, LEAKYRELU", 32),
    ("CONV2D", 32, 500, 8, 1), ("BATCHNORM2D", 500),
]  # fmt: skip

# As printed. It cannot be built to the letter: the last BatchNorm has 64 channels after a layer of 3.
TABLE_2_PRINTED = [
    ("CONVTRANSPOSE2D", 500, 32, 8, 1), ("BATCHNORM2D, LEAKYRELU", 32),
    ("CONVTRANSPOSE2D", 32, 64, 3, 1), ("BATCHNORM2D, LEAKYRELU", 64),
    ("CONVTRANSPOSE2D", 64, 128, 3, 1), ("BATCHNORM2D, LEAKYRELU", 128),
    ("CONVTRANSPOSE2D", 128, 64, 4, 2), ("BATCHNORM2D, LEAKYRELU", 64),
    ("CONVTRANSPOSE2D", 64, 64, 3, 1), ("BATCHNORM2D, LEAKYRELU", 64),
    ("CONVTRANSPOSE2D", 64, 32, 4, 2), ("BATCHNORM2D, LEAKYRELU", 32),
    ("CONVTRANSPOSE2D", 32, 32, 3, 1), ("BATCHNORM2D, LEAKYRELU", 32),
    ("CONVTRANSPOSE2D", 32, 3, 4, 2), ("BATCHNORM2D, LEAKYRELU", 64),
    ("CONVTRANSPOSE2D", 3, 3, 4, 2),
]  # fmt: skip

# Mended: 3 channels where 64 were printed ...
TABLE_2_WITHOUT_MISSING_ROW = [*TABLE_2_PRINTED[:15], ("BATCHNORM2D, LEAKYRELU", 3), TABLE_2_PRINTED[16]]
# ... and the row whose absence leaves the output at 128×128. With it the decoder is the mirror image of Table 1.
MISSING_ROW = [("CONVTRANSPOSE2D", 32, 32, 4, 2), ("BATCHNORM2D, LEAKYRELU", 32)]
TABLE_2 = [*TABLE_2_WITHOUT_MISSING_ROW[:14], *MISSING_ROW, *TABLE_2_WITHOUT_MISSING_ROW[14:]]


def layers_of(row):
    """The PyTorch layers of one row of a table."""
    if row[0] in ("CONV2D", "CONVTRANSPOSE2D"):
        layer = nn.Conv2d if row[0] == "CONV2D" else nn.ConvTranspose2d
        _, channels_in, channels_out, kernel, stride = row
        return [layer(channels_in, channels_out, kernel, stride, padding=0 if kernel == 8 else 1)]
    layers = [nn.BatchNorm2d(row[1], eps=1e-6, momentum=0.1)]
    if "LEAKYRELU" in row[0]:
        layers.append(nn.LeakyReLU(0.01))
    return layers


def with_latent_dim(table, latent_dim):
    """The same table with another size of the latent vector in place of 500."""
    return [tuple(latent_dim if number == LATENT_DIM else number for number in row) for row in table]


def build(table):
    """The rows of a table, one after the other, as a network."""
    return nn.Sequential(*[layer for row in table for layer in layers_of(row)])


class Autoencoder(nn.Module):
    """Tables 1 and 2, mended: images float32 [N, 3, 256, 256] in [0, 1] to reconstructions of the same shape and range.

    With `as_printed`, the decoder lacks the row that Table 2 lacks and returns [N, 3, 128, 128].
    Raises: ValueError if `latent_dim` is below 1.
    """

    def __init__(self, latent_dim=LATENT_DIM, as_printed=False):
        super().__init__()
        if latent_dim < 1:
            raise ValueError(f"latent_dim must be at least 1, not {latent_dim}")
        table_2 = TABLE_2_WITHOUT_MISSING_ROW if as_printed else TABLE_2
        self.latent_dim = latent_dim
        self.encoder = build(with_latent_dim(TABLE_1, latent_dim))
        self.decoder = build(with_latent_dim(table_2, latent_dim)).append(nn.Sigmoid())

    def forward(self, x):
        z = self.encoder(x)  # [N, 500, 1, 1]
        return self.decoder(z)  # [N, 3, 256, 256]


def table_with_sizes(table, size):
    """Each row of `table` with the output size and the parameters it gives, for an input of `size`×`size` pixels.

    Returns a list of dicts: layer, in, out, kernel, stride (None where the row has none), output (channels, height,
    width) and parameters. Raises: ValueError where the input is too small for a row.
    """
    rows = []
    x = torch.zeros(2, table[0][1], size, size)  # [2, C, size, size]; BatchNorm wants two
    for row in table:
        layers = nn.Sequential(*layers_of(row))
        try:
            with torch.no_grad():
                x = layers(x)
        except RuntimeError as error:
            raise ValueError(f"an input of {size}×{size} pixels is too small for the row {row}") from error
        whole = row if len(row) == 5 else (*row, row[1], None, None)  # layers without kernel keep the channels
        found = {"output": tuple(x.shape[1:]), "parameters": sum(p.numel() for p in layers.parameters())}
        rows.append(dict(zip(("layer", "in", "out", "kernel", "stride"), whole, strict=True)) | found)
    return rows
