"""The student's side: the notebooks handed in, which lesson each is, and which of its cells answer which exercise."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from hazelnut_ae.course.grading.lessons import CHECK, EXERCISE
from hazelnut_ae.errors import DataError

LARGEST = 64 << 20  # bytes of a notebook; pictures are in it
SAME_CELLS = 3  # cells that a notebook shares with a lesson at least, to be one
COMMAND = re.compile(r"^(\s*)([%!].*)$", re.MULTILINE)  # lines for Jupyter, not for Python


@dataclass
class Submission:
    """A notebook that was handed in.

    file: the name that the table shows; lesson: a `Lesson`, or None; answers: {exercise number: its code cells};
    problem: why nothing of it can be graded, or "".
    """

    file: str
    lesson: object = None
    answers: dict = field(default_factory=dict)
    problem: str = ""


def find_notebooks(places):
    """[(name for the table, path)] of notebooks and of folders of them, in order; each once.

    Raises: DataError for a place that is not there or holds none.
    """
    found = {}
    for place in map(Path, places):
        if place.is_dir():
            inside = [path for path in sorted(place.rglob("*.ipynb")) if ".ipynb_checkpoints" not in path.parts]
            if not inside:
                raise DataError(f"{place} holds no notebook; name the folder in which those handed in lie.")
            for path in inside:
                found.setdefault(path.resolve(), (path.relative_to(place).as_posix(), path))
        elif place.exists():
            found.setdefault(place.resolve(), (place.name, place))
        else:
            raise DataError(f"{place} does not exist; name notebooks, or a folder of them.")
    pairs = list(found.values())
    names = [name for name, _ in pairs]
    return [(name if names.count(name) == 1 else str(path), path) for name, path in pairs]


def read(name, path, lessons):
    """The `Submission` in a file; whatever is wrong with it becomes its `problem`."""
    try:
        cells = cells_of(path)
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError, MemoryError) as error:
        return Submission(name, problem=f"this is no notebook ({type(error).__name__})")
    texts = {text for _, text in cells}
    shared = [(len(texts & set(lesson.known)), lesson) for lesson in lessons]
    count, lesson = max(shared, key=lambda pair: pair[0])
    if count < SAME_CELLS:
        return Submission(name, problem="this is none of the course's notebooks: too few of its cells are left")
    return Submission(name, lesson, answers_of(cells, lesson))


def cells_of(path):
    """[(whether it is code, its text)] of a notebook's cells. Raises: ValueError or the like for what is none."""
    if not path.is_file() or path.stat().st_size > LARGEST:
        raise ValueError("no file, or too large a one")
    book = json.loads(path.read_text(encoding="utf-8-sig"))
    cells = []
    for cell in book["cells"]:
        source = cell["source"]
        text = source if isinstance(source, str) else "".join(source)
        cells.append((cell["cell_type"] == "code", text.strip()))
    return cells


def answers_of(cells, lesson):
    """{exercise: [code]}: what stands below the text of an exercise, up to the next; checks and lesson cells left out.

    The text may have been edited: then its beginning, **2 (, is enough. Where it was deleted, the check below tells.
    """
    number_of = {exercise.text: exercise.number for exercise in lesson.exercises}
    numbers, ours = set(number_of.values()), set(lesson.setup) | set(lesson.lesson)
    answers, here, loose = {}, None, []
    for is_code, text in cells:
        if not is_code:
            start = EXERCISE.match(text)
            if text in number_of or start:
                here, loose = number_of.get(text) or int(start[1]), []
                answers.setdefault(here, [])
            elif text.startswith("#"):
                here, loose = None, []
        elif CHECK.search(text):
            checked = re.search(r"check\((\d+)\)", text)
            if checked and int(checked[1]) in numbers and here is None:
                answers.setdefault(int(checked[1]), []).extend(loose)
            loose = []
        elif text and text not in ours:
            (loose if here is None else answers[here]).append(plain(text))
    return {number: code for number, code in answers.items() if number in numbers and code}


def plain(text):
    """Python alone: a cell that is another language is left out, lines for Jupyter become comments."""
    if text.startswith("%%"):
        first, _, rest = text.partition("\n")
        if first.split()[0] not in ("%%time", "%%timeit", "%%capture"):
            return "pass"
        text = rest
    try:
        compile(text, "cell", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return COMMAND.sub(r"\1pass  # \2", text)
    return text
