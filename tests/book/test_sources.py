"""What the book is made of, without building it: its sources exist, and docstrings become reStructuredText."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book"))

import docstrings  # noqa: E402

import pages  # noqa: E402


def test_every_page_has_its_source():
    for name in pages.MODULES:
        path = ROOT / "hazelnut_ae" / name.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), name
    for source, _ in pages.FROM_README.values():
        assert (ROOT / source).is_file(), source
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for _, _, sections in pages.FRONT:
        for title in sections:
            assert pages.section(readme, title).strip(), title


def test_links_of_a_notebook_lead_to_pages_of_the_book():
    text = "`hazelnut_ae/detection.py`, [numbers](../hazelnut_ae/shipped/README.md), [own](../README.md)"
    assert pages._notebook_links(text) == (
        "[`hazelnut_ae/detection.py`](../api/detection.rst), [numbers](../numbers.md), [own](../run.md)"
    )


def test_docstrings_keep_their_sections_and_escape_marks():
    lines = [
        *("The residual |x - y| of `a*b`, f1_<defect>.", "", "Args:", "    image_size: *pixels* of a side."),
        *("", "    python -m hazelnut_ae", ""),
    ]
    docstrings.as_rest(None, "function", "f", None, None, lines)
    assert lines == [
        *(r"The residual \|x - y\| of `a*b`, f1\_<defect>.", "", "Args:", r"    image_size: \*pixels\* of a side."),
        *("", "::", "", "        python -m hazelnut_ae", ""),
    ]
