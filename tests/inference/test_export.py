"""One ONNX file that says what the run says, and a program that uses it without torch."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from spots import tree
from torch import nn

import hazelnut_ae
from hazelnut_ae import shipped
from hazelnut_ae.cli import main
from hazelnut_ae.engine.calibration import Calibration
from hazelnut_ae.errors import DataError
from hazelnut_ae.inference import export
from hazelnut_ae.inference.loaded import LoadedDetector
from hazelnut_ae.metrics import image_scores

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

RUN = shipped.FOLDER / "article"
EXAMPLE = re.search(
    r"```python\n(.*?)```", (Path(export.__file__).parent / "README.md").read_text(encoding="utf-8"), re.S
)[1]


def command(*arguments):
    return main(["export", *[str(argument) for argument in arguments]])


def session_of(file):
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


def outputs(file, images):
    return dict(zip(export.OUTPUTS, session_of(file).run(list(export.OUTPUTS), {"images": images}), strict=True))


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    """The run that comes along, exported."""
    file = tmp_path_factory.mktemp("exported") / "part.onnx"
    assert command("--run", RUN, file) == 0
    return file


@pytest.fixture
def native():
    return hazelnut_ae.load_detector(RUN)


def test_it_decides_as_the_run_does_on_every_test_image(painted, part, native):
    images = painted.test.images
    found = export.differences(native, part.read_bytes(), images)
    assert found.images == 10
    assert found.decisions == 0
    assert max(found.maps, found.scores) < 1e-4
    got = outputs(part, images[:9])
    assert set(got["defective"].tolist()) == {False, True}
    np.testing.assert_array_equal(got["masks"], got["maps"] > np.float32(native.tau))
    np.testing.assert_array_equal(got["defective"], got["scores"] > native.image_tau)
    np.testing.assert_allclose(got["scores"], image_scores(got["maps"]), rtol=1e-12)


def test_both_thresholds_are_in_it_as_outputs_and_as_text(part, native):
    got = outputs(part, np.zeros((1, 3, 256, 256), np.uint8))
    assert (got["tau"], got["image_tau"]) == (np.float32(native.tau), native.image_tau)
    texts = session_of(part).get_modelmeta().custom_metadata_map
    assert (float(texts["tau"]), float(texts["image_tau"])) == (native.tau, native.image_tau)
    assert float(texts["false_alarms"]) == native.calibration.false_alarms
    assert "uint8 in 0 … 255" in texts["images"]


@pytest.mark.parametrize("count", [1, 2, 33])
def test_any_number_of_images(part, count):
    images = np.random.default_rng(count).integers(0, 256, (count, 3, 256, 256), dtype=np.uint8)
    got = outputs(part, images)
    assert [(name, got[name].shape, got[name].dtype) for name in export.OUTPUTS] == [
        ("scores", (count,), np.float64),
        ("defective", (count,), bool),
        ("maps", (count, 256, 256), np.float32),
        ("masks", (count, 256, 256), bool),
        ("tau", (), np.float32),
        ("image_tau", (), np.float64),
    ]
    np.testing.assert_allclose(got["maps"][-1:], outputs(part, images[-1:])["maps"], atol=1e-5)


def test_float_images_give_the_same(tmp_path, part, capsys):
    file = tmp_path / "float.onnx"
    assert command("--run", RUN, file, "--input", "float32") == 0
    assert re.search(r"on 5 images maps within \de-0\d and the same decisions\.$", capsys.readouterr().out.strip())
    images = export.check_images()
    got, expected = outputs(file, images.astype(np.float32) / 255), outputs(part, images)
    for name in export.OUTPUTS:
        np.testing.assert_array_equal(got[name], expected[name])
    assert "float32 in [0, 1]" in session_of(file).get_modelmeta().custom_metadata_map["images"]


def test_given_thresholds_are_the_ones_in_it(tmp_path, tiny_run):
    run = shutil.copytree(tiny_run.folder, tmp_path / "run")
    (run / "thresholds.json").unlink()
    file = tmp_path / "part.onnx"
    assert command("--run", run, file) == 1
    assert command("--run", run, file, "--tau", "0.25", "--image-tau", "0.5") == 0
    got = outputs(file, np.zeros((1, 3, 256, 256), np.uint8))
    assert (got["tau"], got["image_tau"]) == (0.25, 0.5)


class Bank(nn.Module):
    """In the manner of a memory bank: distances of small patches to the nearest of a few, enlarged and blurred."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("bank", torch.rand(50, 48, generator=generator))

    def forward(self, x):
        patches = nn.functional.unfold(x, 4, stride=4).transpose(1, 2)  # [N, 4096, 48]
        products = patches @ self.bank.T  # [N, 4096, 50]
        squares = patches.square().sum(2, keepdim=True) + self.bank.square().sum(1) - 2 * products
        nearest = squares.clamp(min=0).sqrt().amin(2).unflatten(1, (1, 64, 64))  # [N, 1, 64, 64]
        large = nn.functional.interpolate(nearest, scale_factor=4, mode="bilinear", align_corners=False)
        return nn.functional.avg_pool2d(large, 5, stride=1, padding=2)[:, 0]  # [N, 256, 256]


class BankDetector:
    """Another `Detector` with a network, whose scores are not in [0, 1]."""

    name = "bank"

    def map_network(self):
        return Bank()

    @torch.no_grad()
    def anomaly_maps(self, images):
        return Bank()(torch.as_tensor(images).float() / 255).numpy()

    def state(self):
        return Bank().state_dict()


def test_any_detector_with_a_network_can_be_exported(painted):
    images = painted.test.images
    scores = image_scores(BankDetector().anomaly_maps(images))
    detector = LoadedDetector(BankDetector(), Calibration(float(scores.mean()), float(np.median(scores))))
    found = export.differences(detector, export.onnx_bytes(detector), images)
    assert (found.images, found.decisions) == (10, 0)
    assert max(found.maps, found.scores) < 1e-4


def test_a_detector_that_is_no_network_is_one_sentence(redness):
    with pytest.raises(DataError, match="'redness' cannot be exported; it is no network"):
        export.onnx_bytes(redness)


def test_a_network_without_counterpart_is_one_sentence(redness):
    class Unknown(nn.Module):
        def forward(self, x):
            return torch.linalg.svdvals(x)

    redness.detector.map_network = Unknown
    with pytest.raises(DataError, match="'redness' cannot be exported"):
        export.onnx_bytes(redness)


def test_a_file_that_differs_is_not_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("hazelnut_ae.detection.Residual.forward", lambda self, x: (x - self.model(x)).abs()[:, 0])
    (tmp_path / "part.onnx").write_bytes(b"before")
    assert command("--run", RUN, tmp_path / "part.onnx") == 1
    assert "was not written: computed by onnxruntime its maps differ" in capsys.readouterr().err
    assert tree(tmp_path) == {"part.onnx": b"before"}


def test_bad_input_is_one_sentence(tmp_path, tiny_run, capsys):
    def sentence(*arguments):
        assert command(*arguments) == 1
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    run, file = tiny_run.folder, tmp_path / "part.onnx"
    assert "no finished run" in sentence("--run", tmp_path / "none", file)
    assert "does not end in .onnx" in sentence("--run", run, tmp_path / "part.pt")
    assert "does not end in .onnx" in sentence("--run", run, tmp_path)
    (tmp_path / "text").write_text("")
    assert "could not be written" in sentence("--run", run, tmp_path / "text" / "part.onnx")
    (tmp_path / "folder.onnx").mkdir()
    assert "could not be written" in sentence("--run", run, tmp_path / "folder.onnx")
    damaged = shutil.copytree(run, tmp_path / "run")
    (damaged / "model.safetensors").write_bytes(b"no weights")
    assert "is damaged" in sentence("--run", damaged, file)
    assert not file.exists()


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="needs a user who may not do everything")
def test_a_closed_folder_is_one_sentence(tmp_path, capsys):
    (tmp_path / "closed").mkdir(mode=0o500)
    assert command("--run", RUN, tmp_path / "closed" / "part.onnx") == 1
    assert "could not be written" in capsys.readouterr().err


def test_a_full_disk_leaves_nothing_behind(tiny_disk, capsys):
    assert command("--run", RUN, tiny_disk / "part.onnx") == 1
    assert "part.onnx could not be written (No space left on device)" in capsys.readouterr().err
    assert tree(tiny_disk) == {}


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_the_packages_it_says_how_to_get_them(package, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    assert command("--run", RUN, tmp_path / "part.onnx") == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert package in line
    assert 'pip install "hazelnut_ae[export]"' in line
    assert tree(tmp_path) == {}


def test_the_example_on_the_page_needs_no_torch_and_decides_alike(tmp_path, painted_folder, part, native):
    assert EXAMPLE.count("\n") <= 20
    assert 'InferenceSession("part.onnx")' in EXAMPLE
    for path in painted_folder.glob("test/*/*.png"):
        (tmp_path / "new_photos").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "new_photos" / f"{path.parent.name}_{path.name}")
    shutil.copy(part, tmp_path)
    blocked = "import sys; sys.modules['torch'] = sys.modules['hazelnut_ae'] = None\n"
    done = subprocess.run([sys.executable, "-c", blocked + EXAMPLE], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "new_photos").iterdir())
    decisions = native.predict(files).decisions
    words = ["defective" if decision else "good" for decision in decisions]
    said = done.stdout.splitlines()
    assert len(said) == 10
    assert [line.split()[1] for line in said] == words
    assert set(words) == {"good", "defective"}
