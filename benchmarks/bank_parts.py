"""What a memory bank's maps and decisions rest on: which bank, its size, its neighbourhood, its coreset, its network.

`bank_parts` changes how the coreset is chosen and the network's weights, with a small bank of which only the coarse
half decides (`decisions.SMALL`). `parts` takes the whole detector apart: the fine bank, the coarse one and both, of 500
to 20,000 patches, and the fine one with other neighbourhoods. Each image is described once; then only the bank changes.
"""

import copy
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from benchmarks.common import add_data, load_test_set, numbers
from benchmarks.decisions import SMALL, hash_of, row
from benchmarks.rows import Rows
from hazelnut_ae import bootstrap, metrics, patchcore, thresholds
from hazelnut_ae.backbones import empty_stages, imagenet_stages
from hazelnut_ae.comparison import paired_differences
from hazelnut_ae.detection import Prediction, prediction_from_maps
from hazelnut_ae.graph import Graph, onnx_bytes
from hazelnut_ae.neighbours import nearest_by_projection
from hazelnut_ae.training import split_good

OUT = None
KEY = ("data", "variant", "part", "seed")


def random_coreset(features, size, seed=0):
    """Chooses rows at random: as `patchcore.greedy_coreset`, without its care for rare features."""
    return torch.randperm(len(features), generator=torch.Generator().manual_seed(seed))[:size]


VARIANTS = {  # name: (patches, how they are chosen, whether the network has ImageNet's weights)
    "1,000 greedy": (1_000, patchcore.greedy_coreset, True),
    "1,000 at random": (1_000, random_coreset, True),
    "100 greedy": (100, patchcore.greedy_coreset, True),
    "100 at random": (100, random_coreset, True),
    "1,000 greedy, random weights": (1_000, patchcore.greedy_coreset, False),
}
PARTS = ("both", "fine", "coarse", "shipped")
FITS = {  # name: (patches in each bank, places that the fine one averages in each direction, parts measured)
    "20,000 patches": (20_000, 7, PARTS),
    "5,000 patches": (5_000, 7, PARTS),  # the default
    "500 patches": (500, 7, PARTS),
    "5,000 patches, fine 3×3": (5_000, 3, PARTS[:2]),
    "5,000 patches, fine 1×1": (5_000, 1, PARTS[:2]),
}
DIFFERENCES = {  # a part's number less that of "both", its 95 % paired bootstrap interval: column of the table
    f"{of} {end}": f"{name}_less_both_{end}"
    for of, name in (("F1-max", "f1_max"), ("PRO", "pro"))
    for end in ("low", "high")
}


def add_options(command):
    add_data(command)
    command.add_argument("--runs", default="runs/bank_parts", help="folder of the table")
    command.add_argument("--seeds", type=numbers, default=(0, 1, 2), help="default: 0,1,2")


def run(options):
    data = load_test_set(options.data)
    bank_parts(data, Path(options.runs), options.seeds)
    print(parts(data, Path(options.runs), options.seeds).to_string(index=False, float_format="{:.3g}".format))


def bank_parts(data, folder, seeds=(0, 1, 2)):
    """Fits each variant of a small bank and measures its decisions on the test images.

    Args:
        data: a Dataset with test images.
        folder: for bank_parts.csv.
        seeds: of the split, the candidates, the coreset and the random weights.

    Returns:
        A DataFrame with a row per variant and seed; low, high: the 95 % bootstrap interval of the image AUROC.
    """
    rows = Rows(folder / "bank_parts.csv", KEY)
    for seed in seeds:
        learnt, held_out = (data.train.images[of] for of in split_good(len(data.train), seed))
        for variant, (size, choose, trained) in VARIANTS.items():
            key = {"data": data.name, "variant": variant, "part": "coarse", "seed": seed}
            if not rows.missing(**key):
                continue
            torch.manual_seed(seed)
            network = imagenet_stages() if trained else empty_stages("efficientnet-lite0")
            bank = patchcore.MemoryBank(network, seed=seed, **SMALL | {"size": size})
            with mock.patch.object(patchcore, "greedy_coreset", choose):
                bank.fit(learnt)
            rows.add(
                [decided(key, data.test, *(bank.predict(one).image_scores for one in (data.test.images, held_out)))]
            )
    return rows.table()


def decided(key, test, scores, of_held_out):
    """Returns the row of decisions on test images by scores [N], at the threshold of held-out good images' scores."""
    defective = np.array(test.defects) != "good"
    low, high = bootstrap.image_auroc_interval(scores, defective, bootstrap.draw_weights(test.defects))
    tau = thresholds.tau_images_label_free(of_held_out)
    return row([scores[~defective], scores[defective]], tau, key) | {"low": low, "high": high}


def parts(data, folder, seeds=(0, 1, 2), fits=FITS, **settings):
    """Fits each bank of `fits` and measures its parts on the test images.

    The image score is that of every other detector, the mean of the 100 largest values of the map; of "shipped" it is
    the package's, of the coarse distances alone. Its map is that of "both".

    Args:
        data: a Dataset with test images and masks.
        folder: for bank_parts.csv.
        seeds: of the split, the candidates and the coresets.
        fits: some of FITS.
        **settings: of the memory bank.

    Returns:
        A DataFrame with a row per data set, fit, part and seed; low, high: as of `bank_parts`; further: DIFFERENCES.
    """
    rows, known, orders = Rows(folder / "bank_parts.csv", KEY), {}, {}
    for seed in seeds:
        for variant, (size, places, measured) in fits.items():
            keys = {part: {"data": data.name, "variant": variant, "part": part, "seed": seed} for part in measured}
            if any(rows.missing(**key) for key in keys.values()):
                known = known or described(data, {places for _, places, _ in fits.values()}, settings)
                stored = {image: (of[f"fine {places}"], of["coarse"]) for image, of in known.items()}
                bank = patchcore.MemoryBank(seed=seed, size=size, neighbourhood=places, **settings)
                rows.add(measure(bank, data, seed, keys, stored, orders))
    return rows.table()


def described(data, neighbourhoods, settings):
    """Returns {hash of an image: {"fine 7": …, "coarse": …}}, patch features [1, P, D], of all images of `data`."""
    network = imagenet_stages()
    banks = {n: patchcore.MemoryBank(network, neighbourhood=n, **settings).banks for n in sorted(neighbourhoods)}
    both = copy.copy(banks[max(banks)])
    # all of them call one network on one image: the runtime does so once
    both.forward = lambda x: (
        *(one.fine.patches(network, x) for one in banks.values()),
        both.coarse.patches(network, x),
    )
    names = [*(f"fine {n}" for n in banks), "coarse"]
    graph = Graph(lambda size: onnx_bytes(both, size, names))
    images = [one for part in (data.train, data.test) for one in part.images]
    return {hash_of(one): dict(zip(names, graph(one[None]), strict=True)) for one in images}


def measure(bank, data, seed, keys, stored, orders):
    """Fits a bank to stored features; returns the rows of its parts.

    Args:
        bank: a MemoryBank.
        data: a Dataset.
        seed: of the split.
        keys: {part: what identifies its row}.
        stored: {hash of an image: its fine and its coarse patch features [1, P, D]}.
        orders: coresets of earlier fits; a smaller one is the beginning of a larger one, because the choice is greedy.
    """

    def first(features, size, seed):
        name = hash_of(features.numpy()), seed
        if len(orders.get(name, ())) < size:
            orders[name] = greedy(features, size, seed)
        return orders[name][:size]

    learnt, held_out = (data.train.images[of] for of in split_good(len(data.train), seed))
    greedy, graph = patchcore.greedy_coreset, lambda images: stored[hash_of(images[0])]
    with mock.patch.multiple(patchcore, greedy_coreset=first, Graph=lambda _: graph):
        bank.fit(learnt)
    found, kept_aside = (taken_apart(bank.banks, images, stored) for images in (data.test.images, held_out))
    maps, scores = ({part: getattr(found[part], of) for part in PARTS} for of in ("anomaly_maps", "image_scores"))
    drawn = {part: maps[part] for part in keys if part != "shipped"}  # its map is that of "both"
    differs = paired_differences(data.test, drawn, "both").set_index("system").rename(columns=DIFFERENCES)
    differs = differs[list(DIFFERENCES.values())].to_dict("index")
    rows = []
    for part, key in keys.items():
        best = metrics.PixelMetrics().update(maps[part], data.test.masks).compute()
        decisions = decided(key, data.test, scores[part], kept_aside[part].image_scores)
        rows.append(decisions | {"f1_max": best["f1_max"], "pro": best["pro"]} | differs.get(part, {}))
    return rows


@torch.no_grad()
def taken_apart(banks, images, stored):
    """Returns {part: its Prediction} of images uint8 [N, 3, H, W] whose features are stored."""
    maps, largest = {part: [] for part in PARTS[:3]}, []
    for image in images:
        features = [torch.from_numpy(one) for one in stored[hash_of(image)]]
        fine, coarse, score = banks.draw(*banks.distances(*features, nearest_by_projection), image.shape[1:])
        never = torch.full_like(coarse, -torch.inf)  # the map is the larger of both
        for part, pair in {"both": (fine, coarse), "fine": (fine, never), "coarse": (fine * 0, coarse)}.items():
            one, of_image = banks.maps(*pair, score)
            maps[part].append(one[0].numpy())
        largest.append(float(of_image))
    found = {part: prediction_from_maps(np.stack(of_part)) for part, of_part in maps.items()}
    return found | {"shipped": Prediction(found["both"].anomaly_maps, np.array(largest))}
