"""The comparison shown: a table of systems, the maps of all systems side by side, and what AnoGAN paints."""

from pathlib import Path

import numpy as np
import pandas as pd

from hazelnut_ae.comparison.compare import fit, found_by
from hazelnut_ae.comparison.systems import EVERY
from hazelnut_ae.figures import overlay, panels, save


def systems_table(measured):
    """One row per result of `compare`: at what length it was run, the numbers that all systems share, what it took.

    "0.900 [0.88, 0.92]" is a number with its 95 % interval over images.
    """
    rows = []
    for one in measured:
        pixels, images = one["pixels"], one["images"]
        rows.append(
            {
                "system": one["system"],
                "setting": one["setting"],
                "pixel AUROC": _with_interval(pixels, "auroc"),
                "PRO": _with_interval(pixels, "pro"),
                "F1-max": _with_interval(pixels, "f1_max"),
                "F1 at label-free τ": _with_interval(pixels, "f1_label_free"),
                "image AUROC": _with_interval(images, "auroc"),
                "fit": _seconds(one["fit_s"]),
                "predict": _seconds(one["predict_s"]),
                "peak GB": "" if one["peak_gb"] is None else f"{one['peak_gb']:.1f}",
            }
        )
    return pd.DataFrame(rows)


def _with_interval(block, key):
    value, interval = block.get(key), block.get("intervals", {}).get(key)
    if value is None:
        return ""
    return f"{value:.3f}" + (f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")


def _seconds(value):
    return "" if value is None else f"{value:.0f} s"


def maps_figure(images, masks, maps, names, caption=""):
    """Rows: images uint8 [R, 3, H, W] with masks bool [R, H, W] and R names. Columns: {system: maps [R, H, W]}.

    Each column has its own scale, for each system counts in its own unit: from the median of its maps, where the plain
    image shows, to their 99.9 % quantile.
    """
    rows = [[image, mask] for image, mask in zip(images, masks, strict=True)]
    for of_system in maps.values():
        low, high = np.quantile(of_system, [0.5, 0.999])
        for row, image, one in zip(rows, images, of_system, strict=True):
            strength = np.clip((one - low) / max(high - low, 1e-12), 0, 1)  # [H, W]
            row.append(overlay(image, strength, top=1.0))
    return panels(rows, titles=["image", "truth", *maps], labels=list(names), caption=caption, panel=160)


def samples_figure(samples, caption=""):
    """AnoGAN's samples, uint8 [N, 3, 128, 128], eight in a row."""
    rows = [[*samples[i : i + 8], *[None] * (8 - len(samples[i : i + 8]))] for i in range(0, len(samples), 8)]
    return panels(rows, caption=caption, panel=128)


def one_of_each(test):
    """The numbers of the first test image of each defect, and of the first good one."""
    return [test.defects.index(name) for name in [*test.defect_names, "good"] if name in test.defects]


def write_figures(dataset, run_folder, systems=None, out=None, caption="", **options):
    """Draws what `compare` with the same arguments found: comparison_maps.png, and comparison_samples.png of a system
    that paints images of its own.

    out: the folder that takes them (None: RUN/comparison). Returns their paths.
    """
    folder = Path(run_folder) / "comparison"
    rows = one_of_each(dataset.test)
    columns, written = {}, []
    for name, maps_of in found_by(dataset, run_folder, systems, **options).items():
        found = maps_of()
        columns[found["system"].split(" (")[0]] = found["maps"][rows]
        if name in EVERY and hasattr(EVERY[name].detector, "samples"):
            samples = fit(dataset, folder, name, **maps_of.keywords)[0].samples(16)
            written.append(save(samples_figure(samples, caption), out or folder, "comparison_samples"))
    chosen = dataset.test.subset(rows)
    picture = maps_figure(chosen.images, chosen.masks, columns, chosen.defects, caption)
    return [save(picture, out or folder, "comparison_maps"), *written]
