"""The article's four comparison systems, working (notebook 9): AE(L2), AE(SSIM), AnoGAN, the CNN feature dictionary.

The article borrowed their numbers from a table that counts something else. Here each is a `Detector`, fitted to the
same images and measured by the same code as the article's own network: `compare`.
"""

from hazelnut_ae.comparison.compare import article, compare, evaluate, fit, predict, run_of
from hazelnut_ae.comparison.differences import paired_differences
from hazelnut_ae.comparison.figure import maps_figure, one_of_each, samples_figure, systems_table, write_figures
from hazelnut_ae.comparison.systems import SETTING_NAMES, SYSTEMS, new_detector

__all__ = [
    "SETTING_NAMES", "SYSTEMS", "article", "compare", "evaluate", "fit", "maps_figure", "new_detector", "one_of_each",
    "paired_differences", "predict", "run_of", "samples_figure", "systems_table", "write_figures",
]  # fmt: skip
