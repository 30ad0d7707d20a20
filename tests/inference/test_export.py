"""One ONNX file that says what the run says, and a program that uses it without torch."""

import re
import shutil

import numpy as np
import onnxruntime
import pytest
import torch
from spots import tree
from torch import nn

import hazelnut_ae
from hazelnut_ae import shipped
from hazelnut_ae.cli import main
from hazelnut_ae.errors import DataError
from hazelnut_ae.inference import export
from hazelnut_ae.metrics import image_scores

RUN = shipped.FOLDER / "article"


def command(*arguments):
    return main(["export", *[str(argument) for argument in arguments]])


def outputs(file, images):
    """The outputs by name, and what the file says about itself."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    texts = session.get_modelmeta().custom_metadata_map
    return dict(zip(export.OUTPUTS, session.run(list(export.OUTPUTS), {"images": images}), strict=True)), texts


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    """The run that comes with the package, exported."""
    file = tmp_path_factory.mktemp("exported") / "part.onnx"
    assert command("--run", RUN, file) == 0
    return file


@pytest.fixture(scope="module")
def native():
    return hazelnut_ae.load_detector(RUN)


def test_it_decides_as_the_run_does_on_every_test_image(painted, part, native):
    images = painted.test.images
    found = export.differences(native, part.read_bytes(), images)
    assert (found.images, found.decisions) == (10, 0)
    assert max(found.maps, found.scores) < 1e-4
    got, texts = outputs(part, images[:9])
    assert set(got["defective"].tolist()) == {False, True}
    np.testing.assert_array_equal(got["masks"], got["maps"] > np.float32(native.tau))
    np.testing.assert_array_equal(got["defective"], got["scores"] > native.image_tau)
    np.testing.assert_allclose(got["scores"], image_scores(got["maps"]), rtol=1e-12)
    assert (float(texts["tau"]), float(texts["image_tau"])) == (native.tau, native.image_tau)
    assert (got["tau"], got["image_tau"]) == (np.float32(native.tau), native.image_tau)
    assert float(texts["false_alarms"]) == native.calibration.false_alarms
    assert "uint8 in 0 … 255" in texts["images"]


def test_any_number_of_images_as_bytes_or_floats(tmp_path, part, capsys):
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 256, 256), dtype=np.uint8)
    for count in (1, 5):
        got, maps = outputs(part, images[:count])[0], (count, 256, 256)
        assert [(got[name].shape, got[name].dtype) for name in export.OUTPUTS] == [
            *(((count,), np.float64), ((count,), bool), (maps, np.float32), (maps, bool)),
            *(((), np.float32), ((), np.float64)),
        ]
    np.testing.assert_allclose(got["maps"][-1:], outputs(part, images[-1:])[0]["maps"], atol=1e-5)
    file = tmp_path / "float.onnx"
    assert command("--run", RUN, file, "--input", "float32", "--tau", "0.25", "--image-tau", "0.5") == 0
    assert re.search(r"on 5 images maps within \de-0\d and the same decisions\.$", capsys.readouterr().out.strip())
    floats, texts = outputs(file, images.astype(np.float32) / 255)
    for name in ("maps", "scores"):
        np.testing.assert_array_equal(floats[name], got[name])
    assert (floats["tau"], floats["image_tau"]) == (0.25, 0.5)
    assert "float32 in [0, 1]" in texts["images"]


class Red(nn.Module):
    """What `Redness` computes, as a module."""

    def forward(self, x):
        return 10 + x[:, 0] * 10  # [N, 256, 256]


def test_any_detector_with_a_module_can_be_exported_and_one_without_is_one_sentence(redness, painted, monkeypatch):
    with pytest.raises(DataError, match="redness cannot be exported; choose a run of"):
        export.export_bytes(redness)

    class Unknown(nn.Module):
        def forward(self, x):
            return torch.linalg.svdvals(x)

    monkeypatch.setattr(redness.detector, "onnx_module", Unknown)
    with pytest.raises(DataError, match="'redness' cannot be exported"):
        export.export_bytes(redness)
    monkeypatch.setattr(redness.detector, "onnx_module", Red)
    found = export.differences(redness, export.export_bytes(redness), painted.test.images)
    assert (found.images, found.decisions) == (10, 0)
    assert max(found.maps, found.scores) < 1e-4


def test_a_file_that_differs_is_not_written(tmp_path, monkeypatch, capsys, part):
    other = hazelnut_ae.load_detector(RUN, image_tau=0.0)
    monkeypatch.setattr(export, "export_bytes", lambda *_, plain=export.export_bytes: plain(other))
    (tmp_path / "part.onnx").write_bytes(b"before")
    assert command("--run", RUN, tmp_path / "part.onnx") == 1
    assert "was not written: under onnxruntime its maps differ" in capsys.readouterr().err
    assert tree(tmp_path) == {"part.onnx": b"before"}


def test_bad_input_is_one_sentence(tmp_path, tiny_run, monkeypatch, capsys):
    def sentence(*arguments):
        assert command(*arguments) == 1
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    run, file = tiny_run.folder, tmp_path / "part.onnx"
    assert "no finished run" in sentence("--run", tmp_path / "none", file)
    assert "does not end in .onnx" in sentence("--run", run, tmp_path / "part.pt")
    assert "does not end in .onnx" in sentence("--run", run, tmp_path)
    damaged = shutil.copytree(run, tmp_path / "run")
    (damaged / "model.safetensors").write_bytes(b"no weights")
    assert "is damaged" in sentence("--run", damaged, file)
    (tmp_path / "text").write_text("")
    (tmp_path / "folder.onnx").mkdir()
    monkeypatch.setattr(export, "export_bytes", lambda detector, takes: b"")
    monkeypatch.setattr(export, "differences", lambda *_: export.Differences(5, 0.0, 0.0, 0))
    assert "could not be written" in sentence("--run", run, tmp_path / "text" / "part.onnx")
    assert "could not be written" in sentence("--run", run, tmp_path / "folder.onnx")
    assert not file.exists()
