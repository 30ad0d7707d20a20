# %% [markdown]
# # 2 · The data set: good ones to learn from, bad ones to be tested on
#
# **What you'll do.** Walk through a data folder, look at good and defective hazelnuts, measure how small defects are, see how a
# nut is painted, and put a data folder of your own together.
#
# **What you'll learn.** The folder layout that most of this field shares; what the counts mean; what you may do with the
# images; why averaging good images is not enough.
#
# **What you'll need.** [Notebook 1](01_background.ipynb).
#
# **Time.** One minute on two cores. For you about an hour and a quarter: the folder and its images 15 minutes, small defects and
# the average 15, licences and the painter 10, exercises 35. The numbers in the text are those of the painted nuts of the preset `quick`.
#
# The code of this lesson: `hazelnut_ae/dataset.py`.

# %% tags=["setup"]
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image

from hazelnut_ae import dataset, figures, synthetic
from hazelnut_ae.course.checks import check
from hazelnut_ae.course.lesson import setup
from hazelnut_ae.errors import DataError

lesson = setup()
data = lesson.dataset
train, test = data.train, data.test
rows = {name: np.flatnonzero(np.array(test.defects) == name) for name in test.defect_names}  # which images show it

# %% [markdown]
# ## Three folders
#
# MVTec AD is the data set that made this field comparable: photographs of fifteen kinds of objects and surfaces, from bottles to
# zippers, in one simple layout. Many other sets use it, and so does this course:
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
# mentions the 70 defective test images but not the 40 good ones. Those matter. False alarms also show on
# defective images, in the precision; but how many *good parts* a detector would throw away, only good test images tell.
#
# **Check.** Everything the course computes with has these shapes and types:

# %%
# NBVAL_CHECK_OUTPUT
print("an image:", train.images[0].shape, train.images.dtype)
print("a mask:  ", test.masks[0].shape, test.masks.dtype)
print("good ones have empty masks:", not test.of("good").masks.any() and not train.masks.any())
defective = np.array(test.defects) != "good"
print("defective ones have not:", test.masks[defective].any(axis=(1, 2)).all())

# %% tags=["claim"]
# claim: no defective image is among those to learn from, and the test set holds both sorts
assert set(train.defects) == {"good"}
assert 0 < test.defects.count("good") < len(test)

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
shown = [of_defect[figures.typical(test.masks[of_defect])] for of_defect in rows.values()]
note = f"Of each defect the image of median size. {lesson.data_words}."
figure = figures.defects_and_masks(test.images[shown], test.masks[shown], list(rows), note)
lesson.show(figure, "figure_04_defects_and_masks")

# %% [markdown]
# ## How small is a defect?
#
# Each dot is one test image: the share of its pixels that is defective. The axis is logarithmic: each step is three times as large.

# %%
share = {name: 100 * test.masks[of_defect].mean(axis=(1, 2)) for name, of_defect in rows.items()}
figure, ax = plt.subplots(figsize=(7, 0.6 + 0.5 * len(share)))
for row, (name, style) in enumerate(figures.styles(list(share)).items()):
    here = np.full(len(share[name]), row)
    ax.scatter(share[name], here, color=style["color"], marker=style["marker"], alpha=0.8)
ax.set(xscale="log", xlabel="defective pixels, % of the image")
ax.set_xticks([0.3, 1, 3, 10, 30], ["0.3 %", "1 %", "3 %", "10 %", "30 %"])
ax.minorticks_off()
ax.set_yticks(range(len(share)), list(share))
ax.set_ylim(len(share) - 0.5, -0.5)
ax.grid(axis="x", color="0.9")
plt.show()
sizes = pd.DataFrame({name: pd.Series(s).agg(["min", "median", "mean", "max"]) for name, s in share.items()}).T
sizes.round(2)

# %% [markdown]
# The median cut covers {{ sizes["median"]["cut"]:.1f }} % of its image, the median hole {{ sizes["median"]["hole"]:.1f }} %, the median print
# {{ sizes["median"]["print"]:.1f }} %. The cracks here fall in two groups, slits and shells
# that stand wide open. Their mean ({{ sizes["mean"]["crack"]:.1f }} %) lies in the gap between the two, where no crack is.

# %% tags=["claim"]
# claim: the other kinds are small, and cracks leave a gap in the middle
assert all(share[name].max() < 4 for name in ("cut", "hole", "print"))
cracks = np.sort(share["crack"])
assert (np.diff(np.log(cracks)) > np.log(5)).sum() == 1  # one gap of more than a factor of five
assert not ((cracks > 2) & (cracks < 14)).any()
assert 2 < sizes["mean"]["crack"] < 14

# %% [markdown]
# Real hazelnuts, measured on half of MVTec AD's test images (the
# even-numbered ones, at 128 pixels; Bergmann et al., CVPR 2019, CC BY-NC-SA 4.0; not the official split):
#
# | defect | smallest | median | mean | largest |
# |---|---|---|---|---|
# | crack | 1.2 % | 3.0 % | 7.1 % | 28 % |
# | cut | 0.4 % | 0.8 % | 0.9 % | 1.9 % |
# | hole | 0.6 % | 1.4 % | 1.5 % | 3.0 % |
# | print | 1.9 % | 2.8 % | 2.9 % | 4.6 % |
#
# The medians of painted cuts, holes and prints are within 30 % of these. The painted cracks are larger, by median and by mean: among
# the real ones some large cracks lift the mean to more than twice the median, among the painted ones open shells are the majority.

# %% tags=["claim"]
# claim: painted medians lie within 30 % of the real ones, but for the cracks
real = {"crack": 3.0, "cut": 0.8, "hole": 1.4, "print": 2.8}
assert all(0.7 < sizes["median"][name] / real[name] < 1.3 for name in ("cut", "hole", "print"))
assert sizes["median"]["crack"] > 4 * real["crack"]
assert sizes["mean"]["crack"] > 1.5 * 7.1
assert np.mean(share["crack"] > 14) > 0.5

# %% [markdown]
# Small defects are needles in haystacks. Think of a detector that finds *every* defective pixel, and marks by mistake just 1 %
# of the good ones. Which share of its marks is right on the median image of each kind?

# %%
right = {name: s / (s + 0.01 * (100 - s)) for name, s in sizes["median"].items()}
for name, precision in right.items():
    print(f"{name:6s} {100 * precision:3.0f} % of the marked pixels are defective")

# %% [markdown]
# On the median cut, more good pixels are marked than bad ones. On the median crack, nearly all marks are right. So "1 % of false
# alarms" says little before one knows how large the defects are.

# %% tags=["claim"]
# claim: true of cuts only
assert right["cut"] < 0.5 < min(right["hole"], right["print"])
assert right["crack"] > 0.9

# %% [markdown]
# ## Why not just compare with the average?
#
# The obvious idea: average the good images, and call defective whatever is far from the average. Here is the average, and
# beside it how much each pixel varies among the good images.

# %% tags=["setup"]
good = train.images.astype(np.float32) / 255  # [N, 3, 256, 256]
mean, deviation = good.mean(axis=0), good.std(axis=0)  # [3, 256, 256] each


def from_average(image):
    """How far each pixel of uint8 [3, 256, 256] is from the average good image, in its worst colour: [256, 256]."""
    return np.abs(image / 255 - mean).max(axis=0)


# %%
titles = ["average of the good ones", "how much they vary"]
figures.panels([[mean, deviation.max(axis=0)]], titles, caption=f"{len(good)} good images. {lesson.data_words}.")

# %% [markdown]
# And here is one image of each kind of defect, above its distance from the average:

# %%
pictures = [test.images[i] for i in shown]
far_off = [from_average(picture) for picture in pictures]
figures.panels([pictures, far_off], list(rows), ["image", "distance"], caption=f"{lesson.data_words}.")

# %% [markdown]
# Is the defect what is farthest? Mark in each image as many pixels as are defective, those farthest from the average. That makes
# kinds of different size comparable: 100 % would be perfect, and guessing would reach the defect's share of the image.

# %%
found = {}
for name, of_defect in rows.items():
    hits = []
    for i in of_defect:
        truth = test.masks[i].ravel()  # bool [65536]
        farthest = np.argsort(from_average(test.images[i]).ravel())[-truth.sum() :]
        hits.append(100 * truth[farthest].mean())
    found[name] = {"right": np.mean(hits), "by guessing": share[name].mean()}
pd.DataFrame(found).T.round(1)  # % of the marked pixels

# %% [markdown]
# Nuts lie in any direction and come in many sizes, so the average is a brown cloud. White prints and cracks stand out from
# it: {{ found["print"]["right"]:.0f }} % and {{ found["crack"]["right"]:.0f }} % of the marks are right. Of the holes it is
# {{ found["hole"]["right"]:.0f }} %, of the cuts {{ found["cut"]["right"]:.0f }} %.

# %% tags=["claim"]
# claim: a brown cloud: red before green before blue, and far from any one nut
red, green, blue = mean[:, 96:160, 96:160].mean(axis=(1, 2))
assert red > green > blue
assert deviation[:, 96:160, 96:160].mean() > 3 * deviation[:, :20, :20].mean()

# %% tags=["claim"]
# claim: better than guessing everywhere, and worst at cuts
assert all(one["right"] > one["by guessing"] for one in found.values())
assert min(found["print"]["right"], found["crack"]["right"]) > 50 > found["hole"]["right"]
assert found["cut"]["right"] < found["hole"]["right"] / 2

# %%
example = list(rows).index("cut") if "cut" in rows else 0
farthest = far_off[example] >= np.quantile(far_off[example], 0.99)  # bool [256, 256]
darker = (pictures[example] / 255).mean(axis=0) < mean.mean(axis=0)  # bool [256, 256]
of_cut = 100 * test.masks[shown[example]][farthest].mean()
print(f"of the farthest 1 % of the pixels {of_cut:.0f} % are defective, {100 * darker[farthest].mean():.0f} % too dark")

# %% [markdown]
# The picture of the cut shows what ranks before it: the *scar*, the fibrous end that every nut has. Here it lies in the shade, darker
# than the average, and nothing is wrong with a scar.

# %% tags=["claim"]
# claim: most of what ranks first on this nut is dark, and no defect
assert darker[farthest].mean() > 0.75
assert of_cut < 25

# %% [markdown]
# We need something that knows what a nut can look like, and rebuilds *this* nut without its defect. (Where all parts are
# photographed in one position, the average may do better. It needs no training: try it on your own data first.)

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
# The real photographs may not be used commercially and are large, so they do not come with this course. A trained network may give away
# parts of its training images, so think about the licence of weights, too, before you publish them.

# %% [markdown]
# ## How a nut is painted
#
# Unless you brought data, every picture above came out of `hazelnut_ae.synthetic`: a small renderer that shapes a body,
# colours its shell and scar, adds a defect, lights it and takes the photograph. These are the stages of one nut; another number
# in place of 7 paints another.

# %%
stages = synthetic.stages(np.random.default_rng(7), "hole")
pictures = [p if p.ndim == 2 else p.transpose(2, 0, 1) for p in stages.values()]  # [3, H, W]
half = (len(pictures) + 1) // 2
note = f"Row by row: {', '.join(stages)}. Synthetic hazelnut (MIT)."
figures.panels([pictures[:half], pictures[half:]], caption=note, panel=200)

# %%
prints = test.subset(rows.get("print", rows[test.defect_names[-1]]))
grey = prints.images.mean(axis=1)[prints.masks]  # [P], the grey of each pixel in a mask
shell = 100 * (grey < 128).mean()
print(f"{shell:.0f} % of the pixels in the masks of prints are darker than middle grey")

# %% [markdown]
# The mask says where the computer put the defect. Not every pixel of it looks different. The paint of a print is white but worn, and
# {{ shell:.0f }} % of the masks are darker than middle grey: shell between the flakes, or paint in the shade.
# [Notebook 6](06_residual_thresholding.ipynb) shows what that does to the score.

# %% tags=["claim"]
# claim: a part of the mask is dark, a part is white
assert 20 < shell < 80
assert np.quantile(grey, 0.95) > 180

# %% [markdown]
# ## Exercises
#
# Below each there is a *check*: run it, and it says whether your answer holds.

# %% [markdown] tags=["exercise"]
# **1 (easy).** A detector finds *all* defective pixels of an image, and wrongly marks a share of the good ones, `false_alarms`.
# What is its precision if a share `defective` of the image is defective? Try 1 % of false alarms on the median image of each kind.


# %% tags=["try"]
def precision_of(defective, false_alarms):
    """Precision of a detector that finds every defective pixel."""
    return 1 - false_alarms


# %% tags=["solution"]
def precision_of(defective, false_alarms):
    """Precision of a detector that finds every defective pixel."""
    return defective / (defective + false_alarms * (1 - defective))  # TP / (TP + FP)


for name, of_defect in rows.items():
    median = np.median(test.masks[of_defect].mean(axis=(1, 2)))
    print(f"{name}: {100 * median:.1f} % defective, precision {precision_of(median, 0.01):.2f}")

# %% tags=["check"]
with check(1):
    assert np.isclose(precision_of(0.5, 0), 1), "without false alarms everything marked is defective"
    assert np.isclose(precision_of(0.008, 0.01), 0.446, atol=1e-3), "0.8 % defective and 1 % of the rest marked: 0.446"
    assert np.isclose(precision_of(0.5, 0.5), 2 / 3), (
        "100 pixels, half defective, half of the good ones marked: 50 of 75"
    )

# %% [markdown] tags=["solution"]
# These are the numbers of the lesson. On the median cut more than half of what is marked is wrong, though 99 % of the good pixels
# are left alone.

# %% [markdown] tags=["exercise"]
# **2 (medium).** Somebody has moved files. Write `suspects`: the numbers of the images whose mask contradicts their folder: good
# ones with a defective pixel, defective ones without.


# %% tags=["try"]
def suspects(images):
    """The numbers of those images of an ImageSet whose mask and folder do not agree."""
    return []


# %% tags=["solution"]
def suspects(images):
    """The numbers of those images of an ImageSet whose mask and folder do not agree."""
    in_good_folder = np.array(images.defects) == "good"  # bool [N]
    marked = images.masks.any(axis=(1, 2))  # bool [N]
    return np.flatnonzero(in_good_folder == marked)


print("suspects in the test set:", suspects(test).tolist())
moved = replace(test, defects=["good", *test.defects[1:]])  # the first one in the wrong folder
print("... after one was moved: ", suspects(moved).tolist())

# %% tags=["check"]
with check(2):
    last = len(test) - 1
    assert list(suspects(test)) == [], "nothing is wrong with the test set as it is"
    for number in (0, last):
        defects, masks = list(test.defects), test.masks.copy()
        defects[number] = "hole" if defects[number] == "good" else "good"
        assert list(suspects(replace(test, defects=defects))) == [number], "an image in the wrong folder"
        masks[number] = not test.masks[number].any()
        assert list(suspects(replace(test, masks=masks))) == [number], "an image with a wrong mask"

# %% [markdown] tags=["solution"]
# Nothing is suspect here. `hazelnut-ae check` looks for this too, and for more: files cut short, masks without an image, sizes
# that differ. It takes seconds and belongs before every training.

# %% [markdown] tags=["exercise"]
# **3 (medium).** Make the distance from the average fair: divide the difference of each pixel and colour by its `deviation` (plus
# 0.001, so that nothing is divided by zero), then take the worst colour. Is the defect among the brightest 1 % of its image more often now? (The lesson
# marked as many pixels as are defective, not 1 %, so its shares are others.)


# %% tags=["try"]
def in_deviations(image):
    """How many standard deviations each pixel of uint8 [3, 256, 256] is from the average: [256, 256]."""
    return from_average(image)


# %% tags=["solution"]
def in_deviations(image):
    """How many standard deviations each pixel of uint8 [3, 256, 256] is from the average: [256, 256]."""
    return (np.abs(image / 255 - mean) / (deviation + 1e-3)).max(axis=0)


shares = {}
for name, of_defect in rows.items():
    masks = test.masks[of_defect]
    for kind, measure in (("distance", from_average), ("in deviations", in_deviations)):
        maps = np.stack([measure(test.images[i]) for i in of_defect])  # [D, 256, 256]
        brightest = maps >= np.quantile(maps, 0.99, axis=(1, 2), keepdims=True)  # of each image
        shares.setdefault(name, {})[kind] = masks[brightest].mean()
print(pd.DataFrame(shares).T.round(2))
middle, corner = deviation[:, 60:196, 60:196].mean(axis=(1, 2)), deviation[:, :20, :20].mean()
print("deviation in the middle: red {:.2f}, green {:.2f}, blue {:.2f};".format(*middle), f"in the corner {corner:.2f}")
examples = [of_defect[figures.typical(test.masks[of_defect])] for of_defect in rows.values()]
pictures = [[test.images[i], from_average(test.images[i]), in_deviations(test.images[i])] for i in examples]
figures.panels(pictures, ["image", "distance", "in deviations"], list(rows), caption=lesson.data_words, panel=150)

# %% tags=["check"]
with check(3):
    one = in_deviations(test.images[0])
    assert one.shape == (256, 256), "one number for each pixel"
    of_pixel = np.abs(test.images[0, :, 99, 99] / 255 - mean[:, 99, 99]) / (deviation[:, 99, 99] + 1e-3)  # [3]
    assert np.isclose(one[99, 99], of_pixel.max(), rtol=1e-4), "first divide each colour, then take the worst"

# %% [markdown] tags=["solution"]
# On these painted nuts cuts win ({{ shares["cut"]["distance"]:.2f }} to {{ shares["cut"]["in deviations"]:.2f }}); of cracks it was
# {{ shares["crack"]["distance"]:.2f }} and is {{ shares["crack"]["in deviations"]:.2f }}. Brown nuts differ from each other
# least in blue ({{ middle[2]:.2f }}, in red {{ middle[0]:.2f }}); in units of that, the pale flesh of a cut is far out. In a corner,
# where little varies ({{ corner:.2f }}), the division enlarges whatever there is.

# %% [markdown] tags=["exercise"]
# **4 (your own data).** Thirty photographs from your phone are a data set, once they lie in the right folders. Complete `put`, so
# that `dataset.load` can read what it wrote. The check writes ten drawn discs with it, three of them scratched. Then do it with
# photographs of your own, and run this notebook with `HAZELNUT_DATA=folder`.


# %% tags=["try"]
def put(folder, split, defect, number, picture, mask=None):
    """Writes uint8 [H, W, 3] to folder/split/defect, and its mask, bool [H, W], if it has one, to ground_truth."""
    place = Path(folder) / split / defect
    place.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(place / f"{number:03d}.png")


# %% tags=["solution"]
def put(folder, split, defect, number, picture, mask=None):
    """Writes uint8 [H, W, 3] to folder/split/defect, and its mask, bool [H, W], if it has one, to ground_truth."""
    place = Path(folder) / split / defect
    place.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(place / f"{number:03d}.png")
    if mask is not None:
        place = Path(folder) / "ground_truth" / defect
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(place / f"{number:03d}_mask.png")


# %% tags=["check"]
with check(4), tempfile.TemporaryDirectory() as folder:
    y, x = np.mgrid[:200, :300]
    disc = np.hypot(y - 100, x - 150) < 80
    scratch = disc & (np.abs(y - x + 50) < 4)  # bool [200, 300]
    for number in range(10):
        picture = np.where(disc, 200 + number, 60).astype(np.uint8)
        if number >= 7:
            picture[scratch] = 90
        split, defect = ("train", "good") if number < 5 else ("test", "good" if number < 7 else "scratch")
        put(folder, split, defect, number, np.stack([picture] * 3, axis=-1), scratch if number >= 7 else None)
    try:
        own = dataset.load(folder)
    except DataError as error:  # its sentence names a temporary folder
        raise AssertionError("load cannot read it: " + str(error).replace(folder, "folder")) from error
    assert (len(own.train), len(own.test)) == (5, 5), (
        "five good discs to train on, two good and three scratched to test on"
    )
    assert own.test.of("scratch").masks.any(axis=(1, 2)).all(), "the masks are empty"
    assert own.test.of("scratch").masks.mean() < 0.1, "the mask marks the scratch and nothing else"
    assert not own.test.of("good").masks.any(), "a good disc has a mask"
    assert own.test.images.shape == (5, 3, 256, 256), "read as 256 × 256 pixels"

# %% [markdown] tags=["solution"]
# Good images need no mask and no other work than being photographed; only the test needs defects, and masks that somebody draws.
# The loader makes 256 × 256 pixels of every photograph, so cut yours square before.

# %% [markdown] tags=["exercise"]
# **5 (hard).** A test image that training has seen spoils every score. Write `seen_before`: for each of the new images, whether it
# is one of the known ones, perhaps mirrored left to right, perhaps saved anew with a little noise.


# %% tags=["try"]
def seen_before(known, new):
    """Which of the images `new` uint8 [M, 3, 256, 256] are among `known` [N, 3, 256, 256]: bool [M]."""
    return np.array([any(np.array_equal(one, other) for other in known) for one in new])


# %% tags=["solution"]
def small(images):
    """Averages of 16 × 16 pixels, in which noise does not count: [N, 3, 256, 256] -> [N, 768]."""
    return images.reshape(len(images), 3, 16, 16, 16, 16).mean(axis=(3, 5)).reshape(len(images), -1) / 255


def seen_before(known, new):
    """Which of the images `new` uint8 [M, 3, 256, 256] are among `known` [N, 3, 256, 256]: bool [M]."""
    both = np.concatenate([small(known), small(known[..., ::-1])])  # [2N, 768], the mirrored ones behind
    nearest = np.array([np.abs(both - one).mean(axis=1).min() for one in small(new)])  # [M]
    return nearest < 0.005


both = np.concatenate([small(train.images), small(train.images[..., ::-1])])
nearest = [np.abs(both - one).mean(axis=1).min() for one in small(test.images)]
print(f"nearest to a training image: {min(nearest):.4f}; seen before: {seen_before(train.images, test.images).sum()}")

# %% tags=["check"]
with check(5):
    noise = np.random.default_rng(0).integers(-3, 4, test.images[:2].shape)
    saved_anew = (train.images[:2] + noise).clip(0, 255).astype(np.uint8)
    mirrored = train.images[2:4, :, :, ::-1]
    new = np.concatenate([test.images[:2], saved_anew, mirrored])
    answers = [bool(answer) for answer in seen_before(train.images, new)]
    assert answers[:2] == [False] * 2, "two images that training has not seen"
    assert answers[2:4] == [True] * 2, "two training images with a little noise"
    assert answers[4:] == [True] * 2, "two training images, mirrored"

# %% [markdown] tags=["solution"]
# No test image was seen. Small pictures forgive noise but not another nut: the test image most like a training image differs from it by
# {{ min(nearest):.3f }}; the limit is 0.005. (`hazelnut-ae advise` looks for such twins.)

# %% [markdown]
# ## In short
#
# * Good images to learn from; good and defective ones, with masks, to test on.
# * Cuts, holes and prints are small. On the median cut, false alarms on 1 % of the good pixels outnumber the defect.
# * Distance from the average finds more than half of the pixels of prints and cracks; of what it marks on cuts
#   {{ found["cut"]["right"]:.0f }} % is right.
#
# ## In practice
#
# * Photograph good parts the way the line will: same light, same distance, same background. What varies in production must
#   vary in training.
# * Run `hazelnut-ae check` before you train. A mask without its image costs minutes now and days later.
# * Put aside defective parts, and some good ones, *before* you begin to tune anything, and do not look at them.
# * Twenty defective images are few: [notebook 8](08_results_table.ipynb) shows between which bounds the true numbers may lie (the
#   [interval](../book/teach/glossary.md)), and they are far apart.
#
# ## Further reading
#
# * P. Bergmann, M. Fauser, D. Sattlegger, C. Steger, [*MVTec AD*](https://doi.org/10.1109/CVPR.2019.00982), CVPR 2019, and
#   [the longer version](https://doi.org/10.1007/s11263-020-01400-4) in IJCV 129 (2021): the data set, its measures and the first
#   baselines.
# * Y. Zou et al., [*SPot-the-Difference Self-Supervised Pre-training*](https://arxiv.org/abs/2207.14315), ECCV 2022: the VisA data
#   set, a larger sibling.
#
# **Back:** [1 · Background](01_background.ipynb) · **Next:** [3 · Data augmentation](03_data_augmentation.ipynb) ·
# [Solutions](solutions/02_dataset.ipynb)
