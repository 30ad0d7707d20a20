"""Which systems there are, and how long each is fitted in the settings "quick" and "paper".

A new system is a module with a `Detector` and a row here.
"""

from dataclasses import dataclass

from hazelnut_ae.comparison.anogan import AnoGAN
from hazelnut_ae.comparison.autoencoders import BergmannAutoencoder
from hazelnut_ae.comparison.feature_dictionary import FeatureDictionary
from hazelnut_ae.errors import DataError
from hazelnut_ae.patchcore import MemoryBank

SETTINGS = ("paper", "quick", "tiny")


@dataclass(frozen=True)
class System:
    """A comparison system: its `Detector` class, and what it is made with in each setting.

    paper: the authors' own numbers, hours to days on two cores. quick: minutes; what differs is all that is here.
    tiny: seconds, to see that everything runs, not to see good numbers. trained: whether it learns step by step, so
    that it takes augmented images and a checkpoint; else its features come trained.
    """

    detector: type
    paper: dict
    quick: dict
    tiny: dict
    trained: bool = True


SYSTEMS = {
    "ae-l2": System(
        BergmannAutoencoder,
        paper=dict(loss="l2", steps=15_600, batch_size=128, learning_rate=2e-4),  # 200 epochs of 10,000
        quick=dict(loss="l2", steps=1000, batch_size=16, learning_rate=1e-3),
        tiny=dict(loss="l2", steps=4, batch_size=2, learning_rate=1e-3),
    ),
    "ae-ssim": System(
        BergmannAutoencoder,
        paper=dict(loss="ssim", steps=15_600, batch_size=128, learning_rate=2e-4),
        quick=dict(loss="ssim", steps=1000, batch_size=16, learning_rate=1e-3),
        tiny=dict(loss="ssim", steps=4, batch_size=2, learning_rate=1e-3),
    ),
    "anogan": System(
        AnoGAN,
        paper=dict(steps=7_800, batch_size=64, width=64, search_steps=300),  # 50 epochs of 10,000
        quick=dict(steps=800, batch_size=32, width=32, search_steps=300),
        tiny=dict(steps=2, batch_size=2, width=4, search_steps=2),
    ),
    "dictionary": System(
        FeatureDictionary,
        paper=dict(patch_size=224, dictionary_patches=200_000),
        quick=dict(patch_size=32, dictionary_patches=40_000),
        tiny=dict(patch_size=32, dictionary_patches=200, backbone="efficientnet-lite0"),
        trained=False,
    ),
}
EVERY = SYSTEMS | {  # and what the article does not compare itself with
    "features": System(
        MemoryBank,
        paper=dict(),  # as it is: a memory bank takes no training that could be cut short
        quick=dict(),
        tiny=dict(side=128, coarse_side=64, candidates=2000, size=200),
        trained=False,
    ),
}


def options_of(system, setting):
    """What a system is made with in a setting. Raises: DataError for a name that does not exist."""
    if system not in EVERY:
        raise DataError(f"there is no comparison system {system!r}; choose from article, {', '.join(EVERY)}.")
    if setting not in SETTINGS:
        raise DataError(f"there is no setting {setting!r}; choose from {', '.join(SETTINGS)}.")
    return getattr(EVERY[system], setting)


def new_detector(system, setting="quick", seed=0, device="cpu", **training):
    """A `Detector`, not yet fitted. training: `augment` and `checkpoint`, for systems that learn step by step.

    Raises: DataError for a name that does not exist, or where ImageNet weights cannot be had.
    """
    options = options_of(system, setting) | dict(seed=seed, device=device)
    return EVERY[system].detector(**options, **(training if EVERY[system].trained else {}))
