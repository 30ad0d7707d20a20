"""`hazelnut-ae grade`: runs students' notebooks with the project's checks; one row per notebook and exercise."""

import csv
import functools
import json
import re
import sys
import time
from collections import Counter, namedtuple
from pathlib import Path

from hazelnut_ae.course import sandbox
from hazelnut_ae.course.execute import notebooks_folder
from hazelnut_ae.errors import DataError, printable
from hazelnut_ae.inference.table import as_text
from hazelnut_ae.io import cache
from hazelnut_ae.io.files import atomic_path
from hazelnut_ae.presets import PRESETS

EXERCISE = re.compile(r"\*\*(\d+)\s*\(")  # how the text of an exercise begins: **2 (medium).**
CHECK = re.compile(r"^\s*with\s+check\((\d+)\)", re.MULTILINE)
RESULTS = ("passed", "failed", "error", "timeout", "missing")

Row = namedtuple("Row", "file lesson exercise result message")  # exercise None: the whole notebook
# A notebook of the project: the texts of all cells, the set-up's code; by exercise the code handed out and the check
Lesson = namedtuple("Lesson", "name cells setup stubs checks")


def grade(places, preset="tiny", seconds=60, total=300, memory=2, lessons=None, trust=False):
    """Grades notebooks; none of them can affect the others.

    Args:
        places: notebooks, and folders that are searched for notebooks.
        preset: name of the preset of images and run.
        seconds, total, memory: limits: seconds per cell and per notebook, GB per process in addition to the set-up.
        lessons: folder of the project's notebooks; None: found automatically.
        trust: whether notebooks run without isolation.

    Returns: a list of `Row`, in the order of the notebooks; progress goes to the error stream.
    Raises: DataError if there is nothing to grade, or no isolation.
    """
    mode, found = sandbox.choose(trust), find_notebooks(places)
    ours, rows, ready = load_lessons(lessons), [], {}
    say = functools.partial(print, file=sys.stderr, flush=True)
    books = f"{len(found)} notebook{'s' * (len(found) > 1)}, each up to {total:g} seconds"
    say(f"{books}. {sandbox.PROTECTION[mode]}\nPreparing the images and the run of the {preset} preset …")
    environment, limits = prepared_environment(preset), {"seconds": seconds, "total": total, "memory": memory}
    for count, (name, path) in enumerate(found, 1):
        say(f"{count} of {len(found)}: {printable(name)} …")
        lesson, began = None, time.monotonic()
        try:
            cells, lesson = read(path, ours)
            task = {"setup": lesson.setup, "cells": [], "files": {}} | limits
            if lesson.name not in ready:  # the project's own code, which may fill the cache
                ready[lesson.name] = sandbox.run(task | {"total": 1800}, "trust", environment).get("problem")
            if problem := ready[lesson.name]:
                raise DataError(f"the set-up of this lesson does not run here: {problem}")
        except DataError as problem:
            rows.append(Row(name, lesson.name if lesson else "", None, "error", str(problem)))
            say(f"    {problem}")
            continue
        task["cells"], verdicts = plan(cells, lesson)
        task["missing"] = list(verdicts)
        if task["cells"]:
            beside = [one for one in path.parent.glob("*.py") if not one.is_symlink() and one.stat().st_size < 1 << 20]
            task["files"] = {one.name: one.read_text("utf-8", "replace") for one in beside if one.is_file()}
            said = sandbox.run(task, mode, environment)
            for number in lesson.checks:  # the answer to a missing one may stand in another cell
                verdict = told(said, number, total)
                verdicts[number] = verdict if verdict[0] == "passed" else verdicts.get(number, verdict)
        mine = [Row(name, lesson.name, number, *verdicts[number]) for number in lesson.checks]
        say(f"    {next(totals(mine)).result} in {time.monotonic() - began:.0f} s")
        rows += mine
    return rows


def told(said, number, total):
    """Returns (result, message) of an exercise from the output of a sandbox, which the student may have forged."""
    if not isinstance(said.get("verdicts"), dict):
        return "error", printable(str(said.get("problem")))
    late = ["timeout", f"the {total:g} seconds of the notebook were over before it"]
    match said["verdicts"].get(str(number), late):
        case [result, str(message)] if result in RESULTS:
            return result, printable(message)[:200]
    return "error", "its process sent no verdict"


def load_lessons(folder=None):
    """Returns every `Lesson` of a folder (None: found automatically). Raises DataError if there is none."""
    folder, lessons = folder or notebooks_folder(), []
    for path in sorted(Path(folder).glob("[0-9][0-9]_*.ipynb")):
        lesson, number = Lesson(path.stem, set(), [], {}, {}), 0
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            text, tags = "".join(cell["source"]).strip(), cell["metadata"].get("tags", [])
            lesson.cells.add(text)
            if "exercise" in tags:
                number = int(EXERCISE.match(text)[1])
            elif "setup" in tags and cell["cell_type"] == "code":
                lesson.setup.append(text)
            elif "check" in tags:
                lesson.checks[number] = text
            elif "try" in tags:
                lesson.stubs.setdefault(number, []).append(text)
        lessons.append(lesson)
    if not lessons:
        raise DataError(f"{folder} holds no notebook of the course; give the folder that does as --lessons.")
    return lessons


def prepared_environment(preset):
    """Returns the HAZELNUT_* variables of a notebook; paints the images and trains the run if they are missing."""
    from hazelnut_ae.course import lesson as course  # late: PyTorch takes seconds, the first line does not wait

    data = course.painted(PRESETS[preset])
    run = course.Lesson(PRESETS[preset], data, None, None).run
    folders = {"DATA": data, "RUN": run.folder, "CACHE": cache.cache_folder()}
    environment = {f"HAZELNUT_{name}": str(Path(folder).resolve()) for name, folder in folders.items()}
    return environment | {"HAZELNUT_PRESET": preset, "CUDA_VISIBLE_DEVICES": ""}


def find_notebooks(places):
    """Returns [(name for the table, path)] of all notebooks, without duplicates. Raises DataError if there are none."""
    found = {}
    for place in map(Path, places):
        inside = [path for path in sorted(place.rglob("*.ipynb")) if ".ipynb_checkpoints" not in path.parts]
        if not inside and not place.is_file():
            raise DataError(f"{place} is no notebook and no folder with notebooks; name those that were handed in.")
        for path in inside or [place]:
            found.setdefault(path.resolve(), path.relative_to(place if inside else place.parent).as_posix())
    names = list(found.values())
    return [(name if names.count(name) == 1 else str(path), path) for path, name in found.items()]


def read(path, lessons):
    """Reads a notebook: ([(is code, text)], its `Lesson`). Raises DataError if it is not one of the course."""
    try:
        if not path.is_file() or path.stat().st_size > 64 << 20:  # bytes
            raise ValueError("no file, or too large")
        cells = json.loads(path.read_text(encoding="utf-8-sig"))["cells"]
        cells = [(cell["cell_type"] == "code", "".join(cell["source"]).strip()) for cell in cells]
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError, MemoryError) as error:
        raise DataError(f"this is no notebook ({type(error).__name__})") from error
    texts = {text for _, text in cells}
    lesson = max(lessons, key=lambda one: len(one.cells & texts))
    if len(lesson.cells & texts) < 3 or not lesson.checks:
        raise DataError("this is none of the course's notebooks with exercises: too few of its cells are left")
    return cells, lesson


def plan(cells, lesson):
    """Returns the cells to run after the set-up, with the project's checks, and {exercise: verdict} of missing ones.

    The answer is the cells below the text of an exercise or, if the text was deleted, those above its check; code above
    the check in its cell belongs to it. If a student wrote nothing, there is nothing to run.
    """
    steps, missing, here, since = [], {}, None, 0
    stubs = {text for texts in lesson.stubs.values() for text in texts}
    for is_code, text in cells:
        start, check = EXERCISE.match(text), CHECK.search(text)
        if not is_code and (start or text.startswith("#")):
            here, since = int(start[1]) if start else None, len(steps)
        elif is_code and check:
            for step in steps[since:] if int(check[1]) != here else ():
                step["exercise"] = int(check[1])
            here, own = int(check[1]), text[: check.start()].strip()
            if own and not lesson.checks.get(here, own).startswith(own):
                steps.append({"kind": "answer", "exercise": here, "code": own})
            since = len(steps)
        elif is_code and text and text not in lesson.setup:
            is_lesson = text in lesson.cells - stubs
            kind, number = ("lesson", None) if is_lesson else ("answer", here)
            steps.append({"kind": kind, "exercise": number, "code": text})
    wrote = any(step["kind"] == "answer" and step["code"] not in stubs for step in steps)
    for number, check in lesson.checks.items():
        mine = [i for i, step in enumerate(steps) if step["exercise"] == number]
        if [steps[i]["code"] for i in mine] in ([], lesson.stubs.get(number)):
            missing[number] = ("missing", "it is as it was handed out" if mine else "its cells are not there")
        step = {"kind": "check", "exercise": number, "code": f"from hazelnut_ae.course.checks import check\n{check}"}
        steps.insert(mine[-1] + 1 if mine else len(steps), step)
    return steps if wrote else [], missing


def totals(rows):
    """Yields a row "total" for each notebook, then for each folder of several: that of a student, if each has one."""
    lessons = {row.file: row.lesson for row in rows}
    folders = Counter(folder for file in lessons if (folder := file.rpartition("/")[0]))
    for place in (*lessons, *(folder for folder, count in folders.items() if count > 1)):
        those = [row for row in rows if place in (row.file, row.file.rpartition("/")[0])]
        results = Counter(row.result for row in those if row.exercise)
        counts = ", ".join(f"{results[result]} {result}" for result in RESULTS if results[result])
        passed = f"{results['passed']} of {results.total()} passed" if results else "not graded"
        yield Row(place, lessons.get(place, ""), "total", passed, counts)


def table(rows):
    """Formats the rows for a terminal, with the totals of the notebooks at the end."""
    every = [row._replace(lesson=row.lesson[:2], exercise=row.exercise or "–") for row in [*rows, *totals(rows)]]
    texts = [[printable(str(text)) for text in line] for line in [Row._fields, *every]]
    widths = [max(len(line[column]) for line in texts) for column in range(4)]
    return "\n".join("  ".join([*map(str.ljust, line[:4], widths), line[4]]).rstrip() for line in texts)


def write_csv(path, rows):
    """Writes the rows for a spreadsheet; an apostrophe before text prevents formulas."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(Row._fields)
        for row in [*rows, *totals(rows)]:
            message = as_text(row.message).replace(";", ",")
            writer.writerow([as_text(row.file), row.lesson, row.exercise or "", row.result, message])
