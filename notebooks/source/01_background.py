# %% [markdown]
# # 1 · Background: finding what nobody has seen before
#
# **What you'll do.** Detect anomalies three ways in a plane, build an autoencoder of a single number, let a linear
# autoencoder loose on hazelnuts, and count right and wrong answers by hand.
#
# **What you'll learn.** Why a network that only copies its input can find defects; what precision, recall, accuracy and
# F<sub>1</sub> measure, and how each of them can fool you.
#
# **What you'll need.** Python, NumPy and the basics of PyTorch. One minute on two cores. No data: unless
# `HAZELNUT_DATA` names a folder of your own, the hazelnuts are painted by the computer.
#
# The code of this lesson: `hazelnut_ae/metrics.py` and, for the drawings, `hazelnut_ae/diagrams.py`.
#
# This course rebuilds a published article, *Anomaly Detection with Auto-Encoders*, from beginning to end: a
# convolutional autoencoder learns what a good hazelnut looks like and lights up what is wrong with a bad one. Where the
# article leaves something out or contradicts itself, we look closer. That is part of the lesson.

# %% tags=["setup"]
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from hazelnut_ae import diagrams, figures, metrics
from hazelnut_ae.course.lesson import setup

lesson = setup()
GOOD, DEFECT, OTHER = "0.55", figures.DEFECTIVE, figures.BLUE  # one colour per role in this notebook

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
# (The article announces three categories and then leaves the list empty; these are the usual three, after
# Chandola, Banerjee and Kumar, 2009.)
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


def normalised_distance(points, reference):
    """How many standard deviations from the middle of the reference (Mahalanobis distance)."""
    centred = points - reference.mean(axis=0)  # [N, 2]
    inverse = np.linalg.inv(np.cov(reference.T))  # [2, 2]
    return np.sqrt(np.einsum("ni,ij,nj->n", centred, inverse, centred))  # [N]


supervised = LogisticRegression().fit(np.concatenate([good, scratch]), [0] * 300 + [1] * 40)
limit = np.quantile(normalised_distance(good, good), 0.99)
unlabelled = np.concatenate([good, scratch, stain])
rare = np.quantile(normalised_distance(unlabelled, unlabelled), 0.80)  # call the strangest fifth anomalous

detectors = {
    "supervised: good against scratches": lambda p: supervised.predict(p) == 1,
    "semi-supervised: unlike the good ones": lambda p: normalised_distance(p, good) > limit,
    "unsupervised: the strangest fifth": lambda p: normalised_distance(p, unlabelled) > rare,
}
side = np.linspace(-4, 4, 200)
plane = np.stack(np.meshgrid(side, side), axis=-1)  # [200, 200, 2]
figure, axes = plt.subplots(1, 3, figsize=(11, 3.7), sharey=True)
for ax, (name, detect) in zip(axes, detectors.items(), strict=True):
    alarm = detect(plane.reshape(-1, 2)).reshape(200, 200)
    ax.contourf(alarm, levels=[0.5, 1], colors=["#FBE3D0"], extent=(-4, 4, -4, 4))
    ax.scatter(*good.T, s=6, color=GOOD, label="good")
    ax.scatter(*scratch.T, s=14, color=DEFECT, marker="s", label="scratch (known)")
    ax.scatter(*stain.T, s=16, color=OTHER, marker="^", label="stain (new)")
    ax.set_title(name, fontsize=10)
axes[0].legend(fontsize=8, loc="lower left")
figure.supxlabel("shaded: where the detector raises the alarm", fontsize=9)
plt.show()

# %%
for name, detect in detectors.items():
    found = [round(100 * detect(points).mean()) for points in (scratch, stain, good)]
    print(f"{name:40s} scratches {found[0]:3d} %   stains {found[1]:3d} %   false alarms {found[2]:3d} %")

# %% [markdown]
# The supervised detector is certain that every stain is fine: it was asked "scratch or not?" and answers just that.
# The semi-supervised one finds both and never saw either. The unsupervised one has no clean reference to lean on: the
# defects themselves widen its idea of "usual".
#
# **Check.** The middle detector finds everything and calls 1 % of the good ones bad. Where does that 1 % come from?
# (Look at the line that sets `limit`.)

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

# %%
torch.manual_seed(0)
along = rng.normal(0, 1, 200)
line = np.outer(along, [2, 1]) / np.sqrt(5) + rng.normal(0, 0.08, (200, 2))  # near the line y = x / 2
line -= line.mean(axis=0)
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


off, far = np.array([[0.4, 1.2]]), np.array([[3.6, 1.8]])
figure, ax = plt.subplots(figsize=(6.5, 3.6))
ax.scatter(*line.T, s=8, color=GOOD, label="training points")
strange = ((off, DEFECT, "s", "off the line"), (far, OTHER, "^", "far along the line"))
for point, colour, marker, name in strange:
    copy = linear_copy(point)
    residual = np.linalg.norm(point - copy)
    ax.plot(*np.stack([point[0], copy[0]]).T, color=colour, linewidth=1.5)
    ax.scatter(*point.T, color=colour, marker=marker, s=50, label=f"{name}: residual {residual:.2f}")
ends = linear_copy(np.array([[-3.0, -1.5], [4.2, 2.1]]))
ax.plot(*ends.T, color="black", linewidth=1, label="everything the decoder can say")
ax.set_aspect("equal")
ax.legend(fontsize=8, loc="upper left")
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
ax.scatter(*arc.T, s=4, color="white")
figure.colorbar(shown, label="residual")
plt.show()

# %% [markdown]
# The dark valley follows the good points. It also runs on a little beyond the ends of the arc, and there may be other
# dark places: nobody told the network what to do where it has seen nothing.

# %% [markdown]
# ## On to pictures
#
# A picture of 256 × 256 pixels in three colours is a point in a space of 196,608 dimensions. The linear autoencoder works
# there too. Trained by PCA on the good training images alone, with a handful of latent numbers, it already does
# something useful.

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
figures.panels(
    [[test.images[chosen], copy, linear_map, test.masks[chosen]]],
    titles=["original", f"rebuilt from {components} numbers", "residual", "ground truth"],
    caption=f"{defect}: a linear autoencoder (PCA) of {len(x)} good images. {lesson.data_words}.",
)

# %% [markdown]
# The copy is a ghost made of average training images; it has no words for the defect, so the defect stays behind in the
# residual. Much else stays behind as well: the linear copy does not know edges and texture. The article's network does
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
# The detector marks pixels; a person has marked pixels too (the *mask*, or ground truth). Comparing the two gives four
# outcomes, as in the article's Figure 2:

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
figure, axes = plt.subplots(1, 3, figsize=(9, 3.2))
outcome = np.select([predicted & truth, predicted & ~truth, ~predicted & truth], [3, 2, 1], default=0)
drawings = ((truth, "ground truth"), (predicted, "predicted"), (outcome, "compared"))
for ax, (picture, name) in zip(axes, drawings, strict=True):
    ax.imshow(picture, cmap="gray" if picture.dtype == bool else "viridis", vmin=0)
    ax.set(xticks=[], yticks=[])
    ax.set_title(name, fontsize=10)
for row, column in np.argwhere(outcome > 0):
    name = {3: "TP", 2: "FP", 1: "FN"}[int(outcome[row, column])]
    colour = "black" if name == "TP" else "white"
    axes[2].text(column, row, name, ha="center", va="center", fontsize=7, color=colour)
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
# ## How accuracy misleads
#
# Accuracy looks best of all four: 91 %. Now consider a detector that never finds anything.

# %%
# NBVAL_CHECK_OUTPUT
nothing = np.zeros_like(truth)
counts = metrics.confusion(nothing, truth)
print(f"marks nothing: accuracy {metrics.accuracy(counts):.3f}, recall {metrics.recall(counts):.3f}")

# %% [markdown]
# 86 % for doing nothing, because most pixels are good. On photographs, where a defect covers a percent or two, doing
# nothing is 98 % accurate. So the article rightly turns to F<sub>1</sub>, which ignores the true negatives.

# %% [markdown]
# ## How even F1 misleads
#
# F<sub>1</sub> has the opposite blind spot. Count *images* instead of pixels: the hazelnut test set of MVTec AD has 40
# good and 70 defective images. A detector that calls **everything** defective reaches

# %%
# NBVAL_CHECK_OUTPUT
is_defective = np.array([False] * 40 + [True] * 70)
everything = np.ones(110, dtype=bool)
counts = metrics.confusion(everything, is_defective)
p, r, f1 = metrics.precision(counts), metrics.recall(counts), metrics.f1(counts)
print(f"precision {p:.2f}  recall {r:.2f}  F1 {f1:.2f}")

# %% [markdown]
# An F<sub>1</sub> of 0.78 without looking at a single image! In [notebook 8](08_results_table.ipynb) we shall see that
# this constant answer beats three of the four published systems which the article compares itself with, at the
# thresholds that were published. The lesson: **F<sub>1</sub> depends on how many defects the test set happens to have
# and on one threshold.** Always put the constant answer beside it.
#
# A measure without these two weaknesses is **AUROC**: take one defective and one good pixel (or image) at random; how
# often does the defective one have the higher anomaly score? It needs no threshold, and every constant answer gets 0.5.

# %%
# NBVAL_CHECK_OUTPUT
score_of_good = np.array([0.1, 0.2, 0.2, 0.4])
score_of_defective = np.array([0.3, 0.5, 0.2])
wins = score_of_defective[:, None] > score_of_good  # [3, 4], every pair
ties = score_of_defective[:, None] == score_of_good
by_hand = (wins + 0.5 * ties).mean()
scores = np.concatenate([score_of_good, score_of_defective])
print(f"by hand {by_hand:.4f}, package {metrics.image_auroc(scores, [False] * 4 + [True] * 3):.4f}")
print("a constant answer:", metrics.image_auroc(np.ones(7), [False] * 4 + [True] * 3))

# %% [markdown]
# AUROC has a weakness of its own: it judges the *ranking* and says nothing about whether any threshold in use is a good
# one. A system can rank almost perfectly and still mark not a single pixel. [Notebook 7](07_threshold_and_latent_size.ipynb)
# shows how. No single number will do; we will always look at several, and at the pictures.

# %% [markdown]
# ## Exercises

# %% [markdown] tags=["exercise"]
# **1 (easy).** Draw a prediction of your own for `truth` that has precision 1 and recall 1/3. What is its F<sub>1</sub>?
# And one with recall 1 and precision 1/3?

# %% tags=["try"]
# your drawing here, then: metrics.precision(metrics.confusion(to_mask(...), truth))

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
three_of_nine = np.zeros_like(truth)
three_of_nine[2, 2:5] = True  # three defective pixels and no good one
block = truth.copy()
block.flat[np.flatnonzero(~truth)[:18]] = True  # 27 pixels that hold all nine defective ones
for name, mask in (("precision 1", three_of_nine), ("recall 1", block)):
    c = metrics.confusion(mask, truth)
    print(f"{name}: precision {metrics.precision(c):.2f}, recall {metrics.recall(c):.2f}, F1 {metrics.f1(c):.2f}")

# %% [markdown] tags=["solution"]
# Both have F<sub>1</sub> = 0.5: the harmonic mean does not care which of the two is low, but it stays near the lower one.
# (The ordinary mean would have been 0.67.)

# %% [markdown] tags=["exercise"]
# **2 (easy).** A share *p* of all items is defective, and a detector calls everything defective. Show that its
# F<sub>1</sub> is 2*p*/(1 + *p*), and plot it. Where are the hazelnut images (*p* = 70/110), and where are hazelnut
# pixels (*p* ≈ 0.02)?

# %% tags=["try"]
# share = np.linspace(0, 1, 101)

# %% tags=["solution"]
share = np.linspace(0, 1, 101)
# TP = p, FP = 1 - p, FN = 0, so F1 = 2 TP / (2 TP + FP + FN) = 2p / (2p + 1 - p) = 2p / (1 + p)
figure, ax = plt.subplots(figsize=(5, 3))
ax.plot(share, 2 * share / (1 + share), color="black")
for p, name in ((70 / 110, "images: 0.78"), (0.02, "pixels: 0.04")):
    ax.scatter(p, 2 * p / (1 + p), color=DEFECT, zorder=3)
    ax.annotate(name, (p, 2 * p / (1 + p)), xytext=(8, -6), textcoords="offset points", fontsize=9)
ax.set(xlabel="share of defective items", ylabel="F1 of 'everything is defective'")
plt.show()

# %% [markdown] tags=["exercise"]
# **3 (medium).** Give the linear autoencoder *two* latent numbers instead of one and train it on `line` again. What is
# the residual of the point `off` now, and why? What does that say about a latent vector that is too large?

# %% tags=["try"]
# wide = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
points = np.outer(np.random.default_rng(0).normal(0, 1, 200), [2, 1]) / np.sqrt(5)
points += np.random.default_rng(1).normal(0, 0.08, (200, 2))
x = torch.tensor(points, dtype=torch.float32)
torch.manual_seed(0)
wide = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
optimizer = torch.optim.Adam(wide.parameters(), lr=0.02)
for _ in range(3000):
    loss = ((wide(x) - x) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
point = torch.tensor([[0.4, 1.2]])
with torch.no_grad():
    print("residual below 0.01:", bool((wide(point) - point).norm() < 0.01))

# %% [markdown] tags=["solution"]
# With two numbers for two numbers nothing has to be left out: the network learns the identity and copies anything, the
# defect included. It detects nothing. The narrow waist is not a drawback of the method, it *is* the method.

# %% [markdown] tags=["exercise"]
# **4 (medium).** Two detectors score ten images. Find scores for which detector A has the higher AUROC but detector B the
# higher F<sub>1</sub> at the threshold 0.5.

# %% tags=["try"]
# is_defective = np.array([False] * 5 + [True] * 5)

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
is_bad = np.array([False] * 5 + [True] * 5)
a = np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.11, 0.12, 0.13, 0.14, 0.15])  # perfect order, all far below 0.5
b = np.array([0.1, 0.2, 0.3, 0.6, 0.9, 0.4, 0.7, 0.7, 0.8, 0.8])  # a muddle, but around 0.5
for name, scores in (("A", a), ("B", b)):
    c = metrics.confusion(scores > 0.5, is_bad)
    print(f"{name}: AUROC {metrics.image_auroc(scores, is_bad):.2f}, F1 at 0.5: {metrics.f1(c):.2f}")

# %% [markdown] tags=["exercise"]
# **5 (hard).** The far point on the line fooled the residual. Invent a second score from the latent vector alone that
# catches it, and combine the two so that both strange points are found with one threshold.

# %% tags=["try"]
# hint: how large is z for the training points?

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
_, _, vt = np.linalg.svd(points, full_matrices=False)
latent = points @ vt[0]  # [200], the latent number of each training point
rest = points @ vt[1]  # [200], what the latent number cannot say (the residual, with sign)
strange = np.array([[0.4, 1.2], [3.6, 1.8]])
score = lambda p: np.hypot((p @ vt[0]) / latent.std(), (p @ vt[1]) / rest.std())  # noqa: E731
limit = np.quantile(score(points), 0.999)
print("both found:", bool((score(strange) > limit).all()))

# %% [markdown] tags=["solution"]
# Scaling the latent number and the residual by their own spread and adding their squares gives the Mahalanobis distance
# from the beginning of this notebook. Detectors on top of deep features (PaDiM, for one) do just that.

# %% [markdown]
# ## In practice
#
# * Before you train anything, ask what is labelled. With plenty of examples of *every* defect that matters, a supervised
#   network will beat what follows. Usually there are not.
# * Write down what the constant answers score on your test set, before any model. Anything below is not a detector.
# * Decide whether you count pixels or images, and say so beside every number.
#
# ## Further reading
#
# * V. Chandola, A. Banerjee, V. Kumar, *Anomaly Detection: A Survey*, ACM Computing Surveys 41 (2009): the three
#   settings and many methods.
# * P. Baldi, K. Hornik, *Neural Networks and Principal Component Analysis*, Neural Networks 2 (1989): why the linear
#   autoencoder is PCA.
# * T. Fawcett, *An introduction to ROC analysis*, Pattern Recognition Letters 27 (2006).
#
# **Next:** [2 · The data set](02_dataset.ipynb) · [Solutions](solutions/01_background.ipynb) ·
# **Play:** [draw a defect and count](../book/playground/README.md)
