"""Folds the long tables of the page of measured numbers: a summary in sight, each data set behind a fold."""

import re
from itertools import groupby

LONGEST = 12  # rows of a table that is shown unfolded


def folded(text):
    """Markdown whose long tables are folded: by data set where the first column names them, else as a whole."""
    return re.sub(r"(?:^\|.*\n)+", lambda table: _table(table[0]), text, flags=re.M)


def _table(text):
    head, _, *rows = ([cell.strip() for cell in line.strip("|\n").split("|")] for line in text.splitlines())
    if len(rows) <= LONGEST:
        return text
    if head[0] != "data":
        return _fold(f"The table, {len(rows)} rows", head, rows)
    parts = []
    if summary := [[row[0], *row[2:]] for row in rows if row[1] == "**all**"]:
        parts.append(_without_empty([head[0], *head[2:]], summary))
    for name, group in groupby(rows, key=lambda row: row[0]):
        parts.append(_fold(f"{name}: each {head[1]}", head[1:], [row[1:] for row in group]))
    return "\n".join(parts)


def _fold(title, head, rows):
    return f"::::{{dropdown}} {title}\n{_without_empty(head, rows)}::::\n"


def _without_empty(head, rows):
    """A table in Markdown without the columns in which no row has anything."""
    kept = [column for column in range(len(head)) if any(row[column] for row in rows)]
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line[column] for column in kept)} |\n" for line in lines)
