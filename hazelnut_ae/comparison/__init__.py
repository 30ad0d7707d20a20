"""The article's four comparison systems, working: AE(L2), AE(SSIM), AnoGAN and the CNN feature dictionary.

The article borrowed their numbers from a table that counts something else. Here each is a `Detector`, fitted to the
same images and measured by the same code as the article's own network: `compare`.
"""

from hazelnut_ae.comparison.common import AUGMENTATIONS
from hazelnut_ae.comparison.compare import article, compare, fit, measure, predict
from hazelnut_ae.comparison.figure import maps_figure, one_of_each, samples_figure, table, write_figures
from hazelnut_ae.comparison.systems import SETTINGS, SYSTEMS, build

__all__ = [
    "AUGMENTATIONS",
    "SETTINGS",
    "SYSTEMS",
    "article",
    "build",
    "compare",
    "fit",
    "maps_figure",
    "measure",
    "one_of_each",
    "predict",
    "samples_figure",
    "table",
    "write_figures",
]
