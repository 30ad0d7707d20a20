# %% [markdown]
# # 3 · Data augmentation: five images out of one
#
# **What you'll do.** Turn, mirror and roughen an image, see what goes wrong in the corners, and build the article's
# training set of about 2000 images.
#
# **What you'll learn.** What augmentation teaches a network, and what it must not invent; why an epoch has about 63 steps.
#
# **What you'll need.** [Notebook 2](02_dataset.ipynb) and one minute on two cores.
#
# The code of this lesson: `hazelnut_ae/augmentation.py`.

# %% tags=["setup"]
import matplotlib.pyplot as plt
import numpy as np
import torch
from torchvision.transforms.v2 import functional as F

from hazelnut_ae import augmentation, figures, training
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
# No camera has ever taken a hazelnut on a black diamond. Train with such corners, and the network learns that good images
# have sharp black edges in their corners. It spends some of its 500 numbers on them, and at test time, when none are
# there, its idea of "good" is no longer what the camera sees. So we first reflect the photograph beyond its border, then
# turn it, then cut out the middle:


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
widgets.dial(look, corners=corners, degrees=widgets.slider(25, 0, 180, 5, "degrees"))

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
#
# And what *may* be augmented need not pay. Turned copies are harder to learn, and a short training may end better without:
# in the last exercise of [notebook 9](09_comparison_systems.ipynb) another autoencoder, on these nuts that lie in any
# direction, reached a pixel AUROC of 0.87 with turned copies and of 0.90 without. Reasons propose, measurements decide.

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
# Training goes through the augmented images in *batches*; the weights change once per batch, which is one **step**. The
# article does not print its batch size, but it prints 63 steps per epoch. A batch of 32 fits: 2000 / 32 = 62.5, rounded up
# because the last, smaller batch is a step, too. 1955 images would give 61.1, so 62: the article's "about 2000" must be a
# little more than 391 × 5. That is the likeliest reading and no proof: 1955 / 31 = 63.06 fits as well, rounded down.
#
# (This course keeps a tenth of the good photographs out of training, to choose a threshold with in
# [notebook 7](07_threshold_and_latent_size.ipynb). 391 photographs thus give 352 × 5 / 32 = 55 steps.)
#
# `AugmentedSet` does this for any number of copies. The first five are the article's; a smaller data set takes more, which
# combine everything. Row by row, the first two photographs and their copies:

# %%
augmented = augmentation.AugmentedSet(images[:2], copies=8, seed=0)
table = augmented.batch(torch.arange(len(augmented))).reshape(8, 2, 3, 256, 256)  # copy, photograph
names = ["photograph", "rotation", "flip", "flip", "noise", "all", "all", "all"]
caption = f"{lesson.data_words}."
figures.panels([list(table[:, 0]), list(table[:, 1])], titles=names, caption=caption, panel=110)

# %% [markdown]
# ## Fixed copies, or fresh ones
#
# The article makes its copies once; every epoch shows the same 1955 images again. The other way is to augment an image
# *each time it is used*, so that none ever comes twice. `FreshSet` does this; here is one photograph as six steps see it:

# %%
fresh = augmentation.FreshSet(images[:1], copies=1, seed=0)
seen = [fresh.batch(torch.tensor([0]), step)[0] for step in range(6)]  # uint8 [3, 256, 256] each
figures.panels([seen], titles=[f"step {step}" for step in range(6)], caption=caption, panel=110)

# %% [markdown]
# Fixed copies can be learnt by heart, fresh ones cannot. What that is worth is measured in
# [notebook 5](05_training.ipynb); the `article` preset keeps the article's fixed copies, `quick` takes fresh ones.

# %% [markdown]
# ## The same seed, the same images
#
# Everything random takes its numbers from a seeded generator. Two people with the same seed train on the same bytes, and
# a run that was interrupted goes on with exactly the images it would have had.

# %%
# NBVAL_CHECK_OUTPUT
again = augmentation.AugmentedSet(images[:2], copies=8, seed=0)
other = augmentation.AugmentedSet(images[:2], copies=8, seed=1)
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

# %% [markdown] tags=["exercise"]
# **1 (easy).** What is the largest angle by which you may turn a 256-pixel image with a reflected margin of 20 pixels before
# the black comes in? Try it, and look at the corners.

# %% tags=["try"]
# for degrees in (2, 5, 10, 20, 45): ...

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
white = torch.full((3, 256, 256), 255, dtype=torch.uint8)
for degrees in (2, 5, 8, 10, 20, 45):
    padded = F.pad(white, [20], padding_mode="reflect")
    turned = F.center_crop(F.rotate(padded, degrees, interpolation=F.InterpolationMode.BILINEAR), [256, 256])
    print(f"{degrees:2d} degrees: black comes in: {bool((turned < 255).any())}")

# %% [markdown] tags=["solution"]
# The corner of the cut-out sits 128·√2 from the centre and swings out to 128·(cos α + sin α) along each axis; it stays
# inside 128 + 20 as long as cos α + sin α ≤ 1.156, that is α ≤ 9.8° (interpolation at the border costs a little of it).
# At 45° the sum is √2, so a margin of 128·(√2 − 1) = 53 pixels is enough for every angle.

# %% [markdown] tags=["exercise"]
# **2 (easy).** You have 28 good photographs and want about 1800 augmented images. How many copies of each? With a batch of
# 32, how many steps has an epoch, and how many epochs are 1800 steps? Mind that a tenth is kept out.

# %% tags=["try"]
# kept = training.split_good(28, seed=0)

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
rows, held_out = training.split_good(28, seed=0)
copies = round(1800 / len(rows))
steps = len(rows) * copies // 32
print(f"{len(rows)} to train on ({len(held_out)} kept out), {copies} copies, {steps} steps, {1800 / steps:.1f} epochs")

# %% [markdown] tags=["exercise"]
# **3 (medium).** The lamp above the conveyor ages. Write an augmentation that makes an image up to 10 % darker or brighter.
# Which defects could it hide?

# %% tags=["try"]
# def relight(image, generator): ...


# %% tags=["solution"]
def relight(image, generator):
    """uint8 [3, H, W] times a factor between 0.9 and 1.1."""
    factor = 0.9 + 0.2 * torch.rand((), generator=generator)
    return (image * factor).round().clamp(0, 255).to(torch.uint8)


generator = torch.Generator().manual_seed(0)
figures.panels([[relight(image, generator) for _ in range(4)]], caption=f"{lesson.data_words}.")

# %% [markdown] tags=["solution"]
# A nut that is too dark as a whole (roasted, mouldy) would be learnt as good. Every augmentation is a statement about what
# is *not* a defect; make it with the person who knows the product.

# %% [markdown] tags=["exercise"]
# **4 (hard).** Somebody augments first and splits afterwards: a tenth of the 1955 *augmented* images are kept out. Compute
# the share of those held-out images whose photograph is also in the training part. Why does that spoil a threshold
# chosen on them?

# %% tags=["try"]
# source = np.arange(1955) % 391

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
source = np.arange(1955) % 391  # the photograph behind each augmented image
order = np.random.default_rng(0).permutation(1955)
kept_out, used = source[order[:195]], source[order[195:]]
print(f"{100 * np.isin(kept_out, used).mean():.0f} % of the held-out images have a sibling in training")

# %% [markdown] tags=["solution"]
# Practically all of them. The network has seen those nuts, so their residuals are smaller than those of a nut that comes
# along tomorrow; a threshold set just above them is too low, and good nuts will raise the alarm. **Split first, then
# augment.**

# %% [markdown]
# ## In practice
#
# * Look at augmented images, always. Most mistakes here (corners, wrong channel order, noise of the wrong strength) are
#   visible at a glance and invisible in a loss curve.
# * Augment the training images only; never the test images, and never before the split.
# * Ask of each augmentation: could the factory produce this image and call it good?
#
# ## Further reading
#
# * C. Shorten, T. Khoshgoftaar, *A survey on Image Data Augmentation for Deep Learning*, Journal of Big Data 6 (2019).
# * The torchvision documentation, *Transforming and augmenting images*.
#
# **Back:** [2 · The data set](02_dataset.ipynb) · **Next:** [4 · Architecture](04_architecture.ipynb) ·
# [Solutions](solutions/03_data_augmentation.ipynb)
