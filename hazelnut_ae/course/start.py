"""`hazelnut-ae start`: paint, train, measure, draw and execute the notebooks; what is there already is left alone."""

import hashlib
import os
from pathlib import Path

from hazelnut_ae import dataset, synthetic
from hazelnut_ae.course.execute import execute, notebooks_folder
from hazelnut_ae.engine import trainer
from hazelnut_ae.errors import DataError
from hazelnut_ae.inference import evaluate as evaluation
from hazelnut_ae.io.files import read_json, write_json
from hazelnut_ae.presets import find_preset

LATER = "09"  # from here on more detectors are fitted, which takes longer: they stay for `make lab`


def start(data=None, preset="quick", say=print):
    """Does all of it for a data folder, or for painted hazelnuts; returns the paths of pictures and notebooks.

    data: a folder in MVTec layout (None: HAZELNUT_DATA, else data/synthetic_hazelnuts, painted on first use); preset: a
    name; say: takes one line per stage. A second call finds all in place. Raises: DataError as each of the stages does.
    """
    preset = find_preset(preset)
    folder = Path(data or os.environ.get("HAZELNUT_DATA") or Path("data") / "synthetic_hazelnuts")
    if data is None and not os.environ.get("HAZELNUT_DATA"):
        say(f"Painting synthetic hazelnuts into {folder} (what is there already stays).")
        synthetic.write_dataset(folder, preset.counts, seed=0)
    images = dataset.load(folder)
    place = Path("runs") / f"{folder.resolve().name}-{preset.name}"
    say(f"Training on {len(images.train)} good images of {folder} into {place}; Ctrl-C saves, and start goes on.")
    run = trainer.train_run(images, place, preset, resume=True)
    say(f"{place}: {run.caption}, loss {run.history[-1][2]:.4f}.")
    pictures = Path(os.environ.get("HAZELNUT_FIGURES") or "figures")
    if len(images.test):
        result = evaluation.evaluate(images, run)
        numbers = [f"{name} {value:.3f}" for name, value in headline(result).items() if value is not None]
        say(f"On {len(images.test)} test images: {', '.join(numbers)}. All of them: {place / 'results.json'}.")
    written = evaluation.figures(images, run, pictures)
    say(f"{len(written)} pictures: {pictures}.")
    return written + lessons(folder, images, place, preset.name, say)


def headline(result):
    """The numbers that are said first."""
    return {
        "pixel AUROC": result["pixels"]["auroc"],
        "image AUROC": result["images"]["auroc"],
        "F1 at the label-free τ": result["pixels"]["f1_label_free"],
    }


def lessons(folder, images, place, preset, say):
    """Executes the notebooks on these images with this run into tutorial/, unless they lie there executed so."""
    out, receipt = Path("tutorial"), Path("tutorial") / "receipt.json"
    try:
        source = notebooks_folder()
    except DataError:  # the package alone is installed, without the repository
        say("The notebooks are not here: they come with a clone of the repository.")
        return []
    books = [path for path in sorted(source.glob("[0-9][0-9]_*.ipynb")) if path.name[:2] < LATER]
    wanted = {
        "notebooks": digest_of(books),
        "data": images.fingerprint,
        "run": digest_of([place / "model.safetensors"]),
        "preset": preset,
    }
    executed = [out / path.name for path in books]
    if all(path.exists() for path in executed) and known(receipt) == wanted:
        say(f"The notebooks, executed on these images, are already there: {out} (remove it to execute them again).")
        return executed
    say(f"Executing {len(books)} notebooks into {out}.")
    written = execute(preset, folder, out, place, only=[path.name[:2] for path in books])
    write_json(receipt, wanted)
    say(f"The notebooks, executed: {out}.")
    return written


def known(receipt):
    """What was executed into a folder, by its receipt; None without a readable one."""
    try:
        return read_json(receipt, "")
    except DataError:
        return None


def digest_of(paths):
    """SHA-256 over the contents of files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
