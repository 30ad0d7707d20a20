"""The four defects, drawn on the surface so that they follow its curve and take the nut's own light.

Each function takes the Surface, its colour [N, 3] and relief [N], changes them in place and returns the mask, bool [N].
"""

import itertools

import numpy as np
from PIL import Image, ImageDraw

from .noise import cloud, look_up, mix, smoothstep

DARK = np.array([26, 20, 20])  # inside of the shell, seen through an opening
FLESH = np.array([226, 186, 140])  # raw shell where it is cut or broken


def spot(rng, surface, facing=0.6, shell_only=True):
    """Index of a random visible point that is turned towards the camera."""
    good = surface.normal[:, 2] > facing
    if shell_only and (good & (surface.scar < -0.12)).any():
        good &= surface.scar < -0.12
    return rng.choice(np.flatnonzero(good))


def wander(rng, length, turning, start=0.0, steps=24):
    """A random walk of given length and turning, centred on the origin. Returns: [steps + 1, 2]."""
    heading = start + np.cumsum(rng.normal(0, turning, steps))
    path = np.concatenate([[[0, 0]], np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1), 0)]) * length / steps
    return path - path[len(path) // 2]


def distance_to(path, a, b):
    """Distance of points a, b [N] to a polyline [K, 2], with sign (which side), and how far along it, 0 … 1."""
    best, side, where = np.full(a.shape, 9.0), np.ones(a.shape), np.zeros(a.shape)
    near = np.flatnonzero((a > path[:, 0].min() - 0.2) & (a < path[:, 0].max() + 0.2)
                          & (b > path[:, 1].min() - 0.2) & (b < path[:, 1].max() + 0.2))  # fmt: skip
    a, b = a[near], b[near]
    for k, ((a0, b0), (a1, b1)) in enumerate(itertools.pairwise(path)):
        da, db = a1 - a0, b1 - b0
        t = np.clip(((a - a0) * da + (b - b0) * db) / (da * da + db * db + 1e-12), 0, 1)
        d = np.hypot(a - a0 - t * da, b - b0 - t * db)
        closer = d < best[near]
        update = near[closer]
        best[update] = d[closer]
        side[update] = np.sign((a - a0) * db - (b - b0) * da)[closer]
        where[update] = (k + t[closer]) / (len(path) - 1)
    return best, side, where


def fissure(rng, surface, colour, height, a, b, path, width):
    """A thin crack along `path`: a dark line of varying width with one pale lip. Returns: mask bool [N]."""
    away, side, where = distance_to(path, a, b)
    uneven = 1 + 0.5 * np.interp(where, np.linspace(0, 1, 40), cloud(rng, (40,), 1))
    half = width * np.clip(uneven, 0.2, 2) * np.clip(4 * np.minimum(where, 1 - where), 0.25, 1)
    pixel = 1 / surface.scale
    core = smoothstep(half + pixel, half - pixel, away)
    lip = smoothstep(2.2 * half + 2 * pixel, half, away) * (side > 0) * (1 - core)
    colour[:] = mix(colour, FLESH * 0.8, 0.55 * lip)
    colour[:] = mix(colour, DARK, 0.9 * core)
    height -= 0.015 * core
    return away < np.maximum(half * 1.3, 2 * pixel)


def window(rng, surface, colour, height, a, b, view, radius):
    """A piece broken out of the shell: its thickness, the dark inside, and perhaps the kernel. Returns: mask."""
    angles = np.linspace(0, 1, 256, endpoint=False)
    jagged = 1 + 0.16 * cloud(rng, (256,), 16) + 0.07 * cloud(rng, (256,), 5) + 0.02 * cloud(rng, (256,), 1.5)
    jagged *= 1 + rng.uniform(0, 0.35) * np.cos(2 * (angles * 2 * np.pi - rng.uniform(0, 7)))
    jagged = np.clip(jagged, 0.35, 2) * radius

    def depth_inside(shift, shrink=0.0):
        x, y = a - shift * view[0] / max(view[2], 0.4), b - shift * view[1] / max(view[2], 0.4)
        turns = np.arctan2(y, x) / (2 * np.pi) % 1
        return look_up(jagged[None], 0 * turns, turns) - shrink - np.hypot(x, y), x, y, turns

    outside, _, _, turns = depth_inside(0)
    thickness = rng.uniform(0.05, 0.09)
    bevel = 0.4 * thickness * np.clip(1 + 0.5 * look_up(cloud(rng, (1, 256), (0, 6)), 0 * turns, turns), 0, 2)
    through = np.minimum(depth_inside(thickness, bevel)[0], outside - bevel)
    pixel = 1 / surface.scale
    opening, hole = smoothstep(-pixel, pixel, outside), smoothstep(-pixel, pixel, through)
    grit = look_up(cloud(rng, (256, 256), 1.5), a * 0.7, b * 0.7)
    wall = FLESH * (0.85 + 0.08 * grit)[:, None]
    pores = (0.5 + 0.5 * np.cos(2 * np.pi * turns * rng.integers(28, 44))) * np.exp(
        -((((outside / (bevel + 0.02)) - 0.5) / 0.25) ** 2)
    )
    wall = mix(wall, DARK * 1.5, 0.8 * smoothstep(0.55, 0.8, pores))

    deep = 0.22
    floor, x, y, _ = depth_inside(deep)
    wrinkle = look_up(cloud(rng, (128, 128), 3), x * 0.5, y * 0.5) + 0.6 * grit
    kernel = np.array([112, 66, 52]) * (1 + 0.16 * wrinkle)[:, None]
    if rng.uniform() < 0.3:
        kernel = mix(kernel, np.array([214, 196, 150]) * (1 + 0.08 * wrinkle)[:, None],
                     smoothstep(-0.2, 0.3, look_up(cloud(rng, (128, 128), 9), x * 0.4, y * 0.4)))  # fmt: skip
    kernel = mix(DARK, kernel, smoothstep(-0.02, 0.25 * radius + 0.05, np.minimum(floor, through)))
    colour[:] = mix(colour, mix(wall, kernel, hole), opening)
    height -= 0.03 * opening * (1 - hole)
    return outside > 0


def crack(rng, surface, colour, height):
    """From a hairline to a broken-out window. Returns: mask bool [N]."""
    index = spot(rng, surface, 0.65)
    a, b, view = surface.chart(index)
    kind = rng.uniform()
    mask = np.zeros(len(a), bool)
    if kind < 0.45:
        path = wander(rng, rng.uniform(0.7, 1.5), 0.25, rng.choice([0, np.pi / 2]) + rng.normal(0, 0.3))
        mask |= fissure(rng, surface, colour, height, a, b, path, rng.uniform(0.006, 0.035))
    else:
        radius = np.clip(rng.lognormal(-0.9, 0.5), 0.2, 0.9)
        if rng.uniform() < 0.5:
            path = wander(rng, radius * 2 + rng.uniform(0.4, 0.9), 0.3, rng.uniform(0, 7))
            mask |= fissure(rng, surface, colour, height, a, b, path, 0.008)
        mask |= window(rng, surface, colour, height, a, b, view, radius)
    return mask


def cut(rng, surface, colour, height):
    """A straight gouge, or two side by side, that shows the pale shell. Returns: mask bool [N]."""
    a, b, _ = surface.chart(spot(rng, surface, 0.75))
    heading = rng.uniform(0, np.pi)
    mask = np.zeros(len(a), bool)
    length, width = rng.uniform(0.35, 0.85), rng.uniform(0.022, 0.05)
    for k in range(1 if rng.uniform() < 0.8 else 2):
        path = wander(rng, length * rng.uniform(0.8, 1), 0.03, heading) + 0.11 * k * np.array(
            [-np.sin(heading), np.cos(heading)]
        )
        away, side, where = distance_to(path, a, b)
        ragged = 1 + 0.35 * look_up(cloud(rng, (256, 256), 2), a, b)
        half = width * (1 - 0.4 * k) * np.sqrt(np.clip(4 * where * (1 - where), 0, 1)) * np.clip(ragged, 0.3, 2)
        pixel = 1 / surface.scale
        gouge = smoothstep(half + pixel, half - pixel, away)
        streak = look_up(cloud(rng, (64, 256), (6, 1)), where, side * away * 8)
        colour[:] = mix(colour, FLESH * (0.9 + 0.12 * streak)[:, None], 0.92 * gouge)
        groove = smoothstep(0.45 * half + pixel, 0.2 * half, away) * smoothstep(-0.2, 0.5, streak + 0.4)
        colour[:] = mix(colour, DARK * 1.6, 0.8 * groove * rng.uniform(0.2, 1))
        height -= 0.02 * gouge * (1 - (away / (half + 1e-6)).clip(0, 1) ** 2)
        mask |= away < half
    return mask


def hole(rng, surface, colour, height):
    """A drilled hole with a pale splintered rim, now and then with cracks running from it. Returns: mask bool [N]."""
    a, b, view = surface.chart(spot(rng, surface, 0.7))
    pixel = 1 / surface.scale
    radius = np.clip(rng.lognormal(np.log(0.10), 0.3), 0.06, 0.2)
    mask = np.zeros(len(a), bool)
    if rng.uniform() < 0.4:
        path = wander(rng, rng.uniform(0.5, 1.1), 0.3, rng.uniform(0, 7))
        mask |= fissure(rng, surface, colour, height, a, b, path, 0.006)
    turns = np.arctan2(b, a) / (2 * np.pi) % 1
    away = np.hypot(a, b)
    rim = radius * (1.35 + 0.3 * look_up(cloud(rng, (1, 256), (0, 8)), 0 * turns, turns)
                    + 0.25 * look_up(cloud(rng, (1, 256), (0, 2)), 0 * turns, turns))  # fmt: skip
    chipped = smoothstep(rim + pixel, rim - pixel, away)
    grit = look_up(cloud(rng, (256, 256), 1.5), a, b)
    colour[:] = mix(colour, FLESH * (0.9 + 0.1 * grit)[:, None], 0.9 * chipped)
    bore = radius * (1 + 0.08 * look_up(cloud(rng, (1, 256), (0, 8)), 0 * turns, turns))
    inside = smoothstep(bore + pixel, bore - pixel, away)
    lit = smoothstep(0.4, 1.1, np.hypot(a - 0.1 * view[0], b - 0.1 * view[1]) / bore)
    colour[:] = mix(colour, mix(DARK, FLESH * 0.35, lit * 0.5), inside)
    height -= 0.02 * chipped * (1 - inside)
    return mask | (away < np.maximum(rim, bore))


STROKES = {  # letters as polylines in a box 1 wide and 1.4 high
    "K": [[(0.1, 0), (0.1, 1.4)], [(0.9, 0), (0.1, 0.75)], [(0.35, 0.6), (0.95, 1.4)]],
    "I": [[(0.5, 0), (0.5, 1.4)]],
    "N": [[(0.1, 1.4), (0.1, 0), (0.9, 1.4), (0.9, 0)]],
    "H": [[(0.1, 0), (0.1, 1.4)], [(0.9, 0), (0.9, 1.4)], [(0.1, 0.7), (0.9, 0.7)]],
    "X": [[(0.1, 0), (0.9, 1.4)], [(0.9, 0), (0.1, 1.4)]],
    "T": [[(0.0, 0), (1.0, 0)], [(0.5, 0), (0.5, 1.4)]],
    "V": [[(0.05, 0), (0.5, 1.4), (0.95, 0)]],
    "O": [[(0.5 + 0.45 * np.cos(t), 0.7 + 0.6 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 33)]],
}


def stamp(word):
    """White letters on black, 64 pixels per letter width: float [H, W], 0 … 1."""
    canvas = Image.new("L", (80 * len(word) + 16, 122))
    draw = ImageDraw.Draw(canvas)
    for k, letter in enumerate(word):
        for stroke in STROKES[letter]:
            draw.line([(16 + 80 * k + 64 * x, 16 + 64 * y) for x, y in stroke], fill=255, width=22, joint="curve")
    return np.asarray(canvas, np.float32) / 255


def print_(rng, surface, colour, height):
    """A worn white stamp in any direction, mirrored or not. Returns: mask bool [N]."""
    a, b, _ = surface.chart(spot(rng, surface, 0.7, shell_only=rng.uniform() < 0.8))
    letters = stamp("".join(rng.choice(list("KONI"), 1)) + "".join(rng.choice(list(STROKES), 3)))
    turn, size = rng.uniform(0, 2 * np.pi), rng.uniform(0.30, 0.36)  # size: of one letter's height, nut radii
    x = (a * np.cos(turn) + b * np.sin(turn)) * rng.choice([-1, 1])
    y = b * np.cos(turn) - a * np.sin(turn)
    column, row = x / size * 90 + letters.shape[1] / 2, y / size * 90 + letters.shape[0] / 2
    on = (column > 0) & (column < letters.shape[1] - 1) & (row > 0) & (row < letters.shape[0] - 1)
    ink = np.where(on, look_up(letters, row / letters.shape[0], column / letters.shape[1]), 0)
    wear = 0.7 * look_up(cloud(rng, (256, 256), 2.0), a, b) + 0.7 * look_up(cloud(rng, (256, 256), 7), a, b)
    fade = rng.uniform(-0.2, 1.3) + rng.uniform(0, 1.5) * (x / size / 2) * rng.choice([-1, 1])
    ink = ink * smoothstep(-0.25, 0.25, fade + wear - 40 * height)
    colour[:] = mix(colour, [300, 300, 300], np.clip(ink, 0, 1))
    height += 0.002 * ink
    return ink > 0.5


DEFECTS = {"crack": crack, "cut": cut, "hole": hole, "print": print_}
