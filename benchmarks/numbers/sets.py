"""The sets of images that were measured: what they are, whose, how they were trained on. The one place that says so."""

import json
from dataclasses import dataclass

from hazelnut_ae.presets import PRESETS

MVTEC = "MVTec AD, Bergmann et al., CVPR 2019, CC BY-NC-SA 4.0"


@dataclass(frozen=True)
class ImageSet:
    """One set of images that was measured. The counts of its test images are in its file."""

    letter: str
    title: str
    file: str  # in this folder, a result of `evaluate --json`; those of `compare --json` lie in measured/comparison_…
    good: int  # images to train on
    images: str  # what they are
    credit: str
    split: str = ""  # what to know of the split
    training: str = ""  # what is peculiar to its training


SETS = (
    ImageSet(
        "a",
        "MVTec AD hazelnut",
        "measured/mvtec_hazelnut_128.json",
        37,
        "Photographs of MVTec AD's category hazelnut, taken from published result figures at 128 pixels, with masks "
        "from the same figures",
        MVTEC,
        "not the official split",
    ),
    ImageSet(
        "b",
        "Hazelnut toy",
        "measured/hazelnut_toy.json",
        28,
        'Photographs of "Hazelnut toy"',
        "anomalib project (Intel), CC BY 4.0",
        "not an official split",
    ),
    ImageSet(
        "c",
        "MVTec AD transistor",
        "measured/transistor.json",
        213,
        "The whole category at 256 pixels",
        MVTEC,
        training="All its photographs show one orientation, so it was trained with `--augment noise`.",
    ),
    ImageSet(
        "d",
        "synthetic hazelnuts",
        "measured/synthetic_hazelnuts.json",
        PRESETS["quick"].counts["train/good"],
        "Painted by this code, seed 0",
        "MIT, as the code",
        training="What `make run` shows. Trained in float32 on two cores without bfloat16 units (AVX2); a processor "
        "that has them trains in bfloat16 and ends at slightly other numbers.",
    ),
    ImageSet(
        "e",
        "synthetic hazelnuts",
        "article/results.json",
        PRESETS["article"].counts["train/good"],
        "Painted alike",
        "MIT, as the code",
        training="The run that comes with the package, the `article` preset with all its epochs.",
    ),
    ImageSet(
        "f",
        "MVTec AD bottle",
        "measured/bottle.json",
        209,
        "The whole category at 256 pixels",
        MVTEC,
        training="Its network was trained on a GPU.",
    ),
)


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def results(folder):
    """(ImageSet, result of `evaluate`) of each set whose file is there."""
    return [(one, read_json(folder / one.file)) for one in SETS if (folder / one.file).is_file()]


def beside(folder, prefix):
    """(ImageSet, content of measured/PREFIX_….json) of each set whose file is there."""
    files = [(one, folder / one.file.replace("measured/", f"measured/{prefix}_")) for one in SETS]
    return [(one, read_json(path)) for one, path in files if path.is_file() and path.name.startswith(f"{prefix}_")]


def memory_banks(folder):
    """(ImageSet, result of `evaluate` of a memory bank's run) of each set whose file is there."""
    return beside(folder, "features")


def ladders(folder):
    """(ImageSet, results of `studies ladder`, one a rung) of each set whose file is there."""
    return beside(folder, "ladder")


def left_out(folder):
    """(ImageSet, rows of `studies ladder --left-out`) of each set whose file is there."""
    return beside(folder, "left_out")


def comparisons(folder):
    """(ImageSet, results of `compare`) of each set whose file is there."""
    return beside(folder, "comparison")
