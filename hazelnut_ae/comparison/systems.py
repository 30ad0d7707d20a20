"""Which systems there are, and how long each is fitted in the settings "quick" and "paper"."""

from hazelnut_ae.comparison.anogan import AnoGAN
from hazelnut_ae.comparison.bergmann import BergmannAutoencoder
from hazelnut_ae.comparison.common import Checkpoint
from hazelnut_ae.comparison.dictionary import FeatureDictionary
from hazelnut_ae.engine.files import DataError

SYSTEMS = {
    "ae-l2": BergmannAutoencoder,
    "ae-ssim": BergmannAutoencoder,
    "anogan": AnoGAN,
    "dictionary": FeatureDictionary,
}

# "paper": the authors' own numbers, hours to days on two cores. "quick": minutes; what differs is all that is here.
# "tiny": seconds, to see that everything runs, not to see good numbers.
SETTINGS = {
    "paper": {
        "ae-l2": dict(loss="l2", steps=15_600, batch_size=128, learning_rate=2e-4),  # 200 epochs of 10,000
        "ae-ssim": dict(loss="ssim", steps=15_600, batch_size=128, learning_rate=2e-4),
        "anogan": dict(steps=7_800, batch_size=64, width=64, search_steps=300),  # 50 epochs of 10,000
        "dictionary": dict(patch_size=224, dictionary_patches=200_000),
    },
    "quick": {
        "ae-l2": dict(loss="l2", steps=1000, batch_size=16, learning_rate=1e-3),
        "ae-ssim": dict(loss="ssim", steps=1000, batch_size=16, learning_rate=1e-3),
        "anogan": dict(steps=800, batch_size=32, width=32, search_steps=300),
        "dictionary": dict(patch_size=32, dictionary_patches=40_000),
    },
    "tiny": {
        "ae-l2": dict(loss="l2", steps=4, batch_size=2, learning_rate=1e-3),
        "ae-ssim": dict(loss="ssim", steps=4, batch_size=2, learning_rate=1e-3),
        "anogan": dict(steps=2, batch_size=2, width=4, search_steps=2),
        "dictionary": dict(patch_size=32, dictionary_patches=200, backbone="efficientnet-lite0"),
    },
}


def build(
    system: str,
    setting: str = "quick",
    augment: str = "turn",
    seed: int = 0,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
):
    """A `Detector`, not yet fitted. The dictionary has no training, so neither augmentation nor checkpoint.

    Raises: DataError for a system or a setting that does not exist, or a dictionary without ImageNet weights.
    """
    if system not in SYSTEMS:
        raise DataError(f"there is no comparison system {system!r}; choose from article, {', '.join(SYSTEMS)}.")
    if setting not in SETTINGS:
        raise DataError(f"there is no setting {setting!r}; choose from {', '.join(SETTINGS)}.")
    options = SETTINGS[setting][system] | dict(seed=seed, device=device)
    if system != "dictionary":
        options |= dict(augment=augment, checkpoint=checkpoint)
    return SYSTEMS[system](**options)
