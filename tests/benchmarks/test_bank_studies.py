"""The studies of the memory bank: what it costs with many images, and beside another library's."""

import sys

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import __main__ as studies
from benchmarks import growth, peer
from hazelnut_ae import backbones
from hazelnut_ae.metrics import image_auroc
from hazelnut_ae.patchcore import COARSE, MemoryBank

SMALL = dict(side=128, coarse_side=64, candidates=2000, size=200)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return backbones.empty_stages("efficientnet-lite0")


def test_a_bank_of_more_images_is_timed_on_images_that_are_made_as_they_are_asked_for(network):
    nuts = growth.Nuts(40)
    assert (len(nuts), nuts[3].shape, nuts[3].dtype) == (40, (3, 256, 256), np.uint8)
    np.testing.assert_array_equal(nuts[3], nuts[3])
    assert (nuts[3] != nuts[3 + growth.DISTINCT]).any()  # the same nut, another photograph
    row = growth.one_bank(20, 2, network=network, **SMALL)
    assert row["images"] == 20
    assert row["fit_s"] > 0
    assert row["image_s"] > 0


def test_without_anomalib_one_plain_sentence(painted_folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "anomalib", None)
    assert studies.main(["peer", str(painted_folder)]) == 1
    error = capsys.readouterr().err
    assert "pip install anomalib" in error
    assert error.count("\n") == 1


def test_the_peer_sees_the_coarse_banks_stages(network):
    seen = peer.Layers(network, COARSE)(torch.rand(1, 3, 64, 64))
    assert {name: tuple(one.shape[1:]) for name, one in seen.items()} == {"2": (40, 8, 8), "4": (112, 4, 4)}


def test_both_are_measured_by_their_own_scores(network, painted):
    bank = MemoryBank(network, **SMALL)
    table = peer.beside_peer(painted, [bank])
    assert isinstance(table, pd.DataFrame)
    (row,) = table.to_dict("records")
    defective = np.array(painted.test.defects) != "good"
    assert row["image_auroc"] == image_auroc(bank.maps_and_scores(painted.test.images)[1], defective)
    assert row["system"] == bank.name
    assert row["fit_s"] > 0


def test_anomalibs_model_takes_our_network(network, painted):
    pytest.importorskip("anomalib")
    other = peer.Peer(network)
    other.fit(painted.train.images[:4])
    maps, scores = other.maps_and_scores(painted.test.images[:2])
    assert (maps.shape, scores.shape) == ((2, 256, 256), (2,))
