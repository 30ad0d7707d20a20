"""A student's room seen from a judge: what is asked of it, and what an answer that stayed there looks like here."""

import contextlib
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import types
from pathlib import Path

from hazelnut_ae.course.grading import walls, wire
from hazelnut_ae.course.grading.room import random_states

SETUP_SECONDS = 300
HANDED_ON = ("HAZELNUT_DATA", "HAZELNUT_RUN", "HAZELNUT_CACHE", "HAZELNUT_PRESET", "OMP_NUM_THREADS")


class Late(BaseException):
    """The time of an exercise is over; no check can mistake it for an answer's error."""


class Missing(Exception):
    """A name that the check asks for is not there."""


class Unaskable(Exception):
    """A check hands an answer something that cannot leave the judge."""


class AnswerError(Exception):
    """An error of a class that only the student's room knows."""


class Remote:
    """What stands for a thing that stayed in the room, a function above all."""

    def __init__(self, asked, number, kind):
        self.__dict__.update(_asked=asked, _number=number, _kind=kind)

    def __call__(self, *arguments, **named):
        return self._asked.call(self, arguments, named)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._asked.ask("attribute", self._number, name)

    def __setattr__(self, name, value):
        raise Unaskable("an attribute of an answer")

    def __getitem__(self, key):
        return self._asked.ask("item", self._number, key)

    def __len__(self):
        return self._asked.ask("length", self._number)

    def __iter__(self):
        return iter(self._asked.ask("list", self._number))

    __class__ = property(lambda self: self._kind or Remote)  # for isinstance


def known_class(module, name, base=object):
    """The class of that name, if a library that is loaded here has one; else None."""
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) and issubclass(found, base) else None


class Asked:
    """A student's room, from outside.

    share: a folder that both sides can write, where a check lets an answer write files; else None.
    """

    def __init__(self, prepared, setup, lesson, memory, total, shares=False):
        self.names = {id(value): name for name, value in prepared.items() if type(value) not in wire.PLAIN}
        self.ours, self.created, self.wrote, self.deadline = [], set(), False, time.monotonic() + SETUP_SECONDS
        self.folder = tempfile.TemporaryDirectory(prefix="hazelnut-room-", ignore_cleanup_errors=True)
        self.share = tempfile.mkdtemp(prefix="hazelnut-share-") if shares else None
        extra = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
        extra |= {"CUDA_VISIBLE_DEVICES": ""}
        code = ("-m", "hazelnut_ae.course.grading.room")
        command, environment = walls.start_of(Path(self.folder.name), code, not walls.missing(), extra, self.share)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, env=environment, cwd=self.folder.name, start_new_session=True, **pipes)
        self.frames = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.ask("begin", setup, lesson, memory, SETUP_SECONDS + 2 * total)
        except BaseException:
            self.close()
            raise

    def _read(self):
        try:
            while True:
                self.frames.put(wire.receive(self.process.stdout))
        except (wire.Torn, OSError, ValueError, MemoryError) as error:
            self.frames.put(error)

    def close(self):
        walls.end(self.process)
        self.folder.cleanup()
        if self.share:
            shutil.rmtree(self.share, ignore_errors=True)

    def ask(self, *message):
        """What the room answers to a message. Raises: the student's error, Late, Missing, Torn, Unaskable."""
        return self._reply(message)["value"]

    def call(self, remote, arguments, named):
        """Calls a function of the student's; arrays and networks of the check that it changed are changed here, too."""
        reply = self._reply(("call", remote._number, arguments, named, random_states()))
        for i, new in reply.get("changed") or []:
            if id(arguments[i]) in self.created:
                self.wrote |= not _overwrite(arguments[i], new)
        return reply["value"]

    def _reply(self, message):
        while True:
            try:
                data = wire.pickled(message, self._known_as)
            except Exception as error:
                raise Unaskable(f"what cannot leave it ({error})") from error
            wire.send(self.process.stdin, data)
            try:
                frame = self.frames.get(timeout=max(0.0, self.deadline - time.monotonic()))
            except queue.Empty:
                raise Late from None
            if isinstance(frame, BaseException):
                raise wire.Torn(str(frame))
            reply = wire.read(*frame, lambda number, *names: Remote(self, number, known_class(*names)))
            if "callback" in reply:
                message = self._called(reply)
            elif "missing" in reply:
                raise Missing(str(reply["missing"]))
            elif "error" in reply:
                raise self._error(reply)
            elif "value" in reply:
                return reply
            else:
                raise wire.Torn("the process sent what is no answer")

    def _called(self, reply):
        """An answer calls a function that the check gave it."""
        try:
            return "value", self.ours[int(reply["callback"])](*reply["arguments"])
        except Exception as error:
            return "error", str(error)

    def _error(self, reply):
        module, name = reply.get("class") or ("builtins", "Exception")
        kind = known_class(str(module), str(name), Exception)
        if kind and kind not in (Missing, Unaskable, wire.Torn):
            with contextlib.suppress(Exception):
                return kind(str(reply["error"]))
        return AnswerError(f"{name}: {reply['error']}")

    def _known_as(self, thing):
        """By what the room knows a thing: its number there, its name in the set-up, a number of ours; None: send it."""
        if type(thing) is Remote:
            return "kept", thing._number
        if id(thing) in self.names:
            return "name", self.names[id(thing)]
        if (
            isinstance(thing, types.FunctionType)
            and getattr(sys.modules.get(thing.__module__), thing.__name__, 0) is not thing
        ):
            self.ours.append(thing)
            return "ours", len(self.ours) - 1
        return None


def _overwrite(old, new):
    """Gives an array, a network or a generator of a check what an answer gave it; other shapes: nothing.

    Returns whether it is a generator: a check makes its own, whereas an array may be one that every check sees.
    """
    generator = hasattr(old, "set_state") or hasattr(old, "bit_generator")
    with contextlib.suppress(TypeError, ValueError, RuntimeError, AttributeError, KeyError):
        if hasattr(old, "load_state_dict"):
            old.load_state_dict(new)
        elif hasattr(old, "set_state"):
            old.set_state(new)
        elif hasattr(old, "bit_generator"):
            old.bit_generator.state = new
        elif hasattr(old, "detach"):
            old.detach().copy_(new)
        else:
            old[...] = new
    return generator
