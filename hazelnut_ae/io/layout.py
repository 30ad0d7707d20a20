"""Lists the images of a data folder in MVTec layout, with their masks."""

import os
from dataclasses import dataclass
from pathlib import Path

from hazelnut_ae.errors import printable
from hazelnut_ae.io.images import images_by_stem, subfolders

GOOD = ("good", "ok")  # names of folders of good images


@dataclass(frozen=True)
class Entry:
    """One image of a data folder."""

    path: Path
    masks: tuple[Path, ...]  # their union is the mask; () for good images and those that nobody has marked
    defect: str
    split: str  # "train" or "test"


def scan(folder):
    """Lists a data folder without opening an image: (sorted entries, problems as sentences, ignored files)."""
    folder = Path(folder)
    entries, problems, skipped = [], [], []
    if not os.path.isdir(folder):  # Path.is_dir would raise for a name that is too long
        return [], [f"{folder} is not a folder; name one in MVTec layout (train/good, test/…, ground_truth/…)."], []
    for place in (place for place in subfolders(folder / "train") if is_good(place, skipped)):
        entries += [Entry(path, (), "good", "train") for path in images_by_stem(place, problems, skipped).values()]
    if not entries:
        problems.append(f"{folder / 'train' / 'good'} holds no images; put the defect-free training images there.")
    ground_truth = folder / "ground_truth"
    for test_folder in subfolders(folder / "test"):
        defect = test_folder.name
        images = images_by_stem(test_folder, problems, skipped)
        if is_good(test_folder, skipped):
            entries += [Entry(path, (), "good", "test") for path in images.values()]
            continue
        masks = {stem: (path,) for stem, path in images_by_stem(ground_truth / defect, problems, skipped).items()}
        for place in subfolders(ground_truth / defect):  # several masks for an image
            masks[place.name] = (*masks.get(place.name, ()), *images_by_stem(place, problems, skipped).values())
        pairs = {stem: stem for stem in images if stem in masks}  # the exact name first
        left = masks.keys() - pairs.keys()
        pairs |= {stem: f"{stem}_mask" for stem in images.keys() - pairs.keys() if f"{stem}_mask" in left}
        entries += [Entry(path, masks.get(pairs.get(stem), ()), defect, "test") for stem, path in images.items()]
        for stem in [stem for stem in masks if stem not in pairs.values()]:
            image = test_folder / stem.removesuffix("_mask")
            why = f"has no image, or another mask fits it, too; add {image}.png or remove the mask"
            problems += [f"{mask} {why}." for mask in masks[stem]]
    for mask_folder in subfolders(ground_truth):
        images = folder / "test" / mask_folder.name
        if not images.is_dir() and not is_good(images) and images_by_stem(mask_folder, [], []):
            problems.append(f"{mask_folder} has masks but there is no {images}; add the images.")
    return entries, [printable(problem) for problem in problems], [printable(file) for file in skipped]


def is_good(folder, notes=None):
    """Whether a folder of images holds good ones, by its name; notes: a list, for a sentence on a name but "good"."""
    if folder.name.lower() in GOOD[1:] and notes is not None:
        notes.append(f"{folder} is read as good images, as {folder.with_name('good')}; rename it if it has defects.")
    return folder.name.lower() in GOOD
