"""`hazelnut-ae start` (`make run`): paints, trains, evaluates and draws; keeps what is already finished."""

import os
from pathlib import Path

from hazelnut_ae import dataset, synthetic
from hazelnut_ae.engine import trainer
from hazelnut_ae.inference import evaluate as evaluation
from hazelnut_ae.presets import find_preset


def start(data=None, preset="quick", say=print):
    """Trains and measures on a data folder, draws the figures and returns their paths.

    Args:
        data: a data folder in MVTec layout; None: HAZELNUT_DATA, else data/synthetic_hazelnuts, painted on first use.
        preset: name of a preset.
        say: function that prints one line per stage.
    """
    preset, chosen = find_preset(preset), data or os.environ.get("HAZELNUT_DATA")
    folder = Path(chosen or Path("data") / "synthetic_hazelnuts")
    if not chosen:
        say(f"Painting synthetic hazelnuts into {folder} (keeps existing files).")
        synthetic.write_dataset(folder, preset.counts, seed=0)
    images = dataset.load(folder)
    run_folder = Path("runs") / f"{folder.resolve().name}-{preset.name}"
    say(f"Training on {len(images.train)} good images of {folder} into {run_folder}; to pause, press Ctrl-C.")
    run = trainer.train_run(images, run_folder, preset, resume=True)
    say(f"{run_folder}: {run.caption}, loss {run.history[-1][2]:.4f}.")
    if len(images.test):
        result = evaluation.evaluate(images, run)
        pixels, image = result["pixels"], result["images"]["auroc"]
        numbers = (("pixel AUROC", pixels["auroc"]), ("image AUROC", image))
        numbers += (("F1 at the label-free τ", pixels["f1_label_free"]),)
        words = ", ".join(f"{name} {value:.3f}" for name, value in numbers if value is not None)
        say(f"On {len(images.test)} test images: {words}. All of them: {run_folder / 'results.json'}.")
    pictures = Path(os.environ.get("HAZELNUT_FIGURES") or "figures")
    written = evaluation.figures(images, run, pictures)
    say(f"{len(written)} pictures: {pictures}. The notebooks: jupyter lab notebooks.")
    return written
