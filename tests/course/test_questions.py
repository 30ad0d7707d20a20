"""The questions fit their notebooks: one right choice, three levels, and a cell that holds the answer's numbers."""

import re
from collections import Counter

import nbformat
import pytest
from saying import said

import questions

FILES = sorted(questions.TEXTS.glob("[0-9][0-9].md"))
NUMBER = r"(?<!F)\d+(?:[.,]\d+)*"  # the 1 of F1 is none


def test_each_notebook_has_questions():
    names = sorted(path.name[:2] for path in questions.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    assert [path.stem for path in FILES] == names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_eight_to_twelve_questions_with_one_right_choice_and_the_answers_numbers_in_their_cell(path):
    """Numbers of a task's own case stand in the question and its choices."""
    (notebook,) = questions.NOTEBOOKS.glob(f"{path.stem}_*.ipynb")
    cells, asked = nbformat.read(notebook, as_version=4).cells, questions.read_questions(path)
    assert 8 <= len({question.ask for question in asked}) == len(asked) <= 12
    levels, places = (Counter(getattr(question, name) for question in asked) for name in ("level", "right"))
    assert set(levels) == set(questions.LEVELS)
    assert min(levels.values()) >= 2
    assert max(places.values()) <= 2 * len(asked) / 3, "the right choice stands too often in one place; turn some"
    longest = sum(max(question.choices, key=lambda one: len(one[0]))[1] for question in asked)
    assert longest <= 2 * len(asked) / 3, "the right choice is too often the longest"
    for question in asked:
        assert 3 <= len({text for text, _ in question.choices}) == len(question.choices) <= 4, question.ask
        cell, heading = questions.find_cell(cells, question)
        assert heading not in ("Exercises", "In practice"), question.ask
        there, needed = said([cell]), f"{question.because} {question.choices[question.right][0]}"
        if question.level == "apply":
            there += " ".join([question.ask, *(text for text, _ in question.choices)])
        assert not set(re.findall(NUMBER, needed)) - set(re.findall(NUMBER, there)), question.ask
    with pytest.raises(SystemExit, match="0 cells of the notebook hold 'no such sentence'"):
        questions.find_cell(cells, asked[0]._replace(cell="no such sentence"))


WHOLE = "## recall\n\nWhat?\n\n- [x] a\n- [ ] b\n\nBecause: so.\nCell: here\n"


@pytest.mark.parametrize("change", [("[x]", "[ ]"), ("[ ]", "[x]"), ("recall", "guess"), ("Because: so.\n", "")])
def test_a_question_that_lacks_something_is_refused(change, tmp_path):
    path = tmp_path / "06.md"
    path.write_text(WHOLE)
    assert len(questions.read_questions(path)) == 1
    path.write_text(WHOLE.replace(*change))
    with pytest.raises(SystemExit, match=r"06\.md"):
        questions.read_questions(path)
