# %% [markdown]
# # 4 · Architecture: two tables, and the row that is missing
#
# **What you'll do.** Follow an image through the encoder, row by row; build the decoder as the article prints it; find out
# why it cannot work; mend it.
#
# **What you'll learn.** How a convolution changes sizes; why the input has 256 × 256 pixels; how a mirror reveals a
# misprint; where 2.7 million parameters sit.
#
# **What you'll need.** [Notebook 1](01_background.ipynb) for the idea; one minute on two cores. No training yet.
#
# The code of this lesson: `hazelnut_ae/autoencoder.py`.

# %% tags=["setup"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torch import nn

from hazelnut_ae import autoencoder, figures
from hazelnut_ae.autoencoder import MISSING_ROW, TABLE_1, TABLE_2, TABLE_2_PRINTED, TABLE_2_WITHOUT_MISSING_ROW
from hazelnut_ae.course.lesson import setup

lesson = setup()
ENCODER, DECODER = figures.BLUE, figures.VERMILION

# %% [markdown]
# ## How a convolution changes sizes
#
# A convolution slides a *kernel* of `k` × `k` weights over the image, in steps of `s` (the *stride*), after adding `p`
# pixels of *padding* on each side. From `n` pixels it makes
#
# $$ n' = \left\lfloor \frac{n + 2p - k}{s} \right\rfloor + 1 . $$
#
# The article's workhorse has k = 4, s = 2, p = 1, which halves the size exactly. A kernel of 3 with s = 1, p = 1 keeps it.
# The tables print no padding; these values are the ones that make the sizes fit.
#
# **Check.** Compute by hand what the three layers below do to 256 pixels. It should print 128, 256 and 249.


# %% tags=["setup"]
# NBVAL_CHECK_OUTPUT
def size_after(n, kernel, stride, padding):
    """Pixels along one side after a convolution."""
    return (n + 2 * padding - kernel) // stride + 1


for kernel, stride, padding in ((4, 2, 1), (3, 1, 1), (8, 1, 0)):
    layer = nn.Conv2d(3, 32, kernel, stride, padding)
    out = layer(torch.zeros(1, 3, 256, 256))  # [1, 32, n', n']
    print(
        f"kernel {kernel}, stride {stride}: by hand {size_after(256, kernel, stride, padding)}, PyTorch {out.shape[-1]}"
    )

# %% [markdown]
# ## The encoder: Table 1, row by row
#
# The package holds the article's table as data, one tuple per printed row, and builds the network from it:

# %%
TABLE_1[:4]

# %% [markdown]
# `table_with_sizes` sends an image through and writes down the size after each row. *BATCHNORM2D* shifts and scales each
# channel to zero mean and unit spread over the batch, which keeps a deep network trainable; *LEAKYRELU* is the bend that
# makes it more than a linear map (it multiplies negative values by 0.01).


# %%
def with_sizes(table, side):
    """A table with the output size and the number of parameters of each row, as a data frame."""
    frame = pd.DataFrame(autoencoder.table_with_sizes(table, side))
    frame["output"] = [" × ".join(map(str, shape)) for shape in frame["output"]]
    return frame.astype({"kernel": "Int64", "stride": "Int64"}).style.format(na_rep="", thousands=",").hide()


with_sizes(TABLE_1, 256)

# %% [markdown]
# 196,608 numbers come in and 500 go out: 1 in 393. Five times the image is halved, 256 → 128 → 64 → 32 → 16 → 8, until a
# kernel of 8 swallows all that is left. The last row has no LeakyReLU, so that a latent number may take any value.

# %% [markdown]
# ## Why 256?
#
# The article does not say what size its images had (the photographs have 1024 × 1024 pixels). Its table does. Let us offer
# it other sizes:

# %%
# NBVAL_CHECK_OUTPUT
for side in (64, 128, 224, 256, 288, 512):
    try:
        *_, last = autoencoder.table_with_sizes(TABLE_1, side)
        channels, height, width = last["output"]
        verdict = "a vector" if height == 1 else "not a vector"
        print(f"{side:3d} pixels -> {channels} x {height} x {width}: {verdict}")
    except ValueError:
        print(f"{side:3d} pixels -> too small: less than 8 x 8 is left for the kernel of 8")

# %% [markdown]
# Five halvings and then a kernel of 8 without padding: 8 · 2⁵ = **256**. With 128, only 4 × 4 pixels reach the kernel of 8;
# with 512, 9 × 9 latent vectors come out instead of one. (A few sizes just above 256 would also pass, because the halving
# rounds down; but what goes in must come out again, and the decoder can only double.)

# %% [markdown]
# ## The decoder: Table 2, as printed
#
# The decoder runs the other way. Its layers are *transposed* convolutions, which undo the size change of a convolution:
# kernel 4 with stride 2 doubles. Let us build it to the letter.

# %%
printed = autoencoder.build(TABLE_2_PRINTED)
z = torch.zeros(2, 500, 1, 1)  # two latent vectors
try:
    printed(z)
except RuntimeError as error:
    print(error)

# %% [markdown]
# PyTorch refuses. After `CONVTRANSPOSE2D 32 3` comes `BATCHNORM2D 64`, which wants 64 channels and gets 3:

# %%
# NBVAL_CHECK_OUTPUT
for row in TABLE_2_PRINTED[-3:]:
    print(row)

# %% [markdown]
# That is a slip of the pen; a BatchNorm always has as many channels as the layer before it. Put 3 in place of 64, and the
# decoder runs. Then look at the size at the end:

# %%
# NBVAL_CHECK_OUTPUT
print("the decoder returns", tuple(autoencoder.build(TABLE_2_WITHOUT_MISSING_ROW)(z).shape))

# %% [markdown]
# **128 × 128.** The encoder takes 256 and the decoder returns 128. The two cannot be subtracted, so there is no loss to
# train with and no residual to detect with. Something is missing.

# %% [markdown]
# ## What the mirror shows
#
# An autoencoder's decoder is usually its encoder in a mirror: same rows, in reverse order, with "in" and "out" exchanged.
# Put the convolutions of Table 1, read from the bottom, beside those of Table 2, read from the top:


# %%
# NBVAL_CHECK_OUTPUT
def convolutions(table):
    """The rows of a table that are convolutions, without their names: (in, out, kernel, stride)."""
    return [row[1:] for row in table if row[0].startswith("CONV")]


mirror = [(c_out, c_in, k, s) for c_in, c_out, k, s in reversed(convolutions(TABLE_1))]
rows = convolutions(TABLE_2_PRINTED)
partners = []  # for each printed row, its place in the mirror
print(f"{'Table 1, mirrored':22s} {'Table 2, printed':22s}")
for place, wanted in enumerate(mirror):
    row = rows[len(partners)]
    if row == wanted:
        partners.append(place)
    print(f"{wanted!s:22s} {row if row == wanted else '-- missing --'!s:22s}")

# %% [markdown]
# Nine of the ten rows agree, digit for digit. The mirror of `CONV2D 32 32 4 2` has no partner: the row
#
#     CONVTRANSPOSE2D 32 32 4 2
#
# (with its `BATCHNORM2D, LEAKYRELU 32`) fell out before `CONVTRANSPOSE2D 32 3 4 2`. The sizes say the same: without it
# the decoder doubles four times, 8 → 128; with it five times, 8 → 256. (A third witness: the author's own code, a
# smaller variant for 128-pixel images, has the row.) The picture shows the side of the feature maps at
# each convolution, encoder down and decoder up:


# %%
def sides(table, side):
    """The side of the feature maps after each convolution of a table."""
    rows = autoencoder.table_with_sizes(table, side)
    return [row["output"][1] for row in rows if row["layer"].startswith("CONV")]


down = [256, *sides(TABLE_1, 256)]
mended, printed = [1, *sides(TABLE_2, 1)], [1, *sides(TABLE_2_WITHOUT_MISSING_ROW, 1)]
figure, ax = plt.subplots(figsize=(8, 3.4))
ax.plot(range(11), down, color=ENCODER, marker="o", label="encoder (Table 1)")
ax.plot(range(10, 21), mended, color=DECODER, marker="s", label="decoder, mended")
places = [10, *(11 + place for place in partners)]
ax.plot(places, printed, color="black", linestyle="--", marker="x", label="decoder, as printed")
for side in (128, 256):
    ax.annotate(str(side), (20, side), xytext=(8, -4), textcoords="offset points")
ax.set_yscale("log", base=2)
ax.set_yticks([1, 8, 16, 32, 64, 128, 256], ["1", "8", "16", "32", "64", "128", "256"])
ax.set_xticks(range(0, 21, 2))
ax.set(xlabel="convolution", ylabel="side of the feature maps")
ax.legend(fontsize=8, loc="upper center")
plt.show()

# %% [markdown]
# **Check.** With the row in its place the decoder is the exact mirror:

# %%
# NBVAL_CHECK_OUTPUT
print("missing:", MISSING_ROW)
print("mended table is the mirror of Table 1:", convolutions(TABLE_2) == mirror)
print("the mended decoder returns", tuple(autoencoder.build(TABLE_2)(z).shape))

# %% [markdown]
# This is the network of the course; the decoder as printed can still be built, with `Autoencoder(as_printed=True)`. One
# more thing the tables leave out: the last layer has no activation, yet pixel values lie between 0 and 1. A *sigmoid* at
# the end sees to that.

# %% [markdown]
# ## Counting parameters
#
# A convolution has `in · out · k · k` weights and `out` biases; a BatchNorm has 2 per channel.

# %%
# NBVAL_CHECK_OUTPUT
model = autoencoder.Autoencoder()
total = sum(parameter.numel() for parameter in model.parameters())
by_hand = sum(a * b * k * k + b for table in (TABLE_1, TABLE_2) for a, b, k, _ in convolutions(table))
by_hand += sum(2 * row[1] for table in (TABLE_1, TABLE_2) for row in table if row[0].startswith("BATCH"))
print(f"{total:,} parameters, by hand {by_hand:,}")
numbers = 3 * 256 * 256
print(f"{numbers:,} numbers in, {model.latent_dim} in the middle: 1 in {numbers / model.latent_dim:.0f}")

# %%
rows = autoencoder.table_with_sizes(TABLE_1, 256) + autoencoder.table_with_sizes(TABLE_2, 1)
rows = [row for row in rows if row["layer"].startswith("CONV")]
figure, ax = plt.subplots(figsize=(8, 3))
colours = [ENCODER] * len(convolutions(TABLE_1)) + [DECODER] * len(convolutions(TABLE_2))
ax.bar(range(len(rows)), [row["parameters"] for row in rows], color=colours)
ax.set_xticks(range(len(rows)), [f"{row['in']}→{row['out']}" for row in rows], rotation=90, fontsize=8)
ax.set_ylabel("parameters")
plt.show()

# %% [markdown]
# Three quarters of all parameters sit in the two layers around the latent vector. The outermost layers,
# whose images are the largest, have next to none.

# %% [markdown]
# ## An untrained network
#
# With random weights, the network already turns an image into an image of the right size. It has just nothing to say yet:

# %%
image = lesson.dataset.train.images[:2]
with torch.no_grad():
    x = torch.from_numpy(np.array(image)) / 255  # [2, 3, 256, 256]
    z = model.encoder(x)  # [2, 500, 1, 1]
    output = model.decoder(z)  # [2, 3, 256, 256]
print(tuple(x.shape), "->", tuple(z.shape), "->", tuple(output.shape))
print(f"output between {output.min():.2f} and {output.max():.2f}")

# %% [markdown]
# ## Exercises

# %% [markdown] tags=["exercise"]
# **1 (easy).** How many parameters has the network with a latent vector of 100 numbers? Predict it from the bar chart, then
# build it.

# %% tags=["try"]
# autoencoder.Autoencoder(latent_dim=...)

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
for latent_dim in (100, 500):
    small = autoencoder.Autoencoder(latent_dim=latent_dim)
    print(latent_dim, f"{sum(p.numel() for p in small.parameters()):,}")

# %% [markdown] tags=["solution"]
# The two layers around the latent vector have 32 · 8 · 8 = 2048 weights per latent number each, and there are three more
# values per number (the bias of the convolution and two of the BatchNorm). 400 numbers fewer make
# 400 · (2 · 2048 + 3) = 1,639,600 parameters fewer.

# %% [markdown] tags=["exercise"]
# **2 (medium).** Change Table 1 so that it takes 128 × 128 images, by changing a single number of one row, and Table 2
# accordingly. Does it close?

# %% tags=["try"]
# table = list(TABLE_1); ...

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
encoder = [("CONV2D", 32, 500, 4, 1) if row[-2:] == (8, 1) else row for row in TABLE_1]
decoder = [("CONVTRANSPOSE2D", 500, 32, 4, 1) if row[-2:] == (8, 1) else row for row in TABLE_2]


def build_without_padding_at_4_1(table):
    """As `build`, but the kernel of 4 with stride 1 has no padding."""
    layers = []
    for row in table:
        if row[-2:] == (4, 1):
            layer = nn.Conv2d if row[0] == "CONV2D" else nn.ConvTranspose2d
            layers.append(layer(row[1], row[2], 4, 1, padding=0))
        else:
            layers += autoencoder.layers_of(row)
    return nn.Sequential(*layers)


x = torch.zeros(2, 3, 128, 128)
z = build_without_padding_at_4_1(encoder)(x)
print(tuple(z.shape), tuple(build_without_padding_at_4_1(decoder)(z).shape))

# %% [markdown] tags=["solution"]
# A kernel of 4 in place of 8: after five halvings, 128 pixels are 4.

# %% [markdown] tags=["exercise"]
# **3 (medium).** How large is the piece of the input that one number *before* the kernel of 8 can see (its *receptive
# field*)? Walk through the rows of Table 1: the field grows by (k − 1) times the product of the strides so far.

# %% tags=["try"]
# field, step = 1, 1

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
field, step = 1, 1
for row in TABLE_1:
    if row[0] == "CONV2D":
        _, _, _, kernel, stride = row
        field += (kernel - 1) * step
        step *= stride
        print(f"kernel {kernel}, stride {stride}: sees {field} pixels, steps of {step}")

# %% [markdown] tags=["solution"]
# Already before the last row, a number in the middle of the feature map sees 270 pixels, more than the image has. After
# it, each latent number speaks of the whole nut, not of a place in it. That is why small marks get lost on the way.

# %% [markdown] tags=["exercise"]
# **4 (hard).** Count the multiply-adds of one image through the encoder and through the decoder: for a convolution, each
# output number costs `in · k · k`. (For a transposed one, each *input* number costs `out · k · k`.) What does one training
# step on 32 images cost, if the backward pass costs twice the forward pass?

# %% tags=["try"]
# table_with_sizes gives the output sizes


# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
def multiply_adds(table, side):
    """Multiply-adds of one image through a table, in millions."""
    total, before = 0, side * side
    for row in autoencoder.table_with_sizes(table, side):
        after = row["output"][1] * row["output"][2]  # pixels of the feature map
        if row["layer"].startswith("CONV"):
            where = after if row["layer"] == "CONV2D" else before
            total += row["in"] * row["out"] * row["kernel"] ** 2 * where
        before = after
    return total / 1e6


encoder_cost, decoder_cost = multiply_adds(TABLE_1, 256), multiply_adds(TABLE_2, 1)
print(f"encoder {encoder_cost:.1f} M, decoder {decoder_cost:.1f} M multiply-adds per image")
operations = 2 * 3 * 32 * (encoder_cost + decoder_cost) * 1e6  # multiply and add; forward and backward; 32 images
print(f"one step of 32 images: {operations / 1e9:.1f} billion operations")

# %% [markdown]
# ## In practice
#
# * Print the sizes of every layer before the first training run. Five minutes here save an afternoon.
# * When a paper's table does not close, look for symmetry: mirrors, doublings, sums. Authors type tables by hand.
# * Tell readers what you changed. This course says "mended" wherever it uses the row that is not printed.
#
# ## Further reading
#
# * V. Dumoulin, F. Visin, *A guide to convolution arithmetic for deep learning* (2016): every formula used here, drawn.
# * S. Ioffe, C. Szegedy, *Batch Normalization*, ICML 2015.
# * A. Odena, V. Dumoulin, C. Olah, *Deconvolution and Checkerboard Artifacts*, Distill (2016): what transposed
#   convolutions do to pictures.
#
# **Back:** [3 · Data augmentation](03_data_augmentation.ipynb) · **Next:** [5 · Training](05_training.ipynb) ·
# [Solutions](solutions/04_architecture.ipynb)
