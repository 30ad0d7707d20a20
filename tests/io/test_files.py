"""Atomic writes, and reading what may be damaged."""

import os

import pytest
import torch
from safetensors.torch import save_file

from hazelnut_ae.errors import DataError
from hazelnut_ae.io import files
from hazelnut_ae.io.images import opened


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "settings.json"
    files.write_json(path, {"a": "τ"})
    for error, raised in ((ZeroDivisionError(), ZeroDivisionError), (OSError(28, "No space left"), DataError)):
        with pytest.raises(raised), files.atomic_path(path) as temporary:
            half_a_write(temporary, error)
    assert files.read_json(path, "") == {"a": "τ"}
    assert os.listdir(tmp_path) == ["settings.json"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")
def test_weights_may_be_read_by_whom_the_umask_allows(tmp_path):
    mask = os.umask(0o027)
    try:
        with files.atomic_path(tmp_path / "weights.safetensors") as temporary:
            save_file({"a": torch.zeros(1)}, temporary)
    finally:
        os.umask(mask)
    assert (tmp_path / "weights.safetensors").stat().st_mode & 0o777 == 0o640


def half_a_write(path, error):
    path.write_text("half of")
    raise error


def test_json_that_is_damaged_is_refused_with_the_remedy(tmp_path):
    path = tmp_path / "settings.json"
    for content in (None, "", "[]", "17", "[" * 50_000, "\udcff"):
        if content is not None:
            path.write_bytes(content.encode(errors="surrogateescape"))
        with pytest.raises(DataError, match=r"settings\.json cannot be read \(.*\); train again\."):
            files.read_json(path, "train again.")


def test_a_folder_or_nothing_in_place_of_an_image_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "nothing.png"):
        with pytest.raises(DataError, match=r"cannot be opened .*; name an image file that you may read"), opened(path):
            pass
