"""Grading, with notebooks as hostile as a class may hand them in. The lesson is a small one: each takes a moment."""

import csv
import os
import signal
import sys
import textwrap

import nbformat
import pytest

from hazelnut_ae.cli import main
from hazelnut_ae.course import build
from hazelnut_ae.course.grading import grade, lessons, submissions, walls
from hazelnut_ae.errors import DataError

pytestmark = pytest.mark.slow

SOURCE = """
# %% [markdown]
# # 1 · A small lesson

# %% tags=["setup"]
import tempfile
from pathlib import Path

import numpy as np
from hazelnut_ae.course.checks import check

numbers = np.arange(10)

# %%
helper = 7


def from_lesson(x):
    return x + helper


# %% [markdown]
# ## Exercises

# %% [markdown] tags=["exercise"]
# **1 (easy).** The sum of `numbers`.

# %% tags=["try"]
total = 0

# %% tags=["solution"]
total = numbers.sum()

# %% tags=["check"]
with check(1):
    assert total == 45, f"not {total}"

# %% [markdown] tags=["exercise"]
# **2 (medium).** Double an array.


# %% tags=["try"]
def doubled(array):
    return array


# %% tags=["solution"]
def doubled(array):
    return 2 * array


# %% tags=["check"]
with check(2):
    before = np.arange(5)
    after = doubled(before)
    assert isinstance(after, np.ndarray), "an array"
    assert (after == [0, 2, 4, 6, 8]).all(), "twice as much"
    assert (before == np.arange(5)).all(), "and the array itself stays"

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

# %% [markdown] tags=["exercise"]
# **5 (hard).** Write a number of the generator's into a file.


# %% tags=["try"]
def noted(generator, path):
    pass


# %% tags=["solution"]
def noted(generator, path):
    path.write_text(str(generator.integers(1_000_000)))


# %% tags=["check"]
with check(5), tempfile.TemporaryDirectory() as folder:
    generator = np.random.default_rng(0)
    for number in "ab":
        noted(generator, Path(folder) / number)
    same = np.random.default_rng(0).integers(1_000_000, size=2)
    assert [int((Path(folder) / number).read_text()) for number in "ab"] == list(same), "two numbers of the generator"
"""


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """A folder with the small lesson, built as the course's are."""
    folder = tmp_path_factory.mktemp("ours")
    (folder / "source").mkdir()
    (folder / "source" / "01_small.py").write_text(SOURCE, encoding="utf-8")
    build.write_notebooks(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def no_images(tmp_path_factory):
    """The small lesson needs no images: none are painted."""
    with pytest.MonkeyPatch.context() as patch:
        made = grade.prepared_environment

        def environment(preset):
            empty = tmp_path_factory.mktemp("no_images")
            patch.setattr("hazelnut_ae.course.lesson.painted", lambda preset: empty)
            patch.setattr("hazelnut_ae.course.lesson.Lesson.run", Run(empty))
            return made(preset)

        patch.setattr(grade, "prepared_environment", environment)
        yield


class Run:
    def __init__(self, folder):
        self.folder = folder


@pytest.fixture
def hand_in(ours, tmp_path):
    """Writes a submission with other answers: hand_in(name, {exercise: code})."""
    place = tmp_path / "handed in"
    place.mkdir()

    def write(name, answers, solved=True):
        book = nbformat.read((ours / "solutions" if solved else ours) / "01_small.ipynb", as_version=4)
        if solved:  # a solutions notebook has the same cells
            for cell in book.cells:
                cell.metadata.pop("tags", None)
        number = 0
        for cell in book.cells:
            if lessons.EXERCISE.match(cell.source):
                number = int(lessons.EXERCISE.match(cell.source)[1])
            elif cell.cell_type == "code" and number in answers and "with check" not in cell.source:
                cell.source = textwrap.dedent(answers[number])
        nbformat.write(book, place / name)
        return place

    return write


def graded(place, ours, **options):
    """{(file, exercise): (result, message)}"""
    rows = grade.grade([place], lessons=ours, say=lambda words: None, **options)
    return {(row.file, row.exercise): (row.result, row.message) for row in rows}


def results(found, file):
    return [result for (name, _), (result, _) in sorted(found.items(), key=lambda item: str(item)) if name == file]


def test_solutions_pass_stubs_are_missing_and_wrong_ones_fail(hand_in, ours, capsys, tmp_path):
    hand_in("right.ipynb", {})
    hand_in("stub.ipynb", {}, solved=False)
    place = hand_in("wrong.ipynb", {1: "total = 44", 2: "def doubled(array):\n    array *= 2\n    return array"})
    found = graded(place, ours)
    assert results(found, "right.ipynb") == ["passed"] * 4
    assert results(found, "stub.ipynb") == ["missing"] * 4
    assert found["wrong.ipynb", 1] == ("failed", "not 44")
    assert found["wrong.ipynb", 2] == ("failed", "and the array itself stays")
    assert main(["grade", str(place), "--lessons", str(ours), "--csv", str(tmp_path / "t.csv")]) == 0
    said = capsys.readouterr().out
    assert walls.promises() in said
    assert "3 notebooks: 6 passed, 2 failed, 4 missing." in said
    assert "right.ipynb  01  4 of 4 passed\nstub.ipynb   01  0 of 4 passed\nwrong.ipynb  01  2 of 4 passed" in said
    rows = list(csv.DictReader((tmp_path / "t.csv").open(encoding="utf-8-sig")))
    assert [row["result"] for row in rows if row["file"] == "right.ipynb"] == ["passed"] * 4
    assert rows[0]["lesson"] == "01_small"


HOSTILE = {
    "endless": ({1: "while True: pass"}, ["timeout", "passed", "passed", "passed"]),
    "endless_in_a_check": ({2: "def doubled(array):\n    while True: pass"}, ["passed", "timeout", "passed", "passed"]),
    "memory": ({1: "total = np.ones(10**10).sum()"}, ["error", "passed", "passed", "passed"]),
    "error": ({1: "total = 1 / 0"}, ["error", "passed", "passed", "passed"]),
    "no_python": ({1: "total = = 1"}, ["error", "passed", "passed", "passed"]),
    "exit": ({1: "raise SystemExit"}, ["error", "passed", "passed", "passed"]),
    "hard_exit": ({1: "import os\nos._exit(0)"}, ["error", "passed", "passed", "passed"]),
    "killed_itself": (
        {1: "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"},
        ["missing", "passed", "passed", "passed"],
    ),
    "always_equal": (
        {1: "class Yes:\n    __eq__ = __le__ = lambda *a: True\n    __hash__ = None\ntotal = Yes()"},
        ["failed", "passed", "passed", "passed"],
    ),
    "a_number_that_equals_all": (
        {1: "class Yes(int):\n    __eq__ = lambda *a: True\n    __hash__ = None\ntotal = Yes(3)"},
        ["failed", "passed", "passed", "passed"],
    ),
    "patched_checker": (
        {
            1: """
            import contextlib
            import hazelnut_ae.course.checks as checks
            @contextlib.contextmanager
            def check(number):
                print(f"Exercise {number}: right.")
                with contextlib.suppress(BaseException):
                    yield
            checks.check = check
            np.all = np.isclose = lambda *a, **k: True
            total = 1
            """,
            2: "def doubled(array):\n    return np.zeros(5)",
            4: "import builtins\nbuiltins.AssertionError = KeyError\ndef twice(function, x):\n    return 18.5",
        },
        ["failed", "failed", "failed", "passed"],
    ),
    "forged_frames": (
        {
            1: """
            import os, json, struct
            head = json.dumps({"value": 45, "done": True, "result": "passed"}).encode()
            for descriptor in range(3, 64):
                try:
                    os.write(descriptor, struct.pack("<QQ", 8 + len(head), len(head)) + head)
                except OSError:
                    pass
            total = 1
            """,
            2: "def doubled(array):\n    return array",
        },
        None,  # whatever it makes of exercise 1, the rest is asked and fails or errs
    ),
    "rubbish_frames": (
        {
            1: """
            import os
            for descriptor in range(3, 64):
                try:
                    os.write(descriptor, b"x" * 100)
                except OSError:
                    pass
            total = 45
            """
        },
        ["error", "passed", "passed", "passed"],
    ),
    "kills_others": (
        {
            1: """
            import os, signal
            for process in (os.getppid(), -1):
                try:
                    os.kill(process, signal.SIGKILL)
                except OSError:
                    pass
            total = 45
            """
        },
        None,
    ),
    "uses_the_lesson": (
        {1: "total = from_lesson(38)", 2: "def doubled(array):\n    return from_lesson(array) + array - 7"},
        ["passed"] * 4,
    ),
    "jupyter": ({1: "%matplotlib inline\n!echo hello\ntotal = numbers.sum()"}, ["passed"] * 4),
    "prints": ({1: "print('x' * 10**7)\nimport sys\nsys.stdout.write('y')\ntotal = 45"}, ["passed"] * 4),
    "asks": ({1: "total = int(input())"}, ["error", "passed", "passed", "passed"]),
    "late_error": (
        {2: "def doubled(array):\n    raise AssertionError('=1+1')"},
        ["passed", "failed", "passed", "passed"],
    ),
}


@pytest.mark.skipif(bool(walls.missing()), reason="some of these would harm a system without walls")
def test_hostile_notebooks_harm_nobody_else(hand_in, ours):
    """One after the other, each with a harmless one behind it in the same folder."""
    for name, (answers, _) in HOSTILE.items():
        place = hand_in(f"{name}.ipynb", answers)
        hand_in(f"{name}_z.ipynb", {})
    found = graded(place, ours, seconds=5, total=30, memory=0.5)
    for name, (_, wanted) in HOSTILE.items():
        assert results(found, f"{name}_z.ipynb") == ["passed"] * 4, name
        if wanted is not None:
            assert results(found, f"{name}.ipynb") == wanted, (name, [found[f"{name}.ipynb", n] for n in (1, 2, 4, 5)])
    assert found["error.ipynb", 1] == ("error", "ZeroDivisionError: division by zero (line 1 of its cell)")
    assert found["memory.ipynb", 1][1].startswith(("MemoryError", "ArrayMemoryError", "_ArrayMemoryError", "numpy"))
    assert found["forged_frames.ipynb", 2][0] != "passed"


@pytest.mark.skipif(bool(walls.missing()), reason="there are no walls here: the first line of grade says so")
def test_the_walls(hand_in, ours, tmp_path, own_cache):
    """No network, no other file, no other process; the one folder that can be written has a size and is gone after."""
    (tmp_path / "secret.txt").write_text("other people's")
    other = tmp_path / "handed in" / "other.ipynb"
    tries = f"""
        import os, socket, pathlib, subprocess, sys
        open_to = []
        def attempt(name, work):
            try:
                work()
                open_to.append(name)
            except Exception:
                pass
        attempt("network", lambda: socket.create_connection(("127.0.0.1", 1), timeout=1))
        attempt("name", lambda: socket.getaddrinfo("example.com", 80))
        attempt("secret", lambda: open({str(tmp_path / "secret.txt")!r}))
        attempt("other", lambda: open({str(other)!r}))
        attempt("write other", lambda: open({str(other)!r}, "w"))
        attempt("write package", lambda: open({walls.__file__!r}, "a"))
        attempt("write python", lambda: open(os.path.join(sys.prefix, "x"), "w"))
        attempt("write home", lambda: open({os.path.expanduser("~/x-of-a-student")!r}, "w"))
        attempt("write tmp", lambda: open("/tmp/x-of-a-student", "w"))
        attempt("disk", lambda: os.listdir("/dev/disk"))
        def other_process():
            for name in os.listdir("/proc"):
                if name.isdigit() and b"judge" in open(f"/proc/{{name}}/cmdline", "rb").read():
                    return
            raise OSError
        attempt("see judge", other_process)
        attempt("fill", lambda: pathlib.Path("big").write_bytes(bytes(600 << 20)))
        quiet = {{"check": True, "capture_output": True}}
        attempt("mount", lambda: subprocess.run(["mount", "-o", "remount,rw,bind", "/usr"], **quiet))
        import resource
        attempt("more memory", lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)))
        cache = pathlib.Path(os.environ["HAZELNUT_CACHE"])
        quiet = (cache / "kept.txt").write_text("changed") if cache.exists() else None
        attempt("scratch", lambda: open("mine.txt", "w"))
        total = " ".join(open_to)
    """
    place = hand_in("nosy.ipynb", {1: tries})
    hand_in("other.ipynb", {})
    before = other.read_bytes()
    own_cache.mkdir(exist_ok=True)
    (own_cache / "kept.txt").write_text("as it was")
    found = graded(place, ours, memory=4)
    assert found["nosy.ipynb", 1] == ("failed", "not scratch")
    assert found["other.ipynb", 1][0] == "passed"
    assert other.read_bytes() == before
    assert (own_cache / "kept.txt").read_text() == "as it was"


def test_without_walls_it_says_so_and_sees_a_changed_package(hand_in, ours, monkeypatch, tmp_path):
    monkeypatch.setattr(walls, "missing", lambda: "they are of Linux")
    assert "NOT cut off" in walls.promises()
    package = tmp_path / "package"
    package.mkdir()
    (package / "checks.py").write_text("all is well")
    guard = grade.Guard([package])
    guard.look(submissions.Submission("honest.ipynb"))
    (package / "checks.py").write_text("all is right")
    guard.look(submissions.Submission("evil.ipynb"))
    assert guard.found.startswith("not graded: evil.ipynb changed files of the project")


def test_a_room_without_walls_still_answers(hand_in, ours, monkeypatch):
    """As on macOS and Windows: the judge believes that there are none."""
    made = grade.prepared_environment
    monkeypatch.setattr(grade, "prepared_environment", lambda preset: made(preset) | {"PATH": ""})  # no unshare
    place = hand_in("right.ipynb", {1: "while True: pass"})
    assert results(graded(place, ours, seconds=2), "right.ipynb") == ["timeout", "passed", "passed", "passed"]


def test_what_is_no_notebook_gets_a_row(hand_in, ours):
    place = hand_in("a right one.ipynb", {})
    for name, data in {
        "empty": b"",
        "text": b"total = 45",
        "list": b"[1, 2]",
        "deep": b"[" * 100_000,
        "no cells": b'{"cells": []}',
        "odd cells": b'{"cells": [{"cell_type": "code", "source": 3}]}',
        "=formula": b"\xff\xfe\x00",
    }.items():
        (place / f"{name}.ipynb").write_bytes(data)
    if hasattr(os, "mkfifo"):
        os.mkfifo(place / "pipe.ipynb")
    found = graded(place, ours)
    assert results(found, "a right one.ipynb") == ["passed"] * 4
    for (file, exercise), (result, message) in found.items():
        if file != "a right one.ipynb":
            assert (exercise, result) == (None, "error")
            assert "notebook" in message


def test_deleted_and_moved_cells(ours, hand_in):
    place = hand_in("x.ipynb", {})
    book = nbformat.read(place / "x.ipynb", as_version=4)
    texts = [cell.source for cell in book.cells]

    def write(name, keep):
        copy = nbformat.from_dict(dict(book))
        copy.cells = [cell for cell in book.cells if keep(cell)]
        nbformat.write(copy, place / name)

    write("no_checks.ipynb", lambda cell: "with check" not in cell.source)
    write("no_setup.ipynb", lambda cell: "import numpy" not in cell.source)
    write("no_answer_2.ipynb", lambda cell: "def doubled" not in cell.source)
    write("no_text_2.ipynb", lambda cell: not cell.source.startswith("**2"))
    found = graded(place, ours)
    assert results(found, "no_checks.ipynb") == ["passed"] * 4
    assert results(found, "no_setup.ipynb") == ["passed"] * 4
    assert results(found, "no_answer_2.ipynb") == ["passed", "missing", "passed", "passed"]
    assert results(found, "no_text_2.ipynb")[0] == "passed"
    assert len(texts) == len(book.cells)


def test_thirty_copies(hand_in, ours):
    for number in range(30):
        place = hand_in(f"student {number:02d}.ipynb", {1: "total = 1 / 0"} if number == 7 else {})
    found = graded(place, ours)
    assert len(found) == 120
    assert [key for key, (result, _) in found.items() if result != "passed"] == [("student 07.ipynb", 1)]


def test_a_spreadsheet_gets_no_formula(tmp_path):
    rows = [grade.Row("=HYPERLINK(1).ipynb", "01_small", 1, "failed", '=cmd|"/c calc"!A1; more\x1b[31m')]
    grade.write_csv(tmp_path / "t.csv", rows)
    (row,) = csv.DictReader((tmp_path / "t.csv").open(encoding="utf-8-sig"))
    assert row["file"].startswith("'=")
    assert row["message"] == '\'=cmd|"/c calc"!A1, more\\x1b[31m'
    assert "\x1b" not in grade.table(rows)


def test_a_notebook_alone_gets_no_sum_and_a_broken_one_is_not_called_zero():
    rows = [grade.Row("ada.ipynb", "06_residual_thresholding", number, "passed", "") for number in (1, 2)]
    assert grade.tally(rows) == []
    broken = grade.Row("b.ipynb", "", None, "error", "no notebook")
    assert grade.tally([*rows, broken]) == ["", "ada.ipynb  06  2 of 2 passed", "b.ipynb    –   not graded"]


def test_the_project_s_own_notebooks_are_not_graded(ours):
    with pytest.raises(DataError, match="is the project's own"):
        grade.grade([ours], lessons=ours, say=lambda words: None)
    with pytest.raises(DataError, match="does not exist"):
        grade.grade([ours / "none"], lessons=ours, say=lambda words: None)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL") or sys.platform == "win32", reason="needs processes to kill")
def test_a_judge_that_ends_is_replaced(hand_in, ours, monkeypatch):
    place = hand_in("a.ipynb", {})
    hand_in("b.ipynb", {})
    real, calls = grade.Bench.hear, []

    def hear(self, seconds):
        calls.append(seconds)
        if len(calls) == 2:  # after it was ready
            self.process.kill()
        return real(self, seconds)

    monkeypatch.setattr(grade.Bench, "hear", hear)
    found = graded(place, ours)
    assert "error" in results(found, "a.ipynb")
    assert results(found, "b.ipynb") == ["passed"] * 4
