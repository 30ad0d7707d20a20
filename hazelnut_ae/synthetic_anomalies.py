"""A threshold from pasted defects: patches of good images in a wrong place (notebook 10).

Good images do not show how large an anomaly map is on a defect. So patches of good images are moved, recoloured, cut
out as blobs and pasted into held-out good images. (CutPaste, Li, Sohn, Yoon & Pfister, CVPR 2021, trains on such
images; we train nothing.) Their masks are known, so each has a best τ. `tau_median` is the median of three rules.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from hazelnut_ae import metrics, thresholds

PER_IMAGE, MOST = 6, 48  # pasted images from each good one, and in all
AREAS = (60, 2500)  # of 65,536 pixels, log-uniform: from a scratch to a big stain
BACKGROUND = 30  # of 255: the background differs less than that from the colour of the border
VISIBLE = 8  # of 255: a pasted pixel that changed less is no defect


def object_mask(image):
    """Finds the object in an image uint8 [3, H, W]: bool [H, W], pixels unlike the border, or all if these are few."""
    border = [image[:, :8], image[:, -8:], image[:, :, :8], image[:, :, -8:]]
    background = np.median(np.concatenate([one.reshape(3, -1) for one in border], axis=1), axis=1)  # [3]
    mask = np.abs(image - background[:, None, None]).max(axis=0) > BACKGROUND
    return mask if mask.mean() > 0.05 else np.ones_like(mask)


def blob(shape, rng, centre):
    """Draws an uneven, more or less elongated spot of random size around a pixel: bool [H, W]."""
    area = np.exp(rng.uniform(*np.log(AREAS))) * shape[0] * shape[1] / 65_536
    length, angle = np.exp(rng.uniform(0, np.log(6))), rng.uniform(0, np.pi)
    radius = np.sqrt(area / np.pi)
    dy, dx = np.mgrid[: shape[0], : shape[1]] - np.reshape(centre, (2, 1, 1))
    along = (dx * np.cos(angle) + dy * np.sin(angle)) / (radius * np.sqrt(length))
    across = (dy * np.cos(angle) - dx * np.sin(angle)) / (radius / np.sqrt(length))
    uneven = gaussian_filter(rng.standard_normal(shape), max(1.5, radius / 3))
    spot = along**2 + across**2 + 0.5 * uneven / uneven.std() < 1
    return spot if spot.sum() >= 20 else along**2 + across**2 < 1.5


def paste_defect(image, others, rng):
    """Pastes a patch of one of the `others` into a good image: (uint8 [3, H, W], its mask bool [H, W])."""
    height, width = image.shape[1:]
    places = np.argwhere(object_mask(image))  # [P, 2]
    mask = blob((height, width), rng, places[rng.integers(len(places))])
    turns = rng.integers(4) if height == width else 2 * rng.integers(2)
    turned = np.rot90(others[rng.integers(len(others))], turns, (1, 2))  # [3, H, W]
    moved = np.roll(turned, (rng.integers(20, height - 20), rng.integers(20, width - 20)), (1, 2))
    gain, shift = rng.uniform(0.5, 1.5), rng.uniform(-60, 60, (3, 1, 1)) * rng.integers(2)
    patch = np.clip(moved * gain + shift, 0, 255)  # [3, H, W]
    opacity = gaussian_filter(mask.astype(np.float32), 0.7) * rng.uniform(0.5, 1)  # [H, W], soft at the edge
    pasted = np.clip(np.round(image * (1 - opacity) + patch * opacity), 0, 255).astype(np.uint8)
    changed = mask & (np.abs(pasted.astype(int) - image).max(axis=0) > VISIBLE)
    return pasted, changed if changed.sum() >= 20 else mask


def paste_defects(images, seed=0):
    """Pastes defects into good images, uint8 [N, 3, H, W], N ≥ 1. The same seed gives the same defects.

    Returns images uint8 [M, 3, H, W] and masks bool [M, H, W]; M is the largest multiple of N up to 6·N and 48, ≥ N.
    """
    rng = np.random.default_rng([seed, 7])
    times = max(1, min(PER_IMAGE, MOST // len(images)))
    pairs = [paste_defect(one, images, rng) for _ in range(times) for one in images]
    return np.stack([one for one, _ in pairs]), np.stack([mask for _, mask in pairs])


def tau_pasted(maps, masks):
    """Chooses the median of the τ that are best, by F1, for each pasted image alone.

    maps: float32 [M, H, W], M ≥ 1; masks: bool [M, H, W]. Raises ValueError without a map or if the shapes differ.
    """
    maps, masks = np.asarray(maps, np.float32), np.asarray(masks, bool)
    if maps.ndim != 3 or not maps.size or maps.shape != masks.shape:
        raise ValueError(f"maps {list(maps.shape)} and masks {list(masks.shape)} should be [M, H, W], M ≥ 1")
    single = zip(maps[:, None], masks[:, None], strict=True)
    return float(np.median([metrics.PixelMetrics().update(*one).compute()["tau"] for one in single]))


def tau_median(good_maps, pasted_maps, masks):
    """Chooses the median of three τ: what 1 % of held-out good pixels exceed, the exponential rule, `tau_pasted`."""
    three = (thresholds.tau_quantile(good_maps, 0.01), thresholds.tau_exponential(good_maps))
    return float(np.median([*three, tau_pasted(pasted_maps, masks)]))
