"""The comparison systems: shapes, SSIM against scikit-image, stored results; and each finds something."""

from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image
from skimage import data
from skimage.metrics import structural_similarity
from torch import nn

from hazelnut_ae import backbones, comparison
from hazelnut_ae.augmentation import AUGMENTATION_PRESETS
from hazelnut_ae.comparison.anogan import AnoGAN, Discriminator, Generator
from hazelnut_ae.comparison.autoencoders import BergmannAutoencoder, BergmannNetwork, ssim_map
from hazelnut_ae.comparison.compare import as_the_run, file_of, predict
from hazelnut_ae.comparison.feature_dictionary import FeatureDictionary, patches_of, spread
from hazelnut_ae.dataset import Dataset, ImageSet
from hazelnut_ae.engine.runs import Run
from hazelnut_ae.errors import DataError

pytestmark = pytest.mark.slow
TURN, UPRIGHT = AUGMENTATION_PRESETS["turn"], AUGMENTATION_PRESETS["upright"]
TINY = dict(setting="tiny", augment=UPRIGHT)


def squares(number, seed=0, defective=False, noise=6):
    """Good: a bright disc on a dark background, with noise. Defective: a black square on the disc."""
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
    (test, masks), (bad, bad_masks) = squares(1, seed=1), squares(1, seed=2, defective=True)
    names = [f"{i}.png" for i in range(8)]
    train = ImageSet(good, good_masks, ["good"] * 8, names)
    test = ImageSet(np.concatenate([test, bad]), np.concatenate([masks, bad_masks]), ["good", "square"], names[:2])
    return Dataset(train, test, "discs", "discs-1", "synthetic")


def test_the_networks_have_the_printed_shapes():
    network, x = BergmannNetwork(channels=1, latent_dim=500), torch.zeros(2, 1, 256, 256)
    assert network.encoder(x).shape == (2, 500, 1, 1)
    assert network(x).shape == x.shape
    # Table 1 of the VISAPP paper, with one more layer of 32 channels before it: counted by hand
    convolutions = [(m.out_channels, m.kernel_size[0]) for m in network.encoder if isinstance(m, nn.Conv2d)]
    first = [(32, 4), (32, 4), (32, 4), (32, 3), (64, 4)]
    assert convolutions == [*first, (64, 3), (128, 4), (64, 3), (32, 3), (500, 8)]
    mirrored = [m.out_channels for m in network.decoder if isinstance(m, nn.ConvTranspose2d)]
    assert mirrored == [32, 64, 128, 64, 64, 32, 32, 32, 32, 1]
    discriminator, x = Discriminator(width=4), Generator(width=4)(torch.randn(3, 64, 1, 1))
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
    _, full = structural_similarity(x, y, **options)
    assert ours.shape == (2, 200, 240)
    inside = (slice(5, -5), slice(5, -5))  # the two libraries reflect the border differently
    np.testing.assert_allclose(ours[0].numpy()[inside], full[inside], atol=1e-3)  # float32 against float64
    np.testing.assert_allclose(ours[1].numpy(), 1, atol=1e-4)
    colour = [torch.from_numpy(np.stack(pair))[None] for pair in ((x, y), (y, y))]  # [1, 2, H, W]
    torch.testing.assert_close(ssim_map(*colour)[0], ours.mean(dim=0))  # channels are averaged


@pytest.mark.parametrize("loss", ["l2", "ssim"])
def test_an_autoencoder_learns_and_its_map_points_at_the_defect(loss):
    good, _ = squares(4, noise=1)  # SSIM takes noise for structure
    bad, masks = squares(2, seed=3, defective=True, noise=1)
    detector = BergmannAutoencoder(loss, steps=21, batch_size=2, learning_rate=2e-3, augment=())
    x = detector.prepare(good) / 255
    before = detector.loss_of(detector.network, x).item()
    detector.fit(good)
    assert detector.loss_of(detector.network, x).item() < 0.8 * before
    maps = detector.predict(bad).anomaly_maps
    assert (maps.shape, maps.dtype) == ((2, 256, 256), np.float32)
    assert maps[masks].mean() > 2 * maps[~masks].mean()
    assert detector.reconstruct(bad).shape == (2, 1 if loss == "ssim" else 3, 256, 256)


def test_the_latent_search_finds_an_image_that_the_generator_can_paint_each_alone():
    gan = AnoGAN(steps=0, width=4, search_steps=40, seed=1)
    for step in range(40):  # an untrained generator paints grey until its batch normalization knows its scale
        gan.generator(gan.noise(16, seed=100 + step))
    wanted = gan.generator.eval()(gan.noise(2, seed=9)).detach()
    before = (gan.generator(gan.noise(2, gan.seed + 2)).detach() - wanted).abs().mean()
    found, losses = gan.search(wanted)
    assert losses[-1] < 0.8 * losses[0]
    assert (found - wanted).abs().mean() < before
    assert all(p.requires_grad for p in gan.generator.parameters())
    gan.noise = lambda number, seed, noise=gan.noise: noise(2, seed)[1:]
    torch.testing.assert_close(found[1:], gan.search(wanted[1:])[0], atol=0.05, rtol=0)  # bfloat16


def test_patches_and_the_scores_of_their_pixels():
    image = torch.arange(3 * 256 * 256).view(3, 256, 256)
    patches = patches_of(image)
    assert patches.shape == (3721, 3, 16, 16)
    assert torch.equal(patches[1], image[:, :16, 4:20])
    assert torch.equal(patches[61], image[:, 4:20, :16])
    scores = torch.zeros(1, 3721)
    scores[0, 0] = 1
    pixels = spread(scores, (256, 256))[0]
    assert pixels[0, 0] == 1  # only patch 0 covers the corner
    assert pixels[5, 5] == pytest.approx(1 / 4)  # patches 0, 1, 61, 62
    assert pixels[16:, 16:].abs().max() == 0


def test_efficientnet_lite0_recognises_a_cat_and_a_cup():
    network = backbones.ARCHITECTURES["efficientnet-lite0"].trained()
    trunk = backbones.imagenet_trunk("efficientnet-lite0")
    for name, classes in (("chelsea", (281, 282, 285)), ("coffee", (967, 968))):  # three cats; espresso, cup
        image = torch.from_numpy(getattr(data, name)().copy()).permute(2, 0, 1)[None].float() / 255
        image = nn.functional.interpolate(image, size=(224, 224), mode="area")
        features = network.features((image - trunk.mean) / trunk.std)  # [1, 320, 7, 7]
        assert int(network.fc(network.head(features).mean(dim=(2, 3))).argmax()) in classes


def test_the_dictionary_points_at_the_defect():
    good, _ = squares(4)
    bad, masks = squares(1, seed=3, defective=True)
    detector = FeatureDictionary(patch_size=32, dictionary_patches=800, backbone="efficientnet-lite0")
    assert "EfficientNet-Lite0" in detector.name
    detector.fit(good)
    maps = detector.predict(bad).anomaly_maps
    assert maps.shape == (1, 256, 256)
    features = detector.describe(patches_of(torch.from_numpy(good[0]))[:5])  # [5, 320]
    torch.testing.assert_close(features.abs().sum(dim=1), torch.ones(5))
    assert features.std(dim=0).mean() > 0  # not the same vector for every patch
    assert detector.components.shape[0] < features.shape[1]
    edges = masks ^ np.roll(masks, 8, axis=1)
    assert maps[edges].mean() > np.median(maps)


def test_compare_measures_stores_and_draws(dataset, tmp_path, monkeypatch):
    systems = ["ae-l2", "ae-ssim", "anogan"]
    first = comparison.compare(dataset, tmp_path, systems, **TINY)
    assert [one["system"][:6] for one in first] == ["AE(L2)", "AE(SSI", "AnoGAN"]
    for one in first:
        assert 0 <= one["pixels"]["auroc"] <= 1
        assert one["defects"]["square"]["images"] == 1
        assert min(one["fit_s"], one["predict_s"]) > 0
    for system in (BergmannAutoencoder, AnoGAN):
        monkeypatch.setattr(system, "fit", lambda *_: pytest.fail("fitted again"))
        monkeypatch.setattr(system, "predict", lambda *_: pytest.fail("predicted again"))
    assert comparison.compare(dataset, tmp_path, systems, **TINY) == first
    table = comparison.systems_table(first)
    assert list(table["system"]) == [one["system"] for one in first]
    assert Image.open(comparison.write_figure(dataset, tmp_path, systems, **TINY)).width > 160 * (2 + len(systems))
    monkeypatch.undo()
    # other augmentations have their own file and do not replace the first fit; other data do
    comparison.compare(dataset, tmp_path, ["ae-l2"], setting="tiny", augment=())
    fits = []
    monkeypatch.setattr(BergmannAutoencoder, "fit", lambda self, good: fits.append(len(good)))
    assert comparison.compare(dataset, tmp_path, ["ae-l2"], **TINY) == first[:1]
    other = Dataset(dataset.train, dataset.test, "discs", "discs-2", "")
    comparison.compare(other, tmp_path, ["ae-l2"], **TINY)
    assert fits == [6]


def test_a_second_process_waits_for_the_first_and_loads_its_fit(dataset, tmp_path, monkeypatch):
    fits = []
    monkeypatch.setattr(BergmannAutoencoder, "fit", lambda *_: fits.append(1))
    path = file_of(tmp_path, "ae-l2", "tiny", TURN, 0)
    with ThreadPoolExecutor() as pool:
        with FileLock(path.with_suffix(".lock")):
            both = [pool.submit(predict, dataset, tmp_path, "ae-l2", "tiny") for _ in range(2)]
            wait(both, timeout=0.5)
            assert not fits
        first, second = (one.result(timeout=60) for one in both)
    assert len(fits) == 1
    np.testing.assert_array_equal(first["maps"], second["maps"])


def test_wrong_names_are_refused_in_one_sentence(dataset, tmp_path):
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


def test_augmentation_and_seed_follow_the_run():
    upright = Run(None, {"augmentations": ["noise"], "seed": 3})
    assert as_the_run(upright) == {"augment": UPRIGHT, "seed": 3}
    assert as_the_run(upright, TURN) == {"augment": TURN, "seed": 3}
    assert as_the_run(None) == {"augment": TURN, "seed": 0}
