"""Paints butter biscuits for the page "Teach your own detector". Licence: MIT, as the code."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

SIZE, FINE = 256, 2  # pixels of a picture; painted that many times larger, then averaged
DOUGH, TOASTED, CRUMB, BURNT = np.array([[226, 178, 112], [172, 110, 54], [240, 208, 150], [46, 28, 18]]) / 255
CLOTH = np.array([74, 92, 112]) / 255
PITCH = 0.22  # of its 4 x 4 small holes; lengths: 1 is half a picture


def paint(rng, defect=None):
    """One biscuit from above, turned and moved at random.

    Args:
        rng: NumPy random generator.
        defect: None for a good one, "crack", "broken edge" or "burnt spot".

    Returns:
        The picture, uint8 [256, 256, 3].
    """
    n, turn, (down, right) = SIZE * FINE, rng.uniform(0, 2 * np.pi), rng.uniform(-0.05, 0.05, 2)
    y, x = np.mgrid[:n, :n] / (n / 2) - 1  # [n, n] each
    y, x = y - down, x - right
    along, across = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    radius, angle = np.hypot(x, y), np.arctan2(across, along)
    grain, clouds = (gaussian_filter(rng.normal(size=(n, n)), sigma) * sigma for sigma in (2 * FINE, 12 * FINE))
    inside = 0.70 + 0.035 * np.abs(np.cos(10 * angle)) * rng.uniform(0.9, 1.1) - radius  # > 0: biscuit
    broken = np.full((n, n), np.inf)
    middle = rng.uniform(0, 2 * np.pi)  # the direction in which a defect lies
    if defect == "broken edge":
        away = np.hypot(x - 0.78 * np.cos(middle), y - 0.78 * np.sin(middle))
        broken = away - rng.uniform(0.24, 0.32) + 0.12 * clouds + 0.02 * grain
        inside = np.minimum(inside, broken)
    height = 1 - np.exp(-np.maximum(inside, 0) / 0.035) + 0.10 * grain - 0.25 * bell(radius - 0.56, 0.014)
    from_hole = [one - (np.clip(np.floor(one / PITCH), -2, 1) + 0.5) * PITCH for one in (along, across)]
    height -= 0.8 * bell(np.hypot(*from_hole), 0.02)
    toast = np.clip(0.75 * np.exp(-np.maximum(inside, 0) / 0.07) + 0.10 * clouds + rng.uniform(0, 0.15), 0, 1)[
        ..., None
    ]
    colour = (1 - toast) * DOUGH + toast * TOASTED  # [n, n, 3]
    crumb = 0.8 * bell(broken, 0.05)[..., None]
    colour = (1 - crumb) * colour + crumb * CRUMB
    if defect == "burnt spot":
        at = rng.uniform(0.1, 0.4)
        away = np.hypot(x - at * np.cos(middle), y - at * np.sin(middle)) / rng.uniform(0.11, 0.17)
        burnt = 0.85 / (1 + np.exp(np.clip(8 * (away - 1 + 0.25 * clouds), -50, 50)))[..., None]
        colour = (1 - burnt) * colour + burnt * BURNT
    if defect == "crack":
        gap = crack(rng, n, middle, right, down)
        height -= 1.2 * gap
        colour *= 1 - 0.7 * gap[..., None]
    slope = np.gradient(height, 2 / n)  # the light comes from the upper left
    shade = np.clip(1 + 0.012 * (slope[0] + slope[1]), 0.45, 1.35)
    whole = np.clip(inside * n / 4 + 0.5, 0, 1)
    shadow = gaussian_filter(np.roll(whole, (6 * FINE, 6 * FINE), (0, 1)), 5 * FINE)
    cloth = CLOTH * (1 - 0.55 * shadow + 0.04 * grain)[..., None]
    light = rng.uniform(0.94, 1.06) * (1 - 0.06 * (x + y))[..., None]
    picture = light * (whole[..., None] * colour * shade[..., None] + (1 - whole[..., None]) * cloth)
    small = picture.reshape(SIZE, FINE, SIZE, FINE, 3).mean(axis=(1, 3)) + rng.normal(0, 0.008, (SIZE, SIZE, 3))
    return (255 * np.clip(small, 0, 1)).astype(np.uint8)


def bell(distance, width):
    """1 where the distance is 0, and less with each width."""
    return np.exp(-((distance / width) ** 2))


def crack(rng, n, middle, right, down):
    """A jagged line from the rim inward: how much of each pixel it takes, float [n, n]."""
    steps = np.linspace(0.76, rng.uniform(-0.1, 0.3), 14)
    bends = middle + np.cumsum(rng.normal(0, 0.06, steps.size)) / np.maximum(np.abs(steps), 0.4)
    points = np.c_[right + steps * np.cos(bends), down + steps * np.sin(bends)] + rng.normal(0, 0.012, (steps.size, 2))
    drawn = Image.new("L", (n, n))
    ImageDraw.Draw(drawn).line([tuple(point) for point in (points + 1) * (n / 2)], fill=255, width=3 * FINE)
    return gaussian_filter(np.asarray(drawn) / 255, 0.6 * FINE)
