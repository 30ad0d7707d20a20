"""The process in which one student's code runs, and nothing of ours that matters: it answers what a judge asks.

`python -m hazelnut_ae.course.grading.room`. Whatever a student's code changes here, it changes for itself: the checks, the
verdicts and the other submissions are in other processes, to which only values go (`wire`).
"""

import contextlib
import itertools
import os
import pickle
import random
import sys
from io import BytesIO

import numpy as np

from hazelnut_ae.course.grading import walls, wire
from hazelnut_ae.course.grading.lessons import bound_names

LONGEST_LIST = 1_000_000  # things that a loop over an answer gets


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, load):
        super().__init__(file)
        self.persistent_load = load


class Room:
    """A namespace like a notebook's, and the things in it that a judge holds by a number."""

    def __init__(self, words_in, words_out):
        self.words_in, self.words_out = words_in, words_out
        self.names, self.prepared, self.kept, self.lesson = {"__name__": "__main__"}, {}, {}, []
        self.numbers = itertools.count()

    def serve(self):
        """Answers until the judge is gone."""
        with contextlib.suppress(wire.Torn):
            while True:
                message, *rest = self.hear()
                try:
                    reply = getattr(self, f"on_{message}")(*rest)
                except BaseException as error:  # a student's code may raise anything, SystemExit as well
                    kind = type(error)
                    reply = {"error": words_of(error), "class": [str(kind.__module__), str(kind.__qualname__)]}
                self.say(reply)

    def hear(self):
        head, _ = wire.receive(self.words_in, largest=1 << 40)
        return _Unpickler(BytesIO(head), self.thing).load()

    def say(self, reply):
        try:
            frame = wire.Writer(self.keep).frame(reply)
        except Exception as error:  # a value whose own methods fail
            frame = wire.Writer(self.keep).frame({"error": words_of(error), "class": ["builtins", "TypeError"]})
        wire.send(self.words_out, *frame)

    def keep(self, value):
        number = next(self.numbers)
        self.kept[number] = value
        return number

    def thing(self, known_as):
        """What a judge names instead of sending it."""
        kind, key = known_as
        if kind == "kept":
            return self.kept[key]
        return self.prepared[key] if kind == "name" else lambda *arguments: self.call_back(key, arguments)

    def call_back(self, key, arguments):
        """A function that a check has handed to an answer, called by the answer."""
        self.say({"callback": key, "arguments": list(arguments)})
        kind, value = self.hear()
        if kind == "error":
            raise ValueError(value)
        return value

    def on_begin(self, setup, lesson, memory, seconds):
        """Runs the set-up cells, ours; what runs after that has `memory` bytes more at most."""
        for code in setup:
            exec(compile(code, "set-up", "exec"), self.names)
        self.prepared, self.lesson = dict(self.names), lesson
        walls.limit_process(memory, seconds)
        return {"value": None}

    def on_cells(self, codes):
        for number, code in enumerate(codes, 1):
            compiled = compile(code, f"cell {number}", "exec")
            self.with_lesson(lambda compiled=compiled: exec(compiled, self.names))
        return {"value": None}

    def on_get(self, name):
        return {"value": self.names[name]} if name in self.names else {"missing": name}

    def on_call(self, number, arguments, named, states):
        set_random_states(states)
        before = [_snapshot(one) for one in arguments]
        value = self.with_lesson(lambda: self.kept[number](*arguments, **named))
        after = [_snapshot(one) for one in arguments]
        changed = [[i, new] for i, (old, new) in enumerate(zip(before, after, strict=True)) if not _same(old, new)]
        return {"value": value, "changed": changed}

    def on_attribute(self, number, name):
        return {"value": getattr(self.kept[number], name)}

    def on_item(self, number, key):
        return {"value": self.kept[number][key]}

    def on_length(self, number):
        return {"value": len(self.kept[number])}

    def on_list(self, number):
        return {"value": list(itertools.islice(self.kept[number], LONGEST_LIST))}

    def with_lesson(self, work):
        """Does the work; if it wants a name that the lesson's own cells make, runs these first and tries again."""
        try:
            return work()
        except NameError as error:
            made = set().union(*map(bound_names, self.lesson))
            if (getattr(error, "name", None) or _name_in(str(error))) not in made:
                raise
        own = {k: v for k, v in self.names.items() if k not in self.prepared or v is not self.prepared[k]}
        for code in self.lesson:
            with contextlib.suppress(Exception):
                exec(compile(code, "lesson", "exec"), self.names)
        self.lesson = []
        self.names.update(own)
        return work()


def _name_in(text):
    return text.split("'")[1] if text.count("'") >= 2 else ""


def _snapshot(value):
    """What of an argument a function may change: an array's values, a network's, a generator's state; else None."""
    torch = sys.modules.get("torch")
    if isinstance(value, np.ndarray):
        return value.copy()
    if torch and isinstance(value, torch.Tensor):
        return value.detach().clone()
    if torch and isinstance(value, torch.nn.Module):
        return {key: one.detach().clone() for key, one in value.state_dict().items()}
    if torch and isinstance(value, torch.Generator):
        return value.get_state()
    return value.bit_generator.state if isinstance(value, np.random.Generator) else None


def _same(old, new):
    if isinstance(old, dict):
        return all(_same(old[key], new[key]) for key in old)
    if isinstance(old, int | str):
        return old == new
    return old is None or np.asarray(old).tobytes() == np.asarray(new).tobytes()


def random_states():
    """The states of the generators that everybody shares."""
    torch = sys.modules.get("torch")
    return random.getstate(), np.random.get_state(), torch and torch.get_rng_state()  # noqa: NPY002


def set_random_states(states):
    """Sets what `random_states` gave in another process."""
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    if states[2] is not None:
        import torch

        torch.set_rng_state(states[2])


def words_of(error):
    """An error in one line, with the line of the student's cell that it came from."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith("cell "):
            line = trace.tb_lineno
        trace = trace.tb_next
    with contextlib.suppress(Exception):
        text = str(error).splitlines()[0] if str(error) else ""
        return text + (f" (line {line} of its cell)" if line and not isinstance(error, SyntaxError) else "")
    return "an error that does not say what it is"


def main():
    words_in, words_out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # a student's code may print and read as it likes
        os.dup2(nowhere, descriptor)
    Room(words_in, words_out).serve()


if __name__ == "__main__":
    walls.enter()
    main()
