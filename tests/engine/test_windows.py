"""All commands on a machine that behaves like Windows (`tests/windows/sitecustomize.py`).

The workflow runs on Windows itself; these tests fail on every machine if something cannot work there.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hazelnut_ae.engine import checkpoints

SHIM = Path(__file__).resolve().parents[1] / "windows"
LIKE_WINDOWS = {"PYTHONPATH": os.pathsep.join([str(SHIM), str(SHIM.parents[1])])}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="what is open is read from /proc"),
]

ALL_COMMANDS = """
import multiprocessing, os, sys
from pathlib import Path

if __name__ == "__main__":
    assert os.environ["LIKE_WINDOWS"] == "yes" and not hasattr(os, "link")
    with Path(sys.argv[1], "held").open("w") as held:
        try:
            os.unlink(held.name)
            sys.exit("a file that is open was removed")
        except OSError:
            pass  # refused by Windows and its imitation
    multiprocessing.set_start_method("spawn")
    from hazelnut_ae.cli import main
    from hazelnut_ae.io import cache
    cache.HOLD_IN_MEMORY = 0  # sets stay on the disk, mapped, as large ones do
    place = Path(sys.argv[1])
    data, run = str(place / "my nuts τ"), str(place / "run")
    for command in (
        ["synthesize", data, "--preset", "tiny"],
        ["check", data],
        ["train", data, "--run", run, "--preset", "tiny", "--epochs", "1", "--latent", "8"],
        ["evaluate", data, "--run", run, "--json", str(place / "first.json")],
        ["figures", data, "--run", run, "--out", str(place / "figures")],
        ["train", data, "--run", run, "--preset", "tiny", "--epochs", "2", "--latent", "8", "--resume"],
        ["compare", data, "--run", run, "--systems", "ae-l2", "--setting", "tiny"],
        ["predict", str(Path(data) / "test"), "--run", run, "--out", str(place / "found")],
        ["predict", data, "--run", run, "--out", str(place / "found")],  # goes on with more images
    ):
        assert main(command) == 0, command
    nut = Path(data) / "train" / "good" / "000.png"
    nut.write_bytes((nut.parent / "001.png").read_bytes())  # the cached set now has another source
    assert main(["evaluate", data, "--run", run, "--json", str(place / "first.json")]) == 0
    assert list(Path(os.environ["HAZELNUT_CACHE"]).rglob("set.json")), "the cache was not written"
"""


def test_the_whole_way_works_where_windows_refuses(tmp_path):
    script = tmp_path / "all_commands.py"
    script.write_text(ALL_COMMANDS, encoding="utf-8")
    environment = {**os.environ, **LIKE_WINDOWS, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    environment |= {"HAZELNUT_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode("cp1252", "replace")[-3000:]
    assert b"No problem found" in done.stdout


def test_the_previous_checkpoint_is_kept_without_hard_links(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "checkpoint.pt"
    for step in (1, 2):
        checkpoints.save(path, {name: {} for name in checkpoints.NEEDS} | {"losses": [0.5] * step})
    assert len(checkpoints.load(path)["losses"]) == 2
    path.write_bytes(b"damaged")
    assert len(checkpoints.load(path)["losses"]) == 1


def test_a_console_without_greek_letters_ends_no_program():
    code = "from hazelnut_ae.io.files import print_anywhere; print_anywhere(); print('τ = 0.2')"
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONPATH": str(SHIM.parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert (done.returncode, done.stdout.strip()) == (0, b"? = 0.2")
