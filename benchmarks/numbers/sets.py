"""The measured sets of images: what they are, whose they are, how the detector was trained on them."""

import json
from dataclasses import dataclass

from hazelnut_ae.presets import PRESETS

MVTEC = "MVTec AD, Bergmann et al., CVPR 2019, CC BY-NC-SA 4.0"
WHOLE = "The whole category at 256 pixels"


@dataclass(frozen=True)
class ImageSet:
    """One measured set of images. The counts of its test images are in its file."""

    letter: str
    title: str
    file: str  # a result of `evaluate --json`; other results on the same set are in measured/PREFIX_<this name>
    good: int  # images to train on
    images: str  # what they are
    credit: str
    split: str = ""  # what to know about the split
    training: str = ""  # what is special about its training

    @property
    def label(self):
        """Its first cell in every table."""
        return f"{self.title} ({self.letter})"


SETS = (
    ImageSet(
        *("a", "MVTec AD hazelnut", "measured/mvtec_hazelnut_128.json", 37),
        "Photographs of MVTec AD's category hazelnut, taken from published result figures at 128 pixels, with masks "
        "from the same figures",
        *(MVTEC, "not the official split"),
    ),
    ImageSet(
        *("b", "Hazelnut toy", "measured/hazelnut_toy.json", 28, 'Photographs of "Hazelnut toy"'),
        *("anomalib project (Intel), CC BY 4.0", "not an official split"),
    ),
    ImageSet(
        *("c", "MVTec AD transistor", "measured/transistor.json", 213, WHOLE, MVTEC),
        training="All its photographs show one orientation, so it was trained with `--augment noise`.",
    ),
    ImageSet(
        *("d", "synthetic hazelnuts", "measured/synthetic_hazelnuts.json", PRESETS["quick"].counts["train/good"]),
        *("Painted by this code, seed 0", "MIT, as the code"),
        training="What `make run` shows. Trained in float32 on two cores without bfloat16 units (AVX2); a processor "
        "that has them trains in bfloat16, and the numbers differ slightly.",
    ),
    ImageSet(
        *("e", "synthetic hazelnuts", "article/results.json", PRESETS["article"].counts["train/good"]),
        *("Painted in the same way", "MIT, as the code"),
        training="The run in the package, the `article` preset with all its epochs.",
    ),
    ImageSet(
        *("f", "MVTec AD bottle", "measured/bottle.json", 209, WHOLE, MVTEC),
        training="Its network was trained on a GPU.",
    ),
)


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def results(folder):
    """(ImageSet, result of `evaluate`) of each set whose file exists."""
    return [(one, read_json(folder / one.file)) for one in SETS if (folder / one.file).is_file()]


def results_of(folder, prefix):
    """(ImageSet, content of measured/PREFIX_….json) of each set whose file exists.

    prefix: "comparison" (results of `compare`), "features" (a memory bank's run), "ladder" or "left_out".
    """
    files = [(one, folder / one.file.replace("measured/", f"measured/{prefix}_")) for one in SETS]
    return [(one, read_json(path)) for one, path in files if path.is_file() and path.name.startswith(f"{prefix}_")]
