"""Measure the choices that make a memory bank's map, image score and τ, on the development sets of PROTOCOL.md.

The distances to both banks are computed once per set and seed; every choice combines them anew.
"""

import copy
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from benchmarks.common import load_test_set
from benchmarks.rows import Rows
from hazelnut_ae import metrics, patchcore, synthetic_anomalies, thresholds
from hazelnut_ae.comparison.differences import paired_differences
from hazelnut_ae.graph import Graph, Tiled, onnx_bytes
from hazelnut_ae.metrics import PixelMetrics
from hazelnut_ae.neighbours import nearest_by_projection
from hazelnut_ae.training import split_good

OUT = None
USUAL = {"coarse_weight": patchcore.COARSE_WEIGHT, "halo": patchcore.HALO}  # the choices that are in use
WEIGHTS, HALOS = (0.0, 0.3, 0.6, 1.0, 1.5), (0, 128, 64, 43, 32, 16)  # halo: the radius is 1/halo of the side; 0: none
RULES = {  # name: τ from maps of held-out good images, and from maps and masks of images with pasted defects
    "tau 1 % of pixels": lambda good, pasted, masks: thresholds.tau_quantile(good, 0.01),
    "tau 0.1 % of pixels": lambda good, pasted, masks: thresholds.tau_quantile(good),
    "tau exponential": lambda good, pasted, masks: thresholds.tau_exponential(good),
    "tau pasted": lambda good, pasted, masks: synthetic_anomalies.tau_pasted(pasted, masks),
    "tau highest": lambda good, pasted, masks: float(np.median(good.max(axis=(1, 2)))),
}
MEDIANS = {  # name: the median of three of them
    "tau median with 1 %": ("tau 1 % of pixels", "tau exponential", "tau pasted"),
    "tau median with highest": ("tau highest", "tau exponential", "tau pasted"),
}


def add_options(command):
    command.add_argument("data", nargs="+", metavar="DIR", help="data folders with test images")
    command.add_argument("--runs", default="runs/bank_map", help="folder of the table")
    command.add_argument("--seeds", type=int, default=3, help="default: 3")


def run(options):
    rows = Rows(Path(options.runs) / "bank_map.csv", ("data", "seed", "coarse_weight", "halo"))
    for folder in options.data:
        for seed in range(options.seeds):
            measure(load_test_set(folder), seed, rows)
    print(rows.table().to_string(index=False, float_format="{:.3g}".format))


def measure(data, seed, rows):
    """Fits a bank and adds a row for each of `WEIGHTS` and of `HALOS`, the other choice as it is in use.

    f1_max, pro, and the columns that begin with "tau" (F1 at the τ of each rule): means over the kinds of defects.
    image_auroc: of the coarse distances, of the map's maximum, of its 100 largest values. "f1_max more", with low and
    high: the gain over the map in use, over all pixels, with its interval from the paired bootstrap.
    """
    key = {"data": data.name, "seed": seed}
    choices = [USUAL] + [USUAL | {"coarse_weight": one} for one in WEIGHTS if one != USUAL["coarse_weight"]]
    choices += [USUAL | {"halo": one} for one in HALOS if one != USUAL["halo"]]
    if not any(rows.missing(**key, **choice) for choice in choices):
        return
    learnt, held_out = (data.train.images[of] for of in split_good(len(data.train), seed))
    bank, scales = patchcore.MemoryBank(seed=seed), []
    with mock.patch.object(patchcore.TwoBanks, "calibrate_scales", lambda _, *parts: scales.extend(parts)):
        bank.fit(learnt)
    pasted, masks = synthetic_anomalies.paste_defects(held_out)
    found, usual = [distances(bank.banks, images) for images in (data.test.images, held_out, pasted)], None
    for choice in choices:
        maps = [drawn(bank.banks, scales, fine, coarse, **choice) for fine, coarse, _ in found]
        usual = maps[0] if choice == USUAL else usual
        if rows.missing(**key, **choice):
            rows.add([key | choice | numbers(data.test, *maps, masks, found[0][2]) | gain(data.test, maps[0], usual)])


@torch.no_grad()
def distances(banks, images):
    """Returns fine and coarse distances [N, 1, H, W] and their image scores [N] of images uint8 [N, 3, H, W]."""
    network = copy.copy(banks)
    network.forward = network.patches
    tiled = Tiled(network, *banks.fine.tiles)
    graph = Graph(lambda size: onnx_bytes(tiled, size, ["fine", "coarse"]))
    features = ([torch.from_numpy(one) for one in graph(image[None])] for image in images)
    each = (banks.distances(*both, nearest_by_projection) for both in features)
    each = [banks.draw(*both, images.shape[2:]) for both in each]
    return [torch.cat(parts) for parts in zip(*each, strict=True)]


@torch.no_grad()
def drawn(banks, scales, fine, coarse, coarse_weight, halo):
    """Returns maps float32 [N, H, W]; scales: the distances of good images that `calibrate_scales` gets."""
    with mock.patch.object(patchcore, "COARSE_WEIGHT", coarse_weight):
        banks.calibrate_scales(*scales)
    maps = banks.smooth(torch.maximum(fine, banks.factor * coarse + banks.shift) if coarse_weight else fine)
    return (patchcore.without_halo(maps, maps.shape[2] // halo) if halo else maps)[:, 0].numpy()


def numbers(test, maps, good, pasted, masks, coarse_scores):
    """Returns the numbers of one choice; maps: of the test, of held-out good images, of those with pasted defects."""
    defects = np.array(test.defects)
    kinds = {name: defects == name for name in test.defect_names}
    each = [PixelMetrics().update(maps[of], test.masks[of]).compute() for of in kinds.values()]
    row = {"pixel_auroc": PixelMetrics().update(maps, test.masks).compute()["auroc"]}
    row |= {name: np.mean([one[name] for one in each]) for name in ("pro", "f1_max")}
    scores = {"": coarse_scores.numpy(), " of maximum": maps.max(axis=(1, 2)), " of 100": metrics.image_scores(maps)}
    row |= {f"image_auroc{name}": metrics.image_auroc(one, defects != "good") for name, one in scores.items()}
    taus = {name: rule(good, pasted, masks) for name, rule in RULES.items()}
    taus |= {name: float(np.median([taus[one] for one in three])) for name, three in MEDIANS.items()}
    return row | {name: np.mean(list(metrics.f1_by_defect(maps, test, tau).values())) for name, tau in taus.items()}


def gain(test, maps, usual):
    row = paired_differences(test, {"it": maps, "usual": usual}, "usual").iloc[0]
    return {"f1_max more": row["F1-max"], "low": row["F1-max low"], "high": row["F1-max high"]}
