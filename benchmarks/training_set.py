"""Change what is learnt from: fewer good images, or defective ones among them."""

from pathlib import Path

import numpy as np

from benchmarks.common import add_data, load_test_set, numbers, words
from benchmarks.decisions import SYSTEMS, decisions, fitted, image_tau, quality
from benchmarks.pairs import paint_good, paint_pairs
from benchmarks.rows import Rows

OUT = None
COUNTS = (5, 10, 20, 40, 80, 120)
COUNTS_OF_NETWORK = (10, 40, 120)  # a training takes minutes, so three sizes
PERCENT_DIRTY = (0, 1, 5, 10)


def add_options(command):
    add_data(command)
    command.add_argument("--runs", default="runs/training_set", help="folder of the runs and of the table")
    command.add_argument("--seeds", type=numbers, default=(0, 1, 2), help="default: 0,1,2")
    command.add_argument("--preset", default="quick", help="of the article's network (default: quick)")
    command.add_argument("--systems", type=words, default=SYSTEMS, help=f"default: {','.join(SYSTEMS)}")


def run(options):
    data = load_test_set(options.data)
    table = training_set(data, Path(options.runs), options.seeds, options.preset, options.systems)
    print(table.to_string(index=False, float_format="{:.3g}".format))


def training_set(data, folder, seeds=(0, 1, 2), preset="quick", systems=SYSTEMS):
    """Fits each system to drawn training sets and measures it on the test images of `data`.

    Args:
        data: a Dataset of painted nuts with test images.
        folder: for runs and training_set.csv.
        seeds: each draws other images and gives the fit another seed.
        preset: of the article's network.
        systems: some of `decisions.SYSTEMS`.

    Returns:
        A DataFrame with a row per question ("count" or "dirty"), system, value and seed.
    """
    rows = Rows(folder / "training_set.csv", ("question", "system", "value", "seed"))
    held_out = paint_good(40)
    dirt = paint_pairs(3, seed=3_000).defective
    test = data.test
    good = np.array(test.defects) == "good"
    for seed in seeds:
        order = np.random.default_rng([seed, 5]).permutation(len(data.train))
        for system in systems:
            counts = COUNTS_OF_NETWORK if system == "article" else COUNTS
            jobs = [("count", count, data.train.images[np.sort(order[:count])]) for count in counts]
            for percent in PERCENT_DIRTY:
                count = round(percent / 100 * len(data.train))
                learnt = data.train.images[np.sort(order[: len(order) - count])]
                rng = np.random.default_rng([seed, 6])
                jobs.append(("dirty", percent, np.concatenate([learnt, dirt[rng.permutation(len(dirt))[:count]]])))
            for question, value, learnt in jobs:
                key = {"question": question, "system": system, "value": value, "seed": seed}
                if rows.missing(**key):
                    detector = fitted(system, data, learnt, seed, folder, preset)
                    predicted, tau = detector.predict(test.images), image_tau(detector, held_out)
                    scores = predicted.image_scores
                    rows.add([key | quality(predicted, test) | decisions(scores[good], scores[~good], tau)])
    return rows.table()
