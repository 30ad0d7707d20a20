"""Random textures: smooth noise kept in small tables, and looked up where a picture needs it."""

import numpy as np
from PIL import Image
from scipy import ndimage


def cloud(rng, shape, sigma):
    """Smooth noise that wraps around at its borders: white noise blurred by `sigma` (in cells, one number per axis).

    Returns: float32 array of `shape`, mean 0, standard deviation 1.
    """
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma, mode="wrap", truncate=3)
    return (noise - noise.mean()) / noise.std()


def look_up(table, *turns):
    """Values of a wrapping table at places given in turns (0 … 1 spans an axis once), linearly interpolated.

    table: [W] or [H, W], every side a power of two; turns: one array of places for each axis.
    """
    index, fraction = [], []
    for place, cells in zip(turns, table.shape, strict=True):
        place = place * np.float32(cells)
        cell = np.floor(place)
        fraction.append(place - cell)
        cell = cell.astype(np.int32)
        index.append((cell & (cells - 1), (cell + 1) & (cells - 1)))  # & wraps around, as cells is a power of two
    flat = table.ravel()
    if table.ndim == 1:
        left, right = (flat.take(i) for i in index[0])
        return left + (right - left) * fraction[0]
    (row, below), (column, beside), (u, v) = *index, fraction
    row, below = row * table.shape[1], below * table.shape[1]
    left, right = flat.take(row + column), flat.take(row + beside)
    upper = left + (right - left) * v
    left, right = flat.take(below + column), flat.take(below + beside)
    return upper + (left + (right - left) * v - upper) * u


def enlarge(picture, size):
    """A small picture [h, w] or [h, w, 3] drawn large, [size, size, ...], smoothly."""
    layers = picture[..., None] if picture.ndim == 2 else picture
    layers = [Image.fromarray(layers[..., k].astype(np.float32)) for k in range(layers.shape[-1])]
    large = [np.asarray(layer.resize((size, size), Image.Resampling.BILINEAR)) for layer in layers]
    return large[0] if picture.ndim == 2 else np.stack(large, -1)


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
