"""Folders of new images: what is written, that a killed call goes on, that memory does not grow."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
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


def test_tables_say_what_the_detector_says(redness, photographs, tmp_path):
    paths, out = paths_in(photographs), tmp_path / "out"
    done = predict_paths(redness, paths, out, name="runs/parts")
    assert (done.defective, done.good, len(done.unreadable)) == (10, 30, 1)
    assert {path.name for path in out.iterdir()} == FINAL | {"pictures"}
    content = json.loads((out / "predictions.json").read_text(encoding="utf-8"))
    readable = [path for path in paths if not path.endswith("30a.png")]
    expected = redness.predict(readable)
    assert [image["file"] for image in content["images"]] == readable
    assert [image["score"] for image in content["images"]] == expected.scores.tolist()
    assert [image["decision"] == "defective" for image in content["images"]] == expected.decisions.tolist()
    shares = expected.masks.mean(axis=(1, 2)).tolist()
    assert [image["defective_share"] for image in content["images"]] == shares
    assert {key: content[key] for key in ("run", "detector", "tau", "image_tau")} == {
        "run": "runs/parts",
        "detector": "redness",
        "tau": 15.0,
        "image_tau": 18.0,
    }
    assert content["unreadable"][0]["file"].endswith("30a.png")
    assert "cannot be read as an image" in content["unreadable"][0]["problem"]

    table = rows(out)
    assert [row["decision"] for row in table].count("defective") == 10
    assert [float(row["score"]) for row in table[:-1]] == expected.scores.tolist()
    assert (table[-1]["decision"], table[-1]["score"]) == ("unreadable", "")
    assert table[0]["boxes"] in ("16x12+8+8", "16x13+8+8")  # the spot, in pixels of the file
    for row in table[:-1]:
        for kind in ("heat_map", "overlay"):
            with Image.open(out / row[kind]) as picture:
                assert picture.size == (64, 48)


def test_boxes_are_those_of_the_file(redness, tmp_path):
    spotted(tmp_path / "wide.png", size=(1000, 300), spot=(500, 30, 750, 90))
    spotted(tmp_path / "turned.jpg", size=(90, 60), spot=(0, 0, 45, 30))
    with Image.open(tmp_path / "turned.jpg") as image:
        exif = image.getexif()
        exif[274] = 6  # the camera was turned: what is stored left is shown above
        image.save(tmp_path / "turned.jpg", "JPEG", exif=exif, quality=100, subsampling=0)
    predict_paths(redness, paths_in(tmp_path), tmp_path / "out")
    found = {
        Path(row["file"]).name: row for row in json.loads((tmp_path / "out/predictions.json").read_text())["images"]
    }
    (wide,) = found["wide.png"]["boxes"]
    assert abs(wide["x"] - 500) <= 4
    assert abs(wide["width"] - 250) <= 8
    assert abs(wide["y"] - 30) <= 2
    assert abs(wide["height"] - 60) <= 4
    assert wide["share"] == pytest.approx(0.05, abs=0.005)
    (turned,) = found["turned.jpg"]["boxes"]
    assert (found["turned.jpg"]["width"], found["turned.jpg"]["height"]) == (60, 90)
    assert abs(turned["x"] - 30) <= 2
    assert abs(turned["y"]) <= 2


def test_regions_touch_at_corners_and_the_largest_have_boxes():
    mask = np.zeros((100, 200), bool)
    mask[10:20, 10:20] = mask[20:30, 20:30] = True
    for i in range(12):
        mask[50, 4 * i] = True
    count, boxes, largest = pictures.regions(mask, (400, 100))
    assert count == 13
    assert len(boxes) == pictures.BOXES
    assert boxes[0] == {"x": 20, "y": 10, "width": 40, "height": 20, "share": 0.01}
    assert largest.sum() == 200 + pictures.BOXES - 1


def test_without_pictures_and_at_other_thresholds(redness, photographs, tmp_path):
    paths = paths_in(photographs)
    predict_paths(redness, paths, tmp_path / "out", pictures=False)
    assert {path.name for path in (tmp_path / "out").iterdir()} == FINAL
    assert rows(tmp_path / "out")[0]["heat_map"] == ""
    redness.image_tau = 10.0  # scores stay, decisions are made anew
    redness.detector.batches.clear()
    assert predict_paths(redness, paths, tmp_path / "out", pictures=False).defective == 40
    assert redness.detector.batches == []


def test_files_folders_patterns_and_what_is_passed_over(photographs, tmp_path, monkeypatch):
    monkeypatch.chdir(photographs.parent)
    (photographs / "a" / "notes.txt").write_text("no image")
    (photographs / ".hidden").mkdir()
    spotted(photographs / ".hidden" / "x.png")
    spotted(photographs / "[odd].JPG")
    spotted(photographs / "out" / "pictures" / "x.png")
    paths, passed_over = inputs.listed([photographs], photographs / "out")
    assert (len(paths), passed_over) == (42, 1)
    assert len(inputs.listed(["new/a/*.png", "new/a", "new/a/00.png"], "out")[0]) == 20
    assert inputs.listed(["new/[odd].JPG"], "out")[0] == ["new/[odd].JPG"]
    assert len(inputs.listed(["new/**/*.png"], "out")[0]) == 42


@pytest.mark.parametrize("seed", range(6))
def test_a_call_that_was_killed_goes_on_and_ends_with_the_same_bytes(redness, photographs, tmp_path, seed):
    paths, out = paths_in(photographs), tmp_path / "out"
    predict_paths(redness, paths, out)
    whole = tree(out)
    random = np.random.default_rng(seed)
    cut = out / "journal.jsonl"
    header = whole["journal.jsonl"].index(b"\n") + 1
    os.truncate(cut, int(random.integers(header, cut.stat().st_size)))
    for name in ("predictions.csv", "report.html")[: seed % 3]:
        (out / name).unlink()
        (out / f".{name}.k3j.tmp").write_bytes(whole[name][:100])
    left = sorted(out.glob("pictures/*"))
    for path in random.choice(left, 5, replace=False):
        path.write_bytes(path.read_bytes()[:50])  # half written
    redness.detector.batches.clear()
    predict_paths(redness, paths, out)
    again = tree(out)
    assert again.keys() == whole.keys()
    for name in whole.keys() - {"journal.jsonl"}:
        assert again[name] == whole[name], name
    assert redness.detector.batches  # groups as they were, so that even a network computes the same
    assert set(redness.detector.batches) <= {31, 9}


def test_a_journal_cut_between_lines_is_again_what_it_was(redness, photographs, tmp_path):
    paths, out = paths_in(photographs), tmp_path / "out"
    predict_paths(redness, paths, out)
    whole = tree(out)
    lines = whole["journal.jsonl"].splitlines(keepends=True)
    for keep, rest in ((1, b""), (9, b""), (33, lines[33][:-1]), (40, lines[40][:3])):
        (out / "journal.jsonl").write_bytes(b"".join(lines[:keep]) + rest)
        predict_paths(redness, paths, out)
        assert tree(out) == whole


def test_nothing_is_scored_twice_and_new_images_join(redness, photographs, tmp_path, capsys):
    out = tmp_path / "out"
    predict_paths(redness, paths_in(photographs), out)
    before = tree(out)
    redness.detector.batches.clear()
    assert not predict_paths(redness, paths_in(photographs), out).notes
    assert redness.detector.batches == []
    assert tree(out) == before
    spotted(photographs / "c" / "late.png")
    assert predict_paths(redness, paths_in(photographs), out).defective == 11
    assert redness.detector.batches == [10]  # the last group, of which one is missing
    spotted(photographs / "a" / "03.png", size=(70, 70))
    (next((out / "pictures").glob("05-*.overlay.png"))).unlink()
    done = predict_paths(redness, paths_in(photographs), out)
    assert done.defective == 12
    assert done.notes == ["2 images or their pictures had changed since; they were done again."]


def test_an_unreadable_image_may_be_replaced(redness, photographs, tmp_path):
    out = tmp_path / "out"
    predict_paths(redness, paths_in(photographs), out)
    spotted(photographs / "b" / "30a.png")
    done = predict_paths(redness, paths_in(photographs), out)
    assert (done.defective, done.unreadable) == (11, {})
    assert len(rows(out)) == 41


def test_ctrl_c_stops_after_a_group_and_the_same_call_goes_on(redness, photographs, tmp_path):
    def interrupted(images, plain=redness.detector.anomaly_maps):
        os.kill(os.getpid(), signal.SIGINT)
        return plain(images)

    whole, paths = tmp_path / "whole", paths_in(photographs)
    predict_paths(redness, paths, whole)
    redness.detector.anomaly_maps, plain = interrupted, redness.detector.anomaly_maps
    with pytest.raises(Interrupted, match="Stopped with 31 of 41 images done; the same command goes on"):
        predict_paths(redness, paths, tmp_path / "out")
    redness.detector.anomaly_maps = plain
    predict_paths(redness, paths, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(whole)


def test_memory_does_not_grow_with_the_number_of_images(redness, tmp_path, monkeypatch):
    """Never more photographs at once than two groups of them, one in work and one being read."""
    for i in range(200):
        spotted(tmp_path / "new" / f"{i:03d}.png", size=(16, 16))
    alive, most = set(), []

    class Photograph(inputs.Photograph):
        def __del__(self):
            alive.discard(id(self))

    def read(path, plain=inputs.read):
        photograph = Photograph(*plain(path))
        alive.add(id(photograph))
        most.append(len(alive))
        return photograph

    monkeypatch.setattr(prediction.images, "read", read)
    predict_paths(redness, paths_in(tmp_path / "new"), tmp_path / "out", pictures=False)
    assert max(most) <= 3 * 32  # the third while the first is being let go
    assert len(rows(tmp_path / "out")) == 200


def test_the_command_line(painted_folder, tiny_run, tmp_path, capsys):
    out, test = tmp_path / "out", painted_folder / "test"
    before = tree(tiny_run.folder), tree(painted_folder)
    arguments = ["predict", str(test), "--run", str(tiny_run.folder), "--out", str(out)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert re.search(r"\d+ of 10 images (is|are) defective, with a score above τ", said)
    assert str(out / "report.html") in said
    assert len(rows(out)) == 10
    assert main([*arguments, "--image-tau", "-1"]) == 0
    assert "10 of 10 images are defective" in capsys.readouterr().out
    (tmp_path / "bad.png").write_text("no image")
    arguments[1:2] = [str(test / "good"), str(tmp_path / "bad.png")]
    arguments[-1] = str(tmp_path / "other")
    assert main([*arguments, "--no-pictures", "--tau", "0.5"]) == 1
    assert f"1 more could not be read:\n{tmp_path / 'bad.png'} cannot be read" in capsys.readouterr().out
    assert (tree(tiny_run.folder), tree(painted_folder)) == before  # nothing is written elsewhere
    assert {path.name for path in tmp_path.iterdir()} == {"bad.png", "out", "other"}


def test_scores_of_a_run_are_those_of_evaluate(painted_folder, painted, tiny_run, tmp_path):
    done = prediction.predict([painted_folder / "test"], tiny_run.folder, tmp_path / "out", pictures=False)
    assert done.defective + done.good == len(painted.test)
    content = json.loads((tmp_path / "out/predictions.json").read_text(encoding="utf-8"))
    scores = {Path(image["file"]).relative_to(painted_folder).as_posix(): image["score"] for image in content["images"]}

    expected = image_scores(tiny_run.detector.anomaly_maps(painted.test.images))
    assert scores == dict(zip(painted.test.paths, expected, strict=True))


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_killed_at_any_moment(painted_folder, tiny_run, tmp_path):
    """The real thing: a process that is killed, five times, at moments of its own, and then let finish."""
    photographs = tmp_path / "new"
    sources = sorted(painted_folder.glob("test/*/*.png"))
    for i in range(150):
        (photographs / f"{i % 3}").mkdir(parents=True, exist_ok=True)
        shutil.copy(sources[i % len(sources)], photographs / f"{i % 3}" / f"{i:03d}.png")
    command = [sys.executable, "-m", "hazelnut_ae", "predict", str(photographs), "--run", str(tiny_run.folder), "--out"]
    assert subprocess.run([*command, str(tmp_path / "whole")], capture_output=True).returncode == 0
    journal, killed = tmp_path / "out" / "journal.jsonl", 0
    for kill in range(5):
        process = subprocess.Popen(
            [*command, str(tmp_path / "out")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        size = journal.stat().st_size if journal.exists() else 0
        while process.poll() is None and (not journal.exists() or journal.stat().st_size <= size):
            time.sleep(0.01)
        time.sleep(0.05 * kill)
        process.kill()
        killed += process.wait() == -signal.SIGKILL
    assert killed >= 3
    assert subprocess.run([*command, str(tmp_path / "out")], capture_output=True).returncode == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_a_full_disk_is_one_sentence_and_the_same_call_goes_on(redness, photographs, tmp_path, monkeypatch):
    paths, plain = paths_in(photographs), Path.write_bytes

    def full(path, content):
        if path.suffix == ".png" and path.name.startswith("35"):
            raise OSError(28, "No space left on device")
        return plain(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(DataError, match=r"35.*No space left.*the same command goes on"):
            predict_paths(redness, paths, tmp_path / "out")
    predict_paths(redness, paths, tmp_path / "out")
    predict_paths(redness, paths, tmp_path / "whole")
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
