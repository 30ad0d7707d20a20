# %% [markdown]
# # 7 · Threshold and latent size: two dials, and how not to cheat with them
#
# **What you'll do.** Turn the threshold τ, put a price on its mistakes, choose it without a single label, and measure what the
# size of the latent vector does.
#
# **What you'll learn.** Why τ = 0.1 marks so much; what good images tell of a threshold and what they cannot; how much of a
# defect a reconstruction copies, and what the article's warnings about the latent size are worth.
#
# **What you'll need.** [Notebook 6](06_residual_thresholding.ipynb). Two minutes on two cores. For you an hour and
# a half: part 1 40 minutes, part 2 20, exercises 30. Part 1 is about painted nuts and *the 1000-epoch run*, which comes with
# the course; part 2 says which networks it compares.
#
# The code of this lesson: `hazelnut_ae/thresholds.py`.

# %% tags=["setup"]
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from scipy import ndimage

from hazelnut_ae import baselines, figures, metrics, shipped, thresholds
from hazelnut_ae.course import widgets
from hazelnut_ae.course.checks import check
from hazelnut_ae.course.lesson import setup

lesson = setup()
test = lesson.dataset.test
maps = lesson.maps  # float32 [N, 256, 256] in [0, 1]
rows = {name: np.flatnonzero(np.array(test.defects) == name) for name in test.defect_names}
styles = figures.styles(list(rows))

# %% [markdown]
# ## Part 1: the threshold
#
# ### Three thresholds
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
# Too low, and good shell is marked; too high, and the defect is gone. Over all test images:

# %%
marked = {}
for tau in (0.1, 0.2, 0.7):
    c = metrics.confusion(maps > tau, test.masks)
    marked[tau] = {"defective pixels found, %": 100 * c.tp / max(c.tp + c.fn, 1)}
    marked[tau] |= {
        "good pixels marked, %": 100 * c.fp / (c.fp + c.tn),
        "good ones for each found": c.fp / max(c.tp, 1),
    }
pd.DataFrame.from_dict(marked, orient="index").rename_axis("τ").round(2)

# %% [markdown]
# **Why so many at 0.1?** Is 0.1 not far above the usual error? Look at good pixels alone:

# %%
good = ~test.masks
half, one_in_100 = np.quantile(maps[good], [0.5, 0.99])
per_defective = good.sum() / test.masks.sum()
ground = test.images.max(axis=1) < 70  # bool [N, 256, 256]: the dark ground of these pictures
above = {name: 100 * (maps[good & of] > 0.1).mean() for name, of in (("the nut", ~ground), ("the ground", ground))}
error_of_ground = maps[good & ground].mean()
print(f"half of the good pixels have a residual below {half:.3f}, one in a hundred above {one_in_100:.3f}")
print(f"good pixels for each defective one: {per_defective:.0f}")
for name, share in above.items():
    print(f"good pixels of {name} above 0.1: {share:.1f} %")

# %% [markdown]
# It is the long tail: one good pixel in a hundred errs by {{ one_in_100 / half:.0f }} times as much as the middle one. With
# {{ per_defective:.0f }} good pixels for each defective one, the few above 0.1 outnumber the defective pixels that are found, three to one.
#
# On our ground hardly any is marked ({{ above["the ground"]:.1f }} %); in the article's Figure 14 the ground is flooded as well. So its reconstruction
# misses the ground by more than 0.1, ours by {{ error_of_ground:.3f }} on average. Why, the article does not say.

# %% tags=["claim"]
# claim: at 0.1, three good pixels are marked for each defective one found, on the nut and hardly on the ground
assert 2.5 < marked[0.1]["good ones for each found"] < 3.5
assert above["the ground"] < 2 < 10 < above["the nut"]
assert one_in_100 > 10 * half

# %% [markdown]
# ### The dial
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

# %%
best = {name: metrics.PixelMetrics().update(maps[i], test.masks[i]).compute() for name, i in rows.items()}
figure, ax = plt.subplots(figsize=(7, 3.4))
for name, curve in f1_curves.items():
    ax.plot(taus, curve, label=name, color=styles[name]["color"], linestyle=styles[name]["linestyle"])
    ax.scatter(best[name]["tau"], best[name]["f1_max"], color=styles[name]["color"], marker=styles[name]["marker"])
ax.axvline(0.2, color="0.6", linewidth=0.8)
ax.set(xlabel="τ (line: 0.2; marks: the best τ of each)", ylabel="F1", ylim=(0, 1))
ax.legend(fontsize=8)
plt.show()
print(", ".join(f"{name}: F1-max {one['f1_max']:.2f} at τ = {one['tau']:.2f}" for name, one in best.items()))

# %% [markdown]
# The top of a curve is **F<sub>1</sub>-max**, F<sub>1</sub> at the best of all τ. It needs the masks, so it is a ceiling and not what a detector
# reaches; it tells whether the map or the τ fails. The four tops lie at four different τ. (Other measures: notebook 8.)

# %% tags=["claim"]
# claim: the best τ of the kinds are far apart
assert max(one["tau"] for one in best.values()) > 2 * min(one["tau"] for one in best.values())

# %% [markdown]
# ### What a mistake costs
#
# Nobody pays by F<sub>1</sub>. A refused good part costs 1; a missed defective one costs its *price*, say 1, 10 or 100. Two parts in a
# hundred are defective. Then each image τ has a cost:

# %%
scores, is_defective = metrics.image_scores(maps), np.array(test.defects) != "good"
image_taus = np.append(0, np.sort(scores))
missed = np.array([(scores[is_defective] <= t).mean() for t in image_taus])
refused = np.array([(scores[~is_defective] > t).mean() for t in image_taus])
figure, ax = plt.subplots(figsize=(7, 3.4))
cheapest = {}
for price, colour, line in ((1, "0.5", ":"), (10, figures.BLUE, "--"), (100, figures.DEFECTIVE, "-")):
    cost = 100 * (0.02 * price * missed + 0.98 * refused)  # of a hundred parts
    ax.step(image_taus, cost, where="post", color=colour, linestyle=line, label=f"price {price}")
    i = np.argmin(cost)
    cheapest[price] = {"image τ": image_taus[i], "cost": cost[i], "missed, %": 100 * missed[i]}
    cheapest[price] |= {"refused, %": 100 * refused[i], "keep all": cost[-1], "refuse all": cost[0]}
    ax.scatter(image_taus[i], cost[i], color=colour, zorder=3)
ax.axvline(lesson.calibration.image_tau, color="black", linewidth=0.8)
ax.set(yscale="log", xlabel="image τ (line: the run's own, notebook 6)", ylabel="cost of 100 parts")
ax.legend(fontsize=8)
plt.show()
pd.DataFrame.from_dict(cheapest, orient="index").rename_axis("price").round(2)

# %% [markdown]
# The more a missed part costs, the lower the cheapest τ (or the same): at a price of 100 it is {{ cheapest[100]["image τ"]:.2f }} and refuses
# {{ cheapest[100]["refused, %"]:.0f }} % of the good nuts. Compare each cost with the constant answers. But the dots were found *with* labels, on
# {{ is_defective.sum() }} defective and {{ (~is_defective).sum() }} good nuts: the shape of the curves is the lesson, not their minima.

# %% tags=["claim"]
# claim: the cheapest τ falls with the price, and no constant answer is cheaper
assert cheapest[100]["image τ"] < cheapest[10]["image τ"] <= cheapest[1]["image τ"]
assert all(one["cost"] < min(one["keep all"], one["refuse all"]) for one in cheapest.values())

# %% [markdown]
# ### A label-free threshold
#
# The article chose τ while looking at the test masks. A new production line has no masks. It has **good**
# images. A tenth of them was kept out of training; their maps show how large a residual gets where nothing is wrong. Three
# rules make a τ of that:
#
# * **quantile:** the value that one in a thousand, or one in a hundred, of the [held-out](../book/teach/glossary.md) pixels exceeds;
# * **largest region** (the MVTec AD paper's): raise τ until every connected patch above it is smaller than some area;
# * **exponential** (the package's default): *if* residuals of good pixels fell off exponentially, a straight line on a
#   logarithmic axis, their mean μ would fix the whole tail: one pixel in a thousand would exceed about 6.9 μ.
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
beyond = 100 * (held_out > exponential).mean()
print(f"held-out good pixels above the exponential rule's τ: {beyond:.2f} %")

# %% [markdown]
# The bars are no straight line: steep at first, then flatter, and on the right above the line. {{ beyond:.2f }} % of the good
# pixels exceed τ, not 0.1 %.
#
# Which rule? Whoever compares their F<sub>1</sub> on test images chooses with test labels (the mistake of notebook 5). But good images
# alone tell three things. Does a rule keep its promise on a good image that it has not seen (one is left out at a time)? How far
# does τ move with other held-out images? (The **bootstrap**: draw them with replacement, a hundred times; the middle 90 τ
# lie between `low` and `high`.) And what does it average over? For `wider` we take the camera back: the same nuts, with 64 more
# pixels of empty ground on each side.

# %% tags=["claim"]
# claim: the exponential rule lets through more than it promises
assert beyond > 0.5

# %%
rules = thresholds.rules_on_good_images(held_out)
strict, loose, expo = (rules.loc[name] for name in ("99.9 % quantile", "99 % quantile", "exponential (default)"))
regions = rules.filter(like="region", axis=0)
rules.round(3)

# %% [markdown]
# * **The promise** (`marked`, in %). The quantiles keep theirs: {{ strict["marked"]:.2f }} for 0.1 %, {{ loose["marked"]:.2f }} for 1 %. The
#   exponential rule promises 0.1 and marks {{ expo["marked"]:.2f }}. The regions promise something else.
# * **Steadiness** (`low`, `high`). Relative to τ the quantiles have the narrowest ranges; with regions one image decides.
# * **The ground** (`wider`). μ averages over the empty ground, too: with more of it the exponential τ falls from
#   {{ expo["tau"]:.3f }} to {{ expo["wider"]:.3f }}, though no nut has changed. The quantiles fall by less, the regions stay. So a τ belongs to *one*
#   framing: crop your images, and choose it anew.
#
# So we take a quantile. One in a thousand or in a hundred? That is a price: 66 or 655 marked pixels on a good picture. **Good images
# tell what a rule costs, never what it finds.** For a person's eyes we take one in a hundred, whatever the curves above have shown.

# %% tags=["claim"]
# claim: what the table says of promise, steadiness and ground
assert abs(strict["marked"] - 0.1) < 0.02
assert abs(loose["marked"] - 1) < 0.1
assert expo["marked"] > 0.5
width, fall = (rules["high"] - rules["low"]) / rules["tau"], 1 - rules["wider"] / rules["tau"]
assert set(width.nsmallest(2).index) == {"99 % quantile", "99.9 % quantile"}
assert fall.idxmax() == "exponential (default)"
assert fall[regions.index].max() < 0.01

# %%
chosen_tau = thresholds.tau_quantile(held_out, 0.01)
reached = thresholds.rules_table(maps, test, held_out)
display(reached[["tau", "f1", "of_f1_max"]].round(3))
dictionary = next(one for one in shipped.measured("comparison_synthetic_hazelnuts") if "dictionary" in one["system"])
lost = 100 * (1 - dictionary["pixels"]["f1_label_free"] / dictionary["pixels"]["f1_max"])
at_quantile, at_default = reached.loc["99 % quantile", "of_f1_max"], reached.loc["exponential (default)", "of_f1_max"]

# %% [markdown]
# The closing check: of F<sub>1</sub>-max our τ reaches {{ at_quantile:.3f }}. There was luck in it: good images could not tell.
#
# The exponential rule reaches {{ at_default:.3f }} here. It became the package's default after a look at such numbers on four sets,
# these nuts among them; so for that rule this is no check. Notebooks 8 to 10 use it, as `evaluate` does. Not every
# map suits it: the feature dictionary of notebook 9 loses {{ lost:.0f }} % of its F<sub>1</sub>-max by it.

# %% tags=["claim"]
# claim: both rules reach nearly all of F1-max on these maps; on the dictionary's the default loses much
assert min(at_quantile, at_default) > 0.95
assert lost > 30

# %% [markdown]
# ## Part 2: the size of the latent vector
#
# The article (section 5.2) argues: with *too few* latent numbers the network cannot draw details, and good pixels look
# defective; with *too many* it copies whatever it sees, the defect included. It gives no measurement.
#
# ### In class: a linear autoencoder
#
# PCA (notebook 1) learns in seconds at any size. Here from our {{ len(lesson.dataset.train) }} good nuts, at 64 × 64 pixels:

# %%
small, row = {}, [test.images[chosen]]
for k in (2, 8, 32, 100):
    pca = baselines.PCADetector(k)
    pca.fit(lesson.dataset.train.images)
    pca_maps = pca.predict(test.images).anomaly_maps  # float32 [N, 256, 256]
    measured = metrics.PixelMetrics().update(pca_maps, test.masks).compute()
    small[k] = {"residual, good pixels": pca_maps[~test.masks].mean(), "defective pixels": pca_maps[test.masks].mean()}
    small[k]["F1-max"] = measured["f1_max"]
    row.append(pca.reconstruct(test.images[[chosen]])[0].clip(0, 1))  # float32 [3, 64, 64]
titles = ["input", *(f"from {k} numbers" for k in small)]
display(figures.panels([row], titles, caption=f"{defect}; PCA of {lesson.data_words}", panel=160))
falls = {key: 100 * (1 - small[100][key] / small[2][key]) for key in ("residual, good pixels", "defective pixels")}
pd.DataFrame.from_dict(small, orient="index").rename_axis("latent numbers").round(3)

# %% [markdown]
# With more numbers good pixels are reconstructed better: their residual falls by {{ falls["residual, good pixels"]:.0f }} %. That of defective pixels falls, too, by
# {{ falls["defective pixels"]:.0f }} %. Is the defect copied, or is the shell around it reconstructed better? This table cannot tell.

# %% tags=["claim"]
# claim: both residuals fall with the size
assert min(falls.values()) > 10

# %% [markdown]
# ### The study: the article's network at six sizes
#
# To tell, one needs the *same* nut with and without its defect. A painter can do that: the same random numbers, once without the
# last stroke. Let d be the defect (picture with it minus picture without), and r what it changes in the reconstruction. The
# **copied share** is the slope of r on d over the pixels of the mask, Σ r·d / Σ d·d: 0 where nothing of the defect is copied, 1 where all
# is. A blur of the nut cancels, since it is in both reconstructions.
#
# The article's network (the `quick` recipe at each size, *not* the 1000-epoch run) and PCA learnt from our nuts; the pairs, 20 of
# each kind, are in no data set.

# %%
study = shipped.study("latent_sizes")
seeds, kinds = study["seed"].nunique(), ("crack", "cut", "hole", "print")
study["on defects"] = study[[f"residual_{kind}" for kind in kinds]].mean(axis=1)
study["same pixels without"] = study[[f"residual_clean_{kind}" for kind in kinds]].mean(axis=1)
means = study.groupby(["system", "latent"]).mean(numeric_only=True)  # over the seeds
network, linear = means.loc["autoencoder"], means.loc["PCA"]
fewest, most, top = network.index[0], network.index[-1], network["f1_max"].idxmax()
pca_most, pca_top = linear.index[-1], linear["f1_max"].idxmax()
few, many, peak = network.loc[fewest], network.loc[most], network.loc[top]
pca_few, pca_many, pca_peak = linear.loc[fewest], linear.loc[pca_most], linear.loc[pca_top]
spread = study[study["system"] == "autoencoder"].groupby("latent")["f1_max"].agg(np.ptp).max()
common = network.index.intersection(linear.index)[-1]  # the largest size that both have
both, pca_both, steps = network.loc[common], linear.loc[common], study["steps"].max()
at_500, pca_500 = network.loc[500], linear.loc[500]
note = f"Painted hazelnuts; the quick recipe at each size; {seeds} seeds: points, their mean: line."
display(lesson.show(figures.latent_sizes(study, note), "figure_16_latent_sizes"))
means[["residual_good", "on defects", "same pixels without", "copied", "f1_max", "pro", "image_auroc"]].round(
    3
).reset_index()

# %% [markdown]
# ({{ len(study) }} fits: {{ seeds }} seeds for each size.) The verdict on section 5.2:
#
# * **Too few: confirmed.** With {{ fewest }} numbers the network errs on good pixels by {{ few.residual_good:.3f }}, with {{ most }} by
#   {{ many.residual_good:.3f }}. F<sub>1</sub>-max is {{ few.f1_max:.2f }}, and {{ peak.f1_max:.2f }} at its best size, {{ top }}.
# * **Too many: confirmed for PCA.** It copies {{ pca_few.copied:.2f }} of the median defect with {{ fewest }} numbers and {{ pca_many.copied:.2f }} with
#   {{ pca_most }}; its F<sub>1</sub>-max is best with {{ pca_top }} ({{ pca_peak.f1_max:.2f }}) and {{ pca_many.f1_max:.2f }} with {{ pca_most }}.
# * **Too many, for the article's network: not seen.** With {{ common }} numbers PCA copies {{ pca_both.copied:.2f }}, the network {{ both.copied:.2f }}. On the
#   defects a residual of {{ both["on defects"]:.2f }} is left (PCA {{ pca_both["on defects"]:.2f }}). The network's F<sub>1</sub>-max with {{ most }} numbers is
#   {{ many.f1_max:.2f }}: no fall beyond the {{ spread:.2f }} by which seeds of one size differ.
#
# Is the deep network worth its steps? At the article's size, 500, PCA has a pixel AUROC of {{ pca_500.pixel_auroc:.2f }} (the network
# {{ at_500.pixel_auroc:.2f }}), an image AUROC of {{ pca_500.image_auroc:.2f }} ({{ at_500.image_auroc:.2f }}), F<sub>1</sub>-max {{ pca_500.f1_max:.2f }} ({{ at_500.f1_max:.2f }}) and PRO
# {{ pca_500.pro:.2f }} ({{ at_500.pro:.2f }}): neither is ahead in everything (means over the seeds, one set of test images). PCA sees 64 × 64 pixels, which is a blur of its own. Have the simple
# method ready.
#
# **What the study cannot say.** All sizes had {{ steps }} steps; a longer training may copy more. The nuts are painted, the recipe
# is one, the seeds are few. F<sub>1</sub>-max is from test images: nobody may choose a size by it.

# %% tags=["claim"]
# claim: too few numbers
assert network["residual_good"].idxmax() == fewest
assert few["f1_max"] + 0.03 < peak["f1_max"]

# %% tags=["claim"]
# claim: PCA copies more with every size, and its F1-max is not highest at the largest
assert linear["copied"].is_monotonic_increasing
assert pca_top < pca_most

# %% tags=["claim"]
# claim: with as many numbers the network copies less than half as much as PCA
assert both["copied"] < pca_both["copied"] / 2
assert both["on defects"] > pca_both["on defects"]

# %% tags=["claim"]
# claim: at 500 numbers neither is ahead in everything
assert pca_500["image_auroc"] > at_500["image_auroc"]
assert pca_500["f1_max"] < at_500["f1_max"]

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
flood = 100 * (maps[~test.masks] > cheapest).mean()
print(f"good pixels marked at the cheapest: {flood:.0f} %")

# %% tags=["check"]
with check(1):
    missed_at = {tau: np.count_nonzero(maps[test.masks] <= tau) for tau in (cheapest, *np.linspace(0, 1, 101))}
    cost = {tau: 100 * missed + np.count_nonzero(maps[~test.masks] > tau) for tau, missed in missed_at.items()}
    cheaper = min(cost, key=cost.get)
    assert cost[cheapest] <= 1.001 * cost[cheaper], (
        f"τ = {cheaper:.2f} is cheaper: {cost[cheaper]}, not {cost[cheapest]}"
    )

# %% [markdown] tags=["solution"]
# The cheapest τ is far below that of the best F<sub>1</sub>, and it floods: {{ flood:.0f }} % of all good pixels are marked. The arithmetic is
# right, the question was not: nobody pays by the pixel. Costs belong to *nuts*, as in "What a mistake costs".

# %% [markdown] tags=["exercise"]
# **2 (medium).** Prices for nuts. Write `cheapest_tau(good, defective, price, share)` from the image scores of good and of defective
# parts: the τ, among these scores, with the lowest cost, where a refused good part costs 1, a missed defective one `price`, and `share`
# of the parts are defective. A part is refused above τ. (The share in the test set does not matter; that in the factory does.)


# %% tags=["try"]
def cheapest_tau(good, defective, price, share):
    """The cheapest of the scores as τ; good, defective: float [N] each."""
    return np.median(good)


# %% tags=["solution"]
def cheapest_tau(good, defective, price, share):
    """The cheapest of the scores as τ; good, defective: float [N] each."""
    candidates = np.sort(np.concatenate([good, defective]))
    missed = np.array([(defective <= tau).mean() for tau in candidates])
    refused = np.array([(good > tau).mean() for tau in candidates])
    return candidates[np.argmin(price * share * missed + (1 - share) * refused)]


scores, is_defective = metrics.image_scores(maps), np.array(test.defects) != "good"
for share in (0.002, 0.02, 0.2):
    print(f"{100 * share:4.1f} % defective, price 100: τ = ", end="")
    print(f"{cheapest_tau(scores[~is_defective], scores[is_defective], 100, share):.3f}")

# %% tags=["check"]
with check(2):
    good, bad = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10]), np.array([4.5, 8.5, 11, 12, 13])
    assert cheapest_tau(good, bad, 1, 0.4) == 10, "cheap: two of five missed cost 0.16, refusing good parts more"
    assert cheapest_tau(good, bad, 1000, 0.5) == 4, "dear: nothing may be missed, so the largest score below 4.5"
    assert cheapest_tau(good, bad, 10, 0.01) == 10, "at a share of 1 % even a price of 10 is low"
    assert cheapest_tau(np.repeat(good, 9), bad, 20, 0.2) == 4, "more good parts in the test set change nothing"

# %% [markdown] tags=["solution"]
# Price and share count as a product: a defect ten times as rare at ten times the price asks for nearly the same τ. That is why one
# needs the factory's share, not the test set's.

# %% [markdown] tags=["exercise"]
# **3 (medium).** The MVTec AD paper raises τ until the largest connected region above it, in held-out *good* images, is smaller
# than a given area. Go the other way: write `largest_region(maps, tau)`, the pixels of the largest region above τ in any of the
# images (pixels that touch at a corner are connected; 0 if there is none). Which area would the article's τ = 0.2 stand for?


# %% tags=["try"]
def largest_region(maps, tau):
    """The size of the largest connected region above τ in maps [N, H, W], in pixels."""
    return (maps > tau).sum(axis=(1, 2)).max()  # all marked pixels of an image, connected or not


# %% tags=["solution"]
def largest_region(maps, tau):
    """The size of the largest connected region above τ in maps [N, H, W], in pixels."""
    sizes = [0]
    for one in maps > tau:
        labels, _ = ndimage.label(one, np.ones((3, 3)))  # 0 is the background
        sizes += np.bincount(labels.ravel())[1:].tolist()
    return max(sizes)


area_of = {tau: largest_region(lesson.held_out_maps, tau) for tau in (0.1, 0.15, 0.2, 0.25)}
for tau, area in area_of.items():
    print(f"τ = {tau}: the largest region in a good image has {area} pixels")

# %% tags=["check"]
with check(3):
    toy = np.zeros((2, 12, 12), np.float32)
    toy[0, 1:4, 1:4] = toy[0, 8:12, 8:12] = 0.5  # 9 and 16 pixels
    toy[1, [2, 3, 4, 5], [2, 3, 4, 5]] = 0.9  # four that touch at corners
    toy[1, 9, 0:3] = 0.9
    assert largest_region(toy, 0.2) == 16, "of the first image, and not 9 + 16"
    assert largest_region(toy, 0.5) == 4, "above τ, not at τ; corners connect"
    assert largest_region(toy, 0.95) == 0, "nothing is above 0.95"

# %% [markdown] tags=["solution"]
# τ = 0.2 stands for an area of {{ area_of[0.2]+1 }} pixels, τ = 0.1 for {{ area_of[0.1]+1 }}. The area decides everything, and the paper prints none; a
# single unlucky good image decides, too. Any rule needs a number from somebody. "One pixel in a hundred" can at least be explained
# to the owner of the factory, and tested on good images.

# %% [markdown] tags=["exercise"]
# **4 (your own data).** "At most 300 marked pixels on a good picture", says the owner. Write `tau_for(good_maps, pixels)`: a τ at which
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
asked = {}
for pixels in (30, 300, 3000):
    tau = tau_for(lesson.held_out_maps, pixels)
    marked = (on_test_good > tau).sum() / max(len(on_test_good), 1)
    asked[pixels] = marked
    print(f"{pixels:4d} pixels: τ = {tau:.3f}; on the good test images {marked:.0f} are marked on average")

# %% tags=["check"]
with check(4):
    for pixels in (50, 500):
        marked = (lesson.held_out_maps > tau_for(lesson.held_out_maps, pixels)).sum() / len(lesson.held_out_maps)
        assert 0.9 * pixels <= marked <= 1.01 * pixels, f"wanted {pixels} marked pixels per image, got {marked:.0f}"
    small = lesson.held_out_maps[:, ::2, ::2]
    marked = (small > tau_for(small, 500)).sum() / len(small)
    assert 450 <= marked <= 505, f"on smaller images {marked:.0f} marked pixels, not 500"

# %% [markdown] tags=["solution"]
# The promise holds about, not exactly: held-out images are few, and other good images have other residuals. Here
# {{ asked[300]:.0f }} pixels are marked where 300 were asked for. What counts is the order: first the price, in a unit that its payer
# understands, then τ, then the test.

# %% [markdown] tags=["exercise"]
# **5 (hard).** The copied share. Write `copied_share(before, after, drawn_before, drawn_after, mask)`: nut, nut with a defect, their
# reconstructions (all float [3, H, W]), and the mask of the defect; the slope of r on d as in part 2. Then lay the defects of the test
# images on held-out good nuts, and let PCA reconstruct both: put the median share for k = 2, 8, 32, 100 numbers into `shares`.
# (`baselines.PCADetector.reduce` and `.reconstruct` give pictures of 64 × 64; reduce the masks in the same way, and call a pixel
# defective from 0.5 on.)


# %% tags=["try"]
def copied_share(before, after, drawn_before, drawn_after, mask):
    """The slope of what a defect changes in the reconstruction on what it changes in the picture."""
    return (
        np.abs(drawn_after - before)[:, mask].sum() / np.abs(after - before)[:, mask].sum()
    )  # a blur counts as copied


shares = {}


# %% tags=["solution"]
def copied_share(before, after, drawn_before, drawn_after, mask):
    """The slope of what a defect changes in the reconstruction on what it changes in the picture."""
    d, r = (after - before)[:, mask], (drawn_after - drawn_before)[:, mask]  # [3, P] each
    return (r * d).sum() / (d * d).sum()


defective = np.flatnonzero(test.masks.any(axis=(1, 2)))
masks = test.masks[defective]
clean = lesson.held_out_images[np.arange(len(defective)) % len(lesson.held_out_images)]  # uint8 [D, 3, 256, 256]
hurt = np.where(masks[:, None], test.images[defective], clean)
reduce = baselines.PCADetector.reduce
small_masks = reduce(np.repeat(masks[:, None] * np.uint8(255), 3, axis=1))[:, 0] >= 0.5  # bool [D, 64, 64]
shares = {}
for k in (2, 8, 32, 100):
    pca = baselines.PCADetector(k)
    pca.fit(lesson.dataset.train.images)
    four = zip(reduce(clean), reduce(hurt), pca.reconstruct(clean), pca.reconstruct(hurt), small_masks, strict=True)
    shares[k] = np.median([copied_share(*one) for one in four if one[-1].any()])
    print(f"{k:3d} numbers: {shares[k]:.3f} of a defect is copied")

# %% tags=["check"]
with check(5):
    rng = np.random.default_rng(0)
    nut, defect_only, blur = rng.random((3, 3, 16, 16))
    mask = np.zeros((16, 16), bool)
    mask[4:9, 5:12] = True
    hurt_nut = nut + defect_only * mask
    for share in (0, 0.3, 1):
        mine = copied_share(nut, hurt_nut, blur, blur + share * defect_only * mask, mask)
        assert np.isclose(mine, share), f"a reconstruction that copies {share} of the defect: {mine:.3f}"
    outside = blur + defect_only * ~mask  # what changes outside the mask does not count
    assert np.isclose(copied_share(nut, hurt_nut, blur, outside, mask), 0), "only pixels of the mask count"
    against = copied_share(nut, hurt_nut, blur, blur - 0.5 * defect_only * mask, mask)
    assert np.isclose(against, -0.5), "a reconstruction that goes the other way has a negative share"
    assert set(shares) == {2, 8, 32, 100}, "one share for each of the four sizes"
    assert shares[2] <= shares[100] < 1, "with more numbers more is copied, though never all"

# %% [markdown] tags=["solution"]
# From {{ shares[2]:.3f }} with 2 numbers to {{ shares[100]:.2f }} with 100, for PCA of our good nuts, the held-out ones included. These pairs are pasted and not painted, so d holds
# the other nut's shell as well: the pairs of part 2 are the cleaner experiment.

# %% [markdown]
# ## In short
#
# * F<sub>1</sub> decides at one τ; a price per mistake says which τ is worth what.
# * Good images tell what a threshold costs, never what it finds.
# * With few latent numbers the error on good pixels grows. With many, PCA copies much of a defect, the article's network little in 800 steps.
#
# ## In practice
#
# * Write down how τ was chosen, from which images, before you report a score at it.
# * Re-choose τ whenever lamp, lens or product change; it costs a few dozen good images.
# * Give users the dial. The cost of a missed defect is theirs to know.
#
# ## Further reading
#
# * C. Elkan, [*The Foundations of Cost-Sensitive Learning*](https://dl.acm.org/doi/10.5555/1642194.1642224), IJCAI 2001: thresholds from prices.
# * P. Bergmann et al., [*The MVTec Anomaly Detection Dataset*](https://doi.org/10.1007/s11263-020-01400-4), IJCV 129 (2021): thresholds from good images.
#
# **Back:** [6 · Residual thresholding](06_residual_thresholding.ipynb) ·
# **Next:** [8 · The results table](08_results_table.ipynb) · [Solutions](solutions/07_threshold_and_latent_size.ipynb) ·
# **Play:** [τ against a defect that you drew](../book/playground/README.md)
