"""Change what is learnt from: fewer good images, or defective ones among them.

Decisions on images are measured, of the memory bank with a small bank (`decisions.SMALL`).
"""

from pathlib import Path

import numpy as np

from benchmarks.common import add_data, load_test_set, numbers, words
from benchmarks.decisions import SMALL, SYSTEMS, fitted, row
from benchmarks.pairs import paint_good, paint_pairs
from benchmarks.rows import Rows
from hazelnut_ae import thresholds

OUT = None
COUNTS = (5, 10, 20, 40, 80, 120)
COUNTS_OF_NETWORK = (10, 40, 120)  # a training takes minutes, so three sizes
PERCENT_DIRTY = (0, 1, 5, 10)
GOOD, HELD_OUT = 30, 30


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
    """Fits each system to drawn training sets and measures it on good nuts of its own and the defects of `data`.

    Args:
        data: a Dataset of painted nuts with test images.
        folder: for runs and training_set.csv.
        seeds: each draws other images and gives the fit another seed.
        preset: of the article's network.
        systems: some of `decisions.SYSTEMS`.

    Returns:
        A DataFrame with a row per question ("count", "dirty", or "dirty, held out too": then the held-out images that
        choose the threshold hide as many defects), system, value and seed.
    """
    rows = Rows(folder / "training_set.csv", ("question", "system", "value", "seed"))
    painted, dirt = paint_good(GOOD + HELD_OUT), paint_pairs(4, seed=3_000).defective
    defective = data.test.images[np.array(data.test.defects) != "good"]
    for seed in seeds:
        rng = np.random.default_rng([seed, 5])
        order, dirty_order = rng.permutation(len(data.train)), rng.permutation(len(dirt))
        for system in systems:
            jobs = [("count", size) for size in (COUNTS_OF_NETWORK if system == "article" else COUNTS)]
            for question, value in [*jobs, *(("dirty", percent) for percent in PERCENT_DIRTY)]:
                key = {"question": question, "system": system, "value": value, "seed": seed}
                if not rows.missing(**key):
                    continue
                percent = value if question == "dirty" else 0
                hidden = round(percent / 100 * len(data.train))
                clean = len(data.train) - hidden if question == "dirty" else value
                learnt = [data.train.images[np.sort(order[:clean])], dirt[dirty_order[:hidden]]]
                settings = SMALL if system == "memory bank" else {}
                detector = fitted(system, data, np.concatenate(learnt), seed, folder, preset, **settings)
                scores = [detector.predict(images).image_scores for images in (painted[:GOOD], defective)]
                held_out = detector.predict(painted[GOOD:]).image_scores
                measured = [row(scores, thresholds.tau_images_label_free(held_out), key)]
                if hidden:
                    others = dirt[dirty_order[-round(percent / 100 * HELD_OUT) :]] if percent > 1 else dirt[:0]
                    held_out[: len(others)] = detector.predict(others).image_scores
                    tau = thresholds.tau_images_label_free(held_out)
                    measured.append(row(scores, tau, key | {"question": "dirty, held out too"}))
                rows.add(measured)
    return rows.table()
