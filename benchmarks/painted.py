"""Compare painted hazelnuts with photographs: both described by the same numbers, at 128 × 128 pixels."""

import numpy as np
import pandas as pd
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.morphology import convex_hull_image

from hazelnut_ae import dataset

OUT = "painted_against_real.csv"


def add_options(command):
    command.add_argument("data", metavar="DIR", help="a data folder of photographs of hazelnuts")
    command.add_argument("painted", metavar="PAINTED", help="a data folder of painted ones")


def run(options):
    return painted_against_real(*(dataset.load(folder, size=128) for folder in (options.data, options.painted)))


def find_nut(image):
    """Returns the mask of the nut, bool [H, W]: the convex hull of pixels redder or brighter than the dark cloth."""
    image = image.astype(np.float32)
    found = (image[..., 0] - image[..., 2] > 12) | (image.max(-1) > 75)
    found = ndimage.binary_opening(ndimage.binary_closing(found, iterations=3), iterations=2)
    regions = regionprops(label(found))
    if not regions:
        return found
    largest = max(regions, key=lambda region: region.area)
    nut = np.zeros_like(found)
    nut[largest.slice] = convex_hull_image(largest.image)
    return nut


def spectrum_slope(grey):
    """Returns the slope of log power against log frequency, from 4 cycles per image to half the Nyquist frequency."""
    size = len(grey)
    window = np.hanning(size)[:, None] * np.hanning(size)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size))) * size
    rings = np.arange(4, size // 4 + 1)
    radial = ndimage.mean(power, np.round(frequency), rings)
    return np.polyfit(np.log(rings), np.log(radial), 1)[0]


def describe_nut(image):
    """Describes one image, uint8 [H, W, 3], by a dict of floats."""
    nut = find_nut(image)
    inner, outer = ndimage.binary_erosion(nut, iterations=3), ~ndimage.binary_dilation(nut, iterations=8)
    image = image.astype(np.float32)
    grey = image.mean(-1)
    numbers = {"nut's share of the frame": nut.mean()}
    for channel, name in enumerate(("red", "green", "blue")):
        numbers[f"background {name}"] = image[outer, channel].mean()
        numbers[f"nut {name}"] = image[inner, channel].mean()
        numbers[f"nut {name}, spread within"] = image[inner, channel].std()
    numbers["gradient on the nut"] = ndimage.gaussian_gradient_magnitude(grey, 0.7)[inner].mean()
    numbers["slope of the power spectrum"] = spectrum_slope(grey)
    return numbers


def describe_defect(image, mask):
    """Returns area (% of the image), length (image widths) and contrast to its surroundings (grey levels)."""
    grey = image.astype(np.float32).mean(-1)
    around = ndimage.binary_dilation(mask, iterations=4) & ~ndimage.binary_dilation(mask) & find_nut(image)
    where = np.argwhere(mask)
    spread = np.linalg.eigvalsh(np.cov(where.T))[-1] if len(where) > 2 else 0.0
    return {
        "area": 100 * mask.mean(),
        "length": np.sqrt(12 * spread) / len(mask),  # of a bar of the same second moment
        "contrast": np.abs(grey[mask] - grey[around].mean()).mean() if around.any() else np.nan,
    }


def describe(dataset):
    """Returns {name: list of floats} over all images of a Dataset."""
    numbers = {}
    for split in (dataset.train, dataset.test):
        for image, mask, defect in zip(split.images, split.masks, split.defects, strict=True):
            image = np.moveaxis(image, 0, -1)
            if defect == "good":
                found = describe_nut(image)
            else:
                found = {f"{defect}: {name}": value for name, value in describe_defect(image, mask).items()}
            for name, value in found.items():
                numbers.setdefault(name, []).append(value)
    return numbers


def painted_against_real(real, painted):
    """Compares two sets.

    Args:
        real: a Dataset of photographs, 128 × 128 pixels.
        painted: a Dataset of painted hazelnuts, 128 × 128 pixels.

    Returns:
        A DataFrame with a row per quantity: mean and spread (standard deviation over images) of both, and their ratios.
    """
    real, painted = describe(real), describe(painted)
    rows = {}
    for name in real:
        if name not in painted:
            continue
        a, b = np.asarray(real[name]), np.asarray(painted[name])
        rows[name] = {
            "real mean": np.nanmean(a),
            "painted mean": np.nanmean(b),
            "mean ratio": np.nanmean(b) / np.nanmean(a),
            "real spread": np.nanstd(a),
            "painted spread": np.nanstd(b),
            "spread ratio": np.nanstd(b) / np.nanstd(a),
        }
    return pd.DataFrame(rows).T.rename_axis("quantity").reset_index()
