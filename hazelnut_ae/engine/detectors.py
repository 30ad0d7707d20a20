"""The detectors of `train --detector`.

To add one: write a `Detector`, a module in this folder with its `train_run`, and an entry in `DETECTORS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.backbones import empty_stages
from hazelnut_ae.detection import AutoencoderDetector, Detector
from hazelnut_ae.patchcore import MemoryBank


@dataclass(frozen=True)
class DetectorType:
    """How runs of one detector are trained and loaded."""

    trainer: str  # the module of `engine` whose `train_run` trains it
    build: Callable[[dict, dict], Detector]  # from config and weights; ValueError or RuntimeError if they do not match
    settings: dict[str, type]  # the keys that its config.json needs
    must_agree: tuple[str, ...]  # the keys of config.json that must be equal to resume a run
    caption: Callable[..., str]  # describes a `Run` in a few words
    learns_in_steps: bool  # whether a run has epochs, a history and checkpoints

    @property
    def train_run(self):
        # imported here, because it imports `runs`, which imports this module
        return import_module(f"hazelnut_ae.engine.{self.trainer}").train_run


def build_article(config, weights):
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


def build_features(config, weights):
    sides = all(32 <= config[key] <= 2048 for key in ("side", "coarse_side"))
    if not sides or config["neighbourhood"] not in range(1, 64, 2) or config["blur"] > 64:  # before memory is allocated
        raise ValueError("config.json has a side, a neighbourhood or a blur that no run has")
    settings = {key: config[key] for key in BANK}
    detector = MemoryBank(empty_stages(config["backbone"]), **settings, seed=config["seed"])
    detector.restore(weights)
    return detector


def caption_features(run):
    return f"memory bank of {run.config['size']:,} patches, {run.config['backbone']}, seed {run.config['seed']}"


AUGMENTATION = ("copies", "augmentations", "augment_online")
DETECTORS: dict[str, DetectorType] = {
    "article": DetectorType(
        trainer="trainer",
        build=build_article,
        settings={"latent_dim": int, "epochs": int},
        must_agree=("preset", "seed", "latent_dim", *AUGMENTATION, "batch_size", "learning_rate", "one_cycle"),
        caption=caption_article,
        learns_in_steps=True,
    ),
    "features": DetectorType(
        trainer="bank_trainer",
        build=build_features,
        settings={"backbone": str, **BANK},
        must_agree=("seed", "backbone", *BANK),
        caption=caption_features,
        learns_in_steps=False,
    ),
}
