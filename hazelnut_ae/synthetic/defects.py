"""The four defects, drawn on the surface so that they follow its curve and take the nut's own light.

Each function takes the Surface, its colour [N, 3] and relief [N], changes them in place and returns the mask, bool [N].
"""

import itertools

import numpy as np
from PIL import Image, ImageDraw

from hazelnut_ae.synthetic.noise import cloud, look_up, mix, smoothstep

DARK = np.array([26, 20, 20])  # inside of the shell, seen through an opening
TURN = 2 * np.pi
FLESH = np.array([226, 180, 132])  # raw shell where it is cut or broken


def spot(rng, surface, facing=0.6, shell_only=True):
    """Index of a random visible point that is turned towards the camera."""
    good = surface.normal[:, 2] > facing
    if shell_only and (good & (surface.scar < -0.12)).any():
        good &= surface.scar < -0.12
    return rng.choice(np.flatnonzero(good))


def wander(rng, length, bend, jag, start=0.0, steps=48):
    """A random path through the origin: bends slowly, and zigzags at every step. Returns: [steps + 1, 2]."""
    heading = start + np.cumsum(rng.normal(0, bend, steps)) + rng.normal(0, jag, steps)
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
    """A gap along `path`, up to 2 `width` wide: the dark inside, and one lip of pale shell. Returns: mask bool [N]."""
    away, side, where = distance_to(path, a, b)
    uneven = 1 + 0.4 * np.interp(where, np.linspace(0, 1, 40), cloud(rng, (40,), 1))
    half = width * np.clip(uneven, 0.2, 2) * np.clip(4 * where * (1 - where), 0.1, 1)
    pixel = 1 / surface.scale
    away = away - np.where(side > 0, 0, 0.4 * half)  # the lip on one side is part of the gap
    core = smoothstep(0.6 * half + pixel, 0.6 * half - pixel, away)
    lip = smoothstep(half + 1.5 * pixel, half, away) * np.where(side > 0, 0.8, 0.3) * (1 - core)
    colour[:] = mix(colour, FLESH * 0.85, lip)
    depth = smoothstep(0, 0.5, away / (half + pixel))[:, None]  # some light reaches the walls of a wide gap
    colour[:] = mix(colour, DARK + depth * rng.uniform(0, 1) * np.array([50, 30, 20]), 0.92 * core)
    height -= 0.01 * core
    return away < np.maximum(half, 1.6 * pixel)


def window(rng, surface, colour, height, a, b, view, radius):
    """A piece broken out of the shell: its thickness, the dark inside and the kernel. Returns: mask bool [N]."""
    angles = np.linspace(0, TURN, 512, endpoint=False)
    corners = np.sort(rng.uniform(0, TURN, rng.integers(5, 9)))
    sides = np.cos(angles[:, None] - corners)  # a polygon of random sides, as seen from inside it
    border = np.min(rng.uniform(0.7, 1.2, len(corners)) / np.clip(sides, 0.4, None), 1)
    border *= 1 + 0.04 * cloud(rng, 512, 20) + 0.02 * cloud(rng, 512, 8) + 0.007 * cloud(rng, 512, 1.5)
    border *= radius / np.sqrt((border**2).mean())  # radius of a disc of the same area

    def inside_by(depth, shrink=0.0):
        """How far inside the opening a ray is when it is `depth` below the shell's surface, and where."""
        x, y = a - depth * view[0] / max(view[2], 0.5), b - depth * view[1] / max(view[2], 0.5)
        turns = np.arctan2(y, x) / TURN
        return look_up(border, turns) - shrink - np.hypot(x, y), x, y, turns

    pixel = 1 / surface.scale
    outside, _, _, turns = inside_by(0)
    thickness = rng.uniform(0.05, 0.08)
    bevel = thickness * np.clip(0.6 + 0.35 * look_up(cloud(rng, 256, 8), turns), 0.1, 1.5)
    through = np.minimum(inside_by(thickness, 0.3 * bevel)[0], outside - bevel)
    opening, hole = smoothstep(-pixel, pixel, outside), smoothstep(-pixel, pixel, through)
    grit = look_up(cloud(rng, (512, 512), 1.2), a * 0.5, b * 0.5)
    wall = FLESH * (0.85 + 0.06 * grit)[:, None] * (0.75 + 0.25 * smoothstep(0, 0.3, np.abs(outside / bevel)))[:, None]
    pores = np.cos(TURN * (turns * rng.integers(24, 40) + 0.4 * look_up(cloud(rng, 64, 2), turns)))
    pores = pores - 3 * np.abs(outside / bevel - 0.55)
    wall = mix(wall, DARK * 1.6, 0.85 * smoothstep(0.1, 0.5, pores))
    floor, x, y, _ = inside_by(0.2)
    wrinkle = 0.6 * look_up(cloud(rng, (256, 256), 5), x * 0.5, y * 0.5)
    wrinkle = wrinkle + 0.8 * look_up(cloud(rng, (128, 256), (8, 3)), x * 0.5, y * 0.5 + 0.02 * wrinkle)
    kernel = np.array([98, 54, 40]) * rng.uniform(0.7, 1.1) * (1 + 0.12 * wrinkle + 0.07 * grit)[:, None]
    if rng.uniform() < 0.12:  # its skin is broken as well
        flesh = np.array([206, 186, 142]) * (1 + 0.06 * wrinkle + 0.04 * grit)[:, None]
        bare = 0.25 * wrinkle + look_up(cloud(rng, (256, 256), 26), x * 0.5, y * 0.5)
        kernel = mix(kernel, flesh, smoothstep(-0.1, 0.1, bare))
    shade = smoothstep(-0.03, 0.3 * radius + 0.03, np.minimum(floor, through))
    colour[:] = mix(colour, mix(wall, mix(DARK, kernel, shade), hole), opening)
    height += opening * ((1 - hole) * -0.02 + hole * 0.003 * wrinkle) - opening * height
    return outside > 0


def crack(rng, surface, colour, height):
    """From a hairline along or across the stripes to a shell broken wide open. Returns: mask bool [N]."""
    kind = rng.uniform()
    radius = np.clip(rng.lognormal(np.log(0.47), 0.62), 0.22, 0.98)
    a, b, view = surface.chart(spot(rng, surface, 0.7 if kind < 0.35 or radius < 0.5 else 0.9, kind < 0.7))
    mask = np.zeros(len(a), bool)
    along = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.3)
    if kind < 0.35:
        width = np.clip(rng.lognormal(np.log(0.035), 0.6), 0.012, 0.12)
        path = wander(rng, rng.uniform(0.8, 3.0), 0.05, 0.4, along)
        return fissure(rng, surface, colour, height, a, b, path, width)
    for _ in range(rng.choice(3, p=[0.45, 0.35, 0.2])):  # cracks that run on from the window
        path = wander(rng, 2 * radius + rng.uniform(0.6, 1.6), 0.06, 0.5, rng.uniform(0, TURN))
        mask |= fissure(rng, surface, colour, height, a, b, path, rng.uniform(0.008, 0.02))
    return mask | window(rng, surface, colour, height, a, b, view, radius)


def gouge(rng, surface, colour, height, a, b, path, width):
    """A cut along `path`, 2 `width` wide: pale flesh, darker where it reaches through the shell. Returns: mask."""
    away, side, where = distance_to(path, a, b)
    pixel = 1 / surface.scale
    ends = smoothstep(0, 0.08, where) * smoothstep(1, 0.92, where)
    rough = look_up(cloud(rng, (128, 128), 4), a, b)
    half = width * np.sqrt(ends) * np.clip(1 + 0.18 * rough, 0.4, 1.6)
    inside = smoothstep(half + pixel, half - pixel, away)
    blunt = np.interp(where, np.linspace(0, 1, 64), cloud(rng, 64, 4))  # the blade does not bite everywhere
    streak = look_up(cloud(rng, (128, 256), (10, 0.8)), where, side * away * 3)
    colour[:] = mix(colour, FLESH * (0.80 + 0.10 * streak)[:, None], inside * np.clip(0.8 + 0.25 * blunt, 0.15, 0.95))
    deep = smoothstep(*rng.uniform([0.05, 0.15], [0.3, 0.6]), where) * smoothstep(*rng.uniform([0.8, 0.6], 0.95), where)
    groove = smoothstep(0.65 * half + pixel, 0.35 * half, away + 0.15 * half * rough) * deep
    colour[:] = mix(colour, mix(FLESH * 0.45, DARK * 1.5, deep), rng.uniform(0.4, 0.95) * groove)
    height -= 0.006 * inside
    return away < half


def cut(rng, surface, colour, height):
    """A straight gouge, or two side by side, that shows the pale shell, and the chips beside it. Returns: mask."""
    a, b, _ = surface.chart(spot(rng, surface, 0.7))
    heading, length, width = rng.uniform(0, TURN), rng.uniform(0.35, 1.85), rng.uniform(0.018, 0.052)
    path = wander(rng, length, 0.01, 0.02, heading)
    mask = gouge(rng, surface, colour, height, a, b, path, width)
    if rng.uniform() < 0.2:
        beside = path * 0.8 + rng.uniform(0.1, 0.2) * np.array([-np.sin(heading), np.cos(heading)])
        mask |= gouge(rng, surface, colour, height, a, b, beside, 0.7 * width)
    for _ in range(rng.poisson(1.5)):
        chip = path[rng.integers(0, len(path))] + rng.normal(0, 0.05, 2) + wander(rng, 0.1, 0.1, 0.1, heading, 4)
        mask |= gouge(rng, surface, colour, height, a, b, chip, 0.3 * width)
    return mask


def hole(rng, surface, colour, height):
    """A drilled hole in a patch of chipped pale shell, now and then cracked further. Returns: mask bool [N]."""
    a, b, view = surface.chart(spot(rng, surface, 0.6))
    pixel = 1 / surface.scale
    radius = np.clip(rng.lognormal(np.log(0.142), 0.30), 0.07, 0.24)
    mask = np.zeros(len(a), bool)
    for _ in range(rng.choice(3, p=[0.4, 0.3, 0.3])):
        path = wander(rng, rng.uniform(0.8, 2.2), 0.08, 0.5, rng.uniform(0, TURN))
        shift = path[0] if rng.uniform() < 0.5 else 0  # starting at the hole, or running through it
        mask |= fissure(rng, surface, colour, height, a, b, path - shift, rng.uniform(0.006, 0.014))
    turns = np.arctan2(b, a) / TURN

    def around(sigma):
        return look_up(cloud(rng, 256, sigma), turns)

    away = np.hypot(a, b)
    chips = radius * rng.uniform(1.05, 1.45) * np.clip(1 + 0.30 * around(14) + 0.06 * around(3), 0.9, 1.9)
    rough = look_up(cloud(rng, (256, 256), 2), a * 0.5, b * 0.5)
    chips = smoothstep(chips + pixel, chips - pixel, away + 0.01 * rough)
    grit = look_up(cloud(rng, (512, 512), 1.2), a * 0.5, b * 0.5)
    colour[:] = mix(colour, FLESH * (0.92 + 0.07 * grit)[:, None], 0.95 * chips)
    pores = look_up(cloud(rng, (256, 512), (9, 2)), a * 0.5, b * 0.5)  # vessels of the shell, along the meridians
    colour[:] = mix(colour, DARK * 2, 0.75 * chips * smoothstep(1.1, 1.5, pores))
    bore = radius * (1 + 0.07 * around(10) + 0.03 * around(3))
    inside = smoothstep(bore + pixel, bore - pixel, away)
    wall = np.hypot(a - 0.08 * view[0] / view[2], b - 0.08 * view[1] / view[2]) / bore
    floor = mix(DARK, np.array([92, 58, 44]) * (1 + 0.3 * rough)[:, None], 0.6 * smoothstep(0.9, 0.2, wall))
    colour[:] = mix(colour, mix(floor, FLESH * 0.5, smoothstep(0.85, 1.1, wall)), inside)
    height += chips * (-0.012 * (1 - inside) - height)
    return mask | (chips > 0.5) | (inside > 0.5)


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
    """White letters on black, each 64 pixels wide and 90 high, in the middle: float [128, 512], 0 … 1."""
    canvas = Image.new("L", (512, 128))
    draw = ImageDraw.Draw(canvas)
    for k, letter in enumerate(word):
        for stroke in STROKES[letter]:
            points = [(264 - 40 * len(word) + 80 * k + 64 * x, 19 + 64 * y) for x, y in stroke]
            draw.line(points, fill=255, width=27, joint="curve")
    return np.asarray(canvas, np.float32) / 255


def print_(rng, surface, colour, height):
    """A worn white stamp in any direction, mirrored or not. Returns: mask bool [N], its letters with the worn spots
    in them."""
    a, b, _ = surface.chart(spot(rng, surface, 0.65, shell_only=rng.uniform() < 0.7))
    letters = stamp("".join(rng.choice(list(STROKES), 4)))
    turn, size = rng.uniform(0, TURN), rng.uniform(0.27, 0.41)  # size: of a letter's height, nut radii
    x = (a * np.cos(turn) + b * np.sin(turn)) * rng.choice([-1, 1])
    y = b * np.cos(turn) - a * np.sin(turn)
    smear = 0.01 * look_up(cloud(rng, (256, 256), 2.5), a, b), 0.01 * look_up(cloud(rng, (256, 256), 2.5), a, b)
    column, row = (x + smear[0]) / size * 90 + letters.shape[1] / 2, (y + smear[1]) / size * 78 + letters.shape[0] / 2
    on = (column > 0) & (column < letters.shape[1] - 1) & (row > 0) & (row < letters.shape[0] - 1)
    letters = np.where(on, look_up(letters, row / letters.shape[0], column / letters.shape[1]), 0)
    pressure = rng.uniform(-0.3, 0.6) + rng.normal(0, 0.7) * x + rng.normal(0, 2) * y
    pressure = pressure + 0.5 * look_up(cloud(rng, (64, 64), 4), a * 0.5, b * 0.5)
    drag = look_up(cloud(rng, (256, 512), (6, 1.2)), a * 0.7, b * 0.7)  # ink catches on the ridges of the shell
    specks = look_up(cloud(rng, (512, 512), 2.2), a * 0.7, b * 0.7)
    ink = letters * smoothstep(-0.12, 0.12, pressure + 0.35 * drag + 0.35 * specks - 30 * height)
    colour[:] = mix(colour, [285, 290, 290], np.clip(ink, 0, 1) * np.clip(0.85 + 0.3 * pressure, 0.6, 1))
    height += 0.001 * ink - 0.5 * ink * height
    return (letters > 0.2) & (pressure > -0.5)


DEFECTS = {"crack": crack, "cut": cut, "hole": hole, "print": print_}
