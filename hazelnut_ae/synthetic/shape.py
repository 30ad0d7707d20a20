"""The body of a hazelnut, and which of its points each pixel of a photograph sees.

Two frames: the *nut's* own (z from scar to tip; colatitude 0 at the tip, π at the scar; longitude 0 … 2π) and the
*camera's* (x right, y down, z towards the viewer). The mean radius of a nut is 1.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull

from hazelnut_ae.synthetic.noise import cloud, length, look_up

ROWS, COLUMNS = 128, 256  # of the tables over colatitude and longitude
TURN = 2 * np.pi
COLATITUDE = np.linspace(0, np.pi, ROWS)


@dataclass
class Body:
    """A star-shaped solid, as a table of radii, and where its scar begins."""

    radius: np.ndarray  # [ROWS, COLUMNS], by colatitude and longitude
    scar_edge: np.ndarray  # [COLUMNS], colatitude (radians) of the scar's border on each meridian


@dataclass
class Surface:
    """The N visible points of a nut: flat arrays, one entry for each pixel that shows it."""

    pixels: tuple  # (rows, columns) in the frame, int [N] each
    coverage: np.ndarray  # [N], 0 … 1, less than 1 only on the outline
    point: np.ndarray  # [N, 3], camera frame, nut radii
    normal: np.ndarray  # [N, 3], camera frame
    colatitude: np.ndarray  # [N], 0 at the tip … π at the scar's middle
    longitude: np.ndarray  # [N], 0 … 2π
    scar: np.ndarray  # [N], distance inside the scar's border, negative on the shell, nut radii
    to_nut: np.ndarray  # [3, 3], camera frame to nut frame
    scale: float  # pixels per nut radius

    def image(self, values, size, fill=0.0):
        """`values` [N, ...] put where they belong in a picture [size, size, ...] of `fill`."""
        picture = np.full((size, size, *values.shape[1:]), fill, np.float32)
        picture[self.pixels] = values
        return picture

    def near(self, index, distance):
        """Indices of the visible points within about `distance` (nut radii) of point `index`."""
        rows, columns = self.pixels
        reach = int(np.ceil(distance * self.scale)) + 1
        row, column = rows[index] - self.corner[0], columns[index] - self.corner[1]
        window = self.lookup[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
        return window[window >= 0]

    def __post_init__(self):
        rows, columns = self.pixels
        self.corner = rows.min(), columns.min()
        self.lookup = np.full((np.ptp(rows) + 1, np.ptp(columns) + 1), -1)
        self.lookup[rows - self.corner[0], columns - self.corner[1]] = np.arange(len(rows))

    def chart(self, index):
        """A flat map of the surface around visible point `index`: arc lengths towards the tip and across.

        Returns: along, across float [N] in nut radii, 9 for points that face away; view [3], the direction to the
        camera in the map's own axes (along, across, up).
        """
        up = self.normal[index]
        tip = self.to_nut[2]
        along = tip - up * (tip @ up)
        along /= np.linalg.norm(along) + 1e-9
        axes = np.stack([along, np.cross(up, along), up])  # [3, 3]
        offset = (self.point - self.point[index]) @ axes.T.astype(np.float32)  # [N, 3]
        arc = 2 * np.arcsin(np.clip(length(offset) / 2, 0, 1))  # as on a sphere of radius 1
        flat = offset[:, :2] * (arc / (np.hypot(offset[:, 0], offset[:, 1]) + 1e-9))[:, None]
        flat[self.normal @ up < -0.2] = 9
        return flat[:, 0], flat[:, 1], axes[:, 2]


def body(rng):
    """A random nut: an egg drawn out to a tip, flattened here and there, cut off below by the bulging scar."""
    longitude = np.arange(COLUMNS) * 2 * np.pi / COLUMNS
    upper, lower = rng.normal(1.20, 0.09), rng.normal(0.92, 0.05)  # from the widest place to the tip, and to the base
    pointed = rng.uniform(0.60, 0.80)  # 0.5 is an ellipse, 1 nearly a cone
    t = np.linspace(0, 1, 200)
    width = np.concatenate([(1 - t**2) ** pointed, (1 - t[1:] ** 2.3) ** 0.5])
    axis = np.concatenate([t * upper, -t[1:] * lower])
    angle = np.arctan2(width, axis)
    order = np.argsort(angle)
    meridian = np.interp(COLATITUDE, angle[order], np.hypot(width, axis)[order])
    meridian += rng.uniform(0.01, 0.09) * np.exp(-((COLATITUDE / rng.uniform(0.13, 0.26)) ** 2))  # a little point
    flank = np.sin(COLATITUDE)[:, None]
    oval = rng.uniform(0, 0.05) * np.cos(2 * (longitude - rng.uniform(0, 7)))
    oval += rng.uniform(0, 0.02) * np.cos(3 * (longitude - rng.uniform(0, 7)))
    radius = meridian[:, None] * (1 + flank * oval)
    radius *= 1 + 0.012 * flank * cloud(rng, (ROWS, COLUMNS), (14, 22))
    for _ in range(rng.integers(2, 6)):  # cheeks pressed flat by neighbours in the husk
        where, turn = rng.uniform(0.9, 2.2), rng.uniform(0, 2 * np.pi)
        cheek = rng.uniform(0.90, 1.0) / np.clip(_facing(where, turn, longitude), 0.3, None)
        radius = _softer_minimum(radius, cheek, 0.025)
    radius, scar_edge = _cut_scar(rng, radius, longitude)
    return Body(radius.astype(np.float32), scar_edge.astype(np.float32))


def _cut_scar(rng, radius, longitude):
    """Flattens the base of a body to a bulging disc, a little oblique. Returns: radius, scar_edge (as in Body)."""
    opening = np.deg2rad(rng.normal(51, 5)) * (1 + 0.045 * cloud(rng, COLUMNS, 14))  # seen from the body's middle
    away = np.arccos(_facing(np.pi - abs(rng.normal(0, 0.1)), rng.uniform(0, TURN), longitude))  # from its middle
    scar_edge = np.array([np.interp(0, (o - w), COLATITUDE) for o, w in zip(opening, away.T, strict=True)])
    at_edge = np.array([np.interp(e, COLATITUDE, r) for e, r in zip(scar_edge, radius.T, strict=True)])
    away = np.minimum(away, opening)
    outward = (away / opening) ** 2  # near the middle every meridian takes the mean border: no crease there
    even = at_edge.mean() + (at_edge - at_edge.mean()) * outward
    opening = opening.mean() + (opening - opening.mean()) * outward
    bulge = rng.uniform(0.3, 0.75)  # 1 would be a plane, 0 a ball
    disc = even * (np.cos(opening) / np.cos(away)) ** bulge
    disc *= 1 + 0.012 * np.sin(COLATITUDE)[:, None] * cloud(rng, radius.shape, (6, 12))
    radius = np.where(COLATITUDE[:, None] > scar_edge, np.minimum(radius, disc), radius)
    return ndimage.gaussian_filter1d(radius, 1.1, axis=0, mode="nearest"), scar_edge


def _facing(colatitude, turn, longitude):
    """Cosine of the angle between every direction of the tables and the one at `colatitude`, `turn`."""
    up, across = np.cos(COLATITUDE)[:, None], np.sin(COLATITUDE)[:, None]
    return up * np.cos(colatitude) + across * np.sin(colatitude) * np.cos(longitude - turn)


def _softer_minimum(a, b, edge):
    """The smaller of both, with the edge between them rounded over about `edge`."""
    return a - edge * np.logaddexp(0, (a - b) / edge)


def pose(rng):
    """A random attitude as it comes to lie: any direction in the picture, the scar mostly turned a little to us.

    Returns: [3, 3] rotation from the camera's to the nut's frame.
    """
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.deg2rad(np.clip(rng.normal(-22, 11), -48, 5))
    tip = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    side = np.cross(tip, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    roll = rng.uniform(0, 2 * np.pi)
    first = np.cos(roll) * side + np.sin(roll) * np.cross(tip, side)
    return np.stack([first, np.cross(tip, first), tip])


def _radius(nut, x, y, z):
    """Radius of the body in the direction of points of the nut's frame; with their colatitude and longitude."""
    colatitude = np.arctan2(np.sqrt(x * x + y * y), z)
    longitude = np.arctan2(y, x)
    return look_up(nut.radius, colatitude * ((ROWS - 1) / ROWS / np.pi), longitude / TURN), colatitude, longitude


def _trace(nut, to_nut, x, y, z, steps):
    """Walks the rays at x, y (flat arrays) from height z down to the surface; returns z and the distance left."""
    z, left, moving = z.copy(), np.empty_like(z), np.arange(len(z))
    for step in range(steps):
        x_, y_, z_ = x[moving], y[moving], z[moving]
        point = (row[0] * x_ + row[1] * y_ + row[2] * z_ for row in to_nut)
        left[moving] = gap = np.sqrt(x_ * x_ + y_ * y_ + z_ * z_) - _radius(nut, *point)[0]
        z[moving] = np.maximum(z_ - 0.9 * gap, -1.5)
        if step % 4 == 3:  # go on with those that have not arrived
            moving = moving[(np.abs(gap) > 5e-4) & (z[moving] > -1.5)]
    return z, left


def look_at(nut, to_nut, share, centre, size):
    """What a camera straight above sees.

    nut: Body; to_nut: [3, 3]; share: of the frame that the nut fills, 0 … 1; centre: (x, y) of its bounding box, in
    frames; size: pixels of the (square) frame. Returns: Surface.
    """
    to_nut = to_nut.astype(np.float32)
    longitude = np.arange(COLUMNS) * 2 * np.pi / COLUMNS
    ring = np.sin(COLATITUDE)[:, None]
    height = np.cos(COLATITUDE)[:, None] + 0 * longitude
    hull = np.stack([ring * np.cos(longitude), ring * np.sin(longitude), height], -1)
    outline = (hull * nut.radius[..., None]).reshape(-1, 3)[::3] @ to_nut[:, :2]  # to the camera: the transpose
    scale = size * np.sqrt(share / ConvexHull(outline).volume)  # "volume" of a plane hull is its area
    middle = (outline.min(0) + outline.max(0)) / 2
    low = np.floor(np.array(centre) * size + (outline.min(0) - middle) * scale).astype(int) - 2
    high = np.ceil(np.array(centre) * size + (outline.max(0) - middle) * scale).astype(int) + 3
    low, high = np.maximum(low, 0), np.minimum(high, size)
    step = 4  # coarse rays first, fine ones start from where those arrived
    columns, rows = (np.arange(low[i], high[i] + step, step) for i in (0, 1))

    def to_x(column):
        return ((column + 0.5 - centre[0] * size) / scale + middle[0]).astype(np.float32)

    def to_y(row):
        return ((row + 0.5 - centre[1] * size) / scale + middle[1]).astype(np.float32)

    x, y = np.meshgrid(to_x(columns), to_y(rows))
    coarse = _trace(nut, to_nut, x.ravel(), y.ravel(), np.full(x.size, 1.5, np.float32), 24)[0].reshape(x.shape)
    coarse = ndimage.maximum_filter(coarse, 3) + 0.02  # never start below the surface
    fine_columns, fine_rows = (np.arange(low[i], high[i]) for i in (0, 1))
    x, y = np.meshgrid(to_x(fine_columns), to_y(fine_rows))
    z = coarse[np.ix_((fine_rows - low[1]) // step, (fine_columns - low[0]) // step)]
    keep = z > -1.35
    rows, columns = np.meshgrid(fine_rows, fine_columns, indexing="ij")
    x, y, z, rows, columns = (a[keep] for a in (x, y, z, rows, columns))
    z, left = _trace(nut, to_nut, x, y, z, 24)
    coverage = np.clip(0.5 - left * scale * 0.7 + 0.5, 0, 1)
    keep = coverage > 0
    x, y, z, rows, columns, coverage = (a[keep] for a in (x, y, z, rows, columns, coverage))
    point = np.stack([x, y, z], -1)  # [N, 3]
    here = point @ to_nut.T
    radius, colatitude, longitude = _radius(nut, *here.T)
    here *= (radius / length(here))[:, None]
    gradient = np.empty_like(here)
    for axis in range(3):
        ahead = here.copy()
        ahead[:, axis] += 0.02
        gradient[:, axis] = length(ahead) - _radius(nut, *ahead.T)[0]
    normal = gradient @ to_nut
    normal /= length(normal)[:, None]
    edge = look_up(nut.scar_edge, longitude / TURN)
    scar = (colatitude - edge) * radius
    return Surface((rows, columns), coverage, point, normal, colatitude, longitude, scar, to_nut, scale)
