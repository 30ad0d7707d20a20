"""The detectors of `train --detector`.

A new one is a `Detector`, a module beside this one with its `train_run` (for one that is fitted in one go, a call of
`bank_trainer.fit_run`), and an entry in `DETECTORS`. Functions here import late, so that `--help` needs no PyTorch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class DetectorType:
    """How runs of one detector are trained and loaded."""

    text: str  # what the help of `train --detector` says
    trainer: str  # the module of `engine` whose `train_run` trains it
    build: Callable  # of config and weights, a `Detector`; ValueError or RuntimeError if the two do not fit
    settings: dict[str, type]  # the keys that its config.json needs
    must_agree: tuple[str, ...]  # the keys of config.json that must be equal to resume a run
    caption: Callable[..., str]  # describes a `Run` in a few words
    learns_in_steps: bool  # whether a run has epochs, a history and checkpoints

    @property
    def train_run(self):
        return import_module(f"hazelnut_ae.engine.{self.trainer}").train_run


def build_article(config, weights):
    from hazelnut_ae.autoencoder import Autoencoder
    from hazelnut_ae.detection import AutoencoderDetector

    if not any(config["latent_dim"] in tensor.shape for tensor in weights.values()):  # before memory is allocated
        raise ValueError(f"the weights are not those of a latent vector of {config['latent_dim']}")
    detector = AutoencoderDetector(Autoencoder(config["latent_dim"]))
    detector.restore(weights)
    detector.model.eval()
    return detector


def caption_article(run):
    epochs, c = run.history[-1][1] if run.history else 0, run.config
    return f"{c['preset']} preset, {epochs} epochs, latent {c['latent_dim']}, seed {c['seed']}"


BANK = {"side": int, "neighbourhood": int, "coarse_side": int, "candidates": int, "size": int, "blur": float}
BANK |= {"halo": int, "rows": int, "columns": int}


def build_features(config, weights):
    from hazelnut_ae.backbones import empty_stages
    from hazelnut_ae.patchcore import MemoryBank

    sides = all(32 <= config[key] <= 2048 for key in ("side", "coarse_side"))
    tiles = all(1 <= config[key] <= 128 for key in ("halo", "rows", "columns"))
    if not (sides and tiles) or config["neighbourhood"] not in range(1, 64, 2) or config["blur"] > 64:  # before memory
        raise ValueError("config.json has a side, a neighbourhood, a blur, rows or columns that no run has")
    settings = {key: config[key] for key in BANK}
    detector = MemoryBank(empty_stages(config["backbone"]), **settings, seed=config["seed"])
    detector.restore(weights)
    return detector


def caption_features(run):
    return f"memory bank of {run.config['size']:,} patches, {run.config['backbone']}, seed {run.config['seed']}"


AUGMENTATION = ("copies", "augmentations", "augment_online")
DETECTORS: dict[str, DetectorType] = {
    "article": DetectorType(
        "its autoencoder (default)", "trainer", build_article, {"latent_dim": int, "epochs": int},
        must_agree=("preset", "seed", "latent_dim", *AUGMENTATION, "batch_size", "learning_rate", "one_cycle"),
        caption=caption_article, learns_in_steps=True,
    ),
    "features": DetectorType(
        "a memory bank of pretrained features", "bank_trainer", build_features, {"backbone": str, **BANK},
        must_agree=("seed", "backbone", "backbone_sha256", *BANK), caption=caption_features, learns_in_steps=False,
    ),
}  # fmt: skip
