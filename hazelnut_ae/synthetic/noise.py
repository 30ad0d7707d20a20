"""Random textures: smooth noise kept in small tables, and looked up where a picture needs it."""

import numpy as np
from scipy import ndimage


def cloud(rng, shape, sigma):
    """Smooth noise that wraps around at its borders: white noise blurred by `sigma` (in cells, one number per axis).

    Returns: float32 array of `shape`, mean 0, standard deviation 1.
    """
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma, mode="wrap", truncate=3)
    return (noise - noise.mean()) / noise.std()


def look_up(table, u, v):
    """Values of a wrapping table [H, W] at u, v (in turns: 0 … 1 spans the table once), linearly interpolated."""
    height, width = table.shape
    u, v = np.asarray(u, np.float32) * height, np.asarray(v, np.float32) * width
    row, column = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    u, v = u - row, v - column
    below, right = (row + 1) % height * width, (column + 1) % width
    row, column = row % height * width, column % width
    flat = table.ravel()
    upper = flat.take(row + column) * (1 - v) + flat.take(row + right) * v
    lower = flat.take(below + column) * (1 - v) + flat.take(below + right) * v
    return upper * (1 - u) + lower * u


def smoothstep(edge0, edge1, x):
    """0 below `edge0`, 1 above `edge1`, a smooth S between them (the other way round if edge0 > edge1)."""
    t = np.clip((x - edge0) / (edge1 - edge0), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a, b, weight):
    """Colours a (weight 0) and b (weight 1) mixed: weight [N], colours [3] or [N, 3]."""
    a, b, weight = (np.asarray(value, np.float32) for value in (a, b, weight))
    return a + (b - a) * weight[..., None]


def length(vectors):
    """Euclidean length of vectors [N, 3]: float [N]."""
    x, y, z = vectors[:, 0], vectors[:, 1], vectors[:, 2]  # several times faster than a norm over so short an axis
    return np.sqrt(x * x + y * y + z * z)
