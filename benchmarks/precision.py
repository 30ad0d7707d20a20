"""Whether bfloat16 learns as float32 does."""

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from benchmarks.scale import BATCH, steps_on
from hazelnut_ae import augmentation, training
from hazelnut_ae.autoencoder import Autoencoder


def precisions(data, steps=300, seed=0, every=50):
    """Trains on a Dataset from the same weights with the same batches, in float32 and in bfloat16 (folded, as a run).

    Returns a DataFrame with a row per `every` steps: step, and the median loss of those steps, "float32", "bfloat16".
    """
    augmented = augmentation.AugmentedCopies(data.train.images, copies=5, seed=seed)
    epochs = -(-steps * BATCH // len(augmented)) + 1
    order = torch.cat([training.epoch_order(len(augmented), seed, epoch) for epoch in range(epochs)])
    losses = {}
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(seed)
        model = Autoencoder().to(memory_format=torch.channels_last)
        course = steps_on(model, augmented, order[: steps * BATCH], precision)
        losses[precision] = [float(loss) for loss in tqdm(course, total=steps, desc=precision, disable=None)]
    table = pd.DataFrame(losses).groupby(np.arange(steps) // every).median().reset_index(drop=True)
    table.insert(0, "step", np.minimum((table.index + 1) * every, steps))
    return table
