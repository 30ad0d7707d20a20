"""The pages for teachers: map, glossary and plans fit the notebooks, the part is painted."""

import re
import runpy
from pathlib import Path

import nbformat
import numpy as np
import pytest

from hazelnut_ae import dataset

import slides

ROOT = Path(__file__).resolve().parents[2]
TEACH = ROOT / "book" / "teach"


def test_the_map_is_what_the_notebooks_say():
    drawn = runpy.run_path(str(TEACH / "draw_map.py"))["svg"]()
    remedy = "the notebooks name other needs now; run python book/teach/draw_map.py"
    assert (TEACH / "map.svg").read_text(encoding="utf-8") == drawn, remedy


def test_plans_name_sections_that_the_notebooks_have():
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "notebooks" / "source").glob("*.py")]
    headings = {line.rstrip("?") for text in sources for line in re.findall(r"^# ## (.+)$", text, re.M)}
    named = re.findall(r'[1-9],? (?:up to |and with |to )*"([^"]+)"', read("plans.md"))
    assert len(named) >= 10
    assert {quoted.rstrip(".,?") for quoted in named} <= headings
    links = [one for path in TEACH.glob("*.md") for one in re.findall(r"\]\(([^)#]+)\)", path.read_text("utf-8"))]
    for target in links:
        place = target.replace("../pages/", "../../") if target.startswith("../pages/notebooks/") else target
        assert (target.startswith("../") and place == target) or (TEACH / place).exists(), target


def test_the_one_lesson_s_slides_lie_in_the_sections_that_it_names():
    (path,) = (ROOT / "notebooks").glob("06_*.ipynb")
    headings, heading = {}, ""
    for cell in nbformat.read(path, as_version=4).cells:
        heading = (re.findall(r"^## (.+)$", cell.source, re.M) or [heading])[-1]
        for number, slide in enumerate(slides.read_slides(slides.TEXTS / "06.md"), start=1):
            if slide.where in cell.source:
                headings[number] = heading
    plan, section = {}, ""
    for name, first, last in re.findall(r"^\| [\d–]+ \| ([^|]+) \| (\d+)(?:–(\d+))? \|", read("plans.md"), re.M):
        section = section if name.startswith("the same") else name.strip('"')
        plan |= dict.fromkeys(range(int(first), int(last or first) + 1), section)
    assert plan == headings


@pytest.mark.slow
def test_the_part_that_is_no_hazelnut_is_a_data_set(tmp_path):
    script = runpy.run_path(str(TEACH / "paint_parts.py"))
    script["main"](tmp_path / "wheels")
    counts, problems, _ = dataset.check(tmp_path / "wheels")
    assert not problems
    assert counts == {"train/good": 30, "test/good": 6, "test/scratch": 5, "test/tooth": 5}
    picture, mask = script["paint"](np.random.default_rng(0), "tooth")
    assert picture.shape == (256, 256, 3)
    assert 100 < mask.sum() < 2000


def read(name):
    return (TEACH / name).read_text(encoding="utf-8")
