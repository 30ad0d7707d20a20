"""Checkpoints: the state of unfinished training, so that a kill or a full disk loses at most a minute."""

import hashlib
import json
import os
import zipfile
from contextlib import suppress

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from hazelnut_ae.errors import DataError
from hazelnut_ae.io.files import DAMAGE, atomic_path, first_line, replace

NEEDS = {"model", "optimizer", "config", "losses", "f1"}  # the names in a checkpoint; older ones lack "held_out"
PREVIOUS = ".previous.pt"  # checkpoint.pt is kept as checkpoint.previous.pt when the next one is written


def digest_of(state: dict) -> str:
    """Returns the SHA-256 of all tensors and values of a nested state; it detects damaged files."""
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


def save(path, state):
    """Writes a nested dict of tensors and values; keeps the previous file. Raises DataError on a full disk."""
    try:
        with atomic_path(path) as temporary:
            try:
                torch.save({**state, "digest": digest_of(state)}, temporary)
            except RuntimeError as error:  # torch's error for a full disk
                raise OSError("the disk is full or fails") from error
            if path.exists():
                replace(path, path.with_suffix(PREVIOUS))  # for `load`, if we are killed here
    except DataError as error:
        raise DataError(f"{error} The previous checkpoint is intact; free some space and use --resume.") from error


def load(path):
    """Returns the newest undamaged state that `save` wrote, None if there is none; never runs code from a file.

    Raises DataError if all files are damaged.
    """
    damage = []
    for place in filter(os.path.exists, (path, path.with_suffix(PREVIOUS))):
        try:
            with zipfile.ZipFile(place) as entries:
                if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.infolist()):
                    raise ValueError("it is compressed, but our checkpoints never are")  # may be a decompression bomb
            state = torch.load(place, map_location="cpu", weights_only=True)
            if not (isinstance(state, dict) and state.keys() >= NEEDS and isinstance(state["config"], dict)):
                raise ValueError("another program or another version wrote it")
            if state.pop("digest", None) != digest_of(state):
                raise ValueError("its checksum is wrong")
            if damage:
                print(f"{damage[0]} Continuing from the previous checkpoint.")
            return state
        except DAMAGE as error:
            damage.append(f"{place} is damaged ({first_line(error)}).")
    if damage:
        raise DataError(f"{damage[0]} Remove {path.parent} and train again; all checkpoints in it are damaged.")
    return None


def read_tensors(path, key):
    """Returns ({name: tensor}, facts) of a file; (None, {}) if it is missing, damaged or has another key."""
    with suppress(OSError, SafetensorError, KeyError, ValueError), safe_open(path, framework="pt") as file:
        about = file.metadata() or {}
        if about.get("key") == key:
            facts = json.loads(about["facts"])
            return {name: file.get_tensor(name).clone() for name in file.keys()}, facts  # not mapped
    return None, {}


def write_tensors(path, tensors, key, facts):
    """Writes {name: tensor} atomically, with a key that says what they are and a dict of facts."""
    with atomic_path(path) as temporary:
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(tensors, temporary, metadata={"key": key, "facts": json.dumps(facts)})
