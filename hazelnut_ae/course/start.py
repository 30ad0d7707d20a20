"""`hazelnut-ae start` (`make run`): a first look, then paints, trains, measures and draws; keeps what is finished."""

import os
import select
import sys
import time
import webbrowser
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hazelnut_ae import dataset, detection, figures, shipped, synthetic
from hazelnut_ae.engine import run_data, runs
from hazelnut_ae.errors import DataError
from hazelnut_ae.inference import evaluate as evaluation
from hazelnut_ae.io.files import read_json
from hazelnut_ae.presets import find_preset

FIRST_LOOK, SECONDS_TO_ANSWER = "first_look", 10


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
        result = measured(images, run)
        pixels, image = result["pixels"], result["images"]["auroc"]
        numbers = (("pixel AUROC", pixels["auroc"]), ("image AUROC", image))
        numbers += (("F1 at the label-free τ", pixels["f1_label_free"]),)
        words = ", ".join(f"{name} {value:.3f}" for name, value in numbers if value is not None)
        say(f"On {len(images.test)} test images: {words}. All of them: {run_folder / 'results.json'}.")
    written = evaluation.figures(images, run, pictures)
    say(f"{len(written)} pictures: {pictures}. The notebooks: jupyter lab notebooks.")
    return written


def first_look(pictures, say=print):
    """Draws what the shipped 1000-epoch run sees in one painted hazelnut of each defect, and says where it is."""
    run, names = runs.load_run(shipped.FOLDER / "article"), list(figures.DEFECT_STYLE)
    nuts, masks = zip(*(synthetic.painted(name, 0) for name in names), strict=True)  # the first of each: none is chosen
    images = np.stack(nuts).transpose(0, 3, 1, 2)  # uint8 [4, 3, 256, 256]
    taus = [run.detector.printed_tau(name) for name in names]
    text = f"Painted hazelnuts, the first of each defect. Run: {run.caption}."
    drawn = figures.defects_found(images, run.detector.anomaly_maps(images), masks, taus, names, text)
    is_new = not (Path(pictures) / f"{FIRST_LOOK}.png").exists()
    path = figures.save(drawn, pictures, FIRST_LOOK)
    say(f"First look: {path}, what the run in the package (1000 epochs) finds in four hazelnuts that it never saw.")
    if is_new and _can_show() and _enter_is_pressed(SECONDS_TO_ANSWER):
        webbrowser.open(path.resolve().as_uri())


def _can_show():
    """Whether somebody sits at a terminal, on a machine with a display."""
    display = (
        os.name == "nt" or sys.platform == "darwin" or os.environ.get("DISPLAY", os.environ.get("WAYLAND_DISPLAY"))
    )
    return bool(display and all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)))


def _enter_is_pressed(seconds):
    """Asks, and goes on without an answer after some seconds."""
    print(f"Press Enter within {seconds} seconds to open it.", flush=True)
    if os.name != "nt":
        return bool(select.select([sys.stdin], [], [], seconds)[0] and sys.stdin.readline())
    import msvcrt  # there is no select for a terminal of Windows

    end = time.monotonic() + seconds
    while not (pressed := msvcrt.kbhit()) and time.monotonic() < end:
        time.sleep(0.1)
    return pressed and msvcrt.getwch() == "\r"


def measured(images, run):
    """Returns results.json of a run if it is newer than the weights, else measures, with a progress bar."""
    path, weights = run.folder / "results.json", run.folder / "model.safetensors"
    try:
        result = read_json(path, "")
        if path.stat().st_mtime >= weights.stat().st_mtime and "f1_label_free" in result["pixels"] and result["images"]:
            return result
    except (DataError, KeyError, TypeError):
        pass  # none, or one of an older version
    predict, count = run.detector.predict, len(images.test) + len(run_data.held_out(images, run))
    with tqdm(total=count, desc="measuring", unit="image", disable=None) as bar:

        def counted(some):
            parts = []
            for batch in detection.batches(some):
                parts.append(predict(batch))
                bar.update(len(batch))
            maps, scores = ([getattr(part, name) for part in parts] for name in ("anomaly_maps", "image_scores"))
            return detection.Prediction(np.concatenate(maps), np.concatenate(scores))

        run.detector.predict = counted
        return evaluation.evaluate(images, run)
