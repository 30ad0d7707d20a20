"""`hazelnut-ae advise`: from what is seen in a folder of images to sentences on what to choose, and the train line."""

import os
import shlex
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path

from hazelnut_ae import dataset
from hazelnut_ae.errors import printable
from hazelnut_ae.inference.advise import oddities, plan, words
from hazelnut_ae.inference.advise.place import WANDERS, place
from hazelnut_ae.inference.advise.pose import orientation

WIDTH = 100  # characters of a line


@dataclass
class Advice:
    """What is said of a folder.

    sentences: {what it is about: plain words}; detector: "article" or "features"; augment: the kinds that suit the
    images; train: the command line that follows, None where there are too few images.
    """

    sentences: dict
    detector: str
    augment: tuple
    train: str | None

    def lines(self):
        """What the command line prints."""
        for topic, text in self.sentences.items():
            text = printable(f"{topic}: {text}")
            yield from textwrap.wrap(
                text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
            )
        if self.train:
            yield printable(self.train)  # whole, so that it can be copied


def advise(folder):
    """The `Advice` for a data folder in MVTec layout. Raises: DataError for the first problem found in it."""
    return advice(dataset.load(folder), folder)


def advice(data, folder):
    """The `Advice` for a `Dataset`, which lies in the folder that the command line shall name."""
    train, test, count = data.train, data.test, len(data.train)
    lies, lie_at = orientation(train.images), place(train.images)
    augment = augmentations(lies, lie_at)
    pretrained = plan.has_pretrained_weights()
    detector = "features" if pretrained else "article"
    sentences = {"Orientation": words.orientation_words(lies, augment), "Place": words.place_words(lie_at, lies)}
    sentences["Held out"] = words.held_out_words(count)
    sentences["Test"] = words.test_words(test.defects)
    if len(test):
        found = [(test.paths[i], train.paths[j]) for i, j in oddities.twins(train.images, test.images)]
        sentences["Both in train and test"] = words.twins_words(found)
    if test.defect_names:
        sentences["Masks"] = words.masks_words([test.paths[i] for i in oddities.without_defect(test)])
    sentences |= words.light_words(oddities.odd_ones(train, test))
    sentences["Detector"] = words.detector_words(pretrained, lies)
    if not plan.held_out(count):
        return Advice(sentences, detector, augment, None)
    sentences["Time"] = words.time_words(pretrained, count)
    return Advice(sentences, detector, augment, train_line(folder, data.name, pretrained, augment))


def augmentations(lies, lie_at):
    """The kinds of augmentation that suit parts of this `Orientation` and `Place` (None where that is not known)."""
    if lies.kind == "one":
        wanders = lie_at is not None and lie_at.copies == 1 and lie_at.wanders > WANDERS
        return ("noise", "shift") if wanders else ("noise",)
    return tuple(kind for kind in plan.ANY_WAY if kind != "flip") if lies.handed else plan.ANY_WAY


def train_line(folder, name, pretrained, augment):
    """The command that follows, for the shell of this system."""
    line = ["hazelnut-ae", "train", str(folder), "--run", str(Path("runs") / name)]
    if pretrained:  # the memory bank looks at the images as they are
        line += ["--detector", "features"]
    elif augment != plan.ANY_WAY:
        line += ["--augment", ",".join(augment)]
    return subprocess.list2cmdline(line) if os.name == "nt" else shlex.join(line)
