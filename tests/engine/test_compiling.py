"""Whether a step is compiled: asked of the machine once, remembered, and done without where it cannot be."""

import json

import pytest
import torch

from hazelnut_ae import training
from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.engine import compiling

BATCH = torch.zeros(2, 3, 256, 256, dtype=torch.uint8)
FOUND = {"compile_s": 30.0, "from_cache_s": 3.0, "eager_s": 0.40, "compiled_s": 0.32}


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HAZELNUT_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "as torch sets it")  # and as it was afterwards
    return tmp_path


def pays(steps):
    return compiling.pays(steps, Autoencoder(4), training.l2_loss, BATCH, "cpu", "float32")


def test_a_short_run_asks_nothing(monkeypatch):
    monkeypatch.setattr(compiling, "measure", lambda *_: pytest.fail("measured for nothing"))
    assert not pays(compiling.ASK_FROM_STEPS - 1)


def test_a_long_run_measures_once_and_goes_by_what_it_found(own_cache, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(compiling, "measure", lambda *_: asked.append(1) or FOUND)
    assert pays(3000)
    assert pays(3000)
    assert len(asked) == 1
    assert capsys.readouterr().out.count("Trying whether") == 1


def test_where_compiling_saves_nothing_it_is_not_done(own_cache, monkeypatch):
    monkeypatch.setattr(compiling, "measure", lambda *_: FOUND | {"compiled_s": 0.41})
    assert not pays(1_000_000)


def test_what_was_measured_on_another_kind_of_machine_does_not_count(own_cache, monkeypatch):
    monkeypatch.setattr(compiling, "measure", lambda *_: FOUND)
    assert pays(3000)
    threads = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads + 1)
    monkeypatch.setattr(compiling, "measure", lambda *_: FOUND | {"compiled_s": 0.41})
    assert not pays(3000)
    assert len(json.loads((own_cache / "compiled" / "measured.json").read_text())) == 2


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 3}'])
def test_a_damaged_memory_is_measured_again(own_cache, monkeypatch, content):
    (own_cache / "compiled").mkdir()
    (own_cache / "compiled" / "measured.json").write_text(content)
    monkeypatch.setattr(compiling, "measure", lambda *_: FOUND)
    assert pays(3000)
    assert json.loads((own_cache / "compiled" / "measured.json").read_text())


def test_without_a_compiler_training_goes_on(own_cache, monkeypatch, capsys):
    def no_compiler(*_, **__):
        raise RuntimeError("no C++ compiler found\nand much more")

    monkeypatch.setattr(compiling, "measure", no_compiler)
    assert not pays(3000)
    assert "(no C++ compiler found); going on without" in capsys.readouterr().out
    monkeypatch.setattr(torch, "compile", lambda *_, **__: no_compiler)
    loss = compiling.compiled_or_not(training.l2_loss)
    model = Autoencoder(4)
    assert loss(model, BATCH).item() == training.l2_loss(model, BATCH).item()
    loss(model, BATCH)
    assert capsys.readouterr().out.count("going on without") == 1


@pytest.mark.slow
def test_measured_and_compiled_for_real(own_cache, monkeypatch):
    """The code lands in the cache folder, and ten compiled steps follow the eager ones within 1 %."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(own_cache / "torchinductor_root"))  # as torch does
    found = compiling.measure(Autoencoder(4), training.l2_loss, BATCH, "cpu", "float32", turns=1)
    assert found.keys() == FOUND.keys()
    assert found["from_cache_s"] < found["compile_s"]
    assert any((own_cache / "compiled" / "code").rglob("*.so"))
    curves = []
    for function in (training.l2_loss, compiling.compiled_or_not(training.l2_loss)):
        torch.manual_seed(0)
        model = Autoencoder(4)
        optimizer = torch.optim.Adam(model.parameters(), 1e-4)
        images = torch.randint(0, 256, (2, 3, 256, 256), dtype=torch.uint8)
        curves.append([float(loss) for loss in training.train(model, optimizer, [images] * 10, function)])
    assert curves[1] == pytest.approx(curves[0], rel=0.01)
