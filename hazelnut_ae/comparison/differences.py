"""Is one system really better than another? The paired bootstrap of the difference of their metrics.

Each draw uses the same images for all systems and subtracts the metrics. Images that are difficult for both cancel out,
so the interval of the difference is narrower than the two separate intervals suggest.
"""

import numpy as np
import pandas as pd

from hazelnut_ae import bootstrap, curves, metrics
from hazelnut_ae.metrics import PixelMetrics


def paired_differences(test, maps, reference, scores=None):
    """Compares each system with a reference system on the same images.

    Args:
        test: an `ImageSet`.
        maps: {system: anomaly maps of its images, float32, shape (N, H, W)}.
        reference: one of these systems.
        scores: {system: image scores, shape (N,)}; missing ones are computed from the maps.

    Returns:
        A DataFrame with a row for each other system: "system", and of five numbers, as in `_numbers`, the
        difference and its "low" and "high", the interval of 95 % of the draws (NaN if the test set is too small).
    """
    defects, known = np.asarray(test.defects), metrics.pixels_known(test)
    weights = bootstrap.draw_weights(np.where(known, defects, "no mask"))  # [1000, N]
    numbers = {
        system: _numbers(of_system, test, known, defects != "good", weights, (scores or {}).get(system))
        for system, of_system in maps.items()
    }
    rows = []
    for system in [one for one in numbers if one != reference]:
        row = {"system": system}
        for name, (value, drawn) in numbers[system].items():
            other_value, other_drawn = numbers[reference][name]
            low, high = bootstrap.interval(drawn - other_drawn) or (np.nan, np.nan)
            row |= {name: value - other_value, f"{name} low": low, f"{name} high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def _numbers(maps, test, known, is_defective, weights, scores=None):
    """Returns {metric: (value on all images, values in the draws [draws])}."""
    images = curves.image_histograms(np.asarray(maps, np.float32), np.asarray(test.masks, bool), test.ignored)
    pooled = PixelMetrics(images[i] for i in np.flatnonzero(known))
    best, scores = pooled.compute(), metrics.image_scores(maps) if scores is None else scores
    drawn = bootstrap.CoarseHistograms(images, pooled).drawn(weights, known)
    keys = {"pixel AUROC": "auroc", "average precision": "average_precision", "PRO": "pro", "F1-max": "f1_max"}
    found = {name: (best[key], drawn[key]) for name, key in keys.items()}
    of_images = bootstrap.image_auroc_drawn(scores, is_defective, weights)
    return found | {"image AUROC": (metrics.image_auroc(scores, is_defective), of_images)}
