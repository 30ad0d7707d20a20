"""One synthetic photograph, from body to sensor."""

import numpy as np

from hazelnut_ae.synthetic import photograph, texture
from hazelnut_ae.synthetic.defects import DEFECTS
from hazelnut_ae.synthetic.noise import mix
from hazelnut_ae.synthetic.shape import body, look_at, pose

SIZE = 512  # of the render; the photograph is half as large


def stages(rng, defect=None, every=True):
    """The pictures on the way to one synthetic photograph, by name, in order.

    Args:
        rng: numpy Generator.
        defect: None, "crack", "cut", "hole" or "print".
        every: False draws only the last two.
    Returns: dict of uint8 [512, 512, 3] pictures ("normals", "shell", …), and last "photograph" uint8 [256, 256, 3]
        and "mask" bool [256, 256].
    Raises: ValueError for another defect.
    """
    if defect is not None and defect not in DEFECTS:
        raise ValueError(f"{defect!r} is no defect that can be painted; use one of {', '.join(DEFECTS)} or None.")
    nut, to_nut = body(rng), pose(rng)
    centre = 0.498 + rng.normal(0, 0.011, 2)
    surface = look_at(nut, to_nut, np.clip(rng.normal(0.36, 0.03), 0.28, 0.42), centre, SIZE)
    draw = surface.image if every else lambda values, size: np.zeros(1)
    pictures = {"normals": draw(surface.normal * 127 + 128, SIZE)}
    colour, height = texture.shell(rng, surface)
    pictures["shell"] = draw(colour, SIZE)
    scar_colour, scar_height, cover = texture.scar(rng, surface)
    colour, height = mix(colour, scar_colour, cover), height * (1 - cover) + scar_height * cover
    pictures["scar"] = draw(colour, SIZE)
    mask = np.zeros(len(height), bool)
    if defect is not None:
        mask = DEFECTS[defect](rng, surface, colour, height)
        pictures[defect] = draw(colour, SIZE)
    normal = photograph.relief(surface, height, SIZE)
    diffuse, highlight = photograph.light(normal, photograph.lamp(rng))
    lit = colour * diffuse[:, None] + 255 * highlight[:, None] + photograph.veil(surface)
    pictures["light"] = light = surface.image(lit, SIZE)
    coverage = surface.image(surface.coverage, SIZE)
    picture = photograph.ground(rng, SIZE) * photograph.contact_shadow(rng, coverage, SIZE)[..., None]
    pictures["ground"] = picture
    picture = mix(picture, light, coverage)
    pictures = {name: np.clip(value, 0, 255).astype(np.uint8) for name, value in pictures.items() if every}
    pictures["photograph"] = photograph.sensor(rng, picture)
    full = surface.image(mask & (surface.coverage > 0.5), SIZE)
    pictures["mask"] = full.reshape(SIZE // 2, 2, SIZE // 2, 2).mean((1, 3)) >= 0.5
    return pictures


def paint(rng, defect=None):
    """One synthetic hazelnut.

    Args:
        rng: numpy Generator.
        defect: None for a good nut, or "crack", "cut", "hole", "print".
    Returns: image uint8 [256, 256, 3], mask bool [256, 256], all False for a good nut.
    """
    pictures = stages(rng, defect, every=False)
    return pictures["photograph"], pictures["mask"]
