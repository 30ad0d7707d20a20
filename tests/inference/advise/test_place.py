"""Where parts lie: each answer where it is right, and where it would be wrong."""

import numpy as np
import pytest
from parts import BLUE, box, drawn, photographs, ring

from hazelnut_ae.inference.advise.place import moved_to_middle, parts, place
from hazelnut_ae.inference.advise.pose import Orientation
from hazelnut_ae.inference.advise.small import averaged
from hazelnut_ae.inference.advise.words import place_words

ANY, ONE = Orientation("any"), Orientation("one")
FOUR = np.logical_or.reduce([ring(30, (x, y), 0) for x in (64, 192) for y in (64, 192)])
BOARD = np.indices((256, 256)).sum(axis=0) // 32 % 2 == 0  # stripes up to the rim


def said(image, lies=ANY, **options):
    return place_words(place(photographs(image, **options)), lies)


def test_one_part_in_the_middle():
    assert said(drawn(ring(80))) == "one part in a photograph, 32% of its area, in the middle."


def test_always_aside():
    aside = drawn(ring(40, (190, 128)))
    assert "always aside of the middle (25% of the side). Cut the photographs" in said(aside)
    assert "That does no harm as long as it is not turned." in said(aside, ONE)


def test_changing_places():
    assert "at changing places" in said(drawn(ring(40)), wander=60)
    assert "in the middle" in said(drawn(ring(80)), wander=5)


def test_copies():
    assert said(drawn(FOUR)).startswith("4 parts in a photograph. Cut them into one photograph each")
    dusty = drawn(ring(80) | ring(4, (20, 20), 0) | ring(4, (30, 230), 0))
    assert said(dusty).startswith("one part in a photograph")


def test_small():
    assert "Cut the photographs closer" in said(drawn(ring(20, hole=0)))
    assert "Cut" not in said(drawn(ring(40, hole=0)))


@pytest.mark.parametrize("image", [drawn(BOARD), drawn(box(0, 0, 0, 0)), drawn(box(0, 0, 128, 256))])
def test_no_part_stands_out(image):
    assert "whether they are centred is not known" in said(image)


def test_parts_are_moved_to_the_middle():
    images = photographs(drawn(ring(50), BLUE), wander=50)
    before, after = (averaged(some, 64) for some in (images, moved_to_middle(images)))
    assert max(abs(at) for one in before for at in parts(one)[2:]) > 0.1
    assert max(abs(at) for one in after for at in parts(one)[2:]) < 0.02
    still = photographs(drawn(ring(50), BLUE))
    assert moved_to_middle(still) is still
