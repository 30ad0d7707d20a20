"""The cache folder: names, listing and clearing."""

import filelock
import pytest

from hazelnut_ae import cli
from hazelnut_ae.io import cache


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HAZELNUT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def keep(category, size=1000, **inputs):
    """Something in the cache, as a folder with one file."""
    path = cache.entry(category, 1, **inputs)
    path.mkdir(parents=True)
    (path / "content").write_bytes(bytes(size))
    return path


def test_a_name_depends_on_category_version_and_inputs_only(folder):
    one = cache.entry("runs", 1, preset="tiny", seed=0)
    assert one == cache.entry("runs", 1, seed=0, preset="tiny")
    others = [("runs", 2, {"preset": "tiny", "seed": 0}), ("runs", 1, {"preset": "tiny", "seed": 1})]
    others += [("banks", 1, {"preset": "tiny", "seed": 0}), ("runs", 1, {"preset": "tiny"})]
    assert len({one, *(cache.entry(name, version, **inputs) for name, version, inputs in others)}) == 5
    assert one.parent == folder / "runs"
    assert not folder.exists()
    with pytest.raises(TypeError):
        cache.entry("runs", 1, data=object())


def test_the_command_lists_and_clears_one_category_or_all(folder, capsys):
    assert cli.main(["cache"]) == 0
    assert "0 entries" in capsys.readouterr().out
    run, bank = keep("runs", 2_000_000), keep("banks")
    assert cli.main(["cache"]) == 0
    listed = capsys.readouterr().out
    assert run.name in listed
    assert "2.0 MB" in listed
    assert cli.main(["cache", "--clear", "banks"]) == 0
    assert "Removed 1 of 1" in capsys.readouterr().out
    assert (run.exists(), bank.exists()) == (True, False)
    assert cli.main(["cache", "--clear", "banks"]) == 1
    assert "no category 'banks'; it has: runs." in capsys.readouterr().err
    assert cli.main(["cache", "--clear"]) == 0
    assert run.name in capsys.readouterr().out  # says what goes
    assert not run.exists()


def test_links_are_not_followed_and_files_of_others_stay(folder, tmp_path):
    run = keep("runs")
    outside = tmp_path / "outside"
    (outside / run.name).mkdir(parents=True)
    precious = outside / run.name / "thesis.txt"
    precious.write_text("years of work")
    (folder / "linked").symlink_to(outside)  # a category that is a link
    (run / "inside").symlink_to(outside)  # a link in an entry
    (folder / "runs" / "0123456789ab").symlink_to(outside)  # an entry that is a link
    (folder / "runs" / "holidays").mkdir()
    (folder / "accepted_licenses.txt").write_text("CC0")
    assert cli.main(["cache", "--clear"]) == 0
    assert precious.read_text() == "years of work"
    assert sorted(path.name for path in folder.iterdir()) == ["accepted_licenses.txt", "linked", "runs"]
    assert [path.name for path in (folder / "runs").iterdir() if path.suffix != ".lock"] == ["holidays"]


def test_what_is_in_use_stays_and_a_cache_that_cannot_be_read_is_named(folder, monkeypatch, capsys):
    run = keep("runs")
    with filelock.FileLock(f"{run}.lock"):
        assert cli.main(["cache", "--clear"]) == 1
    assert "another program uses it" in capsys.readouterr().out
    monkeypatch.setenv("HAZELNUT_CACHE", str(run / "content"))
    assert cli.main(["cache"]) == 1
    assert str(run / "content") in capsys.readouterr().err
