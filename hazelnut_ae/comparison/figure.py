"""The comparison as a table, the maps of all systems side by side, and images that AnoGAN generates."""

from pathlib import Path

import numpy as np
import pandas as pd

from hazelnut_ae.comparison.compare import predictions
from hazelnut_ae.figures import overlay, panels, save


def systems_table(measured):
    """Returns a DataFrame with a row for each result of `compare`; "0.900 [0.88, 0.92]" has its 95 % interval."""
    shown, rows = {"pixel AUROC": "auroc", "PRO": "pro", "F1-max": "f1_max", "F1 at label-free τ": "f1_label_free"}, []
    for one in measured:
        row = {name: one[name] for name in ("system", "setting")}
        row |= {name: _with_interval(one["pixels"], key) for name, key in shown.items()}
        row["image AUROC"] = _with_interval(one["images"], "auroc")
        row |= {name: "" if one[f"{name}_s"] is None else f"{one[f'{name}_s']:.0f} s" for name in ("fit", "predict")}
        rows.append(row)
    return pd.DataFrame(rows)


def _with_interval(block, key):
    value, interval = block.get(key), block.get("intervals", {}).get(key)
    text = "" if value is None else f"{value:.3f}"
    return text + (f" [{interval[0]:.2f}, {interval[1]:.2f}]" if text and interval else "")


def maps_figure(images, masks, maps, names, caption=""):
    """Draws a row for each image and a column for each system.

    Args:
        images: uint8, shape (R, 3, H, W).
        masks: bool, shape (R, H, W); an empty one of a defect is not drawn.
        maps: {system: float32, shape (R, H, W)}. Each column has its own scale: colour begins at the median of its
            maps and is full at their 99 % quantile.
        names: R labels.
        caption: the line under the figure.
    """
    found = zip(images, masks, names, strict=True)
    rows = [[image, mask if mask.any() or name == "good" else None] for image, mask, name in found]
    for of_system in maps.values():
        low, high = np.quantile(of_system, [0.5, 0.99])
        for row, image, one in zip(rows, images, of_system, strict=True):
            strength = np.clip((one - low) / max(high - low, 1e-12), 0, 1)  # [H, W]
            row.append(overlay(image, strength, top=1.0))
    return panels(rows, titles=["image", "truth", *maps], labels=list(names), caption=caption, panel=160)


def samples_figure(samples, caption=""):
    """Draws AnoGAN's samples, uint8 [N, 3, 128, 128], eight in a row."""
    rows = [[*samples[i : i + 8], *[None] * (8 - len(samples[i : i + 8]))] for i in range(0, len(samples), 8)]
    return panels(rows, caption=caption, panel=128)


def one_of_each(test):
    """Returns the row numbers of the first test image of each defect, and of the first good one."""
    return [test.defects.index(name) for name in [*test.defect_names, "good"] if name in test.defects]


def write_figure(dataset, run_folder, systems=None, caption="", **options):
    """Draws the maps of `compare`, called with the same arguments, into RUN/comparison; returns the picture's path."""
    rows, columns = one_of_each(dataset.test), {}
    for make in predictions(dataset, run_folder, systems, **options).values():
        found = make()
        columns[found["system"].split(" (")[0]] = found["maps"][rows]
    chosen = dataset.test.subset(rows)
    picture = maps_figure(chosen.images, chosen.masks, columns, chosen.defects, caption)
    return save(picture, Path(run_folder) / "comparison", "comparison_maps")
