"""Figures 3–7 and 9–14 and the picture of all defects found, written to a folder: the command `figures`."""

import numpy as np
from tqdm import tqdm

from hazelnut_ae import figures
from hazelnut_ae.engine.run_data import both_synthetic, caption
from hazelnut_ae.metrics import pixels_known


def write_all(out, dataset, run, maps, reconstructions=None, own=None):
    """Writes the figures that the data allow as PNG files; returns their paths.

    maps: float32 [N, 256, 256]; reconstructions: float32 [N, 3, 256, 256] in [0, 1]; if None, Figures 9–12 show the
    map; own: the run's `Calibration` for maps that do not suit the article's τ, else None.
    """
    note, fits = caption(dataset, run), run.config["data"] == dataset.fingerprint or both_synthetic(dataset, run)
    drawn = training_figures(dataset.train.images, run, run.f1 if fits else {}, note)
    drawn |= defect_figures(dataset.test, maps, reconstructions, run.detector, own, note)
    drawing = tqdm(drawn.items(), desc="drawing", unit="picture", disable=None)
    return sorted(figures.save(figure, out, name) for name, figure in drawing)


def training_figures(images, run, f1, note):
    """Figures 3 and 5–7, {file name: figure}."""
    drawn = {}
    if len(images):
        some = images[np.unique(np.linspace(0, len(images) - 1, 3).astype(int))]
        drawn["figure_03_training_images"] = figures.training_images(some, f"Defect-free training images. {note}")
    if len(run.history):
        drawn["figure_05_loss"] = figures.loss(run.history, run.held_out, f"Training loss. {note}")
    f1 = {name: points for name, points in f1.items() if points[-1][1] is not None}
    for number, names in figures.f1_groups(list(f1)).items():
        text = f"F1 at τ on the test folders themselves, which is not a validation. {note}"
        drawn[f"figure_{number:02d}_f1_{'_'.join(names)}"] = figures.f1_by_epoch(f1, names, text)
    return drawn


def defect_figures(test, maps, reconstructions, detector, own, note):
    """Figures 4 and 9–14 and the picture of defects found, {file name: figure}."""
    drawn, shown, texts, tau = {}, {}, {}, {}
    defects = np.where(pixels_known(test), test.defects, "")  # a picture beside its truth needs a mask
    rows = {name: np.flatnonzero(defects == name) for name in test.defect_names if name in defects}
    for defect, of_defect in rows.items():
        tau[defect] = detector.printed_tau(defect) if own is None else own.tau
        chosen, score = figures.representative(maps[of_defect], test.masks[of_defect], tau[defect])
        i = shown[defect] = of_defect[chosen]
        name, rank = test.paths[i].rsplit("/", 1)[-1], f"of {len(of_defect)} images the median by F1 ({score:.2f})"
        texts[defect] = f"{defect} {name}, {rank} at τ = {tau[defect]:.3g}. {note}"
        evidence = maps[i] if reconstructions is None else reconstructions[i]
        panels = figures.defect_panels(test.images[i], evidence, maps[i] > tau[defect], test.masks[i], texts[defect])
        drawn[f"figure_{figures.ARTICLE_FIGURE.get(defect, 9):02d}_{defect}"] = panels
    if not shown:
        print("Figures 0, 4 and 9 to 14 need masks in ground_truth/<defect>; add one for an image of each defect.")
        return drawn
    index = [of_defect[figures.typical(test.masks[of_defect])] for of_defect in rows.values()]
    chosen, text = test.subset(index), f"Of each defect the image of median size. {note}"
    drawn["figure_04_defects_and_masks"] = figures.defects_and_masks(chosen.images, chosen.masks, list(rows), text)
    index, text = list(shown.values()), f"Of each defect the image of median F1 at τ. {note}"
    floor = 0.0 if own is None else own.typical  # maps are coloured from this value on
    drawn["figure_00_defects_found"] = figures.defects_found(
        test.images[index], maps[index], test.masks[index], list(tau.values()), list(rows), text, floor
    )
    defect = "print" if "print" in shown else next(iter(shown))
    i, levels = shown[defect], (0.1, 0.2, 0.7) if own is None else (own.tau / 2, own.tau, own.tau * 2)
    drawn["figure_13_threshold_image"] = figures.image_and_mask(test.images[i], test.masks[i], texts[defect])
    drawn["figure_14_thresholds"] = figures.thresholds(maps[i], levels, texts[defect])
    return drawn
