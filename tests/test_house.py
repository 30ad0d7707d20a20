"""The house as CONTRIBUTING describes it: lessons in front, engine behind, arrows one way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hazelnut_ae
from hazelnut_ae import figures

PACKAGE = Path(hazelnut_ae.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
LESSONS = [path for path in MODULES if path.parent == PACKAGE and path.stem not in ("__init__", "__main__", "cli")]
PLUMBING = {
    "ctypes",
    "threading",
    "concurrent",
    "multiprocessing",
    "signal",
    "socket",
    "mmap",
    "subprocess",
    "tempfile",
}


def by_name(path):
    return str(path.relative_to(PACKAGE))


def imports(path):
    """The dotted names that a module imports, those inside functions too; relative ones begin with a dot."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names |= {module} | {f"{module}.{one.name}" for one in node.names}
    return names


@pytest.mark.parametrize("path", LESSONS, ids=by_name)
def test_a_lesson_holds_no_plumbing_and_leads_into_no_other_course_room(path):
    found = imports(path)
    assert not {name.split(".")[0] for name in found} & PLUMBING
    for room in ("course", "studies", "comparison", "download"):
        assert not [name for name in found if name.startswith(f"hazelnut_ae.{room}")]


@pytest.mark.parametrize("path", MODULES, ids=by_name)
def test_nothing_imports_the_command_line_and_imports_are_absolute(path):
    found = imports(path)
    assert not [name for name in found if name.startswith(".")]
    if path.name != "__main__.py":
        assert "hazelnut_ae.cli" not in found


@pytest.mark.parametrize("path", MODULES, ids=by_name)
def test_a_module_stays_short_and_its_signatures_carry_no_annotations(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300
    tree = ast.parse(text)
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    protocols = [c for c in classes if any(getattr(base, "id", "") == "Protocol" for base in c.bases)]
    exempt = {id(function) for c in protocols for function in c.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and id(node) not in exempt:
            every = [*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs]
            assert node.returns is None, node.name
            assert not [one.arg for one in every if one.annotation], node.name


def test_metrics_figures_and_dataset_know_nothing_of_networks():
    code = "import sys; from hazelnut_ae import dataset, figures, metrics, results; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_training_loop_has_one_place():
    """`loss.backward()` stands in training.train, and where two networks learn against each other."""
    places = [by_name(path) for path in MODULES if ".backward()" in path.read_text(encoding="utf-8")]
    assert [place.replace("\\", "/") for place in places] == ["comparison/anogan.py", "studies/bench.py", "training.py"]


def test_colours_of_defects_stand_in_one_place():
    sources = [*MODULES, *(PACKAGE.parent / "notebooks" / "source").glob("*.py")]
    for path in sources:
        text = path.read_text(encoding="utf-8").upper()
        for style in figures.DEFECT_STYLE.values():
            assert path.name == "figures.py" or style["color"] not in text, path.name


def test_no_detector_is_asked_for_its_name():
    """No comparison of a system's name with a text, anywhere."""
    from hazelnut_ae.comparison.systems import SYSTEMS

    names = {*SYSTEMS, "article", "AE(L2)", "AE(SSIM)", "AnoGAN"}
    for path in MODULES:
        if path.name == "published.py" or "shipped" in path.parts:  # tables of other people's numbers
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                texts = {one.value for one in [node.left, *node.comparators] if isinstance(one, ast.Constant)}
                assert not texts & names, f"{by_name(path)}:{node.lineno}"
