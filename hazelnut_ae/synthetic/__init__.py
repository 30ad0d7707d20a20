"""Synthetic hazelnuts: painted pictures in the manner of the MVTec AD hazelnut photographs, with exact masks.

rng = np.random.default_rng(0)
image, mask = paint(rng, "crack")       # uint8 [256, 256, 3], bool [256, 256]
stages(rng, "hole")                     # the pictures on the way to one
write_dataset("hazelnuts", {"train/good": 40, "test/good": 10, "crack": 5})
"""

from hazelnut_ae.synthetic.painting import paint, stages
from hazelnut_ae.synthetic.writing import painted, write_dataset

__all__ = ["paint", "painted", "stages", "write_dataset"]
