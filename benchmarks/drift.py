"""Change lamp, focus, camera and part a little, keep the threshold, and count false alarms and missed parts.

Three remedies are measured, too. "threshold": it is chosen anew from drifted held-out good images. "normalised": images
get the colours back that the held-out good ones had before the drift (a lamp only). "fitted again": the detector learns
from drifted good images, and its threshold is chosen anew (the strongest drifts; not the article's network).
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from benchmarks.common import add_data, load_test_set, numbers
from benchmarks.decisions import SMALL, fitted, row
from benchmarks.pairs import paint_good, paint_pairs
from benchmarks.rows import Rows
from hazelnut_ae import thresholds
from hazelnut_ae.engine import runs
from hazelnut_ae.training import split_good

OUT = None
GOOD, HELD_OUT, PER_DEFECT = 30, 30, 6


def brightness(image, gain):
    return image * (1 + gain)


def warmth(image, gain):
    return image * np.array([1 + gain, 1, 1 - gain])[:, None, None]


def defocus(image, sigma):
    return ndimage.gaussian_filter(image, (0, sigma, sigma), mode="nearest")


def noise(image, sigma):
    return image + np.random.default_rng(int(image.sum()) % 2**32).normal(0, sigma, image.shape)


def shift(image, pixels):
    return ndimage.shift(image, (0, 0, pixels), order=1, mode="reflect")


def turn(image, degrees):
    return ndimage.rotate(image, degrees, axes=(1, 2), reshape=False, order=1, mode="reflect")


def jpeg(image, quality):
    buffer = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer), dtype=np.float32).transpose(2, 0, 1)


DRIFTS = {  # name: (function of a float32 image [3, H, W] in 0 … 255 and a strength, strengths)
    "none": (lambda image, _: image, (0,)),
    "brightness": (brightness, (-0.2, -0.1, -0.05, 0.05, 0.1, 0.2)),
    "colour temperature": (warmth, (-0.1, 0.1)),
    "defocus": (defocus, (1, 2)),
    "JPEG quality": (jpeg, (50, 20)),
    "noise": (noise, (5, 10)),
    "shift": (shift, (4, 16)),
    "turn": (turn, (5,)),  # beyond, what fills the corners would count, too
}
LAMP = ("brightness", "colour temperature")


def drifted(images, name, strength):
    """Applies a drift to images uint8 [N, 3, H, W]; returns the same shape and type."""
    change = DRIFTS[name][0]
    changed = [np.clip(np.round(change(one.astype(np.float32), strength)), 0, 255) for one in images]
    return np.stack(changed).astype(np.uint8)


def normalized(images, drifted_good, good):
    """Undoes a lamp: gives each colour the mean and the spread back that known good parts had.

    The gain is one for all images: it undoes the lamp, and leaves one dark part dark.

    Args:
        images: uint8 [N, 3, H, W].
        drifted_good: good parts in the light of `images`, uint8 [M, 3, H, W].
        good: the same parts in the light of the training images.
    """
    axes = (0, 2, 3)
    mean, spread = drifted_good.mean(axes, keepdims=True), drifted_good.std(axes, keepdims=True)
    scaled = (images - mean) / spread * good.std(axes, keepdims=True) + good.mean(axes, keepdims=True)
    return np.clip(np.round(scaled), 0, 255).astype(np.uint8)


def add_options(command):
    add_data(command)
    command.add_argument("--run", nargs="*", default=[], help="runs of the article's network, learnt from DIR")
    command.add_argument("--runs", default="runs/drift", help="folder of the table")
    command.add_argument("--seeds", type=numbers, default=(0, 1, 2), help="of PCA and the bank (default: 0,1,2)")


def run(options):
    table = drift(load_test_set(options.data), Path(options.runs), options.seeds, options.run)
    print(table.to_string(index=False, float_format="{:.3g}".format))


def drift(data, folder, seeds=(0, 1, 2), trained=()):
    """Measures decisions under drift.

    Args:
        data: a Dataset of painted nuts; its good training images are learnt from.
        folder: for drift.csv.
        seeds: of the splits and the fits of PCA and the memory bank.
        trained: folders of runs of the article's network.

    Returns:
        A DataFrame with a row per system, seed, drift, strength and remedy ("none", "threshold", "normalised",
        "fitted again").
    """
    rows = Rows(folder / "drift.csv", ("system", "seed", "drift", "strength", "remedy"))
    good, pairs = paint_good(GOOD + HELD_OUT), paint_pairs(PER_DEFECT)
    sets = good[:GOOD], pairs.defective, good[GOOD:]
    networks = {run.config["seed"]: run.detector for run in map(runs.load_run, trained)}
    for seed in dict.fromkeys((*seeds, *networks)):
        learnt = data.train.images[split_good(len(data.train), seed)[0]]
        jobs = {"article": networks[seed]} if seed in networks else {}
        if seed in seeds:
            jobs |= {"PCA": fitted("PCA", data, learnt, seed, folder)}
            jobs |= {"memory bank": fitted("memory bank", data, learnt, seed, folder, **SMALL)}
        taus = {system: held_out_tau(detector, sets[2]) for system, detector in jobs.items()}
        for name, strength in [(name, strength) for name, (_, strengths) in DRIFTS.items() for strength in strengths]:
            key = {"seed": seed, "drift": name, "strength": strength}
            left = [system for system in jobs if rows.missing(**key, system=system, remedy="none")]
            after = [drifted(images, name, strength) for images in sets] if left else []
            for system in left:
                measured = fixed(jobs[system], taus[system], sets, after, {"system": system} | key)
                if system != "article" and name != "none" and abs(strength) == extreme(name):
                    settings = SMALL if system == "memory bank" else {}
                    again = fitted(system, data, drifted(learnt, name, strength), seed, folder, **settings)
                    of_again = {"system": system} | key | {"remedy": "fitted again"}
                    measured.append(decided(again, held_out_tau(again, after[2]), after[:2], of_again))
                rows.add(measured)
    return rows.table()


def extreme(name):
    """Returns the largest strength of a drift, without its sign; of JPEG the lowest quality."""
    strengths = DRIFTS[name][1]
    return min(strengths) if name == "JPEG quality" else max(map(abs, strengths))


def fixed(detector, tau, sets, after, key):
    """Returns the rows of one drift for a detector that is kept.

    Args:
        detector: a fitted Detector.
        tau: its image threshold, chosen before the drift.
        sets, after: good, defective and held-out good images before and after the drift, uint8 [N, 3, H, W] each.
        key: what identifies the rows.
    """
    scores = [detector.predict(images).image_scores for images in after]
    new_tau = thresholds.tau_images_label_free(scores[2])
    rows = [row(scores[:2], one, key | {"remedy": name}) for name, one in (("none", tau), ("threshold", new_tau))]
    if key["drift"] in LAMP:
        back = [normalized(images, after[2], sets[2]) for images in after[:2]]
        rows.append(decided(detector, tau, back, key | {"remedy": "normalised"}))
    return rows


def held_out_tau(detector, held_out):
    """Returns the image threshold (10 %) that held-out good images uint8 [M, 3, H, W] give."""
    return thresholds.tau_images_label_free(detector.predict(held_out).image_scores)


def decided(detector, tau, images, key):
    """Returns the row of good and defective images, uint8 [N, 3, H, W] each."""
    return row([detector.predict(one).image_scores for one in images], tau, key)
