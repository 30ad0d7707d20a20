"""Measures a detector's maps on a test set, and lays the measured numbers beside the published ones."""

import math

import numpy as np
import pandas as pd

from hazelnut_ae import bootstrap, curves, metrics, published, thresholds
from hazelnut_ae.metrics import PixelMetrics


def evaluate(
    detector_name, maps, test, held_out_maps, printed_tau=None, data="", seed=0, tau_label_free=None, scores=None,
    held_out_scores=None,
):  # fmt: skip
    """Every number of one detector on one test set.

    maps: float32 [N, H, W] of the test images; test: their ImageSet; held_out_maps: float32 [M, H, W] of good images
    that training never saw, for the thresholds (None if there are none); printed_tau: the article's τ by defect (`Detector.printed_tau`); where it is None, or gives None,
    "tau" is the label-free one; tau_label_free: that one, else chosen by
    `thresholds.tau_label_free`; scores, held_out_scores: of the images, [N] and [M], where the detector has its own
    (`Detector.predict`), else `metrics.image_scores` of the maps.
    A defect's numbers are of that defect's images alone, as in the article; "pixels" and "images" are of all images.
    "intervals" hold 95 % bootstrap intervals over images, [low, high].
    Returns a dict that JSON can hold, None for what the data cannot give.
    Raises: ValueError if shapes differ; DataError if a map holds NaN.
    """
    maps = np.asarray(maps, np.float32)
    masks, defects = np.asarray(test.masks, bool), np.asarray(test.defects)
    has_held_out = held_out_maps is not None and len(held_out_maps) > 0
    tau_free = tau_label_free
    if tau_free is None and has_held_out:
        tau_free = thresholds.tau_label_free(held_out_maps)

    images = curves.image_histograms(maps, masks)
    by_kind = {
        str(name): PixelMetrics(images[i] for i in np.flatnonzero(defects == name)) for name in sorted(set(defects))
    }
    everything = sum(by_kind.values(), PixelMetrics())
    weights = bootstrap.draw_weights(defects, seed=seed)
    coarse = bootstrap.CoarseHistograms(images, everything)
    scores = metrics.image_scores(maps) if scores is None else scores
    if has_held_out and held_out_scores is None:
        held_out_scores = metrics.image_scores(held_out_maps)

    blocks, has_printed_tau = {}, bool(printed_tau and printed_tau("good") is not None)
    for name in sorted(set(by_kind) - {"good"}):
        chosen = defects == name
        tau = printed_tau(name) if printed_tau else None
        has_printed_tau, tau = tau is not None, tau_free if tau is None else tau
        blocks[name] = _pixel_block(
            maps[chosen], masks[chosen], by_kind[name], tau, tau_free, weights[:, chosen],
            coarse.intervals(weights, chosen),
        )  # fmt: skip
    pixels = _pixel_block(
        maps, masks, everything, None if has_printed_tau else tau_free, tau_free, weights,
        coarse.intervals(weights, np.ones(len(maps), bool)),
    )  # fmt: skip
    pixels["auroc"] = pixels.pop("pixel_auroc")
    pixels["intervals"]["auroc"] = pixels["intervals"].pop("pixel_auroc")
    return _plain(
        {
            "data": data,
            "system": detector_name,
            "image_size": maps.shape[-1],
            "defects": blocks,
            "pixels": pixels,
            "images": _image_block(scores, defects != "good", held_out_scores if has_held_out else None, weights),
        }
    )


def _pixel_block(maps, masks, curves, tau, tau_free, weights, intervals):
    best = curves.compute()
    block = {
        "images": len(maps),
        "tau": tau,
        "precision": None,
        "recall": None,
        "f1": None,
        "accuracy": None,
        "tau_label_free": tau_free,
        "precision_label_free": None,
        "recall_label_free": None,
        "f1_label_free": None,
        "tau_f1_max": best["tau"],
        "f1_max": best["f1_max"],
        "pixel_auroc": best["auroc"],
        "average_precision": best["average_precision"],
        "pro": best["pro"],
        "f1_all_defective": metrics.f1(metrics.confusion(np.ones_like(masks), masks)),
    }
    found = {name: intervals[name] for name in ("f1_max", "average_precision", "pro")}
    found["pixel_auroc"] = intervals["auroc"]
    if tau is not None:
        c = metrics.pixel_confusion(maps, masks, tau)
        block |= {
            "precision": metrics.precision(c),
            "recall": metrics.recall(c),
            "f1": metrics.f1(c),
            "accuracy": metrics.accuracy(c),
        }
        found["f1"] = bootstrap.f1_interval(maps > np.float32(tau), masks, weights)
    if tau_free is not None:
        c = metrics.pixel_confusion(maps, masks, tau_free)
        block |= {
            "precision_label_free": metrics.precision(c),
            "recall_label_free": metrics.recall(c),
            "f1_label_free": metrics.f1(c),
        }
        found["f1_label_free"] = bootstrap.f1_interval(maps > np.float32(tau_free), masks, weights)
    return block | {"intervals": found}


def _image_block(scores, is_defective, held_out_scores, weights):
    everything_defective = metrics.confusion(np.ones_like(is_defective), is_defective)
    block = {
        "images": len(scores),
        "good": int((~is_defective).sum()),
        "auroc": metrics.image_auroc(scores, is_defective),
        "tau": None,
        "tnr": None,
        "tpr": None,
        "precision": None,
        "f1": None,
        "f1_all_defective": metrics.f1(everything_defective),
        "precision_all_defective": metrics.precision(everything_defective),
    }
    intervals = {"auroc": bootstrap.image_auroc_interval(scores, is_defective, weights)}
    tau = None
    if held_out_scores is not None:
        tau = thresholds.tau_images_label_free(held_out_scores)
    if tau is not None and not math.isnan(tau):
        block |= {"tau": tau} | metrics.image_rates(scores, is_defective, tau)
        intervals["f1"] = bootstrap.f1_interval(scores > tau, is_defective, weights)
    return block | {"intervals": intervals}


def _plain(value):
    """nan becomes None, as JSON has no nan; NumPy's numbers become Python's."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


COLUMNS = {  # column of the table -> key in a defect's block, in "pixels", in "images"
    "τ": ("tau", "tau", "tau"),
    "recall": ("recall", "recall", "tpr"),
    "precision": ("precision", "precision", "precision"),
    "F1": ("f1", "f1", "f1"),
    "τ label-free": ("tau_label_free", "tau_label_free", None),
    "F1 label-free": ("f1_label_free", "f1_label_free", None),
    "F1-max": ("f1_max", "f1_max", None),
    "AUROC": ("pixel_auroc", "auroc", "auroc"),
    "average precision": ("average_precision", "average_precision", None),
    "PRO": ("pro", "pro", None),
    "TNR": (None, None, "tnr"),
    "TPR": (None, None, "tpr"),
}


def results_table(measured, category="hazelnut"):
    """The results table as a pandas DataFrame of numbers, NaN where a number does not exist.

    measured: a result of `evaluate`, or a list of them. category: whose published rows to put below
    ("hazelnut", "transistor"), None for none. The column "counts" says of each row whether it counts pixels or images.
    "overlap" is the published mean overlap of predicted and true regions at a label-free τ, which is not measured here.
    Beside each measured number X there are "X low" and "X high", its 95 % interval over images.
    """
    measured = [measured] if isinstance(measured, dict) else list(measured)
    rows = []
    for result in measured:
        for name, block in result["defects"].items():
            rows.append(_row(result["system"], name, "pixel", block, 0))
        rows.append(_row(result["system"], "all", "pixel", result["pixels"], 1))
        rows.append(_row(result["system"], "all", "image", result["images"], 2))
    rows += _baseline_rows(measured[0]) if measured else []
    rows += _published_rows(category) if category else []
    frame = pd.DataFrame(rows)
    order = ["system", "defect", "counts", "images"]
    order += [f"{column}{suffix}" for column in COLUMNS for suffix in ("", " low", " high")]
    order += ["overlap", "source"]
    return frame[[column for column in order if column in frame]]


def _row(system, defect, counts, block, which):
    row = {"system": system, "defect": defect, "counts": counts, "images": block["images"], "source": "measured here"}
    for column, keys in COLUMNS.items():
        key = keys[which]
        row[column] = block.get(key)
        interval = block.get("intervals", {}).get(key)
        if interval:
            row[f"{column} low"], row[f"{column} high"] = interval
    return row


def _baseline_rows(result):
    """Calling every pixel, or every image, defective: what any number above has to beat."""
    rows = []
    base = {"system": "call everything defective", "source": "follows from the counts"}
    for name, block in [*result["defects"].items(), ("all", result["pixels"])]:
        f1 = block["f1_all_defective"]
        share = None if f1 is None else f1 / (2 - f1)  # F1 = 2p / (p + 1) at recall 1
        rows.append(base | {"defect": name, "counts": "pixel", "images": block["images"]}
                    | {"recall": None if f1 is None else 1.0, "precision": share, "F1": f1})  # fmt: skip
    images = result["images"]
    some = images["f1_all_defective"] is not None
    rows.append(
        base
        | {"defect": "all", "counts": "image", "images": images["images"]}
        | {"recall": 1.0 if some else None, "precision": images["precision_all_defective"]}
        | {"F1": images["f1_all_defective"], "TNR": 0.0 if images["good"] else None, "TPR": 1.0 if some else None}
    )
    return rows


def _published_rows(category):
    rows = []
    if category == "hazelnut":
        for one in published.ARTICLE_TABLE:
            if one.level == "pixel":
                note = "" if published.printed_f1_is_possible(one, one.f1) else f", F1 corrected from {one.f1:.2f}"
                rows.append(
                    {"system": "article as printed", "defect": one.defect, "counts": "pixel"}
                    | {"τ": thresholds.printed_tau(one.defect), "recall": one.recall, "precision": one.precision}
                    | {"F1": published.corrected_f1(one), "source": published.ARTICLE + note}
                )
        for one in published.borrowed_rates():
            doubt = "" if one["confirmed"] else ", read as TNR and TPR without a second source"
            rows.append(
                {
                    "system": one["system"],
                    "defect": "all",
                    "counts": "image",
                    "images": published.GOOD_IMAGES + published.DEFECTIVE_IMAGES,
                }
                | {"recall": one["recall"], "precision": one["precision"], "F1": one["f1"]}
                | {"TNR": one["tnr"], "TPR": one["tpr"], "source": f"{published.BERGMANN_2019}, Table 2{doubt}"}
            )
    for one in published.AUROC_RESULTS:
        if one.category == category:
            doubt = "" if one.checked else ", from memory, to be checked"
            rows.append(
                {"system": one.system, "defect": "all", "counts": one.counts, "AUROC": one.auroc}
                | {"overlap": one.overlap, "source": one.source + doubt}
            )
    return rows


def pretty(frame):
    """The table as text to read: two digits, "0.35 [0.28, 0.41]", and blanks."""
    frame = frame.dropna(axis=1, how="all")
    text = {}
    for column in frame:
        if column.endswith((" low", " high")):
            continue
        text[column] = [_cell(row, column) for _, row in frame.iterrows()]
    return pd.DataFrame(text)


def _cell(row, column):
    value = row[column]
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return ""
    if column == "images":
        return f"{value:.0f}"
    digits = 3 if column.startswith("τ") else 2
    text = f"{value:.{digits}f}"
    if not math.isnan(row.get(f"{column} low", math.nan)):
        return f"{text} [{row[f'{column} low']:.{digits}f}, {row[f'{column} high']:.{digits}f}]"
    return text
