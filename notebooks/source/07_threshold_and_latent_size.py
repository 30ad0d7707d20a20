# %% [markdown]
# # 7 · Threshold and latent size: two dials, and how not to cheat with them
#
# **What you'll do.** Turn the threshold τ, draw all thresholds at once, choose τ without a single label, and measure what the
# size of the latent vector does.
#
# **What you'll learn.** Why τ = 0.1 floods the image; which measure answers which question; what good images tell of a
# threshold and what they cannot; what is known about latent sizes.
#
# **What you'll need.** [Notebook 6](06_residual_thresholding.ipynb). Two minutes on two cores. For you an hour and
# three quarters: thresholds and measures 50 minutes, without labels 15, latent size 10, exercises 30. The numbers in the text are those of the
# painted nuts and the run that comes along; with other images, read your own.
#
# The code of this lesson: `hazelnut_ae/thresholds.py` and `hazelnut_ae/curves.py`.

# %% tags=["setup"]
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from scipy import ndimage

from hazelnut_ae import figures, metrics, shipped, thresholds
from hazelnut_ae.course import widgets
from hazelnut_ae.course.checks import check
from hazelnut_ae.course.lesson import setup
from hazelnut_ae.curves import region_weights

lesson = setup()
test = lesson.dataset.test
maps = lesson.maps  # float32 [N, 256, 256] in [0, 1]
rows = {name: np.flatnonzero(np.array(test.defects) == name) for name in test.defect_names}
styles = figures.styles(list(rows))

# %% [markdown]
# ## Three thresholds
#
# The article shows one print image (Figure 13) and what is marked at τ = 0.1, 0.2 and 0.7 (Figure 14). Here is ours, the
# one of median F<sub>1</sub>:

# %%
defect = "print" if "print" in rows else test.defect_names[0]
tau = thresholds.printed_tau(defect)
median, _ = figures.representative(maps[rows[defect]], test.masks[rows[defect]], tau)
chosen = rows[defect][median]
note = f"{defect}, the image of median F1 at τ = {tau:g}. {lesson.caption}"
figure = figures.image_and_mask(test.images[chosen], test.masks[chosen], note)
lesson.show(figure, "figure_13_threshold_image")

# %%
lesson.show(figures.thresholds(maps[chosen], (0.1, 0.2, 0.7), note), "figure_14_thresholds")

# %% [markdown]
# Too low, and good pixels flood the picture; too high, and the defect is gone. Over all test images:

# %%
for tau in (0.1, 0.2, 0.7):
    c = metrics.confusion(maps > tau, test.masks)
    print(f"τ = {tau}: {100 * c.tp / max(c.tp + c.fn, 1):5.2f} % of the defective pixels found, ", end="")
    print(f"{100 * c.fp / (c.fp + c.tn):.2f} % of the good ones marked: {c.fp / max(c.tp, 1):.2f} for each one found")

# %% [markdown]
# **Why does 0.1 flood?** Is 0.1 not far above the usual error? Look at good pixels alone:

# %%
on_good = maps[~test.masks]
squares = ((test.images / 255 - lesson.reconstructions) ** 2).mean(axis=1)  # [N, 256, 256]
typical = np.sqrt(squares[~test.masks].mean())  # the root of the loss
print(f"typical error of one colour: {typical:.3f}")
print(f"good pixels for each defective one: {len(on_good) / test.masks.sum():.0f}")
for share in (0.5, 0.9, 0.99, 0.999):
    print(f"{100 * share:4.1f} % of the good pixels have a residual below {np.quantile(on_good, share):.3f}")
steepness = np.hypot(*np.gradient(test.images.mean(axis=1), axis=(1, 2)))  # [N, 256, 256]
on_edge = steepness > np.quantile(steepness, 0.9, axis=(1, 2), keepdims=True)  # the tenth with the steepest grey values
flood = (maps > 0.1) & ~test.masks
print(f"of those above 0.1, {100 * on_edge[flood].mean():.0f} % lie on edges, a tenth of the picture")

# %% [markdown]
# It is the long tail. Half of the good pixels err by next to nothing, one in a hundred by sixteen times as much: at edges, where a
# soft copy is wrong, and on patches of the shell where the copy has another shade. With 37 good pixels for
# each defective one, the 5 % above 0.1 outnumber the defective pixels that are found three to one. At 0.7 hardly anything is left: even white
# letters on brown seldom differ by more.

# %% [markdown]
# ## The dial
#
# Choose a kind of defect and an image, and move τ: left the picture, right where you stand on the F<sub>1</sub> curve of this
# kind. (Where no kernel runs you see τ = 0.2, and others in the strip below.)

# %%
taus = np.linspace(0.01, 0.8, 80)


def f1_of(name):
    """F1 of all images of a kind of defect at each of `taus`."""
    return [metrics.f1(metrics.confusion(maps[rows[name]] > t, test.masks[rows[name]])) for t in taus]


f1_curves = {name: f1_of(name) for name in rows}


def look(kind, number, tau):
    """One image of a kind of defect at one τ, beside the F1 curve."""
    i = rows[kind][min(number, len(rows[kind])) - 1]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), width_ratios=[1, 1.5], layout="constrained")
    plt.close(figure)  # the widget shows it
    axes[0].imshow(figures.marked(test.images[i], maps[i] > tau, test.masks[i]).transpose(1, 2, 0))
    axes[0].set_axis_off()
    axes[1].plot(taus, f1_curves[kind], color="black")
    axes[1].axvline(tau, color=figures.DEFECTIVE, linestyle="--")
    axes[1].set(xlabel="τ", ylabel=f"F1 of all {kind} images", ylim=(0, 1))
    axes[1].set_title(f"τ = {tau:.2f}: F1 = {np.interp(tau, taus, f1_curves[kind]):.2f}")
    return figure


widgets.interactive_figure(
    look,
    kind=ipywidgets.Dropdown(options=list(rows), value=defect, description="defect"),
    number=widgets.slider(int(median) + 1, 1, max(map(len, rows.values())), 1, "image"),
    tau=widgets.slider(0.2, 0.02, 0.8, 0.01, "τ"),
)

# %%
strip = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
pictures = [figures.marked(test.images[chosen], maps[chosen] > t, test.masks[chosen]) for t in strip]
figures.panels([pictures], [f"τ = {t:g}" for t in strip], caption=f"Found orange, truth outlined. {note}", panel=150)

# %% [markdown]
# ## All thresholds at once
#
# Count good and defective pixels in bins of the residual once; what lies above τ is a sum of bins (its own included).

# %%
edges = np.linspace(0, 1, 501)  # τ in steps of 0.002


def from_here_on(counts):
    """How much lies in each bin and to the right of it: [3, 2, 1] -> [6, 3, 1, 0]."""
    return np.append(counts.sum() - np.cumsum(counts) + counts, 0)


def curves(maps, masks):
    """Four rates for τ = each of `edges`, from maps and masks [N, H, W]: a dict of [501]."""
    tp = from_here_on(np.histogram(maps[masks], edges)[0])
    fp = from_here_on(np.histogram(maps[~masks], edges)[0])
    weights, regions = region_weights(masks)  # each defective pixel weighs 1 / size of its region
    of_regions = from_here_on(np.histogram(maps[masks], edges, weights=weights[masks])[0])
    return {
        "recall": tp / max(masks.sum(), 1),
        "false alarms": fp / max((~masks).sum(), 1),
        "precision": np.divide(tp, tp + fp, out=np.full(len(edges), np.nan), where=tp + fp > 0),
        "F1": 2 * tp / np.maximum(tp + fp + masks.sum(), 1),
        "regions found": of_regions / max(regions, 1),
    }


curves_of = {name: curves(maps[of_defect], test.masks[of_defect]) for name, of_defect in rows.items()}
of_all = curves(maps, test.masks)

# %%
figure, axes = plt.subplots(1, 3, figsize=(13, 4))
for name, of_defect in curves_of.items():
    style = {key: styles[name][key] for key in ("color", "linestyle")}
    axes[0].plot(of_defect["false alarms"], of_defect["recall"], **style)
    axes[1].plot(of_defect["recall"], of_defect["precision"], **style)
    axes[2].plot(edges, of_defect["F1"], label=name, **style)
    printed = thresholds.printed_tau(name)
    here = np.interp(printed, edges, of_defect["F1"])
    axes[2].scatter(printed, here, color=style["color"], marker=styles[name]["marker"])
axes[0].plot(of_all["false alarms"], of_all["regions found"], color="black", label="mean region, all defects")
axes[0].plot([0, 1], [0, 1], color="0.6", linestyle=":", label="a map of chance")
axes[0].axvspan(0, 0.3, color="0.93", label="where PRO is measured")
axes[0].set(xlabel="share of good pixels marked", ylabel="recall", title="ROC curve", xlim=(0, 1), ylim=(0, 1))
axes[1].set(xlabel="recall", ylabel="precision", title="precision–recall curve", xlim=(0, 1), ylim=(0, 1))
axes[2].set(xlabel="τ (marks: the article's)", ylabel="F1", title="F1 by threshold", xlim=(0, 0.8), ylim=(0, 1))
axes[0].legend(fontsize=8, loc="lower right")
axes[2].legend(fontsize=8)
figure.tight_layout()
plt.show()

# %% [markdown]
# Each point of the first two curves is one τ: far left a large one (little marked, mostly right), far right a small one (all
# found, mostly wrong). A better map comes nearer to the upper corner: the left one of ROC, the right one of precision–recall. The
# measures of the field come from these curves:
#
# | measure | what it is | when to use it |
# |---|---|---|
# | **F<sub>1</sub>** at a τ | of precision and recall there | what the detector does as it is set |
# | **overlap** (IoU) | TP / (TP + FP + FN) = F<sub>1</sub> / (2 − F<sub>1</sub>) | the same question, a smaller number |
# | **F<sub>1</sub>-max** | the top of the right curve | is it the map or the τ that fails? A ceiling, never a result |
# | **AUROC** | area under the ROC curve: the chance that a defective pixel scores above a good one | does the map rank? It cannot see how rare defects are |
# | **average precision** | area under the precision–recall curve | does it rank well enough for rare defects? |
# | **PRO** (per-region overlap) | area under the black curve (found share of each connected defect, averaged), up to 30 % of good pixels marked, divided by 0.3 | when a small region counts as much as a large one |

# %%
table = {}
for name, of_defect in rows.items():
    best = metrics.PixelMetrics().update(maps[of_defect], test.masks[of_defect]).compute()
    f1 = np.interp(thresholds.printed_tau(name), edges, curves_of[name]["F1"])
    table[name] = {"F1 at τ": f1, "overlap": f1 / (2 - f1), "F1-max": best["f1_max"], "AUROC": best["auroc"]}
    table[name] |= {"AP": best["average_precision"], "PRO": best["pro"]}
pd.DataFrame(table).T.round(2)

# %% [markdown]
# They disagree, since they ask different things. By AUROC cuts (0.97) are easier than cracks (0.93); by average precision (AP)
# cracks are, 0.65 to 0.27: pixels of cuts are rare, and few false alarms are enough to drown them.
#
# Why so? Two bells show it, the scores of good items and those of defective ones: move their distance, the share of defective
# ones, and τ.

# %%
widgets.score_distributions()

# %% [markdown]
# Make defects rare, from 10 % to 1 %: the ROC curve and its AUROC stay as they are to the last digit, average precision falls from
# 0.67 to 0.27, and the τ of the best F<sub>1</sub> moves from 1.7 to 2.5.
#
# **Check.** One point of the curves, counted directly:

# %%
# NBVAL_CHECK_OUTPUT
name = test.defect_names[0]
directly = metrics.f1(metrics.confusion(maps[rows[name]] > edges[100], test.masks[rows[name]]))
print(f"F1 at τ = {edges[100]:.1f} agrees:", np.isclose(directly, curves_of[name]["F1"][100], atol=1e-3))

# %% [markdown]
# **Pooled or per image?** The article counts the pixels of all images of a defect in one pot. Then large defects decide:

# %%
for name, of_defect in rows.items():
    found = maps[of_defect] > thresholds.printed_tau(name)
    masks = test.masks[of_defect]
    pooled = metrics.f1(metrics.confusion(found, masks))
    per_image = [metrics.f1(metrics.confusion(one, mask)) for one, mask in zip(found, masks, strict=True)]
    by_size = np.argsort(-masks.sum(axis=(1, 2)))
    large, small = by_size[: (len(by_size) + 1) // 2], by_size[(len(by_size) + 1) // 2 :]
    share = masks[large].sum() / masks.sum()
    recalls = [found[some][masks[some]].mean() for some in (large, small)]
    print(f"{name:8s} F1 pooled {pooled:.2f}, of the median image {np.median(per_image):.2f}; ", end="")
    print(f"the {len(large)} largest of {len(masks)} hold {100 * share:.0f} % of the pixels, ", end="")
    print(f"recall {recalls[0]:.2f} there, {recalls[1]:.2f} in the others")

# %% [markdown]
# Cracks: 0.39 in one pot, 0.52 for the median image. The five largest hold 96 % of the crack pixels, and there the detector finds a
# quarter; in the four small ones more than half. The pot asks how much defective *area* is found, the median how a usual *image*
# fares. Say which one you print.

# %% [markdown]
# ## A threshold without labels
#
# The article chose τ while looking at the test masks. A factory has none: who knows the defects needs no detector. It has **good**
# images. A tenth of them was kept out of training; their maps show how large a residual gets where nothing is wrong. Three
# rules make a τ of that:
#
# * **quantile:** the value that one in a thousand, or one in a hundred, of the [held-out](../book/teach/glossary.md) pixels exceeds;
# * **largest region** (the MVTec AD paper's): raise τ until every connected patch above it is smaller than some area;
# * **exponential** (the package's default): residuals of good pixels fall off about exponentially, a straight line on a
#   logarithmic axis. Then their mean μ fixes the whole tail: one pixel in a thousand exceeds about 6.9 μ.
#
# <details><summary>The exponential rule to the letter</summary>
#
# With f the least residual of all and μ the mean of an image (of several images, the median one), one pixel in a thousand
# exceeds τ = f + (μ − f) · ln 1000. As f is next to 0, that is 6.9 μ; and τ never exceeds the largest residual seen.
#
# </details>

# %%
# NBVAL_CHECK_OUTPUT
held_out = lesson.held_out_maps  # float32 [M, 256, 256]
f, mu = held_out.min(), np.median(held_out.mean(axis=(1, 2)))
exponential = min(f + (mu - f) * np.log(1000), held_out.max())
print("the package's rule:", np.isclose(exponential, thresholds.tau_label_free(held_out), rtol=0.001))

# %%
figure, ax = plt.subplots(figsize=(7.5, 3.4))
bins = np.linspace(0, 0.8, 81)
ax.hist(held_out.ravel(), bins, color="0.7", density=True, label=f"pixels of {len(held_out)} held-out good images")
ax.plot(bins, np.exp(-bins / mu) / mu, color="black", linewidth=1, label="exponential of their mean")
ax.axvline(exponential, color="black", linestyle="--", label=f"τ = {exponential:.3f}")
ax.set(yscale="log", xlabel="residual", ylabel="density (log)", ylim=(1e-4, 100))
ax.legend(fontsize=8)
plt.show()
print(f"held-out good pixels above the exponential rule's τ: {100 * (held_out > exponential).mean():.2f} %")

# %% [markdown]
# On the right the grey bars stand above the line: more than one good pixel in a thousand gets through, namely seven.
#
# Which rule? Whoever compares their F<sub>1</sub> on test images chooses with test labels, the sin of notebook 5. But good images
# alone tell three things. Does a rule keep its promise on good images that it has not seen (we leave out one at a time)? How far
# does τ move with other held-out images? (The **bootstrap**: draw them with replacement, a hundred times; the middle 90 τ
# lie between `low` and `high`.) And what does it average over? For `wider` we take the camera back: the same nuts, with 64 more
# pixels of empty ground on each side.

# %%
thresholds.rules_on_good_images(held_out).round(3)

# %% [markdown]
# * **The promise** (`marked`, in %). The quantiles keep theirs: 0.107 for 0.1 %, 1.013 for 1 %. The exponential rule promises 0.1 and
#   marks 0.720. The regions promise something else.
# * **Steadiness** (`low`, `high`). For their τ, the quantiles have the narrowest ranges, the regions the widest: there one image
#   decides. The exponential rule is not steadier than a quantile.
# * **The ground** (`wider`). μ averages over the empty ground, too: with more of it the exponential τ falls from 0.178 to 0.122, though
#   no nut has changed. The quantiles fall by less, the regions stay. So a τ belongs to *one* framing: crop your images, and
#   choose it anew.
#
# By all this: a quantile. One in a thousand or in a hundred? That is a price: 66 or 655 marked pixels on a good picture. **Good images
# tell what a rule costs, never what it finds.** For a person's eyes we take one in a hundred, whatever the curves above have shown.

# %%
chosen_tau = thresholds.tau_quantile(held_out, 0.01)
display(thresholds.rules_table(maps, test, held_out)[["tau", "f1", "of_f1_max"]].round(3))
table = {}
for name, of_defect in curves_of.items():
    f1, printed = of_defect["F1"], thresholds.printed_tau(name)
    table[name] = {"τ of the article": printed, "F1 there": np.interp(printed, edges, f1), "our τ": chosen_tau}
    table[name] |= {"F1 here": np.interp(chosen_tau, edges, f1), "best τ": edges[np.argmax(f1)], "F1-max": f1.max()}
pd.DataFrame(table).T.round(3)

# %% [markdown]
# The closing check: our τ reaches 0.997 of F<sub>1</sub>-max (`of_f1_max`), one in a thousand only 0.735. There was luck in it:
# good images could not tell. By defect it beats the article's τ at cracks and cuts and loses at holes and prints. The
# exponential rule reaches as much; but it became the package's default after a look at such numbers on four sets, these painted
# nuts among them. For that rule this is no check. (Over five sets neither wins: `hazelnut_ae/shipped/README.md`.)

# %% [markdown]
# ## AUROC 0.97, and nothing found
#
# AUROC asks only whether defective pixels score *higher*. A made-up detector that ranks very well, with small scores:

# %%
# NBVAL_CHECK_OUTPUT
rng = np.random.default_rng(0)
score_of_good = rng.normal(0.05, 0.02, 20_000)
score_of_defective = rng.normal(0.114, 0.03, 400)
scores = np.concatenate([score_of_good, score_of_defective])
is_defective = np.arange(len(scores)) >= len(score_of_good)
print(f"AUROC {metrics.image_auroc(scores, is_defective):.2f}")
for tau in (0.3, 0.1):
    c = metrics.confusion(scores > tau, is_defective)
    print(f"τ = {tau}: found {c.tp} of {c.tp + c.fn}, false alarms {c.fp}, F1 {metrics.f1(c):.2f}")

# %% [markdown]
# At τ = 0.3 it finds nothing, with the same AUROC. For AE(SSIM), an autoencoder that compares
# structure instead of colours, the MVTec AD paper reports on hazelnuts a pixel AUROC of **0.97**, better than the 0.95 of AE(L2),
# its twin with the L2 loss; and at the paper's [label-free](../book/teach/glossary.md) threshold an overlap of **0.00**, against 0.41 (source:
# [notebook 8](08_results_table.ipynb)). So: **ranking (AUROC), threshold (F<sub>1</sub> at a τ you could have known), and pictures. All
# three.**

# %% [markdown]
# ## The other dial: the size of the latent vector
#
# The article (section 5.2) argues: with *too few* latent numbers the network cannot draw details, and good pixels look
# defective; with *too many* it copies whatever it sees, the defect included. It gives no measurement. The linear autoencoder of
# notebook 1 (PCA) can change its latent size without training anew, so we can watch:

# %%
train = lesson.dataset.train.images[:128]
x = train.reshape(len(train), -1).astype(np.float32) / 255  # [N, 196608]
mean = x.mean(axis=0)
_, _, directions = np.linalg.svd(x - mean, full_matrices=False)  # [N, 196608]
y = test.images.reshape(len(test), -1).astype(np.float32) / 255 - mean
latent = y @ directions.T  # [M, N]

sizes = [k for k in (1, 2, 4, 8, 16, 32, 64, 127) if k < len(train)]
good, defective, best_f1, auroc = [], [], [], []
for k in sizes:
    difference = np.abs(y - latent[:, :k] @ directions[:k])  # [M, 196608]
    residual = difference.reshape(len(test), 3, 256, 256).max(axis=1)  # [M, 256, 256]
    good.append(residual[~test.masks].mean())
    defective.append(residual[test.masks].mean())
    measured = metrics.PixelMetrics().update(residual, test.masks).compute()
    best_f1.append(measured["f1_max"])
    auroc.append(measured["auroc"])
figure, axes = plt.subplots(1, 2, figsize=(10, 3.4))
axes[0].plot(sizes, good, color="0.4", marker="o", label="good pixels")
axes[0].plot(sizes, defective, color=figures.DEFECTIVE, marker="s", linestyle="--", label="defective pixels")
axes[1].plot(sizes, auroc, color="black", marker="o", label="pixel AUROC")
axes[1].plot(sizes, best_f1, color="black", marker="s", linestyle="--", label="F1-max, all images")
deep = metrics.PixelMetrics().update(maps, test.masks).compute()
for value, line in ((deep["auroc"], "-"), (deep["f1_max"], "--")):
    axes[1].axhline(value, color=figures.BLUE, linestyle=line, linewidth=1)
axes[1].plot([], [], color=figures.BLUE, label="the trained network, both")
axes[0].set(ylabel="mean residual", ylim=(0, None))
axes[1].set(ylim=(0, 1))
for ax in axes:
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.set_xlabel("latent numbers of the linear autoencoder")
    ax.legend(fontsize=8)
plt.show()
print(f"residual from {sizes[0]} to {sizes[-1]} numbers: good pixels {100 * (good[-1] / good[0] - 1):+.0f} %, ", end="")
print(f"defective pixels {100 * (defective[-1] / defective[0] - 1):+.0f} %")
top = int(np.argmax(best_f1))
print(f"F1-max is highest with {sizes[top]} numbers: {best_f1[top]:.2f}")
print(f"with {sizes[-1]} numbers: AUROC {auroc[-1]:.2f}, F1-max {best_f1[-1]:.2f}; ", end="")
print(f"the trained network: {deep['auroc']:.2f}, {deep['f1_max']:.2f}")

# %% [markdown]
# And the copies themselves, of the image from above:


# %%
def copy_of_size(k):
    """The image, its copy by the linear autoencoder with k latent numbers, and their difference."""
    copy = (mean + latent[chosen, :k] @ directions[:k]).reshape(3, 256, 256).clip(0, 1)
    difference = np.abs(test.images[chosen] / 255 - copy).max(axis=0)  # [256, 256]
    titles = ["original", f"copy from {k} numbers", "residual (white: 0.6)", "truth"]
    return figures.panels(
        [[test.images[chosen], copy, difference, test.masks[chosen]]], titles, caption=note, values=0.6
    )


size = ipywidgets.SelectionSlider(options=sizes, value=sizes[-1], description="numbers", continuous_update=False)
widgets.interactive_figure(copy_of_size, k=size)

# %% [markdown]
# The residual of good pixels falls with every latent number: the first half of the argument. So does that of *defective*
# pixels, for some of the defect is copied. But it falls by less (20 % against 34 %), so the contrast grows to the end. Of the
# second half there is a hint at most: F<sub>1</sub>-max is 0.38 with 16 numbers and 0.36 with 64.
#
# Is the deep network worth its steps? AUROC 0.93 to 0.87; but it has learnt from 352 nuts, PCA from 120. From the same nuts, and on
# smaller images, PCA comes out ahead ([notebook 10](10_beyond.ipynb)). Have the simple method ready.

# %% [markdown] tags=["detour"]
# ## A detour: the deep network at other sizes, measured
#
# *Skip it at first reading.* For the article's own network there is no shortcut: each size is a training run of its own, on the
# same data, with the same seed and number of steps:

# %%
study = shipped.latent_study()
if study is None:
    print("This version of the course comes without runs at other latent sizes.")
else:
    display(study.style.format(precision=3).format("{:.5f}", subset=["loss"]).hide())
    names = [column for column in study if column.startswith("f1_") and column != "f1_max"]
    ranges = {name: study[name].max() - study[name].min() for name in names}
    print(f"F1 moves most for {max(ranges, key=ranges.get).removeprefix('f1_')}: by {max(ranges.values()):.2f}")
    note = f"Synthetic hazelnuts, article preset cut to {study['epochs'][0]} epochs per size, seed 0."
    display(lesson.show(figures.latent_sizes(study, note), "figure_16_latent_sizes"))

# %% [markdown]
# On synthetic hazelnuts, with 20 epochs (1,100 steps) for each size, **neither of the article's two warnings shows.** From 16 to
# 2000 numbers the residual of good pixels stays between 0.034 and 0.037 and that of defective ones between 0.19 and 0.20; no
# F<sub>1</sub> moves by more than 0.08, and up and down without order.
#
# Why not? Two thoughts, neither tested here. Before the latent vector Table 1 has a layer of 32 × 8 × 8 = 2,048 numbers; so at
# any latent size the waist is narrow, beside 196,608 numbers of input. And a network that has only ever drawn good nuts may have
# no way to draw a crack, however many numbers describe it. It is one seed, one kind of object, the beginning of a training;
# and these F<sub>1</sub> are from the test images, so nobody may choose a size by them.

# %% [markdown]
# ## Exercises
#
# Below each there is a *check*: run it, and it says whether your answer holds.

# %% [markdown] tags=["exercise"]
# **1 (easy).** A missed defective pixel costs 100, a false alarm 1. Which τ of `candidates` is cheapest on the test images, and
# how many of the good pixels does it mark?

# %% tags=["try"]
candidates = np.linspace(0, 1, 501)
cheapest = candidates[100]  # replace it

# %% tags=["solution"]
candidates = np.linspace(0, 1, 501)
missed = [np.count_nonzero(maps[test.masks] <= tau) for tau in candidates]
alarms = [np.count_nonzero(maps[~test.masks] > tau) for tau in candidates]
cheapest = candidates[np.argmin(100 * np.array(missed) + np.array(alarms))]
best = metrics.PixelMetrics().update(maps, test.masks).compute()
print(f"cheapest τ {cheapest:.3f}, F1-max at τ {best['tau']:.3f}")
print(f"good pixels marked at the cheapest: {100 * (maps[~test.masks] > cheapest).mean():.0f} %")

# %% tags=["check"]
with check(1):
    missed_at = {tau: np.count_nonzero(maps[test.masks] <= tau) for tau in (cheapest, *np.linspace(0, 1, 101))}
    cost = {tau: 100 * missed + np.count_nonzero(maps[~test.masks] > tau) for tau, missed in missed_at.items()}
    cheaper = min(cost, key=cost.get)
    assert cost[cheapest] <= 1.001 * cost[cheaper], (
        f"τ = {cheaper:.2f} is cheaper: {cost[cheaper]}, not {cost[cheapest]}"
    )

# %% [markdown] tags=["solution"]
# The cheapest τ is far below that of the best F<sub>1</sub>, and it floods: 30 % of all good pixels are marked. The arithmetic is
# right, the question was not: nobody pays by the pixel. Costs belong to *nuts*, at an image threshold as in notebook 6.

# %% [markdown] tags=["exercise"]
# **2 (medium).** F<sub>1</sub> depends on how rare defects are. Imagine ten times as many good pixels with the same distribution of
# residuals. Write F<sub>1</sub> for each τ of `edges` under this assumption. How does the best one change, and how would AUROC?

# %% tags=["try"]
edges = np.linspace(0, 1, 501)
tp = np.array([np.count_nonzero(maps[test.masks] > tau) for tau in edges])
fp = np.array([np.count_nonzero(maps[~test.masks] > tau) for tau in edges])
f1_rare = 2 * tp / (tp + fp + test.masks.sum())  # as it is; change it

# %% tags=["solution"]
edges = np.linspace(0, 1, 501)
tp = np.array([np.count_nonzero(maps[test.masks] > tau) for tau in edges])
fp = np.array([np.count_nonzero(maps[~test.masks] > tau) for tau in edges])
f1 = 2 * tp / (tp + fp + test.masks.sum())
f1_rare = 2 * tp / (tp + 10 * fp + test.masks.sum())
print(f"F1-max {f1.max():.2f}, with ten times the good pixels {f1_rare.max():.2f}; AUROC stays as it is")

# %% tags=["check"]
with check(2):
    assert len(f1_rare) == 501, "one F1 for each τ"
    few = tuple(np.count_nonzero(maps[kind] > 0.04) for kind in (test.masks, ~test.masks))  # (TP, FP) at τ = edges[20]
    recall, precision = few[0] / test.masks.sum(), few[0] / (few[0] + 10 * few[1])
    by_hand = 2 * recall * precision / (recall + precision)
    assert np.isclose(f1_rare[20], by_hand, atol=1e-6), "ten times the false alarms, and nothing else"

# %% [markdown] tags=["solution"]
# The best F<sub>1</sub> falls from 0.45 to 0.24, and no map has changed. AUROC compares distributions, not amounts, so it does not
# move. Two test sets with different shares of defects can be compared by AUROC, and never by F<sub>1</sub>.

# %% [markdown] tags=["exercise"]
# **3 (medium).** The MVTec AD paper raises τ until the largest connected region above it, in held-out *good* images, is smaller
# than a given area. Make a dict from area to τ, with `thresholds.tau_region`, for the areas 2, 10, 100 and 1000. Who would
# tell you the area?

# %% tags=["try"]
tau_of_area = {}

# %% tags=["solution"]
tau_of_area = {}
for area in (2, 10, 100, 1000):
    tau_of_area[area] = thresholds.tau_region(lesson.held_out_maps, area)
    f1 = metrics.f1(metrics.confusion(maps > tau_of_area[area], test.masks))
    print(f"area {area:4d}: τ = {tau_of_area[area]:.3f}, F1 over all test images {f1:.2f}")

# %% tags=["check"]
with check(3):
    assert set(tau_of_area) == {2, 10, 100, 1000}, "one τ for each of the four areas"
    for area, tau in tau_of_area.items():
        lowest = thresholds.tau_region(lesson.held_out_maps, area)
        assert abs(tau - lowest) < 1e-6, f"area {area}: {lowest:.3f} is the lowest τ that leaves no such region"
        labels = [ndimage.label(one > tau, np.ones((3, 3)))[0] for one in lesson.held_out_maps]
        largest = max(np.bincount(one.ravel(), minlength=2)[1:].max() for one in labels)
        assert largest < area, f"area {area}: a region of {largest} pixels is left"
        assert tau < 1, "that τ lets nothing through at all"

# %% [markdown] tags=["solution"]
# The area decides everything, and the paper prints none; a single unlucky good image decides, too. Any rule needs a number
# from somebody. "One pixel in a hundred" can at least be explained to the owner of the factory, and tested on good images.

# %% [markdown] tags=["exercise"]
# **4 (hard).** The heart of PRO: `found_of_regions(found, masks)`, the share found of each connected region of the masks,
# averaged over the regions of all images. A region of ten pixels counts as much as one of ten thousand.


# %% tags=["try"]
def found_of_regions(found, masks):
    """The mean over the regions of bool masks [N, H, W] of the share that bool found [N, H, W] covers."""
    return found[masks].mean()  # this is recall: it counts pixels, not regions


# %% tags=["solution"]
def found_of_regions(found, masks):
    """The mean over the regions of bool masks [N, H, W] of the share that bool found [N, H, W] covers."""
    shares = []
    for one, mask in zip(found, masks, strict=True):
        labels, count = ndimage.label(mask, np.ones((3, 3)))  # pixels that touch at a corner are connected
        shares += [one[labels == number].mean() for number in range(1, count + 1)]
    return np.mean(shares)


for name, of_defect in rows.items():
    found, masks = maps[of_defect] > thresholds.printed_tau(name), test.masks[of_defect]
    sizes = [np.bincount(ndimage.label(mask, np.ones((3, 3)))[0].ravel())[1:] for mask in masks]
    sizes = np.concatenate(sizes)  # of all regions of this defect
    print(
        f"{name:8s} recall {found[masks].mean():.2f}, of the mean region {found_of_regions(found, masks):.2f}; ", end=""
    )
    print(f"{len(sizes)} regions on {len(masks)} images, {(sizes < 50).sum()} of them below 50 pixels")

# %% tags=["check"]
with check(4):
    two = np.zeros((2, 20, 20), bool)
    two[0, 2:12, 2:12] = True  # 100 pixels, all found
    two[1, 5, 5:9] = True  # 4 pixels, none found
    two[1, [12, 13, 14], [12, 13, 14]] = True  # 3 pixels that touch at corners: one region, two thirds found
    seen = two.copy()
    seen[1, 5] = seen[1, 14] = False
    assert np.isclose(found_of_regions(seen, two), 5 / 9), "(1 + 0 + 2/3) / 3 regions = 0.556"

# %% [markdown] tags=["solution"]
# For painted nuts and the run that comes along: cracks fare better by regions than by pixels (0.35 to 0.25), since the large ones
# are found worst; cuts fare worse (0.22 to 0.30): 5 of their 16 regions are chips below 50 pixels, and each counts like a cut.

# %% [markdown] tags=["exercise"]
# **5 (your own data).** "At most 300 marked pixels on a good picture", says the owner. Write `tau_for(good_maps, pixels)`: a τ at which
# a good image has, on average, that many marked pixels and not more. Then take good images of your own (`HAZELNUT_DATA=folder`),
# ask how many pixels the smallest defect has that matters, and choose.


# %% tags=["try"]
def tau_for(good_maps, pixels):
    """The τ at which float32 maps [N, H, W] of good images have `pixels` marked pixels on average."""
    return 0.2


# %% tags=["solution"]
def tau_for(good_maps, pixels):
    """The τ at which float32 maps [N, H, W] of good images have `pixels` marked pixels on average."""
    height, width = good_maps.shape[1:]
    return thresholds.tau_quantile(good_maps, pixels / (height * width))


on_test_good = maps[np.array(test.defects) == "good"]
for pixels in (30, 300, 3000):
    tau = tau_for(lesson.held_out_maps, pixels)
    marked = (on_test_good > tau).sum() / max(len(on_test_good), 1)
    print(f"{pixels:4d} pixels: τ = {tau:.3f}; on the good test images {marked:.0f} are marked on average")

# %% tags=["check"]
with check(5):
    for pixels in (50, 500):
        marked = (lesson.held_out_maps > tau_for(lesson.held_out_maps, pixels)).sum() / len(lesson.held_out_maps)
        assert 0.9 * pixels <= marked <= 1.01 * pixels, f"wanted {pixels} marked pixels per image, got {marked:.0f}"
    small = lesson.held_out_maps[:, ::2, ::2]
    marked = (small > tau_for(small, 500)).sum() / len(small)
    assert 450 <= marked <= 505, f"on smaller images {marked:.0f} marked pixels, not 500"

# %% [markdown] tags=["solution"]
# The promise holds about, not exactly: held-out images are few, and other good images have other residuals. On these
# painted test nuts 15 to 33 % less is marked than was asked for. What counts is the order: first the price, in a unit that its
# payer understands, then τ, then the test.

# %% [markdown]
# ## In short
#
# * AUROC ranks, F<sub>1</sub> decides at one τ, pictures convince: use all three.
# * Good images tell what a threshold costs, never what it finds.
# * With 16 to 2000 latent numbers no F<sub>1</sub> of the article's network moved by more than 0.08.
#
# ## In practice
#
# * Write down how τ was chosen, from which images, before you report a score at it.
# * Re-choose τ whenever lamp, lens or product change; it costs a few dozen good images.
# * Give users the dial. The cost of a missed defect is theirs to know.
#
# ## Further reading
#
# * T. Saito, M. Rehmsmeier, [*The Precision-Recall Plot Is More Informative than the ROC Plot When Evaluating Binary
#   Classifiers on Imbalanced Datasets*](https://doi.org/10.1371/journal.pone.0118432), PLoS ONE 10 (2015).
# * P. Bergmann et al., [*The MVTec Anomaly Detection Dataset*](https://doi.org/10.1007/s11263-020-01400-4), IJCV 129 (2021): thresholds from good images, and PRO.
#
# **Back:** [6 · Residual thresholding](06_residual_thresholding.ipynb) ·
# **Next:** [8 · The results table](08_results_table.ipynb) · [Solutions](solutions/07_threshold_and_latent_size.ipynb) ·
# **Play:** [τ against a defect that you drew](../book/playground/README.md)
