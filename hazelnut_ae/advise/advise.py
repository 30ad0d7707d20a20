"""`hazelnut-ae advise`: from what is seen in a folder of images to sentences on what to choose, and the train line."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from hazelnut_ae import dataset
from hazelnut_ae.advise import oddities, plan
from hazelnut_ae.advise.place import ASIDE, SMALL, WANDERS, place
from hazelnut_ae.advise.pose import ALIKE, UNTURNED, orientation
from hazelnut_ae.engine.files import printable
from hazelnut_ae.thresholds import FALSE_ALARM_RATE

NAMED = 3  # files that a sentence names
ANY_WAY = ("rotation", "flip", "noise")  # what `train` does unless it is told otherwise


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
            yield printable(f"{topic}: {text}")
        if self.train:
            yield printable(self.train)


def advise(folder):
    """The `Advice` for a data folder in MVTec layout. Raises: DataError for the first problem found in it."""
    return advice(dataset.load(folder), folder)


def advice(data, folder):
    """The `Advice` for a `Dataset`, which lies in the folder that the command line shall name."""
    train, count = data.train, len(data.train)
    lies, lie_at = orientation(train.images), place(train.images)
    wanders = lie_at is not None and lie_at.copies == 1 and lie_at.wanders > WANDERS
    augment = ANY_WAY if lies.kind != "one" else ("noise", "shift") if wanders else ("noise",)
    detector = "features" if plan.has_pretrained_weights() else "article"
    sentences = {"Orientation": orientation_words(lies, augment), "Place": place_words(lie_at)}
    sentences["Held out"] = held_out_words(count)
    found = [(data.test.paths[i], train.paths[j]) for i, j in oddities.twins(train.images, data.test.images)]
    sentences["Both in train and test"] = twins_words(found)
    sentences["Masks"] = masks_words([data.test.paths[i] for i in oddities.without_defect(data.test)])
    sentences |= light_words(oddities.odd_ones(train, data.test))
    sentences["Detector"] = detector_words(detector, lies)
    if count < 4:
        return Advice(sentences, detector, augment, None)
    sentences["Time"] = time_words(detector, count)
    return Advice(sentences, detector, augment, train_line(folder, data.name, detector, augment))


def orientation_words(lies, augment):
    """How the parts are turned, how that is known, and what training should do about it."""
    todo = f"With the article's network: --augment {','.join(augment)}."
    if lies.kind is None:
        return f"too few images, or too little in them, to tell. {todo}"
    numbers = f"the details of two photographs agree to {lies.agreement:.2f} unturned"
    if lies.kind == "round":
        return (
            f"the parts look alike however they are turned: {numbers}, and still to {lies.worst:.2f} at the worst "
            f"turn. Turning and mirroring them in training does no harm. {todo}"
        )
    colours = f", and the colours of {lies.unturned:.0%} of all pairs agree best so" if lies.unturned >= 0 else ""
    if lies.kind == "one":
        return (
            f"all parts lie one way: {numbers}{colours}. Keep it; a part turned round may be a defect of yours. {todo}"
        )
    lines = f"from {ALIKE} on or {UNTURNED:.0%}" if colours else f"from {ALIKE} on"
    return (
        f"the parts lie in any direction: {numbers}{colours} ({lines} they would lie one way). Turned and mirrored "
        f"copies are good parts, too. {todo}"
    )


def place_words(lie_at):
    """Whether the part is in the middle and alone, and large enough."""
    if lie_at is None:
        return "the parts do not stand out from the rim of their photographs, so whether they are centred is not known."
    if lie_at.copies > 1:
        return (
            f"{lie_at.copies} parts in a photograph. Cut them into one photograph each: every one then has "
            f"{lie_at.copies} times as many of the 256×256 pixels, and its own decision."
        )
    size = f"one part in a photograph, {lie_at.area:.0%} of its area"
    if lie_at.wanders > WANDERS:
        return (
            f"{size}, at changing places ({lie_at.wanders:.0%} of the side to and fro). Cut the photographs so that "
            "it is in the middle; a network has to learn each place anew."
        )
    if lie_at.aside > ASIDE:
        return (
            f"{size}, always aside of the middle ({lie_at.aside:.0%} of the side). Cut the photographs so that it is "
            "in the middle; turned about the middle it would come to places where it never is."
        )
    if lie_at.area < SMALL:
        return f"{size}. Cut the photographs closer: of 256×256 pixels few are left for a defect."
    return f"{size}, in the middle."


def held_out_words(count):
    """What false-alarm rate the thresholds can promise, and what it takes for more."""
    n, enough = plan.held_out(count), plan.enough_good_images()
    if not n:
        return f"training needs at least 4 good images, not {count}; from {enough} on it can keep false alarms rare."
    kept = f"training keeps {n} of {count} good images aside for the two thresholds"
    rate = plan.false_alarms(n)
    if rate <= FALSE_ALARM_RATE:
        return (
            f"{kept}. That is enough: the chance that the next good part is called defective is at most {rate:.1%}, "
            f"and a higher threshold could promise {1 / (n + 1):.1%}."
        )
    odd = " One odd image of so few moves the threshold of pixels, too." if n < 3 else ""
    return (
        f"{kept}. So few can promise at best that the next good part is called defective with a chance of at most "
        f"1 in {n + 1} ({rate:.0%}); for {FALSE_ALARM_RATE:.0%} it takes {enough} good images.{odd}"
    )


def twins_words(pairs):
    """Which test images training has as good as seen."""
    if not pairs:
        return "no photograph."
    said = named([f"{test} (as {train})" for test, train in pairs])
    return f"{said}. Take them out of one of the two; what training has seen, a test cannot measure."


def masks_words(paths):
    """Which images count as defective without a defective pixel."""
    if not paths:
        return "each defective image has a defect in its mask."
    return (
        f"{named(paths)} {'has an empty mask' if len(paths) == 1 else 'have empty masks'}. Mark the defect in white, "
        "or move the image to test/good and remove the mask; it would count as defective with nothing to find."
    )


def light_words(odd):
    """{"Light": …, "Sharpness": …}."""
    light = [f"{what} than the rest: {named(odd[what])}" for what in ("brighter", "darker") if odd[what]]
    remedy = "Photograph them again or take them out; another lamp or focus looks like a defect, or hides one."
    blurred = odd["blurrier"]
    return {
        "Light": f"{'; '.join(light)}. {remedy}"
        if light
        else "no photograph is much brighter or darker than the rest.",
        "Sharpness": f"blurrier than the rest: {named(blurred)}. {remedy}" if blurred else "no photograph is blurred.",
    }


def detector_words(detector, lies):
    """Which detector, and why."""
    if detector == "article":
        return (
            "article, the network that learns from your images alone. A memory bank (features) would need fewer of "
            "them, but the pretrained network that it looks through is not on this machine: "
            'pip install "hazelnut_ae[imagenet]" gets it.'
        )
    why = (
        "features, a memory bank. It looks through a network that knows edges, grain and colour from a million other "
        "photographs, so it needs few of yours; the article's network (article) blurs what differs from one good "
        "part to the next"
    )
    if lies.kind == "one":
        return (
            f"{why}. But the bank does not know where on the part a patch belongs: if a good piece in a wrong place is "
            "a defect of yours, train article beside it."
        )
    return f"{why}, and so what no two parts share." if lies.kind == "any" else f"{why}."


def time_words(detector, count):
    """How long training takes here, measured."""
    step = plan.step_seconds()
    took = {name: plan.in_words(plan.seconds_of(name, count, step)) for name in ("article", "features")}
    other = next(name for name in took if name != detector)
    return f"{took[detector]} on this machine with {detector} ({other}: {took[other]}), as busy as it is now."


def train_line(folder, name, detector, augment):
    """The command that follows, for a shell."""
    words = ["hazelnut-ae", "train", str(folder), "--run", str(Path("runs") / name)]
    if detector == "features":  # it looks at the images as they are
        words += ["--detector", "features"]
    elif augment != ANY_WAY:
        words += ["--augment", ",".join(augment)]
    return shlex.join(words)


def named(files):
    """A few file names in words."""
    more = len(files) - NAMED
    return ", ".join(files[:NAMED]) + (f" and {more} more" if more > 0 else "")
