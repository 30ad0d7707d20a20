"""The questions fit their notebooks: one right choice, three levels, and a cell that holds the answer's numbers."""

import re
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from saying import said

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "book"))

import questions

FILES = sorted(questions.TEXTS.glob("[0-9][0-9].md"))
NUMBER = r"(?<!F)\d+(?:[.,]\d+)*"  # the 1 of F1 is none


def by_stem(path):
    return path.stem


@pytest.fixture
def asked(path):
    """[(question, its cell, the heading above it)] of a file."""
    (notebook,) = questions.NOTEBOOKS.glob(f"{path.stem}_*.ipynb")
    cells = nbformat.read(notebook, as_version=4).cells
    return [(question, *questions.find_cell(cells, question)) for question in questions.read_questions(path)]


def test_each_notebook_has_questions():
    names = sorted(path.name[:2] for path in questions.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    assert [path.stem for path in FILES] == names


@pytest.mark.parametrize("path", FILES, ids=by_stem)
def test_eight_to_twelve_questions_of_three_levels(path, asked):
    assert 8 <= len(asked) <= 12
    levels = Counter(question.level for question, *_ in asked)
    assert set(levels) == set(questions.LEVELS)
    assert min(levels.values()) >= 2
    assert len({question.ask for question, *_ in asked}) == len(asked)


@pytest.mark.parametrize("path", FILES, ids=by_stem)
def test_choices_differ_and_the_right_one_stands_anywhere(path, asked):
    for question, *_ in asked:
        assert 3 <= len({text for text, _ in question.choices}) == len(question.choices) <= 4, question.ask
    places = Counter(question.right for question, *_ in asked)
    assert max(places.values()) <= 2 * len(asked) / 3, "the right choice stands too often in one place; turn some"
    longest = sum(max(question.choices, key=lambda one: len(one[0]))[1] for question, *_ in asked)
    assert longest <= 2 * len(asked) / 3, "the right choice is too often the longest"


@pytest.mark.parametrize("path", FILES, ids=by_stem)
def test_numbers_of_answers_stand_in_their_cell(path, asked):
    """Those of a task's own case stand in the question and its choices."""
    for question, cell, heading in asked:
        assert heading not in ("Exercises", "In practice"), question.ask
        right, _ = question.choices[question.right]
        there, needed = said([cell]), f"{question.because} {right}"
        if question.level == "apply":
            there += " ".join([question.ask, *(text for text, _ in question.choices)])
        assert not set(re.findall(NUMBER, needed)) - set(re.findall(NUMBER, there)), question.ask


@pytest.mark.parametrize(
    "broken",
    [
        "## recall\n\nWhat?\n\n- [ ] a\n- [ ] b\n\nBecause: so.\nCell: here\n",
        "## recall\n\nWhat?\n\n- [x] a\n- [x] b\n\nBecause: so.\nCell: here\n",
        "## guess\n\nWhat?\n\n- [x] a\n- [ ] b\n\nBecause: so.\nCell: here\n",
        "## recall\n\nWhat?\n\n- [x] a\n- [ ] b\n\nCell: here\n",
    ],
    ids=["none right", "two right", "no such level", "no reason"],
)
def test_a_question_that_lacks_something_is_refused(broken, tmp_path):
    path = tmp_path / "06.md"
    path.write_text(broken)
    with pytest.raises(SystemExit, match=r"06\.md"):
        questions.read_questions(path)


def test_an_answer_that_has_left_its_notebook_is_told(asked_of_six):
    cells, question = asked_of_six
    with pytest.raises(SystemExit, match="0 cells of the notebook hold 'no such sentence'"):
        questions.find_cell(cells, question._replace(cell="no such sentence"))


@pytest.fixture
def asked_of_six():
    path = questions.TEXTS / "06.md"
    (notebook,) = questions.NOTEBOOKS.glob("06_*.ipynb")
    return nbformat.read(notebook, as_version=4).cells, questions.read_questions(path)[0]
