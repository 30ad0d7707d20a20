"""A detector from a run, in a program of one's own."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from spots import spotted

import hazelnut_ae
from hazelnut_ae.errors import DataError
from hazelnut_ae.metrics import image_scores


@pytest.fixture(scope="module")
def detector(tiny_run):
    return hazelnut_ae.load_detector(tiny_run.folder)


def test_the_package_offers_it_without_importing_torch_for_others():
    code = "import sys, hazelnut_ae; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    with pytest.raises(AttributeError, match="has no attribute 'load_detektor'"):
        _ = hazelnut_ae.load_detektor


def test_files_arrays_and_lists_of_both_give_the_same(painted_folder, painted, tiny_run, detector):
    images = painted.test.images[:3]
    files = [painted_folder / path for path in painted.test.paths[:3]]
    expected = tiny_run.detector.anomaly_maps(images)
    mixed = (files[0], images[1].transpose(1, 2, 0), images[2])
    for given in (files, [str(file) for file in files], images, images.transpose(0, 2, 3, 1), list(images), mixed):
        scores, decisions, maps, masks = detector.predict(given)
        np.testing.assert_array_equal(maps, expected)
        np.testing.assert_array_equal(scores, image_scores(expected))
        np.testing.assert_array_equal(decisions, scores > detector.image_tau)
        np.testing.assert_array_equal(masks, expected > np.float32(detector.tau))
    for single in (files[0], images[0]):
        np.testing.assert_allclose(detector.predict(single).maps, expected[:1], atol=1e-5)


def test_shapes_dtypes_and_batches(redness, tmp_path):
    got = redness.predict([np.zeros((30, 50), np.uint8), np.zeros((3, 40, 20), np.uint8), spotted(tmp_path / "x.png")])
    shapes = [((3,), np.float64), ((3,), bool), ((3, 256, 256), np.float32), ((3, 256, 256), bool)]
    assert [(part.shape, part.dtype) for part in got] == shapes
    assert got.decisions.tolist() == [False, False, True]
    assert [part.shape for part in redness.predict([])] == [(0,), (0,), (0, 256, 256), (0, 256, 256)]
    assert len(redness.predict(np.zeros((70, 8, 8, 3), np.uint8)).scores) == 70
    assert max(redness.detector.batches) == 32


def test_bad_images_are_one_sentence(redness, tmp_path, monkeypatch):
    for images, message in (
        (np.full((8, 8, 3), 2.0), r"values in \[0, 1\]"),
        (np.full((8, 8), np.nan), r"values in \[0, 1\]"),
        (np.zeros((8, 8, 3), int), "uint8 in 0 … 255, uint16, or floating-point in .* not int64"),
        (np.zeros((8, 8, 5), np.uint8), r"not \[8, 8, 5\]"),
        (np.zeros((0, 8, 3), np.uint8), r"not \[0, 8, 3\]"),
        (np.zeros(8, np.uint8), r"not \[8\]"),
        ([3], "not int"),
        (3, "not int"),
    ):
        with pytest.raises(ValueError, match=message):
            redness.predict(images)
    (tmp_path / "x.png").write_text("hello")
    with pytest.raises(DataError, match="cannot be read as an image"):
        redness.predict(tmp_path / "x.png")
    plain = redness.detector.predict
    monkeypatch.setattr(redness.detector, "predict", lambda images: plain(images * np.float32("nan")))
    with pytest.raises(DataError, match="NaN"):
        redness.predict(np.zeros((8, 8), np.uint8))


def test_thresholds_may_be_given(tiny_run, tmp_path):
    run = shutil.copytree(tiny_run.folder, tmp_path / "run")
    (run / "thresholds.json").unlink()
    with pytest.raises(DataError, match="give both"):
        hazelnut_ae.load_detector(run, tau=0.2)
    given = hazelnut_ae.load_detector(run, tau=0.2, image_tau=0.5)
    assert (given.tau, given.image_tau) == (0.2, 0.5)
    assert hazelnut_ae.load_detector(tiny_run.folder, tau=0.2).tau == 0.2


def test_threads_take_turns_and_get_what_they_would_get_alone(redness, painted, monkeypatch):
    sets, inside, most = [painted.test.images[i : i + 2] for i in range(0, 8, 2)], [], []
    alone = [redness.predict(images).maps for images in sets]
    plain = redness.detector.predict

    def predict(images):
        inside.append(1)
        most.append(len(inside))
        found = plain(images)
        inside.pop()
        return found

    monkeypatch.setattr(redness.detector, "predict", predict)
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(lambda images: redness.predict(images).maps, sets))
    np.testing.assert_array_equal(at_once, alone)
    assert max(most) == 1
