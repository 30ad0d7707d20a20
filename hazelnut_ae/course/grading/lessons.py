"""The project's side of a notebook: its set-up cells, its exercises and the cells that check them."""

import ast
import builtins
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

import hazelnut_ae
from hazelnut_ae.errors import DataError

EXERCISE = re.compile(r"\*\*(\d+)\s*\(")  # how the text of an exercise begins: **2 (medium).**
CHECK = re.compile(r"^\s*with\s+check\(", re.MULTILINE)


@dataclass
class Exercise:
    """One exercise with a check: its text, the cell that the reader changes, the cell that says whether it holds."""

    number: int
    text: str
    stub: str = ""
    check: str = ""


@dataclass
class Lesson:
    """A notebook as the project ships it; code as text.

    setup: what every exercise starts from; lesson: the cells that are read before the exercises, set-up left out;
    known: the text of every cell, by which a submission is recognised; unchecked: exercises that no cell checks.
    """

    name: str
    setup: list[str]
    lesson: list[str]
    exercises: list[Exercise]
    known: list[str] = field(default_factory=list)
    unchecked: list[int] = field(default_factory=list)

    def as_dict(self):
        """As JSON takes it, for the judge."""
        return asdict(self)


def notebooks_folder():
    """The project's own notebooks: beside the package, else in the working folder. Raises: DataError without them."""
    for folder in (Path(hazelnut_ae.__file__).resolve().parents[1] / "notebooks", Path.cwd() / "notebooks"):
        if list(folder.glob("[0-9][0-9]_*.ipynb")):
            return folder
    raise DataError("There is no folder notebooks/ here, whose checks to grade with; name it with --lessons.")


def load_lessons(folder):
    """Every `Lesson` of a folder of built notebooks. Raises: DataError where there is none."""
    import nbformat  # a second or more, which no judge and no room shall wait for

    paths = sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        raise DataError(f"{folder} holds no notebook of the course, such as 06_residual_thresholding.ipynb.")
    try:
        return [lesson_of(path.stem, nbformat.read(path, as_version=4).cells) for path in paths]
    except (OSError, ValueError, nbformat.ValidationError, nbformat.reader.NotJSONError) as error:
        raise DataError(f"{folder} holds a notebook of the course that cannot be read ({error}).") from error


def lesson_of(name, cells):
    """The `Lesson` that these cells make, by the tags that `course.build` leaves in a notebook."""
    lesson, exercises = Lesson(name, [], [], []), []
    for cell in cells:
        text, tags = cell.source.strip(), set(cell.metadata.get("tags", []))
        lesson.known.append(text)
        if "exercise" in tags:
            number = EXERCISE.match(text)
            exercises.append(Exercise(int(number[1]) if number else len(exercises) + 1, text))
        elif cell.cell_type != "code":
            continue
        elif "setup" in tags:
            lesson.setup.append(text)
        elif "check" in tags and exercises:
            exercises[-1].check += text + "\n"
        elif "try" in tags and exercises:
            exercises[-1].stub += text + "\n"
        elif not exercises:
            lesson.lesson.append(text)
    lesson.exercises = [one for one in exercises if one.check]
    lesson.unchecked = [one.number for one in exercises if not one.check]
    return lesson


def bound_names(source):
    """The names that code binds at its top level: assignments, functions, classes, imports, also within `for`."""
    found = set()

    def visit(node):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
            return  # what it binds inside is its own
        if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            return
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        if isinstance(node, ast.alias):
            found.add((node.asname or node.name).split(".")[0])
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(_parsed(source))
    return found


def asked_names(exercise, prepared):
    """The names whose values a check wants of the student's code: those that the stub binds, or nobody else.

    prepared: the names that the set-up leaves.
    """
    tree = _parsed(exercise.check)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    stored |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)} | bound_names(exercise.check)
    stored |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)}  # except … as error
    elsewhere = stored | set(prepared) | set(dir(builtins)) | {"check"}
    return sorted(name for name in used if name in bound_names(exercise.stub) or name not in elsewhere)


def _parsed(source):
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module(body=[], type_ignores=[])
