"""The folder for a room without network: what is in it, and what it fits. Installing it is tried by hand."""

import json
import zipfile

import pytest

from hazelnut_ae.errors import DataError

import classroom


@pytest.fixture
def without_pip(monkeypatch):
    """pip, which needs a network, writes an empty wheel instead; the calls are kept."""
    calls = []

    def pip(command, *options):
        calls.append([command, *map(str, options)])
        if command == "wheel":
            (options[2] / "hazelnut_ae-0.1.0-py3-none-any.whl").write_bytes(b"")

    monkeypatch.setattr(classroom, "pip", pip)
    monkeypatch.setattr(classroom, "PAINTED", ("tiny",))
    monkeypatch.setenv("HAZELNUT_CACHE", "")  # build sets it
    return calls


@pytest.mark.slow
def test_the_folder_and_its_zip(tmp_path, without_pip):
    out, packed = classroom.build(tmp_path / "room", ["--extra-index-url", "somewhere"], say=lambda _: None)
    assert without_pip[1][-3:-1] == ["--extra-index-url", "somewhere"]
    assert without_pip[1][-1].endswith("hazelnut_ae-0.1.0-py3-none-any.whl[notebooks,imagenet]")
    for name in ("install.py", "install.sh", "lab.sh", "LICENSE", "notebooks/06_residual_thresholding.ipynb"):
        assert (out / name).is_file(), name
    assert b"\r\n" in (out / "install.bat").read_bytes()
    assert len(list((out / "notebooks" / "solutions").glob("*.ipynb"))) >= 9
    assert not (out / "notebooks" / "source").exists()
    assert list(out.glob("cache/painted/*/train/good/*.png"))
    made_for = json.loads((out / "classroom.json").read_text())
    text = (out / "README.txt").read_text(encoding="utf-8")
    assert f"on {made_for['system']} {made_for['machine']} with Python" in text
    assert "{" not in text
    with zipfile.ZipFile(packed) as archive:
        assert "room/install.py" in archive.namelist()


def test_it_does_not_overwrite_the_repository(without_pip, tmp_path, monkeypatch):
    with pytest.raises(DataError, match="holds the repository itself"):
        classroom.build(classroom.notebooks_folder().resolve().parent)
