"""What passes between a judge and a room: frames of bytes.

A frame is its length (8 bytes), the length of its head (8 bytes), the head and what follows it. What a room sends is
never unpickled: its head is JSON, and arrays follow as raw bytes. So a student's code can answer with values, and with
nothing else. What a judge sends is pickled, for it runs no code but ours.
"""

import io
import json
import math
import pickle
import struct
import sys

import numpy as np

LARGEST = 512 << 20  # bytes of a frame; a room that sends more is cut off
DEEPEST = 40  # lists within lists
KINDS = "biufcSUmM"  # of numpy's types, those that are bytes and nothing else
PLAIN = (type(None), bool, int, float, str)


class Torn(Exception):
    """The other side has gone, or sends what is no frame."""


def send(stream, head, blobs=()):
    """Writes one frame: a head (bytes) and what follows it (a list of bytes-like objects)."""
    size = 8 + len(head) + sum(len(blob) for blob in blobs)
    try:
        stream.write(struct.pack("<QQ", size, len(head)) + head)
        for blob in blobs:
            stream.write(blob)
        stream.flush()
    except (OSError, ValueError) as error:
        raise Torn("the process has ended") from error


def receive(stream, largest=LARGEST):
    """Reads one frame: (head, rest). Raises: Torn where there is none, or one that is too large."""
    size, head = struct.unpack("<QQ", _exactly(stream, 16))
    if not 8 + head <= size <= largest:
        raise Torn("the process sent what is no answer, or too large a one")
    return _exactly(stream, head), _exactly(stream, size - 8 - head)


def _exactly(stream, count):
    parts = []
    while count:
        part = stream.read(min(count, 1 << 20))
        if not part:
            raise Torn("the process has ended")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


class Writer:
    """A value as a head and blobs. What is not plain stays in the room: `keep(value)` gives it a number."""

    def __init__(self, keep):
        self.keep, self.blobs, self.position = keep, [], 0

    def frame(self, message):
        """(head, blobs) of a dict whose values are to be encoded."""
        encoded = {key: self.encode(value) for key, value in message.items()}
        return json.dumps(encoded).encode(), self.blobs

    def encode(self, value, depth=0):
        kind = type(value)
        if kind in PLAIN:
            return value
        if depth < DEEPEST:
            if kind in (list, tuple, set, frozenset):
                return [kind.__name__, [self.encode(one, depth + 1) for one in value]]
            if kind is dict:
                return ["dict", [[self.encode(one, depth + 1) for one in pair] for pair in value.items()]]
        if kind is complex:
            return ["complex", value.real, value.imag]
        if isinstance(value, np.ndarray | np.generic):
            name = "array" if isinstance(value, np.ndarray) else "scalar"
            array = np.asarray(value)
            if array.dtype.kind in KINDS:
                return self._bytes_of(name, array)
            if array.dtype.kind == "O" and array.ndim == 1 and depth < DEEPEST:
                return ["objects", [self.encode(one, depth + 1) for one in array.tolist()]]
        torch, pandas = sys.modules.get("torch"), sys.modules.get("pandas")
        if torch and isinstance(value, torch.Tensor):
            array = value.detach().cpu()
            array = array.float() if array.dtype == torch.bfloat16 else array
            return self._bytes_of("tensor", array.numpy())
        if pandas and isinstance(value, pandas.Index):
            return ["index", self.encode(value.to_numpy(), depth + 1)]
        if pandas and isinstance(value, pandas.Series):
            parts = (value.to_numpy(), value.index.to_numpy(), value.name)
            return ["series", *(self.encode(part, depth + 1) for part in parts)]
        if pandas and isinstance(value, pandas.DataFrame):
            columns = [value.iloc[:, i].to_numpy() for i in range(value.shape[1])]
            return [
                "frame",
                *(self.encode(p, depth + 1) for p in (columns, list(value.columns), value.index.to_numpy())),
            ]
        return ["kept", self.keep(value), kind.__module__, kind.__qualname__]

    def _bytes_of(self, name, array):
        array = np.ascontiguousarray(array).reshape(array.shape)
        start, self.position = self.position, self.position + array.nbytes
        self.blobs.append(array.tobytes())
        return [name, array.dtype.str, list(array.shape), start]


def read(head, rest, kept):
    """The dict of a frame from a room. kept: makes of (number, module, name) what stands for a thing that stayed there.

    Raises: Torn for anything that `Writer` does not write.
    """
    try:
        message = json.loads(head)
        return {str(key): _decode(value, rest, kept) for key, value in message.items()}
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, MemoryError) as error:
        raise Torn("the process sent what is no answer") from error


def _decode(value, rest, kept):
    if type(value) in PLAIN:
        return value
    name, *parts = value

    def inner(one):
        return _decode(one, rest, kept)

    if name in ("list", "tuple", "set", "frozenset"):
        return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[name](map(inner, parts[0]))
    if name == "dict":
        return {inner(key): inner(one) for key, one in parts[0]}
    if name == "complex":
        return complex(*parts)
    if name == "kept":
        return kept(int(parts[0]), str(parts[1]), str(parts[2]))
    if name == "objects":
        array = np.empty(len(parts[0]), dtype=object)
        for i, one in enumerate(parts[0]):
            array[i] = inner(one)
        return array
    if name in ("array", "scalar", "tensor"):
        return _array(name, *parts, rest)
    import pandas

    if name == "index":
        return pandas.Index(inner(parts[0]))
    if name == "series":
        return pandas.Series(inner(parts[0]), index=inner(parts[1]), name=inner(parts[2]))
    if name == "frame":
        columns, names, index = map(inner, parts)
        made = pandas.DataFrame(dict(enumerate(columns)), index=index)
        made.columns = names
        return made
    raise ValueError(name)


def _array(name, kind, shape, start, rest):
    dtype = np.dtype(str(kind))
    shape = tuple(int(n) for n in shape)
    if dtype.kind not in KINDS or min(shape, default=0) < 0 or start < 0:
        raise ValueError(kind)
    count = math.prod(shape)
    if dtype.itemsize == 0 or start + count * dtype.itemsize > len(rest):
        raise ValueError("too short")
    array = np.frombuffer(rest, dtype, count, start).reshape(shape).copy() if count else np.empty(shape, dtype)
    if name == "tensor":
        import torch

        return torch.from_numpy(array)
    return array[()] if name == "scalar" else array


class Pickler(pickle.Pickler):
    """A judge's words. `name(thing)` gives what the room knows a thing by, or None: then it is pickled."""

    def __init__(self, file, name):
        super().__init__(file, protocol=5)
        self.persistent_id = name


def pickled(message, name):
    """A judge's message as bytes. Raises: whatever pickle raises for what cannot be pickled."""
    file = io.BytesIO()
    Pickler(file, name).dump(message)
    return file.getvalue()
