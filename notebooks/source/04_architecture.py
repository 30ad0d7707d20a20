# %% [markdown]
# # 4 · Architecture: two tables, and the row that is missing
#
# **What you'll do.** Follow an image through the encoder, row by row, and back through the decoder; see what 500 numbers cannot
# say; and, if you like a detour, find out why the article's decoder cannot work as printed.
#
# **What you'll learn.** How a convolution changes sizes; what BatchNorm computes; why the input has 256 × 256 pixels; where
# 2.7 million parameters sit; why an unsure network draws softly.
#
# **What you'll need.** [Notebook 1](01_background.ipynb) for the idea. No training yet.
#
# **Time.** One minute on two cores. For you about an hour and a half: the encoder 20 minutes, BatchNorm 5, the decoder 10 (the
# detour 20 more), parameters 5, what 500 numbers cannot say 10, exercises 40.
#
# The code of this lesson: `hazelnut_ae/autoencoder.py`.

# %% tags=["setup"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torch import nn

from hazelnut_ae import augmentation, autoencoder, figures
from hazelnut_ae.autoencoder import MISSING_ROW, TABLE_1, TABLE_2, TABLE_2_PRINTED, TABLE_2_WITHOUT_MISSING_ROW
from hazelnut_ae.course.checks import check
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
# The tables print no padding; we take 1 everywhere, and 0 for the kernel of 8. Below we come back to that choice.
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

# %% tags=["claim"]
# claim: a kernel of 4 with stride 2 halves every even size exactly, a kernel of 3 keeps every size
assert all(size_after(n, 4, 2, 1) == n / 2 for n in range(4, 600, 2))
assert all(size_after(n, 3, 1, 1) == n for n in range(3, 600))

# %% [markdown]
# ## The encoder: Table 1, row by row
#
# The package holds the article's table as data, one tuple per printed row, and builds the network from it:

# %%
TABLE_1[:4]

# %% [markdown]
# `table_with_sizes` sends an image through and writes down the size after each row: channels × height × width. (The channels of a
# layer are its *feature maps*.) *BATCHNORM2D* comes below. *LEAKYRELU* is the bend that makes the network more than a linear map:
# it multiplies negative values by 0.01. A plain ReLU would make them 0, and their gradient, too: a channel that is negative for
# all images would pass no gradient on. The small slope lets a little through.


# %%
def with_sizes(table, side):
    """A table with the output size and the number of parameters of each row, as a data frame."""
    frame = pd.DataFrame(autoencoder.table_with_sizes(table, side))
    frame["output"] = [" × ".join(map(str, shape)) for shape in frame["output"]]
    return frame.astype({"kernel": "Int64", "stride": "Int64"}).style.format(na_rep="", thousands=",").hide()


with_sizes(TABLE_1, 256)

# %% [markdown]
# 196,608 numbers come in and 500 go out: 1 in 393. Five times the image is halved, 256 → 128 → 64 → 32 → 16 → 8, until a
# kernel of 8 swallows all that is left. The last row has no LeakyReLU; the article does not say why. With it, a latent number could
# still take any value, but its negative ones would be a hundred times smaller.
#
# That kernel covers the whole 8 × 8 map. So a latent number may depend on every pixel, and none belongs to one place: its *receptive
# field* is 494 pixels wide (exercise 2), more than the image has.

# %% tags=["claim"]
# claim: 1 in 393; the sides on the way; LeakyReLU keeps the sign and divides by a hundred
sides_on_the_way = [row["output"][1] for row in autoencoder.table_with_sizes(TABLE_1, 256) if row["stride"] == 2]
assert (3 * 256 * 256 // 500, sides_on_the_way) == (393, [128, 64, 32, 16, 8])
assert torch.allclose(nn.LeakyReLU(0.01)(torch.tensor([-3.0, 3.0])), torch.tensor([-0.03, 3.0]))

# %% [markdown]
# ## BatchNorm, by hand
#
# For each channel, BatchNorm takes the mean and the variance over the batch and all places, and computes
#
# $$ y = \gamma \, \frac{x - \text{mean}}{\sqrt{\text{variance} + \varepsilon}} + \beta . $$
#
# The scale γ and the shift β are *learned*, one of each per channel; they begin at 1 and 0. The small ε avoids a division by zero.
# While it trains, the layer also keeps *running averages* of mean and variance; `model.eval()` uses those in place of the batch's.
#
# **Check.** By hand and by PyTorch, on four images, three channels each:

# %%
# NBVAL_CHECK_OUTPUT
x = torch.from_numpy(np.array(lesson.dataset.train.images[:4])) / 255  # [4, 3, 256, 256]
norm = nn.BatchNorm2d(3, eps=1e-6, momentum=0.1)  # the article's settings
normed = norm(x)  # in training mode: by the batch's own mean and variance
mean, variance = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)  # [3] each
by_hand = (x - mean.view(3, 1, 1)) / (variance.view(3, 1, 1) + 1e-6).sqrt()  # [4, 3, 256, 256]
print("by hand as by PyTorch:", torch.allclose(normed, by_hand, atol=1e-4))
print("running mean after this batch, 0 before: 0.9 · 0 + 0.1 · mean:", torch.allclose(norm.running_mean, 0.1 * mean))
print("learned:", {name: tuple(one.shape) for name, one in norm.named_parameters()})

# %% [markdown]
# The article gives momentum 0.1 and ε = 1e-6, and the package uses both. In PyTorch the momentum is the weight of the *new* batch,
# and 0.1 is its default (some other libraries write 0.9 for the same thing). Its default ε is 1e-5. Does that matter? Only in a channel
# whose variance is not far above ε. Let us ask a trained network, the 1000-epoch run that comes with the course:

# %%
trained = (
    lesson.shipped_run.model if lesson.shipped_run else autoencoder.Autoencoder()
)  # other images: an untrained one
norms = [layer for layer in trained.modules() if isinstance(layer, nn.BatchNorm2d)]
smallest = min(layer.running_var.min().item() for layer in norms)
changes = 1 - ((smallest + 1e-6) / (smallest + 1e-5)) ** 0.5
print(f"smallest variance of any channel: {smallest:.3f}; with ε = 1e-5 its output would be {changes:.4%} smaller")

# %% [markdown]
# Not in this network, once trained: the other ε would change no channel by more than {{ changes:.4%}}.

# %% tags=["claim"]
# claim: each of the 19 BatchNorms has the article's settings, and ε hardly matters in them
assert [(layer.momentum, layer.eps) for layer in norms] == [(0.1, 1e-6)] * 19
default = nn.BatchNorm2d(3)
assert (default.momentum, default.eps) == (0.1, 1e-5)
assert changes < 1e-3

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
# with 512, 9 × 9 latent vectors come out instead of one. (The sizes up to 287 would also pass, because the halving
# rounds down; but what goes in must come out again, and the decoder can only double.)

# %% tags=["claim"]
# claim: sizes just above 256 pass as well, 288 no longer
for side, height in ((257, 1), (287, 1), (288, 2), (512, 9)):
    assert autoencoder.table_with_sizes(TABLE_1, side)[-1]["output"] == (500, height, height)

# %% [markdown]
# Is this a proof? Not quite; it is a circle. The paddings were chosen so that the sizes fit, and then the sizes follow from the
# paddings. What breaks the circle is a witness from outside: the axes of the article's figures run to 256. And the choice is the
# common one: padding 1 makes a kernel of 4 halve exactly and a kernel of 3 keep the size.

# %% [markdown]
# ## The decoder: the encoder in a mirror
#
# The decoder runs the other way. Its layers are *transposed* convolutions, which undo the size change of a convolution:
# kernel 4 with stride 2 doubles. Its rows are those of the encoder in reverse order, with "in" and "out" exchanged:

# %%
with_sizes(TABLE_2, 1)


# %% tags=["setup"]
# NBVAL_CHECK_OUTPUT
def convolutions(table):
    """The rows of a table that are convolutions, without their names: (in, out, kernel, stride)."""
    return [row[1:] for row in table if row[0].startswith("CONV")]


mirror = [(c_out, c_in, kernel, stride) for c_in, c_out, kernel, stride in reversed(convolutions(TABLE_1))]
print("the decoder is the mirror of the encoder:", convolutions(TABLE_2) == mirror)

# %% [markdown]
# One more thing the article's tables leave out: the last layer has no activation, yet pixel values lie between 0 and 1. A *sigmoid*
# at the end sees to that.
#
# This is not quite the table that the article prints. How we know is a detective story; skip it if you are in a hurry.

# %% [markdown] tags=["detour"]
# ## A detour: the row that is missing
#
# Let us build Table 2 to the letter.

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
# That is a typing error; a BatchNorm always has as many channels as the layer before it. Put 3 in place of 64, and the
# decoder runs. Then look at the size at the end:

# %%
# NBVAL_CHECK_OUTPUT
print("the decoder returns", tuple(autoencoder.build(TABLE_2_WITHOUT_MISSING_ROW)(z).shape))

# %% [markdown]
# **128 × 128.** The encoder takes 256 and the decoder returns 128. The two cannot be subtracted, so there is no loss to
# train with and no residual to detect with. Put the mirrored convolutions of Table 1 beside those of Table 2:

# %%
# NBVAL_CHECK_OUTPUT
printed_rows = convolutions(TABLE_2_PRINTED)
missing_at = [wanted == found for wanted, found in zip(mirror, printed_rows, strict=False)].index(False)
printed_rows.insert(missing_at, "-- missing --")  # a gap where the two first differ; then the rest agrees again
print(f"{'Table 1, mirrored':20s} Table 2, printed")
for wanted, found in zip(mirror, printed_rows, strict=True):
    print(f"{wanted!s:20s} {found}")

# %% [markdown]
# Nine of the ten rows agree, digit for digit. The mirror of `CONV2D 32 32 4 2` has no partner: the row
#
#     CONVTRANSPOSE2D 32 32 4 2
#
# (with its `BATCHNORM2D, LEAKYRELU 32`) fell out before `CONVTRANSPOSE2D 32 3 4 2`. The sizes say the same: without it
# the decoder doubles four times, 8 → 128; with it five times, 8 → 256. A third witness is the author's published code, a smaller
# variant for 128-pixel images: it has the row. The sides of the feature maps, encoder down and decoder up:


# %%
def sides(table, side):
    """The side of the feature maps after each convolution of a table."""
    rows = autoencoder.table_with_sizes(table, side)
    return [row["output"][1] for row in rows if row["layer"].startswith("CONV")]


figure, ax = plt.subplots(figsize=(8, 3.4))
ax.plot(range(11), [256, *sides(TABLE_1, 256)], color=ENCODER, marker="o", label="encoder (Table 1)")
ax.plot(range(10, 21), [1, *sides(TABLE_2, 1)], color=DECODER, marker="s", label="decoder, mended")
without = [1, *sides(TABLE_2_WITHOUT_MISSING_ROW, 1)]
places = [place for place in range(10, 21) if place != 11 + missing_at]  # each row above its own mended partner
ax.plot(places, without, color="black", linestyle="--", marker="x", label="decoder, without it")
ax.axvline(11 + missing_at, color="0.6", linewidth=1, linestyle=":", label="the missing row")
ax.set_yscale("log", base=2)
ax.set_yticks([1, 8, 16, 32, 64, 128, 256], ["1", "8", "16", "32", "64", "128", "256"])
ax.set_xticks(range(0, 21, 2))
ax.set(xlabel="convolution", ylabel="side of the feature maps")
ax.legend(fontsize=9, loc="upper center")
plt.show()

# %%
# NBVAL_CHECK_OUTPUT
print("missing:", MISSING_ROW)
print("the mended decoder returns", tuple(autoencoder.build(TABLE_2)(z).shape))

# %% tags=["claim"]
# claim: nine of the ten printed rows agree, and the tenth is the missing one
assert sum(wanted == found for wanted, found in zip(mirror, printed_rows, strict=True)) == 9
assert mirror[missing_at] == MISSING_ROW[0][1:] == (32, 32, 4, 2)
assert (sides(TABLE_2_WITHOUT_MISSING_ROW, 1)[-1], sides(TABLE_2, 1)[-1]) == (128, 256)

# %% [markdown]
# The decoder without that row can still be built: `Autoencoder(as_printed=True)`.

# %% [markdown]
# ## Counting parameters
#
# A convolution has `in · out · k · k` weights and `out` biases; a BatchNorm has 2 per channel, its γ and β.

# %%
# NBVAL_CHECK_OUTPUT
model = autoencoder.Autoencoder()
total = sum(parameter.numel() for parameter in model.parameters())
by_hand = sum(a * b * k * k + b for table in (TABLE_1, TABLE_2) for a, b, k, _ in convolutions(table))
by_hand += sum(2 * row[1] for table in (TABLE_1, TABLE_2) for row in table if row[0].startswith("BATCH"))
print(f"{total:,} parameters, by hand {by_hand:,}")

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
# whose images are the largest, have next to none: the first and the last together one in ten thousand.

# %% tags=["claim"]
# claim: three quarters around the latent vector, next to none outside
inner = sum(row["parameters"] for row in rows if 500 in (row["in"], row["out"])) / total
outer = (rows[0]["parameters"] + rows[-1]["parameters"]) / total
assert 0.74 < inner < 0.78
assert outer < 1.2e-4

# %% [markdown]
# ## An untrained network
#
# With random weights, the network already turns an image into an image of the right size. It has nothing to say yet:

# %%
image = lesson.dataset.train.images[:2]
with torch.no_grad():
    x = torch.from_numpy(np.array(image)) / 255  # [2, 3, 256, 256]
    z = model.encoder(x)  # [2, 500, 1, 1]
    output = model.decoder(z)  # [2, 3, 256, 256]
print(tuple(x.shape), "->", tuple(z.shape), "->", tuple(output.shape))
print(f"output between {output.min():.2f} and {output.max():.2f}")

# %% [markdown]
# ## What 500 numbers cannot say
#
# One number in 393 gets through the bottleneck. What does the decoder draw where the latent numbers do not tell? The squared error decides.
# A toy: a row of pixels, dark on the left and bright on the right. The latent number says "the edge is in the middle", give or take
# 8 pixels. Which single answer has the smallest mean squared error over all those rows?

# %%
# NBVAL_CHECK_OUTPUT
pixels = np.arange(64)
possible = np.array([(pixels >= edge).astype(float) for edge in range(24, 41)])  # [17, 64], one edge each
answers = {"sharp, in the middle": possible[8], "their mean, soft": possible.mean(axis=0)}  # [64] each
for name, answer in answers.items():
    print(f"{name}: mean squared error {((possible - answer) ** 2).mean():.3f}")

# %% [markdown]
# The **mean of all that is possible** has two thirds of the error of the sharp edge, and no answer has less: for each pixel, the number with
# the smallest mean squared distance to several others is their mean. So an unsure network that minimises squared error is soft.

# %% tags=["claim"]
# claim: two thirds of the error, and no other answer has less, neither sharp ones nor the mean with noise
errors = [((possible - answer) ** 2).mean() for answer in answers.values()]
assert 0.6 < errors[1] / errors[0] < 0.72
noisy = answers["their mean, soft"] + 0.05 * np.random.default_rng(0).standard_normal((1000, 1, 64))
assert min(((possible - answer) ** 2).mean() for answer in [*possible, *noisy]) > errors[1]

# %% [markdown]
# Now a nut: suppose that the latent numbers tell its direction up to ±12°. The best answer is the mean of all turns that are possible:

# %%
angles = np.arange(-12, 13, 2)
turns = np.stack([augmentation.rotate(torch.from_numpy(image[0]), float(a)).numpy() / 255 for a in angles])
mean = turns.mean(axis=0)  # [3, 256, 256]
residual = np.abs(image[0] / 255 - mean).max(axis=0)  # [256, 256]
down, across = np.gradient(image[0].mean(axis=0))  # [256, 256] each: how the grey value changes
steepness = np.hypot(down, across)  # [256, 256]
on_edge = steepness > np.quantile(steepness, 0.9)  # the tenth with the steepest grey values
titles = ["a good nut", "the mean of its turns", "their difference"]
figures.panels([[image[0], mean, residual]], titles, caption=f"Turned by up to 12° either way. {lesson.data_words}.")

# %%
sharp_error, soft_error = ((turns - image[0] / 255) ** 2).mean(), ((turns - mean) ** 2).mean()
print(f"mean squared error over all turns: the sharp nut {sharp_error:.4f}, the mean {soft_error:.4f}")
ratio = residual[on_edge].mean() / residual[~on_edge].mean()
print(f"difference on edges : elsewhere = {ratio:.1f}")

# %% [markdown]
# The mean wins again. In the picture it has lost the fibres of the scar and the stripes of the shell, and its difference from this nut
# lies in the scar, on rims and on stripes, where nothing is wrong: on steep edges it is {{ ratio:.1f }} times what it is elsewhere. If a
# network were so unsure of the direction, its anomaly map would be large there, on good nuts.
# [Notebook 5](05_training.ipynb) asks why our networks draw softly, [notebook 6](06_residual_thresholding.ipynb) where the false alarms are.

# %% tags=["claim"]
# claim: the mean has the smaller error, and differs from the nut on edges
assert soft_error < 0.8 * sharp_error
assert ratio > 2

# %% [markdown]
# **Try next.** Make the doubt smaller, ±4°, or larger, ±30°. At which does the scar lose its fibres?

# %% [markdown]
# ## Exercises
#
# Below each there is a *check*: run it, and it says whether your answer holds.

# %% [markdown] tags=["exercise"]
# **1 (easy).** How many parameters has the network with a latent vector of `latent` numbers? Write it as a formula (500 gives
# 2,692,497), then compare with `autoencoder.Autoencoder(latent_dim=100)`.


# %% tags=["try"]
def parameters(latent):
    """How many parameters the network has."""
    return 2_692_497


# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
def parameters(latent):
    """How many parameters the network has."""
    per_number = 2 * 32 * 8 * 8 + 1 + 2  # its weights in two layers, one bias, two values of the BatchNorm
    return 2_692_497 + (latent - 500) * per_number


for latent in (16, 100, 500):
    small = autoencoder.Autoencoder(latent_dim=latent)
    print(f"{latent}: {parameters(latent):,}, counted {sum(p.numel() for p in small.parameters()):,}")

# %% tags=["check"]
with check(1):
    for latent in (500, 100, 7, 501):
        counted = sum(p.numel() for p in autoencoder.Autoencoder(latent_dim=latent).parameters())
        assert parameters(latent) == counted, f"with {latent} numbers there are {counted:,}, not {parameters(latent):,}"

# %% [markdown] tags=["solution"]
# Each latent number costs 4,099 parameters. With 100 in place of 500 the network has 1,639,600 fewer, 61 % of
# all.

# %% [markdown] tags=["exercise"]
# **2 (medium).** How large is the piece of the input that one number can see (its *receptive field*)? Walk through the rows: with
# each convolution the field grows by (kernel − 1) times the product of the strides *before* it.


# %% tags=["try"]
def receptive_field(rows):
    """Pixels along one side that one number sees after these rows (in, out, kernel, stride)."""
    return 1


# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
def receptive_field(rows):
    """Pixels along one side that one number sees after these rows (in, out, kernel, stride)."""
    field, step = 1, 1
    for _, _, kernel, stride in rows:
        field += (kernel - 1) * step
        step *= stride
    return field


rows = convolutions(TABLE_1)
print([receptive_field(rows[:count]) for count in range(1, len(rows) + 1)])

# %% tags=["check"]
with check(2):
    assert receptive_field([(3, 3, 4, 2)]) == 4, "after the first row: its kernel"
    assert receptive_field([(3, 3, 4, 2), (3, 3, 4, 2)]) == 10, "4, and 3 more steps of 2 pixels"
    assert receptive_field([(3, 3, 3, 1), (3, 3, 4, 2)]) == 6, "a stride counts only for the rows behind it"
    assert receptive_field(convolutions(TABLE_1)[:-1]) == 270, "270 before the kernel of 8"

# %% [markdown] tags=["solution"]
# Already before the last row, a number in the middle of the feature map sees 270 pixels along each side, more than the image has.
# (It sits off the centre, so 9 pixels at one end of each side lie outside its field.) After the last row, each latent number may
# depend on every pixel; no number belongs to one place. That alone
# loses nothing: 196,608 such numbers could carry the whole image. It is the 500, and what they were trained for, that decide what is lost.

# %% [markdown] tags=["exercise"]
# **3 (medium).** Make tables for images of 128 × 128 pixels, by taking rows out and changing none: one convolution and its BatchNorm
# from each table. Which decoder do you get?

# %% tags=["try"]
encoder_128, decoder_128 = list(TABLE_1), list(TABLE_2)

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
halving = TABLE_1.index(("CONV2D", 32, 32, 4, 2))
doubling = TABLE_2.index(("CONVTRANSPOSE2D", 32, 32, 4, 2))
encoder_128 = TABLE_1[:halving] + TABLE_1[halving + 2 :]
decoder_128 = TABLE_2[:doubling] + TABLE_2[doubling + 2 :]
z = autoencoder.build(encoder_128)(torch.zeros(2, 3, 128, 128))
print(tuple(z.shape), "->", tuple(autoencoder.build(decoder_128)(z).shape))
print("the decoder as printed, but for the 64:", decoder_128 == TABLE_2_WITHOUT_MISSING_ROW)

# %% tags=["check"]
with check(3):
    assert len(encoder_128) == len(TABLE_1) - 2, "two rows less in the encoder"
    assert len(decoder_128) == len(TABLE_2) - 2, "two rows less in the decoder"
    z = autoencoder.build(encoder_128)(torch.zeros(2, 3, 128, 128))
    assert z.shape == (2, 500, 1, 1), f"the latent vector has the shape {tuple(z.shape)}"
    reconstruction = autoencoder.build(decoder_128)(z)
    assert reconstruction.shape == (2, 3, 128, 128), f"the reconstruction has the shape {tuple(reconstruction.shape)}"

# %% [markdown] tags=["solution"]
# One halving and one doubling less, and it closes. The decoder is now the article's, as printed (but for the 64): a decoder for
# images of 128 pixels, beside an encoder for 256.

# %% [markdown] tags=["exercise"]
# **4 (hard).** Count the multiply-adds of one image through a table, in millions: for a convolution, each output number costs
# `in · k · k`; for a transposed one, each *input* number costs `out · k · k`. (`autoencoder.table_with_sizes` has all numbers.)
# What does one training step on 32 images cost, if the backward pass costs twice the forward pass?


# %% tags=["try"]
def multiply_adds(table, side):
    """Multiply-adds of one image through a table, in millions."""
    return 0.0


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

# %% tags=["check"]
with check(4):
    one = multiply_adds([("CONV2D", 3, 10, 4, 2)], 100)
    assert np.isclose(one, 1.2), "3 · 10 · 4 · 4 weights at 50 · 50 places are 1.2 million"
    one = multiply_adds([("CONVTRANSPOSE2D", 3, 10, 4, 2)], 50)
    assert np.isclose(one, 1.2), "a transposed convolution is counted at its input"
    assert abs(multiply_adds(TABLE_1, 256) - 68.0) < 0.1, "68.0 million in the encoder"
    assert abs(multiply_adds(TABLE_2, 1) - 68.0) < 0.1, "68.0 million in the decoder"

# %% [markdown] tags=["solution"]
# Both halves cost the same, being mirrors. The article's 62,000 steps are 1.6 million billion operations.

# %% [markdown] tags=["exercise"]
# **5 (hard; your own images).** Your camera shows details that 256 pixels lose. Write tables for 256, 512, 1024 … pixels: for each
# doubling of the side, one more `CONV2D 32 32 4 2` with its BatchNorm in the encoder, and its mirror in the decoder. Does the network
# for 512 pixels have many more parameters?


# %% tags=["try"]
def tables_for(side):
    """(encoder, decoder) for side × side pixels, 256 or a multiple of it by a power of two."""
    return list(TABLE_1), list(TABLE_2)


# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
def tables_for(side):
    """(encoder, decoder) for side × side pixels, 256 or a multiple of it by a power of two."""
    encoder, decoder = list(TABLE_1), list(TABLE_2)
    while side > 256:
        place = encoder.index(("CONV2D", 32, 32, 4, 2))
        encoder[place:place] = [("CONV2D", 32, 32, 4, 2), ("BATCHNORM2D, LEAKYRELU", 32)]
        place = decoder.index(("CONVTRANSPOSE2D", 32, 32, 4, 2))
        decoder[place:place] = [("CONVTRANSPOSE2D", 32, 32, 4, 2), ("BATCHNORM2D, LEAKYRELU", 32)]
        side //= 2
    return encoder, decoder


for side in (256, 512):
    tables = tables_for(side)
    count = sum(p.numel() for table in tables for p in autoencoder.build(table).parameters())
    print(f"{side} pixels: {count:,} parameters")

# %% tags=["check"]
with check(5):
    assert tables_for(256) == (TABLE_1, TABLE_2), "for 256 pixels the tables stay what they are"
    for side in (512, 1024):
        encoder_table, decoder_table = tables_for(side)
        last = autoencoder.table_with_sizes(encoder_table, side)[-1]["output"]
        assert last == (500, 1, 1), f"{side} pixels become {last}"
        last = autoencoder.table_with_sizes(decoder_table, 1)[-1]["output"]
        assert last == (3, side, side), f"the decoder returns {last}"

# %% [markdown] tags=["solution"]
# Only 1 % more parameters. What it costs is time, since the outermost layers see four times the pixels. More pixels do not give more
# latent numbers, though: a nut of 512 pixels has to go through the same 500. Before you do this, ask whether your defects are seen at 256.

# %% [markdown]
# ## In short
#
# * Five halvings and a kernel of 8 leave 500 numbers of an image of 256 × 256 pixels.
# * The printed decoder lacks a row and ends at 128 pixels; symmetry and sizes say which.
# * BatchNorm scales each channel by the batch in training, by running averages afterwards; γ and β are learned.
# * Under squared error, the best answer of a network that cannot know where an edge lies is the mean, and that is soft.
#
# ## In practice
#
# * Print the sizes of every layer before the first training run. Five minutes here save an afternoon.
# * When a paper's table does not close, look for symmetry: mirrors, doublings, sums. Authors type tables by hand.
# * Tell readers what you changed. This course says "mended" wherever it uses the row that is not printed.
#
# ## Further reading
#
# * V. Dumoulin, F. Visin, [*A guide to convolution arithmetic for deep learning*](https://arxiv.org/abs/1603.07285) (2016): every
#   formula used here, drawn.
# * S. Ioffe, C. Szegedy, [*Batch Normalization*](https://arxiv.org/abs/1502.03167), ICML 2015.
# * A. Odena, V. Dumoulin, C. Olah, [*Deconvolution and Checkerboard Artifacts*](https://distill.pub/2016/deconv-checkerboard/),
#   Distill (2016): what transposed convolutions do to pictures.
#
# **Back:** [3 · Data augmentation](03_data_augmentation.ipynb) · **Next:** [5 · Training](05_training.ipynb) ·
# [Solutions](solutions/04_architecture.ipynb)
