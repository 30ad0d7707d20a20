"""Photographs that do not belong: each is named, and none of a set in which all differ as much."""

import io

import numpy as np
import pytest
from parts import BRACKET, drawn, image_set, photographs
from PIL import Image
from scipy import ndimage

from hazelnut_ae.inference.advise import oddities
from hazelnut_ae.inference.advise.words import light_words, masks_words, twins_words


def saved_again(image, quality=70):
    """uint8 [3, 256, 256] as it comes out of a JPEG file of another size and exposure."""
    small = Image.fromarray((image * 0.9).astype(np.uint8).transpose(1, 2, 0)).resize((200, 200))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).resize((256, 256))).transpose(2, 0, 1)


def test_the_same_photograph_in_both(painted):
    train, test = painted.train.images, painted.test.images
    assert oddities.twins(train, test) == []
    more = np.concatenate([test[:3], saved_again(train[5])[None], train[2:3]])
    assert oddities.twins(train, more) == [(3, 5), (4, 2)]


def test_parts_that_all_look_alike_are_no_twins():
    train, test = photographs(drawn(BRACKET), wander=1), photographs(drawn(BRACKET), wander=1, seed=1)
    assert oddities.twins(train, test) == []
    assert oddities.twins(train, train[3:4]) == [(0, 3)]


def test_few_or_no_images_have_no_twins():
    train = photographs(drawn(BRACKET), 3)
    assert oddities.twins(train[:2], train) == []
    assert oddities.twins(train, train[:0]) == []
    blank = np.zeros((5, 3, 256, 256), np.uint8)
    assert oddities.twins(blank, blank) == []


def test_twins_are_named():
    assert twins_words([]) == "no photograph."
    said = twins_words([(f"test/good/{i}.png", f"train/good/{i}.png") for i in range(5)])
    assert said.startswith("test/good/0.png (as train/good/0.png), test/good/1.png")
    assert "and 2 more. Take them out" in said
    assert "4.png" not in said


def test_defective_images_without_a_defect():
    masks = np.zeros((4, 256, 256), bool)
    masks[1, 5, 5] = True
    test = image_set(np.zeros((4, 3, 256, 256), np.uint8), ["cut", "cut", "good", "hole"], masks)
    assert oddities.without_defect(test) == [0, 3]
    assert masks_words(["a", "b"]).startswith("a, b have empty masks. Mark the defect in white")
    assert masks_words(["a"]).startswith("a has an empty mask.")
    assert masks_words([]) == "each defective image has a defect in its mask."


CHANGES = {
    "brighter": lambda image: (image * 1.25).clip(0, 255),
    "darker": lambda image: image * 0.75,
    "blurrier": lambda image: ndimage.gaussian_filter(image, (0, 1.5, 1.5)),
}


ALL_ALIKE = photographs(drawn(BRACKET), 12, degrees=180)  # but for their direction


def odd_ones(train, test):
    return {what: paths for what, paths in oddities.odd_ones(train, test).items() if paths}


@pytest.mark.parametrize("what", CHANGES)
def test_one_that_differs(what):
    images = np.array(ALL_ALIKE)
    images[3] = CHANGES[what](images[3].astype(np.float32)).astype(np.uint8)
    train = image_set(images)
    found = odd_ones(train, image_set(ALL_ALIKE[:2]))
    assert found[what] == ["03.png"]
    words = light_words({"brighter": [], "darker": [], "blurrier": []} | found)
    assert f"{what} than the rest: 03.png." in words["Sharpness" if what == "blurrier" else "Light"]


@pytest.mark.parametrize("what", CHANGES)
def test_a_set_that_varies_has_none(what):
    """Every image as the odd one above, but each by its own amount."""
    images = ALL_ALIKE.astype(np.float32)
    shares = np.linspace(0, 1, len(images))[:, None, None, None]
    changed = np.stack([CHANGES[what](image) for image in images])
    images = ((1 - shares) * images + shares * changed).astype(np.uint8)
    found = odd_ones(image_set(images), image_set(images[:0]))
    assert what not in found


def test_no_defect_counts_as_another_light(painted):
    """Painted defects, and a hole so dark that the whole image is darker."""
    test = painted.test
    assert odd_ones(painted.train, test) == {}
    images, masks = np.array(test.images), np.array(test.masks)
    masks[0, 60:200, 60:200] = True
    images[0, :, 60:200, 60:200] = 0
    defects = ["hole", *test.defects[1:]]
    assert odd_ones(painted.train, image_set(images, defects, masks)) == {}
    masks[0] = False
    assert odd_ones(painted.train, image_set(images, defects, masks))["darker"] == ["00.png"]


def test_a_single_image_and_a_mask_of_everything():
    images = photographs(drawn(BRACKET), 2)
    whole = image_set(images[:1], ["cut"], np.ones((1, 256, 256), bool))
    assert odd_ones(image_set(images[:1]), whole) == {}
