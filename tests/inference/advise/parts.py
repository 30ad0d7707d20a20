"""What the tests of advice share: drawn parts on a light ground, as a camera sees them."""

import numpy as np
from scipy import ndimage

from hazelnut_ae.dataset import ImageSet

DOWN, RIGHT = np.mgrid[:256, :256]
GROUND = 200
GREY, BLUE = (100, 100, 100), (70, 100, 150)


def drawn(where, colour=BLUE):
    """float32 [3, 256, 256]: the ground with a colour where a mask bool [256, 256] is."""
    image = np.full((3, 256, 256), GROUND, np.float32)
    image[:, where] = np.array(colour, np.float32)[:, None]
    return image


def box(left, top, right, bottom):
    return (RIGHT >= left) & (RIGHT < right) & (DOWN >= top) & (DOWN < bottom)


def ring(radius, middle=(128, 128), hole=0.4):
    away = np.hypot(RIGHT - middle[0], DOWN - middle[1])
    return (away < radius) & (away >= hole * radius)


BRACKET = box(85, 60, 125, 200) | box(85, 160, 185, 200)  # an L, which no turn makes its mirror image
PIN = box(48, 118, 208, 138) | box(48, 98, 72, 158)  # a T, which is its own


def photographs(image, count=12, degrees=0, wander=2, light=0.2, seed=0):
    """uint8 [count, 3, 256, 256] of a part float32 [3, 256, 256].

    degrees: it is turned by up to so much either way; wander: and moved by so many pixels; light: from one side, always
    the same, by which it differs between the two. Each has its own exposure and noise.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        angle, moved = rng.uniform(-degrees, degrees), rng.uniform(-wander, wander, 2)
        one = ndimage.rotate(image, angle, axes=(1, 2), reshape=False, order=1, mode="nearest")
        one = ndimage.shift(one, (0, *moved), order=1, mode="nearest")
        one = one * (1 - light * (RIGHT - 128) / 256) * rng.uniform(0.98, 1.02) + rng.normal(0, 3, one.shape)
        found.append(one.clip(0, 255).astype(np.uint8))
    return np.stack(found)


def grain(count=12, along=60, across=2, seed=0):
    """uint8 [count, 3, 256, 256] of a surface: blurred noise, longer one way."""
    rng = np.random.default_rng(seed)
    waves = ndimage.gaussian_filter(rng.normal(size=(count, 256, 256)), (0, across, along))
    waves = 130 + 20 * waves / waves.std()
    return np.repeat(waves[:, None], 3, axis=1).clip(0, 255).astype(np.uint8)


def image_set(images, defects=None, masks=None):
    """They as an `ImageSet`: 00.png, 01.png, …"""
    masks = np.zeros((len(images), 256, 256), bool) if masks is None else masks
    return ImageSet(images, masks, defects or ["good"] * len(images), [f"{i:02d}.png" for i in range(len(images))])
