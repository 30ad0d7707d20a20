"""What a memory bank's decisions on images rest on: its size, the choice of its coreset, the network's weights.

Only the coarse bank counts there (`decisions.SMALL`); which of the two banks draws the better map is not measured.
"""

from pathlib import Path
from unittest import mock

import numpy as np
import torch

from benchmarks.common import add_data, load_test_set, numbers
from benchmarks.decisions import SMALL, row
from benchmarks.rows import Rows
from hazelnut_ae import bootstrap, patchcore, thresholds
from hazelnut_ae.backbones import empty_stages, imagenet_stages
from hazelnut_ae.training import split_good

OUT = None


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


def add_options(command):
    add_data(command)
    command.add_argument("--runs", default="runs/bank_parts", help="folder of the table")
    command.add_argument("--seeds", type=numbers, default=(0, 1, 2), help="default: 0,1,2")


def run(options):
    table = bank_parts(load_test_set(options.data), Path(options.runs), options.seeds)
    print(table.to_string(index=False, float_format="{:.3g}".format))


def bank_parts(data, folder, seeds=(0, 1, 2)):
    """Fits each variant and measures it on the test images.

    Args:
        data: a Dataset with test images.
        folder: for bank_parts.csv.
        seeds: of the split, the candidates, the coreset and the random weights.

    Returns:
        A DataFrame with a row per variant and seed; low, high: the 95 % bootstrap interval of the image AUROC.
    """
    rows = Rows(folder / "bank_parts.csv", ("variant", "seed"))
    defective = np.array(data.test.defects) != "good"
    weights = bootstrap.draw_weights(data.test.defects)
    for seed in seeds:
        learnt, held_out = (data.train.images[of] for of in split_good(len(data.train), seed))
        for variant, (size, choose, trained) in VARIANTS.items():
            key = {"variant": variant, "seed": seed}
            if not rows.missing(**key):
                continue
            torch.manual_seed(seed)
            network = imagenet_stages() if trained else empty_stages("efficientnet-lite0")
            bank = patchcore.MemoryBank(network, seed=seed, **SMALL | {"size": size})
            with mock.patch.object(patchcore, "greedy_coreset", choose):
                bank.fit(learnt)
            scores, of_held_out = (bank.predict(images).image_scores for images in (data.test.images, held_out))
            low, high = bootstrap.image_auroc_interval(scores, defective, weights)
            tau = thresholds.tau_images_label_free(of_held_out)
            rows.add([row([scores[~defective], scores[defective]], tau, key) | {"low": low, "high": high}])
    return rows.table()
