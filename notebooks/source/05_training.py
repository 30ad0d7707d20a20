# %% [markdown]
# # 5 · Training: fifteen lines, then patience
#
# **What you'll do.** Write the training loop, watch the first strokes of a hazelnut appear, and read the curves of a long
# run.
#
# **What you'll learn.** What the L2 loss rewards, and why its copies are soft; what a loss of 0.003 means; what a curve of
# F<sub>1</sub> on the test images may be used for, and what not.
#
# **What you'll need.** [Notebook 4](04_architecture.ipynb). Two minutes on two cores, and once, for a comparison, the minutes
# that the `quick` preset takes to train (six on processors without *bfloat16*, short numbers); the following notebooks use that
# run if you brought your own data. Two hours for you, exercises included. The numbers in the text are those of
# the painted nuts and the run that comes along; with other images, read your own.
#
# The code of this lesson: `hazelnut_ae/training.py`.

# %% tags=["setup"]
import inspect
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import display
from scipy import ndimage
from torch import nn
from tqdm import tqdm

from hazelnut_ae import augmentation, figures, metrics, shipped, training
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.course import charts
from hazelnut_ae.course.checks import check
from hazelnut_ae.course.lesson import setup
from hazelnut_ae.detection import AutoencoderDetector, reconstruct

lesson = setup()
images = lesson.dataset.train.images  # uint8 [N, 3, 256, 256]
test = lesson.dataset.test
batch_size = min(8, lesson.preset.batch_size)

# %% [markdown]
# ## What the loss rewards
#
# *Ten minutes.*
#
# The article's loss is called L2: the **mean squared error** over all pixels and colours. Two numbers of a picture are
# 0.2 and 0.6; the network answers 0.3 and 0.2.
#
# **Check.** With a pencil: ((0.2 − 0.3)² + (0.6 − 0.2)²) / 2 = ?

# %%
# NBVAL_CHECK_OUTPUT
x = torch.tensor([0.2, 0.6])
answer = torch.tensor([0.3, 0.2])
print(f"by hand {((x - answer) ** 2).mean():.3f}, PyTorch {nn.functional.mse_loss(answer, x):.3f}")

# %% [markdown]
# The square makes one error of 0.4 cost as much as sixteen errors of 0.1. So the network cares for large areas and strong
# contrasts first, and for fine texture last. Why, then, does it not draw defects? Not because they are small, but because there
# is none among the training images: no step ever asks for one, so nothing in the network has learnt to draw it.
#
# To read a loss, hold it against answers that need no network:

# %%
x = images[:64].astype(np.float32) / 255  # [64, 3, 256, 256]
mean_picture = x.mean(axis=0)  # [3, 256, 256]
baselines = {
    "mid-grey everywhere": ((x - 0.5) ** 2).mean(),
    "one colour, the average one": ((x - x.mean(axis=(0, 2, 3), keepdims=True)) ** 2).mean(),
    "the average picture": ((x - mean_picture) ** 2).mean(),
}
pd.Series(baselines, name="L2 loss").to_frame().round(4)

# %% [markdown]
# ## The loop
#
# *Fifteen minutes.*
#
# This is all there is to training. Each step takes a batch of augmented images, asks the network for copies, measures
# the error, and lets *Adam* change every weight a little in the direction that makes the error smaller. (Adam is gradient
# descent with a step size of its own for each weight.) We run it for less than a minute, with batches
# of 8 in place of 32, so that there are more steps to see:

# %%
steps = 6 if lesson.preset.name == "tiny" else 160
torch.manual_seed(0)
rows, held_out = training.split_good(len(images), seed=0)  # a tenth is kept out, for notebook 7
augmented = augmentation.AugmentedCopies(images[rows][:64], copies=5, seed=0)
model = Autoencoder()  # 2.7 million weights, all random
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
losses, sketches = [], {0: reconstruct(model, images[:1])[0]}

model.train()
started = time.monotonic()
for step in tqdm(range(1, steps + 1), unit="step"):
    batch = augmented.batch(torch.randint(len(augmented), (batch_size,)))  # uint8 [8, 3, 256, 256]
    x = batch / 255  # float32 in [0, 1]
    copy = model(x)  # [8, 3, 256, 256]
    loss = ((copy - x) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if step in (steps // 4, steps // 2, steps):
        sketches[step] = reconstruct(model, images[:1])[0]  # [3, 256, 256]
        model.train()
seconds_per_image = (time.monotonic() - started) / (steps * batch_size)

# %%
figure, ax = plt.subplots(figsize=(7, 2.8))
ax.plot(range(1, steps + 1), losses, color="black", label="training loss")
ax.axhline(baselines["the average picture"], color="0.5", linestyle="--", label="the average picture")
ax.set(xlabel="step", ylabel="L2 loss", ylim=(0, None))
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# And this is what the network makes of one training image, before the first step and at three moments later:

# %%
figures.panels(
    [[images[0], *sketches.values()]],
    titles=["the image", *[f"after {step} steps" for step in sketches]],
    caption=f"{lesson.data_words}. The loop above, started from random weights.",
    panel=180,
)

# %% [markdown]
# The even ground comes first, since it covers most of the picture; the nut is a blob in the grey of the start. Finer things take
# hundreds and thousands of steps more. (If it seems to lag behind its loss: `reconstruct` uses the running averages of BatchNorm,
# which need some dozens of steps to catch up; more in exercise 2 and [notebook 6](06_residual_thresholding.ipynb).)
#
# **Check.** The package learns with this same loop, and with no other; here it is:


# %%
# NBVAL_CHECK_OUTPUT
print(inspect.getsource(training.train))

# %% [markdown]
# It takes whatever gives batches, and any loss; and it *yields* each loss, so that the caller can write it down, draw, save
# or stop. `for loss in training.train(...)` runs it. From the same weights, the two do the same:


# %%
# NBVAL_CHECK_OUTPUT
def fresh():
    """A network with the same random weights every time, and its optimizer."""
    torch.manual_seed(1)
    model = Autoencoder()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


batch = augmented.batch(torch.arange(4))
ours, our_optimizer = fresh()
theirs, their_optimizer = fresh()
same = []
for _ in range(2):
    x = batch / 255
    loss = ((ours(x) - x) ** 2).mean()
    our_optimizer.zero_grad()
    loss.backward()
    our_optimizer.step()
    package_loss = next(training.train(theirs, their_optimizer, [batch])).item()
    same.append(np.isclose(loss.item(), package_loss, rtol=1e-3))
print("same loss in two steps:", all(same))

# %% [markdown]
# What a long run adds (`engine/trainer.py`) is care: it writes history and checkpoints, goes on after an interruption, and
# evaluates now and then.
#
#     hazelnut-ae train DIR --run runs/mine          # Ctrl-C is safe; --resume goes on

# %% [markdown]
# ## The long run
#
# *Fifteen minutes.*
#
# The article trained for 1000 epochs. Here is the finished run that fits the data in use: one that came with the course,
# or one that is trained now, in the time that the preset allows.

# %%
run = lesson.run
print("Run:", run.caption)
figure = figures.loss(run.history, run.held_out, f"Training loss. {lesson.caption}")
lesson.show(figure, "figure_05_loss")

# %%
seen, unseen = lesson.learned_from(run), lesson.held_out(run)
print(f"Of the {len(images)} good images here, this run learnt from {len(seen)} and never saw {len(unseen)}.")
steps_made, of_images = len(run.history), run.config["batch_size"]
hours = steps_made * of_images * seconds_per_image / 3600
print(f"It made {steps_made:,} steps of {of_images} images; at the pace of the loop above: {hours:.1f} hours.")

# %% [markdown]
# How long did it really take, and on what machine? The run does not say: its `config.json` records the settings and the versions
# of the software, but neither time nor machine. The hours printed are those that *yours* would need. (And the run that comes with
# the course learnt from a longer row of painted nuts, 391, of which the images here are the first. A tenth of the *long* row was
# held out of it, and its F<sub>1</sub> curves below were measured on the longer row's test images. So notebooks 6 to 8, which
# measure it on the images here, print somewhat other numbers.)
#
# The grey line is the loss of every step, the black one its running median. The article's Figure 5 has the same shape:
# from 0.10 to below 0.02 within 2,000 steps, then ever more slowly to about 0.003 at 62,000. The logarithmic axis shows
# what a linear one hides: more than nine tenths of our steps are spent on the last hundredth of the error.
#
# In grey levels: the root of the loss, a typical error per pixel:

# %%
last = np.median([value for _, _, value in run.history[-50:]])
average = float(baselines["the average picture"])
ends = (("this run, at its end", last), ("the article, at its end", 0.003), ("the average picture", average))
for name, value in ends:
    print(f"{name:24s} loss {value:.4f}, a typical error of {255 * np.sqrt(value):.0f} of 255 grey levels")

# %% [markdown]
# (The article's 0.003 cannot be set beside our average picture: other images, and augmented ones carry noise that nobody can
# copy; how much, it does not say.)
#
# Now the finished network copies a good image that it learnt from, a good one that it never saw, and a defective one:

# %%
good_test = np.flatnonzero(np.array(test.defects) == "good")[:1]
bad_test = np.flatnonzero(np.array(test.defects) != "good")[:1]
shown = np.concatenate([seen[:1], test.images[good_test], test.images[bad_test]])  # [3, 3, 256, 256]
titles = ["good, learnt from", *("good, never seen" for _ in good_test)]
titles += [f"defective ({test.defects[i]})" for i in bad_test]
grid = [list(shown), list(reconstruct(run.model, shown))]
figures.panels(grid, titles, labels=["image", "copy"], caption=lesson.caption, panel=200)

# %% [markdown]
# ## An unsure network answers with the mean
#
# *Ten minutes.*
#
# Why are the copies soft? After the edge of [notebook 4](04_architecture.ipynb), a bar: a picture
# has one bright bar in one of eight places, and nobody can know in which. Which single answer costs least?

# %%
# NBVAL_CHECK_OUTPUT
possible = np.zeros((8, 64, 64))  # eight pictures, each as likely as the others
for place in range(8):
    possible[place, :, 12 + 5 * place : 16 + 5 * place] = 1
answers = {"one of the eight": possible[3], "all dark": np.zeros((64, 64)), "their mean": possible.mean(axis=0)}
for name, one_answer in answers.items():
    print(f"{name:17s} L2 loss {((possible - one_answer) ** 2).mean():.3f}")

# %% [markdown]
# The mean, eight pale bars, though it is none of the eight. A sharp guess costs twice as much, for it is wrong twice: where it
# drew the bar, and where it did not. Now a nut whose angle the 500 numbers tell only to within 15 degrees:

# %%
nuts = lesson.held_out_images  # uint8 [M, 3, 256, 256], good ones that the run never learnt from
nut = nuts[4 % len(nuts)]
angles = np.linspace(-15, 15, 13)
turned = np.stack([ndimage.rotate(nut, a, axes=(1, 2), reshape=False, mode="nearest", order=1) for a in angles])
nut_mean = turned.mean(axis=0) / 255  # [3, 256, 256]
grid = [[turned[0], nut, turned[-1], nut_mean, reconstruct(run.model, nut[None])[0]]]
titles = ["15 degrees one way", "a held-out nut", "and the other", "the mean of 13 angles", "the network's copy"]
figures.panels(grid, titles, caption=lesson.caption, panel=180)

# %%
x = turned / 255
to_mean, to_each = ((x - nut_mean) ** 2).mean(), np.mean([((x - one) ** 2).mean() for one in x])
print(
    f"L2 loss of the mean {to_mean:.5f}, of one of the 13 angles {to_each:.5f}: {to_each / to_mean:.1f} times as much"
)


def steepness(pictures):
    """How steeply the grey value changes: [N, 3, H, W] -> [N, H, W]."""
    return np.hypot(*np.gradient(pictures.mean(axis=1), axis=(1, 2)))


of_nuts, of_copies = steepness(nuts / 255), steepness(reconstruct(run.model, nuts))  # [M, 256, 256]
edges = of_nuts > np.quantile(of_nuts, 0.9, axis=(1, 2), keepdims=True)  # the steepest tenth of each nut
print(f"edges in the copies are {of_copies[edges].mean() / of_nuts[edges].mean():.0%} as steep as in the nuts")

# %% [markdown]
# The rim of the scar goes first: it is a little dark here, a little brown there. The network's copy has more of the scar than
# that mean, for it knows the angle better; but its edges, too, are only a quarter as steep as the nut's, and the stripes are
# gone. **A blur is not a failure to learn: under L2 it is the best answer where the network cannot know.** It is also where
# the residuals of good nuts come from (notebook 6).

# %% [markdown]
# ## What the training loss cannot show
#
# *Fifteen minutes.*
#
# The loss above is measured on the images that the network learns from. Whether it learns *hazelnuts* or *these hazelnuts*,
# only images can tell that it never saw. A tenth of the good ones was **held out** of every run, so we can ask. (In
# evaluation mode, without augmentation: `training.loss_on`. So it lies below the training loss above.)
#
# Two runs are asked. The one that comes with the course learnt as the article says: five *fixed* copies of each photograph,
# 1000 times over. The `quick` preset augments every image *afresh* each time it is used
# ([notebook 3](03_data_augmentation.ipynb)), and takes a small part of the steps.

# %%
contenders = {}
if lesson.shipped_run:
    contenders["five fixed copies"] = lesson.shipped_run
contenders["fresh copies"] = lesson.own_run
rows = {}
for name, one in contenders.items():
    learnt, unlearnt = lesson.learned_from(one), lesson.held_out(one)
    losses_of = {"learnt from": training.loss_on(one.model, learnt), "held out": training.loss_on(one.model, unlearnt)}
    rows[name] = {"steps": one.history[-1][0], **losses_of, "ratio": losses_of["held out"] / losses_of["learnt from"]}
digits = {"steps": "{:.0f}", "learnt from": "{:.5f}", "held out": "{:.5f}", "ratio": "{:.2f}"}
pd.DataFrame(rows).T.style.format(digits)

# %% [markdown]
# A ratio of 1 would be a network that copies new nuts as well as those it knows. On painted nuts the run with fixed copies
# is at 3.2: it has learnt *its* nuts; this is **overfitting**. The one with fresh copies is at 1.1. And
# yet, with 35 times the steps and 352 nuts in place of 108, the overfitted run has the lower held-out loss as well, 0.0009 to
# 0.0011. Overfitting says what
# a step is spent on, not which network is better.
#
# What it means for a picture: good test images, which none of the runs saw, and their copies.

# %%
new = np.flatnonzero(np.array(test.defects) == "good")[:2]
grid = [[test.images[i], *(reconstruct(one.model, test.images[[i]])[0] for one in contenders.values())] for i in new]
caption = f"{lesson.data_words}. Runs: {'; '.join(one.caption for one in contenders.values())}."
figures.panels(grid, ["good, never seen", *(f"rebuilt, {name}" for name in contenders)], caption=caption, panel=200)

# %% [markdown]
# The first network draws more than it can know: an edge, but also wrinkles that this nut does not have. The second answers with
# a blur where it is unsure. Both are errors, and both will show in the residual.
#
# And for finding defects, on the same test images ([F<sub>1</sub>-max](../book/teach/glossary.md) is that at the best of all
# thresholds, [notebook 7](07_threshold_and_latent_size.ipynb)):

# %%
quality = {}
for name, one in contenders.items():
    pixels = (
        metrics.PixelMetrics().update(AutoencoderDetector(one.model).anomaly_maps(test.images), test.masks).compute()
    )
    quality[name] = {"pixel AUROC": pixels["auroc"], "F1-max": pixels["f1_max"]}
pd.DataFrame(quality).T.round(3)

# %% [markdown]
# (On painted nuts: 0.01 of F<sub>1</sub> and 0.05 of AUROC for 35 times the steps and three times the nuts.)

# %% [markdown] tags=["detour"]
# ## A detour: fixed and fresh copies with all else equal; a rate that rises and falls
#
# *Skip it at first reading; ten minutes.* The same network, steps, rates and seed, once with five fixed copies and once with
# fresh ones. Measured beforehand (`python -m benchmarks time DIR`):

# %%
study = shipped.time_to_quality()
pairs = study[(study["seed"] == 0) & study["recipe"].isin(["quick", "five fixed copies"])]
figure = charts.learning_curves(
    pairs, ("loss", "held_out_loss", "f1_max"), over="step", caption="Painted nuts, one seed."
)
figure

# %%
ends = pairs[pairs["step"] == pairs.groupby(["data", "recipe"])["step"].transform("max")]
ends.set_index(["data", "recipe"])[["step", "loss", "held_out_loss", "pixel_auroc", "f1_max"]].round(4)

# %% [markdown]
# With fixed copies the training loss ends lower, the held-out loss does not, and F<sub>1</sub>-max is 0.41 in place of 0.44;
# AUROC is 0.88 either way. In so few steps that is all; it is one seed, too. What fixed copies are good for is a loss curve that looks better than it is.
#
# **A rate that rises and falls.** The article's rate is the same from the first step to the last. Large steps get far, small ones settle; a **one-cycle**
# schedule takes both in turn. It is a function of the step and nothing else:

# %%
# NBVAL_CHECK_OUTPUT
print(inspect.getsource(training.one_cycle))

# %%
figure, ax = plt.subplots(figsize=(7, 2.4))
ax.plot([training.one_cycle(step, 1000, 5e-3) for step in range(1000)], color="black")
ax.set(xlabel="step of 1000", ylabel="learning rate", ylim=(0, None))
plt.show()

# %% [markdown]
# Together with fresh copies and batches of 16, it is the recipe of `quick`. What it saves is time: beside the recipe before it (fixed
# copies, batches of 32, one rate), on painted nuts, on two cores with and without *bfloat16*:

# %%
figure = charts.learning_curves(shipped.minutes(), caption="Painted nuts, one seed; measured beforehand.")
figure

# %% [markdown]
# It is done in 3.9 minutes where the other takes 7.1, or in 5.9 where it takes 11.0, and ends 0.00 to 0.02 below it.

# %% [markdown]
# ## F<sub>1</sub> while training, and what it may be used for
#
# *Ten minutes.*
#
# The article's Figures 6 and 7 follow the F<sub>1</sub> score of each defect through the epochs (its text exchanges the two
# captions). The pictures below are of our run, at the article's [thresholds τ](../book/teach/glossary.md)
# (holes 0.25, others 0.2).

# %%
for number, names in figures.f1_groups(list(run.f1)).items():
    figure = figures.f1_by_epoch(run.f1, names, f"F1 at the printed τ, on the test images. {lesson.caption}")
    display(lesson.show(figure, f"figure_{number:02d}_f1_{'_'.join(names)}"))

# %% [markdown]
# The same in numbers, at a few epochs: the loss (median of the epoch's steps) and the F<sub>1</sub> of each defect.

# %%
marks = {}
for epoch in (1, 10, 100, 500, 1000):
    losses_of_epoch = [value for _, of_epoch, value in run.history if of_epoch == epoch]
    if losses_of_epoch:
        f1_then = {f"F1 {name}": dict(points).get(epoch) for name, points in run.f1.items()}
        marks[f"epoch {epoch}"] = {"loss": np.median(losses_of_epoch)} | f1_then
pd.DataFrame(marks).T.astype(float).style.format("{:.2f}", na_rep="").format("{:.4f}", subset=["loss"])

# %% [markdown]
# Beside the ends of the article's curves, read off its figures:

# %%
article_end = {"crack": 0.35, "cut": 0.75, "hole": 0.56, "print": 0.35}  # read off its Figures 6 and 7
table = {}
for name, points in run.f1.items():
    scores = pd.Series(dict(points), dtype=float)  # F1 by epoch; its max leaves out what could not be measured
    table[name] = {"first": scores.iloc[0], "last": scores.iloc[-1], "best": scores.max()}
table = pd.DataFrame(table).T
table["best - last"] = table["best"] - table["last"]
table["article, last"] = pd.Series(article_end)
table.astype(float).round(2)

# %% [markdown]
# The article calls these curves *validation*. But the images behind them are the four test folders themselves. So:
#
# * You **may** look at them to see that training works, and to tell others afterwards how it went.
# * You **may not** choose by them: neither the epoch to stop at, nor the threshold, nor the size of the network. Whoever
#   picks the best epoch of such a curve and reports its F<sub>1</sub> *on the same images* reports luck as skill. The column
#   *best − last* shows how much there was to pick up here: 0.10 at prints, whose curve rose to its top and fell again, 0.02
#   to 0.05 elsewhere. How much of such a gain is luck, exercise 4 asks.
#
# Since no defective image may be used for choosing, the long run simply stops at a number of epochs fixed beforehand. And
# the threshold? [Notebook 7](07_threshold_and_latent_size.ipynb) chooses it from good images alone.

# %% [markdown]
# ## Exercises
#
# *Forty-five minutes.* Below each there is a *check*: run it, and it says whether your answer holds.

# %% [markdown] tags=["exercise"]
# **1 (easy).** At one pixel, five nuts that the network cannot tell apart have the grey levels 0.1, 0.1, 0.4, 0.8 and 0.9. Which
# single answer has the smallest L2 loss, and which the smallest *L1* loss (mean absolute error)? And what would a network
# trained with L1 draw of a scar that two of the five have there?

# %% tags=["try"]
levels = np.linspace(0, 1, 101)
l2_level, l1_level = 0.5, 0.5  # replace them

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
numbers = np.array([0.1, 0.1, 0.4, 0.8, 0.9])
levels = np.linspace(0, 1, 101)
off_by = numbers[:, None] - levels  # [5, 101]
l2_level, l1_level = levels[np.argmin((off_by**2).mean(axis=0))], levels[np.argmin(np.abs(off_by).mean(axis=0))]
print(f"L2: best level {l2_level:.2f}, L1: {l1_level:.2f}")

# %% tags=["check"]
with check(1):
    assert np.isclose(l2_level, 0.46), "under L2 each error counts by its square; try every level"
    assert np.isclose(l1_level, 0.4), "under L1 each error counts as it is; try every level"

# %% [markdown] tags=["solution"]
# L2 wants the mean, L1 the median. Under L1 a scar that two of five have is not drawn at all; it comes out sharp or not, never
# pale. That does not make L1 right: it only errs in another way.

# %% [markdown] tags=["exercise"]
# **2 (medium).** Train a fresh network on one batch that holds the *same* image twice, for some dozens of steps. Its loss falls.
# Then, still in training mode, let it copy two copies of *another* nut. What comes out, and why? Put the two copies, of the
# first and of the other nut, into `copy_of_one` and `copy_of_other`.

# %% tags=["try"]
one, other = (torch.from_numpy(np.array(images[[i, i]])) for i in (0, 1))  # uint8 [2, 3, 256, 256] each
copy_of_one, copy_of_other = images[0] / 255, images[1] / 255  # [3, 256, 256]; replace them

# %% tags=["solution"]
torch.manual_seed(0)
model = Autoencoder()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
one, other = (torch.from_numpy(np.array(images[[i, i]])) for i in (0, 1))  # uint8 [2, 3, 256, 256] each
steps = 10 if lesson.preset.name == "tiny" else 60
one_losses = [loss.item() for loss in training.train(model, optimizer, [one] * steps)]
model.train()
with torch.no_grad():
    copy_of_one, copy_of_other = (model(batch / 255)[0].numpy() for batch in (one, other))  # [3, 256, 256] each
print(f"loss {one_losses[0]:.3f} -> {one_losses[-1]:.4f}")
print(f"largest difference of the two nuts {np.abs(images[0] / 255 - images[1] / 255).max():.2f}, ", end="")
print(f"of their copies {np.abs(copy_of_one - copy_of_other).max():.5f}")
figures.panels(
    [[images[0], copy_of_one, images[1], copy_of_other]], ["one", "its copy", "another", "its copy"], panel=150
)

# %% tags=["check"]
with check(2):
    assert np.shape(copy_of_one) == np.shape(copy_of_other) == (3, 256, 256), "two copies, [3, 256, 256] each"
    two_nuts = [np.asarray(copy, float) for copy in (copy_of_one, copy_of_other)]
    assert np.abs(two_nuts[0] - two_nuts[1]).max() < 1e-3, (
        "in training mode, with two identical images, both are the same"
    )
    to_first = [((copy - images[0] / 255) ** 2).mean() for copy in (two_nuts[0], np.full((3, 256, 256), 0.5))]
    assert to_first[0] > 1e-6, "that is the nut itself, and no copy"
    assert to_first[0] < to_first[1], "train first, on the image twice: a copy in mid-grey would be nearer"

# %% [markdown] tags=["solution"]
# The loss falls to less than half, and yet nothing is told apart: both nuts get the same copy. In training mode BatchNorm subtracts from each channel its mean over
# the batch and all places. The latent vector has one place (1 × 1), so with two identical images each number *is* its own mean,
# and z becomes the same constant for every nut: the decoder learns to paint one picture. The rule: batches of different images,
# `model.train()` for steps, `model.eval()` for copies ([notebook 6](../06_residual_thresholding.ipynb) shows what it does to a
# map). And a low training loss says something only if the images are many and different.

# %% [markdown] tags=["exercise"]
# **3 (medium).** Run the loop with learning rates of 1e-5, 1e-3 and 1e-1 for 25 steps on the same four images, each time from the
# same random weights. Keep the losses in `curves`, one list for each rate, and draw them. Which rate is best *here*, and what
# can 25 steps on four images not tell?

# %% tags=["try"]
batch = torch.from_numpy(np.array(images[:4]))  # uint8 [4, 3, 256, 256]
curves = {1e-5: [], 1e-3: [], 1e-1: []}  # rate: losses

# %% tags=["solution"]
batch = torch.from_numpy(np.array(images[:4]))  # uint8 [4, 3, 256, 256]
curves = {}
figure, ax = plt.subplots(figsize=(7, 2.8))
for rate, line in ((1e-5, ":"), (1e-3, "-"), (1e-1, "--")):
    torch.manual_seed(0)  # the same weights each time
    model = Autoencoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    curves[rate] = [loss.item() for loss in training.train(model, optimizer, [batch] * 25)]
    in_evaluation_mode = training.loss_on(model, batch)
    print(f"rate {rate:g}: loss {curves[rate][0]:.3f} -> {curves[rate][-1]:.4f}, ", end="")
    print(f"in evaluation mode {in_evaluation_mode:.4f}")
    ax.plot(curves[rate], color="black", linestyle=line, label=f"rate {rate:g}")
ax.set(xlabel="step", ylabel="L2 loss", yscale="log")
ax.legend(fontsize=8)
plt.show()

# %% tags=["check"]
with check(3):
    assert [len(curves[rate]) for rate in (1e-5, 1e-3, 1e-1)] == [25] * 3, "25 losses for each rate"
    first = [curve[0] for curve in curves.values()]
    assert np.allclose(first, first[0], rtol=1e-3), "the first losses differ: set the seed before each network"
    last = [curves[rate][-1] for rate in (1e-5, 1e-3, 1e-1)]
    assert last[0] > last[1], "at 1e-5 the loss hardly moves; is it the rate that you changed?"

# %% [markdown] tags=["solution"]
# 1e-5 hardly moves. 1e-1 falls furthest by far: Adam's steps are as large as the rate says, and BatchNorm stands a lot (in
# evaluation mode, where copies are made, its loss is two to three times as high, and still the lowest). So "a large rate jumps about" is not
# what this plot shows. But 25 steps on four images cannot tell whether so large a rate still learns after thousands of steps on
# many; that takes a held-out loss, or a rate that falls, as `quick` has it.

# %% [markdown] tags=["exercise"]
# **4 (hard).** How much luck is there to pick up? Suppose the true F<sub>1</sub> is 0.50 at *all* of 100 evaluated epochs,
# and each measured value is off by a random error of standard deviation 0.03. Somebody reports the best of the hundred. Repeat
# that a thousand times: how large is the `reported` number on average, and how large the same epoch `on_fresh_images`?

# %% tags=["try"]
rng = np.random.default_rng(0)
measured = 0.50 + 0.03 * rng.standard_normal((1000, 100))
reported, on_fresh_images = measured.mean(), measured.mean()  # replace them

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
rng = np.random.default_rng(0)
measured = 0.50 + 0.03 * rng.standard_normal((1000, 100))
again = 0.50 + 0.03 * rng.standard_normal((1000, 100))  # the same epochs on fresh images: the same truth, other errors
best = measured.argmax(axis=1)  # the epoch that somebody would choose
reported, on_fresh_images = measured.max(axis=1).mean(), again[np.arange(1000), best].mean()
print(f"reported {reported:.2f}, on fresh images {on_fresh_images:.2f}")

# %% tags=["check"]
with check(4):
    assert abs(reported - 0.575) < 0.005, "the average, over a thousand repetitions, of the best of a hundred"
    assert abs(on_fresh_images - 0.5) < 0.005, "fresh images know nothing of the luck that chose the epoch"

# %% [markdown] tags=["solution"]
# 0.08 of pure luck, in a setting where nothing at all was learnt between the epochs. Real curves are less jumpy from one
# epoch to the next, so the effect is smaller, but its sign never changes.

# %% [markdown] tags=["exercise"]
# **5 (your own data).** A loss says little by itself. Compute `removed`: which share of the average picture's loss has the run
# (`lesson.own_run`) removed, on held-out images? The average picture must know no more than the network: take it from the images
# that the run learnt from. With `HAZELNUT_DATA=folder` it is the first number to look at for images of your own.

# %% tags=["try"]
learnt, unlearnt = lesson.learned_from(lesson.own_run), lesson.held_out(lesson.own_run)
removed = 1 - training.loss_on(lesson.own_run.model, unlearnt)  # of what?

# %% tags=["solution"]
learnt, unlearnt = lesson.learned_from(lesson.own_run), lesson.held_out(lesson.own_run)
average_picture = learnt.mean(axis=0) / 255  # [3, 256, 256]
of_average = ((unlearnt / 255 - average_picture) ** 2).mean()
of_network = training.loss_on(lesson.own_run.model, unlearnt)
removed = 1 - of_network / of_average
print(f"average picture {of_average:.5f}, network {of_network:.5f}: {removed:.0%} removed")

# %% tags=["check"]
with check(5):
    known, unknown = lesson.learned_from(lesson.own_run), lesson.held_out(lesson.own_run)
    without_network = ((unknown / 255 - known.mean(axis=0) / 255) ** 2).mean()
    with_network = training.loss_on(lesson.own_run.model, unknown)
    assert np.isclose(removed, 1 - with_network / without_network, atol=1e-4), (
        "1 - its loss / that of the average picture"
    )

# %% [markdown] tags=["solution"]
# On painted nuts `quick` has removed 62 % of it. Near 0 the network knows no more than the average picture: it needs more steps, or
# your parts are so alike that little is left to learn; then try the average picture itself as a detector (in the detour
# of notebook 9 it beats two systems). Below 0, look at the copies: something is wrong.

# %% [markdown]
# ## In short
#
# * The loop is short; what a long run adds is care.
# * Under L2 doubt is answered with the mean: soft copies are no failure to learn.
# * The loss on new images tells what the training loss cannot: 3.2 times as high with fixed copies, 1.1 times with fresh ones.
# * Curves on test images are for looking, not for choosing.
#
# ## In practice
#
# * Keep the loss of every step and a picture of some copies every few hundred. The pictures tell you what the number
#   cannot: grey copies, shifted colours, checkerboards.
# * Fix seed, epochs and data before you look at test results. Write them into the run's folder (`config.json` here).
# * A run that cannot be resumed will be interrupted. Save often, and test that resuming works.
#
# ## Further reading
#
# * D. Kingma, J. Ba, [*Adam: A Method for Stochastic Optimization*](https://arxiv.org/abs/1412.6980), ICLR 2015.
# * J. Dodge et al., [*Show Your Work: Improved Reporting of Experimental Results*](https://arxiv.org/abs/1909.03004), EMNLP
#   2019: what choosing by the test set does to a field.
#
# **Back:** [4 · Architecture](04_architecture.ipynb) · **Next:** [6 · Residual thresholding](06_residual_thresholding.ipynb) ·
# [Solutions](solutions/05_training.ipynb) ·
# **Play:** [what this run makes of a scratch](../book/playground/README.md)
