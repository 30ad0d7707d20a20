from pathlib import Path

from floors import floors

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def test_every_requirement_has_a_floor():
    text = PROJECT.read_text(encoding="utf-8")
    found = dict(line.split("==") for line in floors(text, ["notebooks", "test"]))
    assert found["torch"].startswith("2.")
    assert {"numpy", "torch", "jupytext", "nbconvert", "pytest", "ruff"} <= set(found)
    needed = text[text.index("dependencies = [") : text.index("[project.optional-dependencies]")].count('\n    "')
    assert len(floors(text)) == needed
