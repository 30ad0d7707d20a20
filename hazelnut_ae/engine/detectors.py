"""Which detectors a run folder can hold: the one registry that `train`, `load_run` and all that reads a run go by."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from hazelnut_ae.autoencoder import Autoencoder
from hazelnut_ae.backbones import empty_stages
from hazelnut_ae.detection import AutoencoderDetector
from hazelnut_ae.patchcore import MemoryBank


@dataclass(frozen=True)
class Kind:
    """trainer: the module of this folder whose `train_run` makes such a run;
    build: the fitted `Detector` of (config, weights), ValueError or RuntimeError if they do not belong together;
    settings: {key of config.json: its type}; must_agree: the keys in which a run that is gone on with may not differ;
    caption: a `Run` in a few words; learns_in_steps: whether it leaves a history.
    """

    trainer: str
    build: Callable
    settings: dict
    must_agree: tuple[str, ...]
    caption: Callable
    learns_in_steps: bool

    @property
    def train_run(self):
        return import_module(f"hazelnut_ae.engine.{self.trainer}").train_run  # only now: it needs `runs`, that needs us


def build_article(config, weights):
    if not any(config["latent_dim"] in tensor.shape for tensor in weights.values()):  # before memory is asked for
        raise ValueError(f"the weights are not those of a latent vector of {config['latent_dim']}")
    detector = AutoencoderDetector(Autoencoder(config["latent_dim"]))
    detector.restore(weights)
    detector.model.eval()
    return detector


def article_caption(run):
    epochs, c = run.history[-1][1] if run.history else 0, run.config
    return f"{c['preset']} preset, {epochs} epochs, latent {c['latent_dim']}, seed {c['seed']}"


BANK = {"side": int, "neighbourhood": int, "coarse_side": int, "candidates": int, "size": int, "blur": float}


def build_features(config, weights):
    sides = all(32 <= config[key] <= 2048 for key in ("side", "coarse_side"))
    if not sides or config["neighbourhood"] not in range(1, 64, 2) or config["blur"] > 64:  # before memory is asked for
        raise ValueError("config.json has a side, a neighbourhood or a blur that no run has")
    settings = {key: config[key] for key in BANK}
    detector = MemoryBank(empty_stages(config["backbone"]), **settings, seed=config["seed"])
    detector.restore(weights)
    return detector


def features_caption(run):
    return f"memory bank of {run.config['size']:,} patches, {run.config['backbone']}, seed {run.config['seed']}"


KINDS = {
    "article": Kind(
        "long_run",
        build_article,
        {"latent_dim": int, "epochs": int},
        (
            "preset",
            "seed",
            "latent_dim",
            "copies",
            "augmentations",
            "batch_size",
            "learning_rate",
            "one_cycle",
            "fresh",
        ),
        article_caption,
        learns_in_steps=True,
    ),
    "features": Kind(
        "bank_run",
        build_features,
        {"backbone": str, **BANK},
        ("seed", "backbone", *BANK),
        features_caption,
        learns_in_steps=False,
    ),
}
