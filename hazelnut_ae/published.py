"""Published numbers with their sources, and the proofs of the errata in the article's table.

The article's last table (section 6) compares eight rows. Two of its F1 are swapped, and its last four rows
are not what the column heads say. `swapped_f1` and `borrowed_rates` derive both from the numbers alone.
"""

from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from hazelnut_ae.metrics import Confusion, f1, precision, recall
from hazelnut_ae.shipped import FOLDER

BERGMANN_2019 = "Bergmann et al., MVTec AD, CVPR 2019"
CAVGA = "Venkataramanan et al., CAVGA, ECCV 2020"
GOOD_IMAGES, DEFECTIVE_IMAGES = 40, 70  # the hazelnut test set of MVTec AD


@dataclass(frozen=True)
class ArticleRow:
    """One row of the article's table as printed; `defect` is "" for the rows it borrowed, which count images."""

    system: str
    defect: str
    recall: float
    precision: float
    f1: float


ARTICLE_TABLE = (
    ArticleRow("article", "print", recall=0.22, precision=0.82, f1=0.35),
    ArticleRow("article", "crack", recall=0.26, precision=0.57, f1=0.36),
    ArticleRow("article", "cut", recall=0.69, precision=0.80, f1=0.57),
    ArticleRow("article", "hole", recall=0.55, precision=0.61, f1=0.75),
    ArticleRow("AE(SSIM)", "", recall=0.08, precision=1.00, f1=0.15),
    ArticleRow("AE(L2)", "", recall=0.84, precision=0.93, f1=0.88),
    ArticleRow("AnoGAN", "", recall=0.16, precision=0.83, f1=0.27),
    ArticleRow("CNN feature dictionary", "", recall=0.07, precision=0.90, f1=0.13),
)

# The mean of the two image-level rates as a second paper prints it; it has no row for the dictionary
MEAN_OF_RATES = {"AE(SSIM)": 0.54, "AE(L2)": 0.88, "AnoGAN": 0.50}


@dataclass(frozen=True)
class PublishedAuroc:
    """A published AUROC of one category, of pixels or of images."""

    category: str
    system: str
    counts: str  # "pixel" or "image"
    auroc: float
    overlap: float | None  # of predicted and true regions, at the label-free threshold of the MVTec rule
    source: str
    checked: bool = True  # False: from memory, not yet held against the source


_ROWS = pd.read_csv(FOLDER / "published_auroc.csv").itertuples(index=False)
AUROC_RESULTS = tuple(PublishedAuroc(*row) for row in _ROWS)  # overlap is nan where none was published


def harmonic_mean(a, b):
    """2ab / (a + b)."""
    return 2 * a * b / (a + b) if a + b else float("nan")


def corrected_f1(row):
    """The F1 that the row's own recall and precision give, to two digits; for the article's rows."""
    return round(harmonic_mean(row.recall, row.precision), 2)


def printed_f1_is_possible(row, f1_value):
    """Whether `f1_value` can follow from the row's recall and precision, each rounded to two digits.

    The harmonic mean grows with both, so its bounds are those of the rounding, ± 0.005 each.
    """
    low = harmonic_mean(row.recall - 0.005, row.precision - 0.005)
    high = harmonic_mean(row.recall + 0.005, min(row.precision + 0.005, 1))
    return low - 0.005 <= f1_value <= high + 0.005


def swapped_f1():
    """Returns the pairs of defects whose F1 is impossible, but possible once exchanged: [("cut", "hole")]."""
    fits = printed_f1_is_possible
    wrong = [row for row in ARTICLE_TABLE if not fits(row, row.f1)]
    return [(a.defect, b.defect) for a, b in combinations(wrong, 2) if fits(a, b.f1) and fits(b, a.f1)]


def image_confusion(row):
    """The images behind a borrowed row, read as TNR ("precision") and TPR ("recall") of 40 good and 70 defective.

    The rates are printed to two digits, so the counts are not whole.
    """
    tp, tn = row.recall * DEFECTIVE_IMAGES, row.precision * GOOD_IMAGES
    return Confusion(tp, GOOD_IMAGES - tn, DEFECTIVE_IMAGES - tp, tn)


def borrowed_rates():
    """What the four borrowed rows are: image-level rates, not the precision and recall of pixels.

    The proof is the second source: it prints the mean of TNR and TPR, and so do the row's two numbers to the rounding.
    Returns one dict per row: system, tnr, tpr, mean_of_rates, second_source (None for the dictionary), confirmed (None
    without a second source), precision and f1 (of images, as they follow from the rates), confusion.
    """
    rows = []
    for row in ARTICLE_TABLE:
        if not row.defect:
            mean, second = (row.recall + row.precision) / 2, MEAN_OF_RATES.get(row.system)
            c = image_confusion(row)
            confirmed = None if second is None else abs(mean - second) <= 0.01  # two rounded numbers
            rates = {"system": row.system, "tnr": row.precision, "tpr": row.recall, "mean_of_rates": mean}
            rates |= {"second_source": second, "confirmed": confirmed, "precision": precision(c)}
            rows.append(rates | {"recall": recall(c), "f1": f1(c), "confusion": c})
    return rows


def call_everything_defective(good=GOOD_IMAGES, defective=DEFECTIVE_IMAGES):
    """The answer that needs no detector: its confusion counts. On 40 and 70 images its F1 is 0.78."""
    return Confusion(tp=defective, fp=good, fn=0, tn=0)
