# %% [markdown]
# # 5 · Training: fifteen lines, then patience
#
# **What you'll do.** Write the training loop, watch the first strokes of a hazelnut appear, and read the curves of a long
# run.
#
# **What you'll learn.** What the L2 loss rewards; what a loss of 0.003 means; what a curve of F<sub>1</sub> on the test
# images may be used for, and what not.
#
# **What you'll need.** [Notebook 4](04_architecture.ipynb). Two minutes on two cores, and once, for the comparison in the
# middle, the minutes that the `quick` preset takes to train (six without bfloat16 units); the following notebooks use that
# run if you brought your own data.
#
# The code of this lesson: `hazelnut_ae/training.py`.

# %% tags=["setup"]
import inspect

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import display
from torch import nn
from tqdm import tqdm

from hazelnut_ae import augmentation, figures, metrics, training
from hazelnut_ae import shipped as shipped_numbers
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.course.lesson import setup
from hazelnut_ae.detection import AutoencoderDetector, reconstruct
from hazelnut_ae.engine import workflow
from hazelnut_ae.studies import time_to_quality

lesson = setup()
images = lesson.dataset.train.images  # uint8 [N, 3, 256, 256]
test = lesson.dataset.test
batch_size = min(8, lesson.preset.batch_size)

# %% [markdown]
# ## What the loss rewards
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
# contrasts first, and for fine texture last. A defect is small; the loss would hardly notice whether it is drawn or not.
# That is just what we want: it has never been worth a latent number.
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
# This is all there is to training. Each step takes a batch of augmented images, asks the network for copies, measures
# the error, and lets *Adam* change every weight a little in the direction that makes the error smaller. (Adam is gradient
# descent with a step size of its own for each weight.) We run it for some seconds only, with batches
# of 8 in place of the article's 32, so that there are more steps to see:

# %%
steps = 6 if lesson.preset.name == "tiny" else 160
torch.manual_seed(0)
rows, held_out = training.split_good(len(images), seed=0)  # a tenth is kept out, for notebook 7
augmented = augmentation.AugmentedSet(images[rows][:64], copies=5, seed=0)
model = Autoencoder()  # 2.7 million weights, all random
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
losses, sketches = [], {0: reconstruct(model, images[:1])[0]}

model.train()
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
    titles=["the photograph", *[f"after {step} steps" for step in sketches]],
    caption=f"{lesson.data_words}. The loop above, started from random weights.",
    panel=180,
)

# %% [markdown]
# The even ground comes first, since it covers most of the picture; then a blob in the middle. Finer things take hundreds
# and thousands of steps more. (If it seems to lag behind its loss: `reconstruct` uses the running averages of BatchNorm,
# which need some dozens of steps to catch up.)
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
# What a long run adds (`engine/long_run.py`) is not machine learning but care: it writes the history and checkpoints,
# goes on after an interruption as if nothing had happened, and evaluates now and then.
#
#     hazelnut-ae train DIR --run runs/mine          # Ctrl-C is safe; --resume goes on

# %% [markdown]
# ## The long run
#
# The article trained for 1000 epochs. Here is the finished run that fits the data in use: one that came with the course,
# or one that is trained now, in the time that the preset allows.

# %%
run = lesson.run
print("Run:", run.caption)
figure = figures.loss(run.history, run.held_out, f"Training loss. {lesson.caption}")
lesson.show(figure, "figure_05_loss")

# %%
seen, unseen = workflow.good_rows(lesson.dataset, run)
print(f"Of the {len(images)} good images here, this run learnt from {len(seen)} and never saw {len(unseen)}.")
print(f"It made {len(run.history):,} steps of {run.config['batch_size']} images.")

# %% [markdown]
# (The run that comes with the course learnt from a longer row of painted nuts, 391, of which the images here are the first. A
# tenth of the *long* row was held out of it, and its F<sub>1</sub> curves below were measured on the longer row's test images.
# So notebooks 6 to 8, which measure it on the images here, print somewhat other numbers.)
#
# The grey line is the loss of every step, the black one its running median. The article's Figure 5 has the same shape:
# from 0.10 to below 0.02 within 2,000 steps, then ever more slowly to about 0.003 at 62,000. The logarithmic axis shows
# what a linear one hides: most of the steps are spent on the last fifth of the error.
#
# What does it mean in grey levels? The square root of the loss is a typical error per pixel:

# %%
last = np.median([value for _, _, value in run.history[-50:]])
average = float(baselines["the average picture"])
ends = (("this run, at its end", last), ("the article, at its end", 0.003), ("the average picture", average))
for name, value in ends:
    print(f"{name:24s} loss {value:.4f}, a typical error of {255 * np.sqrt(value):.0f} of 255 grey levels")

# %% [markdown]
# (A thought on the article's 0.003. On the 37 real hazelnuts at hand to us (MVTec AD, Bergmann et al., CVPR 2019,
# CC BY-NC-SA 4.0; not the official split) the average picture has a loss of 0.0021. The two cannot be compared to the digit,
# since augmented images carry noise that nobody can copy, and the article does not say how much; so it does not follow that its
# network is no better than the average. But it shows how small the
# numbers are in which a good copy differs from a blob.)
#
# Now the finished network copies a good training image, a good test image that it never saw, and a defective one:

# %%
good_test = np.flatnonzero(np.array(test.defects) == "good")[:1]
bad_test = np.flatnonzero(np.array(test.defects) != "good")[:1]
shown = np.concatenate([images[:1], test.images[good_test], test.images[bad_test]])  # [3, 3, 256, 256]
titles = ["a training image", *("good, never seen" for _ in good_test)]
titles += [f"defective ({test.defects[i]})" for i in bad_test]
grid = [list(shown), list(reconstruct(run.model, shown))]
figures.panels(grid, titles, labels=["image", "copy"], caption=lesson.caption, panel=200)

# %% [markdown]
# ## What the training loss cannot show
#
# The loss above is measured on the images that the network learns from. Whether it learns *hazelnuts* or *these hazelnuts*,
# only photographs can tell that it never saw. A tenth of the good ones was **held out** of every run, so we can ask. (This
# needs the loss in evaluation mode, without a step: `training.loss_on`.)
#
# Two runs are asked. The one that comes with the course learnt as the article says: five *fixed* copies of each photograph,
# 1000 times over. The `quick` preset augments every image *afresh* each time it is used
# ([notebook 3](03_data_augmentation.ipynb)), and takes a small part of the steps.

# %%
contenders = {}
if shipped := workflow.shipped_run(lesson.dataset):
    contenders["five fixed copies"] = shipped
contenders["fresh copies"] = lesson.own_run
rows = {}
for name, one in contenders.items():
    seen, unseen = workflow.learnt_from(lesson.dataset, one), workflow.held_out(lesson.dataset, one)
    losses_of = {"learnt from": training.loss_on(one.model, seen), "held out": training.loss_on(one.model, unseen)}
    rows[name] = {"steps": one.history[-1][0], **losses_of, "ratio": losses_of["held out"] / losses_of["learnt from"]}
pd.DataFrame(rows).T.style.format("{:.0f}", subset=["steps"]).format(
    "{:.5f}", subset=["learnt from", "held out"]
).format("{:.2f}", subset=["ratio"])

# %% [markdown]
# A ratio of 1 would be a network that copies new nuts as well as those it knows. On painted nuts the run with fixed copies
# is at 3.2: it has learnt *its* nuts, down to their grain; this is **overfitting**. The one with fresh copies is at 1.1. And
# yet, with 35 times the steps, the overfitted run has the lower held-out loss as well, 0.0009 to 0.0011. Overfitting says what
# a step is spent on, not which network is better.
#
# What it means for a picture: good test images, which none of the runs saw, and their copies.

# %%
new = np.flatnonzero(np.array(test.defects) == "good")[:2]
grid = [[test.images[i], *(reconstruct(one.model, test.images[[i]])[0] for one in contenders.values())] for i in new]
caption = f"{lesson.data_words}. Runs: {'; '.join(one.caption for one in contenders.values())}."
figures.panels(grid, ["good, never seen", *(f"its copy, {name}" for name in contenders)], caption=caption, panel=200)

# %% [markdown]
# The first network draws more than it can know: an edge, but also wrinkles that this nut does not have. The second answers with
# a blur where it is unsure. Both are errors, and both will show in the residual.
#
# And what it means for finding defects, on the same test images (the best F<sub>1</sub> that any threshold reaches; both
# numbers are explained in [notebook 8](08_results_table.ipynb)):

# %%
quality = {}
for name, one in contenders.items():
    pixels = (
        metrics.PixelMetrics().update(AutoencoderDetector(one.model).anomaly_maps(test.images), test.masks).compute()
    )
    quality[name] = {"pixel AUROC": pixels["auroc"], "best F1": pixels["f1_max"]}
pd.DataFrame(quality).T.round(3)

# %% [markdown]
# (On painted nuts: 0.01 of F<sub>1</sub> and 0.05 of AUROC for 35 times the steps.)
#
# The same question with everything else equal: the same network, steps, rates and seed, once with five fixed copies and
# once with fresh ones. Measured beforehand (`python -m hazelnut_ae.studies time DIR`):

# %%
study = shipped_numbers.time_to_quality()
pairs = study[(study["seed"] == 0) & study["recipe"].isin(["quick", "five fixed copies"])]
figure = time_to_quality.drawn(
    pairs, ("loss", "held_out_loss", "f1_max"), over="step", caption="Painted nuts, one seed."
)
figure

# %%
ends = pairs[pairs["step"] == pairs.groupby(["data", "recipe"])["step"].transform("max")]
ends.set_index(["data", "recipe"])[["step", "loss", "held_out_loss", "pixel_auroc", "f1_max"]].round(4)

# %% [markdown]
# With fixed copies the training loss ends lower, the held-out loss does not, and the best F<sub>1</sub> is 0.41 in place of 0.44.
# In so few steps that is all; it is one seed, too. What fixed copies are good for is a loss curve that looks better than it is.
#
# ## A rate that rises and falls
#
# The article's rate is the same from the first step to the last. Large steps get far, small ones settle; a **one-cycle**
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
# Together with fresh copies and batches of 16, it is the recipe of `quick`.

# %% [markdown]
# ## F<sub>1</sub> while training, and what it may be used for
#
# The article's Figures 6 and 7 follow the F<sub>1</sub> score of each defect through the epochs (its text exchanges the two
# captions). The pictures below are of our run.

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
# The article's curves, read off its figures: the loss falls from 0.10 at the start to about 0.003 at the end; F<sub>1</sub> rises from
# 0.15 to 0.35 (crack), 0.15 to 0.75 (cut), 0.12 to 0.56 (hole) and 0.09 to 0.35 (print).

# %%
article_end = {"crack": 0.35, "cut": 0.75, "hole": 0.56, "print": 0.35}  # read off its Figures 6 and 7
table = pd.DataFrame(
    {
        name: {"first": points[0][1], "last": points[-1][1], "best": np.nanmax([v or 0 for _, v in points])}
        for name, points in run.f1.items()
    }
).T
table["best - last"] = table["best"] - table["last"]
table["article, last"] = pd.Series(article_end)
table.astype(float).round(2)

# %% [markdown]
# The article calls these curves *validation*. But the images behind them are the four test folders themselves. So:
#
# * You **may** look at them to see that training works, and to tell others afterwards how it went.
# * You **may not** choose by them: neither the epoch to stop at, nor the threshold, nor the size of the network. Whoever
#   picks the best epoch of such a curve and reports its F<sub>1</sub> *on the same images* reports luck as skill. The column
#   *best − last* shows how much luck there was to pick up here: next to none while a short run still rises, more on the
#   long, jagged curve of many epochs (exercise 4).
#
# Since no defective image may be used for choosing, the long run simply stops at a number of epochs fixed beforehand. And
# the threshold? [Notebook 7](07_threshold_and_latent_size.ipynb) chooses it from good images alone.

# %% [markdown]
# ## Exercises

# %% [markdown] tags=["exercise"]
# **1 (easy).** Which single grey level has the smallest L2 loss against the numbers 0, 0, 0, 1? And which has the smallest
# *L1* loss (mean absolute error)? What follows for a network that is unsure whether there is a bright speck?

# %% tags=["try"]
# levels = np.linspace(0, 1, 101)

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
numbers = np.array([0, 0, 0, 1])
levels = np.linspace(0, 1, 101)
for name, power in (("L2", 2), ("L1", 1)):
    losses_of_levels = [(np.abs(numbers - level) ** power).mean() for level in levels]
    print(f"{name}: best level {levels[int(np.argmin(losses_of_levels))]:.2f}")

# %% [markdown] tags=["solution"]
# L2 wants the mean, L1 the median. An unsure network under L2 paints a compromise, a pale blur in place of a speck: the
# softness of all the copies above.

# %% [markdown] tags=["exercise"]
# **2 (medium).** Train on a *single* image for some dozens of steps. How low does the loss get, and why does that not mean
# that the network is good?

# %% tags=["try"]
# one = augmented.batch(torch.zeros(4, dtype=int))

# %% tags=["solution"]
torch.manual_seed(0)
model = Autoencoder()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
one = torch.from_numpy(np.array(images[:1])).repeat(2, 1, 1, 1)  # uint8 [2, 3, 256, 256]
steps = 10 if lesson.preset.name == "tiny" else 60
one_losses = [loss.item() for loss in training.train(model, optimizer, [one] * steps)]
print(f"loss {one_losses[0]:.3f} -> {one_losses[-1]:.4f}")

# %% [markdown] tags=["solution"]
# It falls, although nothing is told apart: with two identical images in the batch, BatchNorm subtracts from each latent number
# its own mean, so z is the same constant whatever the picture is, and the decoder learns to paint one picture from it. It
# would "copy" any input as that picture. A low training loss says something only if the images are many and different.

# %% [markdown] tags=["exercise"]
# **3 (medium).** Run the loop with learning rates of 1e-5, 1e-3 and 1e-1 for a few steps each and draw the losses.

# %% tags=["try"]
# for rate in (1e-5, 1e-3, 1e-1): ...

# %% tags=["solution"]
figure, ax = plt.subplots(figsize=(7, 2.8))
batch = torch.from_numpy(np.array(images[:4]))  # uint8 [4, 3, 256, 256]
steps = 8 if lesson.preset.name == "tiny" else 25
for rate, line in ((1e-5, ":"), (1e-3, "-"), (1e-1, "--")):
    torch.manual_seed(0)
    model = Autoencoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    curve = [loss.item() for loss in training.train(model, optimizer, [batch] * steps)]
    ax.plot(curve, color="black", linestyle=line, label=f"rate {rate:g}")
ax.set(xlabel="step", ylabel="L2 loss", yscale="log")
ax.legend(fontsize=8)
plt.show()

# %% [markdown] tags=["solution"]
# Too small a rate hardly moves. The largest falls furthest: Adam's steps are as large as the rate says, and BatchNorm stands a lot.
# But these are 25 steps on four images. Whether a rate this large still learns after thousands of steps on many
# images, the plot cannot say; the article used Adam, and this package keeps Adam's usual 1e-3.

# %% [markdown] tags=["exercise"]
# **4 (hard).** How much luck is there to pick up? Suppose the true F<sub>1</sub> is 0.50 at *all* of 100 evaluated epochs,
# and each measured value is off by a random error of standard deviation 0.03. How large is the best of the hundred on
# average? And how large would the same epoch be on fresh images?

# %% tags=["try"]
# measured = 0.50 + 0.03 * rng.standard_normal((1000, 100))

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
rng = np.random.default_rng(0)
measured = 0.50 + 0.03 * rng.standard_normal((1000, 100))
fresh_images = 0.50 + 0.03 * rng.standard_normal((1000, 100))
best = measured.argmax(axis=1)  # the epoch that somebody would choose
print(f"reported {measured.max(axis=1).mean():.2f}, on fresh images {fresh_images[np.arange(1000), best].mean():.2f}")

# %% [markdown] tags=["solution"]
# 0.08 of pure luck, in a setting where nothing at all was learnt between the epochs. Real curves are less jumpy from one
# epoch to the next, so the effect is smaller, but its sign never changes.

# %% [markdown]
# ## In practice
#
# * Keep the loss of every step and a picture of some copies every few hundred. The pictures tell you what the number
#   cannot: grey copies, shifted colours, checkerboards.
# * Fix seed, epochs and data before you look at test results. Write them into the run's folder (`config.json` here).
# * A run that cannot be resumed will be interrupted. Save often, and test that resuming works.
#
# ## Further reading
#
# * D. Kingma, J. Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015.
# * J. Dodge et al., *Show Your Work: Improved Reporting of Experimental Results*, EMNLP 2019: what choosing by the test
#   set does to a field.
#
# **Back:** [4 · Architecture](04_architecture.ipynb) · **Next:** [6 · Residual thresholding](06_residual_thresholding.ipynb) ·
# [Solutions](solutions/05_training.ipynb) ·
# **Play:** [what this run makes of a scratch](../book/playground/README.md)
