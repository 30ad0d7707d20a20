# %% [markdown]
# # 9 · The comparison systems, working
#
# **What you'll do.** Meet the four systems that the article sets beside its own, each in a picture and a few lines; fit all
# of them to the same images; measure all of them with the same ruler.
#
# **What you'll learn.** Four different ideas of what an anomaly is: a wrong colour, a wrong structure, an image that a
# painter of good images cannot paint, a patch unlike all good patches. And what each idea cannot see.
#
# **What you'll need.** [Notebook 6](06_residual_thresholding.ipynb) for residuals and thresholds. With the quick preset the
# fits take about ten to twenty minutes on two free cores, once; they are kept.

# %% tags=["setup"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from hazelnut_ae import cache, comparison, dataset, figures, published, results, tutorial
from hazelnut_ae.comparison import bergmann, dictionary

lesson = tutorial.setup()
test = lesson.dataset.test
setting = "tiny" if lesson.preset.name == "tiny" else "quick"
kept = cache.cache_folder() / "comparison" / f"{setting}-{lesson.dataset.fingerprint[:12]}"
options = dict(setting=setting, augment="turn", seed=0)
rows = comparison.one_of_each(test)  # the first image of each defect, and a good one
chosen = test.subset(rows)
note = f"{lesson.data_words}; setting: {setting}."

# %% [markdown]
# ## Why build them again?
#
# The article's table has a row for each of these systems, and its own rows come out well beside them. But the two kinds of
# row do not measure the same thing: the borrowed ones are shares of *images* that were judged correctly, the article's own
# are shares of *pixels*.

# %%
pd.DataFrame(published.ARTICLE_TABLE).assign(counts=[row.level for row in published.ARTICLE_TABLE])

# %% [markdown]
# A table like that can only be mended by measuring. So here are the four systems, written anew from their papers. Each has
# two methods: `fit(good images)` and `anomaly_maps(images)`, and nothing else is asked of it.

# %% [markdown]
# ## AE(L2): an autoencoder without surprises
#
# The authors of the MVTec data set used an autoencoder of their own, a cousin of the article's: convolutions that halve the
# image, a latent vector, the way back. No BatchNorm, a steeper LeakyReLU, some layers of stride 1 between the halvings.
# The loss is the mean squared error, and so is the map (its root, over the three colours).

# %%
l2, l2_facts = comparison.fit(lesson.dataset, kept, "ae-l2", **options)
pd.DataFrame(bergmann.ENCODER, columns=["channels", "kernel", "stride"]).T

# %%
l2_copies, l2_maps = l2.reconstruct(chosen.images), l2.anomaly_maps(chosen.images)
figures.panels(
    [list(chosen.images), list(l2_copies), list(l2_maps)],
    labels=["image", "AE(L2)", "map"],
    titles=chosen.defects,
    caption=note,
    panel=160,
)

# %% [markdown]
# ## AE(SSIM): the same network, another eye
#
# Two images may differ a little everywhere (a shade darker) or a lot in one place, at the same squared error. Eyes see the
# difference. The *structural similarity* (SSIM) looks at both images through an 11 × 11 window and compares three things:
# mean brightness, contrast, and how the two vary together:
#
# $$ \mathrm{SSIM} = \frac{(2\mu_x\mu_y + c_1)(2\sigma_{xy} + c_2)}{(\mu_x^2 + \mu_y^2 + c_1)(\sigma_x^2 + \sigma_y^2 + c_2)} $$
#
# It is 1 where the two are alike. The same change of brightness that costs much under L2 costs nearly nothing here, while
# noise, which L2 hardly minds, counts as a wrong structure:

# %%
# NBVAL_CHECK_OUTPUT
y, x = np.mgrid[:256, :256] / 256
picture = torch.from_numpy(0.5 + 0.2 * np.sin(40 * x) * np.sin(30 * y)).float()[None, None]  # [1, 1, 256, 256]
darker = picture - 0.05
noisy = picture + 0.05 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
for name, other in (("darker", darker), ("noisy", noisy)):
    l2_distance = (picture - other).square().mean().sqrt()
    ssim = structural_similarity_index_measure(picture, other, data_range=1.0)
    print(f"{name}: L2 {l2_distance:.2f}, 1 - SSIM {1 - ssim:.1f}")

# %% [markdown]
# Trained with this loss (on grey images), the network spends its 500 numbers on edges and texture rather than on brightness,
# and its map, 1 − SSIM, is bright wherever the texture is not rebuilt to the letter.

# %%
ssim, ssim_facts = comparison.fit(lesson.dataset, kept, "ae-ssim", **options)
grey = np.repeat(ssim.reconstruct(chosen.images), 3, axis=1)  # [R, 3, 256, 256]
figures.panels(
    [list(chosen.images), list(grey), list(ssim.anomaly_maps(chosen.images))],
    labels=["image", "AE(SSIM)", "map"],
    titles=chosen.defects,
    caption=note,
    panel=160,
)

# %% [markdown]
# ## AnoGAN: the painter
#
# A *generative adversarial network* has two halves. The generator paints an image from 64 random numbers *z*; the
# discriminator is shown painted and real images and learns to tell them apart; the generator learns to fool it. When both
# are done, the generator paints what it takes for good images:

# %%
gan, gan_facts = comparison.fit(lesson.dataset, kept, "anogan", **options)
comparison.samples_figure(gan.samples(16), caption=f"Painted by AnoGAN's generator, 128 × 128 pixels. {note}")

# %% [markdown]
# A generator has no encoder. To judge an image, AnoGAN *searches* for the z whose painting is nearest to it: gradient
# descent on z, while the network stands still. What even the best painting cannot show is called anomalous.

# %%
x = gan.prepare(chosen.images) * 2 - 1  # [R, 3, 128, 128] in [−1, 1]
found, course = gan.search(x)
figure, ax = plt.subplots(figsize=(5, 2.2))
ax.plot(course)
ax.set(xlabel="search step", ylabel="loss")
figure

# %%
figures.panels(
    [list((x.numpy() + 1) / 2), list((found.numpy() + 1) / 2), list(gan.anomaly_maps(chosen.images))],
    labels=["image", "nearest painting", "map"],
    titles=chosen.defects,
    caption=note,
    panel=160,
)

# %% [markdown]
# ## The feature dictionary: have I seen such a patch?
#
# The fourth system rebuilds nothing. It cuts good images into patches of 16 × 16 pixels, describes each by the features of
# a network that was trained on ImageNet (and never on hazelnuts), and keeps ten typical descriptions. A patch of a new image
# is as anomalous as it is far from all ten. Here are the good patches nearest to each of the ten:

# %%
words, words_facts = comparison.fit(lesson.dataset, kept, "dictionary", **options)
images = torch.from_numpy(np.array(lesson.dataset.train.images[:4]))  # [4, 3, 256, 256]
patches = torch.cat([dictionary.patches_of(image)[::7] for image in images])  # [P, 3, 16, 16]
reduced = (words.describe(patches) - words.mean) @ words.components.T  # [P, about 100]
nearest = torch.cdist(words.centres, reduced).argsort(dim=1)[:, :6]  # [10, 6]
print(f"{words.name}: {words.mean.numel()} features, {len(words.components)} after PCA, {len(words.centres)} centres")
figures.panels(
    [[patches[nearest[c, r]].numpy() for c in range(len(nearest))] for r in range(6)],
    titles=[f"centre {c + 1}" for c in range(len(nearest))],
    caption=f"Good patches of 16 × 16 pixels. {note}",
    panel=64,
)

# %% [markdown]
# ## All of them, under one ruler
#
# The same images to learn from, the same test images, the same metrics, and the same way to choose a threshold without
# labels (the value that 99.9 % of the pixels of held-out good images do not exceed).

# %%
run = lesson.run
measured = [
    results.evaluate("article", lesson.maps, test, lesson.held_out_maps, tau_printed=True, data=lesson.dataset.name)
    | {"setting": run.caption, "augment": "", "fit_s": None, "predict_s": None, "peak_gb": None}
]
measured += comparison.compare(lesson.dataset, kept.with_name(kept.name + "-none"), [], **options)
columns = {"article": lesson.maps[rows]}
for name in comparison.SYSTEMS:
    found = comparison.predict(lesson.dataset, kept, name, **options)
    one = results.evaluate(found["system"], found["maps"], test, found["held_out_maps"], False, lesson.dataset.name)
    measured.append(one | {key: found[key] for key in ("setting", "augment", "fit_s", "predict_s", "peak_gb")})
    columns[found["system"].split(" (")[0]] = found["maps"][rows]
comparison.table(measured).style.hide()

# %%
comparison.maps_figure(
    chosen.images, chosen.masks, columns, chosen.defects, caption=f"Each column in its own scale. {note}"
)
