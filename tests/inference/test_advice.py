"""What `check` advises: each answer where it is right, and on a set that looks much like it where it would be wrong."""

import io
import os
import shlex

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from hazelnut_ae import cli, dataset, training
from hazelnut_ae.inference import advice, checks
from hazelnut_ae.inference.advice import Advice, train_line

DOWN, RIGHT = np.mgrid[:256, :256]


def box(left, top, right, bottom):
    return (RIGHT >= left) & (RIGHT < right) & (DOWN >= top) & (DOWN < bottom)


RING = (np.hypot(RIGHT - 128, DOWN - 128) < 80) & (np.hypot(RIGHT - 128, DOWN - 128) >= 32)
BRACKET = box(85, 60, 125, 200) | box(85, 160, 185, 200)  # an L
PIN = box(48, 118, 208, 138) | box(48, 98, 72, 158)  # a T


def photographs(part, count=12, degrees=0, wander=2, seed=0):
    """uint8 [count, 3, 256, 256] of a part, a mask bool [256, 256], on a light ground in light from the left.

    degrees: it is turned by up to so much either way; wander: and moved by so many pixels. Each has its own noise.
    """
    rng, found = np.random.default_rng(seed), []
    image = np.where(part, np.array([70, 100, 150])[:, None, None], 200).astype(np.float32)
    for _ in range(count):
        angle, moved = rng.uniform(-degrees, degrees), rng.uniform(-wander, wander, 2)
        one = ndimage.rotate(image, angle, axes=(1, 2), reshape=False, order=1, mode="nearest")
        one = ndimage.shift(one, (0, *moved), order=1, mode="nearest")
        one = one * (1 - 0.2 * (RIGHT - 128) / 256) * rng.uniform(0.98, 1.02) + rng.normal(0, 3, one.shape)
        found.append(one.clip(0, 255).astype(np.uint8))
    return np.stack(found)


def grain(along, across=2):
    """uint8 [12, 3, 256, 256] of a surface: blurred noise, longer one way."""
    waves = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(12, 256, 256)), (0, across, along))
    return np.repeat((130 + 20 * waves / waves.std())[:, None], 3, axis=1).clip(0, 255).astype(np.uint8)


def written(folder, train, **test):
    """A data folder with these images, uint8 [N, 3, 256, 256]; of defects, with the same square marked in each."""
    square = np.repeat(255 * box(120, 120, 140, 140).astype(np.uint8)[None, None], 3, axis=1)
    places = {"train/good": train} | {f"test/{name}": some for name, some in test.items()}
    places |= {f"ground_truth/{name}": np.repeat(square, len(some), 0) for name, some in test.items() if name != "good"}
    for place, images in places.items():
        (folder / place).mkdir(parents=True)
        for i, image in enumerate(images):
            Image.fromarray(image.transpose(1, 2, 0)).save(folder / place / f"{i:02d}.png")
    return folder


def advised(folder):
    return advice.advice(dataset.load(folder), folder)


def test_orientation_is_recognized(painted):
    pins = photographs(PIN, 6)
    same = [photographs(BRACKET, wander=35), photographs(BRACKET, degrees=8)]
    turned = [photographs(PIN, degrees=180), np.concatenate([pins, pins[..., ::-1, ::-1]]), painted.train.images]
    turned += [photographs(RING, degrees=180, wander=35)]
    unknown = [np.full((12, 3, 256, 256), 255, np.uint8), pins[:3], pins[:0]]
    for answer, sets in {"same": same, "turned": turned, "unlike": [grain(60), grain(4, 4)], None: unknown}.items():
        for number, images in enumerate(sets):
            assert checks.orientation(images).answer == answer, number


def test_the_same_photograph_twice_is_found_even_saved_again(painted):
    train, file = np.array(painted.train.images), io.BytesIO()
    small = Image.fromarray((train[5] * 0.9).astype(np.uint8).transpose(1, 2, 0)).resize((200, 200))
    small.save(file, "JPEG", quality=70)
    again = np.asarray(Image.open(file).resize((256, 256))).transpose(2, 0, 1)
    test = np.concatenate([painted.test.images[:3], again[None], train[2:3]])
    assert checks.near_duplicates(train, test) == ([[3, 5], [4, 2]], [])
    assert checks.near_duplicates(np.concatenate([train, again[None]]), test[:1])[1] == [[5, len(train)]]
    alike, other = photographs(BRACKET, wander=1), photographs(BRACKET, wander=1, seed=1)
    assert checks.near_duplicates(alike, other) == ([], [])
    assert checks.near_duplicates(alike[:2], alike[1:3]) == ([[0, 1]], [])
    assert checks.near_duplicates(alike[:0], alike) == ([], [])
    nothing = np.zeros((5, 3, 256, 256), np.uint8)
    assert checks.near_duplicates(nothing, nothing) == ([], [])


def test_every_photograph_twice_is_no_reassurance(painted):
    train, rows = np.array(painted.train.images), len(painted.train)
    for noise in (0, 3):  # the same file, and one that was saved again
        twin = (train + np.random.default_rng(0).normal(0, noise, train.shape)).clip(0, 255).astype(np.uint8)
        both, within = checks.near_duplicates(np.concatenate([train, twin]), train[:1])
        assert within == [[i, rows + i] for i in range(rows)]
        assert both == [[0, 0], [0, rows]]


def test_line_scans_are_named_with_their_smallest_defect_and_exif_is_counted(tmp_path):
    for i in range(4):
        spot = Image.new("L", (200, 5000))
        spot.paste(255, (40, 3000, 60, 3006))
        for place, image in (("train/good", spot), ("test/scratch", spot), ("ground_truth/scratch", spot)):
            (tmp_path / place).mkdir(parents=True, exist_ok=True)
            image.save(tmp_path / place / f"{i}.png")
    found = advised(tmp_path)
    words = found.sentences["Shape"]
    assert words.startswith(
        "200×5000 pixels. The autoencoder reads them as 256×256, a memory bank as 256×5000 in 8×1 tiles"
    )
    assert "The smallest defect is 26×1 of 256×256." in words
    exif = Image.Exif()
    exif[0x0112] = 6
    for i in range(4, 9):
        Image.new("RGB", (60, 60), (i, 9, 9)).save(tmp_path / f"train/good/{i}.jpg", exif=exif)
    words = advised(tmp_path).sentences["Shape"]
    assert words.startswith("200×5000 pixels in most images")
    assert words.endswith("EXIF turns 4.jpg, 5.jpg, 6.jpg and 2 more: turn masks alike.")
    plain = advised(written(tmp_path / "square", photographs(PIN, 4), bent=photographs(PIN, 1))).sentences["Shape"]
    assert "a memory bank as 256×256. The smallest defect is 20×20 of 256×256." in plain


def test_the_promised_false_alarm_rate_is_kept():
    """Of good parts whose scores come from any distribution, no more are called defective than was said."""
    for n in (2, 9):  # test_thresholds measures the same
        assert advice.false_alarms(n) == 1 / (n + 1)
    assert advice.held_out(30) == len(training.split_good(30, 5)[1])
    assert "That is enough" in advice.good_words(120)
    assert "for 10% false alarms take 86 good images" in advice.good_words(30)
    assert advice.test_words([]).startswith("none.")
    assert "Evaluate needs both" in advice.test_words(["cut"])
    assert advice.test_words(["good", "cut", "hole"]) == "1 good and 2 defective."


def test_check_ends_with_the_advice_and_a_line_that_train_takes(painted_folder, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    monkeypatch.setattr(advice, "measured_time", lambda data: "about 4 min")
    assert cli.main(["advise", str(painted_folder)]) == 0
    out = capsys.readouterr().out
    topics = [line.split(":")[0] for line in out.splitlines() if line[0] != " "]
    first = ["Shape", "Orientation", "Good images", "Test images", "In train and test", "Twice in train", "Masks"]
    assert topics[:-1] == [*first, "Detector", "Time"]
    program, *arguments = shlex.split(out.splitlines()[-1])
    taken = cli.parser().parse_args(arguments)
    assert (program, taken.folder, taken.detector) == ("hazelnut-ae", painted_folder, "features")
    assert cli.main(["check", str(painted_folder)]) == 0
    assert capsys.readouterr().out.endswith("No problem found.\n" + out)


@pytest.mark.parametrize(("degrees", "augment"), [(0, ("noise",)), (180, None)])
def test_the_train_line_follows_from_orientation_and_what_is_installed(tmp_path, monkeypatch, degrees, augment):
    folder = written(tmp_path / "parts", photographs(BRACKET, degrees=degrees))
    for there in (True, None):
        monkeypatch.setattr("importlib.util.find_spec", lambda name, there=there: there)
        found = advised(folder)
        taken = cli.parser().parse_args(shlex.split(found.train)[1:])
        assert taken.detector == ("features" if there else "article")
        assert taken.augment == (None if there else augment)
        assert ("pip install" in found.sentences["Detector"]) != bool(there)
        assert ("train article, too" in found.sentences["Detector"]) == bool(there and augment)


def test_missing_and_empty_masks_and_a_duplicate_are_named(tmp_path, capsys):
    train, bad = photographs(PIN, degrees=180), photographs(PIN, 3, degrees=180, seed=1)
    folder = written(tmp_path, train, good=np.concatenate([bad[:1], train[4:5]]), bent=bad[1:])
    assert advised(folder).sentences["Masks"] == "no mask of a defective image is empty."
    Image.new("L", (256, 256)).save(folder / "ground_truth/bent/00.png")
    found = advised(folder).sentences
    assert found["In train and test"].startswith("test/good/01.png (as train/good/04.png). Remove one of each pair")
    assert found["Masks"].startswith("missing or empty for test/bent/00.png, which count as whole images. Masks in")
    assert advice.named(list("abcde")) == "a, b, c and 2 more"
    for name in ("00.png", "01.png"):
        (folder / "ground_truth/bent" / name).unlink()
    assert cli.main(["check", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "Masks: missing or empty for all defective images" in out
    assert "test/good" not in out.split("Masks:")[1]


def test_few_images_bad_folders_and_odd_names(tmp_path, monkeypatch, capsys):
    few = advised(written(tmp_path / "few", photographs(PIN, 3)))
    assert few.train is None
    assert few.sentences["Good images"].startswith("3, but training needs at least 4")
    assert few.sentences["Orientation"].startswith("unknown")
    assert cli.main(["advise", str(tmp_path / "nowhere")]) == 1
    assert "is not a folder; name one in MVTec layout" in capsys.readouterr().err
    monkeypatch.setattr(os, "name", "posix")
    line = shlex.split(train_line("my parts; rm -rf ~", "it's", False, True))
    assert (line[2], line[-2:]) == ("my parts; rm -rf ~", ["--augment", "noise"])
    assert all(one.isprintable() for one in Advice({"Masks": "a\x1b[31mb\nc"}, "hazelnut-ae train a\nb").lines())
