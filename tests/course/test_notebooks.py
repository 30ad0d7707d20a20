"""The notebooks as they are committed: built from their sources, executed, and still running."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import hazelnut_ae
from hazelnut_ae.course import build

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
SOURCES = sorted((FOLDER / "source").glob("[0-9][0-9]_*.py"))
NOTEBOOKS = sorted([*FOLDER.glob("[0-9][0-9]_*.ipynb"), *(FOLDER / "solutions").glob("[0-9][0-9]_*.ipynb")])


def by_name(path):
    return str(path.relative_to(FOLDER))


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("source", SOURCES, ids=by_name)
def test_notebook_and_solutions_are_built_from_their_source(source):
    for built, path in zip(build.notebooks_from(source), (FOLDER, FOLDER / "solutions"), strict=True):
        path = path / f"{source.stem}.ipynb"
        remedy = f"{path.name} is not what its source says; run python -m hazelnut_ae.course.build"
        assert build.same_text(read(path), built), remedy


WORDS, CODE_CELLS = 1500, 25  # of a notebook's main text, at most


def main_text(book):
    """(words of prose, code cells) without exercises, detours and what is folded away in <details>."""
    words, cells, detour = 0, 0, False
    for cell in book.cells:
        begins = cell.cell_type == "markdown" and cell.source.startswith("## ")
        detour = "detour" in build.tags(cell) or (detour and not begins)
        if begins and cell.source.startswith("## Exercises"):
            break
        if not detour and cell.cell_type == "markdown":
            prose = re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL)
            words += sum(any(letter.isalnum() for letter in word) for word in prose.split())
        cells += not detour and cell.cell_type == "code"
    return words, cells


@pytest.mark.parametrize("source", SOURCES, ids=by_name)
def test_the_main_text_is_short(source):
    words, cells = main_text(build.notebooks_from(source)[0])
    assert words <= WORDS
    assert cells <= CODE_CELLS


@pytest.mark.parametrize("source", SOURCES, ids=by_name)
def test_detours_are_folded_and_left_out_of_the_solutions(source):
    book, solutions = build.notebooks_from(source)
    for cell in book.cells:
        is_detour = cell.cell_type == "markdown" and cell.source.startswith("## A detour")
        assert is_detour == ("detour" in build.tags(cell)) == cell.metadata.get(build.FOLDED, False)
    assert not any("detour" in build.tags(cell) for cell in solutions.cells)


def test_every_notebook_has_a_source():
    assert {path.stem for path in NOTEBOOKS} == {path.stem for path in SOURCES}


@pytest.mark.parametrize("source", SOURCES, ids=by_name)
def test_three_to_five_exercises_each_with_its_solution(source):
    _, solutions = build.notebooks_from(source)
    kinds = [(build.tags(cell) & {"exercise", "solution"}, cell) for cell in solutions.cells]
    kinds = [next(iter(kind)) for kind, _ in kinds if kind]
    assert 3 <= kinds.count("exercise") <= 5
    for kind, following in zip(kinds, [*kinds[1:], "end"], strict=True):
        if kind == "exercise":
            assert following == "solution"


@pytest.mark.parametrize("source", SOURCES, ids=by_name)
def test_a_lesson_says_what_it_is_and_where_to_go(source):
    book, _ = build.notebooks_from(source)
    first, last = book.cells[0].source, book.cells[-1].source
    assert all(words in first for words in ("What you'll do", "What you'll learn", "What you'll need"))
    assert all(words in last for words in ("In short", "In practice", "Further reading", "Next", "Solutions"))
    assert any("NBVAL_CHECK_OUTPUT" in cell.source for cell in book.cells)


@pytest.mark.parametrize("source", SOURCES, ids=by_name)
def test_a_lesson_names_the_file_of_its_code(source):
    """And that is the file that the package's map names."""
    opening = build.notebooks_from(source)[0].cells[0].source
    named = re.findall(r"`hazelnut_ae/([a-z_]+)(?:\.py|/)`", opening)
    (row,) = re.findall(rf"^    {source.stem[:2]} [a-z ]+?  +(.+)$", hazelnut_ae.__doc__, re.MULTILINE)
    assert named == [name.strip() for name in re.sub(r"\([^)]*\)", "", row).split(",")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_links_lead_somewhere(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)]+)\)", cell.source):
                if not target.startswith("http"):
                    assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_committed_outputs_are_fit_to_publish(path):
    assert path.stat().st_size < 2_000_000
    home = str(Path.home())
    for cell in read(path).cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error", cell.source
            data = output.get("data", {})
            text = output.get("text", "") + "".join(data.get("text/plain", "")) + "".join(data.get("text/html", ""))
            for place in (home + "/", str(FOLDER.parent), "/home/", "/Users/", "/tmp/"):
                assert place not in text, cell.source


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_notebook_runs(path, tmp_path_factory, tmp_path):
    """Under nbval: every cell of the tiny preset runs, and cells with fixed results have them."""
    shared = tmp_path_factory.getbasetemp() / "notebook_cache"  # painted and trained once for all notebooks
    environment = {**os.environ, "HAZELNUT_PRESET": "tiny", "HAZELNUT_CACHE": str(shared)}
    environment |= {"HAZELNUT_FIGURES": str(tmp_path / "figures"), "OMP_NUM_THREADS": "1"}
    environment.pop("HAZELNUT_RUN", None)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        str(path),
    ]
    done = subprocess.run(command, env=environment, cwd=FOLDER.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_outputs_of_unchanged_cells_survive_a_rebuild(tmp_path):
    (tmp_path / "source").mkdir()
    source = tmp_path / "source" / "01_one.py"
    source.write_text('# %% [markdown]\n# # One\n\n# %%\n1 + 1\n\n# %%\n2 + 2\n\n# %% tags=["solution"]\n3 + 3\n')
    assert len(build.write_notebooks(tmp_path)) == 2
    path = tmp_path / "01_one.ipynb"
    book = read(path)
    assert [cell.source for cell in book.cells] == ["# One", "1 + 1", "2 + 2"]
    for cell in book.cells[1:]:
        cell.outputs = [nbformat.v4.new_output("stream", text=cell.source)]
    nbformat.write(book, path)
    assert build.write_notebooks(tmp_path) == []
    source.write_text(source.read_text().replace("2 + 2", "2 * 2"))
    assert build.write_notebooks(tmp_path) == [path]
    assert [len(cell.outputs) for cell in read(path).cells[1:]] == [1, 0]
    assert [cell.source for cell in read(tmp_path / "solutions" / "01_one.ipynb").cells[1:]] == ["3 + 3"]
