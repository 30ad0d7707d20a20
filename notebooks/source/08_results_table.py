# %% [markdown]
# # 8 · The results table, and how to read it
#
# **What you'll do.** Give every measure its question; measure this course's run with intervals, for pixels and for whole nuts;
# find two slips in the article's table; answer the article claim by claim.
#
# **What you'll learn.** Which measure to trust for what; when an interval says too much; how many defective nuts
# pass; what an honest comparison is.
#
# **What you'll need.** [Notebook 7](07_threshold_and_latent_size.ipynb), for thresholds. One minute on two cores; an hour
# and a half for you, exercises included. "The 1000-epoch run" is the one that comes along; it learned from 352 painted nuts. With other
# images, read your own numbers.
#
# The code of this lesson: `hazelnut_ae/results.py`, with `hazelnut_ae/metrics.py`, `hazelnut_ae/curves.py`,
# `hazelnut_ae/bootstrap.py` and `hazelnut_ae/published.py`.

# %% tags=["setup"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display

from hazelnut_ae import bootstrap, curves, detection, figures, metrics, published, results, shipped, thresholds
from hazelnut_ae.course import widgets
from hazelnut_ae.course.checks import check
from hazelnut_ae.course.lesson import setup
from hazelnut_ae.published import ARTICLE_TABLE

lesson = setup()
test = lesson.dataset.test
kinds = np.array(test.defects)  # [N], "good" among them

# %% [markdown]
# ## The article's table
#
# *Five minutes.* As printed, in its last section. The first four rows are its own measurements; the other four are borrowed from
# the literature.

# %%
printed = pd.DataFrame([vars(row) for row in ARTICLE_TABLE])
printed.style.format(precision=2).hide()

# %% [markdown]
# From it the article concludes that its method beats AE(SSIM), AnoGAN and the feature dictionary, and loses against AE(L2). But two things are wrong with the table:
#
# * The F<sub>1</sub> of cut and hole are **swapped**.
# * The borrowed rows do not count pixels. Their "recall" is the share of defective **images** that were refused (the true-positive
#   rate, TPR), their "precision" the share of good images that were accepted (the true-negative rate, TNR).
#
# So the conclusion sets F<sub>1</sub> of *pixels* beside rates of *images*. Neither half of it can be read from the table.

# %% tags=["claim"]
# claim: two F1 are swapped, and the rates of images explain every borrowed row that has a second source
assert published.swapped_f1() == [("cut", "hole")]
assert [one["confirmed"] for one in published.borrowed_rates()] == [True, True, True, None]

# %% [markdown] tags=["detour"]
# ## A detour: how we know
#
# *Skip it at first reading; fifteen minutes.* **First: does each F<sub>1</sub> follow from its own row?** It is the harmonic mean
# of recall and precision. Both are rounded to two digits: a recall of 0.69 may be anything from 0.685 to 0.695. So the
# F<sub>1</sub> is not known exactly either, but it must lie between two bounds:


# %%
# NBVAL_CHECK_OUTPUT
def harmonic_mean(a, b):
    """2ab / (a + b), the F1 of a recall and a precision."""
    return 2 * a * b / (a + b)


for row in ARTICLE_TABLE:
    low = harmonic_mean(row.recall - 0.005, row.precision - 0.005)
    high = harmonic_mean(row.recall + 0.005, min(row.precision + 0.005, 1))
    follows = low < row.f1 + 0.005 and high > row.f1 - 0.005  # the F1 is rounded, too
    print(f"{row.system:22s} {row.defect:5s} F1 between {low:.3f} and {high:.3f}, printed {row.f1:.2f}", end="")
    print("" if follows else "  <-- does not follow")

# %% [markdown]
# Six rows fit. *Cut* and *hole* do not. Exchange them, and they do: 0.75 stands for 0.745 to 0.755, and the bounds of cut reach
# up to 0.746; 0.57 stands for 0.565 to 0.575, and those of hole begin at 0.573. The article's own curves are a second witness:
# its Figures 6 and 7 end near 0.75 for cut and 0.56 for hole. (The package proves it the same way.)

# %%
# NBVAL_CHECK_OUTPUT
print("swapped:", published.swapped_f1())

# %% [markdown]
# An everyday slip. It matters because the article's best result of its own, 0.75, stands in the wrong row.
#
# **Second: what do the borrowed rows count?** They carry the names of systems from the MVTec AD paper (Bergmann et al., CVPR
# 2019). Its Table 2 prints two numbers for each system, and they are these: TNR and TPR, of images. A second paper (CAVGA, ECCV
# 2020) prints one number per system, the *mean* of the two rates. If "precision" is a TNR and "recall" a TPR, their mean must be
# that number.

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
# defective ones 84 % were refused, that is 59. In images, and at the threshold of that paper:

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
# (The counts are not whole because the rates are rounded.) The constant answer's F<sub>1</sub> of 0.78 beats three of the four.
# That does not make those systems useless: they were run at one threshold, set from good images alone, at which they raise few
# alarms of any kind. It makes F<sub>1</sub> **at one threshold** a bad way to compare them.

# %% [markdown]
# ## Which measure answers which question?
#
# *Fifteen minutes.* Notebook 7 moved one threshold. Move it from the largest residual to the smallest, and each value gives a point on two curves:
# left how much is found for how many good pixels marked (*ROC*), right how much of what is marked is
# defective (*precision–recall*). For the 1000-epoch run:

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for name, style in figures.styles(test.defect_names).items():
    of = kinds == name
    line = {key: style[key] for key in ("color", "linestyle")}
    taus = np.unique(np.quantile(lesson.maps[of], 1 - np.geomspace(1e-4, 1, 120)))
    c = [metrics.confusion(lesson.maps[of] > tau, test.masks[of]) for tau in taus]
    axes[0].plot([one.fp / (one.fp + one.tn) for one in c], [metrics.recall(one) for one in c], **line)
    axes[1].plot([metrics.recall(one) for one in c], [metrics.precision(one) for one in c], **line, label=name)
axes[0].set(xscale="log", xlim=(1e-4, 1), ylim=(0, 1), xlabel="share of good pixels marked (log)", ylabel="recall")
axes[1].set(xlim=(0, 1), ylim=(0, 1), xlabel="recall", ylabel="precision")
axes[1].legend(fontsize=9)
plt.show()

# %% [markdown]
# | measure | what it is | do not use it … |
# |---|---|---|
# | **F<sub>1</sub> at a τ** | of precision and recall, as the detector is set | … to rank maps: it judges map and τ together |
# | **F<sub>1</sub>-max** | F<sub>1</sub> at the best τ | … as a result: the best τ was found on the test masks |
# | **pixel AUROC** | area left (on a linear axis): the chance that a defective pixel scores above a good one | … alone where defects are rare, or between different framings |
# | **average precision** | area right | … between sets with another share of defects |
# | **PRO** | found share of each connected region, averaged, up to 30 % of good pixels marked | … if masks are coarse or fall apart by chance, if area matters, if 30 % is too much |
# | **image AUROC** | the chance that a defective image scores above a good one | … to say how many pass: that takes a τ |
#
# <details><summary>Why PRO, beside AUROC?</summary>
#
# Counted by pixels, one large defect outweighs many small ones: a map that shows it and misses all others can have a high AUROC. PRO,
# *per-region overlap*, is an ROC curve in which each connected region of the masks weighs the same, however large it is. The area up to
# 30 % of good pixels marked is divided by 0.3, so that 1 is perfect.
#
# </details>

# %%
table = {}
for name in test.defect_names:
    of, of_or_good = kinds == name, (kinds == name) | (kinds == "good")
    pixels = metrics.PixelMetrics().update(lesson.maps[of], test.masks[of]).compute()
    scores = metrics.image_scores(lesson.maps[of_or_good])
    table[name] = {"pixel AUROC": pixels["auroc"], "average precision": pixels["average_precision"]}
    table[name] |= {"PRO": pixels["pro"], "image AUROC": metrics.image_auroc(scores, kinds[of_or_good] != "good")}
    table[name]["PRO up to 5 %"] = curves.sorted_pro(lesson.maps[of], test.masks[of], limit=0.05)
by_kind = pd.DataFrame(table).T
by_kind.round(2)

# %% [markdown]
# They disagree, for they ask different things. By AUROC cuts are easier than cracks; by average precision cracks
# are: cuts have fewer pixels, and rarity lowers average precision (detour below). PRO allows 30 % of the
# good pixels to be marked; at 5 %, cracks fall from {{ by_kind["PRO"]["crack"]:.2f}} to {{ by_kind["PRO up to 5 %"]["crack"]:.2f}}.

# %% tags=["claim"]
# claim: AUROC and average precision disagree on cuts and cracks; a stricter PRO is smaller for every kind
assert by_kind["pixel AUROC"]["cut"] > by_kind["pixel AUROC"]["crack"]
assert by_kind["average precision"]["cut"] < by_kind["average precision"]["crack"]
assert (by_kind["PRO up to 5 %"] < by_kind["PRO"]).all()

# %% [markdown]
# Two traps, measured. **The framing**: each picture gains 64 pixels of empty ground on every side. No nut
# changed; does AUROC? **The constant answer**: what do "keep all" and "throw all away" reach, without any detector?

# %%
wider = [np.pad(a, ((0, 0), (64, 64), (64, 64))) for a in (lesson.maps, test.masks)]  # [N, 384, 384], residual 0
framing = [metrics.PixelMetrics().update(*pair).compute() for pair in ((lesson.maps, test.masks), wider)]
for label, one in zip(("as it is", "with more ground"), framing, strict=True):
    print(f"{label:17s} pixel AUROC {one['auroc']:.3f}, average precision {one['average_precision']:.3f}")
constant = {}
for what, truth in (("images", kinds != "good"), ("pixels", test.masks)):
    for answer, value in (("all good", False), ("all defective", True)):
        c = metrics.confusion(np.full(truth.shape, value), truth)
        auroc = metrics.image_auroc(np.full(truth.size, float(value)), truth.ravel())
        constant[f"{what}, {answer}"] = {"accuracy": metrics.accuracy(c), "F1": metrics.f1(c), "AUROC": auroc}
constant = pd.DataFrame(constant).T
constant.round(2)

# %% [markdown]
# Empty ground lifts AUROC from {{ framing[0]["auroc"]:.3f}} to {{ framing[1]["auroc"]:.3f}} and average precision not at all (its
# residual is below every defect's). A crop does the reverse: compare AUROC only between the same pictures. Accuracy of
# pixels is {{ constant["accuracy"]["pixels, all good"]:.2f}} for finding nothing; F<sub>1</sub> of images
# is {{ constant["F1"]["images, all defective"]:.2f}} for refusing everything. A score means what it has above its constant; AUROC's is always one half.

# %% tags=["claim"]
# claim: more ground helps AUROC and leaves average precision where it was; only AUROC has one constant
assert framing[1]["auroc"] > framing[0]["auroc"] + 0.01
assert abs(framing[1]["average_precision"] - framing[0]["average_precision"]) < 0.005
assert (constant["AUROC"] == 0.5).all()

# %% [markdown] tags=["detour"]
# ## A detour: rare defects, and one pot or many
#
# *Skip it at first reading; five minutes.* Two bells, the scores of good items and those of defective ones: move their distance, the share of
# defective ones, and τ. Make defects rare: which of the curves moves?

# %%
widgets.score_distributions()

# %%
from sklearn.metrics import auc

rarely = {}
for share in (0.1, 0.01):
    recall, _, precision, f1 = widgets.rates(np.linspace(-4, 8, 601), 2.0, share)
    rarely[share] = auc(recall, precision)
    print(f"defective: {share:.0%}; average precision {rarely[share]:.2f}, best F1 {f1.max():.2f}, AUROC 0.92")
of_image = {}
for name in test.defect_names:
    tau, of = thresholds.printed_tau(name), kinds == name
    each = [
        metrics.f1(metrics.confusion(m > tau, mask)) for m, mask in zip(lesson.maps[of], test.masks[of], strict=True)
    ]
    of_image[name] = {"F1 pooled": metrics.f1(metrics.confusion(lesson.maps[of] > tau, test.masks[of]))}
    of_image[name]["F1 of the median image"] = np.median(each)
of_image = pd.DataFrame(of_image).T
of_image.round(2)

# %% [markdown]
# AUROC does not know how rare defects are: it compares one defective item with one good one. Average precision falls from
# {{ rarely[0.1]:.2f}} to {{ rarely[0.01]:.2f}}, with the same two bells.
#
# And **pooled or per image?** The article counts the pixels of all images of a kind in one pot; large defects decide there.
# Cracks have {{ of_image["F1 pooled"]["crack"]:.2f}} in one pot, {{ of_image["F1 of the median image"]["crack"]:.2f}} for the median image. The pot asks how much
# defective *area* is found, the median how a usual *image* fares. Say which one you print.

# %% tags=["claim"]
# claim: rarer defects cost average precision; the median crack image fares better than the pot
assert rarely[0.01] < 0.5 * rarely[0.1]
assert of_image["F1 of the median image"]["crack"] > of_image["F1 pooled"]["crack"] + 0.1

# %% [markdown]
# ## Measured: the 1000-epoch run, with intervals
#
# *Fifteen minutes.* `results.evaluate` computes everything at once, for the pixels of each kind of defect
# ([pooled](../book/teach/glossary.md) over its images, as the article counts), for all pixels, and for whole images. Each number
# comes with a 95 % **interval**: the test images are drawn a thousand times with replacement, and measured again each time; the
# middle 95 % of the thousand lie in the brackets (*bootstrap*).

# %%
predicted, held_out = (detection.prediction_from_maps(maps) for maps in (lesson.maps, lesson.held_out_maps))
result = results.evaluate("article", predicted, test, held_out, thresholds.printed_tau)
NUMBERS = {"F1": "f1", "F1 label-free": "f1_label_free", "F1-max": "f1_max", "AUROC": "pixel_auroc"}


def with_interval(value, interval):
    """A number as the tables print it: 0.39 [0.21, 0.62]; blank where the data cannot give it."""
    if value is None:
        return ""
    return f"{value:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else f"{value:.2f}"


def pixel_table(result):
    """One row for each kind of defect, pixels counted."""
    table = {}
    for name, block in result["defects"].items():
        row = {"images": block["images"], "τ": f"{block['tau']:.3f}", "τ label-free": f"{block['tau_label_free']:.3f}"}
        row |= {column: with_interval(block[key], block["intervals"][key]) for column, key in NUMBERS.items()}
        table[name] = row | {"F1 if all were defective": f"{block['f1_all_defective']:.2f}"}
    return pd.DataFrame(table).T


print(lesson.caption)
pixel_table(result)

# %% [markdown]
# *F1* is at the article's τ; *label-free* at that of the exponential rule (notebook 7), from held-out good
# images; *max* at the best τ, which no user knows. The last column is the constant answer. Beside the article's own
# values (cut and hole put right), measured on real hazelnuts after choosing τ on the test images:

# %%
blocks = result["defects"]
names = list(blocks)
covered = {name: 100 * test.masks[kinds == name].mean() for name in names}  # % of the pixels
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
# The article finds cuts best and prints worst. This run finds prints above cuts, and there the intervals do not touch. All other neighbours
# overlap (hole and crack, too, in the article's order). Prints are white and cover {{ covered["print"]:.1f}} % of their images, cuts are thin and
# cover {{ covered["cut"]:.1f}} %. Why the order differs we cannot tell: the article's maps are not public.

# %% tags=["claim"]
# claim: prints are above cuts beyond their intervals, the article says the reverse; hole is above crack in both
assert blocks["print"]["intervals"]["f1"][0] > blocks["cut"]["intervals"]["f1"][1]
assert theirs["cut"] > theirs["print"]
assert blocks["hole"]["f1"] > blocks["crack"]["f1"]
assert theirs["hole"] > theirs["crack"]
assert blocks["crack"]["intervals"]["f1"][1] > blocks["print"]["intervals"]["f1"][0]  # they overlap

# %% [markdown]
# **How far to trust an interval?** The bootstrap knows only the images that it has. Test it where the truth is known: draw nine
# numbers from a normal distribution, ask for the interval of their mean, and count how often it holds the true mean.

# %%
# NBVAL_CHECK_OUTPUT
rng = np.random.default_rng(0)
coverage = {}
for n in (9, 40, 110):
    samples = rng.normal(size=(1000, n))  # 1000 test sets of n images; the true mean is 0
    means = np.einsum("sn,dn->sd", samples, rng.multinomial(n, np.full(n, 1 / n), size=500)) / n  # [1000, 500 draws]
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    coverage[n] = ((low < 0) & (high > 0)).mean()
    print(f"{n:3d} images: the 95 % interval holds the true mean {100 * coverage[n]:.0f} times in 100")


def auroc_interval(a, good, defective):
    """The 95 % interval of an AUROC after Hanley and McNeil (1982), from its value and the two counts alone."""
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (defective - 1) * (q1 - a * a) + (good - 1) * (q2 - a * a)) / (good * defective)
    return a - 1.96 * variance**0.5, min(a + 1.96 * variance**0.5, 1)


print("image AUROC 0.92 on the article's 40 + 70 images: {:.2f} to {:.2f}".format(*auroc_interval(0.92, 40, 70)))

# %% [markdown]
# From nine images even the interval of a mean is too narrow. And 1.00 [1.00, 1.00], as
# below for six good photographs, means "no error *yet*". Even the article's whole test set leaves an image AUROC
# of 0.92 open by a tenth.

# %% tags=["claim"]
# claim: nine images cover less than they promise; 40 nearly do; 110 leave about 0.1 open
assert coverage[9] < 0.92 < coverage[40]
assert np.diff(auroc_interval(0.92, 40, 70))[0].round(1) == 0.1

# %% [markdown]
# ## Measured on photographs
#
# *Ten minutes.* Only numbers: the photographs have licences. Each set has a network of its own: one fit, seed 0, by the
# recipe that `quick` had before (1,600 steps).

# %%
mvtec = "Bergmann et al., CVPR 2019, CC BY-NC-SA 4.0"
photographs = {  # name: (how many good images to train on, what they are)
    "mvtec_hazelnut_128": (37, f"Hazelnut of MVTec AD ({mvtec}), 41 test images, 128 pixels; not the official split."),
    "hazelnut_toy": (28, "Hazelnut toy of the anomalib project (Intel, CC BY 4.0), 23 to test; not an official split."),
    "transistor": (213, f"Transistor of MVTec AD ({mvtec}), 100 to test; orientation kept."),
}
real = {name: shipped.measured(name) for name in photographs}
for name, (good_images, credit) in photographs.items():
    print(f"{credit} {good_images} good images to train on.")
    display(pixel_table(real[name]))
misplaced = real["transistor"]["defects"]["misplaced"]

# %% [markdown]
# On real hazelnuts, too, prints are above cuts and the intervals do not touch; the order of crack and hole stays open. Of the misplaced transistors
# F<sub>1</sub> is *below* the constant answer at both τ ({{ misplaced["f1"]:.2f}} and {{ misplaced["f1_label_free"]:.2f}}
# against {{ misplaced["f1_all_defective"]:.2f}}): where two fifths of the picture are defective, a large F<sub>1</sub> is cheap.

# %% tags=["claim"]
# claim: prints above cuts on photographs, crack and hole overlap; misplaced transistors lose against the constant
nuts = {name: block["intervals"]["f1"] for name, block in real["mvtec_hazelnut_128"]["defects"].items()}
assert nuts["print"][0] > nuts["cut"][1]
assert nuts["crack"][0] < nuts["hole"][1]
assert nuts["hole"][0] < nuts["crack"][1]
assert max(misplaced["f1"], misplaced["f1_label_free"]) < misplaced["f1_all_defective"]

# %% [markdown]
# ## Whole images: how many defective nuts pass?
#
# *Ten minutes.* The same maps as decisions ([notebook 6](06_residual_thresholding.ipynb)): an image's score
# is the mean of its 100 largest residuals; held-out good images set τ so that, on average over such draws, the next good one is refused
# one time in ten at most (one in n + 1 with fewer than nine).


# %%
def decisions(result, good_images):
    """What is kept and what is thrown away; the intervals of rates are Wilson's, that of AUROC is a bootstrap's."""
    block = result["images"]
    good = block["good"]
    defective = block["images"] - good
    row = {"held out": max(2, round(0.1 * good_images))}
    row["image AUROC"] = with_interval(block["auroc"], block["intervals"]["auroc"])
    if block["tnr"] is not None and block["tpr"] is not None:
        accepted, refused = round(block["tnr"] * good), round(block["tpr"] * defective)
        row["good accepted"] = f"{accepted} of {good}"
        row["TNR"] = with_interval(block["tnr"], metrics.rate_interval(accepted, good))
        row["defective that pass"] = f"{defective - refused} of {defective}"
        row["TPR"] = with_interval(block["tpr"], metrics.rate_interval(refused, defective))
        row |= {"F1": f"{block['f1']:.2f}", "F1 of 'throw all away'": f"{block['f1_all_defective']:.2f}"}
    return row


table = {"1000-epoch run": decisions(result, len(lesson.dataset.train)) | {"held out": len(lesson.held_out_maps)}}
table |= {name: decisions(real[name], good_images) for name, (good_images, _) in photographs.items()}
decided = pd.DataFrame(table).T
few = metrics.rate_interval(4, 5)
decided

# %% [markdown]
# What passes: {{ decided["defective that pass"]["1000-epoch run"]}} painted nuts, {{ decided["defective that pass"]["mvtec_hazelnut_128"]}}
# real ones, {{ decided["defective that pass"]["transistor"]}} transistors, {{ decided["defective that pass"]["hazelnut_toy"]}} of the toy set.
# (Notebook 6 set τ by more held-out nuts; there fewer passed.) In three of four rows throwing everything away has the better
# F<sub>1</sub>.
#
# One of five good real hazelnuts is refused: of all good ones, anything from
# {{ few[0]:.2f}} to {{ few[1]:.2f}} may be accepted. With four held-out images nobody could have promised one in ten, only one in five.

# %% tags=["claim"]
# claim: in three of four rows throwing all away has the better F1; a third or more of the painted nuts pass
assert (decided["F1"].astype(float) < decided["F1 of 'throw all away'"].astype(float)).sum() == 3
assert result["images"]["tpr"] < 0.67
assert result["images"]["auroc"] > 0.85
assert decided["good accepted"]["mvtec_hazelnut_128"] == "4 of 5"

# %% [markdown]
# ## An honest comparison
#
# A table of results says something only if every row answers the same question:
#
# 1. **The same unit.** Pixels or images; say which, in the table.
# 2. **The same images**, in the same crop and resolution.
# 3. **The same right to peek.** Thresholds, epochs and sizes chosen without the test images, for all systems or for none.
# 4. **A ranking and a decision.** AUROC *and* F<sub>1</sub> at a τ that could have been known; plus the constant answer.
# 5. **Uncertainty.** Intervals over images; several seeds.
# 6. **Pictures** of the median case, not of the best.
#
# The article's table breaks rules 1, 3 and 4.

# %% [markdown]
# ## The article answered
#
# *Ten minutes.* Claim by claim. First, F<sub>1</sub> of this run at its three τ:

# %%
at = {tau: pd.Series(metrics.f1_by_defect(lesson.maps, test, tau)) for tau in (0.1, 0.2, 0.7)}
pd.DataFrame(at).round(2)

# %% [markdown]
# | claim | verdict | evidence | confidence |
# |---|---|---|---|
# | τ too high misses defects, F<sub>1</sub> falls (5.1) | right | above; notebook 7 | high |
# | τ too low marks good pixels, F<sub>1</sub> falls (5.1) | right for three of four kinds | above; notebook 7 | high for this run |
# | too small a latent space loses detail (5.2) | right: the smallest size has the largest error on good pixels | notebook 7, part 2 | high on painted nuts |
# | too large a one copies defects (5.2) | right for PCA, whose F<sub>1</sub>-max falls; the network copies little at any size | notebook 7, part 2 | high for PCA; low for the network: 800 steps |
# | AE(L2) is the best of the table (6) | cannot be read from it: images beside pixels | above; notebook 9 measures | high |
# | "we" lose to it in all three measures (6) | the same | the same | high |
# | "we" beat AnoGAN, AE(SSIM) and the dictionary (6) | not supported; on real hazelnuts AE(SSIM) is ahead in pixel AUROC | notebook 9 | high that the table cannot say it, low on who wins: one fit each |
# | AE(SSIM) has precision 100 % and poor recall (6) | it accepts 100 % of the good *images* and refuses 8 % of the defective | the detour above | high |
# | F<sub>1</sub> decides (4.1, 6) | at one τ "throw all away" can win | this page | high |
#
# **What choosing on the test set has touched.** Its τ, 0.2 and 0.25 by kind, were chosen on the test folders. So: the predicted pixels in Figures
# 9 to 12; the middle panel of Figure 14; every F<sub>1</sub> in Figures 6 and 7, whose "validation set" are these folders; the four own
# rows of the table. Figures 1 to 5 and 13 are free of it. Exercise 6 measures how much such a choice flatters.
#
# <details><summary>Three remarks of the article on the way</summary>
#
# * It calls the autoencoder *generative*. It is not: nothing tells which latent vectors belong to nuts, so none can be
#   drawn. AnoGAN (notebook 9) is.
# * Its BatchNorm has momentum 0.1 and ε = 10⁻⁶. PyTorch's defaults are 0.1 and 10⁻⁵; whether ε mattered it does not say.
# * It names energy, medicine and banking as fields of use. It tested one object; its numbers hold for that one.
#
# </details>

# %% tags=["claim"]
# claim: too high a τ costs F1 for every kind, too low a τ for three of four
assert (at[0.7] < at[0.2]).all()
assert (at[0.1] < at[0.2]).sum() == 3
ssim, ours = (
    next(one for one in shipped.measured("comparison_mvtec_hazelnut_128") if one["system"] == name)
    for name in ("AE(SSIM)", "article")
)
assert ssim["pixels"]["auroc"] > ours["pixels"]["auroc"] + 0.02

# %% [markdown] tags=["detour"]
# ## A detour: published numbers
#
# *Skip it at first reading.* *Overlap* is TP / (TP + FP + FN) of pixels at the MVTec AD paper's label-free τ. These numbers are from the
# official test images; ours are not, so they are no yardstick for us. (Numbers that we could not hold against their source are left out.)

# %%
literature = pd.DataFrame([vars(one) for one in published.AUROC_RESULTS if one.checked])
literature = literature[literature["category"] == "hazelnut"][["system", "counts", "auroc", "overlap", "source"]]
literature.style.format(precision=3, na_rep="").hide()

# %% [markdown]
# AE(SSIM) ranks with 0.97 and has an overlap of 0.00 at that τ: a good ranking is not yet a decision.

# %% [markdown]
# ## Exercises
#
# *Forty minutes.* Below each there is a *check*: run it, and it says whether your answer holds.

# %% [markdown] tags=["exercise"]
# **1 (easy).** A factory makes 1 % defective nuts. AE(L2) works there with its published rates, TNR 0.93 and TPR 0.84. Of 10,000
# nuts, how many alarms are there, and how many of them are false? What is its precision now?

# %% tags=["try"]
alarms, false_alarms, its_precision = 0, 0, 0  # of 10,000 nuts, 100 of them defective

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
found, false_alarms = 0.84 * 100, 0.07 * 9900
alarms = found + false_alarms
its_precision = found / alarms
print(f"{alarms:.0f} alarms, {false_alarms:.0f} of them false: precision {its_precision:.2f}")

# %% tags=["check"]
with check(1):
    assert abs(false_alarms - 693) <= 1, "of the 9,900 good nuts, 7 in a hundred are refused"
    assert abs(alarms - 777) <= 1, "alarms are false ones and right ones"
    assert abs(its_precision - 84 / 777) < 0.006, "precision: how many of the alarms are right?"

# %% [markdown] tags=["solution"]
# Nearly nine of ten alarms are false, with the same system whose precision on the test set was 0.95. TNR and TPR belong to the
# system at its τ; precision and F<sub>1</sub> belong to these *and* the mixture.

# %% [markdown] tags=["exercise"]
# **2 (medium).** For which share of defective images does AE(L2) (TNR 0.93, TPR 0.84) have the same F<sub>1</sub> as "everything
# is defective"? To two digits.

# %% tags=["try"]
shares = np.linspace(0.001, 0.999, 999)
equal_at = 0.5  # replace it

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
shares = np.linspace(0.001, 0.999, 999)
tp, fp, fn = 0.84 * shares, 0.07 * (1 - shares), 0.16 * shares
ours, everything = 2 * tp / (2 * tp + fp + fn), 2 * shares / (1 + shares)
equal_at = shares[np.argmax(everything > ours)]
print(f"beaten by the constant answer above a share of {equal_at:.2f}")

# %% tags=["check"]
with check(2):
    of_l2 = 2 * 0.84 * equal_at / (2 * 0.84 * equal_at + 0.07 * (1 - equal_at) + 0.16 * equal_at)
    assert 0 < equal_at < 1, "a share lies between 0 and 1"
    assert abs(of_l2 - 2 * equal_at / (1 + equal_at)) < 0.004, f"there AE(L2) has {of_l2:.2f}"

# %% [markdown] tags=["solution"]
# Above 0.83 of defective images the constant answer wins, though it knows nothing: F<sub>1</sub> never looks at the good images that
# were accepted, and where hardly any are good, accepting them earns nothing.

# %% [markdown] tags=["exercise"]
# **3 (medium).** Which of these sentences do the article's numbers support, cut and hole put right and the borrowed rows read as
# rates of images? Put the letters of
# all that are into `supported`. Then write the article's conclusion anew.
#
# * **a** Its network finds cuts better than AnoGAN does.
# * **b** Most of what its network marks is defective, for each kind of defect.
# * **c** Its network finds most of the defective pixels of prints.
# * **d** At its threshold AE(L2) refuses more of the defective images than AnoGAN at its own.
# * **e** AE(SSIM) cannot tell good hazelnuts from defective ones.
# * **f** By F<sub>1</sub> of images, AnoGAN at its threshold is worse than calling everything defective.

# %% tags=["try"]
supported = set()  # such as {"a", "c"}

# %% tags=["solution"]
supported = {"b", "d", "f"}

# %% tags=["check"]
with check(3):
    assert supported, "put letters into `supported`; of each sentence ask what its two numbers count"
    assert set(supported) <= set("abcdef"), "letters from a to f"
    assert "a" not in supported, "a: one of its numbers counts pixels, the other images"
    assert "e" not in supported, "e: one threshold says nothing of how well a system ranks"
    assert "c" not in supported, "c: what is the recall of prints?"
    missing = {"b", "d", "f"} - set(supported)
    assert not missing, f"{len(missing)} more of the six can be read from the numbers alone"

# %% [markdown] tags=["solution"]
# *One possibility.* A convolutional autoencoder trained on good hazelnuts alone marks defective pixels with an F1 of 0.35
# (print), 0.36 (crack), 0.58 (hole) and 0.74 (cut) at thresholds that were chosen on the test images. Its precision is
# higher than its recall throughout: what it marks is mostly defective, but it misses the larger part of prints and cracks.
# The published rates of four other systems count images instead of pixels and cannot be set beside these numbers. Whether
# one of them marks hazelnuts better has to be measured on the same images. (Notebook 9 measures it.)

# %% [markdown] tags=["exercise"]
# **4 (your own data).** You want to say of your own detector: "it accepts at least 90 % of the good parts, with 95 % confidence".
# Suppose it accepts every good test image that you have. How many must there be at least? Twice: `exact`, the smallest n for which
# a detector that accepts just 90 % would pass all n at most one time in twenty; and `by_wilson`, the smallest n for which the lower end of
# Wilson's interval (`metrics.rate_interval`) reaches 0.9. With `HAZELNUT_DATA=folder` this notebook prints the table for your images:
# may you say it of them?

# %% tags=["try"]
exact, by_wilson = 10, 10

# %% tags=["solution"]
# NBVAL_CHECK_OUTPUT
exact = next(n for n in range(1, 1000) if 0.9**n <= 0.05)
by_wilson = next(n for n in range(1, 1000) if metrics.rate_interval(n, n)[0] >= 0.9)
print(f"exact {exact}, by Wilson {by_wilson}")
for n in (5, 20):
    print(f"{n} of {n}: at least {0.05 ** (1 / n):.2f}, by Wilson {metrics.rate_interval(n, n)[0]:.2f}")

# %% tags=["check"]
with check(4):
    assert 0.9**exact <= 0.05, (
        f"exact: of {exact} good images a detector at 90 % passes all {0.9**exact:.0%} of the time"
    )
    assert 0.9 ** (exact - 1) > 0.05, f"exact: {exact} would do, but so would fewer"
    assert metrics.rate_interval(by_wilson, by_wilson)[0] >= 0.9, f"by Wilson {by_wilson} are too few"
    assert metrics.rate_interval(by_wilson - 1, by_wilson - 1)[0] < 0.9, (
        f"by Wilson {by_wilson} would do, so would fewer"
    )

# %% [markdown] tags=["solution"]
# Exactly 29: the promise has one side, "at least". Wilson's interval has two, 2.5 % beyond each, and asks for 35. With the 20 of
# this course you may promise 86 % (by Wilson 84 %), with five 55 % (57 %; there the formula is an approximation). A
# promise about good parts costs good parts; keep enough of them for the test.

# %% [markdown] tags=["exercise"]
# **5 (hard).** Do the bootstrap by hand: draw the test images of the first defect a thousand times with replacement, pool their
# pixels at τ = 0.2, and give the 95 % interval of F<sub>1</sub> as `low` and `high`. Draw *images*: why not pixels?

# %% tags=["try"]
name = test.defect_names[0]
of_defect = np.flatnonzero(np.array(test.defects) == name)
counts = np.array([metrics.confusion(lesson.maps[i] > 0.2, test.masks[i]) for i in of_defect])  # [n, 4]: tp, fp, fn, tn
low, high = 0, 1  # rng.integers(n, size=n) draws n image numbers with replacement

# %% tags=["solution"]
name = test.defect_names[0]
of_defect = np.flatnonzero(np.array(test.defects) == name)
counts = np.array([metrics.confusion(lesson.maps[i] > 0.2, test.masks[i]) for i in of_defect])  # [n, 4]: tp, fp, fn, tn
rng = np.random.default_rng(0)
draws = counts[rng.integers(len(counts), size=(1000, len(counts)))].sum(axis=1)  # [1000, 4]
f1 = 2 * draws[:, 0] / np.maximum(2 * draws[:, 0] + draws[:, 1] + draws[:, 2], 1)
low, high = np.quantile(f1, [0.025, 0.975])
print(f"{name}: 95 % interval {low:.2f} to {high:.2f}")

# %% tags=["check"]
with check(5):
    first = np.array(test.defects) == test.defect_names[0]
    drawn = bootstrap.draw_weights(np.array(test.defects)[first], seed=1)
    expected = bootstrap.f1_interval(lesson.maps[first] > 0.2, test.masks[first], drawn)
    near = 0.1 * (expected[1] - expected[0]) + 0.005  # two bootstraps differ a little
    assert high - low > 0.5 * (expected[1] - expected[0]), "far too narrow: whole images are drawn, with replacement"
    assert max(abs(low - expected[0]), abs(high - expected[1])) < near, (
        "the 2.5 % and 97.5 % quantiles of the pooled F1"
    )

# %% [markdown] tags=["solution"]
# It is the table's interval, give or take the luck of the draws. Whole images are drawn, not pixels: the pixels of one image are
# neighbours, and they are right or wrong together. Drawing the 65,536 pixels of 9 images as if they were independent would give
# an interval far too narrow.

# %% [markdown] tags=["exercise"]
# **6 (hard).** How much does choosing τ on the test images flatter? For each kind of defect and each of the 200 `halves`: take the τ of
# `taus` with the best pooled F<sub>1</sub> on the first half of its images, and measure F<sub>1</sub> with it on the first half (*seen*) and on the second
# (*unseen*). Put the mean of seen − unseen of each kind into `flattered`. Then: for which kind is it largest, and how large is it beside the
# kind's interval?

# %% tags=["try"]
taus, rng = np.linspace(0.05, 0.6, 23), np.random.default_rng(0)
halves = {
    name: [np.array_split(rng.permutation(np.flatnonzero(kinds == name)), 2) for _ in range(200)]
    for name in test.defect_names
}
flattered = dict.fromkeys(test.defect_names, 0.0)

# %% tags=["solution"]
taus, rng = np.linspace(0.05, 0.6, 23), np.random.default_rng(0)
halves = {
    name: [np.array_split(rng.permutation(np.flatnonzero(kinds == name)), 2) for _ in range(200)]
    for name in test.defect_names
}
at_tau = np.array(
    [[metrics.confusion(m > t, mask) for t in taus] for m, mask in zip(lesson.maps, test.masks, strict=True)]
)


def f1_at_taus(images):
    """Pooled F1 of some images at each of `taus`, [23]."""
    tp, fp, fn, _ = at_tau[images].sum(axis=0).T  # [23] each
    return 2 * tp / np.maximum(2 * tp + fp + fn, 1)


flattered = {}
for name, of_kind in halves.items():
    differences = []
    for first, second in of_kind:
        best = np.argmax(f1_at_taus(first))
        differences.append(f1_at_taus(first)[best] - f1_at_taus(second)[best])
    flattered[name] = np.mean(differences)
    print(f"{name:8s} seen − unseen {flattered[name]:+.3f}")

# %% tags=["check"]
with check(6):
    steps, again, expected = np.linspace(0.05, 0.6, 23), np.random.default_rng(0), {}
    for name in test.defect_names:
        of = np.flatnonzero(kinds == name)
        counts = np.array([[metrics.confusion(lesson.maps[i] > t, test.masks[i])[:3] for t in steps] for i in of])
        differences = []
        for _ in range(200):
            pair = [counts[part].sum(axis=0).T for part in np.array_split(again.permutation(len(of)), 2)]
            one, other = (2 * tp / np.maximum(2 * tp + fp + fn, 1) for tp, fp, fn in pair)  # [23] each
            differences.append(one[one.argmax()] - other[one.argmax()])
        expected[name] = np.mean(differences)
    assert set(flattered) == set(expected), "one number for each kind of defect"
    assert max(abs(flattered[name] - expected[name]) for name in expected) < 1e-4, (
        "the same τ on both halves, the best of the first; seen less unseen, the mean of 200"
    )

# %% [markdown] tags=["solution"]
# For cracks by {{ flattered["crack"]:.2f}}: the best τ of one half is often not that of the other (why, this does not test). For the
# other kinds by {{ max(abs(value) for name, value in flattered.items() if name != "crack"):.2f}} at most, far less than their intervals are wide.
# Here one number is chosen, on half of nine images. Whoever also chooses an epoch and a size on these images chooses three times, and each choice can flatter.

# %% [markdown]
# ## In short
#
# * The article's F<sub>1</sub> of cut and hole are swapped, and its borrowed rows count images, not pixels.
# * Each measure has one question, and a case in which it misleads.
# * A number is worth its split, its threshold, its interval and the constant answer beside it.
#
# ## In practice
#
# * Recompute every derived number of a paper before you build on it. It takes minutes.
# * When a borrowed number looks odd, go to its source and ask: what was counted, at which threshold, on which images?
# * Report errors kindly, and with the proof.
#
# ## Further reading
#
# * P. Bergmann et al., [*MVTec AD*](https://openaccess.thecvf.com/content_CVPR_2019/html/Bergmann_MVTec_AD_--_A_Comprehensive_Real-World_Dataset_for_Unsupervised_Anomaly_CVPR_2019_paper.html),
#   CVPR 2019, Tables 2 and 3: where the borrowed rows come from.
# * S. Venkataramanan et al., [*Attention Guided Anomaly Localization in Images*](https://arxiv.org/abs/1911.08616) (CAVGA),
#   ECCV 2020: the second source.
# * B. Efron, R. Tibshirani, [*An Introduction to the Bootstrap*](https://doi.org/10.1201/9780429246593), 1993.
#
# **Back:** [7 · Threshold and latent size](07_threshold_and_latent_size.ipynb) ·
# **Next:** [9 · The comparison systems](09_comparison_systems.ipynb) · [Solutions](solutions/08_results_table.ipynb)
