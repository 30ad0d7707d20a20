"""A detector from a run, in a program of one's own."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image
from spots import spotted

import hazelnut_ae
from hazelnut_ae.engine import run_data, runs
from hazelnut_ae.errors import DataError
from hazelnut_ae.metrics import image_scores


@pytest.fixture(scope="module")
def detector(tiny_run):
    return hazelnut_ae.load_detector(tiny_run.folder)


def test_the_package_offers_it_without_making_others_wait():
    code = "import time; t = time.perf_counter(); import hazelnut_ae; print(time.perf_counter() - t)"
    seconds = [float(subprocess.run([sys.executable, "-c", code], capture_output=True).stdout) for _ in range(3)]
    assert min(seconds) < 0.1
    with pytest.raises(AttributeError, match="has no attribute 'load_detektor'"):
        _ = hazelnut_ae.load_detektor


def test_files_arrays_and_lists_of_both_are_one(painted_folder, painted, tiny_run, detector):
    images = painted.test.images[:3]
    files = [painted_folder / path for path in painted.test.paths[:3]]
    expected = run_data.detector_of(runs.load_run(tiny_run.folder)).anomaly_maps(images)
    for given in (files, [str(file) for file in files], images, images.transpose(0, 2, 3, 1), list(images)):
        scores, decisions, maps, masks = detector.predict(given)
        np.testing.assert_array_equal(maps, expected)
        np.testing.assert_array_equal(scores, image_scores(expected))
        np.testing.assert_array_equal(decisions, scores > detector.image_tau)
        np.testing.assert_array_equal(masks, expected > np.float32(detector.tau))
    mixed = detector.predict((files[0], images[1].transpose(1, 2, 0), images[2]))
    np.testing.assert_array_equal(mixed.maps, expected)
    np.testing.assert_allclose(detector.predict(files[0]).maps, expected[:1], atol=1e-5)
    np.testing.assert_allclose(detector.predict(images[0]).maps, expected[:1], atol=1e-5)


def test_shapes_and_kinds(redness, tmp_path):
    got = redness.predict([np.zeros((30, 50), np.uint8), np.zeros((3, 40, 20), np.uint8), spotted(tmp_path / "x.png")])
    assert [(part.shape, part.dtype) for part in got] == [
        ((3,), np.float64),
        ((3,), bool),
        ((3, 256, 256), np.float32),
        ((3, 256, 256), bool),
    ]
    assert got.decisions.tolist() == [False, False, True]
    assert [part.shape for part in redness.predict([])] == [(0,), (0,), (0, 256, 256), (0, 256, 256)]
    many = redness.predict(np.zeros((70, 8, 8, 3), np.uint8))
    assert len(many.scores) == 70
    assert max(redness.detector.batches) == 32


def test_an_array_is_resized_as_its_file_is(redness, tmp_path):
    path = spotted(tmp_path / "x.png", size=(300, 420))
    array = np.asarray(Image.open(path))
    np.testing.assert_array_equal(redness.predict(path).maps, redness.predict(array).maps)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((8, 8, 3)), "uint8 in 0 … 255, not float64"),
        (np.zeros((8, 8, 4), np.uint8), r"not \[8, 8, 4\]"),
        (np.zeros((0, 8, 3), np.uint8), r"not \[0, 8, 3\]"),
        (np.zeros(8, np.uint8), r"not \[8\]"),
        ([3], "not int"),
        (3, "paths, arrays or a list"),
    ],
)
def test_other_arrays_are_refused(redness, images, message):
    with pytest.raises(ValueError, match=message):
        redness.predict(images)


def test_a_file_that_is_no_image_is_one_sentence(redness, tmp_path):
    (tmp_path / "x.png").write_text("hello")
    with pytest.raises(DataError, match="cannot be read as an image"):
        redness.predict(tmp_path / "x.png")


def test_thresholds_may_be_given(tiny_run, tmp_path):
    for path in tiny_run.folder.iterdir():
        if path.name != "thresholds.json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="give both"):
        hazelnut_ae.load_detector(tmp_path, tau=0.2)
    given = hazelnut_ae.load_detector(tmp_path, tau=0.2, image_tau=0.5)
    assert (given.tau, given.image_tau) == (0.2, 0.5)
    assert hazelnut_ae.load_detector(tiny_run.folder, tau=0.2).tau == 0.2
    with pytest.raises(DataError, match="no finished run"):
        hazelnut_ae.load_detector(tmp_path / "nowhere")


def test_a_map_with_nan_is_one_sentence(redness):
    redness.detector.anomaly_maps = lambda images: np.full((len(images), 256, 256), np.nan, np.float32)
    with pytest.raises(DataError, match="NaN"):
        redness.predict(np.zeros((8, 8), np.uint8))


def test_threads_get_what_they_would_get_alone(detector, painted):
    sets = [painted.test.images[i : i + 2] for i in range(0, 8, 2)]
    alone = [detector.predict(images).maps for images in sets]
    together = [None] * len(sets)

    def work(i):
        together[i] = detector.predict(sets[i]).maps

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(sets))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_only_one_thread_is_in_a_detector_at_a_time(redness):
    inside, most = [], []

    def anomaly_maps(images, plain=redness.detector.anomaly_maps):
        inside.append(1)
        most.append(len(inside))
        maps = plain(images)
        inside.pop()
        return maps

    redness.detector.anomaly_maps = anomaly_maps
    images = np.zeros((32, 16, 16, 3), np.uint8)
    threads = [threading.Thread(target=redness.predict, args=(images,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
