"""Prepares the docstrings, plain text with Google-style sections, for Sphinx: escapes marks, sets code apart."""

import re

CODE = re.compile(r"(`[^`]+`)")
SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):$", re.M)
INLINE = re.compile(r"^(Returns|Raises): +(?=\S)", re.M)  # a section that begins on the line of its name
EXAMPLE = re.compile(r"\s|rng =|image, mask|python |>>>")  # how a line of code or of a table starts


def as_rest(app, what, name, obj, options, lines):
    """Sphinx's hook, called before napoleon's: changes the lines in place. Tables and code become literal blocks."""
    text = INLINE.sub(r"\n\1:\n    ", "\n".join(lines).strip())
    paragraphs = re.split(r"\n\s*\n", text)
    lines[:] = "\n\n".join(map(_paragraph, paragraphs)).split("\n")
    lines.append("")


def _paragraph(text):
    rows = text.split("\n")
    if not SECTION.search(text) and any(map(EXAMPLE.match, rows)):
        return "::\n\n" + "\n".join("    " + row for row in rows)
    return "".join(part if part.startswith("`") else _escaped(part) for part in CODE.split(text))


def _escaped(text):
    """Puts a backslash before what reStructuredText would take for marks: a_ is a link, a_b is none."""
    return re.sub(r"([\\*|]|(?<=\w)_(?!\w))", r"\\\1", text)
