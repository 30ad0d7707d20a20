"""`hazelnut-ae grade`: a row for each exercise of each notebook that was handed in, as a table and as a CSV.

The process that reads this file runs no check and no answer. It reads all notebooks before the first answer runs,
starts one judge for each lesson and watches over its time; a judge that ends or hangs is replaced, its row says so.
"""

import contextlib
import csv
import hashlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import hazelnut_ae
from hazelnut_ae.course.grading import submissions, walls
from hazelnut_ae.course.grading.lessons import load_lessons, notebooks_folder
from hazelnut_ae.errors import DataError, printable
from hazelnut_ae.inference.table import as_text
from hazelnut_ae.io.files import atomic_path
from hazelnut_ae.presets import find_preset

COLUMNS = ("file", "lesson", "exercise", "result", "message")
RESULTS = ("passed", "failed", "error", "timeout", "missing")
GRACE = 60  # seconds beyond its own limits after which a judge is taken to hang
READY = 1800  # seconds for the set-up of a lesson; the first may paint and train


@dataclass(frozen=True)
class Row:
    """What came of one exercise; exercise None: of the whole notebook."""

    file: str
    lesson: str
    exercise: int | None
    result: str
    message: str


def grade(places, preset="tiny", seconds=60, total=300, memory=2.0, lessons=None, say=print):
    """The rows of all notebooks in `places`, files and folders of them, in order.

    seconds, total: limits for an exercise and for a notebook; memory: in GB, beyond what the set-up takes; lessons: the
    folder of the project's own notebooks (None: found); say: takes a line on what a student's code is kept from.
    Raises: DataError where there is nothing to grade, or where the project's own set-up does not run.
    """
    from tqdm import tqdm

    folder = Path(lessons or notebooks_folder()).resolve()
    ours = load_lessons(folder)
    found = submissions.find_notebooks(places)
    if inside := [path for _, path in found if path.resolve().parent in (folder, folder / "solutions")]:
        raise DataError(f"{inside[0]} is the project's own; grade copies of it from another folder.")
    handed_in = [submissions.read(name, path, ours) for name, path in found]  # before any of their code runs
    say(walls.promises())
    rows, limits = {}, (seconds, total, int(memory * 1e9))
    guard = Guard([Path(hazelnut_ae.__file__).resolve().parent, folder])
    by_lesson = sorted(range(len(found)), key=lambda i: handed_in[i].lesson.name if handed_in[i].lesson else "")
    bench = Bench(preset, limits)
    try:
        with tqdm(total=len(found), unit="notebook", disable=None) as bar:
            for i in by_lesson:
                one = handed_in[i]
                problem = one.problem or guard.found
                bar.set_description(printable(one.file)[-30:])
                rows[i] = [Row(one.file, "", None, "error", problem)] if problem else list(bench.rows(one))
                guard.look(one)
                bar.update()
    finally:
        bench.close()
    return [row for i in range(len(found)) for row in rows[i]]


class Bench:
    """The judge at work; another lesson, or an accident, gets another one."""

    def __init__(self, preset, limits):
        self.preset, self.limits = find_preset(preset), limits
        self.process = self.lesson = self.environment = None

    def rows(self, one):
        """Yields the `Row` of each exercise of a submission."""
        lesson, name, left = one.lesson, one.lesson.name, {exercise.number for exercise in one.lesson.exercises}
        try:
            if self.lesson is not lesson:
                self.open(lesson)
            answers = json.dumps(one.answers)  # on one line, whatever the answers hold
            self.process.stdin.write(answers.encode() + b"\n")
            self.process.stdin.flush()
            while "done" not in (message := self.hear(self.limits[1] + GRACE)):
                number = message["exercise"]
                left.discard(number)
                yield Row(one.file, name, number, message["result"], message["message"])
            if not message["again"]:
                self.close()
        except (OSError, queue.Empty) as trouble:
            why = "took too long" if isinstance(trouble, queue.Empty) else f"ended early ({self.last_words()})"
            self.close()
            for number in sorted(left):
                yield Row(one.file, name, number, "error", f"its check {why}; look at this one yourself")

    def open(self, lesson):
        """Starts a judge for a lesson. Raises: DataError if its set-up cells do not run."""
        self.close()
        if self.environment is None:
            self.environment = prepared_environment(self.preset)
        self.folder = tempfile.TemporaryDirectory(prefix="hazelnut-grade-", ignore_cleanup_errors=True)
        self.words = open(Path(self.folder.name) / "words", "w+b")  # what it says of its troubles
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hazelnut_ae.course.grading.judge"],
            env=self.environment,
            cwd=self.folder.name,  # an empty one: nothing that was handed in can be imported from there
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.words,
            start_new_session=True,
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, args=(self.process.stdout, self.lines), daemon=True).start()
        task = {"lesson": (lesson.setup, lesson.lesson), "limits": self.limits}
        task["exercises"] = lesson.as_dict()["exercises"]
        try:
            self.process.stdin.write(json.dumps(task).encode() + b"\n")
            self.process.stdin.flush()
            self.hear(READY)
        except (OSError, queue.Empty) as error:
            said = self.last_words()
            self.close()
            raise DataError(f"The set-up of {lesson.name} does not run ({said}); mend that first.") from error
        self.lesson = lesson

    def last_words(self):
        """The end of what the judge said of its troubles."""
        self.words.seek(0)
        return (self.words.read().decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1][:200]

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.put(line)
        lines.put(b"")

    def hear(self, seconds):
        """The judge's next message. Raises: queue.Empty after that time, OSError when it has ended."""
        line = self.lines.get(timeout=seconds)
        if not line:
            raise OSError("ended")
        return json.loads(line)

    def close(self):
        """Ends the judge; it ends its rooms when its pipe closes, and is not waited for longer than a moment."""
        if self.process is None:
            return
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        walls.end(self.process)
        self.process.stdout.close()
        self.words.close()
        self.folder.cleanup()
        self.process = self.lesson = None


def prepared_environment(preset):
    """The variables of a judge: painted hazelnuts of the preset and the run on them, made now if they are not there."""
    from hazelnut_ae.course import lesson

    data = lesson.painted(preset)
    run = lesson.Lesson(preset, data, None, None).run
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HAZELNUT_")}
    if "HAZELNUT_CACHE" in os.environ:
        environment["HAZELNUT_CACHE"] = str(Path(os.environ["HAZELNUT_CACHE"]).resolve())
    environment |= {"HAZELNUT_PRESET": preset.name, "HAZELNUT_DATA": str(data.resolve())}
    environment["HAZELNUT_RUN"] = str(Path(run.folder).resolve())
    environment |= {"PYTHONPATH": os.pathsep.join(walls.import_path()), "PYTHONSAFEPATH": "1", "MPLBACKEND": "agg"}
    return environment | {"PYTHONIOENCODING": "utf-8", "CUDA_VISIBLE_DEVICES": ""}


class Guard:
    """Sees, where there are no walls, whether a student's code changed the package or the project's notebooks.

    found: what it saw, or ""; nothing is graded after that.
    """

    def __init__(self, folders):
        self.folders = folders if walls.missing() else []
        self.before, self.found = self.digest(), ""

    def digest(self):
        digest = hashlib.sha256()
        for folder in self.folders:
            for path in sorted([*folder.rglob("*.py"), *folder.glob("*.ipynb")]):
                digest.update(str(path).encode() + path.read_bytes())
        return digest.digest()

    def look(self, one):
        if not self.found and self.digest() != self.before:
            self.found = f"not graded: {one.file} changed files of the project; install it anew and see why"


def table(rows):
    """The rows as text for a terminal, what each notebook reached, and a line that counts all."""
    texts = [COLUMNS] + [(row.file, row.lesson[:2], f"{row.exercise or '–'}", row.result, row.message) for row in rows]
    texts = [tuple(printable(text) for text in line) for line in texts]
    widths = [max(len(line[column]) for line in texts) for column in range(4)]
    lines = ["  ".join([*map(str.ljust, line[:4], widths), line[4]]).rstrip() for line in texts]
    lines += tally(rows)
    counts = {result: sum(row.result == result for row in rows) for result in RESULTS}
    counted = ", ".join(f"{count} {result}" for result, count in counts.items() if count)
    return "\n".join([*lines, f"{len({row.file for row in rows})} notebooks: {counted}."])


def tally(rows):
    """A line for each notebook: how many of its exercises passed; none if there is but one notebook."""
    reached = {}
    for row in rows:
        results = reached.setdefault((row.file, row.lesson[:2]), [])
        results += [row.result] if row.exercise else []
    width = max((len(printable(file)) for file, _ in reached), default=0)
    lines = []
    for (file, lesson), results in reached.items():
        words = f"{results.count('passed')} of {len(results)} passed" if results else "not graded"
        lines.append(f"{printable(file).ljust(width)}  {lesson or '–'.ljust(2)}  {words}")
    return ["", *lines] if len(lines) > 1 else []


def write_csv(path, rows):
    """The same for a spreadsheet; text that it could take for a formula gets an apostrophe before it."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(COLUMNS)
        for row in rows:
            message = as_text(row.message).replace(";", ",")
            writer.writerow([as_text(row.file), row.lesson, row.exercise or "", row.result, message])
