"""`help(hazelnut_ae)` leads from each notebook to its code."""

import re
from pathlib import Path

import hazelnut_ae

PACKAGE = Path(hazelnut_ae.__file__).parent
NOTEBOOKS = sorted((PACKAGE.parent / "notebooks").glob("[0-9][0-9]_*.ipynb"))
WORDS = set(re.findall(r"\w+", hazelnut_ae.__doc__))


def test_every_notebook_is_on_the_map_with_files_that_exist():
    rows = dict(re.findall(r"^    (\d\d) [a-z ]+?  +(.+)$", hazelnut_ae.__doc__, re.MULTILINE))
    assert list(rows) == [path.name[:2] for path in NOTEBOOKS]
    for code in rows.values():
        for name in re.sub(r"\([^)]*\)", "", code).split(","):
            assert (PACKAGE / f"{name.strip()}.py").is_file() or (PACKAGE / name.strip()).is_dir(), name


def test_every_module_and_every_room_is_on_the_map():
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert modules | rooms <= WORDS
