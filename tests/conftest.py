"""What the tests share: a tiny painted data set, a tiny run on it, and a cache of their own."""

import os
import shutil

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side; more threads would only fight

import pytest

from hazelnut_ae import dataset, synthetic
from hazelnut_ae.engine import runs
from hazelnut_ae.engine.trainer import train_run
from hazelnut_ae.presets import PRESETS


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test reads or fills the user's cache."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("HAZELNUT_CACHE", str(folder))
    for name in ("HAZELNUT_DATA", "HAZELNUT_PRESET", "HAZELNUT_FIGURES"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture(scope="session")
def painted_folder(tmp_path_factory):
    """The tiny preset's synthetic hazelnuts in MVTec layout."""
    folder = tmp_path_factory.mktemp("painted") / "hazelnuts"
    synthetic.write_dataset(folder, PRESETS["tiny"].counts, seed=0)
    return folder


@pytest.fixture(scope="session")
def painted(painted_folder, tmp_path_factory):
    """The same, loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HAZELNUT_CACHE", str(tmp_path_factory.mktemp("session_cache")))
        return dataset.load(painted_folder)


@pytest.fixture(scope="session")
def tiny_run(painted, tmp_path_factory):
    """A finished run of the tiny preset on the painted set."""
    return train_run(painted, tmp_path_factory.mktemp("run") / "run", PRESETS["tiny"])


@pytest.fixture
def run_copy(tiny_run, tmp_path):
    """The tiny run in a folder of its own."""
    return runs.load_run(shutil.copytree(tiny_run.folder, tmp_path / "copy"))


@pytest.fixture
def tiny_disk(tmp_path):
    """A real file system of 256 KiB, where the machine lets us mount one."""
    place = tmp_path / "tiny"
    place.mkdir()
    if os.system(f"mount -t tmpfs -o size=256k tmpfs '{place}' 2>/dev/null"):
        pytest.skip("mounting needs root")
    yield place
    os.system(f"umount -l '{place}'")
