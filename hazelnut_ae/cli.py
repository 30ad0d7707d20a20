"""The command line: `hazelnut-ae …`, the same as `python -m hazelnut_ae …`. The work is done elsewhere."""

import argparse
import dataclasses
import errno
import os
import sys
from pathlib import Path

import hazelnut_ae
from hazelnut_ae.course.grading.arguments import add_grade, grade_all
from hazelnut_ae.engine.arguments import augmentations, natural, number, positive, words
from hazelnut_ae.errors import DataError, Interrupted
from hazelnut_ae.io import cache
from hazelnut_ae.io.files import print_anywhere
from hazelnut_ae.presets import PRESETS, find_preset

DETECTORS = ("article", "features")  # the names of `engine.detectors`, which takes the seconds that torch does
DETECTOR_HELP = "article: its autoencoder (default); features: a bank of what a pretrained network sees, in a minute"
KINDS_HELP = "of rotation,flip,noise,shift, those that suit the images; upright keeps an orientation that all share"


def main(arguments=None):
    """Runs one command; returns 0 on success, 1 on a problem with the user's data, 2 on wrong usage."""
    print_anywhere()
    arguments = parser().parse_args(arguments)
    try:
        status = arguments.run_command(arguments) or 0
        sys.stdout.flush()  # while a reader that has gone can still be taken for what it is
        return status
    except (DataError, Interrupted) as message:
        print(f"hazelnut-ae: {message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("hazelnut-ae: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe, head for one, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # what no reader or writer foresaw: a disk that went away, a folder that was closed
        if error.errno == errno.EINVAL and not error.filename:  # how Windows says that a pipe's reader has gone
            return 0
        print(f"hazelnut-ae: {error.filename or 'a file'} cannot be used ({error.strerror or error}).", file=sys.stderr)
        return 1


def parser():
    """All commands and options, as the README lists them."""
    top = argparse.ArgumentParser(
        prog="hazelnut-ae",
        description="Find defects in images with an autoencoder that has only seen good ones.",
    )
    top.add_argument("--version", action="version", version=f"hazelnut-ae {hazelnut_ae.__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name, function, text):
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        sub.set_defaults(run_command=function)
        return sub

    c = command("start", start, "paint, train, measure, draw and execute the notebooks; what is there stays")
    c.add_argument("--data", type=Path, metavar="DIR", help="your own images (default: HAZELNUT_DATA, or painted ones)")
    add_preset(c)

    c = command("synthesize", synthesize, "paint a data set of synthetic hazelnuts in MVTec layout")
    c.add_argument("folder", metavar="DIR", type=Path)
    add_preset(c)
    c.add_argument("--seed", type=natural, default=0)

    c = command("download", download, "fetch a real data set, or take its archive from a file, verify and unpack it")
    c.add_argument("folder", metavar="DIR", type=Path)
    c.add_argument("--category", default="hazelnut", help="of MVTec AD, or hazelnut_toy (default: hazelnut)")
    c.add_argument("--url", help="instead of the known addresses")
    c.add_argument("--sha256", help="of the archive, instead of the known one")
    c.add_argument("--archive", type=Path, metavar="FILE", help="an archive you already have")
    c.add_argument("--accept-license", action="store_true", help="accept the data's licence without being asked")

    cache.add_arguments(command("cache", cache.run, "list what is kept in the cache folder, or clear it"))

    c = command("check", check, "count the images of a data folder, list every problem found and advise")
    c.add_argument("folder", metavar="DIR", type=Path)

    c = command("advise", advise, "look at the images of a data folder and say what to choose for them, and why")
    c.add_argument("folder", metavar="DIR", type=Path)

    c = command("train", train, "train the article's autoencoder, or another detector, on the good images of a folder")
    c.add_argument("folder", metavar="DIR", type=Path)
    c.add_argument("--run", required=True, type=Path, help="the folder that takes the run")
    c.add_argument("--detector", default="article", choices=DETECTORS, help=DETECTOR_HELP)
    add_preset(c)
    c.add_argument("--epochs", type=positive, help="instead of the preset's")
    c.add_argument("--latent", type=positive, help="size of the latent vector (default: 500)")
    c.add_argument("--augment", type=augmentations, help=f"{KINDS_HELP} (default: rotation,flip,noise)")
    c.add_argument("--seed", type=natural, default=0)
    c.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: the best there is)")
    c.add_argument("--resume", action="store_true", help="go on where the run in the folder stopped")

    c = command("evaluate", evaluate, "measure a run on the test images and print the results table")
    add_data_and_run(c, required=False)
    c.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")

    c = command("figures", figures, "draw figures 3–7 and 9–14 of the article from a run")
    add_data_and_run(c, required=False)
    c.add_argument("--out", type=Path, help="folder for the pictures (default: HAZELNUT_FIGURES or figures)")

    c = command("predict", predict, "find defects in new images, without masks: scores, heat maps, tables and a report")
    c.add_argument("inputs", metavar="INPUT", nargs="+", help="image files, folders of them, or patterns")
    c.add_argument("--run", required=True, type=Path, help="the folder of the run")
    c.add_argument("--out", required=True, type=Path, metavar="DIR", help="a new folder, or one to go on with")
    c.add_argument("--tau", type=number, help="τ of pixels, for regions and pictures (default: the run's own)")
    c.add_argument("--image-tau", type=number, help="τ of scores, for the decision (default: the run's own)")
    c.add_argument("--no-pictures", action="store_true", help="only the tables and the report")

    c = command("export", export, "write a run as one ONNX file, for programs without torch, and compare the two")
    c.add_argument("file", metavar="FILE", type=Path, help="its name ends in .onnx")
    c.add_argument("--run", required=True, type=Path, help="the folder of the run")
    c.add_argument("--input", default="uint8", choices=["uint8", "float32"], help="0 … 255 (default), or [0, 1]")
    c.add_argument("--tau", type=number, help="τ of pixels (default: the run's own)")
    c.add_argument("--image-tau", type=number, help="τ of scores (default: the run's own)")

    c = command("compare", compare, "fit the article's comparison systems and measure them beside a run")
    add_data_and_run(c)
    c.add_argument("--systems", type=words, help="such as article,ae-l2; a wrong name lists them (default: all)")
    c.add_argument("--setting", default="quick", choices=["tiny", "quick", "paper"], help="default: quick")
    c.add_argument("--augment", type=augmentations, help=f"{KINDS_HELP} (default: as the run was trained)")
    c.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")

    c = command("tutorial", tutorial, "execute every notebook and keep the executed copies and the figures")
    add_preset(c)
    c.add_argument("--data", type=Path, metavar="DIR", help="your own images (default: synthetic hazelnuts)")
    c.add_argument("--run", type=Path, help="the folder of the run that the notebooks share (default: a cache)")
    c.add_argument("--out", type=Path, default=Path("tutorial"), help="default: tutorial")
    c.add_argument("--figures", type=Path, metavar="DIR", help="folder for the figures (default: figures in --out)")
    c.add_argument("--solutions", action="store_true", help="execute the notebooks of solutions, too")
    c.add_argument("--only", type=words, help="the numbers of those to execute, such as 01,06 (default: all)")

    add_grade(command("grade", grade_all, "run the checks of the course over notebooks that were handed in"))

    return top


def add_preset(command):
    command.add_argument("--preset", default="quick", choices=list(PRESETS), help="default: quick")


def add_data_and_run(command, required=True):
    default = "" if required else " (default: the one in the package that learnt from synthetic hazelnuts)"
    command.add_argument("folder", metavar="DIR", type=Path)
    command.add_argument("--run", required=required, type=Path, help=f"the folder of the run{default}")


def start(arguments):
    from hazelnut_ae.course.start import start as whole_course

    whole_course(arguments.data, arguments.preset)


def synthesize(arguments):
    from hazelnut_ae import synthetic

    synthetic.write_dataset(arguments.folder, find_preset(arguments.preset).counts, seed=arguments.seed)
    print(f"{arguments.folder} holds synthetic hazelnuts of the preset {arguments.preset}, seed {arguments.seed}.")


def check(arguments):
    from hazelnut_ae import dataset

    counts, problems, skipped = dataset.check(arguments.folder)
    for name, count in counts.items():
        print(f"{name:30} {count:6}")
    for line in [*skipped, *problems]:
        print(line)
    print(f"{len(problems)} problem{'s' * (len(problems) != 1)} found." if problems else "No problem found.")
    return 1 if problems else advise(arguments)


def advise(arguments):
    from hazelnut_ae.inference.advice import advise as look

    print("\n".join(look(arguments.folder).lines()))


def train(arguments):
    from hazelnut_ae import dataset
    from hazelnut_ae.engine import detectors

    detector = detectors.DETECTORS[arguments.detector]
    options = {name: getattr(arguments, name) for name in ("epochs", "latent", "augment")}
    options = {name: value for name, value in options.items() if value is not None}
    if options and not detector.learns_in_steps:
        parser().error(f"--{next(iter(options))} is nothing to a detector that learns in one go, {arguments.detector}")
    preset = find_preset(arguments.preset)
    if "augment" in options:
        preset = dataclasses.replace(preset, augmentations=options.pop("augment"))
    if "latent" in options:
        options["latent_dim"] = options.pop("latent")
    options |= {"seed": arguments.seed, "device": arguments.device, "resume": arguments.resume}
    run = detector.train_run(dataset.load(arguments.folder), arguments.run, preset, **options)
    if run is not None:
        loss = f", loss {run.history[-1][2]:.4f}" if run.history else ""
        print(f"{arguments.run}: {run.caption}{loss}.")


def evaluate(arguments):
    from hazelnut_ae import dataset, results
    from hazelnut_ae.engine import run_data
    from hazelnut_ae.inference import evaluate as evaluation
    from hazelnut_ae.io.files import write_json

    data = dataset.load(arguments.folder)
    result = evaluation.evaluate(data, run_data.run_for(data, arguments.run))
    print(terminal_table(results.results_table(result, category=None)))
    images, everything = result["images"], result["pixels"]
    print(f"Pixel AUROC {show(everything['auroc'])}, image AUROC {show(images['auroc'])}.")
    if arguments.json:
        write_json(arguments.json, result)


def terminal_table(frame):
    """The results table for a terminal; one system needs no column that names it."""
    from hazelnut_ae import results

    narrow = [column for column in frame if column not in ("source", "average precision", "TNR", "TPR", "images")]
    return results.pretty(frame[narrow]).to_string(index=False)


def show(number):
    """A number with three digits, or what stands for a missing one."""
    return "not available" if number is None else f"{number:.3f}"


def figures(arguments):
    from hazelnut_ae import dataset
    from hazelnut_ae.engine import run_data
    from hazelnut_ae.inference import evaluate as evaluation

    out = arguments.out or Path(os.environ.get("HAZELNUT_FIGURES") or "figures")
    data = dataset.load(arguments.folder)
    for path in evaluation.figures(data, run_data.run_for(data, arguments.run), out):
        print(path)


def download(arguments):
    from hazelnut_ae.download.download import download as fetch

    options = {name: getattr(arguments, name) for name in ("category", "url", "sha256", "archive", "accept_license")}
    print(fetch(arguments.folder, **options))


def predict(arguments):
    from hazelnut_ae.inference.predict import predict as score_all

    thresholds = {"tau": arguments.tau, "image_tau": arguments.image_tau}
    done = score_all(arguments.inputs, arguments.run, arguments.out, pictures=not arguments.no_pictures, **thresholds)
    print("\n".join(done.lines()))
    return 1 if done.unreadable else 0


def export(arguments):
    from hazelnut_ae.inference.export import export as write

    thresholds = {"tau": arguments.tau, "image_tau": arguments.image_tau}
    found = write(arguments.run, arguments.file, takes=arguments.input, **thresholds)
    same = f"on {found.images} images maps within {found.maps:.1g} and the same decisions"
    print(f"{arguments.file} compared with {arguments.run}: {same}.")


def compare(arguments):
    from hazelnut_ae import comparison, dataset
    from hazelnut_ae.engine import run_data
    from hazelnut_ae.io.files import write_json

    data = dataset.load(arguments.folder)
    options = {"systems": arguments.systems, "setting": arguments.setting, "augment": arguments.augment}
    measured = comparison.compare(data, arguments.run, **options)
    print(comparison.systems_table(measured).to_string(index=False))
    if arguments.json:
        write_json(arguments.json, measured)
    run = comparison.run_of(arguments.run, required=False)
    caption = run_data.caption(data, run) if run else ""
    for path in comparison.write_figures(data, arguments.run, caption=caption, **options):
        print(path)


def tutorial(arguments):
    from hazelnut_ae.course.execute import execute

    options = {name: getattr(arguments, name) for name in ("preset", "data", "out", "figures", "solutions", "only")}
    for path in execute(run_folder=arguments.run, **options):
        print(path)
