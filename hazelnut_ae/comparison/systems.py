"""The comparison systems and their settings "paper", "quick" and "tiny". To add one: a `Detector` and a row here."""

from dataclasses import dataclass

from hazelnut_ae.comparison.anogan import AnoGAN
from hazelnut_ae.comparison.autoencoders import BergmannAutoencoder
from hazelnut_ae.comparison.feature_dictionary import FeatureDictionary
from hazelnut_ae.errors import DataError
from hazelnut_ae.patchcore import MemoryBank

SETTING_NAMES = ("paper", "quick", "tiny")


@dataclass(frozen=True)
class System:
    """A comparison system: its `Detector` class, and the arguments it gets in each setting."""

    detector: type
    paper: dict  # the authors' own numbers, hours to days on two cores
    quick: dict  # minutes
    tiny: dict  # seconds, only to see that everything runs
    trained: bool = True  # in steps, on augmented images


def autoencoder(loss):
    return System(
        BergmannAutoencoder,
        paper=dict(loss=loss, steps=15_600, batch_size=128, learning_rate=2e-4),  # 200 epochs of 10,000
        quick=dict(loss=loss, steps=400, batch_size=16, learning_rate=1e-3),
        tiny=dict(loss=loss, steps=4, batch_size=2, learning_rate=1e-3),
    )


SYSTEMS = {
    "ae-l2": autoencoder("l2"),
    "ae-ssim": autoencoder("ssim"),
    "anogan": System(
        AnoGAN,
        paper=dict(steps=7_800, batch_size=64, width=64, search_steps=300),  # 50 epochs of 10,000
        quick=dict(steps=400, batch_size=32, width=16, search_steps=100),
        tiny=dict(steps=2, batch_size=2, width=4, search_steps=2),
    ),
    "dictionary": System(
        FeatureDictionary,
        paper=dict(patch_size=224, dictionary_patches=200_000),
        quick=dict(patch_size=32, dictionary_patches=20_000, stride=8),
        tiny=dict(patch_size=32, dictionary_patches=200, stride=16, backbone="efficientnet-lite0"),
        trained=False,
    ),
}
# the memory bank trains nothing, so paper and quick are the same
BANK = System(MemoryBank, {}, {}, dict(side=128, coarse_side=64, candidates=2000, size=200), trained=False)
ALL_SYSTEMS = SYSTEMS | {"features": BANK}


def options_of(system, setting):
    """Returns the arguments of a system in a setting. Raises DataError for an unknown name."""
    if system not in ALL_SYSTEMS:
        raise DataError(f"there is no comparison system {system!r}; choose from article, {', '.join(ALL_SYSTEMS)}.")
    if setting not in SETTING_NAMES:
        raise DataError(f"there is no setting {setting!r}; choose from {', '.join(SETTING_NAMES)}.")
    return getattr(ALL_SYSTEMS[system], setting)


def new_detector(system, setting="quick", seed=0, device="cpu", augment=None):
    """Returns an unfitted `Detector`. Raises DataError if a name is unknown or ImageNet weights are missing."""
    options = options_of(system, setting) | dict(seed=seed, device=device)
    if augment is not None and ALL_SYSTEMS[system].trained:
        options["augment"] = augment
    return ALL_SYSTEMS[system].detector(**options)
