"""The part on notebook 10's ladder: every rung on every set, and kinds of defects that the U-Net never saw."""

from benchmarks.numbers.cells import amount, listed, markdown, means_of_defects, paragraphs, study, two_digits
from benchmarks.numbers.sets import results_of
from hazelnut_ae.published import PublishedAuroc

NUMBERS = ("pixel AUROC", "F1-max", "image AUROC")

ABOUT = """Every rung on the same test images, `python -m benchmarks ladder DIR --run RUN`, seed 0, on two cores with
bfloat16 units beside light other work. F1: means over the kinds of defects, *label-free* at the τ of held-out good
images. *The article* is its network trained by `quick` with online augmentation; on (c) and (f) it was rotated in
training, other than above. *Its map, softened* and *both together* use the same network; its training is not in
*fit*. *Fixed copies* is the same with five augmented copies of each photograph that are made once, and as many steps;
AE(SSIM) saw as many images. The memory bank's rung is of an earlier version, whose map had halos and was drawn up to
10 pixels too far down and right; "The memory bank" above has today's. The U-Net learned from painted nuts and their
masks on every set. *Peak* is the memory of the process while the rung was fitted and measured, with what earlier rungs
left in it."""


PEERS = """Beside anomalib's PatchCore and PaDiM with the same network and their own settings otherwise
(`python -m benchmarks peer`), one fit each. They see 256 pixels, the bank what it works at; maps are compared at its
size. Seconds are those of all cores together. EfficientAD is missing: its weights must be downloaded. On KolektorSDD
PatchCore was stopped after 12 minutes of computing, with a tenth of its coreset; a set without a row was not tried. On
hazelnut toy it was killed at 20 GB with the usual memory allocator of Linux; with `MALLOC_MMAP_THRESHOLD_=4000000`, as
here, the same fit takes 1.2 GB."""

ANOMALIB = "README of PatchCore in anomalib 1, WideResNet-50"
PATCHCORE = (  # beside the memory bank; whole categories, the official split
    PublishedAuroc("hazelnut", "PatchCore", "pixel", 0.987, None, ANOMALIB),
    PublishedAuroc("hazelnut", "PatchCore", "image", 1.000, None, ANOMALIB),
    PublishedAuroc("transistor", "PatchCore", "pixel", 0.981, None, ANOMALIB),
    PublishedAuroc("transistor", "PatchCore", "image", 1.000, None, ANOMALIB),
    PublishedAuroc("bottle", "PatchCore", "pixel", 0.984, None, ANOMALIB),
    PublishedAuroc("bottle", "PatchCore", "image", 1.000, None, ANOMALIB),
)


def every_rung(folder):
    """The table of all rungs on all sets, the differences between neighbours, and published numbers."""
    found = results_of(folder, "ladder")
    if not found:
        return ""
    rows = [row_of(one, result) for one, results in found for result in results]
    head = ["data", "rung", "pixel AUROC", "PRO", "mean F1 max", "mean F1 label-free", "image AUROC", "TNR", "TPR"]
    table = markdown([*head, "fit", "an image", "peak GB"], rows)
    return paragraphs("## The ladder", ABOUT, table, steps(found), elsewhere(), unseen(folder))


def costs(folder):
    """Two tables: what a memory bank takes with more images, and beside another implementation."""
    parts = []
    if (table := study(folder, "growth")) is not None:
        rows = [[f"{row['images']:,.0f}", *seconds(row), f"{row['memory_gb']:.2f}"] for row in table.to_dict("records")]
        note = "The bank with more good images (`python -m benchmarks growth`), of which it uses 400 at most:"
        parts += [note, markdown(["good images", "fit", "an image", "peak GB"], rows)]
    if (table := study(folder, "peer")) is not None:
        numbers = ("pixel_auroc", "pro", "f1_max", "image_auroc")
        rows = [
            [
                row["data"],
                row["system"],
                *(f"{row[key]:.3f}" for key in numbers),
                *seconds(row),
                f"{row['peak_gb']:.1f}",
            ]
            for row in table.to_dict("records")
        ]
        parts += [PEERS]
        head = ["data", "system", "pixel AUROC", "PRO", "mean F1 max", "image AUROC", "fit", "an image", "peak GB"]
        parts += [markdown(head, rows), ahead(table, dict(zip(numbers, head[2:6], strict=True)))]
    return paragraphs(*parts)


def ahead(table, names):
    """Says where another system than the memory bank has the higher number."""
    said = []
    for data, of_data in table.groupby("data", sort=False):
        of_bank = of_data["system"].str.startswith("memory bank")
        (bank,), others = of_data[of_bank].to_dict("records"), of_data[~of_bank].to_dict("records")
        said += [
            f"{names[key]} on {data} ({other['system'].split()[2]} {other[key]:.3f}, the bank {bank[key]:.3f})"
            for other in others
            for key in names
            if other[key] > bank[key]
        ]
    return f"A peer has the higher number in: {'; '.join(said)}. One fit each, no intervals."


def seconds(row):
    return [f"{row['fit_s']:.0f} s", f"{row['image_s']:.2f} s"]


def row_of(one, result):
    pixels, images = result["pixels"], result["images"]
    middle = map(two_digits, [pixels["pro"], *means_of_defects(result)])
    numbers = [f"{pixels['auroc']:.3f}", *middle, f"{images['auroc']:.3f}"]
    numbers += [two_digits(images["tnr"]), two_digits(images["tpr"])]
    image_ms = None if result["image_s"] is None else 1000 * result["image_s"]
    costs = [amount(result["fit_s"], 1, " s"), amount(image_ms, 0, " ms"), f"{result['peak_gb']:.1f}"]
    return [one.label, result["system"], *numbers, *costs]


def steps(found):
    """A table: where a rung differs from the one before, with 95 % of paired draws of the images on one side of 0."""
    rows = []
    for result in found[0][1][1:]:
        row = [result["system"]]
        for _, results in found:
            rung = next(other for other in results if other["system"] == result["system"])
            signs = []
            for number in NUMBERS:
                low, high = (rung["against_the_rung_before"][f"{number} {end}"] for end in ("low", "high"))
                signs.append("·" if low is None or low <= 0 <= high else "↑" if low > 0 else "↓")
            row.append(" ".join(signs))
        rows.append(row)
    note = f"Each rung against the one before it, paired over the images (95 %): three signs for {listed(NUMBERS)};\n"
    note += "↑ surely better, ↓ surely worse, · not sure."
    return f"{note}\n\n{markdown(['rung', *(f'({one.letter})' for one, _ in found)], rows)}"


def elsewhere():
    """PatchCore with a larger network, on whole categories, as others measured it."""
    pairs = {}
    for one in PATCHCORE:
        pairs.setdefault(one.category, []).append(f"{one.auroc:.3f} ({one.counts})")
    numbers = "; ".join(f"{category} {', '.join(found)}" for category, found in pairs.items())
    return f"PatchCore as others measured it, AUROC on the official split: {numbers} ({ANOMALIB})."


def unseen(folder):
    """A table: what the U-Net finds of a kind of defect with and without having seen it painted."""
    rows = []
    for one, found in results_of(folder, "left_out"):
        for row in (row for row in found if row["seen"]):
            other = next(r for r in found if r["defect"] == row["defect"] and not r["seen"])
            numbers = [two_digits(r[key]) for key in ("f1_max", "pixel_auroc") for r in (row, other)]
            rows.append([one.label, row["defect"], *numbers])
    if not rows:
        return ""
    head = [f"{number}, {seen}" for number in ("F1 max", "pixel AUROC") for seen in ("seen painted", "never seen")]
    note = "What the U-Net finds of a kind of defect that was left out of its training"
    table = markdown(["data", "defect", *head], rows)
    return f"{note} (`python -m benchmarks ladder --left-out`):\n\n{table}"
