"""What the tests of runs share: a copy of the tiny run, which a test may damage."""

import shutil

import pytest

from hazelnut_ae.engine import runs


@pytest.fixture
def run_copy(tiny_run, tmp_path):
    """The tiny run in a folder of its own."""
    return runs.load_run(shutil.copytree(tiny_run.folder, tmp_path / "copy"))
