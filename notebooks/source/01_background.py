# %% [markdown]
# # 1 · Background: finding what nobody has seen before
#
# **What you'll do.** Detect anomalies three ways in a plane, build an autoencoder of a single number, let a linear
# autoencoder loose on hazelnuts, and count right and wrong answers by hand.
#
# **What you'll learn.** Why a network that only copies its input can find defects; what precision, recall, accuracy and
# F<sub>1</sub> measure, and how each of them can fool you.
#
# **What you'll need.** Python, NumPy and the basics of PyTorch. No data: unless `HAZELNUT_DATA` names a folder of your own, the
# hazelnuts are painted by the computer.
#
# **Time.** Two minutes on two cores. For you about an hour and a half: three ways 15 minutes, autoencoders 20, counting 20,
# exercises 40.
#
# The code of this lesson: `hazelnut_ae/metrics.py`, `hazelnut_ae/curves.py` and, for the drawings, `hazelnut_ae/diagrams.py`.
#
# This course rebuilds a published article,
# [*Anomaly Detection with Auto-Encoders*](https://aminfadaei116.github.io/projects/Deep-Learning-Course/Anomaly-Detection-Encoder/index.html),
# from beginning to end: a convolutional autoencoder learns what a good hazelnut looks like and lights up what is wrong with a
# bad one. Where the article leaves something out or contradicts itself, we look closer. That is part of the lesson.

# %% tags=["setup"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.colors import to_rgb
from sklearn.linear_model import LogisticRegression
from torch import nn

from hazelnut_ae import diagrams, figures, metrics
from hazelnut_ae.course.checks import check
from hazelnut_ae.course.lesson import setup

lesson = setup()
GOOD, DEFECT, OTHER = "0.55", figures.DEFECTIVE, figures.BLUE  # one colour per role in this notebook

# %% [markdown]
# <details><summary><b>What <code>setup()</code> did, and the names that all notebooks share</b> (open when you meet one)</summary>
#
# It read where the images come from and which *preset* to use, and said so in the line above. A **preset** is all numbers of a
# training under one name: `tiny` (seconds, to see that everything runs), `quick` (minutes) or `article` (the article's own). A
# **run** is one training and what it leaves: settings, losses, weights. Nothing below is computed before it is asked for; then it
# is kept.
#
# | name | what it is | shape |
# |---|---|---|
# | `lesson.dataset.train`, `.test` | good images to learn from; good and defective ones to test on | `.images` uint8 [N, 3, 256, 256], `.masks` bool [N, 256, 256], `.defects` N names |
# | `lesson.run` | the trained run; its network is `lesson.run.model` | |
# | `lesson.own_run` | a run of the preset on these very images, if `lesson.run` is not | |
# | `lesson.reconstructions` | what the network makes of the test images | float32 [N, 3, 256, 256] |
# | `lesson.maps` | the anomaly maps of the test images | float32 [N, 256, 256] |
# | `lesson.held_out_images`, `.held_out_maps` | good images that the run never learnt from, and their maps | [M, 3, 256, 256], [M, 256, 256] |
# | `lesson.caption`, `lesson.show(figure, name)` | the small line under a figure; saves and shows one | |
#
# Which run that is:
#
# | images | `lesson.run` |
# |---|---|
# | painted nuts (as long as `HAZELNUT_DATA` is unset) | one that comes with the course: preset `article`, 391 painted nuts |
# | a folder of yours | preset `quick`, trained once, in notebook 5 |
# | either, with `HAZELNUT_PRESET=tiny` | trained in seconds, for tests |
#
# Every word of the field stands in the [glossary](../book/teach/glossary.md), with the notebook that explains it.
#
# Some cells begin with `# NBVAL_CHECK_OUTPUT`. Their output never depends on the images, and the course's tests compare it; you
# can ignore the line.
#
# </details>

# %% [markdown]
# ## Three ways to look for a defect
#
# An *anomaly* is something that does not follow the pattern of the rest. How we can look for it depends on what somebody
# has labelled beforehand:
#
# | approach | labels needed | finds | fails when |
# |---|---|---|---|
# | **supervised** | good ones *and* examples of each defect | defects of the kinds it was shown | a new kind of defect appears |
# | **semi-supervised** (one-class) | good ones only | whatever is unlike the good ones | good ones vary as much as defects do |
# | **unsupervised** | none; the pile may hold defects | whatever is rare | defects are not rare |
#
# (The article announces three categories and leaves the list empty; these are the usual three, after Chandola et al., 2009.)
#
# A factory has thousands of good parts, few broken ones, and no idea what will break next. So the middle row is the one
# that industry wants. The article, like much of this field, calls it *unsupervised*, since no defect was ever labelled.
#
# Let us see the difference where we can draw it. Each dot is a "product" with two measurements. Two kinds of defect
# exist, but when the detector was built only *scratches* were known.

# %%
rng = np.random.default_rng(0)
good = rng.normal([0, 0], [1.0, 0.35], (300, 2))
scratch = rng.normal([0.5, 2.2], 0.3, (40, 2))  # known when the detector was built
stain = rng.normal([0.3, -2.2], 0.3, (40, 2))  # turns up later
everything = np.concatenate([good, scratch, stain])  # [380, 2]

classifier = LogisticRegression().fit(np.concatenate([good, scratch]), [0] * 300 + [1] * 40)


def distance(points, reference):
    """How many standard deviations from the middle of the reference (Mahalanobis distance): [N, 2] -> [N]."""
    centred = points - reference.mean(axis=0)  # [N, 2]
    inverse = np.linalg.inv(np.cov(reference.T))  # [2, 2]
    return np.sqrt(((centred @ inverse) * centred).sum(axis=1))


def supervised(points):
    """True where the classifier says scratch."""
    return classifier.predict(points) == 1


def semi_supervised(points):
    """True for what is farther from the good ones than 99 % of themselves are."""
    return distance(points, good) > np.quantile(distance(good, good), 0.99)


def unsupervised(points):
    """True for what is farther from the middle of the whole pile than four fifths of it are."""
    return distance(points, everything) > np.quantile(distance(everything, everything), 0.8)


detectors = (supervised, semi_supervised, unsupervised)
for detect in detectors:
    found = [100 * detect(points).mean() for points in (scratch, stain, good)]
    print(
        f"{detect.__name__:16s} scratches {found[0]:3.0f} %, stains {found[1]:3.0f} %, false alarms {found[2]:3.0f} %"
    )

# %%
side = np.linspace(-6, 6, 121)
plane = np.array([(x, y) for x in side for y in side])  # [14641, 2], points all over the picture
figure, axes = plt.subplots(1, 3, figsize=(11, 4), sharey=True)
for ax, detect in zip(axes, detectors, strict=True):
    alarm = plane[detect(plane)]
    ax.scatter(alarm[:, 0], alarm[:, 1], s=7, marker="s", color="#FBE3D0")
    ax.scatter(good[:, 0], good[:, 1], s=6, color=GOOD, label="good")
    ax.scatter(scratch[:, 0], scratch[:, 1], s=14, color=DEFECT, marker="s", label="scratch (known)")
    ax.scatter(stain[:, 0], stain[:, 1], s=16, color=OTHER, marker="^", label="stain (new)")
    ax.set(title=detect.__name__, xlabel="first measurement (shaded: alarm)", xlim=(-4, 4))
axes[0].set(ylabel="second measurement", ylim=(-6, 4.3))
axes[0].legend(fontsize=9, loc="lower left")
plt.show()

# %% [markdown]
# The supervised detector is certain that every stain is fine: it was asked "scratch or not?" and answers just that.
# The semi-supervised one finds both and never saw either. The unsupervised one misses a quarter of them and calls 6 % of the good
# ones bad. It has no clean reference to lean on: the defects themselves widen its idea of "usual". And it had to be told
# about how rare defects are (a fifth, hence the four fifths), which in life nobody knows.
#
# **Check.** The middle detector finds everything and calls 1 % of the good ones bad. Where does that 1 % come from?
#
# <details><summary>Answer</summary>
#
# We put it there: the limit is the 99 % [quantile](../book/teach/glossary.md) of the good ones' own distances, the value
# below which 99 % of them lie. No defect was needed to choose it. Nor does it say how many defects will be missed.
#
# </details>

# %% [markdown]
# ## An autoencoder of one number
#
# Distance from the middle works for a cloud. Pictures of hazelnuts do not form a cloud: they have 196,608 numbers each,
# and the good ones occupy a thin, winding part of that space. An **autoencoder** learns that part. It has two halves:
#
# * the **encoder** squeezes the input into a few numbers, the *latent vector*;
# * the **decoder** rebuilds the input from them.
#
# It is trained to copy its input. Copying would be trivial but for the narrow waist: what does not fit through is lost.
# So it must spend its few numbers on what the training examples have in common, and an input that breaks the pattern
# comes back wrong. That error, the **residual**, is the anomaly score.
#
# The smallest example: points in a plane (2 numbers) through a latent vector of 1 number, with linear layers.

# %% tags=["setup"]
rng = np.random.default_rng(0)
line = np.outer(rng.normal(0, 1, 200), [2, 1]) / np.sqrt(5)  # [200, 2], on the line y = x / 2
line += rng.normal(0, 0.08, (200, 2))  # ... or near it
line -= line.mean(axis=0)
off, far = np.array([0.4, 1.2]), np.array([3.6, 1.8])  # two strange points

# %%
torch.manual_seed(0)
x = torch.tensor(line, dtype=torch.float32)  # [200, 2]
encoder = nn.Linear(2, 1, bias=False)
decoder = nn.Linear(1, 2, bias=False)
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=0.05)
for _ in range(300):
    z = encoder(x)  # [200, 1]
    loss = ((decoder(z) - x) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def linear_copy(points):
    """What the trained autoencoder makes of points [N, 2]."""
    with torch.no_grad():
        return decoder(encoder(torch.tensor(points, dtype=torch.float32))).numpy()


# %%
figure, ax = plt.subplots(figsize=(7.5, 4))
ax.scatter(line[:, 0], line[:, 1], s=8, color=GOOD, label="training points")
ends = linear_copy(np.array([[-3.0, -1.5], [4.2, 2.1]]))
ax.plot(ends[:, 0], ends[:, 1], color="black", linewidth=1, label="everything the decoder can say")
for point, colour, marker, name in ((off, DEFECT, "s", "off the line"), (far, OTHER, "^", "far along the line")):
    (copy,) = linear_copy(point[None])  # [2]
    residual = np.linalg.norm(point - copy)
    ax.plot([point[0], copy[0]], [point[1], copy[1]], color=colour, linewidth=1.5)
    ax.scatter(point[0], point[1], color=colour, marker=marker, s=50, label=f"{name}: residual {residual:.2f}")
    print(f"{name}: residual {residual:.2f}")
ax.set(aspect="equal", xlabel="first number", ylabel="second number")
ax.legend(fontsize=9, loc="upper left")
plt.show()

# %% [markdown]
# Whatever goes in, a point on the black line comes out: one latent number can only say *where on the line*. A point off
# the line comes back moved, and how far it was moved is its residual.
#
# Now the second point. It is far from all training data, surely an anomaly, yet its residual is small, because it lies
# where the line continues. **A small residual says "I can rebuild this", not "this is normal".** Keep that in mind.
#
# You may know this machine by another name. A linear autoencoder with squared error ends in the same line as
# **principal component analysis** (PCA), which needs no training loop:

# %%
# NBVAL_CHECK_OUTPUT
_, _, directions = np.linalg.svd(line, full_matrices=False)
first = directions[:1]  # [1, 2], the direction of largest spread
pca_copy = line @ first.T @ first  # [200, 2]
print("autoencoder and PCA agree:", np.allclose(linear_copy(line), pca_copy, atol=0.02))

# %% [markdown]
# ## From a line to a curve
#
# Layers with a nonlinearity between them can bend the line. Same idea, same single latent number, but now the good
# points lie on a half circle. The background shows the residual of every place in the plane: bright is "I cannot
# rebuild this".

# %%
torch.manual_seed(1)
angle = rng.uniform(0, np.pi, 300)
arc = np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(0, 0.04, (300, 2))
x = torch.tensor(arc, dtype=torch.float32)  # [300, 2]
bent = nn.Sequential(
    nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 1), nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 2)
)  # 2 -> 1 -> 2
optimizer = torch.optim.Adam(bent.parameters(), lr=0.01)
for _ in range(1500):
    loss = ((bent(x) - x) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

side = np.linspace(-1.8, 1.8, 160)
plane = torch.tensor(np.stack(np.meshgrid(side, side), axis=-1), dtype=torch.float32)  # [160, 160, 2]
with torch.no_grad():
    residual = (bent(plane) - plane).norm(dim=-1)  # [160, 160]
figure, ax = plt.subplots(figsize=(5, 4.2))
shown = ax.imshow(residual, origin="lower", extent=(-1.8, 1.8, -1.8, 1.8), cmap="inferno", vmin=0)
ax.scatter(arc[:, 0], arc[:, 1], s=4, color="white")
ax.set(xlabel="first number", ylabel="second number")
figure.colorbar(shown, label="residual")
plt.show()

# %% [markdown]
# The dark valley follows the good points. It also runs on beyond the ends of the arc: nobody told the network what to do where it
# has seen nothing.

# %% [markdown]
# ## On to pictures
#
# A picture of 256 × 256 pixels in three colours is a point in a space of 196,608 dimensions. The linear autoencoder works
# there too. Trained by PCA on the good training images alone, with 32 latent numbers, it already does something useful.

# %%
train, test = lesson.dataset.train, lesson.dataset.test
x = train.images[:128].reshape(len(train.images[:128]), -1).astype(np.float32) / 255  # [N, 196608]
mean = x.mean(axis=0)
components = min(32, len(x) - 1)
_, _, directions = np.linalg.svd(x - mean, full_matrices=False)  # [N, 196608]
directions = directions[:components]

defect = test.defect_names[-1]
chosen = test.defects.index(defect)
picture = test.images[chosen].reshape(-1) / 255  # [196608]
z = directions @ (picture - mean)  # the latent vector
copy = (mean + z @ directions).reshape(3, 256, 256).clip(0, 1)
linear_map = np.abs(test.images[chosen] / 255 - copy).max(axis=0)  # [256, 256]
mask = test.masks[chosen]  # bool [256, 256]
brightest = linear_map >= np.quantile(linear_map, 0.99)
print(f"mean residual: {linear_map[mask].mean():.2f} on the {defect}, {linear_map[~mask].mean():.2f} elsewhere")
print(f"of the brightest 1 % of the pixels, {100 * mask[brightest].mean():.0f} % are {defect}")
figures.panels(
    [[test.images[chosen], copy, linear_map, mask]],
    titles=["original", f"rebuilt from {components} numbers", "residual", "ground truth"],
    caption=f"{defect}: a linear autoencoder (PCA) of {len(x)} good images. {lesson.data_words}.",
)

# %% [markdown]
# The copy is a ghost made of average training images; it has no words for letters, so the *print*, white letters stamped on
# the shell, stays behind in the residual: all of the brightest pixels are its. (White on brown is easy; other defects are harder.) Much else stays behind as well:
# the linear copy does not know edges and texture. The article's network does
# the same thing with twenty convolutional layers and 500 latent numbers. It is drawn here, and
# [notebook 4](04_architecture.ipynb) builds it layer by layer.

# %%
run = lesson.finished_run()
output = None if run is None else lesson.reconstructions[chosen]
note = "The trained network's output." if run else "No network is trained yet, so the output is blank."
figure = diagrams.autoencoder(test.images[chosen], output, caption=f"{lesson.data_words}. {note}")
lesson.show(figure, "figure_01_autoencoder")

# %% [markdown]
# ## Right and wrong answers, counted by hand
#
# The detector marks pixels. The *mask*, or ground truth, says which are defective; a person drew it, or the painter of our nuts
# did. Comparing the two gives four outcomes, as in the article's Figure 2:

# %%
lesson.show(diagrams.outcomes(), "figure_02_outcomes")

# %% [markdown]
# Here is an image so small that you can count. `#` is a defective pixel.

# %% tags=["setup"]
# NBVAL_CHECK_OUTPUT
truth_drawing = """
........
........
..###...
..###...
..###...
........
........
........
"""
predicted_drawing = """
........
.....#..
...##...
...##...
....#...
........
#.......
........
"""


def to_mask(drawing):
    """A drawing of # and . as a bool array."""
    return np.array([[pixel == "#" for pixel in row] for row in drawing.split()])


truth, predicted = to_mask(truth_drawing), to_mask(predicted_drawing)
tp = int((predicted & truth).sum())  # defective, and found
fp = int((predicted & ~truth).sum())  # good, but marked: a false alarm
fn = int((~predicted & truth).sum())  # defective, but missed
tn = int((~predicted & ~truth).sum())  # good, and left alone
print(f"TP = {tp}, FP = {fp}, FN = {fn}, TN = {tn}, together {tp + fp + fn + tn} pixels")

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 3.3))
right = predicted == truth  # bool [8, 8]
outcome_colours = np.where(
    right[..., None], to_rgb(diagrams.RIGHT), to_rgb(diagrams.WRONG)
)  # [8, 8, 3], as in Figure 2
drawings = ((truth, "ground truth"), (predicted, "predicted"), (outcome_colours, "compared"))
for ax, (picture, name) in zip(axes, drawings, strict=True):
    ax.imshow(picture, cmap="gray")
    ax.set(title=name, xticks=np.arange(-0.5, 8), yticks=np.arange(-0.5, 8), xticklabels=[], yticklabels=[])
    ax.grid(color="0.7", linewidth=0.5)
    ax.tick_params(length=0)
for row, column in np.argwhere(predicted | truth):
    name = "TP" if right[row, column] else "FP" if predicted[row, column] else "FN"
    axes[2].text(column, row, name, ha="center", va="center", fontsize=8)
plt.show()

# %% [markdown]
# Four measures are made from the four counts. Each asks another question:
#
# * **precision** = TP / (TP + FP): of what was marked, how much is defective?
# * **recall** = TP / (TP + FN): of what is defective, how much was marked?
# * **accuracy** = (TP + TN) / all: how many answers were right?
# * **F<sub>1</sub>** = 2 · precision · recall / (precision + recall), the *harmonic mean*: high only if both are.
#
# **Check.** Work them out from the counts above with a pencil, then run the cell. It should print
# 5/7, 5/9, 58/64 and 5/8.

# %%
# NBVAL_CHECK_OUTPUT
precision = tp / (tp + fp)
recall = tp / (tp + fn)
accuracy = (tp + tn) / (tp + fp + fn + tn)
f1 = 2 * precision * recall / (precision + recall)
print(f"precision {precision:.3f}  recall {recall:.3f}  accuracy {accuracy:.3f}  F1 {f1:.3f}")

counts = metrics.confusion(predicted, truth)  # the package counts the same
theirs = metrics.precision(counts), metrics.recall(counts), metrics.accuracy(counts), metrics.f1(counts)
print("same as the package:", np.allclose(theirs, (precision, recall, accuracy, f1)))

# %% [markdown]
# **Mark pixels yourself.** Each button is a pixel; the counts and the four measures follow. How few clicks bring F<sub>1</sub>
# from 0.62 to 0.8? (Three will do. Where no kernel runs you see the prediction from above.)

# %%
from hazelnut_ae.course import widgets

widgets.paint_a_mask(truth, predicted)

# %% [markdown]
# ## How each measure can be fooled
#
# Accuracy looks best of all four: 0.906. Now consider a detector that never marks anything.

# %%
# NBVAL_CHECK_OUTPUT
counts = metrics.confusion(np.zeros_like(truth), truth)
print(f"marks nothing: accuracy {metrics.accuracy(counts):.3f}, recall {metrics.recall(counts):.3f}")

# %% [markdown]
# 0.859 for doing nothing, because most pixels are good. So the article rightly turns to F<sub>1</sub>, which ignores the true
# negatives. But F<sub>1</sub> has the opposite blind spot: where most things are defective, calling *everything* defective looks
# good. And both hang on one [threshold](../book/teach/glossary.md), the score above which we say "defective".
#
# A measure without these weaknesses is **AUROC**: take one defective and one good pixel (or image) at random; how often does
# the defective one have the higher anomaly score? (A tie counts half.)

# %%
# NBVAL_CHECK_OUTPUT
score_of_good = np.array([0.1, 0.2, 0.2, 0.4])
score_of_defective = np.array([0.3, 0.5, 0.2])
points = [1.0 if d > g else 0.5 if d == g else 0.0 for d in score_of_defective for g in score_of_good]  # 12 pairs
scores = np.concatenate([score_of_good, score_of_defective])
package = metrics.image_auroc(scores, [False] * 4 + [True] * 3)
print(f"by hand {np.mean(points):.4f}, package {package:.4f}")

# %% [markdown]
# Always put the **constant answers** beside a score: "everything is defective" and "nothing is". The better of the two, for the
# 40 good and 70 defective test images of MVTec AD's hazelnuts, and for pixels of which two in a hundred are defective:

# %%
# NBVAL_CHECK_OUTPUT
table = {}
for what, good_ones, defective_ones in (("images", 40, 70), ("pixels", 98, 2)):
    is_defective = np.array([False] * good_ones + [True] * defective_ones)
    answers = [np.full(len(is_defective), answer) for answer in (True, False)]  # all defective, none
    both = [metrics.confusion(answer, is_defective) for answer in answers]
    table[what] = {
        "accuracy": max(metrics.accuracy(c) for c in both),
        "F1": max(metrics.f1(c) for c in both),
        "AUROC": max(metrics.image_auroc(answer.astype(float), is_defective) for answer in answers),
    }
print(pd.DataFrame(table).T.round(2))

# %% [markdown]
# An F<sub>1</sub> of 0.78 without looking at a single image! [Notebook 8](08_results_table.ipynb) shows that this beats three of
# the four published systems which the article compares itself with. **Accuracy and F<sub>1</sub> depend on how many defects the
# test set happens to have.** AUROC does not: every constant answer gets 0.5.
#
# But AUROC judges the *ranking* only. A system can rank almost perfectly and still mark not a single pixel at the threshold in
# use; [notebook 7](07_threshold_and_latent_size.ipynb) shows how. No single number will do; we will always look at several, and
# at the pictures.

# %% [markdown]
# ## Exercises
#
# Below each there is a *check*: run it, and it says whether your answer holds.

# %% [markdown] tags=["exercise"]
# **1 (easy).** Draw two predictions for `truth`: one with precision 1 and recall 1/3, and one with recall 1 and precision 1/3.
# Which has the better F<sub>1</sub>?

# %% tags=["try"]
careful = to_mask(truth_drawing)  # precision 1, recall 1/3; draw your own with # and .
generous = to_mask(truth_drawing)  # recall 1, precision 1/3

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
careful = np.zeros_like(truth)
careful[2, 2:5] = True  # three of the nine defective pixels, and no good one
generous = truth.copy()
generous[6:8] = True  # 16 good pixels more ...
generous[0, :2] = True  # ... and two: 27 that hold all nine
for name, mask in (("careful", careful), ("generous", generous)):
    c = metrics.confusion(mask, truth)
    print(f"{name}: precision {metrics.precision(c):.2f}, recall {metrics.recall(c):.2f}, F1 {metrics.f1(c):.2f}")

# %% tags=["check"]
with check(1):
    c = metrics.confusion(careful, truth)
    assert metrics.precision(c) == 1, f"the precision of `careful` is {metrics.precision(c):.2f}"
    assert np.isclose(metrics.recall(c), 1 / 3), f"the recall of `careful` is {metrics.recall(c):.2f}"
    c = metrics.confusion(generous, truth)
    assert metrics.recall(c) == 1, f"the recall of `generous` is {metrics.recall(c):.2f}"
    assert np.isclose(metrics.precision(c), 1 / 3), f"the precision of `generous` is {metrics.precision(c):.2f}"

# %% [markdown] tags=["solution"]
# Both have F<sub>1</sub> = 0.5: the harmonic mean does not care which of the two is low, but it stays near the lower one.
# (The ordinary mean would have been 0.67.)

# %% [markdown] tags=["exercise"]
# **2 (easy).** A share *p* of all items is defective, and a detector calls everything defective. Write its F<sub>1</sub> as a
# function of *p*. Where are the hazelnut images (*p* = 70/110), and where are hazelnut pixels (*p* ≈ 0.02)?


# %% tags=["try"]
def f1_of_everything(p):
    """F1 of 'everything is defective', where a share p is."""
    return p


# %% tags=["solution"]
def f1_of_everything(p):
    """F1 of 'everything is defective', where a share p is."""
    return 2 * p / (1 + p)  # TP = p, FP = 1 - p, FN = 0, and F1 = 2 TP / (2 TP + FP + FN)


share = np.linspace(0, 1, 101)
figure, ax = plt.subplots(figsize=(5.5, 3.2))
ax.plot(share, f1_of_everything(share), color="black")
for p, name in ((70 / 110, "images: 0.78"), (0.02, "pixels: 0.04")):
    ax.scatter(p, f1_of_everything(p), color=DEFECT, zorder=3)
    ax.annotate(name, (p, f1_of_everything(p)), xytext=(8, -6), textcoords="offset points", fontsize=9)
ax.set(xlabel="share of defective items", ylabel="F1 of 'everything is defective'")
plt.show()

# %% tags=["check"]
with check(2):
    for defective, of in ((70, 110), (1, 2), (2, 100)):
        is_defective = np.arange(of) < defective
        counted = metrics.f1(metrics.confusion(np.full(of, True), is_defective))
        here = f1_of_everything(defective / of)
        assert np.isclose(here, counted), (
            f"with {defective} of {of} defective, counting gives {counted:.3f}, not {here:.3f}"
        )

# %% [markdown] tags=["solution"]
# Images reach 0.78, pixels 0.04. So an F<sub>1</sub> of 0.5 is poor for these images and good for these pixels: the number means
# nothing without its *p*.

# %% [markdown] tags=["exercise"]
# **3 (medium).** Give the linear autoencoder *two* latent numbers instead of one and train it on `line` again. What is
# the residual of the point `off` now, and why? What does that say about a latent vector that is too large?

# %% tags=["try"]
torch.manual_seed(0)
wide = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))  # not trained yet

# %% tags=["solution"]
torch.manual_seed(0)
x = torch.tensor(line, dtype=torch.float32)  # [200, 2]
wide = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
optimizer = torch.optim.Adam(wide.parameters(), lr=0.02)
for _ in range(3000):
    loss = ((wide(x) - x) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
with torch.no_grad():
    point = torch.tensor(off, dtype=torch.float32)
    print(f"residual of the point off the line: {(wide(point) - point).norm():.3f}")

# %% tags=["check"]
with check(3), torch.no_grad():
    assert wide[0].weight.shape == (2, 2), "the first layer should make two latent numbers of two"
    points = torch.tensor(line, dtype=torch.float32)
    assert ((wide(points) - points) ** 2).mean() < 1e-4, "it does not copy its own training points yet"
    point = torch.tensor(off, dtype=torch.float32)
    assert (wide(point) - point).norm() < 0.05, "with two numbers for two numbers even this point can be copied"

# %% [markdown] tags=["solution"]
# With two numbers for two numbers nothing has to be left out: the network learns the identity and copies anything, the
# defect included. It detects nothing. The narrow waist is not a drawback of the method, it *is* the method.

# %% [markdown] tags=["exercise"]
# **4 (medium).** Two detectors score ten images. Find scores for which detector A has the higher AUROC but detector B the
# higher F<sub>1</sub> at the threshold 0.5.

# %% tags=["try"]
is_bad = np.array([False] * 5 + [True] * 5)
a = np.zeros(10)
b = np.zeros(10)

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
is_bad = np.array([False] * 5 + [True] * 5)
a = np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.11, 0.12, 0.13, 0.14, 0.15])  # perfect order, all far below 0.5
b = np.array([0.1, 0.2, 0.3, 0.6, 0.9, 0.4, 0.7, 0.7, 0.8, 0.8])  # a muddle, but around 0.5
for name, scores in (("A", a), ("B", b)):
    c = metrics.confusion(scores > 0.5, is_bad)
    print(f"{name}: AUROC {metrics.image_auroc(scores, is_bad):.2f}, F1 at 0.5: {metrics.f1(c):.2f}")

# %% tags=["check"]
with check(4):
    bad = np.array([False] * 5 + [True] * 5)
    auroc_a, auroc_b = (metrics.image_auroc(scores, bad) for scores in (a, b))
    assert auroc_a > auroc_b, f"AUROC is {auroc_a:.2f} for A and {auroc_b:.2f} for B"
    f1_a, f1_b = (metrics.f1(metrics.confusion(scores > 0.5, bad)) for scores in (a, b))
    assert f1_b > f1_a, f"F1 is {f1_a:.2f} for A and {f1_b:.2f} for B"

# %% [markdown] tags=["solution"]
# A ranks without a mistake and still finds nothing, because its scores live on another scale than the threshold. A better
# threshold would mend A; nothing mends B's order. That is why both measures are printed.

# %% [markdown] tags=["exercise"]
# **5 (hard).** The far point on the line fooled the residual. Write a score that is large for *both* strange points, and larger
# than that of 99.9 % of the training points: combine the residual with something of the latent number alone.


# %% tags=["try"]
def strangeness(points):
    """How strange points [N, 2] are beside `line`: [N]."""
    _, _, directions = np.linalg.svd(line, full_matrices=False)
    return np.abs(points @ directions[1])  # the residual of PCA; the far point passes


# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
def strangeness(points):
    """How strange points [N, 2] are beside `line`: [N]."""
    _, _, directions = np.linalg.svd(line, full_matrices=False)
    latent, rest = points @ directions.T[:, 0], points @ directions.T[:, 1]  # [N] each
    usual_latent, usual_rest = (line @ directions.T).std(axis=0)
    return np.hypot(latent / usual_latent, rest / usual_rest)


limit = np.quantile(strangeness(line), 0.999)
print("both found:", bool((strangeness(np.stack([off, far])) > limit).all()))

# %% tags=["check"]
with check(5):
    of_line, of_strange = strangeness(line), strangeness(np.stack([off, far]))
    assert of_line.shape == (200,), "one number for each point"
    limit = np.quantile(of_line, 0.999)
    assert of_strange[0] > limit, "the point off the line passes"
    assert of_strange[1] > limit, "the point far along the line passes"

# %% [markdown] tags=["solution"]
# Scaling the latent number and the residual by their own spread and adding their squares gives the Mahalanobis distance
# from the beginning of this notebook. Detectors on top of deep features
# ([PaDiM](https://arxiv.org/abs/2011.08785), for one) do just that.

# %% [markdown]
# ## In short
#
# * Who learns from good ones alone can find what nobody has shown him; a classifier misses what it was not taught.
# * An autoencoder copies through a narrow waist. What good ones have in common passes; the rest stays behind in the residual.
# * Precision, recall, F<sub>1</sub> and accuracy count; a constant answer can fool each of them, so put it beside them.
#
# ## In practice
#
# * Before you train anything, ask what is labelled. With plenty of examples of *every* defect that matters, a supervised
#   network will beat what follows. Usually there are not.
# * Write down what the constant answers score on your test set, before any model. What stays below needs another threshold, another measure or another detector.
# * Decide whether you count pixels or images, and say so beside every number.
#
# ## Further reading
#
# * V. Chandola, A. Banerjee, V. Kumar, [*Anomaly Detection: A Survey*](https://doi.org/10.1145/1541880.1541882), ACM Computing
#   Surveys 41 (2009): the three settings and many methods.
# * P. Baldi, K. Hornik, [*Neural Networks and Principal Component Analysis*](https://doi.org/10.1016/0893-6080%2889%2990014-2),
#   Neural Networks 2 (1989): why the linear autoencoder is PCA.
# * T. Fawcett, [*An introduction to ROC analysis*](https://doi.org/10.1016/j.patrec.2005.10.010), Pattern Recognition Letters 27
#   (2006).
#
# **Next:** [2 · The data set](02_dataset.ipynb) · [Solutions](solutions/01_background.ipynb) ·
# **Play:** [draw a defect and count](../book/playground/README.md)
