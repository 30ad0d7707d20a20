"""All settings of a run in one place: `tiny` for tests, `quick` for a laptop, `article` for the article's own."""

from dataclasses import dataclass

from hazelnut_ae.errors import DataError


@dataclass(frozen=True)
class Preset:
    """The settings of a run. `counts` says how many synthetic hazelnuts to paint if no other data are given."""

    name: str
    counts: dict[str, int]  # images to paint per folder of the MVTec layout
    copies: int  # training images per photograph and epoch after augmentation; the article's is 5
    batch_size: int
    evaluate_every: int  # epochs between two F1 evaluations
    steps: int | None = None  # the work of a run, whatever the number of images ...
    epochs: int | None = None  # ... or its epochs; one of the two is None
    latent_dim: int = 500
    learning_rate: float = 1e-3  # with `one_cycle` its highest
    one_cycle: bool = False  # the rate rises and falls once (`training.one_cycle`); else it stays what it is
    augment_online: bool = False  # every image is augmented anew each time it is used; else its copies are stored
    augmentations: tuple[str, ...] = ("rotation", "flip", "noise")

    def epochs_for(self, images):
        """Returns the number of epochs for an augmented set of `images` images."""
        return self.epochs or max(1, round(self.steps / steps_per_epoch(images, self.batch_size)))


def steps_per_epoch(images, batch_size):
    """Returns the batches per epoch; an incomplete last batch is left out unless it is the only one."""
    return max(1, images // batch_size)


PRESETS = {
    # Seconds: shows that everything runs; its numbers are not good.
    "tiny": Preset(
        "tiny", {"train/good": 8, "test/good": 2, "crack": 2, "cut": 2, "hole": 2, "print": 2},
        copies=2, batch_size=4, epochs=2, evaluate_every=1,
    ),
    # Minutes on two cores, real results: few steps, no image twice (`python -m benchmarks time` compares it).
    "quick": Preset(
        "quick", {"train/good": 120, "test/good": 20, "crack": 9, "cut": 9, "hole": 9, "print": 9},
        copies=5, batch_size=16, steps=800, evaluate_every=4, learning_rate=1.5e-2, one_cycle=True, augment_online=True,
        augmentations=("rotation", "flip"),  # noise took a seventh of the time and changed no number
    ),
    # The article: 391 photographs × 5 = 1955 images, 1000 epochs of 61 steps.
    "article": Preset(
        "article", {"train/good": 391, "test/good": 40, "crack": 18, "cut": 17, "hole": 18, "print": 17},
        copies=5, batch_size=32, epochs=1000, evaluate_every=10,
    ),
}  # fmt: skip


def find_preset(name):
    """Returns the preset of that name. Raises DataError if there is none."""
    if name not in PRESETS:
        raise DataError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]
