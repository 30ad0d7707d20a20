"""Light and camera: from colours and relief on the nut to a picture of it on a dark ground."""

import numpy as np
from scipy import ndimage

from hazelnut_ae.synthetic.noise import cloud, enlarge, length, smoothstep


def relief(surface, height, size):
    """Normals [N, 3] of the surface with a fine `height` [N] (nut radii) added to it."""
    picture = ndimage.gaussian_filter(surface.image(height * surface.scale, size), 0.7)
    down, right = np.gradient(picture)
    tilt = np.stack([right[surface.pixels], down[surface.pixels], 0 * height], -1)
    normal = surface.normal - tilt * surface.normal[:, 2:]  # the outline looks along the relief, not at it
    return normal / length(normal)[:, None]


def lamp(rng):
    """A wide soft lamp above the camera, a little towards the picture's upper edge. Returns: direction [3]."""
    direction = np.array([rng.normal(0, 0.06), rng.normal(-0.41, 0.04), 1.0])
    return direction / np.linalg.norm(direction)


def light(normal, direction, gloss=0.05):
    """Light off the surface: ambient and diffuse factor [N], and highlight [N] (to be added, in units of white)."""
    facing = normal @ direction
    diffuse = 0.30 + 0.74 * np.clip(0.2 + 0.8 * facing, 0, 1)
    halfway = direction + np.array([0, 0, 1.0])
    halfway /= np.linalg.norm(halfway)
    return diffuse, gloss * np.clip(normal @ halfway, 0, 1) ** 12


def veil(surface):
    """Stray light of the lens, and the grey sheen of the shell where it turns away: float [N, 3], to be added."""
    away = np.clip(1 - surface.normal[:, 2:], 0, 1)
    return np.array([8, 9, 12]) + away**2 * np.array([7, 11, 14])


def ground(rng, size):
    """The dark blue-grey ground: uneven light, faint stains and specks of dust. Returns: float [size, size, 3]."""
    level = np.array([35.3, 35.6, 39.6]) + rng.normal(0, 2.4) + rng.normal(0, 0.5, 3)
    y, x = np.mgrid[0:16, 0:16] / 16 - 0.5
    wide = (rng.normal(0, 2.5) * x + rng.normal(0, 2.5) * y + 0.6 * cloud(rng, (16, 16), 1.5))[..., None] + level
    wide = wide + 0.35 * cloud(rng, (16, 16, 3), (2, 2, 0))
    picture = enlarge(wide, size)
    for _ in range(rng.poisson(4)):  # dust, out of focus
        row, column = rng.integers(8, size - 8, 2)
        y, x = np.mgrid[-8:8, -8:8]
        blob = np.exp(-((x / rng.uniform(0.8, 3)) ** 2) - (y / rng.uniform(0.8, 3)) ** 2)
        tint = rng.uniform(4, 40) * np.array([1, rng.uniform(0.8, 1), rng.uniform(0.7, 1)])
        picture[row - 8 : row + 8, column - 8 : column + 8] += blob[..., None] * tint
    return picture


def contact_shadow(rng, coverage, size):
    """How much light the nut leaves on the ground around it: float [size, size], 1 far away."""
    wide = enlarge(ndimage.gaussian_filter(coverage[::8, ::8], size / 8 / 11, mode="constant"), size)
    return 1 - rng.uniform(0.15, 0.30) * wide


def sensor(rng, picture):
    """Area averaging to half the size, then noise. Returns: uint8 [size / 2, size / 2, 3]."""
    size = len(picture) // 2
    fours = picture.reshape(size, 2, size, 2, 3)
    small = (fours[:, 0, :, 0] + fours[:, 0, :, 1] + fours[:, 1, :, 0] + fours[:, 1, :, 1]) / 4
    noise = rng.standard_normal((size, size, 3), dtype=np.float32) * 0.8
    noise += ndimage.gaussian_filter(rng.standard_normal((size, size), dtype=np.float32), 0.9)[..., None] * 3.6
    gain = 0.8 + 0.6 * smoothstep(30, 160, small.mean(-1, keepdims=True))
    return np.clip(np.round(small + noise * gain), 0, 255).astype(np.uint8)
