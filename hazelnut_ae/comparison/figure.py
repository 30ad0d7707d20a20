"""The comparison's pictures: rows = images, columns = systems, the map of each; and what AnoGAN paints."""

import numpy as np

from hazelnut_ae.figures import overlay, panels


def maps_figure(images, masks, maps, names, caption=""):
    """images uint8 [R, 3, H, W], masks bool [R, H, W], maps {system: float32 [R, H, W]}, names: R defect names.

    Each column has its own scale: from the median of its maps, shown as the plain image, to the 99.9 % quantile.
    """
    scales = {}
    for system, of_system in maps.items():
        scales[system] = np.quantile(of_system, [0.5, 0.999])
    rows = []
    for r, image in enumerate(images):
        row = [image, masks[r]]
        for system, (low, high) in scales.items():
            strength = np.clip((maps[system][r] - low) / max(high - low, 1e-12), 0, 1)
            row.append(overlay(image, strength, top=1.0))
        rows.append(row)
    return panels(rows, titles=["image", "truth", *maps], labels=list(names), caption=caption, panel=160)


def samples_figure(samples, caption=""):
    """AnoGAN's samples, uint8 [N, 3, 128, 128], eight in a row."""
    rows = [[*samples[i : i + 8], *[None] * (8 - len(samples[i : i + 8]))] for i in range(0, len(samples), 8)]
    return panels(rows, caption=caption, panel=128)
