"""Alternative texts of a notebook's figures: those of the slides that show them, else those of figure_texts.md."""

import re
from pathlib import Path

import slides

TEXTS = Path(__file__).resolve().parent / "figure_texts.md"


def is_image(output):
    return any(mime.startswith("image/") for mime in output.get("data", {}))


def texts_of(stem, cell):
    """Returns a sentence for each picture that a cell of a notebook such as "06" shows.

    Args:
        stem: The notebook's number, two digits.
        cell: A code cell with its outputs.
    Raises:
        SystemExit: The cell shows more pictures than there are texts for.
    """
    pictures = [output for output in cell.outputs if is_image(output)]
    if not pictures:
        return []
    own = [text for text, where in _own(stem) if where in cell.source]
    texts = own or [slide.alt for slide in _on_slides(stem) if slide.where in cell.source]
    if len(texts) < len(pictures):
        raise SystemExit(
            f"A figure of notebook {stem} has no alternative text: write one into {TEXTS.parent.name}/{TEXTS.name}, "
            f"for the cell that ends in {cell.source.splitlines()[-1]!r}."
        )
    return [text.rstrip(".") + "." for text in texts[: len(pictures)]]


def _own(stem):
    part = re.search(rf"^## {stem}\n(.*?)(?=^## |\Z)", TEXTS.read_text(encoding="utf-8"), re.S | re.M)
    return re.findall(r"^!\[(.+?)\]\((.+)\)$", part[1], re.M) if part else []


def _on_slides(stem):
    """Slides that show a picture, a first picture before a second one."""
    shown = [slide for slide in slides.read_slides(slides.TEXTS / f"{stem}.md")]
    shown = [slide for slide in shown if not {"text", "table", "prose"} & set(re.split(r"\W+", slide.options))]
    return sorted(shown, key=lambda slide: slide.options)
