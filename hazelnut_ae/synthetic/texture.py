"""What the surface of a hazelnut looks like: colours and fine relief, in the surface's own coordinates.

Every function takes a Surface and returns one value per visible point. Colours are 0 … 255 as seen under full light;
heights are in nut radii.
"""

import numpy as np

from .noise import cloud, look_up, mix, smoothstep

TURN = 2 * np.pi


def flat_map(surface, repeats=1.0):
    """A map of the shell without a seam, centred on the tip: u, v in turns for `look_up`."""
    reach = surface.colatitude / TURN * repeats
    return reach * np.cos(surface.longitude), reach * np.sin(surface.longitude)


def stripes(rng, surface):
    """Meridian stripes that run together at the tip. Returns: float [N], about 0 between them … 1 on a dark one."""
    count = rng.integers(30, 46)
    fine = np.arange(2048) / 2048
    line = np.zeros(2048, np.float32)
    for k in range(count):
        place = (k + rng.uniform(-0.35, 0.35)) / count
        away = (fine - place + 0.5) % 1 - 0.5
        width = rng.uniform(0.12, 0.36) / count
        line += rng.uniform(0.1, 1.0) * np.exp(-((away / width) ** 2))
    line += 0.35 * cloud(rng, (2048,), 9)
    wander = 0.004 * look_up(cloud(rng, (32, 64), (4, 3)), surface.colatitude / TURN, surface.longitude / TURN)
    turns = surface.longitude / TURN + wander
    strength = 0.65 + 0.3 * look_up(cloud(rng, (32, 128), (4, 1.5)), surface.colatitude / TURN, turns)
    near_tip = smoothstep(0.05, 0.5, surface.colatitude)
    return look_up(line[None], 0 * turns, turns) * np.clip(strength, 0, 1.5) * (0.35 + 0.65 * near_tip)


def bloom(rng, surface):
    """The greyish down near the tip, in strands along the meridians. Returns: float [N], 0 … 1."""
    reach = rng.uniform(0.45, 1.0)
    strands = look_up(cloud(rng, (64, 512), (5, 1.2)), surface.colatitude / TURN * 2, surface.longitude / TURN)
    patches = look_up(cloud(rng, (128, 128), 7), *flat_map(surface))
    edge = surface.colatitude / reach + 0.22 * patches + 0.18 * strands
    return smoothstep(1.0, 0.1, edge) * np.clip(0.55 + 0.35 * strands, 0, 1) * rng.uniform(0.3, 1.0)


def specks(rng, surface, count, size, stretch=1.0):
    """Small marks, `count` of them all over the shell, round or drawn out along a random direction.

    Returns: float [N], 1 in the middle of a mark, 0 away from them.
    """
    marks = np.zeros(len(surface.point), np.float32)
    candidates = np.flatnonzero((surface.normal[:, 2] > 0.1) & (surface.scar < -0.03))
    if not len(candidates):
        return marks
    for index in rng.choice(candidates, count):
        radius = size * rng.lognormal(0, 0.5)
        offset = surface.point - surface.point[index]
        near = np.flatnonzero((np.abs(offset) < 3 * radius * stretch).all(1))
        direction = rng.standard_normal(3)
        direction /= np.linalg.norm(direction)
        offset = offset[near]
        along = offset @ direction
        across = (offset**2).sum(1) - along**2
        mark = np.exp(-(((along / (radius * stretch)) ** 2 + across / radius**2) ** 2)) * rng.uniform(0.3, 1)
        marks[near] = np.maximum(marks[near], mark)
    return marks


def shell(rng, surface):
    """Colour [N, 3] and relief [N] of the shell: a red-brown ground, stripes, bloom, scratches and flecks."""
    warm = rng.normal(0, 1)
    base = np.array([158, 82, 56]) * (1 + 0.08 * rng.normal()) + np.array([4, 6, 4]) * warm
    pale = base * np.array([1.16, 1.24, 1.2])
    dark = base * np.array([0.62, 0.56, 0.6])
    ground = 0.5 + 0.22 * look_up(cloud(rng, (64, 64), 4), *flat_map(surface))
    ground += 0.12 * look_up(cloud(rng, (256, 256), 3), *flat_map(surface, 2))
    colour = mix(base, pale, np.clip(ground, 0, 1))
    stripe = stripes(rng, surface)
    colour = mix(colour, dark, np.clip(stripe * rng.uniform(0.35, 0.85), 0, 1))
    down = bloom(rng, surface)
    colour = mix(colour, [136, 116, 104], 0.75 * down)
    grain = look_up(cloud(rng, (512, 512), 0.8), *flat_map(surface, 3))
    colour *= (1 + 0.025 * grain)[:, None]
    colour = mix(colour, base * 0.45, 0.6 * specks(rng, surface, rng.integers(5, 25), 0.010))
    colour = mix(colour, [214, 160, 124], 0.7 * specks(rng, surface, rng.integers(10, 70), 0.008))
    colour = mix(colour, [206, 150, 116], 0.6 * specks(rng, surface, rng.integers(4, 22), 0.006, stretch=7))
    return colour, 0.003 * grain * 0.3 - 0.006 * stripe


def scar(rng, surface):
    """Colour [N, 3], relief [N] and cover [N] (0 … 1) of the scar: grainy, with shell-coloured teeth at its border."""
    dark = rng.uniform() < 0.3
    base = np.array([62, 42, 34]) if dark else np.array([146, 112, 84]) * rng.uniform(0.85, 1.15)
    turns = surface.longitude / TURN
    reach = np.clip(np.pi - surface.colatitude, 0, None)
    u, v = reach * np.cos(surface.longitude) / TURN * 4, reach * np.sin(surface.longitude) / TURN * 4
    fibres = look_up(cloud(rng, (32, 512), (2.5, 0.9)), reach / 1.2, turns)
    grain = look_up(cloud(rng, (512, 512), 1.0), u, v)
    clumps = look_up(cloud(rng, (128, 128), 3), u, v)
    rough = 0.55 * fibres + 0.75 * grain + 0.35 * clumps
    colour = base * (1 + (0.30 if dark else 0.20) * rough)[:, None]
    colour = mix(colour, base * 0.6, 0.5 * smoothstep(0.25, 0.0, reach))

    count = rng.integers(38, 60)
    jitter = look_up(cloud(rng, (1, 256), (0, 3)), 0 * turns, turns)
    tooth = 0.5 + 0.5 * np.cos(TURN * (turns * count + 0.6 * jitter))
    length = rng.uniform(0.03, 0.11) * np.clip(
        0.7 + 0.4 * look_up(cloud(rng, (1, 256), (0, 2)), 0 * turns, turns), 0.1, 2
    )
    ragged = surface.scar + 0.010 * look_up(cloud(rng, (1, 1024), (0, 2)), 0 * turns, turns)
    on_tooth = smoothstep(0.15, 0.5, tooth - ragged / length) * (ragged > 0)
    colour = mix(colour, np.array([150, 92, 62]) * (0.75 if dark else 1.0), 0.8 * on_tooth)
    border = np.exp(-((ragged / 0.012) ** 2))
    colour = mix(colour, base * 0.4, 0.65 * border)
    return colour, 0.006 * rough + 0.01 * on_tooth, smoothstep(-0.006, 0.006, ragged)
