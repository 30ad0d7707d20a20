"""The article's four comparison systems (notebook 9): AE(L2), AE(SSIM), AnoGAN and the CNN feature dictionary.

The article quotes their numbers from a table with other metrics. Here each is a `Detector`; `compare` fits it to the
same images and measures it with the same code as the article's network.
"""

from hazelnut_ae.comparison.compare import article, compare, evaluate, fit, predict, run_of
from hazelnut_ae.comparison.differences import paired_differences
from hazelnut_ae.comparison.figure import maps_figure, one_of_each, samples_figure, systems_table, write_figure
from hazelnut_ae.comparison.systems import SETTING_NAMES, SYSTEMS, new_detector, options_of

__all__ = [
    "SETTING_NAMES", "SYSTEMS", "article", "compare", "evaluate", "fit", "maps_figure", "new_detector", "one_of_each",
    "options_of", "paired_differences", "predict", "run_of", "samples_figure", "systems_table", "write_figure",
]  # fmt: skip
