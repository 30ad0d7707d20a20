"""What import-linter cannot check: short modules, one training loop, one place for colours."""

from pathlib import Path

import hazelnut_ae
from hazelnut_ae import figures

PACKAGE = Path(hazelnut_ae.__file__).parent
ROOT = PACKAGE.parent
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = sorted((ROOT / "notebooks" / "source").glob("[0-9]*.py"))


def lines_in(folder):
    return sum(path.read_text(encoding="utf-8").count("\n") for path in (ROOT / folder).rglob("*.py"))


def test_the_house_stays_small():
    assert lines_in("hazelnut_ae") <= 9500
    assert lines_in("tests") <= 9000
    for path in MODULES:
        assert path.read_text(encoding="utf-8").count("\n") <= 300, path


def test_the_training_loop_has_one_place():
    """`loss.backward()` is called in training.train, and where two networks learn against each other."""
    places = [path.relative_to(PACKAGE).as_posix() for path in MODULES if ".backward()" in path.read_text("utf-8")]
    assert places == ["comparison/anogan.py", "training.py"]


def test_colours_of_defects_have_one_place():
    for path in [*MODULES, *SOURCES]:
        text = path.read_text(encoding="utf-8").upper()
        for style in figures.DEFECT_STYLE.values():
            assert path.name == "figures.py" or style["color"] not in text, path.name
