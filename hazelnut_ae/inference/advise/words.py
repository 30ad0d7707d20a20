"""What is seen in a folder of images, in plain words: one function for each topic of `advise`."""

from hazelnut_ae.inference.advise import plan
from hazelnut_ae.inference.advise.place import ASIDE, SMALL, WANDERS
from hazelnut_ae.inference.advise.pose import ALIKE, FEWEST, SHARED, UNTURNED
from hazelnut_ae.thresholds import FALSE_ALARM_RATE

NAMED = 3  # files that a sentence names


def orientation_words(lies, augment):
    """How the parts are turned, how that is known, and what training should do about it."""
    todo = f"For the article's network: --augment {','.join(augment)}{', its default' * (augment == plan.ANY_WAY)}."
    if lies.kind is None:
        return f"not known, as there are fewer than {FEWEST} images or nothing to see in them. {todo}"
    if lies.kind == "unlike":
        return (
            f"not known. Laid on each other at any turn, two photographs have no details in common (they agree to "
            f"{lies.best:.2f} at the best turn; from {SHARED} on it would be something): a surface rather than a part, "
            f"or parts that are all different. If they have a grain that always runs one way, keep it: --augment "
            f"noise,shift. If not: --augment {','.join(augment)}, the default."
        )
    numbers = f"laid on each other as they are, the details of two photographs agree to {lies.agreement:.2f} of 1"
    if lies.kind == "round":
        return (
            f"the parts look alike however they are turned: {numbers}, and still to {lies.worst:.2f} at the worst "
            f"turn. Turned copies are good parts, too{handed_words(lies)}. {todo}"
        )
    colours = lies.unturned >= 0  # not nan
    if lies.kind == "one":
        also = f", and by their colours {lies.unturned:.0%} of all pairs fit best unturned" if colours else ""
        return f"all parts lie one way: {numbers}{also}. Keep it; a part turned round may be a defect of yours. {todo}"
    also = f"; by their colours {lies.unturned:.0%} of all pairs fit best unturned" if colours else ""
    colours = f", or {UNTURNED:.0%} of all pairs would fit best unturned" if colours else ""
    return (
        f"the parts lie in different directions: {numbers}, and turned to where they fit best to {lies.best:.2f}"
        f"{also}. Lying one way they would agree to {ALIKE} or more, and turned no better{colours}. Turned copies are "
        f"good parts, too{handed_words(lies)}. {todo}"
    )


def handed_words(lies):
    """Whether that also holds for mirrored copies."""
    if lies.handed:
        return ", but mirrored ones are not: no turn lays them on the others"
    return ", and mirrored ones"


def place_words(lie_at, lies):
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
        return f"{size}, always aside of the middle ({lie_at.aside:.0%} of the side). " + (
            "That does no harm as long as it is not turned."
            if lies.kind == "one"
            else "Cut the photographs so that it is in the middle, or leave out --augment rotation: turned about "
            "the middle it would come to places where it never is."
        )
    if lie_at.area < SMALL:
        return f"{size}. Cut the photographs closer: of 256×256 pixels few are left for a defect."
    return f"{size}, in the middle."


def held_out_words(count):
    """What false-alarm rate the thresholds can promise, and what it takes for more."""
    n, enough = plan.held_out(count), plan.enough_good_images()
    if not n:
        return f"training needs at least 4 good images, not {count}; from {enough} on it can keep false alarms rare."
    kept = f"training keeps {n} of {count} good images aside and sets both thresholds by them"
    rate, least = plan.false_alarms(n), 1 / (n + 1)
    if rate <= FALSE_ALARM_RATE:
        more = f"; set above all {n} of them (--image-tau) it would be {least:.1%}" if least < 0.9 * rate else ""
        return (
            f"{kept}. That is enough: the chance that the next good part is called defective is at most "
            f"{rate:.1%}{more}."
        )
    odd = " And one odd image of so few moves the threshold of pixels." if n < 3 else ""
    return (
        f"{kept}. With so few, up to 1 in {n + 1} good parts ({rate:.0%}) may be called defective, and no threshold "
        f"can promise less; for {FALSE_ALARM_RATE:.0%} it takes {enough} good images.{odd}"
    )


def test_words(defects):
    """What the test images can measure; defects: a name for each."""
    good = defects.count("good")
    bad = len(defects) - good
    if not defects:
        return "no images. Training needs none, but without good and defective ones evaluate has nothing to measure."
    said = f"{good} good and {bad} defective images"
    if not good:
        return f"{said}. Without good ones, in test/good, evaluate cannot tell false alarms."
    if not bad:
        return f"{said}. Without defective ones evaluate cannot tell what is found."
    return f"{said}."


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
        else "no good photograph is much brighter or darker than the rest.",
        "Sharpness": f"blurrier than the rest: {named(blurred)}. {remedy}"
        if blurred
        else "no good photograph is more blurred than the rest.",
    }


def detector_words(pretrained, lies):
    """Which detector, and why; pretrained: whether what the memory bank needs is on this machine."""
    if not pretrained:
        return (
            "article, the network that learns from your images alone. A memory bank (features) would need fewer of "
            "them, but the pretrained network that it looks through is not on this machine; "
            'pip install "hazelnut_ae[imagenet]" gets it.'
        )
    why = (
        "features, a memory bank. It looks through a network that knows edges, grain and colour from a million other "
        "photographs, so it needs few of yours; the article's network (article) has to learn all of it from them, and "
        "blurs what differs from one good part to the next"
    )
    if lies.kind == "one":
        return (
            f"{why}. But the bank does not know where on the part a patch belongs: if a good piece in a wrong place is "
            "a defect of yours, train article beside it."
        )
    return f"{why}."


def time_words(pretrained, count):
    """How long training takes here, measured."""
    article = plan.in_words(plan.article_seconds(count))
    if not pretrained:
        return f"{article} with article and the preset quick, measured on this machine as busy as it is now."
    bank = plan.in_words(plan.bank_seconds(count))
    return f"{bank} with features ({article} with article), measured on this machine as busy as it is now."


def named(files):
    """A few file names in words."""
    more = len(files) - NAMED
    return ", ".join(files[:NAMED]) + (f" and {more} more" if more > 0 else "")
