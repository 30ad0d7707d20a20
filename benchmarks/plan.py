"""Thirty good photographs: hold out three, hold out nine, or let all thirty choose the threshold (CV+)?

Thirty painted nuts are drawn again and again; the others are the good ones that come later.
"""

from pathlib import Path

import numpy as np

from benchmarks.common import add_data, load_test_set, numbers, words
from benchmarks.decisions import SMALL, fitted
from benchmarks.rows import Rows
from hazelnut_ae import thresholds

OUT = None
PHOTOGRAPHS, HELD_OUT, FOLDS = 30, (3, 9), 10


def add_options(command):
    add_data(command)
    command.add_argument("--runs", default="runs/plan", help="folder of the table")
    command.add_argument("--draws", type=numbers, default=tuple(range(6)), help="default: 0,1,2,3,4,5")
    command.add_argument("--systems", type=words, default=("PCA", "memory bank"), help="default: PCA,memory bank")


def run(options):
    table = plan(load_test_set(options.data), Path(options.runs), options.draws, options.systems)
    print(table.to_string(index=False, float_format="{:.3g}".format))


def plan(data, folder, draws=tuple(range(6)), systems=("PCA", "memory bank")):
    """Counts false alarms and missed parts of each plan.

    Args:
        data: a Dataset of painted nuts with test images.
        folder: for plan.csv.
        draws: seeds of the thirty photographs.
        systems: "PCA", "memory bank".

    Returns:
        A DataFrame with a row per system, plan ("hold out 3", "hold out 9", "10 folds") and draw.
    """
    rows = Rows(folder / "plan.csv", ("system", "plan", "draw"))
    is_good = np.array(data.test.defects) == "good"
    for draw in draws:
        order = np.random.default_rng([draw, 8]).permutation(len(data.train))
        mine, others = data.train.images[order[:PHOTOGRAPHS]], data.train.images[order[PHOTOGRAPHS:]]
        new = np.concatenate([others, data.test.images[is_good], data.test.images[~is_good]])
        good = np.arange(len(new)) < len(others) + is_good.sum()
        for system in systems:
            settings = SMALL if system == "memory bank" else {}

            def score(left_out, system=system, settings=settings, draw=draw, mine=mine, new=new):
                """Fits without these photographs; returns the scores of the new ones [M] and of those left out."""
                detector = fitted(
                    system, data, mine[np.setdiff1d(np.arange(len(mine)), left_out)], draw, folder, **settings
                )
                return [detector.predict(images).image_scores for images in (new, mine[left_out])]

            for name in [*(f"hold out {count}" for count in HELD_OUT), f"{FOLDS} folds"]:
                key = {"system": system, "plan": name, "draw": draw}
                if not rows.missing(**key):
                    continue
                if "folds" in name:
                    folds = np.arange(PHOTOGRAPHS) % FOLDS
                    scores, left_out = [], np.zeros(PHOTOGRAPHS)
                    for k in range(FOLDS):
                        of_new, left_out[folds == k] = score(np.flatnonzero(folds == k))
                        scores.append(of_new)
                    refused = thresholds.refused_cross(scores, left_out, folds)
                else:
                    of_new, left_out = score(np.arange(int(name.split()[-1])))
                    refused = of_new > thresholds.tau_images_label_free(left_out)
                counted = {"alarms": refused[good].sum(), "good": good.sum()}
                rows.add([key | counted | {"missed": (~refused[~good]).sum(), "defective": (~good).sum()}])
    return rows.table()
