"""The pictures of a run: which files are written for which data."""

import numpy as np
import pytest
from PIL import Image

from hazelnut_ae.dataset import Dataset, ImageSet
from hazelnut_ae.engine.runs import Run
from hazelnut_ae.inference import article_figures


class Printed:
    def printed_tau(self, defect):
        return 0.2


def image_set(defects, seed=0):
    images = np.random.default_rng(seed).integers(0, 200, (len(defects), 3, 256, 256), dtype=np.uint8)
    masks = np.zeros((len(defects), 256, 256), bool)
    for i, name in enumerate(defects):
        masks[i, 40 : 60 + 4 * i, 100:130] = name != "good"
    return ImageSet(images, masks, list(defects), [f"test/{name}/{i:03d}.png" for i, name in enumerate(defects)])


def written(folder, defects):
    test = image_set(defects, seed=1)
    dataset = Dataset(image_set(["good"] * 4), test, "noise", "fingerprint", "made-up noise, for a test")
    config = {"detector": "article", "data": "fingerprint", "preset": "tiny", "latent_dim": 5, "seed": 0}
    history = [(step, 1 + step // 5, 0.1 / step) for step in range(1, 31)]
    f1 = {name: [(1, 0.1), (2, None), (3, 0.4)] for name in test.defect_names}
    run = Run(folder, config, history, [(5, 0.03)], f1, Printed())
    maps = np.where(test.masks, 0.5, 0.05).astype(np.float32)
    return article_figures.write_all(folder, dataset, run, maps, test.images / 255)


@pytest.mark.slow
def test_the_articles_defects_have_the_articles_figures(tmp_path):
    paths = written(tmp_path, ["good", "crack", "cut", "hole", "print", "print"])
    names = "00_defects_found 03_training_images 04_defects_and_masks 05_loss 06_f1_crack_cut 07_f1_hole_print 09_print"
    names += " 10_crack 11_cut 12_hole 13_threshold_image 14_thresholds"
    assert [path.stem for path in paths] == [f"figure_{name}" for name in names.split()]
    assert sorted(tmp_path.iterdir()) == paths  # nothing else, no half-written file
    for path in paths:
        with Image.open(path) as picture:
            picture.load()


def test_other_defects_have_a_figure_each_and_a_set_without_defects_its_training_figures(tmp_path):
    names = {path.stem for path in written(tmp_path / "other", ["good", "bent_lead", "colour"])}
    assert {"figure_09_bent_lead", "figure_09_colour", "figure_06_f1_bent_lead", "figure_07_f1_colour"} <= names
    only_good = {path.stem for path in written(tmp_path / "good", ["good"])}
    assert only_good == {"figure_03_training_images", "figure_05_loss"}
