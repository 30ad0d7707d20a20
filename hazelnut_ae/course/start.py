"""`hazelnut-ae start` (`make run`): a first look, then paints, trains, measures and draws; keeps what is finished."""

import os
import select
import sys
import webbrowser
from pathlib import Path

import numpy as np

from hazelnut_ae import dataset, figures, shipped, synthetic
from hazelnut_ae.engine import runs
from hazelnut_ae.inference import evaluate as evaluation
from hazelnut_ae.io.files import read_json
from hazelnut_ae.presets import find_preset

SECONDS_TO_ANSWER = 10


def start(data=None, preset="quick", say=print):
    """Trains and measures on a data folder, draws the figures and returns their paths.

    Args:
        data: a data folder in MVTec layout; None: HAZELNUT_DATA, else data/synthetic_hazelnuts, painted on first use.
        preset: name of a preset.
        say: function that prints one line per stage.
    """
    preset, chosen = find_preset(preset), data or os.environ.get("HAZELNUT_DATA")
    folder = Path(chosen or Path("data") / "synthetic_hazelnuts")
    pictures = Path(os.environ.get("HAZELNUT_FIGURES") or "figures")
    first_look(pictures, say)
    if not chosen:
        say(f"Painting synthetic hazelnuts into {folder} (keeps existing files).")
        synthetic.write_dataset(folder, preset.counts, seed=0)
    images = dataset.load(folder)
    run_folder = Path("runs") / f"{folder.resolve().name}-{preset.name}"
    say(f"Training on {len(images.train)} good images of {folder} into {run_folder}; to pause, press Ctrl-C.")
    from hazelnut_ae.engine import trainer  # which takes seconds, after the first look

    run = trainer.train_run(images, run_folder, preset, resume=True)
    say(f"{run_folder}: {run.caption}, loss {run.history[-1][2]:.4f}.")
    if len(images.test):
        path, trained = run_folder / "results.json", (run_folder / "model.safetensors").stat().st_mtime
        measured = path.is_file() and path.stat().st_mtime >= trained
        result = read_json(path, "remove it.") if measured else evaluation.evaluate(images, run)
        pixels = result["pixels"]
        numbers = {"pixel AUROC": pixels["auroc"], "image AUROC": result["images"]["auroc"]}
        numbers["F1 at the label-free τ"] = pixels["f1_label_free"]
        words = ", ".join(f"{name} {value:.3f}" for name, value in numbers.items() if value is not None)
        say(f"On {len(images.test)} test images: {words}. All of them: {path}.")
    written = evaluation.figures(images, run, pictures)
    say(f"{len(written)} pictures: {pictures}. The notebooks: jupyter lab notebooks.")
    return written


def first_look(pictures, say=print):
    """Draws what the shipped 1000-epoch run sees in one painted hazelnut of each defect, and says where it is."""
    run, names = runs.load_run(shipped.FOLDER / "article"), list(figures.DEFECT_STYLE)
    nuts, masks = zip(*(synthetic.painted(name, 0) for name in names), strict=True)  # the first of each: none is chosen
    images = np.stack(nuts).transpose(0, 3, 1, 2)  # uint8 [4, 3, 256, 256]
    taus = [run.detector.printed_tau(name) for name in names]
    maps = run.detector.anomaly_maps(images)
    text = f"Synthetic hazelnuts, painted, the first of each defect. Run: {run.caption}."
    drawn = figures.defects_found(images, maps, masks, taus, names, text)
    is_new = not (Path(pictures) / "first_look.png").exists()
    path = figures.save(drawn, pictures, "first_look")
    say(f"First look: {path}, what the run in the package (1000 epochs) finds in four hazelnuts that it never saw.")
    display = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if is_new and display and os.name == "posix" and sys.stdin.isatty() and sys.stdout.isatty():
        print(f"To open it, press Enter within {SECONDS_TO_ANSWER} seconds.", flush=True)
        if select.select([sys.stdin], [], [], SECONDS_TO_ANSWER)[0] and sys.stdin.readline():
            webbrowser.open(path.resolve().as_uri())
