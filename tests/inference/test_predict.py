"""Folders of new images: what is written, that a killed command goes on, that memory does not grow."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from spots import spotted, tree

from hazelnut_ae.cli import main
from hazelnut_ae.errors import DataError, Interrupted
from hazelnut_ae.inference import inputs, pictures
from hazelnut_ae.inference import predict as prediction
from hazelnut_ae.inference.predict import predict_paths
from hazelnut_ae.metrics import image_scores

FINAL = {"journal.jsonl", "predictions.csv", "predictions.json", "report.html"}


def paths_in(folder, out="nowhere"):
    return inputs.listed([folder], out)[0]


def rows(out):
    with open(out / "predictions.csv", encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def content_of(out):
    return json.loads((out / "predictions.json").read_text(encoding="utf-8"))


def test_tables_say_what_the_detector_says(redness, photographs, tmp_path):
    paths, out = paths_in(photographs), tmp_path / "out"
    done = predict_paths(redness, paths, out, name="runs/parts")
    assert (done.defective, done.good, len(done.unreadable)) == (10, 30, 1)
    assert {path.name for path in out.iterdir()} == FINAL | {"pictures"}
    readable = [path for path in paths if not path.endswith("30a.png")]
    expected, content, table = redness.predict(readable), content_of(out), rows(out)
    images = content["images"]
    assert [image["file"] for image in images] == readable
    assert [image["score"] for image in images] == expected.scores.tolist()
    assert [image["decision"] == "defective" for image in images] == expected.decisions.tolist()
    assert [image["defective_share"] for image in images] == expected.masks.mean(axis=(1, 2)).tolist()
    settings = {"run": "runs/parts", "detector": "redness", "tau": 15.0, "image_tau": 18.0}
    assert {key: content[key] for key in settings} == settings
    assert content["unreadable"][0]["file"].endswith("30a.png")
    assert "cannot be read as an image" in content["unreadable"][0]["problem"]
    assert [row["decision"] for row in table].count("defective") == 10
    assert [float(row["score"]) for row in table[:-1]] == expected.scores.tolist()
    assert (table[-1]["decision"], table[-1]["score"]) == ("unreadable", "")
    assert table[0]["boxes"] in ("16x12+8+8", "16x13+8+8")  # the spot, in pixels of the file
    for name in [row[key] for row in table[:-1] for key in ("heat_map", "overlay")]:
        with Image.open(out / name) as picture:
            assert picture.size == (64, 48)


def test_boxes_are_in_pixels_of_the_upright_file(redness, tmp_path):
    spotted(tmp_path / "wide.png", size=(1000, 300), spot=(500, 30, 750, 90))
    spotted(tmp_path / "turned.jpg", size=(90, 60), spot=(0, 0, 45, 30))
    with Image.open(tmp_path / "turned.jpg") as image:
        exif = image.getexif()
        exif[274] = 6  # the camera was turned: what is stored left is shown above
        image.save(tmp_path / "turned.jpg", "JPEG", exif=exif, quality=100, subsampling=0)
    predict_paths(redness, paths_in(tmp_path), tmp_path / "out")
    turned, wide = content_of(tmp_path / "out")["images"]
    assert (turned["width"], turned["height"]) == (60, 90)
    for row, (x, y, width, height) in ((wide, (500, 30, 250, 60)), (turned, (30, 0, 30, 45))):
        (box,) = row["boxes"]
        assert [box[key] for key in ("x", "y", "width", "height")] == pytest.approx([x, y, width, height], abs=8)
        assert box["share"] == pytest.approx(width * height / (row["width"] * row["height"]), abs=0.01)


def test_regions_touch_at_corners_and_the_largest_have_boxes():
    mask = np.zeros((100, 200), bool)
    mask[10:20, 10:20] = mask[20:30, 20:30] = True
    mask[50, :48:4] = True
    count, boxes, largest = pictures.regions(mask, (400, 100))
    assert (count, len(boxes)) == (13, pictures.BOXES)
    assert boxes[0] == {"x": 20, "y": 10, "width": 40, "height": 20, "share": 0.01}
    assert largest.sum() == 200 + pictures.BOXES - 1


def test_files_folders_patterns_and_what_is_skipped(photographs, monkeypatch):
    monkeypatch.chdir(photographs.parent)
    (photographs / "a" / "notes.txt").write_text("no image")
    for name in (".hidden/x.png", "[odd].JPG", "out/pictures/x.png"):
        spotted(photographs / name)
    assert [len(paths_in(photographs, photographs / "out")), inputs.listed(["new"], "new/out")[1]] == [42, 1]
    assert len(inputs.listed(["new/a/*.png", "new/a", "new/a/00.png"], "out")[0]) == 20
    assert inputs.listed(["new/[odd].JPG"], "out")[0] == ["new/[odd].JPG"]
    assert len(inputs.listed(["new/**/*.png"], "out")[0]) == 42


def test_a_killed_command_goes_on_and_ends_with_the_same_bytes(redness, photographs, tmp_path):
    paths, out = paths_in(photographs), tmp_path / "out"
    predict_paths(redness, paths, out)
    whole, random = tree(out), np.random.default_rng(0)
    lines = whole["journal.jsonl"].splitlines(keepends=True)
    for keep, rest in ((1, b""), (33, lines[33][:-1]), (38, lines[38][:3])):
        (out / "journal.jsonl").write_bytes(b"".join(lines[:keep]) + rest)
        (out / "report.html").unlink()
        (out / ".report.html.k3j.tmp").write_bytes(b"half of a page")
        for path in random.choice(sorted(out.glob("pictures/*")), 5, replace=False):
            path.write_bytes(path.read_bytes()[:50])  # half written
        redness.detector.batches.clear()
        predict_paths(redness, paths, out)
        assert tree(out) | {"journal.jsonl": whole["journal.jsonl"]} == whole
        assert set(redness.detector.batches) <= {
            31,
            9,
        }  # batches as they were, so that even a network computes the same


def test_nothing_is_scored_twice_and_new_or_changed_images_join(redness, photographs, tmp_path):
    out = tmp_path / "out"
    predict_paths(redness, paths_in(photographs), out)
    before = tree(out)
    redness.detector.batches.clear()
    predict_paths(redness, paths_in(photographs), out)
    assert redness.detector.batches == []
    assert tree(out) == before
    redness.image_tau = 10.0  # scores stay, decisions are made anew
    assert predict_paths(redness, paths_in(photographs), out).defective == 40
    assert redness.detector.batches == []
    redness.image_tau = 18.0
    spotted(photographs / "c" / "late.png")
    assert predict_paths(redness, paths_in(photographs), out).defective == 11
    assert redness.detector.batches == [10]  # the last batch, of which one is missing
    spotted(photographs / "a" / "03.png", size=(70, 70))
    spotted(photographs / "b" / "30a.png")
    (next((out / "pictures").glob("05-*.overlay.png"))).unlink()
    done = predict_paths(redness, paths_in(photographs), out)
    assert (done.defective, done.unreadable, len(rows(out))) == (13, {}, 42)
    assert len(list(out.glob("pictures/05-*"))) == 2
    predict_paths(redness, paths_in(photographs / "a"), out)
    assert len(rows(out)) == 20  # those that are named now


def test_ctrl_c_or_a_full_disk_stops_and_the_same_command_goes_on(redness, photographs, tmp_path, monkeypatch):
    paths, plain, write = paths_in(photographs), redness.detector.predict, Image.Image.save

    def interrupted(images):
        if len(images) < 31:
            raise KeyboardInterrupt  # as Ctrl-C does; a signal would arrive at a moment of its own
        return plain(images)

    def full(image, file, *args, **options):
        if isinstance(file, Path) and file.name.startswith("35"):
            raise OSError(28, "No space left on device")
        return write(image, file, *args, **options)

    predict_paths(redness, paths, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(redness.detector, "predict", interrupted)
        with pytest.raises(Interrupted, match="Stopped with 31 of 41 images done; the same command goes on"):
            predict_paths(redness, paths, tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", full)
        with pytest.raises(DataError, match=r"35.*No space left.*the same command goes on"):
            predict_paths(redness, paths, tmp_path / "out")
    predict_paths(redness, paths, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_memory_does_not_grow_with_the_number_of_images(redness, tmp_path, monkeypatch):
    """Never more photographs at once than two batches of them, the second while the first is being let go."""
    for i in range(100):
        spotted(tmp_path / "new" / f"{i:03d}.png", size=(16, 16))
    most, alive = [], []

    class Photograph(inputs.Photograph):
        def __del__(self):
            alive.pop()

    def read(path, *settings, plain=inputs.read):
        alive.append(path)
        most.append(len(alive))
        return Photograph(*plain(path, *settings))

    monkeypatch.setattr(prediction.images, "read", read)
    predict_paths(redness, paths_in(tmp_path / "new"), tmp_path / "out", pictures=False)
    assert max(most) <= 2 * 32 + 1
    assert len(rows(tmp_path / "out")) == 100


def test_the_command_line(painted_folder, painted, tiny_run, tmp_path, capsys):
    out, test = tmp_path / "out", painted_folder / "test"
    before = tree(tiny_run.folder), tree(painted_folder)
    arguments = ["predict", str(test), "--run", str(tiny_run.folder), "--out", str(out)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert re.search(r"\d+ of 10 images (is|are) defective, with a score above τ", said)
    assert str(out / "report.html") in said
    scores = {
        Path(row["file"]).relative_to(painted_folder).as_posix(): row["score"] for row in content_of(out)["images"]
    }
    expected = image_scores(tiny_run.detector.anomaly_maps(painted.test.images))
    assert scores == dict(zip(painted.test.paths, expected, strict=True))  # those of `evaluate`
    assert main([*arguments, "--image-tau", "-1"]) == 0
    assert "10 of 10 images are defective" in capsys.readouterr().out
    (tmp_path / "bad.png").write_text("no image")
    arguments[1:2] = [str(test / "good"), str(tmp_path / "bad.png")]
    arguments[-1] = str(tmp_path / "other")
    assert main([*arguments, "--no-pictures", "--tau", "0.5"]) == 1
    assert f"1 more could not be read:\n{tmp_path / 'bad.png'} cannot be read" in capsys.readouterr().out
    assert (tree(tiny_run.folder), tree(painted_folder)) == before  # nothing is written elsewhere
    assert {path.name for path in tmp_path.iterdir()} == {"bad.png", "out", "other"}
