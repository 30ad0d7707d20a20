"""The process that runs the checks of one notebook, for one submission after the other; never a student's code.

`python -m hazelnut_ae.course.grading.judge`, started by `grade`: line by line it reads submissions as JSON and writes rows. A
check stands in the project's notebook and finds here what it finds there, with one difference: an answer that is a
function runs in the student's room, and what it returns comes back as a value (`wire`).
"""

import json
import os
import tempfile
import time

from hazelnut_ae.course.grading import wire
from hazelnut_ae.course.grading.asked import AnswerError, Asked, Late, Missing, Unaskable
from hazelnut_ae.course.grading.lessons import Exercise, asked_names
from hazelnut_ae.errors import printable

LONGEST = 200  # characters of a message


class Recorder:
    """The `check` of a check cell, here: it keeps what came of it instead of printing it."""

    def __init__(self):
        self.verdict = None

    def __call__(self, exercise):
        return self

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, Late | wire.Torn | Unaskable):
            return False
        self.verdict = ("passed", "") if error is None else verdict_of(error)
        return True


def verdict_of(error):
    """(result, message) of what a check or an answer raised."""
    if isinstance(error, AssertionError):
        return "failed", str(error) or "it does not hold"
    if isinstance(error, AnswerError):
        return "error", str(error)
    return "error", f"{type(error).__name__}: {error}"


def one_line(text):
    lines = text.splitlines() or [""]
    return printable(lines[0].strip())[:LONGEST]


class Judge:
    """The set-up of one notebook, run once, and its checks."""

    def __init__(self, lesson, seconds, total, memory):
        self.setup, self.lesson, self.seconds, self.total, self.memory = *lesson, seconds, total, memory
        self.wrote = self.shares = False
        self.prepared = {"__name__": "__main__"}
        for code in self.setup:
            exec(compile(code, "set-up", "exec"), self.prepared)

    def rows(self, exercises, answers):
        """Yields (number, result, message) for each exercise; answers: {number: [code]}.

        A room that has ended, or that was late, is replaced by a new one for the next exercise.
        """
        asked, ends = None, time.monotonic() + self.total
        self.shares = any("tempfile" in exercise.check for exercise in exercises)
        try:
            for exercise in exercises:
                code = answers.get(str(exercise.number))
                if not code:
                    yield exercise.number, "missing", "its cells are not there"
                elif time.monotonic() > ends:
                    yield exercise.number, "timeout", f"the notebook's {self.total:g} seconds were over before it"
                else:
                    asked, (result, message) = self.row(asked, exercise, code, ends)
                    yield exercise.number, result, one_line(message)
        finally:
            self.close(asked)

    def row(self, asked, exercise, code, ends):
        """(the room if it can be asked again, (result, message)) of one exercise."""
        try:
            asked = asked or Asked(self.prepared, self.setup, self.lesson, self.memory, self.total, self.shares)
            asked.deadline = min(ends, time.monotonic() + self.seconds)
            return asked, self.answered(asked, exercise, code)
        except Unaskable as error:
            return asked, ("error", f"the check hands the answer {error}; look at this one yourself")
        except Late:
            result = "timeout", f"not done after {self.seconds:g} seconds, or at the notebook's end"
        except wire.Torn as error:
            result = "error", f"{error}: out of memory, or by its own doing"
        return self.close(asked), result

    def close(self, asked):
        """Ends a room. Where its answers changed a thing of a check's, the next notebook gets a new judge."""
        if asked:
            self.wrote |= asked.wrote
            asked.close()

    def answered(self, asked, exercise, code):
        """(result, message) of one exercise."""
        try:
            asked.ask("cells", code)
        except wire.Torn:
            raise
        except Exception as error:
            return "error", str(error) if isinstance(error, AnswerError) else f"{type(error).__name__}: {error}"
        if "\n".join(code).strip() == exercise.stub.strip():
            return "missing", "it is as it was handed out"
        names, recorder = dict(self.prepared), Recorder()
        for name in asked_names(exercise, self.prepared):
            try:
                names[name] = asked.ask("get", name)
            except Missing:
                return "missing", f"{name} is not there"
        names["check"] = recorder
        given = {id(value) for value in names.values()}
        asked.created = _New(names, given)
        try:
            tempfile.tempdir = asked.share  # None: the system's own
            exec(compile(exercise.check, "check", "exec"), names)
        except (wire.Torn, Unaskable):
            raise
        except Exception as error:
            return verdict_of(error)
        finally:
            tempfile.tempdir = None
        return recorder.verdict or ("error", "the check came to no end")


class _New:
    """The ids of what a check has made and given a name, asked for at any time."""

    def __init__(self, names, given):
        self.names, self.given = names, given

    def __contains__(self, one):
        return one not in self.given and any(id(value) == one for value in list(self.names.values()))


def main():
    lines_in, lines_out = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):  # what set-up cells and checks print
        os.dup2(nowhere, descriptor)

    def say(message):
        print(json.dumps(message), file=lines_out, flush=True)

    task = json.loads(lines_in.readline())
    judge = Judge(task["lesson"], *task["limits"])
    exercises = [Exercise(**one) for one in task["exercises"]]
    say({"ready": True})
    for line in lines_in:
        for number, result, message in judge.rows(exercises, json.loads(line)):
            say({"exercise": number, "result": result, "message": message})
        say({"done": True, "again": not judge.wrote})


if __name__ == "__main__":
    main()
