"""`hazelnut-ae start`: the whole of it once, and nothing twice."""

import pytest

from hazelnut_ae.cli import main
from hazelnut_ae.engine import trainer


@pytest.mark.slow
def test_start_does_all_of_it_and_a_second_call_trains_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["start", "--preset", "tiny"]) == 0
    said = capsys.readouterr().out
    assert "Painting synthetic hazelnuts into" in said
    assert "pixel AUROC" in said
    run = tmp_path / "runs" / "synthetic_hazelnuts-tiny"
    assert (run / "results.json").is_file()
    assert (tmp_path / "figures" / "figure_00_defects_found.png").is_file()
    weights = (run / "model.safetensors").read_bytes()
    monkeypatch.setattr(trainer.training, "train", lambda *_: (step for step in ()))  # no step is left to do
    assert main(["start", "--preset", "tiny"]) == 0
    assert (run / "model.safetensors").read_bytes() == weights


def test_a_folder_that_does_not_exist_is_one_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["start", "--data", "nowhere", "--preset", "tiny"]) == 1
    assert "nowhere is not a folder" in capsys.readouterr().err
