"""Grading, with notebooks as hostile as a class may hand them in. The lesson is a small one: each takes a moment."""

import csv
import os
import re
import socket
import sys

import nbformat
import pytest

import hazelnut_ae
from hazelnut_ae.cli import main
from hazelnut_ae.course import grade, sandbox
from hazelnut_ae.errors import DataError

import notebook_files

SOURCE = """
# %% [markdown]
# # 1 · A small lesson

# %% tags=["setup"]
from hazelnut_ae.course.checks import check

numbers = list(range(10))

# %%
helper = 7
def from_lesson(x):
    return x + helper

# %% [markdown] tags=["exercise"]
# **1 (easy).** The sum of `numbers`.

# %% tags=["try"]
total = 0

# %% tags=["solution"]
total = sum(numbers)

# %% tags=["check"]
with check(1):
    assert total == 45, f"not {total}"

# %% [markdown] tags=["exercise"]
# **2 (medium).** Double a list.

# %% tags=["try"]
def doubled(some):
    return some

# %% tags=["solution"]
def doubled(some):
    return [2 * x for x in some]

# %% tags=["check"]
with check(2):
    before = [1, 2]
    assert doubled(before) == [2, 4], "twice as much"
    assert before == [1, 2], "and the list itself stays"

# %% [markdown] tags=["exercise"]
# **3 (no check).** Say why.

# %% [markdown] tags=["exercise"]
# **4 (hard).** Apply a function twice.

# %% tags=["try"]
def twice(function, x):
    return x

# %% tags=["solution"]
def twice(function, x):
    return function(function(x))

# %% tags=["check"]
with check(4):
    assert twice(lambda x: 3 * x, 2) == 18, "two times"
"""
SOLVED = {1: "total = 45", 2: "doubled = lambda some: [2 * x for x in some]", 4: "twice = lambda f, x: f(f(x))"}
ODD = "=odd\x1b[31m; `name`.ipynb"
NO_NOTEBOOKS = {"empty": b"", "list": b"[1]", "deep": b"[" * 100_000, "binary": b"\xff\xfe", "other": b'{"cells": []}'}


def why_no_bubblewrap():
    try:
        sandbox.choose()
    except DataError as problem:
        return str(problem)
    return ""


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """A folder with the small lesson, built as the course's are."""
    folder = tmp_path_factory.mktemp("ours")
    (folder / "source").mkdir()
    (folder / "source" / "01_small.py").write_text(SOURCE, encoding="utf-8")
    notebook_files.write_notebooks(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def no_images(tmp_path_factory):
    """The small lesson needs no images: none are painted, nothing is trained."""
    cache = tmp_path_factory.mktemp("grading_cache")
    (cache / "kept.txt").write_text("as it was")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grade, "prepared_environment", lambda preset: {"HAZELNUT_CACHE": str(cache)})
        yield cache


def hand_in(ours, path, answers, above=None, keep=lambda cell: True, in_check=""):
    """Writes a submission: the lesson with other answers, with cells above all, without the cells that are not kept.

    in_check: code that the student wrote into the cell of check 1, above it.
    """
    book = nbformat.read(ours / "01_small.ipynb", as_version=4)
    number = 0
    for cell in book.cells:
        cell.metadata.pop("tags", None)  # whatever a student's editor does to them
        if start := grade.EXERCISE.match(cell.source):
            number = int(start[1])
        elif cell.cell_type == "code" and number in answers and "with check" not in cell.source:
            cell.source = answers[number]
        if cell.source.startswith("with check(1)"):
            cell.source = in_check + cell.source
    book.cells = [nbformat.v4.new_code_cell(code) for code in above or ()] + [c for c in book.cells if keep(c)]
    path.parent.mkdir(exist_ok=True)
    nbformat.write(book, path)


def verdicts(rows, file):
    return [(row.result, row.message) for row in rows if row.file == file]


NOSY = """
import os, pathlib, resource, socket, subprocess, sys
open_to = []
def attempt(name, work):
    try:
        work()
        open_to.append(name)
    except Exception:
        pass
attempt("network", lambda: socket.create_connection(("{host}", {port}), timeout=1))
attempt("secret", lambda: open("{secret}"))
attempt("other", lambda: open("{other}", "a"))
for path in ("{package}", sys.prefix, os.path.expanduser("~root"), os.environ["REAL_CACHE"], "/usr"):
    attempt("write " + path, lambda: open(os.path.join(path, "x-of-a-student"), "w"))
attempt("change cache", lambda: (pathlib.Path(os.environ["HAZELNUT_CACHE"]) / "kept.txt").write_text("changed"))
attempt("see the parent", lambda: open("/proc/{parent}/cmdline").read().index("pytest"))
attempt("mount", lambda: subprocess.run(["mount", "-o", "remount,rw,bind", "/usr"], check=True, capture_output=True))
attempt("more memory", lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)))
attempt("new in cache", lambda: (pathlib.Path(os.environ["HAZELNUT_CACHE"]) / "new.txt").write_text("new"))
attempt("fill", lambda: pathlib.Path("big").write_bytes(bytes(600 << 20)))
attempt("scratch", lambda: open("mine.txt", "w"))
total = ", ".join(open_to)
"""


@pytest.fixture(scope="module")
def graded(ours, tmp_path_factory):
    """The rows of one class: those who are right, wrong, hostile, and what is no notebook; graded in one go."""
    place = tmp_path_factory.mktemp("class") / "handed in"
    hand_in(ours, place / "stub.ipynb", {})
    hang = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    hand_in(ours, place / "hang.ipynb", {1: hang, 2: "total = = 1", 4: "import os\nos._exit(0)"})
    loud = {1: "total = bytes(10**10)", 2: "print('x' * 10**7)\ndef doubled(s):\n    raise AssertionError('=1+1')"}
    noise = "for _ in range(10**4): print('Exercise 4: not yet.')"
    hand_in(ours, place / "loud.ipynb", loud | {4: f"def twice(f, x):\n    {noise}\n    return f(f(x))"})
    jupyter = {
        1: "%time 1 + 1\n!echo hello\ntotal = from_lesson(int(math.sqrt(38**2)))",
        2: "from helpers import times\ndef doubled(some):\n    return times(some, 2)",
        4: "def twice(f, x):\n    return f(once(f, x))",
    }
    above = ["import math", "def once(f, x):\n    return f(x)"]
    hand_in(ours, place / "ida" / "jupyter.ipynb", jupyter, above)
    (place / "ida" / "helpers.py").write_text("def times(some, n):\n    return [n * x for x in some]\n")
    above = ["import maths", SOLVED[2]]  # the first fails; the second is the whole answer
    unnamed = {4: "def twice(f, x):\n    return f(f(math.floor(x)))"}
    gone = ("**2", "def doubled")
    place_of = {"above": above, "in_check": "total = 45\n", "keep": lambda cell: not cell.source.startswith(gone)}
    hand_in(ours, place / "ida" / "elsewhere.ipynb", unnamed, **place_of)
    wrong = SOLVED | {2: "def doubled(some):\n    some[:] = [2 * x for x in some]\n    return some"}
    for name, gone in ((ODD, "with check"), ("deleted.ipynb", "**2")):
        lost = (gone, "total = 45", "from hazelnut_ae")
        hand_in(ours, place / name, wrong, keep=lambda cell, lost=lost: not cell.source.startswith(lost))
    for name, data in NO_NOTEBOOKS.items():
        (place / f"{name}.ipynb").write_bytes(data)
    if hasattr(os, "mkfifo"):
        os.mkfifo(place / "pipe.ipynb")
    return grade.grade([place], lessons=ours, seconds=3, memory=0.5, trust=bool(why_no_bubblewrap()))


@pytest.mark.slow
def test_answers_pass_fail_or_are_missing_with_a_reason(graded):
    gone, wrong, right = ("missing", "its cells are not there"), ("failed", "and the list itself stays"), ("passed", "")
    assert verdicts(graded, "stub.ipynb") == [("missing", "it is as it was handed out")] * 3
    assert verdicts(graded, "deleted.ipynb") == verdicts(graded, ODD) == [gone, wrong, right]
    assert verdicts(graded, "ida/jupyter.ipynb") == [right] * 3

    # an answer counts wherever it stands, and a helper that failed is named
    one, two, four = verdicts(graded, "ida/elsewhere.ipynb")
    assert one == two == ("passed", "")
    because = "the cell 'import maths' failed: ModuleNotFoundError: No module named 'maths'"
    assert four == ("error", f"NameError: name 'math' is not defined; {because}")
    assert [row.result for row in grade.totals(graded) if row.file == "ida"] == ["5 of 6 passed"]


@pytest.mark.slow
def test_what_a_hostile_cell_does_costs_its_own_exercise_only(graded):
    hangs, syntax, ends = verdicts(graded, "hang.ipynb")
    assert hangs == ("timeout", "not done after 3 seconds")
    assert (syntax[0], syntax[1][:12]) == ("error", "SyntaxError:")
    assert ends == ("error", "it ended the kernel: out of memory, or by its own doing")
    memory = ("error", "it took more than 0.5 GB of memory")
    assert verdicts(graded, "loud.ipynb") == [memory, ("failed", "=1+1"), ("passed", "")]

    # what is no notebook gets one row with a reason
    for name in (*NO_NOTEBOOKS, *(["pipe"] if hasattr(os, "mkfifo") else [])):
        ((result, message),) = verdicts(graded, f"{name}.ipynb")
        assert result == "error"
        assert "notebook" in message


@pytest.mark.slow
@pytest.mark.skipif(bool(why_no_bubblewrap()), reason=why_no_bubblewrap())
def test_bubblewrap_keeps_out_of_files_network_and_processes(ours, tmp_path, no_images, monkeypatch):
    environment = {"HAZELNUT_CACHE": str(no_images), "REAL_CACHE": str(no_images)}
    monkeypatch.setattr(grade, "prepared_environment", lambda preset: environment)
    (tmp_path / "secret.txt").write_text("other people's")
    other, package = tmp_path / "handed in" / "other.ipynb", os.path.dirname(hazelnut_ae.__file__)
    hand_in(ours, other, {})
    before = other.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        places = {"secret": tmp_path / "secret.txt", "other": other, "package": package, "parent": os.getpid()}
        code = NOSY.format(host=host, port=port, **places)
        hand_in(ours, other.with_name("nosy.ipynb"), {1: code.strip()})
        rows = grade.grade([tmp_path / "handed in"], lessons=ours, memory=4)
    assert verdicts(rows, "nosy.ipynb")[0] == ("failed", "not new in cache, scratch")
    assert other.read_bytes() == before
    assert [path.name for path in no_images.iterdir() if path.name != "matplotlib"] == ["kept.txt"]
    assert (no_images / "kept.txt").read_text() == "as it was"


@pytest.mark.slow
def test_without_isolation_it_runs_only_when_trusted_and_says_so(ours, tmp_path, monkeypatch, capfd):
    hand_in(ours, tmp_path / "in" / "right.ipynb", SOLVED)
    command = ["grade", str(tmp_path / "in"), "--lessons", str(ours)]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(command) == 1
    words = r"is not installed; install it .*WSL.* container .*grading\.md\) or, for .*, give --trust\."
    assert re.search(words, capfd.readouterr().err)
    if sys.platform != "win32":
        (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
        (tmp_path / "bwrap").chmod(0o755)
        assert main(command) == 1
        words = "not allowed to isolate here (setting up uid map: Permission denied); use a container"
        assert words in capfd.readouterr().err
    assert main([*command, "--trust", "--csv", str(tmp_path / "t.csv")]) == 0
    out, error = capfd.readouterr()
    assert "WARNING: each notebook runs as a program of yours" in error
    assert "1 of 1: right.ipynb" in error
    assert out.endswith("right.ipynb  01      total     3 of 3 passed  3 passed\n")
    rows = csv.DictReader((tmp_path / "t.csv").open(encoding="utf-8-sig"))
    results = [("1", "passed"), ("2", "passed"), ("4", "passed"), ("total", "3 of 3 passed")]
    assert [(row["exercise"], row["result"]) for row in rows] == results


@pytest.mark.slow
def test_a_sandbox_that_says_nonsense_or_cannot_set_up_gives_errors(ours, tmp_path, monkeypatch):
    hand_in(ours, tmp_path / "in" / "right.ipynb", SOLVED)
    for words in {"verdicts": {"1": ["passed"], "2": [1, {}], "4": ["great", "\x1b"]}}, {}:
        answers = iter(({"verdicts": {}}, words))
        monkeypatch.setattr(sandbox, "run", lambda *rest, answers=answers: next(answers))
        rows = grade.grade([tmp_path / "in"], lessons=ours, trust=True)
        assert [row.result for row in rows] == ["error"] * 3
        assert "\x1b" not in grade.table(rows)
    monkeypatch.setattr(sandbox, "run", lambda *rest: {"problem": "no torch"})
    (row,) = grade.grade([tmp_path / "in"], lessons=ours, trust=True)
    assert row[2:] == (None, "error", "the set-up of this lesson does not run here: no torch")
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "none"):
        with pytest.raises(DataError, match="is no notebook and no folder"):
            grade.grade([place], lessons=ours, trust=True)


def test_a_spreadsheet_gets_no_formula_and_a_broken_notebook_is_not_called_zero(tmp_path):
    rows = [grade.Row("=HYPERLINK(1).ipynb", "01_small", 1, "failed", '=cmd|"/c calc"!A1; more\x1b[31m')]
    rows.append(grade.Row("b.ipynb", "", None, "error", "no notebook"))
    grade.write_csv(tmp_path / "t.csv", rows)
    row, *_ = csv.DictReader((tmp_path / "t.csv").open(encoding="utf-8-sig"))
    assert row["file"].startswith("'=")
    assert row["message"] == '\'=cmd|"/c calc"!A1, more\\x1b[31m'
    assert grade.table(rows).split()[-3:] == ["total", "not", "graded"]
