"""The command line: `hazelnut-ae …`, the same as `python -m hazelnut_ae …`. Each command's options are above it.

Commands import what they need when they run, so that `--help` does not wait for PyTorch.
"""

import argparse
import dataclasses
import errno
import os
import sys
from pathlib import Path
from statistics import mode

import hazelnut_ae
from hazelnut_ae import options as shared
from hazelnut_ae.engine.detectors import DETECTORS
from hazelnut_ae.errors import DataError, Interrupted
from hazelnut_ae.io.files import print_anywhere, write_json
from hazelnut_ae.options import command, option
from hazelnut_ae.presets import PRESETS, find_preset

DETECTOR_HELP = "; ".join(f"{name}: {one.text}" for name, one in DETECTORS.items())


def main(arguments=None):
    """Runs one command; returns 0 on success, 1 on a problem with the user's data, 2 on wrong usage."""
    print_anywhere()
    options = vars(parser().parse_args(arguments))
    try:
        status = options.pop("run_command")(**options) or 0
        sys.stdout.flush()  # so that a closed pipe raises an error here
        return status
    except (DataError, Interrupted) as message:
        print(f"hazelnut-ae: {message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("hazelnut-ae: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the program that reads our output, such as head, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # for example a removed disk
        if error.errno == errno.EINVAL and not error.filename:  # a closed pipe on Windows
            return 0
        print(f"hazelnut-ae: {error.filename or 'a file'} cannot be used ({error.strerror or error}).", file=sys.stderr)
        return 1


def parser():
    """Returns the argument parser of all commands."""
    top = argparse.ArgumentParser(prog="hazelnut-ae", description="Find defects in images by learning from good ones.")
    top.add_argument("--version", action="version", version=f"hazelnut-ae {hazelnut_ae.__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, (function, text, options) in shared.COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        sub.set_defaults(run_command=function)
        for flags, settings in options:
            sub.add_argument(*flags, **settings)
    return top


@command(
    "paint, train, measure and draw; keeps what already exists",
    option("--data", type=Path, metavar="DIR", help="your own images (default: HAZELNUT_DATA, or painted hazelnuts)"),
    shared.PRESET,
)
def start(data, preset):
    from hazelnut_ae.course.start import start as run_all

    run_all(data, preset)


@command("paint a data set of synthetic hazelnuts in MVTec layout", shared.FOLDER, shared.PRESET, shared.SEED)
def synthesize(folder, preset, seed):
    from hazelnut_ae import synthetic

    synthetic.write_dataset(folder, find_preset(preset).counts, seed=seed)
    print(f"{folder} holds synthetic hazelnuts of the preset {preset}, seed {seed}.")


@command(
    "download a real data set (or use a local archive), verify and unpack it",
    option("folder", metavar="DIR", type=Path, help="the folder to create"),
    option("--category", default="hazelnut", help="of MVTec AD, or hazelnut_toy (default: hazelnut)"),
    option("--url", help="replaces the known addresses"),
    option("--sha256", help="hash of the archive; replaces the known one"),
    option("--archive", type=Path, metavar="FILE", help="an archive you already have"),
    option("--accept-license", action="store_true", help="accept the licence of the data without a question"),
)
def download(**options):
    from hazelnut_ae.download.download import download as fetch

    print(fetch(**options))


@command("count the images of a data folder, list every problem and give advice", shared.FOLDER)
def check(folder):
    from hazelnut_ae import dataset

    counts, problems, skipped = dataset.check(folder)
    for name, count in counts.items():
        print(f"{name:30} {count:6}")
    found = f"{len(problems)} problem{'s' * (len(problems) != 1)} found." if problems else "No problem found."
    print(*skipped, *problems, found, sep="\n")
    return 1 if problems else advise(folder)


@command("recommend settings for a data folder, with reasons (the last part of check)", shared.FOLDER)
def advise(folder):
    from hazelnut_ae import dataset
    from hazelnut_ae.inference.advice import advice

    print("\n".join(advice(dataset.load(folder), folder).lines()))


@command(
    "train the article's autoencoder, or another detector, on the good images of a folder",
    shared.FOLDER,
    option("--run", required=True, type=Path, metavar="RUN", help="the folder to create for the run"),
    option("--detector", default="article", choices=list(DETECTORS), help=DETECTOR_HELP),
    shared.PRESET,
    option("--epochs", type=shared.positive, help="replaces the preset's"),
    option("--latent", type=shared.positive, help="size of the latent vector (default: 500)"),
    option("--side", type=shared.side, help="of features: pixels to which a tile is resized (default: 640)"),
    option("--tiles", type=shared.tiles, metavar="RxC", help=shared.TILES),
    option("--backbone", metavar="NAME", help=shared.BACKBONE),
    option("--augment", type=shared.augmentations, help=f"{shared.AUGMENT} (default: rotation,flip,noise)"),
    shared.SEED,
    option("--device", help="cpu, cuda, cuda:1, mps (default: the best available)"),
    option("--resume", action="store_true", help="continue the run in the folder where it stopped"),
)
def train(folder, run, detector, preset, epochs, latent, augment, side, tiles, backbone, **options):
    from hazelnut_ae import dataset
    from hazelnut_ae.io import images

    tiled, size = "side" in DETECTORS[detector].settings, dataset.SIZE
    given = {"epochs": epochs, "latent": latent, "augment": augment}
    given = given if tiled else {"side": side, "tiles": tiles, "backbone": backbone}
    if wrong := [name for name, value in given.items() if value is not None]:
        parser().error(f"--{wrong[0]} has no meaning for the detector {detector}")
    preset, own = find_preset(preset), {"epochs": epochs, "latent_dim": latent}
    if tiled:
        own = {"side": side or dataset.SIDE, "backbone": backbone}
        sizes = [size for _, size, _ in images.headers(one.path for one in dataset.scan(folder)[0])] or [(size, size)]
        size, (own["rows"], own["columns"]) = dataset.working_size(mode(sizes), own["side"], tiles)
    if augment is not None:
        preset = dataclasses.replace(preset, augmentations=augment)
    trained = DETECTORS[detector].train_run(dataset.load(folder, size), run, preset, **own, **options)
    if trained is not None:
        loss = f", loss {trained.history[-1][2]:.4f}" if trained.history else ""
        print(f"{run}: {trained.caption}{loss}.")


@command("measure a run and print the results table", shared.FOLDER, shared.RUN_OR_SHIPPED, shared.JSON, *shared.TAUS)
def evaluate(folder, run, json, **thresholds):
    from hazelnut_ae import results
    from hazelnut_ae.engine import run_data
    from hazelnut_ae.inference import evaluate as evaluation

    result = evaluation.evaluate(*run_data.load_for(folder, run), **thresholds)
    print("\n".join(results.report(result)))
    if json:
        write_json(json, result)


@command(
    "draw figures 3–7 and 9–14 of the article from a run",
    shared.FOLDER,
    shared.RUN_OR_SHIPPED,
    option("--out", type=Path, metavar="DIR", help="folder for the pictures (default: HAZELNUT_FIGURES or figures)"),
)
def figures(folder, run, out):
    from hazelnut_ae.engine import run_data
    from hazelnut_ae.inference import evaluate as evaluation

    out = out or Path(os.environ.get("HAZELNUT_FIGURES") or "figures")
    print(*evaluation.figures(*run_data.load_for(folder, run), out), sep="\n")


@command(
    "find defects in new images, without masks: scores, heat maps, tables and a report",
    option("inputs", metavar="INPUT", nargs="+", help="image files, folders of them, or patterns"),
    shared.RUN,
    option("--out", required=True, type=Path, metavar="DIR", help="a new folder, or that of an interrupted call"),
    *shared.TAUS,
    option("--no-pictures", action="store_true", help="write only the tables and the report"),
)
def predict(inputs, run, out, no_pictures, **thresholds):
    from hazelnut_ae.inference.predict import predict as predict_all

    done = predict_all(inputs, run, out, pictures=not no_pictures, **thresholds)
    print("\n".join(done.lines()))
    return 1 if done.unreadable else 0


@command(
    "write a run as one ONNX file, for programs without PyTorch, and compare the two",
    option("file", metavar="FILE", type=Path, help="a name that ends in .onnx"),
    shared.RUN,
    option("--input", default="uint8", choices=["uint8", "float32"], help="0 … 255 (default), or [0, 1]"),
    *shared.TAUS,
)
def export(file, run, input, **thresholds):
    from hazelnut_ae.inference.export import export as write

    found = write(run, file, takes=input, **thresholds)
    print(f"{file} compared with {run}: on {found.images} images maps within {found.maps:.1g} and the same decisions.")


@command(
    "fit the article's comparison systems and compare them with a run",
    shared.FOLDER,
    shared.RUN,
    option("--systems", type=shared.words, help="such as article,ae-l2; an unknown name lists all (default: all)"),
    option("--setting", default="quick", choices=["tiny", "quick", "paper"], help="default: quick"),
    option("--augment", type=shared.augmentations, help=f"{shared.AUGMENT} (default: as the run was trained)"),
    shared.JSON,
)
def compare(folder, run, json, **options):
    from hazelnut_ae import comparison, dataset
    from hazelnut_ae.engine import run_data

    data = dataset.load(folder)
    measured = comparison.compare(data, run, **options)
    print(comparison.systems_table(measured).to_string(index=False))
    if json:
        write_json(json, measured)
    its_run = comparison.run_of(run, required=False)
    caption = run_data.caption(data, its_run) if its_run else ""
    print(comparison.write_figure(data, run, caption=caption, **options))


@command(
    "execute all notebooks; write the executed copies and the figures",
    shared.PRESET,
    option("--data", type=Path, metavar="DIR", help="your own images (default: synthetic hazelnuts)"),
    option("--run", type=Path, metavar="RUN", help="the run that the notebooks share (default: one in the cache)"),
    option("--out", type=Path, metavar="DIR", default=Path("tutorial"), help="default: tutorial"),
    option("--figures", type=Path, metavar="DIR", help="folder for the figures (default: figures in --out)"),
    option("--solutions", action="store_true", help="also execute the solutions"),
    option("--only", type=shared.words, help="numbers of notebooks, such as 01,06 (default: all)"),
)
def tutorial(run, **options):
    from hazelnut_ae.course.execute import execute

    print(*execute(run_folder=run, **options), sep="\n")


@command(
    "check the exercises in notebooks that students handed in",
    option("places", metavar="NOTEBOOK", nargs="+", type=Path, help="notebooks, or folders of notebooks"),
    option("--csv", type=Path, metavar="FILE", help="also write the table to this file, for a spreadsheet"),
    option("--preset", default="tiny", choices=list(PRESETS), help="of the images (default: tiny)"),
    option("--seconds", type=shared.above_zero, default=60, help="time limit for one cell (default: 60)"),
    option("--total", type=shared.above_zero, default=300, help="seconds for one notebook (default: 300)"),
    option("--memory", type=shared.above_zero, default=2, help="GB in addition to the set-up (default: 2)"),
    option("--lessons", type=Path, metavar="DIR", help="the project's own notebooks (default: found)"),
    option("--trust", action="store_true", help="do not isolate: the notebooks can do everything that you can do"),
)
def grade(places, csv, **options):
    from hazelnut_ae.course import grade as grading

    rows = grading.grade(places, **options)
    print(grading.table(rows))
    if csv:
        grading.write_csv(csv, rows)


@command(
    "list the cache, or clear it",
    option("--clear", nargs="*", metavar="CATEGORY", help="remove the entries of these categories (default: of all)"),
)
def cache(clear):
    from hazelnut_ae.io import cache as kept

    return kept.run(clear)
