"""The notebooks as they are committed: built from their sources, executed, complete."""

import re
from functools import cache
from pathlib import Path

import nbformat
import pytest

import hazelnut_ae
from hazelnut_ae.course import prose

import notebook_files

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
SOURCES = sorted((FOLDER / "source").glob("[0-9][0-9]_*.py"))
NOTEBOOKS = sorted([*FOLDER.glob("[0-9][0-9]_*.ipynb"), *(FOLDER / "solutions").glob("[0-9][0-9]_*.ipynb")])
WORDS, CODE_CELLS = 1500, 25  # of a notebook's main text, at most

built = cache(notebook_files.notebooks_from)
each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(FOLDER)))


@cache
def read(path):
    return nbformat.read(path, as_version=4)


@each_source
def test_notebook_and_solutions_are_built_from_their_source(source):
    for book, folder in zip(built(source), (FOLDER, FOLDER / "solutions"), strict=True):
        remedy = f"{source.stem} is not what its source says; run python book/notebook_files.py"
        assert notebook_files.same_text(read(folder / f"{source.stem}.ipynb"), book), remedy


@each_notebook
def test_a_notebook_is_executed_from_top_to_bottom_and_every_number_in_its_text_is_filled_in(path):
    assert FOLDER / "source" / f"{path.stem}.py" in SOURCES
    counts = [cell.execution_count for cell in read(path).cells if cell.cell_type == "code" and cell.source]
    assert None not in counts
    assert counts == sorted(counts)
    for cell in read(path).cells:
        assert "{{" not in cell.source or cell.cell_type == "code"
        if template := cell.metadata.get("template"):
            values = cell.metadata["values"]
            assert set(values) == set(prose.expressions(template)), "run make notebooks"
            assert cell.source == prose.filled(template, values)


@each_source
def test_a_notebook_imports_neither_engine_nor_benchmarks(source):
    imported = re.findall(r"^\s*(?:from|import) (\S+)(?: import (.+))?", source.read_text(encoding="utf-8"), re.M)
    modules = {f"{module}.{names}" for module, names in imported}
    assert not [module for module in modules if re.match(r"benchmarks|hazelnut_ae\.(engine|cli|io|download)", module)]


@each_source
def test_the_main_text_is_short(source):
    """Without exercises, detours and what is folded away in <details>."""
    words, cells, detour = 0, 0, False
    for cell in built(source)[0].cells:
        begins = cell.cell_type == "markdown" and cell.source.startswith("## ")
        assert cell.source.startswith("## A detour") == ("detour" in notebook_files.tags(cell))
        detour = "detour" in notebook_files.tags(cell) or (detour and not begins)
        if begins and cell.source.startswith("## Exercises"):
            break
        if not detour and cell.cell_type == "markdown":
            prose = re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL)
            words += sum(any(letter.isalnum() for letter in word) for word in prose.split())
        cells += not detour and cell.cell_type == "code" and "claim" not in notebook_files.tags(cell)
    assert words <= WORDS
    assert cells <= CODE_CELLS


@each_source
def test_a_lesson_says_what_it_is_where_to_go_and_which_file_has_its_code(source):
    book, _ = built(source)
    first, last = book.cells[0].source, book.cells[-1].source
    assert all(words in first for words in ("What you'll do", "What you'll learn", "What you'll need"))
    assert all(words in last for words in ("In short", "In practice", "Further reading", "Next", "Solutions"))
    assert any("NBVAL_CHECK_OUTPUT" in cell.source for cell in book.cells)
    named = re.findall(r"`hazelnut_ae/([a-z_]+)(?:\.py|/)`", first)
    (row,) = re.findall(rf"^    {source.stem[:2]} [a-z ]+?  +(.+)$", hazelnut_ae.__doc__, re.MULTILINE)
    assert named == [name.strip() for name in re.sub(r"\([^)]*\)", "", row).split(",")]  # the package's map


@each_notebook
def test_links_lead_somewhere_and_outputs_are_fit_to_publish(path):
    assert path.stat().st_size < 2_000_000
    places = (f"{Path.home()}/", str(FOLDER.parent), "/home/", "/Users/", "/tmp/")
    for cell in read(path).cells:
        for target in re.findall(r"\]\(([^)]+)\)", cell.source) if cell.cell_type == "markdown" else ():
            assert target.startswith("http") or (path.parent / target).exists(), target
        for output in cell.get("outputs", []):
            assert output.output_type != "error", cell.source
            data = output.get("data", {})
            text = output.get("text", "") + "".join(data.get("text/plain", "")) + "".join(data.get("text/html", ""))
            assert not any(place in text for place in places), cell.source


def test_outputs_of_unchanged_cells_survive_a_rebuild(tmp_path):
    (tmp_path / "source").mkdir()
    source = tmp_path / "source" / "01_one.py"
    source.write_text('# %% [markdown]\n# # One\n\n# %%\n1 + 1\n\n# %%\n2 + 2\n\n# %% tags=["solution"]\n3 + 3\n')
    assert len(notebook_files.write_notebooks(tmp_path)) == 2
    path = tmp_path / "01_one.ipynb"
    book = nbformat.read(path, as_version=4)
    assert [cell.source for cell in book.cells] == ["# One", "1 + 1", "2 + 2"]
    for cell in book.cells[1:]:
        cell.outputs = [nbformat.v4.new_output("stream", text=cell.source)]
    nbformat.write(book, path)
    assert notebook_files.write_notebooks(tmp_path) == []
    source.write_text(source.read_text().replace("2 + 2", "2 * 2"))
    assert notebook_files.write_notebooks(tmp_path) == [path]
    assert [len(cell.outputs) for cell in nbformat.read(path, as_version=4).cells[1:]] == [1, 0]
    solutions = nbformat.read(tmp_path / "solutions" / "01_one.ipynb", as_version=4)
    assert [cell.source for cell in solutions.cells[1:]] == ["3 + 3"]
