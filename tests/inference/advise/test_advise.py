"""`hazelnut-ae advise` on folders: what it says, the line it prints, and what it makes of bad ones."""

import os
import shlex

import numpy as np
import pytest
from parts import BRACKET, PIN, drawn, photographs, ring
from PIL import Image

from hazelnut_ae import cli, dataset
from hazelnut_ae.inference.advise import plan
from hazelnut_ae.inference.advise.advise import Advice, advise, train_line

TOPICS = ["Orientation", "Place", "Held out", "Test", "Both in train and test", "Masks", "Light", "Sharpness"]


@pytest.fixture(autouse=True)
def no_stopwatch(monkeypatch):
    """Times are measured in tests of their own."""
    monkeypatch.setattr(plan, "article_seconds", lambda count: 1200)
    monkeypatch.setattr(plan, "bank_seconds", lambda count: 50)
    monkeypatch.setattr(plan, "has_pretrained_weights", lambda: True)


def written(folder, train, **test):
    """A data folder with these images, uint8 [N, 3, 256, 256]; of defects, with the same square marked in each."""
    mask = np.zeros((256, 256), np.uint8)
    mask[120:140, 120:140] = 255
    for place, images in {"train/good": train, **{f"test/{name}": some for name, some in test.items()}}.items():
        for i, image in enumerate(images):
            path = folder / place / f"{i:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.transpose(1, 2, 0)).save(path)
            if place.startswith("test/") and not place.endswith("good"):
                path = folder / "ground_truth" / path.parent.name / path.name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(path)
    return folder


def command(capsys, *arguments):
    status = cli.main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return status, said.out, said.err


def test_it_says_all_and_the_line_is_one_that_train_takes(painted_folder, capsys):
    status, out, _ = command(capsys, "advise", painted_folder)
    assert status == 0
    topics = [line.split(":")[0] for line in out.splitlines() if line[0] != " "]
    assert topics[:-1] == [*TOPICS, "Detector", "Time"]
    lines = out.splitlines()
    assert max(map(len, lines[:-1])) <= 100
    assert "8 good images" in out
    program, *arguments = shlex.split(lines[-1])
    assert program == "hazelnut-ae"
    taken = cli.parser().parse_args(arguments)
    assert (taken.folder, taken.detector, taken.run.name) == (painted_folder, "features", "hazelnuts")


def test_check_ends_with_it_unless_there_is_a_problem(painted_folder, tmp_path, capsys):
    advice = command(capsys, "advise", painted_folder)[1]
    status, out, _ = command(capsys, "check", painted_folder)
    assert status == 0
    assert out.endswith("No problem found.\n" + advice)
    folder = written(tmp_path, photographs(drawn(PIN), 4), bent=photographs(drawn(PIN), 1))
    (folder / "ground_truth/bent/00.png").unlink()
    status, out, _ = command(capsys, "check", folder)
    assert status == 1
    assert "hazelnut-ae train" not in out


@pytest.mark.parametrize(
    ("images", "augment"),
    [
        (photographs(drawn(PIN)), ("noise",)),
        (photographs(drawn(PIN), wander=40), ("noise", "shift")),
        (photographs(drawn(PIN), degrees=180), ("rotation", "flip")),
        (photographs(drawn(BRACKET), degrees=180), ("rotation",)),
        (photographs(drawn(ring(80)), degrees=180), ("rotation", "flip")),
    ],
)
def test_augmentation_follows_from_how_parts_lie(tmp_path, monkeypatch, images, augment):
    found = advise(written(tmp_path / "parts", images))
    assert found.augment == augment
    assert "--augment" not in found.train  # nothing to a memory bank
    monkeypatch.setattr(plan, "has_pretrained_weights", lambda: False)
    found = advise(tmp_path / "parts")
    taken = cli.parser().parse_args(shlex.split(found.train)[1:])
    assert taken.detector == "article"
    assert (taken.augment or plan.ANY_WAY) == augment


def test_the_detector_is_one_that_this_machine_has(painted, painted_folder, monkeypatch):
    found = advise(painted_folder)
    assert found.sentences["Detector"].startswith("features, a memory bank.")
    assert "needs few of yours" in found.sentences["Detector"]
    monkeypatch.setattr(plan, "has_pretrained_weights", lambda: False)
    found = advise(painted_folder)
    assert found.detector == "article"
    assert 'pip install "hazelnut_ae[imagenet]"' in found.sentences["Detector"]


def test_a_bank_is_said_not_to_know_places_only_where_places_are_fixed(tmp_path):
    one = advise(written(tmp_path / "one", photographs(drawn(PIN))))
    any_way = advise(written(tmp_path / "any", photographs(drawn(PIN), degrees=180)))
    assert "train article beside it" in one.sentences["Detector"]
    assert "train article beside it" not in any_way.sentences["Detector"]


def test_an_empty_mask_and_a_twin_are_named(tmp_path):
    train = photographs(drawn(PIN), degrees=180)
    bad = photographs(drawn(PIN), 2, degrees=180, seed=1)
    folder = written(tmp_path, train, good=np.concatenate([bad[:1], train[4:5]]), bent=bad)
    found = advise(folder).sentences
    assert found["Both in train and test"].startswith("test/good/01.png (as train/good/04.png). Take them out")
    assert found["Masks"] == "each defective image has a defect in its mask."
    Image.new("L", (256, 256)).save(folder / "ground_truth/bent/01.png")
    assert advise(folder).sentences["Masks"].startswith("test/bent/01.png has an empty mask.")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_too_few_to_train_on(tmp_path, capsys, count):
    status, out, _ = command(capsys, "advise", written(tmp_path, photographs(drawn(PIN), count)))
    assert status == 0
    assert f"training needs at least 4 good images, not {count}" in out
    assert "Orientation: not known" in out
    assert "hazelnut-ae train" not in out
    assert "Time" not in out
    assert "Test: no images." in out
    assert "Masks" not in out
    assert "Both in" not in out


def test_four_are_enough_to_train_on(tmp_path):
    folder = written(tmp_path, photographs(drawn(PIN), 4))
    assert advise(folder).train == train_line(folder, tmp_path.name, True, ("noise",))


def test_black_images_say_nothing_and_break_nothing(tmp_path):
    found = advise(written(tmp_path, np.zeros((5, 3, 256, 256), np.uint8)))
    assert found.sentences["Orientation"].startswith("not known")
    assert "not known" in found.sentences["Place"]


def test_bad_folders_are_one_sentence(tmp_path, capsys):
    def sentence(folder):
        status, out, err = command(capsys, "advise", folder)
        assert (status, out) == (1, "")
        (line,) = err.splitlines()
        return line

    assert "is not a folder; name one in MVTec layout" in sentence(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "train/good holds no images" in sentence(tmp_path / "empty").replace("\\", "/")
    written(tmp_path / "untrained", [], good=photographs(drawn(PIN), 2))
    assert "train/good holds no images" in sentence(tmp_path / "untrained").replace("\\", "/")
    broken = written(tmp_path / "broken", photographs(drawn(PIN), 4))
    (broken / "train/good/01.png").write_text("I am no image")
    assert "01.png" in sentence(broken)


def test_sizes_modes_and_names_of_all_kinds(tmp_path, capsys):
    """They are read as training reads them; a name that is no name for a terminal is escaped."""
    folder = written(tmp_path / "parts", photographs(drawn(PIN), 9))
    good = folder / "train/good"
    for i, mode in enumerate(("1", "L", "LA", "P", "RGBA", "CMYK")):
        kind = "tif" if mode == "CMYK" else "png"
        with Image.open(good / f"{i:02d}.png") as image:
            image.resize((300 + 50 * i, 40 + 90 * i)).convert(mode).save(good / f"{mode} орех = 'x'.{kind}")
    twin = folder / "test" / "good"
    twin.mkdir(parents=True)
    (twin / "=<script>\u202e.png" if os.name != "nt" else twin / "=1.png").write_bytes((good / "07.png").read_bytes())
    status, out, _ = command(capsys, "advise", folder)
    assert status == 0
    assert "of 15 good images" in out
    assert "(as train/good/07.png)" in " ".join(out.split())
    assert all(line.isprintable() for line in out.splitlines())


def test_too_large_and_cut_short_are_one_sentence(tmp_path, capsys):
    folder = written(tmp_path, photographs(drawn(PIN), 4))
    path = folder / "train/good/02.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    status, out, err = command(capsys, "advise", folder)
    assert (status, out) == (1, "")
    assert "02.png" in err
    Image.new("1", (20_000, 20_000)).save(path)
    status, out, err = command(capsys, "advise", folder)
    assert (status, out) == (1, "")
    assert "20000×20000 pixels" in err


def test_odd_names_are_text_and_the_line_holds_them(tmp_path, monkeypatch):
    monkeypatch.setattr("os.name", "posix")
    line = train_line("my parts; rm -rf ~", "it's", False, ("noise",))
    assert shlex.split(line)[2:5] == ["my parts; rm -rf ~", "--run", shlex.split(line)[4]]
    assert shlex.split(line)[-2:] == ["--augment", "noise"]
    printed = list(Advice({"Place": "a\x1b[31mb\nc"}, "article", (), "hazelnut-ae train a\nb").lines())
    assert all(one.isprintable() for one in printed)


def test_real_loading_is_that_of_train(painted_folder, painted):
    assert dataset.load(painted_folder).fingerprint == painted.fingerprint
    assert advise(painted_folder).train.count(str(painted_folder)) == 1
