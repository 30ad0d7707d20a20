# %% [markdown]
# # 2 · The data set: good ones to learn from, bad ones to be tested on
#
# **What you'll do.** Walk through a data folder, look at good and defective hazelnuts, measure how small defects are,
# paint a nut yourself, and put a data folder of your own together.
#
# **What you'll learn.** The folder layout that most of this field shares; what the counts mean; what you may do with the
# images; why averaging good images is not enough.
#
# **What you'll need.** [Notebook 1](01_background.ipynb) and one minute on two cores.
#
# The code of this lesson: `hazelnut_ae/dataset.py`.

# %% tags=["setup"]
import tempfile
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from PIL import Image

from hazelnut_ae import dataset, figures, synthetic
from hazelnut_ae.course.lesson import setup

lesson = setup()
data = lesson.dataset
train, test = data.train, data.test

# %% [markdown]
# ## Three folders
#
# MVTec AD is the data set that made this field comparable: photographs of fifteen kinds of products, from bottles to
# zippers, in one simple layout. Countless other sets copy it, and so does this course:
#
#     hazelnut/
#         train/good/           000.png …          only good ones, to learn from
#         test/good/            000.png …          good ones that were not learnt from
#         test/crack/           000.png …          one folder for each kind of defect
#         ground_truth/crack/   000_mask.png …     where the defect is: white on black, same size
#
# `dataset.load` reads such a folder, makes every image 256 × 256 and returns two `ImageSet`s. These are the counts of
# the data in use:

# %%
counts = Counter(("train", name) for name in train.defects) + Counter(("test", name) for name in test.defects)
pd.Series(counts, name="images").rename_axis(["split", "folder"]).to_frame()

# %% [markdown]
# The real hazelnut category has 391 + 40 good images and 18 crack, 17 cut, 18 hole, 17 print. The article says 390, and
# mentions the 70 defective test images but not the 40 good ones. Those matter: without good test images nobody would
# notice a detector that cries wolf.
#
# **Check.** Everything the course computes with has these shapes and types:

# %%
# NBVAL_CHECK_OUTPUT
print("an image:", train.images[0].shape, train.images.dtype)
print("a mask:  ", test.masks[0].shape, test.masks.dtype)
print("good ones have empty masks:", not test.of("good").masks.any() and not train.masks.any())
defective = np.array(test.defects) != "good"
print("defective ones have not:", test.masks[defective].any(axis=(1, 2)).all())

# %% [markdown]
# ## Good ones
#
# Three of the training images (Figure 3 of the article). What is the same in all of them, and what differs? A detector
# has to accept *all* that differs here.

# %%
three = np.linspace(0, len(train) - 1, 3).astype(int)
figure = figures.training_images(train.images[three], f"Defect-free training images. {lesson.data_words}.")
lesson.show(figure, "figure_03_training_images")

# %% [markdown]
# ## Bad ones
#
# One image of each kind of defect above its mask (Figure 4). Not the prettiest: of each kind the one whose defect has
# the median size.

# %%
rows = {name: np.flatnonzero(np.array(test.defects) == name) for name in test.defect_names}
shown = [of_defect[figures.typical(test.masks[of_defect])] for of_defect in rows.values()]
note = f"Of each defect the image of median size. {lesson.data_words}."
figure = figures.defects_and_masks(test.images[shown], test.masks[shown], list(rows), note)
lesson.show(figure, "figure_04_defects_and_masks")

# %% [markdown]
# ## How small is a defect?
#
# Each dot is one test image: the share of its pixels that is defective, on a logarithmic axis.

# %%
share = {name: 100 * test.masks[of_defect].mean(axis=(1, 2)) for name, of_defect in rows.items()}
figure, ax = plt.subplots(figsize=(7, 0.6 + 0.5 * len(share)))
for row, (name, style) in enumerate(figures.styles(list(share)).items()):
    here = np.full(len(share[name]), row)
    ax.scatter(share[name], here, color=style["color"], marker=style["marker"], alpha=0.8)
ax.set(xscale="log", xlabel="defective pixels, % of the image")
ax.set_yticks(range(len(share)), list(share))
ax.set_ylim(len(share) - 0.5, -0.5)
ax.grid(axis="x", color="0.9")
plt.show()
pd.DataFrame({name: pd.Series(s).describe()[["min", "50%", "max"]] for name, s in share.items()}).T.round(2)

# %% [markdown]
# On the real hazelnuts cuts, holes and prints are about as small as these. Measured on half of MVTec AD's test images (the even-numbered ones, at 128
# pixels; Bergmann et al., CVPR 2019, CC BY-NC-SA 4.0; not the official split):
#
# | defect | smallest | median | largest |
# |---|---|---|---|
# | crack | 1.2 % | 3.0 % | 28 % |
# | cut | 0.4 % | 0.8 % | 1.9 % |
# | hole | 0.6 % | 1.4 % | 3.0 % |
# | print | 1.9 % | 2.8 % | 4.6 % |
#
# Cracks are the exception. Most of the real ones are slits (median 3.0 %), a few shells stand wide open (up to 28 %), and these
# few lift the mean. The synthetic cracks were made to match that *mean*, so a typical one of them is larger than a typical
# real one.
#
# But for an open shell, defects are needles in haystacks. A cut of 0.8 % covers 500 of 65,536 pixels; a detector that raises a false alarm on
# just 1 % of the good pixels already marks more good ones than bad.

# %% [markdown]
# ## Why not just compare with the average?
#
# The obvious idea: average the good images, and call defective whatever is far from the average. Here is the average, and
# beside it how much each pixel varies among the good images.

# %%
good = train.images.astype(np.float32) / 255  # [N, 3, 256, 256]
mean, spread = good.mean(axis=0), good.std(axis=0).max(axis=0)  # [3, 256, 256], [256, 256]
chosen = shown[0]
distance = np.abs(test.images[chosen] / 255 - mean).max(axis=0)  # [256, 256]
figures.panels(
    [[mean, spread, test.images[chosen], distance]],
    titles=["average of the good ones", "their spread", test.defects[chosen], "distance from the average"],
    caption=lesson.data_words,
)

# %% [markdown]
# Nuts lie in any direction and come in many sizes, so the average is a brown cloud. The defect stands out from it, but so do the
# nut's own outline and scar, in which nothing is wrong. We need something that knows what a nut can look like, and rebuilds
# *this* nut without its defect. (Where all parts are photographed in one position, the average is a surprisingly strong
# baseline. Try it on your own data first!)

# %% [markdown]
# ## Where the images come from, and what you may do with them
#
# | data | licence | how to get it |
# |---|---|---|
# | painted hazelnuts | MIT, like this course | painted on first use, or `hazelnut-ae synthesize DIR` |
# | MVTec AD hazelnut (real) | CC BY-NC-SA 4.0: name the authors, no commercial use, share alike | `hazelnut-ae download DIR`, or by hand from MVTec's page |
# | your own | yours | a folder in the layout above |
#
# To use a folder, set `HAZELNUT_DATA` to it before starting Jupyter, and run any notebook again:
#
#     hazelnut-ae check my_parts          # counts the images and lists every problem
#     HAZELNUT_DATA=my_parts make lab
#
# The real photographs may not be used commercially and are large, so they do not come with this course. **A trained network remembers its
# training images**, so think about the licence of weights, too, before you publish them.

# %% [markdown]
# ## How a nut is painted
#
# Unless you brought data, every picture above came out of `hazelnut_ae.synthetic`: a small renderer that shapes a body,
# colours its shell and scar, adds a defect, lights it and takes the photograph. These are the stages of one nut. Since the
# computer put the defect there, its mask marks exactly where, which no human annotator achieves. (Not every pixel of it need
# look different: the paint of a print is worn.)

# %%
stages = synthetic.stages(np.random.default_rng(7), "hole")
pictures = [p if p.ndim == 2 else p.transpose(2, 0, 1) for p in stages.values()]  # [3, H, W]
half = (len(pictures) + 1) // 2
note = f"Row by row: {', '.join(stages)}. Synthetic hazelnut (MIT)."
figures.panels([pictures[:half], pictures[half:]], caption=note, panel=200)

# %% [markdown]
# ## Exercises

# %% [markdown] tags=["exercise"]
# **1 (easy).** Find the test image with the smallest defect and show it beside its mask. Could you have found it without
# the mask?

# %% tags=["try"]
# area = test.masks.sum(axis=(1, 2))

# %% tags=["solution"]
area = test.masks.sum(axis=(1, 2)).astype(float)
area[area == 0] = np.inf  # the good ones
smallest = int(area.argmin())
figures.image_and_mask(
    test.images[smallest],
    test.masks[smallest],
    f"{test.defects[smallest]}, {area.min():.0f} pixels. {lesson.data_words}.",
)

# %% [markdown] tags=["exercise"]
# **2 (easy).** If a detector calls everything good, what is its accuracy on this test set, counted in pixels and counted
# in images?

# %% tags=["try"]
# hint: test.masks.mean(), and which images have an empty mask?

# %% tags=["solution"]
is_defective = test.masks.any(axis=(1, 2))
print(f"pixels: {100 * (1 - test.masks.mean()):.1f} %, images: {100 * (1 - is_defective.mean()):.1f} %")

# %% [markdown] tags=["exercise"]
# **3 (medium).** Make the "distance from the average" fair: divide it by the spread of each pixel, as the Mahalanobis
# distance of notebook 1 does. Does it find every kind of defect better? To judge it, take the brightest 1 % of the pixels of
# each picture: which share of them lies on the defect?

# %% tags=["try"]
# z = np.abs(test.images[i] / 255 - mean) / ...

# %% tags=["solution"]
good = train.images.astype(np.float32) / 255  # [N, 3, 256, 256]
mean, deviation = good.mean(axis=0), good.std(axis=0) + 1e-3  # [3, 256, 256] each
rows, pictures = {}, []
for name in test.defect_names:
    of_defect = np.flatnonzero(np.array(test.defects) == name)
    i = of_defect[figures.typical(test.masks[of_defect])]
    plain = np.abs(test.images[i] / 255 - mean)  # [3, 256, 256]
    distances = {"distance": plain.max(axis=0), "in standard deviations": (plain / deviation).max(axis=0)}
    brightest = {kind: d >= np.quantile(d, 0.99) for kind, d in distances.items()}  # bool [256, 256] each
    rows[name] = {kind: test.masks[i][found].mean() for kind, found in brightest.items()}
    pictures.append([test.images[i], *distances.values()])
display(pd.DataFrame(rows).T.round(2))
middle, corner = deviation[:, 60:196, 60:196].mean(axis=(1, 2)), deviation[:, :20, :20].mean()
print("spread in the middle: red {:.2f}, green {:.2f}, blue {:.2f};".format(*middle), f"in the corner {corner:.2f}")
figures.panels(pictures, ["image", "distance", "in standard deviations"], caption=lesson.data_words, panel=150)

# %% [markdown] tags=["solution"]
# On these painted nuts cut and print win, the hole loses. Brown nuts differ from each other least in blue (0.04, in red 0.11),
# and in units of that, white paint and the pale flesh of a cut are far out, while scar and outline are dimmed. But where
# nothing ever varies, as in the corner, a faint reflection counts as much as a hole does: see the grey haze of the third row.

# %% [markdown] tags=["exercise"]
# **4 (hard).** Build a data set of your own with the course's layout in a temporary folder, and load it: six grey pictures
# with a bright disc as good ones for training, two for testing, and three with a scratch across the disc, with masks.

# %% tags=["try"]
# folder = Path(tempfile.mkdtemp()); (folder / "train/good").mkdir(parents=True) ...

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
rng = np.random.default_rng(0)
y, x = np.mgrid[:300, :300]


def disc(scratched):
    """A bright disc on grey, uint8 [300, 300], and the mask of its scratch, bool [300, 300]."""
    centre = rng.uniform(120, 180, 2)
    picture = np.where(np.hypot(y - centre[0], x - centre[1]) < 80, 200, 60) + rng.normal(0, 4, (300, 300))
    scratch = (np.abs(y - centre[0] - 0.5 * (x - centre[1])) < 4) & (np.abs(x - centre[1]) < 50) & scratched
    return np.where(scratch, 90, picture).clip(0, 255).astype(np.uint8), scratch


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    for place, count in (("train/good", 6), ("test/good", 2), ("test/scratch", 3)):
        (folder / place).mkdir(parents=True)
        (folder / "ground_truth/scratch").mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture, scratch = disc("scratch" in place)
            Image.fromarray(picture).save(folder / place / f"{number:03d}.png")
            if scratch.any():
                Image.fromarray(scratch).save(folder / "ground_truth/scratch" / f"{number:03d}_mask.png")
    own = dataset.load(folder)
    print(len(own.train), "to train on,", len(own.test), "to test on, defects:", own.test.defect_names)

# %% [markdown]
# ## In practice
#
# * Photograph good parts the way the line will: same light, same distance, same background. What varies in production must
#   vary in training.
# * Run `hazelnut-ae check` before you train. A mask without its image costs minutes now and days later.
# * Put aside defective parts, and some good ones, *before* you begin to tune anything, and do not look at them.
# * Fifty to a few hundred good images are enough to start. Twenty defective ones are few, as the wide intervals in
#   [notebook 8](08_results_table.ipynb) will show.
#
# ## Further reading
#
# * P. Bergmann, M. Fauser, D. Sattlegger, C. Steger, *MVTec AD*, CVPR 2019, and the longer version in IJCV 129 (2021):
#   the data set, its measures and the first baselines.
# * Y. Zou et al., *SPot-the-Difference Self-Supervised Pre-training*, ECCV 2022: the VisA data set, a larger sibling.
#
# **Back:** [1 · Background](01_background.ipynb) · **Next:** [3 · Data augmentation](03_data_augmentation.ipynb) ·
# [Solutions](solutions/02_dataset.ipynb)
