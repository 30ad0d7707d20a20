"""The slides fit their notebooks: pictures are there, numbers stand there, every slide asks something."""

import re

import nbformat
import pytest
from saying import said

import slides

FILES = sorted(slides.TEXTS.glob("[0-9][0-9].md"))
NUMBER = r"\d+(?:[.,]\d+)*"


def test_each_notebook_has_slides():
    names = sorted(path.name[:2] for path in slides.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    assert [path.stem for path in FILES] == names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_deck_has_twelve_to_twenty_slides_each_with_its_picture_and_the_notebook_s_numbers(path):
    cells, deck = nbformat.read(slides.notebook_of(path), as_version=4).cells, slides.read_slides(path)
    there = set(re.findall(NUMBER, said(cells)))
    assert 12 <= len(deck) <= 20
    assert len({slide.title for slide in deck}) == len(deck)
    for slide in deck:
        shown, _ = slides.picture(cells, slide, path.stem)
        assert shown
        assert slide.points.count("\n- ") <= 2, slide.title
        assert len(slide.points) < 260, slide.title
        assert "?" in slide.ask, slide.title
        assert not set(re.findall(NUMBER, slide.words())) - there, slide.title
    _, page = slides.deck(path)
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):  # asks no other site
        assert address.startswith(("reveal/", "data:image/", "index.html")), address[:80]


MISSING = [("nothing()", "", "0 cells of the notebook hold 'nothing()'"), ("lesson", "", "cells of the notebook hold")]
MISSING += [("figures.panels([[image]]", "2", "the cell shows 1, not 2"), ("table[name] = {", "rows 9", "no rows")]
MISSING += [("table[name] = {", "columns 9", "the table has 6 columns")]


@pytest.mark.parametrize(("where", "options", "why"), MISSING)
def test_a_missing_picture_stops_with_a_plain_sentence(where, options, why):
    slide = slides.Slide("Title", "Text", "A nut", where, options, "What?", "That.")
    notebook = nbformat.read(slides.notebook_of(slides.TEXTS / "06.md"), as_version=4)
    with pytest.raises(SystemExit, match=re.escape(why)) as stopped:
        slides.picture(notebook.cells, slide, "06")
    assert str(stopped.value).startswith("06.md, slide 'Title': ")


def test_a_slide_that_lacks_something_is_named(tmp_path):
    (tmp_path / "06.md").write_text("## One\n\nText.\n\n> Ask: What?\n> Answer: That.\n")
    with pytest.raises(SystemExit, match=r"06\.md, 'One'"):
        slides.read_slides(tmp_path / "06.md")
