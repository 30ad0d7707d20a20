"""The study of notebook 9: one choice changed at a time."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks import variants
from hazelnut_ae.comparison.autoencoders import BergmannAutoencoder
from hazelnut_ae.errors import DataError
from hazelnut_ae.training import split_good


@pytest.mark.slow
def test_variants_change_one_thing_and_keep_their_maps(painted, tmp_path, monkeypatch):
    names = ["AE(L2), grey", "AE(L2), detail of 128 pixels", "AE(SSIM), any rotation"]
    table = variants.variants(painted, tmp_path, names, setting="tiny")
    assert table["variant"].tolist() == ["mean image, no learning", *names]
    assert table.drop(columns="variant").notna().all().all()
    # the mean image's number, counted by another hand
    good = painted.train.images[split_good(len(painted.train), 0)[0]] / 255
    far = np.sqrt(((painted.test.images / 255 - good.mean(axis=0)) ** 2).mean(axis=1))
    expected = roc_auc_score(painted.test.masks.ravel(), far.ravel())
    assert table["pixel_auroc"][0] == pytest.approx(expected, abs=1e-3)
    monkeypatch.setattr(BergmannAutoencoder, "fit", lambda *_: pytest.fail("fitted again"))
    assert variants.variants(painted, tmp_path, names, setting="tiny").equals(table)
    with pytest.raises(DataError, match="no variant"):
        variants.variants(painted, tmp_path, ["AE(L3)"])
