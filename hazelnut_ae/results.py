"""The results table (notebook 8): measures a detector on a test set. Published numbers are in `published`."""

import json
import math

import numpy as np
import pandas as pd

from hazelnut_ae import bootstrap, curves, metrics, thresholds
from hazelnut_ae.metrics import PixelMetrics

MASKS_ADD = "Masks in ground_truth/<defect> would add pixel AUROC, PRO and F1: whether the right place is found."
AT_TAU = {"": ("precision", "recall", "f1", "accuracy"), "_label_free": ("precision", "recall", "f1")}  # by suffix


def evaluate(
    detector_name, predicted, test, held_out=None, printed_tau=None, tau_label_free=None, data="",
    tau=None, image_tau=None,
):  # fmt: skip
    """Measures one detector on one test set.

    A defect's numbers count that defect's images alone, as in the article; "pixels" and "images" count all images.
    A defective image without a mask counts in "images" only. "intervals" hold 95 % bootstrap intervals over images,
    [low, high]; those of tnr and tpr are Wilson's. Raises ValueError if shapes differ, DataError if a map holds NaN.

    Args:
        detector_name, data: the names of the system and of the data in the result.
        predicted: the Prediction of the N test images.
        test: their ImageSet.
        held_out: the Prediction of good images that training never saw, for the thresholds; None without any.
        printed_tau: the detector's method of this name; None to use the label-free τ instead.
        tau_label_free: the label-free τ; None to choose it by `thresholds.tau_label_free`.
        tau, image_tau: thresholds of the user, instead of the printed τ and of the one of image scores.

    Returns:
        A dict that JSON can store (`evaluate --json`); undefined values are None.
    """
    maps = np.asarray(predicted.anomaly_maps, np.float32)
    masks, defects = np.asarray(test.masks, bool), np.asarray(test.defects)
    held_out = held_out if held_out is not None and len(held_out.anomaly_maps) else None
    if tau_label_free is None and held_out is not None:
        tau_label_free = thresholds.tau_label_free(held_out.anomaly_maps)
    known = metrics.pixels_known(test)  # bool [N]
    images, names = curves.image_histograms(maps, masks, test.ignored), sorted(set(test.defects))
    pixels_of = {name: PixelMetrics(images[i] for i in np.flatnonzero((defects == name) & known)) for name in names}
    everything = PixelMetrics(images[i] for i in np.flatnonzero(known))
    groups = [name if one else f"{name} without a mask" for name, one in zip(test.defects, known, strict=True)]
    weights = bootstrap.draw_weights(groups)
    coarse = bootstrap.CoarseHistograms(images, everything)

    def block(chosen, pixels, tau):
        ignored = None if test.ignored is None else test.ignored[chosen]
        found = maps[chosen], masks[chosen], weights[:, chosen]
        return _pixel_block(*found, ignored, pixels.compute(), coarse.intervals(weights, chosen), tau, tau_label_free)

    own = printed_tau or (lambda name: None) if tau is None else lambda name: tau
    blocks = {}
    for name in (name for name in names if name != "good"):
        of = defects == name
        blocks[name] = block(of & known, pixels_of[name], tau_label_free if own(name) is None else own(name))
        blocks[name] |= {"images": int(of.sum()), "masks": int((of & known).sum())}
    # without any mask, pixel quantities are undefined on good images, too
    pixels = block(known & masks.any(), everything, tau_label_free if own("good") is None else tau)
    pixels |= {"images": len(maps), "masks": sum(one["masks"] for one in blocks.values())}
    for of in (pixels, pixels["intervals"]):
        of["auroc"] = of.pop("pixel_auroc")
    size = maps.shape[-1] if maps.shape[-1] == maps.shape[-2] else maps.shape[-2:]  # one side, or [height, width]
    result = {"data": data, "system": detector_name, "image_size": size, "defects": blocks, "pixels": pixels}
    good_scores = None if held_out is None else held_out.image_scores
    result["images"] = _image_block(predicted.image_scores, defects, good_scores, weights, image_tau)
    plain = json.dumps(result, default=np.generic.item)  # NumPy's numbers as Python's
    return json.loads(plain, parse_constant=lambda _: None)  # nan as null


def _pixel_block(maps, masks, weights, ignored, best, intervals, tau, tau_label_free):
    """Pixel metrics of some images; best: result of `PixelMetrics.compute`; tau: the τ of "f1", or None."""
    counted = True if ignored is None else ~ignored  # F1 leaves out what is neither defective nor predicted
    everything = metrics.confusion(np.ones_like(masks) & counted, masks)
    block = {"images": len(maps), "tau_f1_max": best.pop("tau"), "pixel_auroc": best.pop("auroc"), **best}
    block |= {"f1_all_defective": metrics.f1(everything), "intervals": intervals}
    intervals["pixel_auroc"] = intervals.pop("auroc")
    for suffix, value in (("", tau), ("_label_free", tau_label_free)):
        block |= {f"tau{suffix}": value} | {f"{name}{suffix}": None for name in AT_TAU[suffix]}
        if value is not None:
            c = metrics.pixel_confusion(maps, masks, value, ignored)
            block |= {f"{name}{suffix}": getattr(metrics, name)(c) for name in AT_TAU[suffix]}
            predicted = (maps > np.float32(value)) & counted
            intervals[f"f1{suffix}"] = bootstrap.f1_interval(predicted, masks, weights)
    return block


def _image_block(scores, defects, held_out_scores, weights, tau=None):
    """Image metrics; held_out_scores: scores of good images, for the threshold, or None; tau: replaces it."""
    is_defective = defects != "good"
    everything_defective = metrics.confusion(np.ones_like(is_defective), is_defective)
    block = {"images": len(scores), "good": int((~is_defective).sum())}
    block |= {"auroc": metrics.image_auroc(scores, is_defective)}
    block |= dict.fromkeys(("tau", "tnr", "tpr", "precision", "f1"))
    block["f1_all_defective"] = metrics.f1(everything_defective)
    block |= {"precision_all_defective": metrics.precision(everything_defective), "refused": {}, "all_refused": None}
    intervals = {"auroc": bootstrap.image_auroc_interval(scores, is_defective, weights)}
    if is_defective.any():  # the only numbers with a threshold chosen on the test images
        lowest = scores[is_defective].min()
        low = float(f"{lowest - abs(lowest) / 1000 or -0.001:.4g}")  # below it, and with few digits to type
        block["all_refused"] = {"tau": low, "good_refused": int((scores[~is_defective] > low).sum())}
    if tau is None:
        tau = math.nan if held_out_scores is None else thresholds.tau_images_label_free(held_out_scores)
    if not math.isnan(tau):
        refused = scores > tau
        block |= {"tau": tau} | metrics.image_rates(scores, is_defective, tau)
        block["refused"] = {name: int(refused[defects == name].sum()) for name in sorted(set(defects.tolist()))}
        intervals["f1"] = bootstrap.f1_interval(refused, is_defective, weights)
        for rate, right in {"tnr": ~refused[~is_defective], "tpr": refused[is_defective]}.items():
            intervals[rate] = metrics.rate_interval(int(right.sum()), len(right)) if len(right) else None
    return block | {"intervals": intervals}


def report(result):
    """Yields the lines that `evaluate` prints: the table, the decisions on images, and what the data cannot give."""
    frame = results_table(result).dropna(how="all", subset=["F1", "AUROC", "recall"])
    narrow = [name for name in frame if name not in ("source", "average precision", "TNR", "TPR", "images")]
    yield from [pretty(frame[narrow]).to_string(index=False)] if len(frame) else []
    pixels, images = result["pixels"], result["images"]
    aurocs = ("not available" if one["auroc"] is None else f"{one['auroc']:.3f}" for one in (pixels, images))
    yield "Pixel AUROC {}, image AUROC {}.".format(*aurocs)
    good, bad = images["good"], images["images"] - images["good"]
    for name, count in images["refused"].items():
        of = good if name == "good" else result["defects"][name]["images"]
        low, high = metrics.rate_interval(count, of)
        said = f"{'false alarms ' * (name == 'good')}{count / of:.0%}, 95% interval {low:.0%} to {high:.0%}"
        yield f"{name}: {count} of {of} refused, with a score above τ = {images['tau']:.4g} ({said})."
    if images["all_refused"]:
        tau, alarms = images["all_refused"].values()
        cost = f" and {alarms} of {good} good ones" if good else ""
        yield f"Chosen on these test images, so better than on new ones: --image-tau {tau:.4g} refuses all {bad}{cost}."
    if pixels["masks"] < bad:
        yield f"{bad - pixels['masks']} of {bad} defective images have no mask and count as whole images. {MASKS_ADD}"
    yield from ["Without images in test/good, false alarms are unknown."] * (not good)
    yield from ["Without images in test/<defect>, it is unknown which defects are found."] * (not bad)


COLUMNS = {  # column of the table -> its keys in a block of the result, of which the first one that exists counts
    "τ": ["tau"], "recall": ["recall", "tpr"], "precision": ["precision"], "F1": ["f1"],
    "τ label-free": ["tau_label_free"], "F1 label-free": ["f1_label_free"], "F1-max": ["f1_max"],
    "AUROC": ["pixel_auroc", "auroc"], "average precision": ["average_precision"], "PRO": ["pro"],
    "TNR": ["tnr"], "TPR": ["tpr"],
}  # fmt: skip


def results_table(measured):
    """Builds the results table: a DataFrame of numbers, NaN where a number does not exist.

    The column "counts" says whether a row counts pixels or images. "X low" and "X high" are the 95 % interval of X over
    images.

    measured: a result of `evaluate`, or a list of them.
    """
    measured = [measured] if isinstance(measured, dict) else list(measured)
    rows = [_row(result["system"], *one, "measured here") for result in measured for one in _blocks(result)]
    for defect, counts, block in (one for result in measured[:1] for one in _blocks(result)):
        baseline = _all_defective(block)
        rows.append(_row("call everything defective", defect, counts, baseline, "follows from the counts"))
    frame = pd.DataFrame(rows)
    numbers = [f"{column}{suffix}" for column in COLUMNS for suffix in ("", " low", " high")]
    order = ["system", "defect", "counts", "images", *numbers, "source"]
    return frame[[column for column in order if column in frame]]


def _blocks(result):
    pixels = [(name, "pixel", block) for name, block in result["defects"].items()]
    return [*pixels, ("all", "pixel", result["pixels"]), ("all", "image", result["images"])]


def _row(system, defect, counts, block, source):
    row = {"system": system, "defect": defect, "counts": counts, "images": block["images"], "source": source}
    for column, keys in COLUMNS.items():
        key = next((key for key in keys if key in block), None)
        row[column] = block.get(key)
        if interval := block.get("intervals", {}).get(key):
            row[f"{column} low"], row[f"{column} high"] = interval
    return row


def _all_defective(block):
    """The block of the baseline that calls every pixel, or every image, defective: its recall is 1."""
    f1, recall = block["f1_all_defective"], "tpr" if "tpr" in block else "recall"
    found = {"images": block["images"], "f1": f1, "tnr": 0.0 if block.get("good") else None}
    return found if f1 is None else found | {recall: 1.0, "precision": f1 / (2 - f1)}  # F1 = 2p / (p + 1)


def pretty(frame):
    """Returns the table as text: two digits, "0.35 [0.28, 0.41]", blank where there is no number."""
    frame = frame.dropna(axis=1, how="all")
    columns = [column for column in frame if not column.endswith((" low", " high"))]
    return pd.DataFrame({column: [_cell(row, column) for _, row in frame.iterrows()] for column in columns})


def _cell(row, column):
    value, low, high = (row.get(f"{column}{suffix}", math.nan) for suffix in ("", " low", " high"))
    if isinstance(value, str):
        return value
    digits = 0 if column == "images" else 3 if column.startswith("τ") else 2
    value, low, high = ("" if pd.isna(one) else f"{one:.{digits}f}" for one in (value, low, high))
    return f"{value} [{low}, {high}]" if low else value
