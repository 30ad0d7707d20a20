# %% [markdown]
# # 3 · Data augmentation: five images out of one
#
# **What you'll do.** Turn, mirror and roughen an image, see what goes wrong in the corners, build the article's training set of
# about 2000 images, and measure on six short trainings what all this is worth.
#
# **What you'll learn.** What augmentation teaches a network, and what it must not invent; why an epoch has about 63 steps; what to
# choose for thirty photographs of your own.
#
# **What you'll need.** [Notebook 2](02_dataset.ipynb). The numbers in the text are those of the painted nuts.
#
# **Time.** Seconds on two cores. For you about an hour and a half: turning and
# corners 20 minutes, counts and copies 15, the measurement and your plan 20, exercises 35.
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
# * the camera's sensor is never quite quiet: add a little **noise**.
#
# Each is one line:

# %%
generator = torch.Generator().manual_seed(0)
flipped = F.horizontal_flip(image)
upside_down = F.vertical_flip(image)
noisy = augmentation.add_noise(image, generator)
turned = augmentation.rotate(image, 40)
figures.panels(
    [[image, turned, flipped, upside_down, noisy]],
    titles=["the photograph", "turned by 40°", "flipped", "upside down", "with noise"],
    caption=f"{lesson.data_words}.",
    panel=180,
)

# %% [markdown]
# The noise is hard to see, as it should be. Its standard deviation is 2 % of the range from black to white (the article
# does not print its own). Flipping an array needs no library; it is a reversed index:

# %%
# NBVAL_CHECK_OUTPUT
print("flip left-right is image[:, :, ::-1]:", np.array_equal(flipped, image.numpy()[:, :, ::-1]))
print("flipping twice gives the photograph: ", torch.equal(F.horizontal_flip(flipped), image))

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
# No camera has ever taken a hazelnut on a diamond in black corners, and the network would have to learn such corners. So we first reflect the
# photograph beyond its border, then turn it, then cut out the middle. That is not true to life either: look into the corners of the
# right picture. Bits of a second nut are there, the reflection of the first. Which of the two does more harm is measured below.


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


corners = ipywidgets.Dropdown(options=["black", "reflected"], value="reflected", description="corners")
widgets.interactive_figure(look, corners=corners, degrees=widgets.slider(25, 0, 180, 5, "degrees"))

# %% [markdown]
# How much does the library's way invent? Count the pixels that are pure black:

# %%
pure_black = {
    name: 100 * float((np.asarray(one) == 0).all(axis=0).mean())
    for name, one in (("photograph", image), ("black corners", black), ("reflected corners", reflected))
}
for name, share in pure_black.items():
    print(f"{name:18s} {share:5.2f} % of the pixels are black")

# %% [markdown]
# **Augment only what varies in production.** For nuts on a conveyor, any direction is fine. Transistors, always placed
# with their legs down, are another matter: an upside-down transistor *is* the defect (MVTec AD calls it *misplaced*), and
# a network trained on turned ones would call it good. The kinds are choosable:
# `hazelnut-ae train … --augment noise`.

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

# %% [markdown]
# Training goes through the augmented images in *batches*; the weights change once per batch, which is one **step**. Once through
# all images is an [**epoch**](../book/teach/glossary.md). The article does not print its batch size, but it prints 63 steps per
# epoch. A batch of 32 fits: 2000 / 32 = 62.5, rounded up because the last, smaller batch is a step, too. 1955 images would give
# 61.1, so 62: the article's "about 2000" must be a little more than 391 × 5. That is the likeliest reading and no proof: 1955 /
# 31 = 63.06 fits as well, rounded down; and its Figure 5 ends, by eye, at 62,000 steps after 1000 epochs.
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

# %% [markdown]
# ## Fixed copies, or fresh ones
#
# The article makes its copies once; every epoch shows the same images again. The other way is to augment an image
# *each time it is used*, so that none ever comes twice. `OnlineAugmentation` does this; here is one photograph as six steps see it:

# %%
fresh = augmentation.OnlineAugmentation(images[:1], copies=1, seed=0)
seen = [fresh.batch(torch.tensor([0]), step)[0] for step in range(6)]  # uint8 [3, 256, 256] each
figures.panels([seen], titles=[f"step {step}" for step in range(6)], caption=caption, panel=110)

# %% [markdown]
# Fixed copies can be learnt by heart, fresh ones cannot. The `article` preset keeps the article's fixed copies, `quick` takes fresh
# ones.
#
# ## What it is worth, measured
#
# So far we have argued. Six networks were trained, each for 240 steps of 8 images, which is short: they differ in nothing but
# the copies. (The loop is that of [notebook 5](05_training.ipynb); the code is `benchmarks/augmentations.py`. It takes five minutes,
# so it was measured beforehand, on painted nuts.)

# %%
measured = pd.DataFrame(shipped.measured("augmentations")).T
measured.style.format("{:.4f}").format("{:.1f}", subset=["corners"]).format("{:.3f}", subset=["pixel_auroc", "f1_max"])

# %% [markdown]
# `learnt_from` and `held_out` are the mean squared error on the photographs of the training and on good ones kept out of it
# ([held out](../book/teach/glossary.md)); `corners` is the mean residual in the four corners of the held-out ones, in grey levels
# of 255; the last two say how well defects are found (AUROC as in notebook 1, here of pixels; the best F<sub>1</sub> of all
# thresholds, [F<sub>1</sub>-max](../book/teach/glossary.md)). The last row repeats the fourth with another seed. It shows how
# much is luck, as far as one pair can: 0.0001 of the loss, 0.005 of F<sub>1</sub>. (It is more: another processor rounds otherwise,
# and so short a training then ends elsewhere. Of what follows only the harm of black corners stayed wherever we repeated it.)
#
# * **Black corners do harm.** They are the worst row in every column, and the corners of the held-out nuts, which have no
#   diamonds, are copied with errors of 10 grey levels in place of 6. The bits of a second nut cost nothing that shows.
# * **No copies at all does best**: AUROC 0.85 to 0.84. In 240 steps each photograph comes round 18 times, too seldom to be learnt
#   by heart, and what is not turned is easier to draw.
# * Fixed or fresh makes no difference that stands out of the luck in F<sub>1</sub>; by AUROC fresh ones lead by 0.01.
#
# Do not conclude that augmentation is useless. It is there against learning by heart, and that takes a *long* training: the run of
# [notebook 5](05_training.ipynb), with a thousand epochs of five fixed copies, copies its own nuts three times better than new ones.
# (Fewer copies, or none, were not tried for so long.) Conclude that it is a choice to be measured, with the training that you
# mean to use.
#
# ## A plan for thirty photographs of your own
#
# Say you have 30 good photographs, all parts lying the same way.
#
# | choice | take | because |
# |---|---|---|
# | augmentation | `--augment noise`, or `noise,shift` if parts wander a little | a turned part may be your defect; never show it as good |
# | copies | fresh ones (`quick`) | 27 photographs are soon known by heart |
# | first baseline | the average image (notebook 2) | with one orientation it is strong, and has nothing to train |
# | latent size | 500, as it is | from 16 to 2000, no F<sub>1</sub> moved by more than 0.08 (notebook 7) |
# | training | `quick`: about 800 steps, whatever the number of images | many small steps; epochs would depend on the number of photographs |
# | held out | 3 of the 30, by themselves | the thresholds need images that training never saw; three promise at best one false alarm in four (notebook 6) |
# | defects | none for training; some for a test, with masks | without them no one knows what is missed |
#
# `hazelnut-ae advise DIR` looks at a folder and gives such advice, with the train line to copy.

# %% [markdown]
# ## The same seed, the same images
#
# Everything random takes its numbers from a seeded generator. Two people with the same seed train on the same bytes, and
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
# To the network, which compares pixel by pixel, it is nearly one. How far are the copies from their photograph, and how
# far is another photograph? (Mean absolute difference, on the scale from 0, black, to 1, white.)

# %%
reference = images[0] / 255
copies_of = {name: table[i, 0].numpy() / 255 for i, name in ((4, "noise"), (2, "flip"), (1, "rotation"))}
copies_of["another photograph"] = images[1] / 255
distances = {name: np.abs(copy - reference).mean() for name, copy in copies_of.items()}
figure, ax = plt.subplots(figsize=(6, 2))
ax.barh(list(distances), list(distances.values()), color="0.4")
ax.set_xlabel("mean absolute difference from the photograph")
ax.invert_yaxis()
plt.show()

# %% [markdown]
# But no copy shows a scar, a colour or a shape that no photograph had. Augmentation teaches *what does not matter*; only
# more photographs teach *what good ones look like*.

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
# 25 photographs, 72 copies of each, 56 steps, 32 epochs (a last, smaller batch is left out here; counted in, it were 57 steps). The three that were kept out are not in the 1800, or nothing would be
# left to choose a threshold with.

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
# in? Try margins of 20 and 53, and look at the corners.


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
# **4 (hard).** Somebody augments first and splits afterwards: a tenth of the 1955 *augmented* images are kept out, and nearly every
# one of them has a sibling in training, a copy of the same photograph. Why does that spoil a threshold chosen on them? Write a split
# that keeps siblings together. (Image `n` of the 1955 is a copy of photograph `n % 391`.)


# %% tags=["try"]
def split(photographs, copies, seed):
    """(numbers to train on, numbers kept out) of photographs × copies augmented images; a tenth is kept out."""
    order = np.random.default_rng(seed).permutation(photographs * copies)
    kept_out = round(0.1 * photographs * copies)
    return order[kept_out:], order[:kept_out]


# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
def split(photographs, copies, seed):
    """(numbers to train on, numbers kept out) of photographs × copies augmented images; a tenth is kept out."""
    kept_photographs = np.random.default_rng(seed).permutation(photographs)[: round(0.1 * photographs)]
    numbers = np.arange(photographs * copies)
    kept_out = np.isin(numbers % photographs, kept_photographs)
    return numbers[~kept_out], numbers[kept_out]


order = np.random.default_rng(0).permutation(1955)
for name, (used, kept_out) in (("augment, then split", (order[196:], order[:196])), ("together", split(391, 5, 0))):
    siblings = 100 * np.isin(kept_out % 391, used % 391).mean()
    print(f"{name}: {siblings:.0f} % of the {len(kept_out)} kept out have a sibling in training")

# %% tags=["check"]
with check(4):
    for photographs, copies in ((391, 5), (28, 20)):
        used, kept_out = split(photographs, copies, 0)
        together = np.sort(np.concatenate([used, kept_out]))
        assert np.array_equal(together, np.arange(photographs * copies)), "each image once, in one of the two parts"
        assert abs(len(kept_out) / len(together) - 0.1) < 0.02, "a tenth should be kept out"
        shared = set(used % photographs) & set(kept_out % photographs)
        assert not shared, f"{len(shared)} photographs have copies in both parts"

# %% [markdown] tags=["solution"]
# The network has seen those nuts, so their residuals are smaller than those of a nut that comes along tomorrow; a threshold set
# just above them is too low, and good nuts will raise the alarm. **Split first, then augment.**

# %% [markdown] tags=["exercise"]
# **5 (your own data).** Which of `"rotation"` and `"flip"` leave a good part good? Decide for hazelnuts on a belt, for transistors that
# always stand with their legs down (as good as mirror-symmetric), for screws that lie anyhow, and for labels that are always upright.
# Then do so for a product of yours.

# %% tags=["try"]
allowed = {"hazelnut": set(), "transistor": set(), "screw": set(), "label": set()}

# %% tags=["solution"]
allowed = {
    "hazelnut": {"rotation", "flip"},
    "transistor": set(),  # `augmentation` flips both ways, and upside down is the defect "misplaced"
    "screw": {"rotation"},  # a mirrored screw has a left-hand thread
    "label": set(),  # nobody can read it mirrored
}

# %% tags=["check"]
with check(5):
    assert allowed["hazelnut"] == {"rotation", "flip"}, "a turned or mirrored hazelnut is a hazelnut"
    assert "rotation" not in allowed["transistor"], "a transistor upside down is a defect"
    assert "flip" not in allowed["transistor"], "this package flips upside down, too: look at the copies above"
    assert "rotation" in allowed["screw"], "a screw may lie anyhow"
    assert "flip" not in allowed["screw"], "look at the thread of a screw in a mirror"
    assert not allowed["label"], "a label must be upright and readable"

# %% [markdown] tags=["solution"]
# The screw is the trap: it may lie anyhow, and its mirror image still is no good screw. For your own folder, `hazelnut-ae advise DIR`
# tells whether the parts lie one way; whether a mirrored one is good, only you know.

# %% [markdown]
# ## In short
#
# * An augmentation says what does not matter: turn only what may lie in any direction.
# * Fixed copies can be learnt by heart, fresh ones cannot. Black corners do harm.
# * The same seed gives the same bytes, so a run can be repeated and resumed.
#
# ## In practice
#
# * Look at augmented images, always. Most mistakes here (corners, wrong channel order, noise of the wrong strength) are
#   visible at a glance and invisible in a loss curve.
# * Augment the training images only; never the test images, and never before the split.
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
