# %% [markdown]
# # 8 · The results table, and how to read it
#
# **What you'll do.** Check the article's table with a pocket calculator, find out what its borrowed rows count, and put a
# measured table with intervals beside it.
#
# **What you'll learn.** Two misprints and one mix-up, each proved from numbers; the difference between counting pixels and
# counting images; what an honest comparison looks like.
#
# **What you'll need.** [Notebook 7](07_threshold_and_latent_size.ipynb). One minute on two cores.
#
# The code of this lesson: `hazelnut_ae/results.py`, with `hazelnut_ae/metrics.py` and `hazelnut_ae/published.py`.

# %% tags=["setup"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display

from hazelnut_ae import figures, metrics, published, results, shipped
from hazelnut_ae.course.lesson import setup
from hazelnut_ae.published import ARTICLE_TABLE

lesson = setup()

# %% [markdown]
# ## The article's table
#
# As printed, in its last section. The first four rows are its own measurements; the other four are borrowed from the
# literature.

# %%
printed = pd.DataFrame([vars(row) for row in ARTICLE_TABLE])
printed.style.format(precision=2).hide()

# %% [markdown]
# ## First check: does each F1 follow from its own row?
#
# F<sub>1</sub> is the harmonic mean of recall and precision, so the last column can be recomputed. All numbers are rounded to
# two digits; we allow for that.


# %% tags=["setup"]
# NBVAL_CHECK_OUTPUT
def harmonic_mean(a, b):
    """2ab / (a + b), the F1 of a recall and a precision."""
    return 2 * a * b / (a + b)


for row in ARTICLE_TABLE:
    computed = harmonic_mean(row.recall, row.precision)
    verdict = "" if abs(computed - row.f1) < 0.011 else "<-- does not follow"
    print(f"{row.system:22s} {row.defect:5s} printed {row.f1:.2f}, computed {computed:.2f} {verdict}")

# %% [markdown]
# Six rows agree. *Cut* and *hole* do not, and the two wrong values are each other's right ones: **they are swapped.** The
# package's proof allows for every possible rounding and comes to the same. The article's own curves are a second witness:
# its Figures 6 and 7 end near 0.75 for cut and 0.56 for hole.

# %%
# NBVAL_CHECK_OUTPUT
print("swapped:", published.swapped_f1())

# %% [markdown]
# An everyday slip. It matters because the best result of the whole table, 0.75, stands in the wrong row.

# %% [markdown]
# ## Second check: what do the borrowed rows count?
#
# The other four rows carry the names of systems from the MVTec AD paper (Bergmann et al., CVPR 2019). Its Table 2 does print
# two numbers for each system, and they are these. But they are neither precision nor recall of pixels. They are rates of
# **images**:
#
# * the share of *good* images that were accepted: the **true-negative rate**, TNR;
# * the share of *defective* images that were rejected: the **true-positive rate**, TPR (which is the recall of images).
#
# How can we be sure? A second paper (CAVGA, ECCV 2020) prints one number per system: the *mean* of the two rates. If
# "precision" is a TNR and "recall" a TPR, their mean must be that number.

# %%
# NBVAL_CHECK_OUTPUT
for row in published.borrowed_rates():
    second = "no second source" if row["second_source"] is None else f"second source {row['second_source']:.2f}"
    print(f"{row['system']:22s} ({row['tnr']:.2f} + {row['tpr']:.2f}) / 2 = {row['mean_of_rates']:.3f}, {second}")

# %% [markdown]
# Three of three agree to the rounding. (The dictionary's row has the same layout, but no second source known to us; we read
# it the same way and say so.)
#
# So what do the **0.93 and 0.84** of AE(L2) mean? Of the 40 good test images 93 % were accepted, that is 37; of the 70
# defective ones 84 % were rejected, that is 59. In images, and at the threshold of that paper:

# %%
# NBVAL_CHECK_OUTPUT
for row in ARTICLE_TABLE[4:]:
    c = published.image_confusion(row)
    p, r, f1 = metrics.precision(c), metrics.recall(c), metrics.f1(c)
    print(f"{row.system:22s} finds {c.tp:4.1f} of 70, false alarms {c.fp:4.1f} of 40: ", end="")
    print(f"precision {p:.2f}, recall {r:.2f}, F1 {f1:.2f}")
c = published.call_everything_defective()
print(f"{'everything is defective':22s} finds 70 of 70, false alarms 40 of 40: ", end="")
print(f"precision {metrics.precision(c):.2f}, recall {metrics.recall(c):.2f}, F1 {metrics.f1(c):.2f}")

# %% [markdown]
# (The counts are not whole because the rates are rounded.) Now draw these F<sub>1</sub> beside the answer that needs no
# detector:

# %%
names = [row.system for row in ARTICLE_TABLE[4:]]
image_f1 = [metrics.f1(published.image_confusion(row)) for row in ARTICLE_TABLE[4:]]
constant = metrics.f1(published.call_everything_defective())
figure, ax = plt.subplots(figsize=(7.5, 2.6))
ax.barh(names, image_f1, color="0.6")
ax.axvline(constant, color="black", linestyle="--")
ax.text(constant - 0.01, 3.35, "'everything is defective'", ha="right", fontsize=9)
ax.invert_yaxis()
ax.set(xlabel="F1 of images, from the published rates", xlim=(0, 1))
plt.show()

# %% [markdown]
# The constant answer beats three of the four. That does not make those systems useless: they were run at one threshold,
# set from good images alone, at which they raise few alarms of any kind. It makes F<sub>1</sub> **at one threshold** a bad way to compare
# them.
#
# And the article's conclusion, that its method beats AE(SSIM), AnoGAN and the dictionary and loses against AE(L2)? It set
# F<sub>1</sub> of *pixels* beside rates of *images*. Neither half of the sentence can be read from the table. Only running
# the systems on the same images, under the same measures, can tell; [notebook 9](09_comparison_systems.ipynb) does that.

# %% [markdown]
# ## Measured: this run, with intervals
#
# `results.evaluate` computes everything at once. Each number comes with a 95 % interval: the test images are drawn a thousand
# times with replacement, and measured again each time (*bootstrap*). Few images make wide intervals. The column *counts*
# says what is counted. Beside it stands what calling everything defective would have scored.

# %%
test = lesson.dataset.test
result = results.evaluate("article", lesson.maps, test, lesson.held_out_maps, tau_printed=True)


def compact(result):
    """The columns of the results table that fit on a page: one row per defect, pixels counted."""
    frame = results.results_table(result, category=None)
    ours = frame[(frame["source"] == "measured here") & (frame["counts"] == "pixel")].reset_index(drop=True)
    constant = frame[(frame["source"] != "measured here") & (frame["counts"] == "pixel")]
    wanted = ["defect", "images", "τ", "F1", "τ label-free", "F1 label-free", "F1-max", "AUROC"]
    columns = [f"{name}{end}" for name in wanted for end in ("", " low", " high") if f"{name}{end}" in ours]
    text = results.pretty(ours[columns])
    text["F1 if all were defective"] = [f"{value:.2f}" for value in constant["F1"]]
    return text.style.hide()


def in_images(result):
    """What the same run says about whole images, in a sentence; a threshold from good images only."""
    block = result["images"]
    auroc, tnr, tpr = ("?" if block[key] is None else f"{block[key]:.2f}" for key in ("auroc", "tnr", "tpr"))
    return f"Images: AUROC {auroc}, TNR {tnr}, TPR {tpr}."


print(lesson.caption)
print(in_images(result))
compact(result)

# %% [markdown]
# The F<sub>1</sub> of each defect at the article's τ, with its interval, and the article's own values (cut and hole put
# right). Mind that the article's were measured on the full set of real hazelnuts, after choosing τ on the test images; ours
# on the data named in the caption.

# %%
blocks = result["defects"]
names = list(blocks)
theirs = {row.defect: published.corrected_f1(row) for row in ARTICLE_TABLE[:4]}
figure, ax = plt.subplots(figsize=(7, 0.9 + 0.5 * len(names)))
for row, (name, style) in enumerate(figures.styles(names).items()):
    block = blocks[name]
    low, high = block["intervals"]["f1"] or (block["f1"], block["f1"])
    ax.plot([low, high], [row, row], color=style["color"], linewidth=2)
    ax.scatter(block["f1"], row, color=style["color"], marker=style["marker"], s=50, zorder=3)
    ax.scatter(block["f1_all_defective"], row, color="0.6", marker="|", s=120)
    if name in theirs:
        ax.scatter(theirs[name], row, facecolor="none", edgecolor="black", s=70, zorder=2)
ax.scatter([], [], color="black", marker="o", label="this run, 95 % interval")
ax.scatter([], [], color="0.6", marker="|", s=120, label="every pixel defective")
ax.scatter([], [], facecolor="none", edgecolor="black", s=70, label="the article")
ax.set_yticks(range(len(names)), names)
ax.set(xlabel="F1 of pixels at the printed τ", xlim=(0, 1), ylim=(len(names) - 0.5, -0.5))
ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# One thing stands out: the order is turned around. The article finds cuts best and prints worst; this code finds prints
# among the best and cuts worst, on synthetic nuts here and on real ones below. A print is white and covers about 3 % of the
# image, a cut is a thin scratch and covers less than 1 %, so the order that we measure is the one you would guess from the
# pictures of notebook 2. Why the article's is another we cannot tell: its maps are not public, and of its code only a smaller
# variant for 128 pixels is.
#
# ## Measured on real images
#
# The same code, run on photographs. Only the numbers are shown here, since the photographs have licences of their own:

# %%
mvtec = "Bergmann et al., CVPR 2019, CC BY-NC-SA 4.0"
credits = {
    "mvtec_hazelnut_128": f"Hazelnut of MVTec AD ({mvtec}), 37 good training images, 41 test images, "
    "128 pixels; not the official split.",
    "hazelnut_toy": "Hazelnut toy of the anomalib project (Intel, CC BY 4.0), 28 good training images, 23 to test.",
    "transistor": f"Transistor of MVTec AD ({mvtec}), 213 good training images, 100 to test; orientation kept.",
}
for name, credit in credits.items():
    real = shipped.measured(name)
    if real is not None:
        print(credit)
        print(in_images(real))
        display(compact(real))

# %% [markdown]
# ## Published AUROC, to hold them against
#
# AUROC needs no threshold, so it can be compared between papers, if the test images are the same ones.

# %%
literature = pd.DataFrame([vars(one) for one in published.AUROC_RESULTS if one.category == "hazelnut"])
literature["source"] += np.where(literature["checked"], "", " (to be checked)")
literature = literature[["system", "counts", "auroc", "overlap", "source"]]
literature.style.format(precision=3, na_rep="").hide()

# %% [markdown]
# ## An honest comparison
#
# A table of results says something only if every row answers the same question. A checklist:
#
# 1. **The same unit.** Pixels or images; say which, in the table.
# 2. **The same images.** Not another split, another resolution, another category.
# 3. **The same right to peek.** Thresholds, epochs and sizes chosen without the test images, for all systems or for none.
# 4. **A ranking and a decision.** AUROC *and* F<sub>1</sub> at a τ that could have been known; plus the constant answer.
# 5. **Uncertainty.** Intervals over images; several seeds.
# 6. **Pictures** of the median case, not of the best.
#
# By this list the article's own four rows are pixel-level F<sub>1</sub> at a τ chosen on the test images, and its last four
# are image-level rates at a label-free threshold. Both are worth knowing. They do not belong in one column.

# %% [markdown]
# ## Exercises

# %% [markdown] tags=["exercise"]
# **1 (easy).** A factory makes 1 % defective nuts. AE(L2) works there with its published rates, TNR 0.93 and TPR 0.84. Of 10,000
# nuts, how many alarms are there, and how many of them are false? What is its precision now?

# %% tags=["try"]
# 10,000 nuts: 100 defective, 9,900 good

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
tp, fp = 0.84 * 100, 0.07 * 9900
print(f"{tp + fp:.0f} alarms, {fp:.0f} of them false: precision {tp / (tp + fp):.2f}")

# %% [markdown] tags=["solution"]
# Nine of ten alarms are false, with the same system whose precision on the test set was 0.95. TNR and TPR belong to the
# system, precision and F<sub>1</sub> belong to the system *and* the mixture.

# %% [markdown] tags=["exercise"]
# **2 (medium).** For which share of defective images does AE(L2) (TNR 0.93, TPR 0.84) have the same F<sub>1</sub> as "everything
# is defective"?

# %% tags=["try"]
# share = np.linspace(0.01, 0.99, 99)

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
share = np.linspace(0.001, 0.999, 999)
ours = 2 * 0.84 * share / (2 * 0.84 * share + 0.07 * (1 - share) + 0.16 * share)
everything = 2 * share / (1 + share)
print(f"beaten by the constant answer above a share of {share[np.argmax(everything > ours)]:.2f}")

# %% [markdown] tags=["exercise"]
# **3 (medium).** Do the bootstrap by hand: draw the test images of one defect 500 times with replacement, pool their pixels,
# and compare your 95 % interval of F<sub>1</sub> with the table's.

# %% tags=["try"]
# rng.integers(n, size=n) draws n image numbers with replacement

# %% tags=["solution"]
test, maps = lesson.dataset.test, lesson.maps
name = test.defect_names[0]
of_defect = np.flatnonzero(np.array(test.defects) == name)
counts = np.array([metrics.confusion(maps[i] > 0.2, test.masks[i]) for i in of_defect])  # [n, 4]: tp, fp, fn, tn
rng = np.random.default_rng(0)
draws = counts[rng.integers(len(counts), size=(500, len(counts)))].sum(axis=1)  # [500, 4]
f1 = 2 * draws[:, 0] / np.maximum(2 * draws[:, 0] + draws[:, 1] + draws[:, 2], 1)
print(f"{name}: 95 % interval {np.quantile(f1, 0.025):.2f} to {np.quantile(f1, 0.975):.2f}")

# %% [markdown] tags=["solution"]
# Whole images are drawn, not pixels: the pixels of one image are neighbours, and they are right or wrong together. Drawing
# 65,536 pixels of 9 images as if they were independent would give an interval far too narrow.

# %% [markdown] tags=["exercise"]
# **4 (hard).** Rewrite the article's conclusion in four sentences that its numbers support.

# %% tags=["try"]
# in words

# %% [markdown] tags=["solution"]
# *One possibility.* A convolutional autoencoder trained on good hazelnuts alone marks defective pixels with an F1 of 0.35
# (print), 0.36 (crack), 0.58 (hole) and 0.74 (cut) at thresholds that were chosen on the test images. Its precision is
# higher than its recall throughout: what it marks is mostly defective, but it misses the larger part of prints and cracks.
# The published rates of four other systems count images instead of pixels and cannot be set beside these numbers. Whether
# one of them marks hazelnuts better has to be measured on the same images. (Notebook 9 measures it.)

# %% [markdown]
# ## In practice
#
# * Recompute every derived number of a paper before you build on it. It takes minutes.
# * When a borrowed number looks odd, go to its source and ask: what was counted, at which threshold, on which images?
# * Report errors kindly, and with the proof.
#
# ## Further reading
#
# * P. Bergmann et al., *MVTec AD*, CVPR 2019, Tables 2 and 3: where the borrowed rows come from.
# * S. Venkataramanan et al., *Attention Guided Anomaly Localization in Images* (CAVGA), ECCV 2020: the second source.
# * B. Efron, R. Tibshirani, *An Introduction to the Bootstrap*, 1993.
#
# **Back:** [7 · Threshold and latent size](07_threshold_and_latent_size.ipynb) ·
# **Next:** [9 · The comparison systems](09_comparison_systems.ipynb) · [Solutions](solutions/08_results_table.ipynb)
