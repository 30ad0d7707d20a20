"""Numbers and claims in the text of a notebook."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from hazelnut_ae.course import prose
from hazelnut_ae.course.client import ProseClient
from hazelnut_ae.errors import DataError

import notebook_files

SETUP = """from hazelnut_ae.course import prose
get_ipython().input_transformers_cleanup.append(prose.soften_claims)
f1 = {"print": 0.714}"""


def executed(*cells, strict=False, monkeypatch):
    monkeypatch.setenv(prose.STRICT, "1" if strict else "")
    book = new_notebook(cells=[new_code_cell(SETUP), *cells])
    client = ProseClient(book, kernel_name="python3")
    client.strict = strict
    return client.execute()


def text_cell(template):
    return new_markdown_cell("", metadata={"template": template})


def test_numbers_are_those_of_the_run_at_that_place(monkeypatch):
    text = '{{ f1["print"]:.2f }} and {{ len(f1) }}'
    cells = text_cell(text), new_code_cell('f1["print"] = 0.2'), text_cell(text)
    book = executed(*cells, strict=True, monkeypatch=monkeypatch)
    assert [book.cells[i].source for i in (1, 3)] == ["0.71 and 1", "0.20 and 1"]


def test_an_expression_that_fails_stops_our_own_notebooks_only(monkeypatch):
    cells = (text_cell('{{ f1["scratch"]:.2f }} of all'),)
    assert executed(*cells, monkeypatch=monkeypatch).cells[1].source == "… of all"
    with pytest.raises(DataError, match=r"scratch.*KeyError"):
        executed(*cells, strict=True, monkeypatch=monkeypatch)


def test_a_claim_that_does_not_hold_is_an_error_on_our_own_data_and_a_sentence_on_others(monkeypatch):
    holds = new_code_cell('# claim\nassert f1["print"] > 0.7')
    assert not executed(holds, monkeypatch=monkeypatch).cells[1].outputs
    claim = '# claim\nassert f1["print"] > 0.9'
    (output,) = executed(new_code_cell(claim), monkeypatch=monkeypatch).cells[1].outputs
    assert "does not hold for your images" in output.text
    with pytest.raises(Exception, match="AssertionError"):
        executed(new_code_cell(claim), strict=True, monkeypatch=monkeypatch)


def test_new_prose_keeps_known_numbers_and_needs_no_run(tmp_path):
    folder, text = tmp_path, "# %% [markdown]\n# # 1 · A title\n# {} {{{{ x:.1f }}}}.\n\n# %%\nx = 1\n"
    for sub in ("source", "solutions"):
        (folder / sub).mkdir()
    source, notebook = folder / "source" / "01_a.py", folder / "01_a.ipynb"
    source.write_text(text.format("It is"), encoding="utf-8")
    notebook_files.write_notebooks(folder)
    book = nbformat.read(notebook, as_version=4)
    assert "It is …." in book.cells[0].source
    book.cells[0].metadata["values"] = {"x:.1f": "1.0"}
    nbformat.write(book, notebook)
    source.write_text(text.format("Now it is"), encoding="utf-8")
    notebook_files.write_notebooks(folder)
    assert "Now it is 1.0." in nbformat.read(notebook, as_version=4).cells[0].source
