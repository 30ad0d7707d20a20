"""What the surface of a hazelnut looks like: colours and fine relief, in the surface's own coordinates.

Every function takes a Surface and returns one value per visible point. Colours are 0 … 255 as seen under full light;
heights are in nut radii.
"""

import numpy as np

from hazelnut_ae.synthetic.noise import cloud, length, look_up, mix, smoothstep

TURN = 2 * np.pi


def flat_map(surface, repeats=1.0):
    """A map of the shell without a seam, centred on the tip: u, v in turns for `look_up`."""
    reach = surface.colatitude / TURN * repeats
    return reach * np.cos(surface.longitude), reach * np.sin(surface.longitude)


def stripes(rng, surface):
    """Meridian stripes that run together at the tip. Returns: float [N], about 0 between them … 1 on a dark one."""
    line = np.zeros(2048, np.float32)
    place = np.arange(2048) / 2048
    for count, strength, broad in ((rng.integers(28, 42), 1.0, 0.42), (rng.integers(60, 90), 0.35, 0.3)):
        for k in range(count):
            away = (place - (k + rng.uniform(-0.22, 0.22)) / count + 0.5) % 1 - 0.5
            width = rng.uniform(0.5, 1.0) * broad / count
            line += strength * rng.uniform(0.4, 1.0) * np.exp(-((away / width) ** 2))
    line *= np.clip(0.75 + 0.4 * cloud(rng, 2048, 90), 0.1, 1.4)  # here strong, there hardly seen
    turns, height = surface.longitude / TURN, surface.colatitude / np.pi
    turns = turns + 0.003 * look_up(cloud(rng, (32, 64), (4, 3)), height, turns)
    strength = 0.8 + 0.2 * look_up(cloud(rng, (32, 128), (3, 1.5)), height, turns)
    near_tip = smoothstep(0.05, 0.5, surface.colatitude)
    return look_up(line, turns) * np.clip(strength, 0, 1.5) * (0.4 + 0.6 * near_tip)


def bloom(rng, surface):
    """The greyish down at the tip, in strands along the meridians, and its scattered remains. Returns: [N], 0 … 1."""
    reach = rng.uniform(0.35, 1.2)
    strands = look_up(cloud(rng, (64, 512), (5, 1.2)), surface.colatitude / np.pi, surface.longitude / TURN)
    patches = look_up(cloud(rng, (128, 128), 6), *flat_map(surface))
    edge = surface.colatitude / reach + 0.20 * patches + 0.22 * strands
    down = smoothstep(1.0, 0.2, edge) * np.clip(0.6 + 0.4 * strands, 0, 1) * rng.uniform(0.2, 1.0)
    cap = smoothstep(0.34, 0.10, surface.colatitude + 0.05 * patches + 0.06 * strands) * rng.uniform(0.1, 1)
    remains = smoothstep(1.3, 2.6, 0.8 * patches + 0.8 * strands) * rng.uniform(0, 0.25)
    return np.maximum(np.maximum(down, cap), remains)


def specks(rng, surface, count, size, stretch=1.0):
    """Small marks, `count` of them all over the shell, round or drawn out along a random direction.

    Returns: float [N], 1 in the middle of a mark, 0 away from them.
    """
    marks = np.zeros(len(surface.point), np.float32)
    candidates = np.flatnonzero((surface.normal[:, 2] > 0.1) & (surface.scar < -0.03))
    if not len(candidates):
        return marks
    clusters, common = surface.point[rng.choice(candidates, 3)], rng.standard_normal(3)
    for index in rng.choice(candidates, count):
        if rng.uniform() < 0.5:  # half of them keep together in a few places
            place = clusters[rng.integers(3)] + rng.normal(0, 0.15, 3)
            index = candidates[np.argmin(length(surface.point[candidates[::16]] - place)) * 16]
        radius = size * rng.lognormal(0, 0.5)
        near = surface.near(index, 2 * radius * stretch)
        offset = surface.point[near] - surface.point[index]
        direction = common + 0.7 * rng.standard_normal(3)
        direction /= np.linalg.norm(direction)
        along = offset @ direction
        across = (offset**2).sum(1) - along**2
        mark = np.exp(-(((along / (radius * stretch)) ** 2 + across / radius**2) ** 2)) * rng.uniform(0.3, 1)
        marks[near] = np.maximum(marks[near], mark)
    return marks


def shell(rng, surface):
    """Colour [N, 3] and relief [N] of the shell: a red-brown ground, stripes, bloom, scratches and flecks."""
    base = np.array([139, 67, 46]) * (1 + 0.125 * rng.normal())
    base *= 1 + rng.normal(0, 1, 2) @ [[0, 0.085, 0.06], [0, 0.02, -0.03]]
    dark, pale = base * [0.60, 0.56, 0.64], base * [1.24, 1.27, 1.20]
    patches = look_up(cloud(rng, (64, 64), 5), *flat_map(surface))
    patches = 0.6 * patches + 0.4 * look_up(cloud(rng, (128, 128), 3), *flat_map(surface))
    strands = look_up(cloud(rng, (64, 512), (6, 1.5)), surface.colatitude / np.pi, surface.longitude / TURN)
    colour = mix(base, pale, np.clip(0.35 + 0.35 * patches + 0.2 * strands, -0.3, 1.4))
    stripe = stripes(rng, surface)
    colour = mix(colour, dark, np.clip(stripe * rng.uniform(0.45, 0.88) - 0.10 * patches, 0, 0.9))
    colour = mix(colour, [146, 124, 110], 0.8 * bloom(rng, surface))
    grain = look_up(cloud(rng, (512, 512), 0.8), *flat_map(surface, 3))
    mottle = look_up(cloud(rng, (512, 512), 1.2), *flat_map(surface, 1.5))
    colour *= np.exp(0.02 * grain + 0.025 * mottle)[:, None]
    colour = mix(colour, base * 0.4, 0.6 * specks(rng, surface, rng.integers(4, 25), 0.010))
    tint = np.array([212, 150, 118]) * rng.uniform(0.85, 1.05)
    colour = mix(colour, tint, 0.8 * specks(rng, surface, int(rng.gamma(1.0, 40)), 0.006, rng.uniform(1, 4)))
    colour = mix(colour, tint, 0.7 * specks(rng, surface, rng.integers(3, 25), 0.004, stretch=9))
    return colour, 0.0004 * grain - 0.008 * stripe


def scar(rng, surface):
    """Colour [N, 3], relief [N] and cover [N] (0 … 1) of the scar: short fibres from its middle, and at its border
    a strip of shell with teeth that reach into it."""
    dark = rng.uniform() < 0.27
    base = np.array([66, 44, 36]) if dark else np.array([150, 105, 79]) * rng.uniform(0.72, 1.08)
    turns = surface.longitude / TURN

    def around(sigma, cells=512):
        return look_up(cloud(rng, cells, sigma), turns)

    reach = np.clip(np.pi - surface.colatitude, 0, None)
    u, v = reach * np.cos(surface.longitude) / 2, reach * np.sin(surface.longitude) / 2
    clumps = look_up(cloud(rng, (128, 128), 4), u, v)
    swirl = 0.005 * look_up(cloud(rng, (64, 64), 4), u, v) / (reach + 0.15)
    fibres = look_up(cloud(rng, (64, 1024), (1.5, 0.8)), reach / 1.5, turns + swirl) * smoothstep(0, 0.2, reach)
    speckle = look_up(cloud(rng, (256, 256), 1.4), u, v)
    shade = 0.10 * look_up(cloud(rng, (64, 64), 6), u, v) + rng.normal(-0.1, 0.15) * smoothstep(0.3, 0.9, reach)
    grain = look_up(cloud(rng, (512, 512), 0.7), 1.5 * u, 1.5 * v)
    rough = 0.45 * fibres + 0.5 * grain + 0.45 * speckle + 0.5 * clumps
    colour = base * np.exp((0.36 if dark else 0.18) * rough + shade)[:, None]
    colour = mix(colour, base * 0.4, 0.6 * smoothstep(0.8, 2.4, -0.4 * fibres + 0.4 * grain - 0.7 * speckle))
    if rng.uniform() < 0.5:  # what is left of the stalk, a smoother patch near the middle
        stalk = smoothstep(rng.uniform(0.1, 0.3), 0.03, reach + 0.04 * clumps)
        colour = mix(colour, np.array([156, 98, 66]) * (1 + 0.1 * grain)[:, None], 0.75 * stalk)
    count = rng.integers(34, 56)
    tooth = np.abs(np.sin(np.pi * (turns * count + 0.5 * around(8)))) ** 0.7
    strip = rng.uniform(0.03, 0.10) * np.clip(1 + 0.35 * around(6), 0.4, 1.8)
    inside = surface.scar + 0.004 * around(3) + 0.012 * around(14)
    reach_in = strip * (0.3 + 0.7 * tooth * np.clip(1 + 0.3 * around(3), 0.4, 1.5))
    on_tooth = smoothstep(0.010, -0.010, inside - reach_in)
    between = smoothstep(1.2, 0.9, inside / strip) * (1 - on_tooth)
    border = np.exp(-(((inside - 0.002) / 0.010) ** 2))
    colour = mix(colour, base * 0.38, np.clip(rng.uniform(0.45, 0.9) * between, 0, 0.9))
    rim = mix(base * 1.1, [186, 112, 74], rng.uniform(0.4, 1.0)) * (1 + 0.08 * grain + 0.06 * clumps)[:, None]
    colour = mix(colour, rim * (0.7 + 0.35 * tooth)[:, None], 0.92 * on_tooth)
    colour = mix(colour, base * 0.38, rng.uniform(0.2, 0.8) * border)
    height = 0.0008 * rough + 0.008 * on_tooth * tooth - 0.003 * border
    return colour, height, smoothstep(-0.006, 0.006, inside)
