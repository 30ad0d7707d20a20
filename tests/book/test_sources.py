"""What the book is made of, without building it: sources, links, alternative texts, tables, docstrings."""

import re
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book"))

import docstrings  # noqa: E402

import figure_texts  # noqa: E402
import notebook_files  # noqa: E402
import numbers_page  # noqa: E402
import pages  # noqa: E402
import slides  # noqa: E402

PICTURE = {"output_type": "display_data", "metadata": {}, "data": {"image/png": ""}}


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


def test_links_of_a_notebook_and_of_the_readme_lead_to_pages_of_the_book():
    text = "`hazelnut_ae/detection.py`, [numbers](../hazelnut_ae/shipped/README.md), [own](../README.md)"
    assert pages._notebook_links(text) == (
        "[`hazelnut_ae/detection.py`](../api/detection.rst), [numbers](../numbers.md), [own](../run.md)"
    )
    text = "[plans](book/teach/plans.md), [questions](book/teach/questions), [all](LICENSE)"
    assert pages._readme_links(text, Path()) == "[plans](../teach/plans.md), [questions](questions/index.md), all"


def test_the_address_comes_from_the_workflow_s_repository(monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "Some-One/nuts")
    assert pages.address() == "https://some-one.github.io/nuts/"
    assert "https://mybinder.org/v2/gh/Some-One/nuts/HEAD" in pages.ways_out("06_residual_thresholding")


def test_every_figure_has_an_alternative_text():
    for source in sorted((ROOT / "notebooks" / "source").glob("[0-9]*.py")):
        pages.notebook_page(source)  # which stops at a figure without one
    cell = nbformat.v4.new_code_cell("nobody_drew_this()", outputs=[nbformat.from_dict(PICTURE)])
    with pytest.raises(SystemExit, match=r"notebook 06 has no alternative text.*nobody_drew_this"):
        figure_texts.texts_of("06", cell)


def test_prints_keep_their_order_and_name_the_table_below_them():
    stream = {"output_type": "stream", "name": "stdout"}
    table = {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<table><tr><td>1</td></tr></table>"}}
    parts = [stream | {"text": "first\n"}, stream | {"text": "second\n"}, PICTURE, stream | {"text": "a < b\n"}, table]
    outputs = pages._captions(pages._streams([nbformat.from_dict(part) for part in parts]))
    assert outputs[0].text == "first\nsecond\n"
    assert len(outputs) == 3
    assert outputs[2].data["text/html"].startswith("<table><caption>a &lt; b</caption>")


def test_pages_hold_the_numbers_of_the_run_and_no_claims(tmp_path):
    text = '# %% [markdown]\n# # 01 · Title\n# F1 is {{ f1:.2f }}.\n\n# %% tags=["claim"]\n# claim\nassert f1 > 0.5\n'
    (tmp_path / "source").mkdir()
    source = tmp_path / "source" / "01_title.py"
    source.write_text(text, encoding="utf-8")
    assert [cell.source.splitlines()[-1] for cell in pages.notebook_page(source).cells] == ["F1 is …."]
    executed, _ = notebook_files.notebooks_from(source)
    executed.cells[0].metadata["values"] = {"f1:.2f": "0.71"}
    nbformat.write(executed, tmp_path / "01_title.ipynb")
    assert [cell.source.splitlines()[-1] for cell in pages.notebook_page(source).cells] == ["F1 is 0.71."]


def test_a_long_table_is_folded_by_data_set():
    kinds = [f"| {kind} | 0.1 |  |\n" for kind in "abcdefg"] + ["| **all** | 0.5 |  |\n"]
    rows = "".join(f"| {data} {row}" for data in ("(a)", "(b)") for row in kinds)
    text = numbers_page.folded(f"| data | defect | F1 | none |\n|---|---|---|---|\n{rows}")
    assert text.startswith("| data | F1 |\n| --- | --- |\n| (a) | 0.5 |\n| (b) | 0.5 |\n")
    assert text.count("{dropdown}") == 2


def test_words_to_the_left_numbers_to_the_right_and_no_empty_head():
    finish = pytest.importorskip("finish", reason='the book\'s packages are missing: pip install -e ".[book]"')
    table = "<table><thead><tr><th></th><th>F1</th></tr></thead><tr><th>cut</th><td>0.3 [0.2, 0.4]</td></tr></table>"
    assert finish.tables(table) == (
        '<table><thead><tr><td></td><th class="number">F1</th></tr></thead>'
        '<tr><th>cut</th><td class="number">0.3 [0.2,\N{NO-BREAK SPACE}0.4]</td></tr></table>'
    )


def test_lines_that_say_the_same_are_a_table_on_a_slide():
    row = "<tr><td>{}</td><td>{}</td><td>{}</td></tr>".format
    table = f"<table><thead>{row('', 'loss', 'F1')}</thead>{row('a', '0.1', '2 %')}{row('b c', '3 of 4', '1')}</table>"
    assert slides._as_table(["a  loss 0.1, F1 2 %", "b c loss 3 of 4: F1 1"]) == table
    assert slides._as_table(["a  loss 0.1", "b  error 0.2"]) is None
    assert slides._as_table(["loss 0.1  error 0.2  F1 0.3"]) is None


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


def test_the_page_on_production_has_its_numbers():
    text = (ROOT / "book" / "production.md").read_text(encoding="utf-8")
    used = set(re.findall(r"{{ (\w+) }}", text))
    assert used
    assert used <= set(pages.drift_shares())
    assert len(text.split()) < 750
