"""Figures 3–7 and 9–14 and the picture of all defects found, written to a folder: what `figures` draws, all at once."""

import numpy as np

from hazelnut_ae import figures
from hazelnut_ae.figures import ARTICLE_FIGURE


def write_all(
    out, train, test, reconstructions, maps, history, held_out, f1, tau, caption, levels=(0.1, 0.2, 0.7), floor=0.0
):
    """Writes figures 3–7, 9–14 and figure_00_defects_found into the folder `out`; returns their paths.

    train, test: ImageSet. reconstructions: float32 [N, 3, H, W] in [0, 1] and maps: float32 [N, H, W], of the test
    images in order. history: rows (step, epoch, loss). held_out: rows (step, loss). f1: {defect: [(epoch, f1), ...]}.
    tau: {defect: τ}. levels: the τ of Figure 14; floor: the value from which a map glows. reconstructions may be None:
    then Figures 9–12 show the map in their place.
    The image shown of a defect is the one of median F1 at τ. A figure that the data cannot give is left out.
    """
    written = []

    def write(figure, name):
        written.append(figures.save(figure, out, name))

    thirds = np.unique(np.linspace(0, len(train.images) - 1, 3).astype(int)) if len(train.images) else []
    if len(thirds):
        write(
            figures.training_images(train.images[thirds], f"Defect-free training images. {caption}"),
            "figure_03_training_images",
        )
    if len(history):
        write(figures.loss(history, held_out, f"Training loss. {caption}"), "figure_05_loss")
    for number, names in figures.f1_groups(list(f1)).items():
        note = f"F1 at τ on the test folders themselves, so no validation in the strict sense. {caption}"
        write(figures.f1_by_epoch(f1, names, note), f"figure_{number:02d}_f1_{'_'.join(names)}")

    shown, notes = {}, {}
    for defect in test.defect_names:
        of_defect = np.flatnonzero(np.array(test.defects) == defect)
        chosen, score = figures.representative(maps[of_defect], test.masks[of_defect], tau[defect])
        shown[defect] = of_defect[chosen]
        name = test.paths[of_defect[chosen]].rsplit("/", 1)[-1]
        notes[defect] = (
            f"{defect} {name}, of {len(of_defect)} images the median by F1 ({score:.2f}) at τ = {tau[defect]:.3g}"
        )
    for defect, i in shown.items():
        figure = figures.defect_panels(
            test.images[i],
            maps[i] if reconstructions is None else reconstructions[i],
            maps[i] > tau[defect],
            test.masks[i],
            f"{notes[defect]}. {caption}",
        )
        write(figure, f"figure_{ARTICLE_FIGURE.get(defect, 9):02d}_{defect}")
    if shown:
        rows = {defect: np.flatnonzero(np.array(test.defects) == defect) for defect in shown}
        index = [of_defect[figures.typical(test.masks[of_defect])] for of_defect in rows.values()]
        which = f"Of each defect the image of median size. {caption}"
        write(
            figures.defects_and_masks(test.images[index], test.masks[index], list(shown), which),
            "figure_04_defects_and_masks",
        )
        index = list(shown.values())
        which = f"Of each defect the image of median F1 at τ. {caption}"
        taus = [tau[defect] for defect in shown]
        found = figures.defects_found(
            test.images[index], maps[index], test.masks[index], taus, list(shown), which, floor
        )
        write(found, "figure_00_defects_found")
        defect = "print" if "print" in shown else next(iter(shown))
        i = shown[defect]
        write(
            figures.image_and_mask(test.images[i], test.masks[i], f"{notes[defect]}. {caption}"),
            "figure_13_threshold_image",
        )
        write(figures.thresholds(maps[i], levels, f"{notes[defect]}. {caption}"), "figure_14_thresholds")
    return sorted(written)
