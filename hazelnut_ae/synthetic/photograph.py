"""Light and camera: from colours and relief on the nut to a picture of it on a dark ground."""

import numpy as np
from scipy import ndimage

from .noise import cloud, smoothstep


def relief(surface, height, size):
    """Normals [N, 3] of the surface with a fine `height` [N] (nut radii) added to it."""
    picture = surface.image(height * surface.scale, size)
    down, right = np.gradient(picture)
    tilt = np.stack([right[surface.pixels], down[surface.pixels], 0 * height], -1)
    normal = surface.normal - tilt * surface.normal[:, 2:]  # the outline looks along the relief, not at it
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def lamp(rng):
    """A wide soft lamp above the camera, a little towards the picture's upper edge. Returns: direction [3]."""
    direction = np.array([rng.normal(0, 0.08), rng.normal(-0.30, 0.06), 1.0])
    return direction / np.linalg.norm(direction)


def light(normal, direction, gloss=0.05):
    """Light off the surface: ambient and diffuse factor [N], and highlight [N] (to be added, in units of white)."""
    facing = normal @ direction
    diffuse = 0.40 + 0.60 * np.clip(0.25 + 0.75 * facing, 0, 1)
    halfway = direction + np.array([0, 0, 1.0])
    halfway /= np.linalg.norm(halfway)
    return diffuse, gloss * np.clip(normal @ halfway, 0, 1) ** 12


def ground(rng, size):
    """The dark blue-grey ground: uneven light, the cloth's fine weave and specks of dust. Returns: [size, size, 3]."""
    level = np.array([35.3, 35.6, 39.6]) + rng.normal(0, 2.2) + rng.normal(0, 0.7, 3)
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    slope = rng.normal(0, 2.0) * x + rng.normal(0, 2.0) * y
    picture = np.repeat((slope + 0.5 * cloud(rng, (size, size), size / 16))[..., None], 3, -1) + level
    tint = rng.normal(0, 0.5, 3)
    picture += cloud(rng, (size // 4, size // 4), 8).repeat(4, 0).repeat(4, 1)[..., None] * tint
    dust = np.zeros((size, size))
    for _ in range(rng.poisson(3)):
        row, column = rng.integers(0, size, 2)
        dust[row, column] = rng.uniform(100, 500)
    return picture + ndimage.gaussian_filter(dust, size / 512)[..., None] * np.array([1, 0.95, 0.9])


def contact_shadow(rng, coverage, size):
    """How much light the nut leaves on the ground around it: float [size, size], 1 far away."""
    wide = ndimage.zoom(ndimage.gaussian_filter(coverage[::8, ::8], size / 8 / 11, mode="constant"), 8, order=1)
    return 1 - rng.uniform(0.15, 0.30) * wide


def sensor(rng, picture):
    """Area averaging to half the size, then noise. Returns: uint8 [size / 2, size / 2, 3]."""
    size = len(picture) // 2
    small = picture.reshape(size, 2, size, 2, 3).mean((1, 3))
    noise = rng.standard_normal((size, size, 3), dtype=np.float32) * 0.9
    noise += ndimage.gaussian_filter(rng.standard_normal((size, size), dtype=np.float32), 0.9)[..., None] * 2.6
    gain = 0.8 + 0.6 * smoothstep(30, 160, small.mean(-1, keepdims=True))
    return np.clip(np.round(small + noise * gain), 0, 255).astype(np.uint8)
