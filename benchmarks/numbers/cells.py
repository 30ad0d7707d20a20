"""Numbers as text, tables in Markdown, and files that may be missing."""

import pandas as pd


def study(folder, name):
    """Returns measured/NAME.csv as a DataFrame, or None where there is no such file."""
    path = folder / "measured" / f"{name}.csv"
    return pd.read_csv(path) if path.is_file() else None


def paragraphs(*parts):
    """Joins the parts that are not empty by empty lines."""
    return "\n\n".join(filter(None, parts))


def markdown(head, rows):
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def pixel_cells(block):
    """F1 at τ, label-free and max, pixel AUROC and PRO of a defect or of all pixels."""
    auroc = "pixel_auroc" if "pixel_auroc" in block else "auroc"
    return [cell(block, key) for key in ("f1", "f1_label_free", "f1_max", auroc, "pro")]


def cell(block, key):
    """A number with its interval, "0.42 [0.27, 0.51]", or "" where there is none."""
    if block[key] is None:
        return ""
    low_high = block["intervals"].get(key)
    return two_digits(block[key]) + (f" [{low_high[0]:.2f}, {low_high[1]:.2f}]" if low_high else "")


def means_of_defects(result):
    """F1-max and label-free F1, each the mean over the kinds of defects."""
    blocks = result["defects"].values()
    return [sum(block[key] for block in blocks) / len(blocks) for key in ("f1_max", "f1_label_free")]


def amount(value, digits, unit):
    """ "1.5 s", or "" for None."""
    return "" if value is None else f"{value:.{digits}f}{unit}"


def two_digits(number):
    return "" if number is None or number != number else f"{number:.2f}"


def share(pixels):
    """The label-free F1 as a part of the F1 at the best τ."""
    return pixels["f1_label_free"] / pixels["f1_max"]


def percent(number):
    return f"{100 * number:.0f} %"


def signed(number):
    return f"{number:+.2f}".replace("-", "−").replace("+0.00", "0.00").replace("−0.00", "0.00")


def f1_heads(names):
    first, *rest = names
    return [f"F1 {first}", *rest]


def listed(words):
    """ "a, b and c"."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def short(system):
    return system.replace("CNN feature ", "")
