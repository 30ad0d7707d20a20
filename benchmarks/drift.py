"""Change lamp, focus, camera and part a little, keep the thresholds, and count false alarms and missed parts.

The remedies are measured, too: the threshold chosen anew from drifted good images, images brought back to the mean and
spread of the good ones, and a detector fitted again.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from benchmarks.common import add_data, load_test_set, numbers
from benchmarks.decisions import SYSTEMS, decisions, fitted, image_tau
from benchmarks.pairs import paint_good, paint_pairs
from benchmarks.rows import Rows
from hazelnut_ae import metrics
from hazelnut_ae.training import split_good

OUT = None
GOOD, HELD_OUT, PER_DEFECT = 60, 40, 15


def brightness(image, gain):
    return image * (1 + gain)


def warmth(image, gain):
    return image * np.array([1 + gain, 1, 1 - gain])[:, None, None]


def defocus(image, sigma):
    return ndimage.gaussian_filter(image, (0, sigma, sigma), mode="nearest")


def noise(image, sigma):
    return image + np.random.default_rng(int(image.sum()) % 2**32).normal(0, sigma, image.shape)


def shift(image, pixels):
    return ndimage.shift(image, (0, 0, pixels), order=1, mode="nearest")


def turn(image, degrees):
    return ndimage.rotate(image, degrees, axes=(1, 2), reshape=False, order=1, mode="nearest")


def jpeg(image, quality):
    buffer = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer), dtype=np.float32).transpose(2, 0, 1)


DRIFTS = {  # name: (function of a float32 image [3, H, W] in 0 … 255 and a strength, strengths)
    "none": (lambda image, _: image, (0,)),
    "brightness": (brightness, (-0.2, -0.1, -0.05, 0.05, 0.1, 0.2)),
    "colour temperature": (warmth, (-0.1, -0.05, 0.05, 0.1)),
    "defocus": (defocus, (0.5, 1, 2)),
    "JPEG quality": (jpeg, (90, 50, 20)),
    "noise": (noise, (2, 5, 10)),
    "shift": (shift, (4, 16)),
    "turn": (turn, (5, 45)),
}


def drifted(images, name, strength):
    """Applies a drift to images uint8 [N, 3, H, W]; returns the same shape and type."""
    change = DRIFTS[name][0]
    changed = [np.clip(np.round(change(one.astype(np.float32), strength)), 0, 255) for one in images]
    return np.stack(changed).astype(np.uint8)


def normalized(images, reference):
    """Gives images uint8 [N, 3, H, W] the mean and the spread of each colour that the reference images have together.

    The gain is one for all images of a batch: it undoes the lamp, and leaves one dark image dark.
    """
    axes = (0, 2, 3)
    mean, spread = images.mean(axes, keepdims=True), images.std(axes, keepdims=True)
    target_mean, target_spread = reference.mean(axes, keepdims=True), reference.std(axes, keepdims=True)
    scaled = (images - mean) / spread * target_spread + target_mean
    return np.clip(np.round(scaled), 0, 255).astype(np.uint8)


def add_options(command):
    add_data(command)
    command.add_argument("--runs", default="runs/drift", help="folder of the runs and of the table")
    command.add_argument("--seeds", type=numbers, default=(0, 1, 2), help="default: 0,1,2")
    command.add_argument("--preset", default="quick", help="of the article's network (default: quick)")


def run(options):
    table = drift(load_test_set(options.data), Path(options.runs), options.seeds, options.preset)
    print(table.to_string(index=False, float_format="{:.3g}".format))


def drift(data, folder, seeds=(0, 1, 2), preset="quick"):
    """Measures decisions under drift.

    Args:
        data: a Dataset of painted nuts; its good training images are learnt from.
        folder: for runs and drift.csv.
        seeds: of the fits.
        preset: of the article's network.

    Returns:
        A DataFrame with a row per system, seed, drift, strength and remedy ("none", "threshold", "normalised",
        "fitted again").
    """
    rows = Rows(folder / "drift.csv", ("system", "seed", "drift", "strength", "remedy"))
    good, held_out, pairs = paint_good(GOOD + HELD_OUT), None, paint_pairs(PER_DEFECT)
    good, held_out = good[:GOOD], good[GOOD:]
    for system in SYSTEMS:
        for seed in seeds:
            learnt = data.train.images[split_good(len(data.train), seed)[0]]
            detector = tau = None
            for name, (_, strengths) in DRIFTS.items():
                for strength in strengths:
                    key = {"system": system, "seed": seed, "drift": name, "strength": strength}
                    if not rows.missing(**key, remedy="none"):
                        continue
                    if detector is None:
                        detector = fitted(system, data, learnt, seed, folder, preset)
                        tau = image_tau(detector, held_out)
                    sets = [drifted(images, name, strength) for images in (good, pairs.defective, held_out)]
                    rows.add(measured(detector, tau, sets, pairs, learnt, key))
    return rows.table()


def measured(detector, tau, sets, pairs, learnt, key):
    """Returns the rows of one drift: without a remedy, with a new threshold, and normalised.

    Args:
        detector: a fitted Detector.
        tau: its image threshold, chosen before the drift.
        sets: good, defective and held-out good images after the drift, uint8 [N, 3, H, W] each.
        pairs: the `Pairs` that the defective ones come from.
        learnt: the good images that the detector learnt from, before the drift.
        key: what identifies the rows.
    """
    on_good, on_defective, on_held_out = (detector.predict(images) for images in sets)
    new_tau = float(np.sort(on_held_out.image_scores)[int(np.ceil(0.9 * (len(on_held_out.image_scores) + 1))) - 1])
    back = [normalized(images, learnt) for images in sets[:2]] if key["drift"] != "none" else sets[:2]
    again = [detector.predict(images) for images in back]
    rows = []
    for remedy, found, threshold in (
        ("none", (on_good, on_defective), tau),
        ("threshold", (on_good, on_defective), new_tau),
        ("normalised", again, tau),
    ):
        scores = [one.image_scores for one in found]
        auroc = metrics.image_auroc(np.concatenate(scores), np.repeat([False, True], [len(one) for one in scores]))
        row = key | {"remedy": remedy, "image_tau": threshold, "image_auroc": auroc}
        rows.append(row | decisions(*scores, threshold))
    return rows
