"""The graph of a run: the same numbers as PyTorch, and what happens to a stale, a damaged or an unwritable file."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from hazelnut_ae import backbones, cli
from hazelnut_ae.detection import reconstruct, residual
from hazelnut_ae.engine import bank_trainer, calibration, runs
from hazelnut_ae.graph import onnx_bytes
from hazelnut_ae.neighbours import nearest_distances
from hazelnut_ae.patchcore import Maps
from hazelnut_ae.presets import PRESETS
from hazelnut_ae.training import to_float

SMALL = dict(side=128, coarse_side=128, candidates=3000, size=1000)  # enough rows for the projection


@pytest.fixture(scope="module")
def bank_run(painted, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        torch.manual_seed(0)
        patch.setattr("hazelnut_ae.patchcore.imagenet_stages", lambda: backbones.empty_stages("efficientnet-lite0"))
        return bank_trainer.train_run(painted, tmp_path_factory.mktemp("bank") / "run", PRESETS["tiny"], **SMALL)


def test_both_detectors_say_what_pytorch_says(bank_run, tiny_run, painted):
    images = np.concatenate([painted.test.images, painted.train.images[:2]])
    with torch.no_grad():
        parts = [Maps(bank_run.detector.banks, nearest_distances)(to_float(image[None])) for image in images]
    in_torch = [torch.cat(part).numpy() for part in zip(*parts, strict=True)]
    found = bank_run.detector.predict(images)
    np.testing.assert_allclose(found.anomaly_maps, in_torch[0], atol=1e-4)
    np.testing.assert_allclose(found.image_scores, in_torch[1], atol=1e-4)
    image_tau = calibration.read(bank_run.folder, bank_run.detector).image_tau
    np.testing.assert_array_equal(found.image_scores > image_tau, in_torch[1] > image_tau)
    maps = residual(images, reconstruct(tiny_run.model, images))
    np.testing.assert_allclose(tiny_run.detector.predict(images).anomaly_maps, maps, atol=1e-5)


def test_a_stale_or_damaged_graph_is_made_anew(run_copy, bank_run, painted, monkeypatch):
    path, images = run_copy.folder / "graph.safetensors", painted.test.images[:2]
    whole, expected = path.read_bytes(), run_copy.detector.anomaly_maps(images)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    other = (bank_run.folder / "graph.safetensors").read_bytes()
    for content in (b"", whole[:-100], bytes(flipped), other, None):
        path.unlink() if content is None else path.write_bytes(content)
        for make in (onnx_bytes, lambda *_: pytest.fail("made again")):
            monkeypatch.setattr(runs, "onnx_bytes", make)
            np.testing.assert_array_equal(runs.load_run(run_copy.folder).detector.anomaly_maps(images), expected)


def test_a_folder_that_cannot_be_written_has_its_graph_in_the_cache_or_in_memory(
    run_copy, painted, tmp_path, monkeypatch
):
    images, expected = painted.test.images[:2], run_copy.detector.anomaly_maps(painted.test.images[:2])
    (run_copy.folder / "graph.safetensors").unlink()
    (run_copy.folder / "graph.safetensors").mkdir()  # nothing can be written there, not even by root
    (tmp_path / "file").write_text("no folder")
    for cache in (tmp_path / "cache", tmp_path / "file"):
        monkeypatch.setenv("HAZELNUT_CACHE", str(cache))
        np.testing.assert_array_equal(runs.load_run(run_copy.folder).detector.anomaly_maps(images), expected)
    monkeypatch.setenv("HAZELNUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(runs, "onnx_bytes", lambda *_: pytest.fail("made again"))
    np.testing.assert_array_equal(runs.load_run(run_copy.folder).detector.anomaly_maps(images), expected)
    assert cli.main(["cache", "--clear", "graphs"]) == 0
    assert not list((tmp_path / "cache" / "graphs").glob("*.safetensors"))


def test_two_processes_make_it_at_once(run_copy, painted):
    before = {path.name for path in run_copy.folder.iterdir()}
    (run_copy.folder / "graph.safetensors").unlink()
    code = f"import hazelnut_ae, numpy as np; d = hazelnut_ae.load_detector({str(run_copy.folder)!r})\n"
    code += "print(d.predict(np.full((2, 9, 9, 3), 90, np.uint8)).scores.tolist())"
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {one.communicate()[0] for one in both}
    assert len(said) == 1
    assert "[" in said.pop()
    assert {path.name for path in run_copy.folder.iterdir()} == before
