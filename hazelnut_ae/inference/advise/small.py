"""Fewer and smaller images, for what can be seen in small ones."""

import numpy as np


def evenly(images, most):
    """At most so many of the images, at even distances."""
    return images[np.unique(np.linspace(0, len(images) - 1, min(most, len(images))).astype(int))]


def averaged(images, side):
    """Images uint8 [N, 3, 256, 256] averaged to float32 [N, 3, side, side]; side divides 256."""
    step = images.shape[-1] // side
    small = [one.reshape(3, side, step, side, step).mean(axis=(2, 4), dtype=np.float32) for one in images]
    return np.stack(small) if small else np.zeros((0, 3, side, side), np.float32)
