"""`hazelnut-ae start`: the whole of it once, and nothing twice."""

import pytest

from hazelnut_ae.cli import main
from hazelnut_ae.course import start as starting
from hazelnut_ae.engine import trainer


@pytest.fixture
def books(tmp_path, monkeypatch):
    """A place with two small notebooks, one of them the one that start leaves for later."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HAZELNUT_RUN", raising=False)
    (tmp_path / "notebooks").mkdir()
    for name, code in (
        ("01_one.ipynb", "import os; print(os.path.exists(os.environ['HAZELNUT_RUN']))"),
        ("09_x.ipynb", "1/0"),
    ):
        nbformat.write(new_notebook(cells=[new_code_cell(code)]), tmp_path / "notebooks" / name)
    return tmp_path


@pytest.mark.slow
def test_start_does_all_of_it_and_a_second_call_nothing(books, capsys, monkeypatch):
    assert main(["start", "--preset", "tiny"]) == 0
    said = capsys.readouterr().out
    assert "Painting synthetic hazelnuts into" in said
    assert "pixel AUROC" in said
    assert (books / "runs" / "synthetic_hazelnuts-tiny" / "results.json").is_file()
    assert (books / "figures" / "figure_00_defects_found.png").is_file()
    assert "True" in (books / "tutorial" / "01_one.ipynb").read_text(encoding="utf-8")
    assert not (books / "tutorial" / "09_x.ipynb").exists()
    weights = (books / "runs" / "synthetic_hazelnuts-tiny" / "model.safetensors").read_bytes()
    monkeypatch.setattr(starting, "execute", lambda *_, **__: pytest.fail("executed twice"))
    monkeypatch.setattr(trainer.training, "train", lambda *_: (step for step in ()))  # no step is left to do
    assert main(["start", "--preset", "tiny"]) == 0
    assert "already there" in capsys.readouterr().out
    assert (books / "runs" / "synthetic_hazelnuts-tiny" / "model.safetensors").read_bytes() == weights


@pytest.mark.slow
def test_notebooks_that_changed_are_executed_again(books, painted_folder, capsys):
    assert main(["start", "--data", str(painted_folder), "--preset", "tiny"]) == 0
    path = books / "notebooks" / "01_one.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("import os", "import os; print('new')"), encoding="utf-8")
    assert main(["start", "--data", str(painted_folder), "--preset", "tiny"]) == 0
    assert "new" in (books / "tutorial" / "01_one.ipynb").read_text(encoding="utf-8")
    assert "Painting" not in capsys.readouterr().out


def test_a_folder_that_is_none_is_one_sentence(books, capsys):
    assert main(["start", "--data", "nowhere", "--preset", "tiny"]) == 1
    assert "nowhere is not a folder" in capsys.readouterr().err
