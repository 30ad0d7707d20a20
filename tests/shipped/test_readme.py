"""The pages of numbers are what the files beside them say, and every page's links lead somewhere."""

import json
import re
import shutil
from pathlib import Path

import pytest

from hazelnut_ae import cli, shipped
from hazelnut_ae.shipped import report

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "hazelnut_ae").glob("*/README.md"))]


def test_the_page_of_numbers_is_what_the_files_say():
    remedy = "run python -m hazelnut_ae.shipped"
    assert (shipped.FOLDER / "README.md").read_text(encoding="utf-8") == report.page(), remedy


def test_another_number_in_a_file_is_another_page(tmp_path, monkeypatch):
    folder = tmp_path / "shipped"
    shutil.copytree(shipped.FOLDER, folder)
    monkeypatch.setattr(shipped, "FOLDER", folder)
    before = report.page()
    path = folder / "measured" / "transistor.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    result["pixels"]["auroc"] += 0.01
    path.write_text(json.dumps(result), encoding="utf-8")
    assert report.page() != before


def test_every_set_is_shipped_and_described():
    assert list(report.results()) == list(report.SETS) == list("abcde")
    for letter in report.results():
        assert f"({letter}) {report.SETS[letter].about}" in report.page()


def test_the_front_page_is_a_front_page():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        assert any(f"notebooks/{path.name}" in line for line in lines[:30]), path.name


def test_the_front_page_s_table_is_what_the_files_say():
    assert report.front_table() in README.read_text(encoding="utf-8")


def test_every_command_is_named_on_a_page():
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for command in commands():
        assert f"hazelnut-ae {command}" in pages, command


def commands():
    """The names of the command line's commands."""
    (action,) = (one for one in cli.parser()._actions if hasattr(one, "choices") and isinstance(one.choices, dict))
    return list(action.choices)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text) + re.findall(r'src="([^"]+)"', text)
    for target in targets:
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
