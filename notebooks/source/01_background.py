# %% [markdown]
# # 1 · Background: finding what nobody has seen before
#
# **What you'll do.** Detect anomalies three ways in a plane, build an autoencoder of a single number, apply a linear
# autoencoder to hazelnuts, and count right and wrong answers by hand.
#
# **What you'll learn.** Why a network that only rebuilds its input can find defects; what precision, recall, accuracy, F<sub>1</sub>
# and AUROC measure, and how they can fool you.
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
# from beginning to end: a convolutional autoencoder learns what good hazelnuts look like and marks what it cannot
# reconstruct. Where the article leaves something out or contradicts itself, we look closer. That is part of the lesson.

# %% tags=["setup"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
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
# | `lesson.reconstructions` | the network's reconstructions of the test images | float32 [N, 3, 256, 256] |
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
# The words of the field are in the [glossary](../book/teach/glossary.md), each with the notebook that explains it.
#
# Some cells begin with `# NBVAL_CHECK_OUTPUT`. Their output never depends on the images, and the course's tests compare it; you
# can ignore the line.
#
# </details>

# %% [markdown]
# ## Three ways to look for a defect
#
# An *anomaly* does not follow the pattern of the rest. (The article's fields: energy systems, medical devices, banking, network
# intrusion; here: parts on a belt.) How we can look for it depends on what somebody has labelled:
#
# | approach | labels needed | finds | fails when |
# |---|---|---|---|
# | **supervised** | good ones *and* examples of each defect | what resembles the examples | a new defect does not |
# | **semi-supervised** (one-class) | good ones only | whatever is unlike the good ones | good ones vary as much as defects do |
# | **unsupervised** | none; the pile may hold defects | whatever is rare | defects are not rare |
#
# (The article announces three categories and leaves the list empty; these are the usual three, after Chandola et al., 2009.)
#
# A typical factory has thousands of good parts, few broken ones, and no idea what will break next: the middle row.
# The article, like much of this field, calls it *unsupervised*, since no defect was ever labelled.
#
# Here is the difference where we can draw it. Each dot is a "product" with two measurements. Two kinds of defect
# exist, but when the detector was built only *scratches* were known.

# %%
rng = np.random.default_rng(0)
good = rng.normal([0, 0], [1.0, 0.35], (300, 2))
scratch = rng.normal([0.5, 2.2], 0.3, (40, 2))  # known when the detector was built
stain = rng.normal([0.3, -2.2], 0.3, (40, 2))  # turns up later
everything = np.concatenate([good, scratch, stain])  # [380, 2]


def distance(points, reference):
    """How many standard deviations from the middle of the reference points, [N, 2] -> [N]."""
    return np.linalg.norm((points - reference.mean(axis=0)) / reference.std(axis=0), axis=1)


classifier = LogisticRegression().fit(np.concatenate([good, scratch]), [0] * 300 + [1] * 40)
limit = np.quantile(distance(good, good), 0.99)  # 99 % of the good ones are nearer
limit_of_pile = np.quantile(distance(everything, everything), 0.8)  # four fifths of the pile are nearer
detectors = {  # each says True where it raises the alarm
    "supervised": lambda points: classifier.predict(points) == 1,
    "semi-supervised": lambda points: distance(points, good) > limit,
    "unsupervised": lambda points: distance(points, everything) > limit_of_pile,
}

# %%
alarms = {
    name: {what: 100 * detect(dots).mean() for what, dots in (("scratch", scratch), ("stain", stain), ("good", good))}
    for name, detect in detectors.items()
}
pd.DataFrame(alarms).T.round()  # % of the dots that raise the alarm

# %%
side = np.linspace(-6, 6, 121)
plane = np.array([(x, y) for x in side for y in side])  # [14641, 2], points all over the picture
figure, axes = plt.subplots(1, 3, figsize=(11, 4), sharey=True)
for ax, (name, detect) in zip(axes, detectors.items(), strict=True):
    shaded = plane[detect(plane)]
    ax.scatter(shaded[:, 0], shaded[:, 1], s=7, marker="s", color="#FBE3D0")
    ax.scatter(good[:, 0], good[:, 1], s=6, color=GOOD, label="good")
    ax.scatter(scratch[:, 0], scratch[:, 1], s=14, color=DEFECT, marker="s", label="scratch (known)")
    ax.scatter(stain[:, 0], stain[:, 1], s=16, color=OTHER, marker="^", label="stain (new)")
    ax.set(title=name, xlabel="first measurement (shaded: alarm)", xlim=(-4, 4))
axes[0].set(ylabel="second measurement", ylim=(-6, 4.3))
axes[0].legend(fontsize=9, loc="lower left")
plt.show()

# %% [markdown]
# The supervised detector finds {{ alarms["supervised"]["scratch"]:.0f }} % of the scratches and
# {{ alarms["supervised"]["stain"]:.0f }} % of the stains: it was asked "scratch or not?" and answers just that. A new defect
# on the shaded side would be found, by luck and not by design.

# %% tags=["claim"]
# claim: what a classifier was not taught it finds only on the side of what it was taught
assert alarms["supervised"]["scratch"] > 95
assert alarms["supervised"]["stain"] < 5
assert detectors["supervised"](stain * [1, -1]).mean() > 0.95  # the stains, mirrored upwards

# %% [markdown]
# The semi-supervised detector finds both and never saw either. The unsupervised one misses
# {{ 100 - alarms["unsupervised"]["stain"]:.0f }} % of the stains and calls {{ alarms["unsupervised"]["good"]:.0f }} % of the good
# ones bad. It has no clean reference: the defects themselves widen its idea of "usual". And it had to be told
# how rare defects are (a fifth), which is not known beforehand.

# %% tags=["claim"]
# claim: good ones alone are enough here, and defects widen the idea of usual
assert min(alarms["semi-supervised"]["scratch"], alarms["semi-supervised"]["stain"]) > 95
assert alarms["unsupervised"]["stain"] < alarms["semi-supervised"]["stain"]
assert everything.std(axis=0)[1] > 2 * good.std(axis=0)[1]

# %% [markdown]
# **Check.** The middle detector calls {{ alarms["semi-supervised"]["good"]:.0f }} % of the good ones bad. Where does that come from?
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
# Distance from the middle works for a cloud. Pictures of good hazelnuts, 196,608 numbers each, are assumed to lie on a thin,
# winding part of that space. An **autoencoder** learns that part. It has two halves:
#
# * the **encoder** squeezes the input into a few numbers, the *latent vector*;
# * the **decoder** rebuilds the input from them: the **reconstruction**.
#
# It is trained to rebuild its input, which would be trivial without the narrow waist, the *bottleneck*. What all
# training examples share need not go
# through: the weights hold it. The latent numbers are left for what *differs* between good ones. An input that differs in
# another way should come back wrong. That error, the **residual**, is the anomaly score.
#
# The smallest example: points in a plane (2 numbers) through a latent vector of 1 number, with linear layers.


# %% tags=["setup"]
def near_the_line(count, seed):
    """Points near the line y = x / 2: [count, 2]."""
    rng = np.random.default_rng(seed)
    points = np.outer(rng.normal(0, 1, count), [2, 1]) / np.sqrt(5)
    return points + rng.normal(0, 0.08, (count, 2))


line = near_the_line(200, seed=0)  # [200, 2]
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


def reconstruct(points):
    """What the trained autoencoder makes of points [N, 2]."""
    with torch.no_grad():
        return decoder(encoder(torch.tensor(points, dtype=torch.float32))).numpy()


# %%
residual_of = {}
figure, ax = plt.subplots(figsize=(7.5, 4))
ax.scatter(line[:, 0], line[:, 1], s=8, color=GOOD, label="training points")
ends = reconstruct(np.array([[-3.0, -1.5], [4.2, 2.1]]))
ax.plot(ends[:, 0], ends[:, 1], color="black", linewidth=1, label="everything the decoder can say")
for point, colour, marker, name in ((off, DEFECT, "s", "off the line"), (far, OTHER, "^", "far along the line")):
    (rebuilt,) = reconstruct(point[None])  # [2]
    residual_of[name] = np.linalg.norm(point - rebuilt)
    ax.plot([point[0], rebuilt[0]], [point[1], rebuilt[1]], color=colour, linewidth=1.5)
    ax.scatter(point[0], point[1], color=colour, marker=marker, s=50, label=f"{name}: residual {residual_of[name]:.2f}")
    print(f"{name}: residual {residual_of[name]:.2f}")
ax.set(aspect="equal", xlabel="first number", ylabel="second number")
ax.legend(fontsize=9, loc="upper left")
plt.show()

# %% [markdown]
# Whatever goes in, a point on the black line comes out. The direction of the line, which all points share, sits in the decoder's
# weights; the latent number only says *where on the line*. How far a point off the line was moved is its residual.

# %% tags=["claim"]
# claim: the weights hold what points share, the latent number what differs
slope = decoder.weight[1, 0].item() / decoder.weight[0, 0].item()
assert abs(slope - 0.5) < 0.03  # the line y = x / 2
assert abs(np.corrcoef(encoder(x).detach().numpy()[:, 0], line @ [2, 1])[0, 1]) > 0.99

# %% [markdown]
# The second point is far from all training data, yet its residual is small ({{ residual_of["far along the line"]:.2f }} against
# {{ residual_of["off the line"]:.2f }}): it lies where the line continues.
# **A small residual says "I can rebuild this", not "this is normal".** Keep that in mind.

# %% tags=["claim"]
# claim: the far point is farther from all training points, and has the smaller residual
nearest = {name: np.linalg.norm(line - point, axis=1).min() for name, point in (("off", off), ("far", far))}
assert nearest["far"] > nearest["off"]
assert residual_of["far along the line"] < residual_of["off the line"] / 10

# %% [markdown]
# The article calls its autoencoder *generative*. It is not, nor is this one: nothing says how likely a latent number is, nor draws
# new ones; there is no density and no sampling. (A *variational* autoencoder adds both.)
#
# Trained long enough, a linear autoencoder with squared error gives the same line as **principal component analysis** (PCA),
# which needs no training loop:

# %%
# NBVAL_CHECK_OUTPUT
_, _, directions = np.linalg.svd(line, full_matrices=False)
first = directions[:1]  # [1, 2], the direction of largest spread
of_pca = line @ first.T @ first  # [200, 2]
print("autoencoder and PCA agree:", np.allclose(reconstruct(line), of_pca, atol=0.02))

# %% [markdown]
# ## From a line to a curve
#
# Layers with a nonlinearity between them can bend the line. Again there is one latent number, but the good
# points lie on a half circle. The background is the residual of every place: bright is "I cannot rebuild this".

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
# The dark valley follows the good points, and runs on a little beyond their ends: nobody told the network what to do there.

# %% tags=["claim"]
# claim: small on the arc; 0.3 away from the good points it is smallest below the ends, at most two thirds of the usual
with torch.no_grad():
    assert (bent(x) - x).norm(dim=-1).median() < 0.05
nearest = torch.cdist(plane.reshape(-1, 2), x).min(dim=1).values.reshape(160, 160)  # to a training point
ring = (nearest > 0.3) & (nearest < 0.35)
assert residual[ring].min() < residual[ring].median() / 1.5
assert plane[ring][residual[ring].argmin()][1] < 0  # below the ends of the arc

# %% [markdown]
# ## On to pictures
#
# A picture of 256 × 256 pixels in three colours is a point in 196,608 dimensions. The linear autoencoder works
# there too. Here is PCA of good training images, with 32 latent numbers:

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
rebuilt = (mean + z @ directions).reshape(3, 256, 256).clip(0, 1)
linear_map = np.abs(test.images[chosen] / 255 - rebuilt).max(axis=0)  # [256, 256]
mask = test.masks[chosen]  # bool [256, 256]
on_defect, elsewhere = linear_map[mask].mean(), linear_map[~mask].mean()
brightest = 100 * mask[linear_map >= np.quantile(linear_map, 0.99)].mean()
print(f"mean residual: {on_defect:.2f} on the {defect}, {elsewhere:.2f} elsewhere")
print(f"of the brightest 1 % of the pixels, {brightest:.0f} % are {defect}")
figures.panels(
    [[test.images[chosen], rebuilt, linear_map, mask]],
    titles=["original", f"rebuilt from {components} numbers", "residual", "ground truth"],
    caption=f"{defect}: a linear autoencoder (PCA) of {len(x)} good images. {lesson.data_words}.",
)

# %% [markdown]
# The reconstruction is a mixture of training images, and none of them has white letters. So the *print*, letters stamped on the
# shell, stays behind: {{ brightest:.0f }} % of the brightest 1 % belong to it. (This is one image, white on brown; [notebook
# 6](06_residual_thresholding.ipynb)
# shows all kinds, with the article's network.) Edges and texture of the good shell stay behind as well.

# %% tags=["claim"]
# claim
assert brightest > 95
assert on_defect > 5 * elsewhere

# %% [markdown]
# The article's network does the same thing with twenty convolutional layers and 500 latent numbers. It is drawn here, and
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

# %%
figure, axes = plt.subplots(1, 2, figsize=(6, 3.3))
for ax, pixels, name in zip(axes, (truth, predicted), ("ground truth", "predicted"), strict=True):
    ax.pcolormesh(pixels, cmap="gray", edgecolors="0.6", linewidth=0.5)
    ax.set(title=name, aspect="equal", xticks=[], yticks=[])
    ax.invert_yaxis()  # the first row on top
plt.show()

# %% [markdown]
# **Check.** Count TP, FP, FN and TN in the picture, then run the cell.

# %%
# NBVAL_CHECK_OUTPUT
tp = int((predicted & truth).sum())  # defective, and found
fp = int((predicted & ~truth).sum())  # good, but marked: a false alarm
fn = int((~predicted & truth).sum())  # defective, but missed
tn = int((~predicted & ~truth).sum())  # good, and left alone
print(f"TP = {tp}, FP = {fp}, FN = {fn}, TN = {tn}, together {tp + fp + fn + tn} pixels")

# %% [markdown]
# Four measures are made from the four counts. Each asks another question:
#
# * **precision** = TP / (TP + FP): of what was marked, how much is defective?
# * **recall** = TP / (TP + FN): of what is defective, how much was marked?
# * **accuracy** = (TP + TN) / all: how many answers were right?
# * **F<sub>1</sub>** = 2 · precision · recall / (precision + recall), the *harmonic mean*: high only if both are.
#
# **Check.** Work them out from the counts above with a pencil, as fractions, then run the cell.

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
# from {{ f1:.3f }} to 0.8? (Three will do. Where no kernel runs you see the prediction from above.)

# %%
from hazelnut_ae.course import widgets

widgets.paint_a_mask(truth, predicted)

# %% tags=["claim"]
# claim: three clicks will do
better = predicted.copy()
better[[2, 3], 2] = True  # two missed pixels, now found
better[6, 0] = False  # a false alarm taken back
assert metrics.f1(metrics.confusion(better, truth)) >= 0.8

# %% [markdown]
# ## How each measure can be fooled
#
# Accuracy looks best of all four: {{ accuracy:.3f }}. Now consider a detector that never marks anything.

# %%
# NBVAL_CHECK_OUTPUT
counts = metrics.confusion(np.zeros_like(truth), truth)
silent = metrics.accuracy(counts)
print(f"marks nothing: accuracy {silent:.3f}, recall {metrics.recall(counts):.3f}")

# %% [markdown]
# {{ silent:.3f }} for doing nothing, because most pixels are good. So the article rightly turns to F<sub>1</sub>, which ignores the true
# negatives. But F<sub>1</sub> has the opposite blind spot: where most things are defective, calling *everything* defective looks
# good. And both hang on one [threshold](../book/teach/glossary.md), the score above which we say "defective".
#
# A measure that needs no threshold is **AUROC**: take one defective and one good pixel (or image) at random; how often does
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
# Always put the **constant answers** beside a score: "everything is defective" and "nothing is". Here is the better of the two, for the
# 40 good and 70 defective test images of MVTec AD's hazelnuts, and for pixels of which two in a hundred are defective:

# %%
# NBVAL_CHECK_OUTPUT
constant = {}
for what, good_ones, defective_ones in (("images", 40, 70), ("pixels", 98, 2)):
    is_defective = np.array([False] * good_ones + [True] * defective_ones)
    answers = [np.full(len(is_defective), answer) for answer in (True, False)]  # all defective, none
    both = [metrics.confusion(answer, is_defective) for answer in answers]
    constant[what] = {
        "accuracy": max(metrics.accuracy(c) for c in both),
        "F1": max(metrics.f1(c) for c in both),
        "AUROC": max(metrics.image_auroc(answer.astype(float), is_defective) for answer in answers),
    }
print(pd.DataFrame(constant).T.round(2))

# %% [markdown]
# F<sub>1</sub> is {{ constant["images"]["F1"]:.2f }} without looking at a single image! [Notebook 8](08_results_table.ipynb) shows that this
# beats three of the four published systems which the article compares itself with. **Accuracy and F<sub>1</sub> depend on how many
# defects the test set happens to have.** AUROC does not, and every constant answer gets {{ constant["images"]["AUROC"]:.1f }}.

# %% tags=["claim"]
# claim: the same constant answer, two test sets
assert constant["images"]["F1"] > 10 * constant["pixels"]["F1"]
assert constant["images"]["AUROC"] == constant["pixels"]["AUROC"] == 0.5

# %% [markdown]
# ## What AUROC does not say
#
# *It flatters where defects are rare.* Scores are drawn twice from the same two bell curves; only the share of defective ones
# differs. Beside AUROC stands F<sub>1</sub> at the best of all thresholds:

# %%
rng = np.random.default_rng(0)
flattered = {}
for share in (0.64, 0.02):  # of the images, of the pixels
    is_defective = np.arange(50_000) < share * 50_000
    scores = rng.normal(0, 1, 50_000) + 2 * is_defective
    f1s = [metrics.f1(metrics.confusion(scores > tau, is_defective)) for tau in np.linspace(-2, 5, 71)]
    flattered[share] = {"AUROC": metrics.image_auroc(scores, is_defective), "best F1": max(f1s)}
pd.DataFrame(flattered).T.rename_axis("share defective").round(2)

# %% [markdown]
# The same detector, the same AUROC; but at 2 % the best F<sub>1</sub> is {{ flattered[0.02]["best F1"]:.2f }}.

# %% tags=["claim"]
# claim
assert abs(flattered[0.64]["AUROC"] - flattered[0.02]["AUROC"]) < 0.01
assert flattered[0.02]["best F1"] < flattered[0.64]["best F1"] / 2

# %% [markdown]
# *It wavers on a small test set.* Let a detector have a true AUROC of 0.90. Draw 1000 test sets of the article's size, 40 good and 70
# defective images:

# %%
is_defective = np.arange(110) >= 40
drawn = [metrics.image_auroc(rng.normal(0, 1, 110) + 1.812 * is_defective, is_defective) for _ in range(1000)]
low, high = np.quantile(drawn, [0.025, 0.975])
print(f"mean {np.mean(drawn):.3f}; 95 % of the test sets give between {low:.2f} and {high:.2f}")

# %% tags=["claim"]
# claim: the same detector, more than a tenth apart
assert abs(np.mean(drawn) - 0.90) < 0.005
assert high - low > 0.1

# %% [markdown]
# Two systems at {{ low:.2f }} and {{ high:.2f }}, each tested on a set of its own, may be equally good.
# [Notebook 8](08_results_table.ipynb) makes such an interval from one test set.
#
# *It judges the ranking only.* A system can rank with an AUROC of 0.97 and find next to nothing at its threshold: AE(SSIM) in
# [notebook 8](08_results_table.ipynb). No single number will do; we look at several, and at the pictures.

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
# **3 (medium).** Give the linear autoencoder *two* latent numbers instead of one and train it on `line` until its loss is below
# 1e-5. (With another seed the 300 steps above may be too few.) What is the residual of the point `off` now, and why? What does that
# say about a latent vector that is too large?

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
    loss = ((wide(points) - points) ** 2).mean().item()
    assert loss < 1e-5, f"its loss on `line` is {loss:.0e}; train on"
    point = torch.tensor(off, dtype=torch.float32)
    assert (wide(point) - point).norm() < 0.1, "with two numbers for two numbers even this point can be rebuilt"

# %% [markdown] tags=["solution"]
# With two numbers for two numbers nothing has to be left out: the network learns the identity and rebuilds anything, the
# defect included. It detects nothing. The bottleneck is not a drawback of the method, it *is* the method.

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
# **5 (hard).** The far point on the line fooled the residual. Write a score that is larger for *both* strange points than for
# 99.9 % of 20,000 new good points (`near_the_line(20_000, seed=1)`). Combine the residual with something of the
# latent number alone, and learn from `line` only.


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


limit = np.quantile(strangeness(near_the_line(20_000, seed=1)), 0.999)
print("both found:", bool((strangeness(np.stack([off, far])) > limit).all()))

# %% tags=["check"]
with check(5):
    new = near_the_line(20_000, seed=1)
    of_new, of_strange = strangeness(new), strangeness(np.stack([off, far]))
    assert of_new.shape == (20_000,), "one number for each point"
    limit = np.quantile(of_new, 0.999)
    assert of_strange[0] > limit, "the point off the line passes"
    assert of_strange[1] > limit, "the point far along the line passes"
    assert np.isclose(strangeness(new[:5]), of_new[:5]).all(), "a point's score must not hang on the points beside it"

# %% [markdown] tags=["solution"]
# Scaling the latent number and the residual by their own spread and adding their squares gives the distance from the
# beginning of this notebook, along the axes of the cloud: the *Mahalanobis distance*. Detectors on top of deep features
# ([PaDiM](https://arxiv.org/abs/2011.08785), for one) use it as their score. The limit is taken from thousands of new points because
# the 99.9 % quantile of only 200 lies between the two largest.

# %% [markdown]
# ## In short
#
# * A detector that learns from good ones alone can find defects it was never shown; a classifier finds what resembles its examples.
# * An autoencoder rebuilds its input through a bottleneck. What good ones share sits in its weights, how they differ passes
#   through the bottleneck; the rest stays behind in the residual.
# * Precision, recall, F<sub>1</sub> and accuracy count; a constant answer can fool them, so put it beside them.
# * AUROC needs no threshold, flatters where defects are rare, and on 110 images is known to a few hundredths only.
#
# ## In practice
#
# * Before you train anything, ask what is labelled. With plenty of examples of *every* defect that matters, try a supervised
#   network first.
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
