"""Is one system better than another, or only luckier? The bootstrap of the difference of two systems' numbers.

Both are measured on the same images, so both are measured again on each draw, the same for both, and subtracted there.
What is hard for both cancels: the interval of a difference is narrower than the two intervals let one think.
"""

import numpy as np
import pandas as pd

from hazelnut_ae import bootstrap, curves, metrics
from hazelnut_ae.metrics import PixelMetrics


def paired_differences(test, maps, reference, seed=0, scores=None):
    """Each system less the `reference`: a DataFrame with a row for each other system, as `results.pretty` prints it.

    test: an ImageSet; maps: {system: float32 [N, H, W] of its images}; reference: one of these systems; scores:
    {system: [N]} of those that score images in their own way (`detection.maps_and_scores`). Columns:
    "system", and of pixel AUROC, F1-max and image AUROC the difference, its "low" and "high", between which it lies in
    95 % of 1000 draws of the images (NaN where the test set has too few).
    """
    defects = np.asarray(test.defects)
    weights = bootstrap.draw_weights(defects, seed=seed)  # [1000, N], the same draws for every system
    measured = {
        system: _measured(of_system, test.masks, defects != "good", weights, (scores or {}).get(system))
        for system, of_system in maps.items()
    }
    rows = []
    for system, numbers in measured.items():
        if system != reference:
            row = {"system": system}
            for name, (value, drawn) in numbers.items():
                other_value, other_drawn = measured[reference][name]
                low, high = bootstrap.interval(drawn - other_drawn) or (np.nan, np.nan)
                row |= {name: value - other_value, f"{name} low": low, f"{name} high": high}
            rows.append(row)
    return pd.DataFrame(rows)


def _measured(maps, masks, is_defective, weights, scores=None):
    """{name: (the number on all images, the number in each draw [draws])}."""
    images = curves.image_histograms(np.asarray(maps, np.float32), np.asarray(masks, bool))
    pooled = PixelMetrics(images)
    best, scores = pooled.compute(), metrics.image_scores(maps) if scores is None else scores
    drawn = bootstrap.CoarseHistograms(images, pooled).drawn(weights, np.ones(len(maps), bool))
    of_images = bootstrap.image_auroc_drawn(scores, is_defective, weights)
    return {
        "pixel AUROC": (best["auroc"], drawn["auroc"]),
        "F1-max": (best["f1_max"], drawn["f1_max"]),
        "image AUROC": (metrics.image_auroc(scores, is_defective), of_images),
    }
