"""`hazelnut-ae start`: a first look, then the whole of it once, and nothing twice."""

import io
import sys

import pytest

from hazelnut_ae import dataset, figures, results
from hazelnut_ae.cli import main
from hazelnut_ae.course import start
from hazelnut_ae.engine import trainer
from hazelnut_ae.inference import evaluate
from hazelnut_ae.synthetic import writing


def stop(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.slow
def test_start_goes_on_after_a_kill_in_each_stage_and_does_nothing_twice(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stages = [(writing, "_paint_in_processes"), (dataset, "load"), (trainer.training, "train")]
    for module, name in [*stages, (results, "evaluate"), (evaluate, "figures")]:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, stop)
            assert main(["start", "--preset", "tiny"]) == 130, name
        assert capsys.readouterr().out.startswith("First look: ")
    run, pictures = tmp_path / "runs" / "synthetic_hazelnuts-tiny", tmp_path / "figures"
    assert (run / "results.json").is_file()
    for module, name in ((writing, "_paint_in_processes"), (results, "evaluate")):
        monkeypatch.setattr(module, name, stop)  # both are finished
    monkeypatch.setattr(trainer.training, "train", lambda *_: (step for step in ()))  # no step is left to do
    weights = (run / "model.safetensors").read_bytes()
    assert main(["start", "--preset", "tiny"]) == 0
    assert "pixel AUROC" in capsys.readouterr().out
    assert {"first_look.png", "figure_00_defects_found.png"} <= {path.name for path in pictures.iterdir()}
    assert (run / "model.safetensors").read_bytes() == weights


def test_your_own_images_come_after_the_first_look(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(start.select, "select", lambda *_: pytest.fail("nobody sits at a terminal"))
    monkeypatch.setenv("DISPLAY", ":0")
    assert main(["start", "--data", "nowhere", "--preset", "tiny"]) == 1
    said = capsys.readouterr()
    assert said.out.startswith(f"First look: {figures.Path('figures', 'first_look.png')}")
    assert (tmp_path / "figures" / "first_look.png").stat().st_size > 100_000
    assert "nowhere is not a folder" in said.err


@pytest.mark.parametrize("answer", ["\n", ""])
def test_at_a_terminal_it_offers_to_open_the_picture_once_and_waits_for_nobody(answer, tmp_path, monkeypatch):
    Terminal = type("Terminal", (io.StringIO,), {"isatty": lambda self: True})
    opened, waited, drawn = [], [], tmp_path / "figures"
    monkeypatch.setattr(start.webbrowser, "open", opened.append)
    monkeypatch.setattr(start.select, "select", lambda *_: (waited.append(_[3]), ([1] if answer else [],))[1])
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("DISPLAY", ":0")
    for _ in range(2):
        start.first_look(drawn, say=lambda line: None)
    assert waited == [start.SECONDS_TO_ANSWER]
    assert opened == ([(drawn / "first_look.png").as_uri()] if answer else [])


def test_pictures_that_cannot_be_written_are_one_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "figures").write_text("a file in the way")
    assert main(["start", "--preset", "tiny"]) == 1
    assert "first_look.png could not be written" in capsys.readouterr().err
