"""A memory bank that reads photographs with their own pixels and in their own shape, from `train` to the ONNX file."""

import json
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import nn

import hazelnut_ae
from hazelnut_ae import backbones, dataset, graph, patchcore
from hazelnut_ae.cli import main
from hazelnut_ae.engine import runs
from hazelnut_ae.errors import DataError
from hazelnut_ae.inference.advice import sight
from hazelnut_ae.inference.evaluate import evaluate


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Strips of 600×300 pixels, one with a white square in its second tile, and a run on them with random weights."""
    folder, rng = tmp_path_factory.mktemp("strips"), np.random.default_rng(0)
    images = rng.normal(120, 10, (8, 300, 600)).clip(0, 255).astype(np.uint8)
    images[6:, 100:130, 440:470] = 255
    images[7] = 255 * (images[7] == 255)  # the mask of the one before
    places = [*(f"train/good/{i}" for i in range(5)), "test/good/0", "test/spot/0", "ground_truth/spot/0"]
    for place, image in zip(places, images, strict=True):
        path = folder / "parts" / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    torch.manual_seed(0)
    stages = backbones.empty_stages("efficientnet-lite0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hazelnut_ae.patchcore.imagenet_stages", lambda: stages)
        patch.setattr("hazelnut_ae.synthetic_anomalies.PER_IMAGE", 1)
        patch.setenv("HAZELNUT_CACHE", str(folder / "cache"))
        data = [str(folder / "parts"), "--run", str(folder / "run")]
        assert main(["train", *data, "--detector", "features", "--side", "256"]) == 0
        assert main(["evaluate", *data]) == 0
    return folder


def test_everything_is_in_the_coordinates_of_the_photograph(trained, tmp_path):
    run, file = runs.load_run(trained / "run"), tmp_path / "part.onnx"
    assert (run.size, run.config["rows"], run.config["columns"]) == ((256, 512), 1, 2)
    result = json.loads((trained / "run" / "results.json").read_text())
    assert result["image_size"] == [256, 512]
    assert result["pixels"]["auroc"] > 0.95
    photograph = str(trained / "parts" / "test" / "spot" / "0.png")
    assert main(["predict", photograph, "--run", str(run.folder), "--out", str(tmp_path / "out")]) == 0
    (row,) = json.loads((tmp_path / "out" / "predictions.json").read_text())["images"]
    assert (row["width"], row["height"]) == (600, 300)
    maps = hazelnut_ae.load_detector(run.folder).predict(photograph).maps
    row, column = np.unravel_index(maps[0].argmax(), (256, 512))
    np.testing.assert_allclose((row * 300 / 256, column * 600 / 512), (115, 455), atol=20)
    assert main(["export", str(file), "--run", str(run.folder)]) == 0
    assert onnxruntime.InferenceSession(str(file)).get_inputs()[0].shape[1:] == [3, 256, 512]


def test_a_run_of_an_older_bank_and_images_of_another_size_are_one_sentence(trained, tmp_path):
    with pytest.raises(DataError, match=r"reads images as \(256, 512\)"):
        evaluate(dataset.load(trained / "parts"), runs.load_run(trained / "run"))
    folder = shutil.copytree(trained / "run", tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    older = {key: value for key, value in config.items() if key != "rows"}
    problems = {"as its height": config | {"height": 10**9}, "that no run has": config | {"columns": 0}}
    for message, changed in (problems | {"has no rows; another version .* train again": older}).items():
        (folder / "config.json").write_text(json.dumps(changed))
        with pytest.raises(DataError, match=message) as caught:
            runs.load_run(folder)
        assert "\n" not in str(caught.value)


def test_the_size_at_which_a_bank_reads():
    expected = {(256, 256): ((256, 256), (1, 1)), (900, 900): ((640, 640), (1, 1)), (128, 128): ((256, 256), (1, 1))}
    expected |= {(1250, 500): ((500, 1250), (1, 2)), (200, 5000): ((5000, 256), (8, 1))}
    assert {size: dataset.working_size(size) for size in expected} == expected
    assert dataset.working_size((2000, 2000), 512, (2, 3)) == ((1024, 1536), (2, 3))
    assert sight((2000, 2000), (40, 1)) == ((1280, 1280), (2, 2))  # a scratch of 1 pixel of 256 gets 5
    assert sight((300, 300), (40, 1)) == sight((300, 300), None) == ((300, 300), (1, 1))


def test_tiles_are_seen_one_by_one_and_drawn_without_a_seam():
    torch.manual_seed(0)
    network, image = backbones.empty_stages("efficientnet-lite0"), torch.rand(1, 3, 128, 128)
    bank = patchcore.Bank((2, 3), network.widths, 64, 3, 0, (2, 2))
    parts = [part for half in image.split(64, dim=2) for part in half.split(64, dim=3)]
    expected = torch.cat([bank.patches(network, part) for part in parts], dim=1)
    one = nn.Module()
    one.forward, one.network = lambda tile: (bank.patches(network, tile), tile.mean(dim=(2, 3))), network
    tiled = graph.Tiled(one, 2, 2)
    assert torch.equal(tiled(image)[0], expected)
    content = graph.onnx_bytes(tiled, (128, 128), ["patches", "means"])
    nodes = [node.op_type for node in onnx.load_model_from_string(content).graph.node]
    assert (nodes.count("Scan"), nodes.count("Conv")) == (1, 0)  # all of them are in the loop
    two = torch.cat([image, image.flip(3)]).numpy()
    found, means = graph.session(content).run(None, {"images": two})
    np.testing.assert_allclose(found, torch.cat([expected, tiled(image.flip(3))[0]]), atol=1e-4)
    np.testing.assert_allclose(means, tiled(torch.from_numpy(two))[1], atol=1e-6)
    ramp = bank.draw(torch.arange(16.0).expand(1, 1, 16, 16), (128, 128))[0, 0, 5]  # place j is at pixel 8 j
    torch.testing.assert_close(ramp[:121], torch.arange(121) / 8)
    weights = torch.tensor([[1, 1, 2 / 3]]) * 48 / 128  # of the first of 48 pixels, which are 8/3 pixels wide
    shrunk = patchcore.resized(image, 48)[0, 0, 0, 0]
    torch.testing.assert_close(shrunk, (weights @ image[0, 0, :3, :3] @ weights.T)[0, 0])
