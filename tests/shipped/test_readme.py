"""The pages: the generated one says what the files say, the front page is short, and every link leads somewhere."""

import argparse
import json
import re
import shutil
from pathlib import Path

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import numbers
from benchmarks.numbers import ladder, report
from benchmarks.numbers.sets import SETS
from hazelnut_ae import cli
from hazelnut_ae.shipped import FOLDER

ROOT = Path(__file__).resolve().parents[2]
FRONT = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "hazelnut_ae").glob("*/README.md"))]


@pytest.fixture
def copy(tmp_path):
    """The shipped files in a folder of our own, without the weights."""
    return shutil.copytree(FOLDER, tmp_path / "shipped", ignore=shutil.ignore_patterns("*.safetensors", "__pycache__"))


def change(path, *keys, value):
    content = json.loads(path.read_text(encoding="utf-8"))
    block = content
    for key in keys[:-1]:
        block = block[key]
    block[keys[-1]] = value
    path.write_text(json.dumps(content), encoding="utf-8")


def test_the_committed_page_is_what_the_files_give():
    committed = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert committed == report.page(FOLDER), "write it anew: python -m benchmarks numbers"


def test_its_command_writes_the_page_and_prints_the_front_table(copy, monkeypatch, capsys):
    monkeypatch.setattr(numbers, "FOLDER", copy)
    (copy / "README.md").unlink()
    assert benchmarks.main(["numbers"]) == 0
    assert (copy / "README.md").read_bytes() == (FOLDER / "README.md").read_bytes()
    assert capsys.readouterr().out.strip() == report.front_table(FOLDER)


@pytest.mark.parametrize("one", [one for one in SETS if (FOLDER / one.file).is_file()], ids=lambda one: one.letter)
def test_a_changed_number_changes_the_page(copy, one):
    before = report.page(copy)
    change(copy / one.file, "pixels", "f1_label_free", value=0.111)
    after = report.page(copy)
    row = next(line for line in after.splitlines() if f"({one.letter}) | **all**" in line)
    assert "| 0.11 [" in row
    assert before.splitlines() != after.splitlines()
    assert f"on ({one.letter})" in after  # and the sentence on the label-free threshold with it
    assert report.label_free(copy) != report.label_free(FOLDER)


def test_changed_comparisons_and_rungs_change_the_page_and_missing_files_are_left_out(copy):
    change(copy / "measured" / "ladder_transistor.json", 5, "images", "auroc", value=0.123)
    path = copy / "measured" / "ladder_transistor.json"
    for end, value in (("low", -0.2), ("high", -0.1)):
        change(path, 1, "against_the_rung_before", f"image AUROC {end}", value=value)
    (row,) = (line for line in ladder.every_rung(copy).splitlines() if line.startswith("| PCA |"))
    assert row.split("|")[4].split()[2] == "↓"  # the third number, image AUROC, on (c)
    (copy / "measured" / "bench_avx2.json").write_text('{"step_vs_eager": 1.5, "precision": "float32"}')
    before, after = report.page(FOLDER), report.page(copy)
    for words in ("| 0.123 |", "1.500 |"):
        assert words in after
        assert words not in before
    for path in (copy / "measured").iterdir():
        path.unlink()
    text = report.page(copy)  # without an error
    assert "## How fast" not in text
    assert "(c) |" not in text


def test_the_front_page_is_short_links_every_notebook_and_has_the_table_of_the_files():
    assert FRONT.count("\n") <= 110
    assert report.front_table(FOLDER) in FRONT, "take it from: python -m benchmarks numbers"
    for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"):
        assert f"(notebooks/{path.name})" in FRONT


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    for link in links:
        if not re.match(r"https?:|#", link):
            assert (page.parent / link.split("#")[0]).exists(), link


def test_every_command_is_named_in_some_readme():
    actions = cli.parser()._actions
    commands = next(action.choices for action in actions if isinstance(action, argparse._SubParsersAction))
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in commands if f"hazelnut-ae {name}" not in text] == []
