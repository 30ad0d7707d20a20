# %% [markdown]
# # 3 · Data augmentation: five images out of one
#
# **What you'll do.** Turn and mirror an image, add noise, see what goes wrong in the corners, build the article's training set of
# about 2000 images, let an autoencoder learn five copies by heart, and compare six short trainings.
#
# **What you'll learn.** What augmentation teaches a network, and what it must not invent; why an epoch has about 63 steps; what
# one training each can tell, and what not.
#
# **What you'll need.** [Notebook 2](02_dataset.ipynb). The numbers in the text are those of the painted nuts of the preset `quick`.
#
# **Time.** Seconds on two cores. For you about an hour and a half: turning and
# corners 20 minutes, counts and copies 20, the measurement 15, exercises 35.
#
# The code of this lesson: `hazelnut_ae/augmentation.py`.

# %% tags=["setup"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torchvision.transforms.v2 import functional as F

from hazelnut_ae import augmentation, figures, shipped, training
from hazelnut_ae.course.checks import check
from hazelnut_ae.course.lesson import setup

lesson = setup()
images = lesson.dataset.train.images  # uint8 [N, 3, 256, 256]
image = torch.from_numpy(np.array(images[0]))  # uint8 [3, 256, 256]

# %% [markdown]
# ## Why
#
# The network of the next notebook has 2.7 million parameters, and the article has 391 photographs to set them with. With
# so few, a network can learn the photographs themselves instead of what they have in common. *Augmentation* makes more of
# them, by changes which we **know** to leave a good hazelnut good:
#
# * a nut may lie in any direction: **rotate** it;
# * its mirror image is a nut as well: **flip** it;
# * the camera's sensor is noisy: add a little **noise**;
# * the nut does not always lie in the middle: **shift** it. (The article does not; `--augment shift` does.)
#
# Each is one line:

# %%
generator = torch.Generator().manual_seed(0)
flipped = F.horizontal_flip(image)
upside_down = F.vertical_flip(image)
noisy = augmentation.add_noise(image, generator)
turned = augmentation.rotate(image, 40)
shifted = augmentation.shift(image, 10, -10)  # 10 pixels to the right and up, 4 % of the side
figures.panels(
    [[image, turned, flipped], [upside_down, noisy, shifted]],
    caption="Row by row: the photograph, turned by 40°, flipped, upside down, with noise, shifted. "
    + lesson.data_words
    + ".",
    panel=180,
)

# %% [markdown]
# The noise is hard to see. Its standard deviation is 2 % of the range from black to white (the article
# does not print its own). Flipping an array needs no library; it is a reversed index:

# %%
# NBVAL_CHECK_OUTPUT
print("flip left-right is image[:, :, ::-1]:", np.array_equal(flipped, image.numpy()[:, :, ::-1]))
print("flipping twice gives the photograph: ", torch.equal(F.horizontal_flip(flipped), image))

# %% tags=["claim"]
# claim: the noise has a standard deviation of 2 % of 255
assert abs((noisy.float() - image).std() / 255 - 0.02) < 0.002

# %% [markdown]
# ## What a turned picture does in its corners
#
# Turn a square by 40° and its corners stick out, while from outside *something* must come in. The library's default is
# black. Here are the photograph and the turned one, made four times brighter so that the dark ground shows:

# %%
black = F.rotate(image, 40, interpolation=F.InterpolationMode.BILINEAR)  # the library's way
reflected = augmentation.rotate(image, 40)  # ours
brighter = [np.minimum(4.0 * np.asarray(one) / 255, 1) for one in (image, black, reflected)]
figures.panels(
    [brighter],
    titles=["the photograph", "turned, black corners", "turned, reflected corners"],
    caption=f"Four times brighter. {lesson.data_words}.",
)

# %% [markdown]
# No photograph shows a hazelnut inside a diamond with black corners. So we first reflect the
# photograph beyond its border, then turn it, then cut out the middle. That is not true to life either: look into the corners of the
# right picture. Bits of a second nut are there, the reflection of the first. Both are measured below.


# %%
# NBVAL_CHECK_OUTPUT
def rotate(image, degrees):
    """Turns uint8 [3, H, W] about its centre; the corners are filled with the image's own reflection."""
    padded = F.pad(image, [56], padding_mode="reflect")  # [3, 256 + 112, 256 + 112]
    turned = F.rotate(padded, degrees, interpolation=F.InterpolationMode.BILINEAR)
    return F.center_crop(turned, [256, 256])  # [3, 256, 256]


print("same as the package:", torch.equal(rotate(image, 40), augmentation.rotate(image, 40)))

# %% [markdown]
# Turn it yourself, with either filling:

# %%
import ipywidgets

from hazelnut_ae.course import widgets


def look(corners, degrees):
    """The photograph turned by some degrees, four times brighter, so that the corners show."""
    black = F.rotate(image, degrees, interpolation=F.InterpolationMode.BILINEAR)
    turned = black if corners == "black" else augmentation.rotate(image, degrees)
    brighter = np.minimum(4.0 * turned.numpy() / 255, 1)
    title = f"turned by {degrees}°, {corners} corners"
    return figures.panels([[turned, brighter]], [title, "four times brighter"], caption=f"{lesson.data_words}.")


corners = ipywidgets.Dropdown(options=["black", "reflected"], value="black", description="corners")
widgets.interactive_figure(look, corners=corners, degrees=widgets.slider(40, 0, 180, 5, "degrees"))

# %% [markdown]
# How much does the library's way invent? Count the pixels that are pure black:

# %%
pure_black = {
    name: 100 * float((np.asarray(one) == 0).all(axis=0).mean())
    for name, one in (("photograph", image), ("black corners", black), ("reflected corners", reflected))
}
for name, share in pure_black.items():
    print(f"{name:18s} {share:5.2f} % of the pixels are black")

# %% tags=["claim"]
# claim: the photograph has next to none, and reflection invents none
assert pure_black["photograph"] < 0.1
assert pure_black["reflected corners"] < 0.1
assert pure_black["black corners"] > 10

# %% [markdown]
# **Augment only what varies in production.** For nuts on a conveyor, any direction is fine. Transistors, always placed
# with their legs down, are another matter: an upside-down transistor *is* the defect (MVTec AD calls it *misplaced*), and
# training on turned ones shows it to the network as good. You choose what is done:
# `hazelnut-ae train … --augment noise`. In general, an augmentation can hide those defects that look like its own change: turning
# hides a part that lies wrong, a shift one that has slipped, noise a faint grain. For a part that always lies the same way up, noise
# is left and, where it may wander, a small shift. (Light: exercise 2.)

# %% [markdown]
# ## From 391 to about 2000, and to 63 steps
#
# The article's recipe: the photograph, one rotation, both flips, one noisy copy. Times five.

# %%
# NBVAL_CHECK_OUTPUT
photographs, copies, batch = 391, 5, 32
augmented_count = photographs * copies
print(f"{photographs} x {copies} = {augmented_count} images")
print(f"{augmented_count} / {batch} = {augmented_count / batch:.1f} steps per epoch")
print(f"2000 / {batch} = {2000 / batch} steps per epoch")

# %% tags=["claim"]
# claim: with a last, smaller batch 1955 images make 62 steps, and 62,000 in 1000 epochs; 2000 images make 63
assert 1000 * np.ceil(augmented_count / batch) == 62_000
assert np.ceil(2000 / batch) == 63

# %% [markdown]
# Training goes through the augmented images in *batches*; the weights change once per batch, which is one **step**. Once through
# all images is an [**epoch**](../book/teach/glossary.md). The article does not print its batch size, but it prints "approximately 63" steps
# per epoch. A batch of 32 fits. Round up, because the last, smaller batch is a step, too: 1955 images give 62 steps, and 62,000 after 1000
# epochs, which is where Figure 5 ends by eye. 2000 images would give 63. Likely, but no proof: 1955 / 31 = 63.06 fits as well.
#
# (This course keeps a tenth of the good photographs out of training, to choose a threshold with in
# [notebook 7](07_threshold_and_latent_size.ipynb). 391 photographs thus give 352 × 5 / 32 = 55 steps.)
#
# `AugmentedCopies` does this for any number of copies. The first five are the article's; a smaller data set takes more, which
# combine everything. Row by row, the first two photographs and their copies:

# %%
augmented = augmentation.AugmentedCopies(images[:2], copies=8, seed=0)
table = augmented.batch(torch.arange(len(augmented))).reshape(8, 2, 3, 256, 256)  # copy, photograph
names = ["photograph", "rotation", "flip", "flip", "noise", "all", "all", "all"]
caption = f"{lesson.data_words}."
figures.panels([list(table[:, 0]), list(table[:, 1])], titles=names, caption=caption, panel=110)

# %% tags=["claim"]
# claim: copy 0 is the photograph itself
assert np.array_equal(table[0].numpy(), images[:2])

# %% [markdown]
# ## Fixed copies, or fresh ones
#
# The article makes its copies once; every epoch shows the same images again. The other way is to augment an image
# *each time it is used*, so that, turned by any angle, none comes twice. `OnlineAugmentation` does this; here is one photograph as
# six steps see it:

# %%
fresh = augmentation.OnlineAugmentation(images[:1], copies=1, seed=0)
seen = [fresh.batch(torch.tensor([0]), step)[0] for step in range(6)]  # uint8 [3, 256, 256] each
figures.panels([seen], titles=[f"step {step}" for step in range(6)], caption=caption, panel=110)

# %% [markdown]
# The `article` preset keeps the article's fixed copies, `quick` takes fresh ones. Does it matter? Here is the smallest case, with the linear
# autoencoder of [notebook 1](01_background.ipynb) on images of 16 × 16 pixels. Both times it learns from the same photographs and has
# the same number of latent numbers. Once there are five fixed copies, once as many fresh ones ten times over.


# %%
def small(batch):
    """Averages of 16 × 16 pixels: uint8 [N, 3, 256, 256] -> [N, 768]."""
    return np.asarray(batch).reshape(len(batch), 3, 16, 16, 16, 16).mean(axis=(3, 5)).reshape(len(batch), -1) / 255


def loss_on(pictures, learnt, latent):
    """Mean squared error on pictures [M, 768] of a PCA of pictures learnt [N, 768]."""
    middle = learnt.mean(axis=0)
    directions = np.linalg.svd(learnt - middle, full_matrices=False)[2][:latent]  # [latent, 768]
    centred = pictures - middle
    return ((centred - centred @ directions.T @ directions) ** 2).mean()


half = min(20, len(images) // 2)
ratios = {"five fixed copies": [], "fresh copies": []}
for seed in range(3):
    order = np.random.default_rng(seed).permutation(len(images))
    learnt_rows, new_rows = order[:half], order[half : 2 * half]
    everything = torch.arange(5 * half)
    options = {"copies": 5, "seed": seed, "augmentations": ("rotation", "flip")}
    fixed = augmentation.AugmentedCopies(images, rows=learnt_rows, **options)
    fresh = augmentation.OnlineAugmentation(images, rows=learnt_rows, **options)
    unseen = small(augmentation.OnlineAugmentation(images, rows=new_rows, **options).batch(everything, 99))
    for name, learnt in (
        ("five fixed copies", small(fixed.batch(everything))),
        ("fresh copies", np.concatenate([small(fresh.batch(everything, step)) for step in range(10)])),
    ):
        latent = 9 * half // 2  # nine numbers for ten fixed copies
        ratios[name].append(loss_on(unseen, learnt, latent) / loss_on(learnt, learnt, latent))
for name, ratio in ratios.items():
    print(f"{name:18s} loss on new nuts / loss on what was learnt:", "  ".join(f"{one:.1f}" for one in ratio))

# %% [markdown]
# *Learnt by heart* means: rebuilt much better than new nuts are. Five fixed copies are: in three draws of the photographs the loss
# on new nuts is at least {{ min(ratios["five fixed copies"]):.0f }} times that on the learnt ones. With fresh copies it is at most
# {{ max(ratios["fresh copies"]):.1f }} times. (The latent numbers here are nearly as many as the fixed copies: we *made* room for learning by heart. What
# the article's network does in a long training, [notebook 5](05_training.ipynb) measures.)

# %% tags=["claim"]
# claim: the same photographs, the same capacity, three draws
assert min(ratios["five fixed copies"]) > 5
assert max(ratios["fresh copies"]) < 3

# %% [markdown]
# ## What it is worth, measured
#
# Six networks of the article's kind were trained, each for 240 steps of 8 images with a learning rate that rises to 0.01 and falls again
# ([one-cycle](../book/teach/glossary.md)): short trainings, which differ in the copies alone (and one of them in the seed). (They
# take minutes, so they were measured
# beforehand on painted nuts; the code is `benchmarks/augmentations.py`.)

# %%
measured = pd.DataFrame(shipped.measured("augmentations")).T
measured.style.format("{:.4f}").format("{:.1f}", subset=["corners"]).format("{:.3f}", subset=["pixel_auroc", "f1_max"])

# %% [markdown]
# `learnt_from` and `held_out` are the mean squared error on the photographs of the training and on good ones kept out of it
# ([held out](../book/teach/glossary.md)); `corners` is the mean residual in the four corners of the held-out ones, in grey levels
# of 255; the last two say how well defects are found (AUROC of pixels; F<sub>1</sub> at the best of all thresholds,
# [F<sub>1</sub>-max](../book/teach/glossary.md)).
#
# Each row is *one* training. Only "fresh, turned" was trained twice, with two seeds, so that we see a little of how much is luck:

# %%
black, first, second = (measured.loc["fresh, turned" + end] for end in (", black corners", "", ", another seed"))
others = measured.drop("fresh, turned, black corners")
luck = (first - second).abs()
upright = others.loc[["no copies", "fresh, flipped only"], "corners"]  # not turned
gap = 100 * (others["held_out"] / others["learnt_from"]).max() - 100
spread = {
    "luck of one pair": luck,
    "least of the others": others.min(),
    "most of the others": others.max(),
    "black": black,
}
pd.DataFrame(spread).round(4)

# %% [markdown]
# * **Black corners do harm**, as far as one training can say. Its row is the worst in every column. In the corners of the
#   held-out nuts, which have no diamonds, it errs by {{ black["corners"]:.0f }} grey levels; the other five by
#   {{ others["corners"].min():.0f }} to {{ others["corners"].max():.0f }}, the two seeds among them {{ luck["corners"]:.1f }} apart.
# * Bits of a second nut cost nothing that shows: the rows that were not turned err by {{ upright.min():.1f }} and {{ upright.max():.1f }} in the
#   corners, and no turned row by more than the larger.
# * The other five are *not ranked*. Their best F<sub>1</sub> reaches from {{ others["f1_max"].min():.3f }} to {{ others["f1_max"].max():.3f }}; two seeds
#   of the same row are {{ luck["f1_max"]:.3f }} apart. That "no copies" stands on top is inside the noise: one seed each. (By AUROC the
#   two seeds agree in all three digits, which shows that one pair is too little to measure luck by.)

# %% tags=["claim"]
# claim: black corners: outside the range of the other five, in every column
errors = ["learnt_from", "held_out", "corners"]
assert (black[errors] > others[errors].max()).all()
assert (black[["pixel_auroc", "f1_max"]] < others[["pixel_auroc", "f1_max"]].min()).all()
assert black["corners"] - others["corners"].max() > 3 * luck["corners"]
assert others.drop(upright.index)["corners"].max() < upright.max()

# %% tags=["claim"]
# claim: no copies against fresh copies: within what two seeds differ
assert abs(measured["f1_max"]["no copies"] - first["f1_max"]) < luck["f1_max"]
assert luck["pixel_auroc"] == 0

# %% [markdown]
# Do not conclude that augmentation is useless. After 240 steps the loss on held-out nuts is at most about {{ gap:.0f }} % above
# that on learnt ones, so
# there was little to guard against. It is a choice to be measured, with the training that you mean to use, and with more than one seed.
#
# What to choose for photographs of your own is a plan of its own: "A plan for thirty photographs of your own" in
# [notebook 10](10_beyond.ipynb). `hazelnut-ae check DIR` looks at a folder and gives advice, with the train line to copy.

# %% tags=["claim"]
# claim: little is learnt by heart in 240 steps, in no row
assert gap < 15
assert (measured["held_out"] / measured["learnt_from"]).max() < 1.15

# %% [markdown]
# ## The same seed, the same images
#
# Everything random takes its numbers from a seeded generator. With the same seed and the same versions, two people train on the same bytes, and
# a run that was interrupted goes on with exactly the images it would have had.

# %%
# NBVAL_CHECK_OUTPUT
again = augmentation.AugmentedCopies(images[:2], copies=8, seed=0)
other = augmentation.AugmentedCopies(images[:2], copies=8, seed=1)
everything = torch.arange(16)
print("same seed, same bytes: ", torch.equal(augmented.batch(everything), again.batch(everything)))
print("other seed, same bytes:", torch.equal(augmented.batch(everything), other.batch(everything)))

# %% [markdown]
# ## Is a turned nut a new nut?
#
# How far are the copies from their photograph, and how far is another photograph? Here is the mean absolute difference over some nuts, on
# the scale from 0, black, to 1, white:


# %%
def difference(changed):
    """Mean absolute difference between photographs and what a change makes of them, over at most 20 nuts."""
    some = torch.from_numpy(np.array(images[:20]))
    return np.mean([(changed(one, i).float() - one).abs().mean() / 255 for i, one in enumerate(some)])


differences = {
    "noise": difference(lambda one, i: augmentation.add_noise(one, generator)),
    "shift by 10 pixels": difference(lambda one, i: augmentation.shift(one, 10, -10)),
    "flip": difference(lambda one, i: one.flip(-1)),
    "rotation by 90°": difference(lambda one, i: one.rot90(1, (1, 2))),
    "another photograph": difference(lambda one, i: torch.from_numpy(np.array(images[i - 1]))),
}
figure, ax = plt.subplots(figsize=(6, 2.2))
ax.barh(list(differences), list(differences.values()), color="0.4")
ax.set_xlabel("mean absolute difference from the photograph")
ax.invert_yaxis()
plt.show()

# %% [markdown]
# Pixel by pixel, a nut turned by 90° is {{ 100 * differences["rotation by 90°"] / differences["another photograph"]:.0f }} % as
# far away as another nut;
# a noisy one is much nearer.

# %% tags=["claim"]
# claim
assert 0.6 < differences["rotation by 90°"] / differences["another photograph"] < 1
assert differences["noise"] < differences["another photograph"] / 2

# %% [markdown]
# But no copy shows a scar, a colour or a shape that no photograph had. Augmentation teaches *what does not matter*; only
# more photographs teach *what else is good*.

# %% [markdown]
# ## Exercises
#
# Below each there is a *check*: run it, and it says whether your answer holds.

# %% [markdown] tags=["exercise"]
# **1 (easy).** You have 28 good photographs and want about 1800 augmented images. How many copies of each? With a batch of
# 32, how many steps has an epoch, and how many epochs are 1800 steps? Mind that a tenth is kept out (`training.split_good`).

# %% tags=["try"]
copies, steps, epochs = 64, 56, 32

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
learnt, kept = training.split_good(28, seed=0)
copies = round(1800 / len(learnt))
steps = len(learnt) * copies // 32
epochs = 1800 / steps
print(f"{len(learnt)} to train on ({len(kept)} kept out), {copies} copies, {steps} steps, {epochs:.1f} epochs")

# %% tags=["check"]
with check(1):
    photographs = len(training.split_good(28, seed=0)[0])
    assert abs(photographs * copies - 1800) <= photographs, f"{photographs} photographs are left to train on"
    assert steps in (photographs * copies // 32, -(-photographs * copies // 32)), "steps: images / batch"
    assert abs(epochs * steps - 1800) <= steps / 2, "epochs: 1800 / steps"

# %% [markdown] tags=["solution"]
# {{ len(learnt) }} photographs, {{ copies }} copies of each, {{ steps }} steps, {{ epochs:.0f }} epochs. (A last, smaller batch is left out
# here; counted in, it were one step more.) The {{ len(kept) }} that were kept out are not in the 1800, or nothing would be left to choose a
# threshold with.

# %% [markdown] tags=["exercise"]
# **2 (medium).** The lamp above the conveyor ages. Write an augmentation that makes an image up to 10 % darker or brighter, all
# colours alike. Which defects could it hide?


# %% tags=["try"]
def relight(image, generator):
    """uint8 [3, H, W] times a factor between 0.9 and 1.1."""
    return image


# %% tags=["solution"]
def relight(image, generator):
    """uint8 [3, H, W] times a factor between 0.9 and 1.1."""
    factor = 0.9 + 0.2 * torch.rand((), generator=generator)
    return (image * factor).round().clamp(0, 255).to(torch.uint8)


generator = torch.Generator().manual_seed(0)
figures.panels([[relight(image, generator) for _ in range(4)]], caption=f"{lesson.data_words}.")

# %% tags=["check"]
with check(2):
    grey = torch.full((3, 8, 8), 200, dtype=torch.uint8)
    draws = torch.Generator().manual_seed(1)
    relit = [relight(grey, draws) for _ in range(200)]
    assert relit[0].dtype == torch.uint8, "an image is uint8"
    assert all(one.min() == one.max() for one in relit), "one factor for the whole image and all colours"
    levels = [int(one[0, 0, 0]) for one in relit]
    assert min(levels) < 190, "it should get darker, too, by up to 10 %"
    assert max(levels) > 210, "it should get brighter, too, by up to 10 %"
    assert 180 <= min(levels) <= max(levels) <= 220, f"200 became {min(levels)} … {max(levels)}"
    white = torch.full((3, 8, 8), 255, dtype=torch.uint8)
    assert min(int(relight(white, draws).min()) for _ in range(50)) > 200, "255 · 1.1 is more than a uint8 holds"

# %% [markdown] tags=["solution"]
# A nut that is too dark as a whole (roasted, mouldy) would be learnt as good. Every augmentation is a statement about what
# is *not* a defect; make it with the person who knows the product.

# %% [markdown] tags=["exercise"]
# **3 (medium).** By how many degrees may you turn a 256-pixel image with a reflected margin of `margin` pixels before black comes
# in? Write it for any margin, in degrees from 0 to 45.


# %% tags=["try"]
def largest_angle(margin):
    """Degrees, at most 45; 45 where every angle will do."""
    return 45.0


# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
def largest_angle(margin):
    """Degrees, at most 45; 45 where every angle will do."""
    degrees = np.arange(0, 45.01, 0.1)
    alpha = np.radians(degrees)
    reach = 128 * (np.cos(alpha) + np.sin(alpha))  # how far a corner swings out along each axis
    return float(degrees[reach <= 128 + margin + 1e-9].max())


white = torch.full((3, 256, 256), 255, dtype=torch.uint8)
for margin in (20, 53, 54):
    padded = F.pad(white, [margin], padding_mode="reflect")
    turned = F.center_crop(F.rotate(padded, 45, interpolation=F.InterpolationMode.BILINEAR), [256, 256])
    print(f"margin {margin}: up to {largest_angle(margin):.1f} degrees; black at 45: {bool((turned < 255).any())}")

# %% tags=["check"]
with check(3):
    assert abs(largest_angle(0)) < 0.1, "without a margin the smallest turn lets black in"
    for margin, angle in ((10, 4.66), (20, 9.85), (40, 23.2)):
        here = largest_angle(margin)
        assert abs(here - angle) < 0.7, f"with a margin of {margin}: not {here:.1f} degrees"
    assert largest_angle(54) == 45, "a margin of 54 is enough for every angle"

# %% [markdown] tags=["solution"]
# The corner of the cut-out sits 128·√2 from the centre and swings out to 128·(cos α + sin α) along each axis; with a margin of 20
# that stays inside for up to 9.8°. At 45° the sum is √2, so 128·(√2 − 1) = 53.02 pixels are enough for every angle. (With 53 no black comes in at
# 45° either: the outermost pixels' centres lie half a pixel within the corner.)

# %% [markdown] tags=["exercise"]
# **4 (your own data).** Which of `"rotation"`, `"flip"` and `"shift"` leave a good part good? In this package `"flip"` means both: left to
# right, and *upside down*. Decide for hazelnuts on a belt, for transistors that always stand with their legs down, for screws that lie
# in any direction, and for upright labels. A holder keeps transistors in place to the pixel (one that has moved is defective); the
# others may move
# a little. Then do so for a product of yours.

# %% tags=["try"]
allowed = {"hazelnut": set(), "transistor": set(), "screw": set(), "label": set()}

# %% tags=["solution"]
allowed = {
    "hazelnut": {"rotation", "flip", "shift"},
    "transistor": set(),  # upside down is the defect "misplaced", and so is one that has moved
    "screw": {"rotation", "shift"},  # a mirrored screw has a left-hand thread
    "label": {"shift"},  # nobody can read it mirrored
}

# %% tags=["check"]
with check(4):
    assert {"rotation", "flip"} <= allowed["hazelnut"], "a turned or mirrored hazelnut is a hazelnut"
    assert not {"rotation", "flip"} & allowed["transistor"], "a transistor upside down is a defect"
    assert "shift" not in allowed["transistor"], "here a transistor that has moved is a defect"
    assert "rotation" in allowed["screw"], "a screw may lie anyhow"
    assert "flip" not in allowed["screw"], "look at the thread of a screw in a mirror"
    assert not {"rotation", "flip"} & allowed["label"], "a label must be upright and readable"
    assert all("shift" in allowed[part] for part in ("hazelnut", "screw", "label")), "these may wander a little"

# %% [markdown] tags=["solution"]
# The screw is the trap: it may lie in any direction, but its mirror image is no good screw. For your own folder, `hazelnut-ae advise DIR`
# tells whether the parts lie one way; whether a mirrored one is good, only you know.

# %% [markdown] tags=["exercise"]
# **5 (hard).** Somebody augments first and splits afterwards: a tenth of the 1955 *augmented* images are kept out, and nearly every
# one of them has a sibling in training, a copy of the same photograph. Does that spoil a threshold chosen on them? Write `split`, which
# keeps siblings together (image `n` of the 1955 is a copy of photograph `n % 391`). Then write `alarms`, which measures the harm with a
# detector that needs no training: an image scores its distance (mean absolute difference) to the nearest of the images learnt from. The
# threshold is the median score of the kept-out ones; half of the *new* images should exceed it. How many do, after each split?


# %% tags=["try"]
def split(photographs, copies, seed):
    """(numbers to train on, numbers kept out) of photographs × copies augmented images; a tenth is kept out."""
    order = np.random.default_rng(seed).permutation(photographs * copies)
    kept_out = round(0.1 * photographs * copies)
    return order[kept_out:], order[:kept_out]


def alarms(learnt, kept_out, new):
    """Share of `new` that score above the median of `kept_out`; all are [number, numbers of an image]."""
    return 0.5


# %% tags=["solution"]
def split(photographs, copies, seed):
    """(numbers to train on, numbers kept out) of photographs × copies augmented images; a tenth is kept out."""
    kept_photographs = np.random.default_rng(seed).permutation(photographs)[: round(0.1 * photographs)]
    numbers = np.arange(photographs * copies)
    kept_out = np.isin(numbers % photographs, kept_photographs)
    return numbers[~kept_out], numbers[kept_out]


def alarms(learnt, kept_out, new):
    """Share of `new` that score above the median of `kept_out`; all are [number, numbers of an image]."""
    score = lambda images: np.array([np.abs(learnt - one).mean(axis=1).min() for one in images])  # noqa: E731
    return (score(new) > np.median(score(kept_out))).mean()


def small(batch):
    """Averages of 16 × 16 pixels: uint8 [N, 3, 256, 256] -> [N, 768]."""
    return np.asarray(batch).reshape(len(batch), 3, 16, 16, 16, 16).mean(axis=(3, 5)).reshape(len(batch), -1) / 255


at_hand = len(images) * 3 // 4  # the rest comes tomorrow
copied = [augmentation.AugmentedCopies(part, 5) for part in (images[:at_hand], images[at_hand:])]
today, tomorrow = (small(part.batch(torch.arange(len(part)))) for part in copied)
order = np.random.default_rng(0).permutation(5 * at_hand)
tenth = round(0.1 * len(order))
shares = {}
for name, (used, kept_out) in (
    ("augmented, then split", (order[tenth:], order[:tenth])),
    ("siblings together", split(at_hand, 5, 0)),
):
    siblings = 100 * np.isin(kept_out % at_hand, used % at_hand).mean()
    shares[name] = 100 * alarms(today[used], today[kept_out], tomorrow)
    print(
        f"{name}: {siblings:.0f} % kept out have a sibling in training; "
        f"{shares[name]:.0f} % of the new ones exceed the median"
    )

# %% tags=["check"]
with check(5):
    for photographs, copies in ((391, 5), (28, 20)):
        used, kept_out = split(photographs, copies, 0)
        together = np.sort(np.concatenate([used, kept_out]))
        assert np.array_equal(together, np.arange(photographs * copies)), "each image once, in one of the two parts"
        assert abs(len(kept_out) / len(together) - 0.1) < 0.02, "a tenth should be kept out"
        shared = set(used % photographs) & set(kept_out % photographs)
        assert not shared, f"{len(shared)} photographs have copies in both parts"
    points, far = (
        np.array([[0.0, 0.0], [10.0, 0.0]]),
        np.array([[0.0, 1.0], [10.0, 2.0], [0.0, 6.0]]),
    )  # distances 0.5, 1, 3
    assert alarms(points, far, np.array([[0.0, 2.5], [10.0, 1.0]])) == 0.5, "1.25 is above the median of 1, 0.5 is not"
    assert alarms(points, far, np.array([[4.0, 0.0], [6.0, 0.0], [0.0, 0.1], [5.0, 5.0]])) == 0.75, "the nearest counts"

# %% [markdown] tags=["solution"]
# A kept-out copy finds its sibling among the images learnt from, so its score is too small; a threshold chosen there is too low. It
# should be exceeded by half of the new nuts, and is by {{ shares["augmented, then split"]:.0f }} %; with siblings together by
# {{ shares["siblings together"]:.0f }} % (one draw). This detector remembers everything; a network that learns by heart may err the same
# way. **Split first, then augment.**

# %% [markdown]
# ## In short
#
# * An augmentation says what does not matter: turn only what may lie in any direction.
# * Fixed copies come again and can be learnt by heart where there is room; fresh ones, turned by any angle, never come twice.
# * One training each ranks nothing but what is far outside the luck: here, black corners.
# * The same seed gives the same bytes, so a run can be repeated and resumed.
#
# ## In practice
#
# * Look at augmented images, always. Mistakes such as black corners, wrong channel order or too strong noise are
#   visible at a glance, and a loss curve may hide them.
# * Augment the training images only; never the test images, and never before the split. A kept-out copy of a photograph that was
#   learnt from is no new image: it can score lower than a new part would, and a threshold chosen on such copies is then too low.
# * Ask of each augmentation: could the factory produce this image and call it good?
#
# ## Further reading
#
# * C. Shorten, T. Khoshgoftaar,
#   [*A survey on Image Data Augmentation for Deep Learning*](https://doi.org/10.1186/s40537-019-0197-0), Journal of Big Data 6
#   (2019).
# * The torchvision documentation,
#   [*Transforming and augmenting images*](https://pytorch.org/vision/stable/transforms.html).
#
# **Back:** [2 · The data set](02_dataset.ipynb) · **Next:** [4 · Architecture](04_architecture.ipynb) ·
# [Solutions](solutions/03_data_augmentation.ipynb)
