"""A memory bank that reads photographs with their own pixels and in their own shape, from `check` to the ONNX file."""

import csv
import json

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

import hazelnut_ae
from hazelnut_ae import backbones, dataset, patchcore
from hazelnut_ae.cli import main
from hazelnut_ae.engine import runs
from hazelnut_ae.errors import DataError
from hazelnut_ae.inference.advice import sight

DEFECT = (440, 100, 470, 130)  # left, top, right, bottom, in the second tile


def strip(path, rng, defect=False):
    """Writes a photograph of 600×300 pixels, and the mask of its white square."""
    image = Image.fromarray(rng.normal(120, 10, (300, 600, 3)).clip(0, 255).astype(np.uint8))
    mask = Image.new("L", image.size)
    for one in (image, mask) if defect else ():
        one.paste("white", DEFECT)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    if defect:
        other = path.parents[2] / "ground_truth" / path.parent.name / path.name
        other.parent.mkdir(parents=True, exist_ok=True)
        mask.save(other)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of strips and a run on it, with random weights."""
    folder, rng = tmp_path_factory.mktemp("strips"), np.random.default_rng(0)
    for i in range(5):
        strip(folder / "parts" / "train" / "good" / f"{i}.png", rng)
    strip(folder / "parts" / "test" / "good" / "0.png", rng)
    strip(folder / "parts" / "test" / "spot" / "0.png", rng, defect=True)
    torch.manual_seed(0)
    stages = backbones.empty_stages("efficientnet-lite0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hazelnut_ae.patchcore.imagenet_stages", lambda *_: stages)
        patch.setattr("hazelnut_ae.synthetic_anomalies.PER_IMAGE", 1)
        patch.setenv("HAZELNUT_CACHE", str(folder / "cache"))
        train = ["train", str(folder / "parts"), "--run", str(folder / "run"), "--detector", "features"]
        assert main([*train, "--side", "256"]) == 0
        assert main(["evaluate", str(folder / "parts"), "--run", str(folder / "run")]) == 0
    return folder


def test_everything_is_in_the_coordinates_of_the_photograph(trained, tmp_path):
    run = runs.load_run(trained / "run")
    assert (run.size, run.config["rows"], run.config["columns"]) == ((256, 512), 1, 2)
    result = json.loads((trained / "run" / "results.json").read_text())
    assert result["image_size"] == [256, 512]
    assert result["pixels"]["auroc"] > 0.95
    photograph = trained / "parts" / "test" / "spot" / "0.png"
    assert main(["predict", str(photograph), "--run", str(trained / "run"), "--out", str(tmp_path / "found")]) == 0
    with open(tmp_path / "found" / "predictions.csv", encoding="utf-8-sig") as file:
        (row,) = csv.DictReader(file)
    assert (row["width"], row["height"]) == ("600", "300")
    found = hazelnut_ae.load_detector(trained / "run").predict(photograph)
    place = np.unravel_index(found.maps[0].argmax(), (256, 512))
    np.testing.assert_allclose(np.multiply(place, (300 / 256, 600 / 512)), (115, 455), atol=20)
    assert main(["export", str(tmp_path / "part.onnx"), "--run", str(trained / "run")]) == 0
    session = onnxruntime.InferenceSession(str(tmp_path / "part.onnx"))
    assert session.get_inputs()[0].shape[1:] == [3, 256, 512]


def test_a_run_of_an_older_bank_and_images_of_another_size_are_one_sentence(trained, tmp_path):
    with pytest.raises(DataError, match=r"reads images as \(256, 512\)"):
        hazelnut_ae.inference.evaluate.evaluate(dataset.load(trained / "parts"), runs.load_run(trained / "run"))
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((trained / "run" / name).read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    for change, message in (({"height": 10**9}, "as its height"), ({"columns": 0}, "that no run has")):
        (tmp_path / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(DataError, match=message):
            runs.load_run(tmp_path)
    del config["rows"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        DataError, match=r"has no rows; another version may have written it.*train again with"
    ) as caught:
        runs.load_run(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_size_at_which_a_bank_reads():
    expected = {(256, 256): ((256, 256), (1, 1)), (900, 900): ((640, 640), (1, 1)), (128, 128): ((256, 256), (1, 1))}
    expected |= {(1250, 500): ((500, 1250), (1, 2)), (200, 5000): ((5000, 256), (8, 1))}
    assert {size: dataset.working_size(size) for size in expected} == expected
    assert dataset.working_size((2000, 2000), 512, (2, 3)) == ((1024, 1536), (2, 3))
    assert sight((2000, 2000), (40, 1)) == ((1280, 1280), (2, 2))  # a scratch of 1 pixel of 256 gets 5
    assert sight((300, 300), (40, 1))[1] == (1, 1)  # there are no more pixels to read
    assert sight((2000, 2000), None)[1] == (1, 1)


def test_tiles_are_seen_one_by_one_and_drawn_without_a_seam():
    torch.manual_seed(0)
    network, image = backbones.empty_stages("efficientnet-lite0"), torch.rand(1, 3, 128, 128)
    bank, one = (patchcore.Bank((2, 3), network.widths, 64, 3, 0, tiles) for tiles in ((2, 2), (1, 1)))
    parts = [image[..., :64, :64], image[..., :64, 64:], image[..., 64:, :64], image[..., 64:, 64:]]
    expected = torch.cat([one.patches(network, part) for part in parts], dim=1)
    torch.testing.assert_close(bank.patches(network, image), expected)
    ramp = bank.draw(torch.arange(16.0).expand(1, 1, 16, 16), (128, 128))[0, 0, 5]  # place j is at pixel 8 j
    torch.testing.assert_close(ramp[:121], torch.arange(121) / 8)
    shrunk = patchcore.resized(image, 48)  # 128 pixels to 48: weights 1, 1, 2/3 of 8/3
    torch.testing.assert_close(
        shrunk[0, 0, 0, 0],
        (image[0, 0, :3, :3] * torch.tensor([[1, 1, 2 / 3]]) * torch.tensor([[1], [1], [2 / 3]])).sum() * 9 / 64,
    )
