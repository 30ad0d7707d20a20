"""How parts lie: each answer where it is right, and a set that looks much like it where it would be wrong."""

import numpy as np
import pytest
from parts import BRACKET, GREY, PIN, drawn, grain, photographs, ring

from hazelnut_ae.inference.advise.pose import orientation
from hazelnut_ae.inference.advise.words import orientation_words

WAYS = {
    "one way": (photographs(drawn(BRACKET)), "one"),
    "one way, without colours": (photographs(drawn(BRACKET, GREY)), "one"),
    "one way, at changing places": (photographs(drawn(BRACKET), wander=35), "one"),
    "one way, put down by hand": (photographs(drawn(BRACKET), degrees=8), "one"),
    "in different directions, in the same light": (photographs(drawn(BRACKET), degrees=180, light=0.4), "any"),
    "in different directions, without colours": (photographs(drawn(BRACKET, GREY), degrees=180), "any"),
    "in two directions": (np.concatenate([some := photographs(drawn(PIN), 6), some[..., ::-1, ::-1]]), "any"),
    "round": (photographs(drawn(ring(80)), degrees=180), "round"),
    "round, at changing places": (photographs(drawn(ring(60)), wander=35), "round"),
    "a surface with a grain": (grain(), "unlike"),
    "a surface without": (grain(along=4, across=4), "unlike"),
    "noise": (np.random.default_rng(0).integers(0, 256, (12, 3, 256, 256), dtype=np.uint8), "unlike"),
    "nothing to see": (np.full((12, 3, 256, 256), 255, np.uint8), None),
    "too few": (photographs(drawn(BRACKET), 3), None),
    "none": (np.zeros((0, 3, 256, 256), np.uint8), None),
}


@pytest.mark.parametrize("name", WAYS)
def test_how_parts_lie(name):
    images, kind = WAYS[name]
    assert orientation(images).kind == kind


def test_painted_hazelnuts_lie_in_any_direction(painted):
    found = orientation(painted.train.images)
    assert (found.kind, found.handed) == ("any", False)


@pytest.mark.parametrize(("part", "handed"), [(BRACKET, True), (PIN, False), (ring(80), False)])
def test_whether_a_mirrored_part_is_another_one(part, handed):
    found = orientation(photographs(drawn(part), degrees=180))
    assert found.handed == handed
    said = orientation_words(found, ("rotation",))
    assert ("mirrored ones are not" in said) == handed
    assert ("too, and mirrored ones." in said) != handed


def test_words_say_how_it_knows():
    said = orientation_words(orientation(photographs(drawn(BRACKET))), ("noise",))
    assert said.startswith(
        "all parts lie one way: laid on each other as they are, the details of two photographs agree"
    )
    assert "by their colours 100% of all pairs fit best unturned" in said
    assert said.endswith("--augment noise.")
    said = orientation_words(orientation(photographs(drawn(BRACKET, GREY), degrees=180)), ("rotation",))
    assert "would agree to 0.65 or more, and turned no better. Turned" in said
    assert "colours" not in said
    assert "no details in common" in orientation_words(orientation(grain()), ("rotation", "flip"))
    assert orientation_words(orientation(photographs(drawn(PIN), 3)), ("rotation", "flip")).startswith("not known")
