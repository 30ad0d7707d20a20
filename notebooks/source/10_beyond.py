# %% [markdown]
# # 10 · Beyond the article
#
# **What you'll do.** Climb from a detector that has learnt nothing to one that an engineer would use; change lamp and training set;
# plan thirty photographs of your own.
#
# **What you'll learn.** What the mean image gives for nothing, what pretrained features add, what a drift does to a fixed threshold.
#
# **What you'll need.** [Notebooks 6](06_residual_thresholding.ipynb) and [7](07_threshold_and_latent_size.ipynb), PRO from
# [8](08_results_table.ipynb), the paired intervals from [9](09_comparison_systems.ipynb), the run of [5](05_training.ipynb) (else
# trained here, six minutes). Two minutes on two cores; two hours for you, with exercises, without detours. *The article* is here
# its network trained by `quick`: 800 steps, seed 0.
#
# The code of this lesson: `hazelnut_ae/patchcore.py`, `hazelnut_ae/neighbours.py`, `hazelnut_ae/backbones.py`,
# `hazelnut_ae/transformer.py`, `hazelnut_ae/baselines.py` and `hazelnut_ae/synthetic_anomalies.py`.

# %% tags=["setup"]
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from hazelnut_ae import (
    baselines,
    dataset,
    figures,
    load_detector,
    metrics,
    patchcore,
    results,
    shipped,
    synthetic,
    synthetic_anomalies,
    thresholds,
)
from hazelnut_ae.comparison import paired_differences
from hazelnut_ae.course import charts
from hazelnut_ae.course.checks import check
from hazelnut_ae.course.lesson import setup
from hazelnut_ae.detection import prediction_from_maps, reconstruct, residual
from hazelnut_ae.inference.advice import advice

lesson = setup()
test, run, bank = lesson.dataset.test, lesson.own_run, lesson.bank.detector  # both learnt from the same images
learn, good = lesson.learned_from(lesson.bank), lesson.held_out(lesson.bank)  # good images: learnt from, and kept aside
predicted, kept_aside, evaluated = {}, {}, {}  # of each rung


def add(name, on_test, on_good, tau=None):
    """Measures a rung by its Predictions; tau: of pixels, if it has a rule of its own; else notebook 7's."""
    predicted[name], kept_aside[name] = on_test, on_good
    evaluated[name] = results.evaluate(name, on_test, test, on_good, tau_label_free=tau)


# The article's network, as in notebook 6; reconstructions are float32 [N, 3, 256, 256].
reconstructed, good_reconstructed = (reconstruct(run.model, images) for images in (test.images, good))
pairs = (test.images, reconstructed), (good, good_reconstructed)
add("the article", *(prediction_from_maps(residual(*pair)) for pair in pairs))

# %%


def rungs(*names):
    """A table of these rungs; each F1 is the mean over the kinds of defects."""
    rows = {}
    for name in names:
        kinds = evaluated[name]["defects"].values()
        rows[name] = {
            "pixel AUROC": evaluated[name]["pixels"]["auroc"],
            "PRO": evaluated[name]["pixels"]["pro"],
            "mean F1-max": np.mean([kind["f1_max"] for kind in kinds]),
            "mean F1, label-free τ": np.mean([kind["f1_label_free"] for kind in kinds]),
            "image AUROC": evaluated[name]["images"]["auroc"],
        }
    return pd.DataFrame.from_dict(rows, orient="index")


# %% [markdown]
# ## Rung 0: what costs nothing
#
# *Ten minutes.* The **mean image** of all good nuts needs no training: a pixel is abnormal by its distance to
# the mean at its place. **PCA** is an autoencoder with one linear layer each way; here it works at 64×64 pixels.

# %%
for detector in (baselines.MeanImageDetector(), baselines.PCADetector(latent_dim=50)):
    detector.fit(learn)
    add(detector.name, detector.predict(test.images), detector.predict(good))
first = rungs("mean image", "PCA", "the article")
leads, _, network = first["pixel AUROC"]
first.round(3)

# %% [markdown]
# By pixel AUROC the mean image leads: {{ leads:.2f }}, the network has {{ network:.2f }}. By every other column the network does.

# %% tags=["claim"]
# claim: the mean image leads by pixel AUROC, the network by every other measure
assert first["pixel AUROC"].idxmax() == "mean image"
assert (first.drop(columns="pixel AUROC").idxmax() == "the article").all()

# %%
shown = [test.defects.index(name) for name in test.defect_names[:4]] + [test.defects.index("good")]


def row_of(name):
    """A rung's maps of the shown images in one scale; square roots, so that weak places show, too."""
    maps = predicted[name].anomaly_maps[shown]
    return list(np.sqrt(maps / np.quantile(maps, 0.999)).clip(0, 1))


caption = f"{lesson.data_words}; run: {run.caption}. Square roots of the maps, each row in one scale."
figures.panels(
    [[test.images[i] for i in shown], *(row_of(name) for name in first.index)],
    titles=[test.defects[i] for i in shown],
    labels=["image", *first.index],
    caption=caption,
    values=1,
    panel=150,
)

# %% [markdown]
# ## Rung 2: the same reconstructions, read more kindly
#
# *Ten minutes.* Rung 1, the article, subtracts pixel from pixel, so an edge that is reconstructed one pixel aside is drawn like a
# defect. Two lines help, and nothing is trained anew: let a pixel be found up to one pixel **aside**, and pass the map through a
# **Gaussian** (each pixel becomes a mean of its neighbourhood).

# %%
softer = [
    ("one pixel aside", lambda *pair: baselines.shift_tolerant(*pair, reach=1)),
    ("blurred", lambda *pair: baselines.gaussian_smooth(residual(*pair), sigma=1)),
    ("its map, softened", lambda *pair: baselines.gaussian_smooth(baselines.shift_tolerant(*pair), sigma=1)),
]
for name, read in softer:
    add(name, *(prediction_from_maps(read(*pair)) for pair in pairs))
soft = rungs("the article", *(name for name, _ in softer))
plain, softened = soft["mean F1-max"].iloc[[0, -1]]
soft.round(3)

# %% [markdown]
# Together (*its map, softened*) they raise every column; mean F1-max goes from {{ plain:.2f }} to {{ softened:.2f }}. One network, one set.

# %% tags=["claim"]
# claim: the softened map is ahead of the plain residual in every column
assert (soft.loc["its map, softened"] > soft.loc["the article"]).all()

# %% [markdown]
# ## Rungs 3 to 5: fresh copies, structure, and being told
#
# *Ten minutes.* Measured beforehand, one seed each:
#
# * (3) Images augmented **afresh**, as on this page, or five **fixed** copies of each, as in the article.
# * (4) AE(SSIM) of notebook 9, after as many images: another network, and a loss that sees **structure**.
# * (5) A network that is **told**: a small U-Net, an encoder and a decoder with shortcuts between layers of equal size, learns from
#   painted nuts and masks how probably each pixel is defective.

# %%
sets = ("synthetic_hazelnuts", "mvtec_hazelnut_128", "hazelnut_toy", "transistor", "bottle")
measured = {name: {one["system"]: one for one in shipped.measured(f"ladder_{name}")} for name in sets}
bank_now = {name: shipped.measured(f"features_{name}") for name in sets}  # the ladder has an earlier version
auroc = {name: {rung: one["pixels"]["auroc"] for rung, one in rows.items()} for name, rows in measured.items()}
for name, result in bank_now.items():
    auroc[name]["memory bank"] = result["pixels"]["auroc"]
painted, turned = auroc["synthetic_hazelnuts"], {name: auroc[name]["the article"] for name in ("transistor", "bottle")}
bank_auroc = {name: auroc[name]["memory bank"] for name in turned}
upright = {name: shipped.measured(name)["pixels"]["auroc"] for name in turned}  # a network that learnt no turned images


def label_free(result):
    """F1 at the label-free τ, the mean over the kinds of defects."""
    return np.mean([kind["f1_label_free"] for kind in result["defects"].values()])


figure = charts.ladder(
    {name: list(rows.values()) for name, rows in measured.items()},
    "Measured beforehand (python -m benchmarks ladder). The memory bank, also in 'both together' (bank and residual): "
    "an earlier version, whose map had halos. MVTec AD (hazelnut, transistor, bottle): Bergmann et al., CVPR 2019, "
    "CC BY-NC-SA 4.0; hazelnut toy: anomalib project (Intel), CC BY 4.0; both sets of hazelnuts not the official "
    "split. Lines: 95 % bootstrap intervals over the images.",
)
figure.axes[0].legend(loc="upper center", bbox_to_anchor=(1.0, -0.06), ncols=5, fontsize=8, frameon=False)
figure

# %%
# NBVAL_CHECK_OUTPUT
fresh = {name: measured[name]["the article"]["against_the_rung_before"] for name in sets}  # minus fixed copies
unseen = {name: pd.DataFrame(shipped.measured(f"left_out_{name}")) for name in sets[:2]}
left_out = pd.concat(unseen, names=["data"]).pivot_table(index=["data", "defect"], columns="seen")
crack = left_out.xs("crack", level="defect").xs(False, axis=1, level="seen")
print(pd.DataFrame(fresh).T[["pixel AUROC", "pixel AUROC low", "pixel AUROC high"]].round(3).to_string())
left_out.round(2)

# %% [markdown]
# * (3) First table, fresh minus fixed: *surely* (the 95 % interval, over images, not trainings, excludes 0) better on MVTec's hazelnuts,
#   surely **worse** on transistors and bottles. But the networks of these two learnt turned images. Not turned, one run each, pixel AUROC
#   is {{ upright["transistor"]:.2f }} in place of {{ turned["transistor"]:.2f }} on transistors, {{ upright["bottle"]:.2f }} in place of
#   {{ turned["bottle"]:.2f }} on bottles.
# * (4) AE(SSIM) has a higher pixel AUROC than rungs 0 to 3 on MVTec's hazelnuts. On painted ones not:
#   {{ painted["AE(SSIM)"]:.2f }}, the mean image {{ painted["mean image"]:.2f }} (intervals overlap).
# * (5) The U-Net has the highest on its painter's nuts, on bottles less than chance. Second table: one kind left out of its training
#   (`False`). Cracks fall to {{ crack["pixel_auroc"]["synthetic_hazelnuts"]:.2f }} and
#   {{ crack["pixel_auroc"]["mvtec_hazelnut_128"]:.2f }}; painted holes it finds all the same. Not every number falls: on photographs,
#   F1-max of cracks and pixel AUROC of prints *rise*.

# %% tags=["claim"]
# claim: fresh copies, surely better or worse; turned or not; AE(SSIM) beside rungs 0 to 3
low, high = (pd.Series({name: one[f"pixel AUROC {end}"] for name, one in fresh.items()}) for end in ("low", "high"))
assert list(low[low > 0].index) == ["mvtec_hazelnut_128"]
assert set(high[high < 0].index) == {"transistor", "bottle"}
assert upright["transistor"] > turned["transistor"] + 0.1
assert turned["bottle"] - 0.01 < upright["bottle"] < turned["bottle"]
before = ("mean image", "PCA", "the article, fixed copies", "the article", "its map, softened")
assert auroc["mvtec_hazelnut_128"]["AE(SSIM)"] > max(auroc["mvtec_hazelnut_128"][rung] for rung in before)
assert painted["AE(SSIM)"] < painted["mean image"] == max(painted[rung] for rung in before)
of_two = [measured["synthetic_hazelnuts"][rung]["pixels"]["intervals"]["auroc"] for rung in ("AE(SSIM)", "mean image")]
assert max(low for low, _ in of_two) < min(high for _, high in of_two)

# %% tags=["claim"]
# claim: the U-Net that was told, and the U-Net that was not
assert max(painted, key=painted.get) == "U-Net on painted defects"
assert auroc["bottle"]["U-Net on painted defects"] < 0.5
rise = left_out.xs(False, axis=1, level="seen") - left_out.xs(True, axis=1, level="seen")
photographs = rise.loc["mvtec_hazelnut_128"]
assert photographs["f1_max"]["crack"] > 0
assert photographs["pixel_auroc"]["print"] > 0
assert rise["pixel_auroc"].xs("crack", level="defect").max() < -0.2
assert rise["pixel_auroc"]["synthetic_hazelnuts", "hole"] > -0.01
assert rise["f1_max"]["synthetic_hazelnuts", "hole"] > -0.01

# %% [markdown]
# ## Rung 6: has anything like this been seen before?
#
# *Twenty minutes.* Do not reconstruct the image; **describe** each place of it, and ask whether any place of a good image looked
# like it. The description comes from a network that learnt to tell dogs from teapots, on ImageNet. Nothing is trained: a sample of the
# good images' descriptions is kept in a **memory bank**; the anomaly of a place is its distance to the nearest one in the bank.
#
# What the network sees of one nut, by stage (a group of layers):

# %%
with torch.inference_mode():
    x = torch.from_numpy(test.images[shown[:1]]).float() / 255
    seen = bank.network(torch.nn.functional.interpolate(x, size=(bank.side, bank.side)))
for stage in seen:
    print(f"{stage.shape[1]:3d} numbers at each of {stage.shape[2]}×{stage.shape[3]} places")
figures.panels(
    [[stage[0].std(dim=0).numpy() for stage in seen]],
    titles=[f"{stage.shape[1]} channels" for stage in seen],
    caption=f"{lesson.data_words}. How much the channels of a stage differ, place by place. "
    "The bright rim lies where convolutions see added zeros.",
    panel=150,
)

# %% [markdown]
# In each stage, each place is averaged with its neighbours; then all are brought to one grid of *patches*. Of about
# {{ bank.candidates:,}} random ones a **coreset** is kept: always the patch farthest from those chosen so far, so that rare ones count
# like frequent ones.
#
# The **fine** bank sees the image at {{ bank.side }} pixels (80×80 patches), the **coarse** one at {{ bank.coarse_side }} and through later
# stages: it is meant for parts that are missing or misplaced. Both distances are brought to one scale; the map is the larger one. An
# image's score is the mean of its ten largest coarse distances, divided by that of good images: about 1 is ordinary.
#
# <details><summary>Is this PatchCore? What is the paper's, and what is ours</summary>
#
# From the paper: features of intermediate stages averaged over their neighbourhood, the greedy coreset, the nearest distance, the
# enlarged and smoothed map. Ours: the smaller network (EfficientNet-Lite0), the choice of stages, each scaled to variance 1, two banks
# in place of one, their common scale (coarse distances are shifted and stretched, until on good images they have the fine ones' mean and
# 0.6 of their spread), this image score (without the paper's re-weighting), this τ (the median of three rules: second detour), and no
# *halos*: a patch beside a defect sees part of it, so within two pixels of 256 a larger value lowers its neighbours. So the paper's numbers
# promise nothing about this detector, nor this one's about the paper's. (`hazelnut_ae/transformer.py` has a second network for the
# bank, DINOv2 small. It is not run here.)
#
# </details>

# %%
on_test, on_good = bank.predict(test.images), bank.predict(good)
add("memory bank", on_test, on_good, tau=bank.label_free_tau(good, on_good.anomaly_maps))
fine, coarse = bank.banks.fine.coreset, bank.banks.coarse.coreset
print(f"{len(learn)} images; {len(fine):,} patches of {fine.shape[1]} numbers in the fine bank,")
print(f"{len(coarse):,} of {coarse.shape[1]} in the coarse one")
sixth = rungs("the article", "its map, softened", "memory bank")
best_f1, f1_at_tau = sixth.loc["memory bank"].iloc[[2, 3]]
sixth.round(3)

# %%
two = {name: predicted[name].anomaly_maps for name in ("its map, softened", "memory bank")}
paired = paired_differences(test, two, "its map, softened", scores={"memory bank": on_test.image_scores})
paired.round(3)

# %% [markdown]
# The second table pairs the images (notebook 9): pixel AUROC is surely higher, for this one fit, on images that parts of the bank were
# chosen on. The table's F1-max is of all pixels at one τ; *mean F1-max* has a τ for each kind, and rises by more. Both are ceilings: at
# the label-free τ the bank has {{ f1_at_tau:.2f }}, not {{ best_f1:.2f }}.

# %% tags=["claim"]
# claim: pixel AUROC is surely higher than the softened map's, F1-max rises by more as a mean over the kinds
assert paired["pixel AUROC low"].item() > 0
assert sixth["mean F1-max"]["memory bank"] - sixth["mean F1-max"]["its map, softened"] > paired["F1-max"].item()
assert sixth["mean F1, label-free τ"]["memory bank"] < sixth["mean F1-max"]["memory bank"]

# %% [markdown]
# A factory counts refused good parts and passed bad ones:

# %%


def counted(images):
    """How many good images are refused and how many defective ones pass, each with its 95 % interval (notebook 6)."""
    row, bad = {}, images["images"] - images["good"]
    for name, rate, total in (("good, refused", "tnr", images["good"]), ("defective, passed", "tpr", bad)):
        wrong = round((1 - images[rate]) * total)
        low, high = metrics.rate_interval(wrong, total)
        row[name] = f"{wrong} of {total} [{low:.2f}, {high:.2f}]"
    return row


decisions = {f"here: {name}": counted(evaluated[name]["images"]) for name in ("the article", "memory bank")}
decisions |= {f"{name}: memory bank": counted(bank_now[name]["images"]) for name in sets[1:]}
bank_refused = decisions["here: memory bank"]["good, refused"]
pd.DataFrame(decisions).T

# %% [markdown]
# With five or six good images, read the intervals, not the zeros. The threshold asks for one false alarm
# in ten; {{ bank_refused }} may be that, or much worse.

# %% tags=["claim"]
# claim: one false alarm in ten is inside the bank's interval, three in ten, too
of_bank = evaluated["memory bank"]["images"]
low, high = metrics.rate_interval(round((1 - of_bank["tnr"]) * of_bank["good"]), of_bank["good"])
assert low < 0.1
assert high > 0.3

# %% [markdown]
# ## Chosen on what is reported
#
# *Five minutes.* A detector chosen on a test set looks better there than it is (notebook 7). So sets have roles
# (`benchmarks/PROTOCOL.md`): stages, sizes, blur and halos (folded text above) were chosen on **development** sets, the halos after a
# look at a seen one; the coarse bank, the image score and the rule for τ come from sets **seen** meanwhile; the last two were measured
# **once**, when everything was frozen.

# %%
roles = {"synthetic_hazelnuts": "development", "hazelnut_toy": "development"}
roles |= dict.fromkeys(("mvtec_hazelnut_128", "transistor", "bottle"), "seen")
roles |= dict.fromkeys(("mpdd_plate", "kolektor_sdd"), "once")
rows, image_auroc = {}, {}
for name, role in roles.items():
    result = shipped.measured(f"features_{name}")
    low, high = result["images"]["intervals"]["auroc"]
    image_auroc[name] = f"{result['images']['auroc']:.2f} [{low:.2f}, {high:.2f}]"
    row = {"pixel AUROC": result["pixels"]["auroc"], "PRO": result["pixels"]["pro"]}
    for title, key in (("mean F1-max", "f1_max"), ("mean F1, label-free τ", "f1_label_free")):
        row[title] = np.mean([kind[key] for kind in result["defects"].values()])
    rows[role, name] = row | {"image AUROC": result["images"]["auroc"]}
by_role = pd.DataFrame(rows).T
plates, strips = by_role.loc["once", "mpdd_plate"], by_role.loc["once", "kolektor_sdd"]
print("mpdd_plate: S. Jezek et al., ICUMT 2021; kolektor_sdd: D. Tabernik et al., J. Intell. Manuf. 2020;")
print("both CC BY-NC-SA 4.0, not the official splits; one fit each.")
by_role.round(3)

# %% [markdown]
# On the plates every number is above the lowest of the first five sets: image AUROC {{ image_auroc["mpdd_plate"] }}, label-free F1
# {{ plates.iloc[3]:.2f}}. On the strips of KolektorSDD every one is below it: {{ image_auroc["kolektor_sdd"] }},
# {{ strips.iloc[3]:.2f}}. Thin cracks, squeezed copies? That was not measured. Choose on A, freeze, report once
# on B; then B is used up.

# %% tags=["claim"]
# claim: on the plates every number is above the lowest of the first five sets, on the strips below it
others = by_role.drop(index="once", level=0)
assert (plates > others.min()).all()
assert (strips < others.min()).all()

# %% [markdown] tags=["detour"]
# ## A detour: bank and residual together
#
# *Skip it at first reading; ten minutes.* The bank says *where* on a coarse grid; the residual is finer, and glows on good edges too.
# Divide each by its mean on good images, so that neither has a unit, and multiply the bank's $d$ and the residual $r$: $d^2 \sqrt{r + 1/2}$. The
# half keeps what only the features see. Nothing derives this formula, and nobody noted on what it was
# chosen: take it as chosen here.

# %%
pair = ("memory bank", "the article")
good_maps = [kept_aside[name].anomaly_maps for name in pair]
joined = [
    baselines.combine_maps(*(one[name].anomaly_maps for name in pair), *good_maps) for one in (predicted, kept_aside)
]
add("both together", *(prediction_from_maps(maps) for maps in joined))
add("memory bank, exponential τ", predicted["memory bank"], kept_aside["memory bank"])
seventh = rungs("the article", "memory bank", "memory bank, exponential τ", "both together")
falls = [name for name, rows in measured.items() if label_free(rows["both together"]) < label_free(rows["memory bank"])]
seventh.round(3)

# %% [markdown]
# *Both together* has notebook 7's exponential τ, the bank a τ of its own (next detour); so the table has the bank with either. Label-free F1
# is higher here, {{ seventh["mean F1, label-free τ"]["both together"]:.2f }}; by the same rule the bank has
# {{ seventh["mean F1, label-free τ"]["memory bank, exponential τ"]:.2f }}. Pixel AUROC is lower. One fit, one set: in the ladder (an
# earlier bank) label-free F1 falls on three of five ({{ ", ".join(falls) }}).

# %% tags=["claim"]
# claim: here label-free F1 is higher, by either rule, and pixel AUROC lower; in the ladder F1 falls on three
f1_here = seventh["mean F1, label-free τ"]
assert f1_here["both together"] > max(f1_here["memory bank"], f1_here["memory bank, exponential τ"])
assert seventh["pixel AUROC"]["both together"] < seventh["pixel AUROC"]["memory bank"]
assert len(falls) == 3

# %%
lesson.show(
    figures.panels(
        [[test.images[i] for i in shown], *(row_of(name) for name in (*reversed(pair), "both together"))],
        titles=[test.defects[i] for i in shown],
        labels=["image", "the article", "memory bank", "both together"],
        caption=f"{caption} And: {lesson.bank.caption}.",
        values=1,
        panel=150,
    ),
    "figure_17_beyond",
)

# %% [markdown] tags=["detour"]
# ## A detour: a threshold that knows what wrong looks like
#
# *Skip it at first reading; ten minutes.* The exponential rule of notebook 7 was made for residuals. So show the bank what wrong may look like: `synthetic_anomalies.py` pastes blobs of good images, recoloured, into good ones kept
# aside. Their masks are known, so each image has a best τ.

# %%
of_all = pd.read_csv(shipped.MEASURED / "label_free.csv").set_index(["system", "data"])
kept = of_all.loc["memory bank"]
rules = ["99 % quantile", "exponential", "pasted defects", "median of three"]
at_worst = kept[rules].min()  # share of the best F1 on the worst of five sets
enough, least = (of_all[rules] >= 0.9).sum(), of_all[rules].min()  # of five detectors on five sets
pasted, masks = synthetic_anomalies.paste_defects(good)
figures.panels(
    [list(pasted[:5]), list(bank.anomaly_maps(pasted[:5]))],
    titles=[f"{mask.mean():.1%} pasted" for mask in masks[:5]],
    labels=["pasted", "memory bank"],
    caption=f"{lesson.data_words}; {lesson.bank.caption}. Each map in a scale of its own.",
    panel=150,
)

# %% [markdown]
# Of the bank's best F1 on transistors the exponential rule keeps {{ kept["exponential"]["transistor"]:.0% }}, the pasted images' median τ
# {{ kept["pasted defects"]["transistor"]:.0% }}; on painted nuts {{ kept["exponential"]["synthetic_hazelnuts"]:.0% }} and
# {{ kept["pasted defects"]["synthetic_hazelnuts"]:.0% }}. So the bank takes the middle one of three: what 1 % of good pixels exceed, the
# exponential rule's, and the pasted images'. On the worst of five sets these three keep about {{ at_worst["99 % quantile"]:.0% }},
# {{ at_worst["exponential"]:.0% }} and {{ at_worst["pasted defects"]:.0% }} of the best F1, their median
# {{ at_worst["median of three"]:.0% }}; one fit each. This choice was made after all five sets had been seen.
#
# And one rule for all detectors? We have none. Of {{ len(of_all) }} pairs of detector and set, the best of these rules keeps 90 % of the best
# F1 in {{ enough.max() }}, and each keeps less than half somewhere. The best τ also depends on how large and how visible the defects are, and
# good images do not tell that: on bottles the defects are larger than pasted ones, and the pasted ones' τ is too high for all five detectors.

# %% tags=["claim"]
# claim: at worst the median keeps more than each single rule; no rule serves all detectors
assert len(kept) == 5
assert enough.max() < 20
assert least.max() < 0.5
on_bottles = of_all.xs("bottle", level="data")
assert (on_bottles["area"] > on_bottles["pasted_area"]).all()
assert (on_bottles["tau_pasted"] > on_bottles["tau_best"]).all()
assert at_worst["median of three"] > at_worst[rules[:3]].max()

# %% [markdown] tags=["detour"]
# ## A detour: what the memory bank is made of
#
# *Skip it at first reading; ten minutes.* Which bank, how many patches, and of how many places is a patch the mean? Each choice changes
# alone, three fits each, on painted nuts and hazelnut toy (F1-max over all pixels at one τ; `python -m benchmarks bank-parts`). The default was chosen on these two sets: so
# read what a choice does, not how good the detector is. All maps are drawn as the detector draws its own.

# %%
made = pd.read_csv(shipped.MEASURED / "bank_parts.csv").replace({"part": {"both": "both banks"}})
whole = made.dropna(subset="f1_max")  # of the others, small banks, only decisions were measured
sizes = ["500 patches", "5,000 patches", "20,000 patches"]
order = [*sizes, "5,000 patches, fine 3×3", "5,000 patches, fine 1×1"]
whole = whole.sort_values("variant", key=lambda variants: variants.map(order.index), kind="stable")
figure, axes = plt.subplots(1, 2, sharex=True, sharey=True, figsize=(9.6, 4.6), layout="constrained")
for ax, (name, rows) in zip(axes, whole[whole["part"] != "shipped"].groupby("data", sort=False), strict=True):
    labels = rows["variant"] + ": " + rows["part"]
    ax.plot(rows["f1_max"], labels, "o", markersize=4, label="F1-max")
    ax.plot(rows["pro"], labels, "x", label="PRO")
    ax.set(title=name)
    ax.grid(axis="y", color="0.9")
axes[0].invert_yaxis()
axes[0].legend(loc="center", fontsize=8)
figure.supxlabel(
    "A point is a fit. 5,000 patches are the default; the fine bank averages 7×7 places unless stated otherwise. "
    "Hazelnut toy: anomalib project (Intel), CC BY 4.0.",
    fontsize=7,
)
plt.show()

# %%
of_parts, nuts = whole.groupby(["data", "variant", "part"], sort=False), "synthetic_hazelnuts"
f1_max = of_parts["f1_max"].agg(["min", "max"])
f1_max = {key: f"{low:.3f} to {high:.3f}" for key, low, high in f1_max.itertuples()}
low, high = (of_parts[[f"f1_max_less_both_{end}", f"pro_less_both_{end}"]] for end in ("low", "high"))
minus_both = low.min().join(high.max()).dropna()  # minus both banks: the widest of the fits' paired 95 % intervals
minus_both.columns = ["F1-max low", "PRO low", "F1-max high", "PRO high"]
minus_both.round(3)

# %%
decided = of_parts[["alarms", "good", "missed", "defective"]].sum()
decided["image AUROC, least"] = of_parts["image_auroc"].min()
decided.loc[:, sizes, :]

# %% [markdown]
# * **Which bank?** First table: a part's number minus that of both banks, from the lowest to the highest end of the 95 % intervals of
#   three fits. With the default's 5,000 patches and 7×7 places, the F1-max of the fine bank alone is, with its interval, within 0.01 of
#   that of both. The coarse map alone has less on hazelnut toy; on painted nuts 0 is inside. The coarse bank is there for parts that are
#   missing, and neither set has one. Where no places are averaged (1×1), it adds F1-max on painted nuts.
# * **How many patches?** On painted nuts 500 have an F1-max of {{ f1_max[nuts, "500 patches", "both banks"] }}, 5,000 of
#   {{ f1_max[nuts, "5,000 patches", "both banks"] }}, 20,000 of {{ f1_max[nuts, "20,000 patches", "both banks"] }}: more is not better
#   there. On hazelnut toy the three ranges overlap.
# * **How many places?** The sets contradict each other. On painted nuts 7×7 has an F1-max of
#   {{ f1_max[nuts, "5,000 patches", "both banks"] }}, 3×3 of {{ f1_max[nuts, "5,000 patches, fine 3×3", "both banks"] }}; on hazelnut toy
#   7×7 of {{ f1_max["hazelnut_toy", "5,000 patches", "both banks"] }}, 3×3 of
#   {{ f1_max["hazelnut_toy", "5,000 patches, fine 3×3", "both banks"] }} (ranges of three fits, no interval over images).
# * **Decisions.** Here the scores of `fine`, `coarse` and `both banks` are the means of the 100 largest values of their maps; `shipped` is
#   the detector's own, of the coarse distances. Second table, sums over the fits: with 5,000 patches every one has an image AUROC of at
#   least {{ decided["image AUROC, least"].xs("5,000 patches", level="variant").min():.3f }}. The thresholds come from a few held-out nuts:
#   `both banks` passes {{ decided["missed"][nuts, "5,000 patches", "both banks"] }} defective nuts, all in one fit, and refuses
#   {{ decided["alarms"][nuts, "5,000 patches", "both banks"] }} good ones; `shipped` passes
#   {{ decided["missed"][nuts, "5,000 patches", "shipped"] }} and refuses {{ decided["alarms"][nuts, "5,000 patches", "shipped"] }}. With
#   six good images hazelnut toy decides nothing.

# %% tags=["claim"]
# claim: by F1-max fine alone is near both banks, coarse alone is less on toy; places count, in opposite directions
usual = minus_both.xs("5,000 patches", level="variant").filter(like="F1-max")
assert usual.xs("fine", level="part").abs().max(axis=None) < 0.01
assert usual["F1-max high"]["hazelnut_toy", "coarse"] < 0
coarse_fits = whole[(whole["data"] == nuts) & (whole["variant"] == "5,000 patches") & (whole["part"] == "coarse")]
assert ((coarse_fits["f1_max_less_both_low"] < 0) & (coarse_fits["f1_max_less_both_high"] > 0)).all()  # in each fit
assert minus_both["F1-max high"][nuts, "5,000 patches, fine 1×1", "fine"] < 0
fits = of_parts["f1_max"].apply(list).xs("both banks", level="part")
for name, sign in ((nuts, 1), ("hazelnut_toy", -1)):  # the ranges of the fits do not overlap
    seven, three = (fits[name, f"5,000 patches{end}"] for end in ("", ", fine 3×3"))
    assert min(sign * one for one in seven) > max(sign * one for one in three)

# %% tags=["claim"]
# claim: 5,000 patches have the most F1-max on painted nuts, no size on toy; every score orders images well
assert min(fits[nuts, "5,000 patches"]) > max(fits[nuts, "20,000 patches"] + fits[nuts, "500 patches"])
on_toy = [fits["hazelnut_toy", size] for size in sizes]
assert max(map(min, on_toy)) < min(map(max, on_toy))
assert decided["image AUROC, least"].xs("5,000 patches", level="variant").min() > 0.99
both_banks = whole[(whole["data"] == nuts) & (whole["variant"] == "5,000 patches") & (whole["part"] == "both banks")]
assert (both_banks["missed"] > 0).sum() == 1

# %% [markdown]
# Two more questions, of small banks of 1,000 or 100 patches and of decisions alone: is a greedy coreset better than a random one,
# and is ImageNet needed?

# %%
small = made[made["f1_max"].isna()]  # the coarse bank alone, painted nuts
pieces = small.groupby("variant", sort=False)
made_of = pieces["image_auroc"].agg(seeds="size", least="min", most="max")
made_of["lowest end of 95 %"] = pieces["low"].min()  # of the bootstrap intervals of the seeds
made_of["good, refused"] = pieces["alarms"].sum() / pieces["good"].sum()
made_of["defective, passed"] = pieces["missed"].sum() / pieces["defective"].sum()
spans = {name: f"{low:.3f} to {high:.3f}" for name, low, high in made_of[["least", "most"]].itertuples()}
passes = {name: "{}, {} and {}".format(*counts) for name, counts in pieces["missed"]}  # in each fit
made_of.round(3)

# %% [markdown]
# Random weights: image AUROC {{ spans["1,000 greedy, random weights"] }}; ImageNet's: {{ spans["1,000 greedy"] }}. Greedy patches beat
# random ones in every fit, of a hundred by {{ spans["100 greedy"] }} against {{ spans["100 at random"] }}. A hundred greedy patches lose less
# than 0.04 to a thousand; at their thresholds they pass {{ passes["100 greedy"] }} of {{ small["defective"].max() }} defective nuts, a
# thousand {{ passes["1,000 greedy"] }}.

# %% tags=["claim"]
# claim: ImageNet's weights count, and how patches are chosen; a hundred lose little AUROC, and pass more
of_fit = small.pivot(index="seed", columns="variant", values=["image_auroc", "missed"])
order_of = of_fit["image_auroc"]
assert order_of["1,000 greedy"].min() > order_of["1,000 greedy, random weights"].max()
for size in ("100", "1,000"):
    assert order_of[f"{size} greedy"].min() > order_of[f"{size} at random"].max()
assert (order_of["1,000 greedy"] - order_of["100 greedy"]).max() < 0.04
assert (of_fit["missed"]["100 greedy"] > of_fit["missed"]["1,000 greedy"]).all()

# %% [markdown]
# ## When the lamp changes
#
# *Fifteen minutes.* A threshold is chosen in one light. Painted nuts get another lamp, focus, camera or pose, and are judged by
# the **fixed** image threshold; three fits each, a bank of 1,000 patches.

# %%
drift = pd.read_csv(shipped.MEASURED / "drift.csv")  # python -m benchmarks drift
row = ["remedy", "system", "drift", "strength"]
summed = drift.groupby(row, sort=False)[["alarms", "good", "missed", "defective"]].sum()  # over the fits
refused, passed = summed["alarms"] / summed["good"], summed["missed"] / summed["defective"]  # shares
figure, axes = plt.subplots(1, 3, sharey=True, figsize=(9.6, 5), layout="constrained")
for ax, system in zip(axes, ("PCA", "article", "memory bank"), strict=True):
    of_system = [one.xs(("none", system), level=("remedy", "system")) for one in (refused, passed)]  # nothing done
    names = [f"{name} {strength:g}".replace("none 0", "none") for name, strength in of_system[0].index]
    ax.plot(of_system[0], names, "o", label="good, refused")
    ax.plot(of_system[1], names, "x", label="defective, passed")
    ax.axvline(0.1, color="0.6", linewidth=1)  # false alarms that the threshold asks for
    ax.set(title=system, xlim=(-0.03, 1.03))
    ax.grid(axis="y", color="0.9")
axes[0].invert_yaxis()
axes[0].legend(fontsize=8)
count, fits = drift.iloc[0], drift.groupby("system")["seed"].nunique()  # the bank: of 1,000 patches
a_row = f"{count['good']} good and {count['defective']} defective painted nuts a row"
units = "Brightness, colour: gain; defocus, shift: pixels; noise: grey levels of 255; turn: degrees."
a_row += f", the same for {fits.min()} fits: a share is uncertain by up to 0.2"
caption_of_drift = f"{a_row}.\nRead each row against the first. {units}"
figure.supxlabel(caption_of_drift, fontsize=7)
plt.show()
in_dark, in_light = passed["none", "article", "brightness", -0.2], passed["none", "article", "none", 0]
bank_refuses = refused.xs(("none", "memory bank"), level=("remedy", "system"))
sharp, defocus, jpeg = (bank_refuses[key] for key in (("none", 0), ("defocus", 1), ("JPEG quality", 20)))
each = drift.assign(refused=drift["alarms"] / drift["good"], passed=drift["missed"] / drift["defective"])
each = each.set_index([*row, "seed"])[["refused", "passed"]].unstack("seed")  # a column per fit

# %% [markdown]
# In a lamp 20 % darker the article's network passes {{ in_dark:.2f }} of the defective nuts, before {{ in_light:.2f }}: no alarm tells
# you. The bank's false alarms move by at most 0.1 in all eight lamps, but rise from {{ sharp:.2f }} to {{ defocus:.2f }} with a blur of
# one pixel, and to {{ jpeg:.2f }} with JPEG of quality 20.

# %% tags=["claim"]
# claim: a darker lamp harms the article's network, a blur and JPEG the bank, and a lamp does not
the_article, the_bank = (each.loc["none", system] for system in ("article", "memory bank"))  # in each fit
assert (the_article["passed"].loc[("brightness", -0.2)] - the_article["passed"].loc[("none", 0)] > 0.2).all()
lamps = the_bank["refused"].loc[["brightness", "colour temperature"]]
assert lamps.shape == (8, 3)
assert (lamps - the_bank["refused"].loc[("none", 0)]).abs().max(axis=None) < 0.101
assert the_bank["refused"].loc[[("defocus", 1), ("JPEG quality", 20)]].min(axis=None) > 0.5

# %% [markdown]
# Three remedies: choose τ anew from drifted good nuts (`threshold`), undo the lamp by one gain and shift for each colour (`normalised`),
# fit again and choose τ anew.
#
# <details><summary>And a brighter lamp?</summary>
#
# Read the rows *brightness 0.05* to *0.2* of the figure. Here the article's network errs the other way: at the fixed threshold it refuses
# more good nuts the brighter the lamp is. So does PCA at 0.2 ({{ refused["none", "PCA", "brightness", 0.2]:.2f }}, before
# {{ refused["none", "PCA", "none", 0]:.2f }}); in no fit does the bank refuse more than three more nuts of 30. For the network and PCA,
# a new τ or the gain and shift
# brought the rate back to about what it was. (They are the same for *all* images, and the known parts must be the same before and after:
# a gain for each image would make a burnt part look good.)
#
# </details>

# %%
shares = pd.DataFrame({"good, refused": refused, "defective, passed": passed}).reset_index()
remedies = shares.pivot(index=["system", "drift", "strength"], columns="remedy")
cases = [
    ("PCA", "brightness", 0.2),
    ("article", "brightness", -0.2),
    ("article", "defocus", 2),
    ("memory bank", "JPEG quality", 20),
]
by_tau, by_fit = (passed[remedy, "memory bank", "JPEG quality", 20] for remedy in ("threshold", "fitted again"))
remedies.loc[cases].round(2)

# %% [markdown]
# Gain and shift, measured on known good parts, give the network its old rates back. Here a new τ brings PCA's and the bank's
# false alarms down; but with JPEG the bank then passes {{ by_tau:.2f }} of the defects; fitted again to such pictures,
# {{ by_fit:.2f }}. *After JPEG, a new threshold is no cure.*

# %% tags=["claim"]
# claim: gain and shift undo the lamp; after JPEG a new threshold passes defective nuts, a new fit does not
for rate in (refused, passed):
    assert abs(rate["normalised", "article", "brightness", -0.2] - rate["none", "article", "none", 0]) < 0.01
assert refused["threshold", "PCA", "brightness", 0.2] < refused["none", "PCA", "brightness", 0.2] - 0.2
assert refused["threshold", "memory bank", "JPEG quality", 20] < jpeg - 0.5
assert min(by_tau, passed["threshold", "memory bank", "JPEG quality", 50]) > 0.5
assert by_fit < passed["none", "memory bank", "none", 0] + 0.15
assert refused["fitted again", "memory bank", "JPEG quality", 20] < 0.3

# %% tags=["claim"]
# claim: with a brighter lamp the bank refuses at most three nuts more, PCA at 0.2 many, the network ever more
alarms = summed["alarms"].xs("none", level="remedy")
brighter = {system: [alarms[system, "brightness", gain] for gain in (0.05, 0.1, 0.2)] for system in fits.index}
more = lamps.loc["brightness"].loc[[0.05, 0.1, 0.2]] - the_bank["refused"].loc[("none", 0)]
assert round(30 * more.max(axis=None)) == 3
assert brighter["PCA"][-1] > alarms["PCA", "none", 0] + 15
assert alarms["article", "none", 0] < brighter["article"][0] < brighter["article"][1] < brighter["article"][2]

# %% [markdown]
# ## How many good images, and how clean?
#
# *Five minutes.* Fewer of the same painted nuts, or some defective ones hidden among them.

# %%
fewer = pd.read_csv(shipped.MEASURED / "training_set.csv")  # python -m benchmarks training-set
of_learnt = fewer.groupby(["question", "system", "value"])
auroc_of, ends = of_learnt["image_auroc"].mean(), of_learnt["image_auroc"].agg(["min", "max"])
span_of = {key: f"{low:.2f} to {high:.2f}" for key, low, high in ends.itertuples()}  # of three fits
summed = of_learnt[["missed", "defective"]].sum()
missed = summed["missed"] / summed["defective"]
figure, (left, right) = plt.subplots(1, 2, sharey=True, figsize=(9, 3), layout="constrained")
for ax, question, label in (
    (left, "count", "good nuts learnt from"),
    (right, "dirty", "% of what is learnt from is defective"),
):
    for system, rows in fewer[fewer["question"] == question].groupby("system"):
        (line,) = ax.plot(rows.groupby("value")["image_auroc"].mean(), label=system)
        ax.plot(rows["value"], rows["image_auroc"], "o", color=line.get_color(), markersize=4)
    ax.set(xlabel=label)
left.set_ylabel("image AUROC (dots: single draws)")
left.legend(fontsize=8)
figure.supxlabel("Memory bank: of 1,000 patches. Lines: means of three fits.", fontsize=7)
plt.show()
of_20, of_all = (auroc_of["count", "memory bank", size] for size in (20, 120))
clean, dirty = (missed[question, :, 10] for question in ("dirty", "dirty, held out too"))  # thresholds without, with

# %% [markdown]
# From twenty nuts the bank has a mean image AUROC of {{ of_20:.2f }}, from all {{ of_all:.2f }}; PCA gains to the end. Up
# to a tenth of defective nuts among those learnt from moves the mean AUROC by less than 0.02. Hidden among the **held-out** ones, too, they do harm: they raise the threshold, and PCA passes
# {{ dirty["PCA"]:.2f }} of the defective nuts in place of {{ clean["PCA"]:.2f }}, the bank {{ dirty["memory bank"]:.2f }} in place of
# {{ clean["memory bank"]:.2f }}.
#
# <details><summary>And the article's network?</summary>
#
# It is trained by `quick`, 800 steps each time, three times for each point. From ten nuts it has an image AUROC of
# {{ span_of["count", "article", 10] }}, from all {{ span_of["count", "article", 120] }}. With 1 % of defective nuts among those learnt from
# it has {{ span_of["dirty", "article", 1] }}, with 5 % {{ span_of["dirty", "article", 5] }}, with 10 %
# {{ span_of["dirty", "article", 10] }}: each of these ranges overlaps that without them, so three trainings show no harm to the order.
# With defective nuts among the held-out ones, too, it passes {{ missed["dirty, held out too", "article", 5]:.2f }} of the defective nuts
# in place of {{ missed["dirty", "article", 5]:.2f }} (5 %), and {{ dirty["article"]:.2f }} in place of {{ clean["article"]:.2f }}
# (10 %). Of thirty held-out nuts 1 % is none.
#
# </details>

# %% tags=["claim"]
# claim: twenty nuts are nearly enough for the bank, not for PCA; hidden defects harm the threshold, not the order
assert of_all - of_20 < 0.03
assert (np.diff(auroc_of["count", "PCA"]) > 0).all()
assert ends["max"]["count", "article", 10] < ends["min"]["count", "article", 120]
without = ends.loc["dirty", "article", 0]
for percent in (1, 5, 10):
    assert ends["min"]["dirty", "article", percent] < without["max"]
    assert ends["max"]["dirty", "article", percent] > without["min"]
mean_tau = of_learnt["image_tau"].mean()
for system in ("PCA", "memory bank", "article"):
    assert abs(auroc_of["dirty", system] - auroc_of["dirty", system, 0]).max() < 0.02
    for percent in (5, 10):
        assert mean_tau["dirty, held out too", system, percent] > mean_tau["dirty", system, percent]
        assert missed["dirty, held out too", system, percent] > missed["dirty", system, percent]

# %% [markdown]
# ## Which rung for which part?
#
# | your part | begin with | because |
# |---|---|---|
# | always in the same place | PCA | it costs nothing: pixel AUROC on bottles {{ auroc["bottle"]["PCA"]:.2f }}, the article's network (not turned) {{ upright["bottle"]:.2f }}; the bank {{ bank_auroc["bottle"]:.2f }} |
# | textured, or in any pose | the memory bank | alone or with the residual, the highest pixel AUROC on five sets of all that learnt from no defects; one fit each |
# | defects finer than a few pixels | bank and residual (`baselines.combine_maps`) | the residual is finer (not measured by size); label-free F1 falls on three of five sets |
# | unlike anything in photographs (X-ray, depth, spectra) | the article's network | it learns from your own images; not measured here |
# | pieces may be missing or misplaced | the memory bank, and doubt | on transistors, of all defects, {{ bank_auroc["transistor"]:.2f }}, the article's network (not turned) {{ upright["transistor"]:.2f }}; but F1 at its τ is {{ label_free(bank_now["transistor"]):.2f }} |
# | known defects, many, with masks | a supervised network | it finds what it was shown |

# %% tags=["claim"]
# claim: of all that learnt from no defects, the bank alone or with the residual has the highest pixel AUROC
for rungs_of in auroc.values():
    no_defects = {rung: value for rung, value in rungs_of.items() if rung != "U-Net on painted defects"}
    assert max(no_defects, key=no_defects.get) in ("memory bank", "both together")
both_f1, bank_f1 = ([label_free(rows[rung]) for rows in measured.values()] for rung in ("both together", "memory bank"))
assert (np.less(both_f1, bank_f1)).sum() == 3

# %% [markdown]
# ## A plan for thirty photographs of your own
#
# *Fifteen minutes.*
#
# | step | do | because |
# |---|---|---|
# | photograph | 30 good parts, in turn with every bad one you can get; one lamp | else light and hour may tell them apart |
# | keep | ten of the good parts | they show a drift |
# | begin with | PCA; then the memory bank (`--detector features`) | what costs nothing must be beaten |
# | held out | nine, or none with ten folds; not three | see below |
# | bad ones | only for the test | a defect that helped to choose is no test |
# | threshold | from the prices (notebook 7); then frozen | chosen after the test, it flatters |
# | report | counts with intervals, once | six good parts that pass prove little |
#
# <details><summary>From the prices to a threshold, an acceptance test and a watch</summary>
#
# * **Threshold.** Which share of defective parts passes at a τ, only defective parts can tell. If you have some to spare, choose the
#   cheapest τ with one half of them (notebook 7) and test with the other. If not, let the price of a refused part say which rate of false
#   alarms you can bear, and take τ from held-out good parts (notebook 6).
# * **Acceptance test**, once, on parts that nothing was learnt from or chosen by. Write down first how many may be refused and how
#   many may pass. To say with 95 % confidence that at least nine in ten good parts are accepted, 29 of 29 are enough (notebook 8,
#   exercise 4); if one may be refused, it takes more parts. The same counts hold for finding defective ones.
# * **Watch.** Photograph the parts that you kept every day. If their scores move, look at lamp and camera first; then repeat the
#   acceptance test. Never choose τ anew from whatever has passed: it would learn from the detector's own mistakes.
#
# </details>

# %%
beta = stats.beta(1, 3).ppf([0.05, 0.95])
plans = pd.read_csv(shipped.MEASURED / "plan.csv")  # python -m benchmarks plan
plans["rate"] = plans["alarms"] / plans["good"]
by_plan = plans.groupby(["system", "plan"], sort=False)
spread = by_plan["rate"].agg(draws="size", least="min", mean="mean", most="max")  # of good nuts that are refused
spread["defective, passed"] = by_plan["missed"].sum() / by_plan["defective"].sum()
three, nine, folds = (f"{low:.2f} to {high:.2f}" for low, high in spread.loc["PCA", ["least", "most"]].to_numpy())
of_bank = spread["most"]["memory bank", "10 folds"]
spread.reset_index().round(2)

# %% [markdown]
# <details><summary>What three, nine and ten folds promise</summary>
#
# `hazelnut-ae train` holds out three of thirty. That promises one false alarm in four *on average*; for one draw the rate follows
# Beta(1, 3): in nine draws of ten between {{ beta[0]:.2f }} and {{ beta[1]:.2f }}. **Cross-conformal** (CV+) lets all thirty choose: ten
# detectors, each fitted without three photographs. A part is refused if it scores higher than 28 of the 30, each compared by the
# detector that did not see it (`thresholds.refused_cross`, exercise 5). With thirty folds, one photograph each, it guarantees at most
# *twice* the rate asked for; it usually keeps about the rate.
#
# </details>
#
# Six draws of thirty painted nuts. With three held out, PCA refuses {{ three }} of the good ones, with nine {{ nine }}, with ten folds
# {{ folds }}. The price: it passes more bad ones. The bank (1,000 patches) has two draws, with ten folds one, which refuses
# {{ of_bank:.2f }}: the advice rests on PCA.

# %% tags=["claim"]
# claim: three held-out nuts leave the rate of false alarms to luck, nine or ten folds much less
pca, draws = spread.loc["PCA"], spread["draws"]
assert pca["most"]["hold out 3"] > 0.25 > max(pca["most"]["hold out 9"], pca["most"]["10 folds"])
assert pca["defective, passed"]["hold out 3"] < pca["defective, passed"][["hold out 9", "10 folds"]].min()
assert (draws["PCA"] == 6).all()
assert list(draws["memory bank"]) == [2, 2, 1]

# %% [markdown] tags=["detour"]
# ## A detour: from photographs to a list of suspects
#
# *Twenty minutes; put your own folder in place of `parts`.* With a part of your own there are thirty photographs of good ones, and then
# new ones, of which nobody has said what is in them. Four steps lead to a list of suspects: *look*, *train*, *load*, *predict*. Synthetic
# hazelnuts stand in for your part.

# %%
tiny = lesson.preset.name == "tiny"
place = Path(tempfile.mkdtemp(prefix="own_parts_"))
parts = synthetic.write_dataset(place / "my_parts", {"train/good": 8 if tiny else 30}, seed=7, workers=1)
arrived = synthetic.write_dataset(
    place / "arrived", {"test/good": 4, "crack": 1, "cut": 1, "hole": 1, "print": 1}, seed=8, workers=1
)
new_photographs = sorted(arrived.glob("test/*/*.png"))
print(f"{len(list(parts.glob('train/good/*.png')))} good parts to learn from, {len(new_photographs)} new photographs")

# %% [markdown]
# **Look.** The advice of `hazelnut-ae check` looks before anything is trained, and says why.

# %%
data = dataset.load(parts)
print("\n".join(advice(data, "my_parts").lines()))

# %% [markdown]
# **Train.** In Python the line that it printed is one call; the run folder then holds the bank, its network and both thresholds.

# %%
own = lesson.fit_bank(data, place / "run")
print(own.caption)

# %% [markdown]
# **Load once, predict many.** `predict` takes paths, arrays or lists of both.

# %%
detector = load_detector(place / "run")
found = detector.predict(new_photographs)
suspects = pd.DataFrame(
    {
        "photograph": [f"{path.parent.name}/{path.name}" for path in new_photographs],
        "score": found.scores.round(3),
        "decision": np.where(found.decisions, "defective", "good"),
        "area marked": [f"{mask.mean():.2%}" for mask in found.masks],
    }
).sort_values("score", ascending=False)
good_refused = suspects["photograph"].str.startswith("good") & (suspects["decision"] == "defective")
often = (3 + 1) / 35  # of the ways to rank 3 held-out and 4 new good parts, those with 3 or 4 new ones on top
asked = len(detector.calibration.held_out_scores)
print(f"Defective from a score of {detector.image_tau:.3f} on, the largest of {asked} held-out good parts.")
suspects

# %% [markdown]
# The folder names tell us what the detector was not told: the defects have the highest scores. But {{ good_refused.sum() }} good nuts of four
# are refused. One in four was the promise *on average*; the largest of three scores is a poor limit, and three of four or more come in
# {{ often:.0% }} of such draws. Where does it look? Worst first; all heat is on one scale whose middle is the threshold of pixels τ.

# %% tags=["claim"]
# claim: the four defects have the four highest scores, and three good nuts are refused
assert not suspects["photograph"].iloc[:4].str.startswith("good").any()
assert good_refused.sum() == 3

# %%
worst = np.argsort(-found.scores)[:5]
photographs = [dataset.read_image(new_photographs[i]) for i in worst]  # uint8 [3, 256, 256] each
heat = [
    figures.overlay(image, found.maps[i], top=2 * detector.tau) for image, i in zip(photographs, worst, strict=True)
]
figures.panels(
    [photographs, heat],
    titles=[f"{new_photographs[i].parent.name}, image score {found.scores[i]:.2f}" for i in worst],
    caption=f"Synthetic hazelnuts. {own.caption}; image τ = {detector.image_tau:.2f}, pixel τ = {detector.tau:.2f}.",
)

# %% [markdown]
# On the command line the last two steps are one, and leave a page with all photographs, worst first, and a slider for the threshold:
#
#     hazelnut-ae predict new_photographs --run runs/my_parts --out found
#
# and `hazelnut-ae export --run runs/my_parts part.onnx` puts the whole detector into one file, for a program that has no torch.

# %% [markdown]
# ## Exercises
#
# *Forty minutes.* Each has a cell that says whether your answer holds.

# %% [markdown] tags=["exercise"]
# **1 (easy).** How large would the fine bank be if it kept *every* patch of all images in `learn`, in float32, in megabytes (10⁶ bytes)?
# Put it into `megabytes`.

# %% tags=["try"]
# images × patches an image × numbers a patch × 4 bytes; the patches: `bank.banks.fine.patches`, see exercise 2
megabytes = 0.0

# %% tags=["solution"]
patches = bank.banks.fine.patches(bank.network, torch.from_numpy(test.images[:1]) / 255)[0]  # [P, D]
megabytes = len(learn) * patches.numel() * 4 / 1e6
print(f"{megabytes:.0f} MB, where the coreset takes {bank.banks.fine.coreset.numel() * 4 / 1e6:.1f} MB")

# %% tags=["check"]
with check(1):
    places, width = bank.banks.fine.patches(bank.network, torch.from_numpy(test.images[:1]) / 255)[0].shape
    assert megabytes > 0, "still the stub"
    expected = len(learn) * places * width * 4 / 1e6
    assert abs(megabytes - expected) < 0.01 * expected, "images × places × numbers × 4 bytes, over 10⁶"

# %% [markdown] tags=["solution"]
# The coreset is why a bank of thousands of good images is no larger and no slower than one of thirty.

# %% [markdown] tags=["exercise"]
# **2 (medium).** Compute the distance of each patch of one test image to its nearest in the bank with scikit-learn's
# `NearestNeighbors`, as `distances` [P]. Scale `patches` as the bank's were: minus `one.mean`, times `one.scale`.

# %% tags=["try"]
one = bank.banks.fine
x = torch.from_numpy(test.images[:1]) / 255  # float32 [1, 3, 256, 256]
patches = one.patches(bank.network, x)[0]  # [P, D]; `one.coreset` [K, D] is the bank
distances = np.zeros(1)

# %% tags=["solution"]
one = bank.banks.fine
patches = one.patches(bank.network, torch.from_numpy(test.images[:1]) / 255)[0]  # [P, D]
scaled = ((patches - one.mean) * one.scale).numpy()
found, _ = NearestNeighbors(n_neighbors=1).fit(one.coreset.numpy()).kneighbors(scaled)
distances = found[:, 0]
print(f"from {distances.min():.2f} to {distances.max():.2f}")

# %% tags=["check"]
with check(2):
    one = bank.banks.fine
    scaled = (one.patches(bank.network, torch.from_numpy(test.images[:1]) / 255) - one.mean) * one.scale  # [1, P, D]
    expected = patchcore.nearest_distances(scaled, one.coreset)[0].numpy()
    assert np.shape(distances) == expected.shape, "one distance for each patch"
    assert np.allclose(distances, expected, rtol=1e-2, atol=1e-2), "are the patches scaled as the bank is?"

# %% [markdown] tags=["solution"]
# A library finds the same numbers. Behind the network, the detector is a table of examples and a nearest neighbour.

# %% [markdown] tags=["exercise"]
# **3 (medium).** Choose the σ of a Gaussian for the article's map, of 0, 1, 2, 4 and 8 pixels, by F1-max over the pixels of test images
# 0, 2, 4, …: `best_sigma`. Then measure its F1-max once on images 1, 3, 5, …: `reported`. Why not choose on all, and report on all?

# %% tags=["try"]
best_sigma, reported = None, 0.0

# %% tags=["solution"]


def f1_max(sigma, part):
    soft = baselines.gaussian_smooth(predicted["the article"].anomaly_maps[part], sigma)
    return metrics.PixelMetrics().update(soft, test.masks[part]).compute()["f1_max"]


to_choose, to_report = slice(0, None, 2), slice(1, None, 2)
f1_of = {sigma: f1_max(sigma, to_choose) for sigma in (0, 1, 2, 4, 8)}
best_sigma = max(f1_of, key=f1_of.get)
reported = f1_max(best_sigma, to_report)
print({sigma: round(value, 3) for sigma, value in f1_of.items()}, f"best: {best_sigma}, reported: {reported:.3f}")

# %% tags=["check"]
with check(3):
    halves = []  # F1-max by σ, of the images to choose on and of the others
    for part in (slice(0, None, 2), slice(1, None, 2)):
        maps, masks = predicted["the article"].anomaly_maps[part], test.masks[part]
        soft = {sigma: baselines.gaussian_smooth(maps, sigma) for sigma in (0, 1, 2, 4, 8)}
        halves.append(
            {sigma: metrics.PixelMetrics().update(one, masks).compute()["f1_max"] for sigma, one in soft.items()}
        )
    assert best_sigma in halves[0], "one of 0, 1, 2, 4 and 8"
    assert halves[0][best_sigma] == max(halves[0].values()), "on images 0, 2, 4, … another σ gives more"
    assert abs(reported - halves[1][best_sigma]) < 1e-6, "F1-max of this σ, on images 1, 3, 5, … alone"

# %% [markdown] tags=["solution"]
# Chosen and reported on the same images, a number is the best of five and flatters. This one is honest about σ; F1-max itself still
# takes its τ from the images that it reports on.

# %% [markdown] tags=["exercise"]
# **4 (hard).** The lamp has become a quarter darker and a little yellow: `dark`. Write `undo(images, now, before)`: it gives `images`
# the light back in which the good parts `before` were photographed; `now` are the same parts in the new light. All uint8 [N, 3, H, W].
# Beware: a part that is darker than the others must stay darker, and the check has another lamp.

# %% tags=["try"]


def dark(images):
    return (images * np.array([0.75, 0.72, 0.6])[:, None, None]).round().astype(np.uint8)


def undo(images, now, before):
    return images


# %% tags=["solution"]


def dark(images):
    return (images * np.array([0.75, 0.72, 0.6])[:, None, None]).round().astype(np.uint8)


def undo(images, now, before):
    gain = before.mean((0, 2, 3)) / now.mean((0, 2, 3))  # [3], one for all parts
    return (images * gain[:, None, None]).round().clip(0, 255).astype(np.uint8)


# %% tags=["check"]
with check(4):
    lamp = np.array([0.7, 0.75, 0.66])[:, None, None]
    now = (good * lamp).round().astype(np.uint8)
    back = undo((test.images * lamp).round().astype(np.uint8), now, good)
    assert (back.shape, back.dtype) == (test.images.shape, np.uint8), "the same shape and type as before"
    assert np.abs(back.astype(float) - test.images).mean() < 1, "the light is not the one before"
    burnt = good[:1] // 2  # one part, half as bright as it should be
    alone = undo((burnt * lamp).round().astype(np.uint8), now, good)
    assert np.abs(alone.astype(float) - burnt).mean() < 2, "a dark part was made bright: use one gain for all parts"

# %% [markdown] tags=["solution"]
# The gain comes from parts that are known, never from the image that is judged: else a burnt nut is given the brightness of a good one,
# and may pass. What the camera has clipped to 255 no gain brings back.

# %% [markdown] tags=["exercise"]
# **5 (hard).** At most twenty photographs, `mine`, and none held out: fit a `baselines.PCADetector()` without each of them in turn,
# and let all of them decide. `refused` [N]: a test image is refused if it scores higher than ⌈0.9 · (n + 1)⌉ of the n photographs (but
# no more than n), each compared by the detector that did not see it. Without `thresholds.refused_cross`.

# %% tags=["try"]
mine = learn[:20]
refused = np.zeros(len(test.images), bool)

# %% tags=["solution"]
mine = learn[:20]
beaten = np.zeros(len(test.images), int)
for i in range(len(mine)):
    detector = baselines.PCADetector()
    detector.fit(np.delete(mine, i, axis=0))
    beaten += detector.predict(test.images).image_scores > detector.predict(mine[i : i + 1]).image_scores[0]
refused = beaten >= min(len(mine), np.ceil(0.9 * (len(mine) + 1)))
is_good = np.array(test.defects) == "good"
print(f"refused: {refused[is_good].mean():.0%} of the good nuts, {refused[~is_good].mean():.0%} of the others")

# %% tags=["check"]
with check(5):
    of_test, of_mine = [], []
    for i in range(len(learn[:20])):
        judge = baselines.PCADetector()
        judge.fit(np.delete(learn[:20], i, axis=0))
        of_test.append(judge.predict(test.images).image_scores)
        of_mine.append(judge.predict(learn[i : i + 1]).image_scores[0])
    expected = thresholds.refused_cross(of_test, of_mine, np.arange(len(of_mine)))
    assert np.shape(refused) == expected.shape, "one decision for each test image"
    assert (np.asarray(refused) == expected).all(), "compare each photograph by the detector that did not see it"

# %% [markdown] tags=["solution"]
# This is *jackknife+*. It promises at most twice the rate, whatever the detector, and keeps about the rate, as a rule; the price is one
# detector for each photograph. Fit one detector to all twenty and score the same twenty: their scores are 0 up to rounding (19
# components hold all twenty), and every test nut is refused.

# %% [markdown]
# ## In short
#
# * PCA and the mean image cost nothing and must be beaten, in every column.
# * The memory bank, alone or with the residual, has the highest pixel AUROC on five sets of all that learnt from no defects; parts were
#   chosen on them.
# * On its painter's nuts, a network that is told finds what it was told.
# * A threshold may not survive another lamp, focus or camera.
#
# ## In practice
#
# * Put the mean image and PCA beside every network you train.
# * Try pretrained features early on a new part. Choose on data that you do not report on.
# * Photograph known good parts every day, and watch their scores: [in production](../book/production.md).
#
# ## Further reading
#
# * K. Roth et al., [*Towards Total Recall in Industrial Anomaly Detection*](https://arxiv.org/abs/2106.08265) (PatchCore), CVPR 2022.
# * T. Defard et al., [*PaDiM*](https://arxiv.org/abs/2011.08785), 2020: a Gaussian per place instead of a bank.
# * R. F. Barber, E. J. Candès, A. Ramdas, R. J. Tibshirani, [*Predictive inference with the jackknife+*](https://doi.org/10.1214/20-AOS1965),
#   Annals of Statistics 49, 2021: thresholds without holding out.
# * P. Baldi, K. Hornik, [*Neural networks and principal component analysis*](https://doi.org/10.1016/0893-6080(89)90014-2), Neural
#   Networks 2, 1989: why PCA is rung 0.
# * O. Ronneberger et al., [*U-Net*](https://arxiv.org/abs/1505.04597), MICCAI 2015: the supervised way, `baselines.UNetSegmenter`.
#
# **Back:** [9 · The comparison systems](09_comparison_systems.ipynb) · **Next:** your own parts, with `hazelnut-ae predict` ·
# [Solutions](solutions/10_beyond.ipynb)
