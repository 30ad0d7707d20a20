"""The package's docstrings are plain text; Sphinx wants reStructuredText."""

import re

CODE = re.compile(r"(`[^`]+`)")


def as_rest(app, what, name, obj, options, lines):
    """Sphinx's hook: changes the lines of a docstring in place. Tables and code become literal blocks."""
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines).strip())
    lines[:] = "\n\n".join(map(_paragraph, paragraphs)).split("\n")
    lines.append("")


def _paragraph(text):
    rows = text.split("\n")
    if any(row.startswith((" ", "rng =", "image, mask", "python ", ">>>")) for row in rows):
        return "::\n\n" + "\n".join("    " + row for row in rows)
    return "".join(part if part.startswith("`") else re.sub(r"([\\*|_])", r"\\\1", part) for part in CODE.split(text))
