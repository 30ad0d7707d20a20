"""Where long work keeps its place, written so that a kill or a full disk costs a minute and not the work.

One store for all: the long run's checkpoint, a comparison system's unfinished fit (both by `save` and `load`), and
finished tensors with what was measured beside them (`write_tensors` and `read_tensors`).
"""

import copy
import hashlib
import json
import os
import time
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from hazelnut_ae.errors import DataError
from hazelnut_ae.io.files import DAMAGE, atomic_path, first_line, keep_copy


def digest_of(state):
    """SHA-256 over all tensors and numbers of a nested state, so that a flipped bit on the disk is noticed."""
    digest = hashlib.sha256()

    def add(value):
        if isinstance(value, dict):
            for key in sorted(value, key=str):
                digest.update(str(key).encode())
                add(value[key])
        elif isinstance(value, list | tuple):
            for one in value:
                add(one)
        elif isinstance(value, torch.Tensor):
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        else:
            digest.update(repr(value).encode())

    add(state)
    return digest.hexdigest()


def previous(path):
    """Where the checkpoint before this one stays: checkpoint.pt → checkpoint.previous.pt."""
    path = Path(path)
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def save(path, state):
    """Writes a nested dict of tensors and plain values; the one before it stays. Raises: DataError on a full disk."""
    path = Path(path)
    try:
        with atomic_path(path) as temporary:
            try:
                torch.save({**state, "digest": digest_of(state)}, temporary)
            except RuntimeError as error:  # what torch makes of a full disk
                raise OSError("the disk is full or fails") from error
            if path.exists():
                keep_copy(path, previous(path))
    except DataError as error:
        raise DataError(f"{error} The checkpoint before it is whole: make room, then go on with --resume.") from error


def load(path, remedy, needs=()):
    """The newest whole checkpoint at this path, or None where there is none.

    Never executes what a file holds (weights_only). needs: names that a state of this kind holds. Raises: DataError
    with the remedy if files are there but none of them is whole.
    """
    damage = []
    for place in (Path(path), previous(path)):
        if not os.path.exists(place):
            continue
        try:
            with zipfile.ZipFile(place) as entries:
                if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.infolist()):
                    raise ValueError("it is compressed, which ours never are")  # and may inflate without end
            state = torch.load(place, map_location="cpu", weights_only=True)
            if not isinstance(state, dict) or not all(name in state for name in needs):
                raise ValueError("it is of another kind or of another version")
            if state.pop("digest", None) != digest_of(state):
                raise ValueError("its checksum is wrong")
            if damage:
                print(f"{damage[0]} Going on from the checkpoint before it.")
            return state
        except DAMAGE as error:
            damage.append(f"{place} is damaged ({first_line(error)}).")
    if damage:
        raise DataError(f"{damage[0]} {remedy}")
    return None


class Checkpoint:
    """The place of a fit that may be interrupted. `key` says what is fitted: a file with another key is ignored."""

    def __init__(self, path, key, every_seconds=60):
        self.path, self.key, self.every_seconds = Path(path), key, every_seconds
        self.started = self.saved = time.monotonic()
        self.seconds_before = 0.0

    @property
    def seconds(self):
        """Time spent on this fit so far, in this process and in those it resumes."""
        return self.seconds_before + time.monotonic() - self.started

    def resume(self, **parts):
        """Loads modules and optimizers in place; returns the step to go on from, 0 if there is nothing.

        A damaged checkpoint, or one of another version, costs time, not the fit: one sentence, and it begins anew.
        """
        before = {name: copy.deepcopy(part.state_dict()) for name, part in parts.items()}
        try:
            saved = load(self.path, "The fit begins anew.", needs=("key", "step", "seconds", *parts))
            if saved is None or saved["key"] != self.key:
                return 0
            for name, part in parts.items():
                part.load_state_dict(saved[name])
        except DataError as damage:
            print(damage)
            return 0
        except DAMAGE as error:
            for name, part in parts.items():
                part.load_state_dict(before[name])
            print(f"{self.path} cannot be used ({first_line(error)}). The fit begins anew.")
            return 0
        self.seconds_before = saved["seconds"]
        return saved["step"]

    def save(self, step, **parts):
        """Saves after `step` steps, at most once in `every_seconds`."""
        if time.monotonic() - self.saved < self.every_seconds:
            return
        state = {name: part.state_dict() for name, part in parts.items()}
        save(self.path, state | {"key": self.key, "step": step, "seconds": self.seconds})
        self.saved = time.monotonic()

    def remove(self):
        """Called when the fit is done and kept elsewhere."""
        for place in (self.path, previous(self.path)):
            place.unlink(missing_ok=True)


def read_tensors(path, key):
    """({name: tensor}, facts) of a safetensors file, (None, {}) if there is none, it is damaged or has another key."""
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            if about.get("key") != key:
                return None, {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # nothing stays mapped
            return tensors, json.loads(about["facts"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None, {}


def write_tensors(path, tensors, key, facts):
    """Writes tensors atomically, with the key that says what they are and the facts measured beside them."""
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={"key": key, "facts": json.dumps(facts)})
