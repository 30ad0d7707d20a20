"""The files that start the course elsewhere: mybinder.org and Google Colab. Neither can be reached from a test."""

import os
import re
import subprocess
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def colab():
    book = nbformat.read(ROOT / "notebooks" / "colab.ipynb", as_version=4)
    nbformat.validate(book)
    return [cell.source for cell in book.cells if cell.cell_type == "code"]


@pytest.mark.slow
def test_colab_installs_this_package_and_shows_defects(colab, monkeypatch, tmp_path):
    install, look, lessons = colab
    project = (ROOT / "pyproject.toml").read_text()
    for extra in re.findall(r"\[([a-z]+)\]", install):
        assert f"\n{extra} = [" in project
    monkeypatch.setenv("HAZELNUT_PRESET", "tiny")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec("\n".join(look.splitlines()[:-1]), names)
    assert names["test"].defect_names == [names["test"].defects[row] for row in names["rows"]]
    assert eval(look.splitlines()[-1], names).axes  # the figure that the cell shows
    assert f"\n{lessons.removeprefix('!').split()[0]} = " in project


def test_binder_installs_what_pyproject_asks_for():
    text = (ROOT / ".binder" / "environment.yml").read_text()
    asked = (ROOT / "pyproject.toml").read_text()
    floors = re.findall(r"\b(?:torch|torchvision)>=[\d.]+", text.replace("pytorch-cpu", "torch"))
    assert len(floors) == 2
    for floor in floors:
        assert f'"{floor}"' in asked
    post_build = ROOT / ".binder" / "postBuild"
    assert os.access(post_build, os.X_OK)
    subprocess.run(["bash", "-n", str(post_build)], check=True)
    code = re.search(r'python -c "(.*)"', post_build.read_text())[1]
    compile(code, "postBuild", "exec")
