"""The studies behind the course, as commands: what the latent size does (the article's section 5.2 argues, without a
measurement), what an epoch costs when there are many images, whether bfloat16 learns as float32 does, how good a
detector is after how many minutes, what each rung above the article brings, what a memory bank costs when there are
many images and how it stands beside another library's, what each rule for τ keeps, and which choice moves a number of
a comparison system.

    python -m benchmarks latent DIR --runs runs/latent --out latent_sizes.csv
    python -m benchmarks scale --out scale.csv
    python -m benchmarks precision DIR --out precision.csv
    python -m benchmarks painted DIR PAINTED --out painted_against_real.csv
    python -m benchmarks time DIR --out time_to_quality.csv
    python -m benchmarks ladder DIR --run RUN --out ladder.json
    python -m benchmarks growth --out growth.csv
    python -m benchmarks peer DIR --out peer.csv
    python -m benchmarks label-free DIR --run RUN --out label_free.csv
    python -m benchmarks variants DIR --maps runs/variants --out variants.csv
"""

import argparse
import sys
from pathlib import Path

from benchmarks import (
    growth,
    label_free,
    ladder,
    latent,
    painted_against_real,
    peer,
    precision,
    scale,
    time_to_quality,
    variants,
)
from hazelnut_ae import dataset
from hazelnut_ae.engine import runs
from hazelnut_ae.errors import DataError, Interrupted
from hazelnut_ae.io.files import atomic_path, print_anywhere, write_json


def numbers(text):
    """ "16,64" as [16, 64]."""
    return [int(word) for word in text.split(",")]


def words(text):
    """ "rotation,flip" as ("rotation", "flip")."""
    return tuple(text.split(","))


def main(arguments=None):
    """The command line of the studies; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(dest="study", required=True)
    c = commands.add_parser("latent", help="train and measure the network at several latent sizes")
    c.add_argument("data", metavar="DIR", help="a data folder with test images")
    c.add_argument("--runs", default="runs/latent", help="folder of the runs; an interrupted study goes on there")
    c.add_argument("--sizes", type=numbers, default=latent.LATENT_SIZES, help="default: 16,64,100,500,2000")
    c.add_argument("--epochs", type=int, default=30)
    c.add_argument("--out", default="latent_sizes.csv", help="the table (default: latent_sizes.csv)")
    c = commands.add_parser("scale", help="time an epoch over 2,000, 10,000 and 50,000 images")
    c.add_argument("--sizes", type=numbers, default=scale.SET_SIZES)
    c.add_argument("--out", default="scale.csv", help="the table (default: scale.csv)")
    c = commands.add_parser("precision", help="train in float32 and in bfloat16 and set the losses side by side")
    c.add_argument("data", metavar="DIR", help="a data folder")
    c.add_argument("--steps", type=int, default=300)
    c.add_argument("--out", default="precision.csv", help="the table (default: precision.csv)")
    c = commands.add_parser("painted", help="describe photographs and painted hazelnuts alike, side by side")
    c.add_argument("data", metavar="DIR", help="a data folder of photographs of hazelnuts")
    c.add_argument("painted", metavar="PAINTED", help="a data folder of painted ones")
    c.add_argument("--out", default="painted_against_real.csv", help="the table (default: painted_against_real.csv)")
    c = commands.add_parser("time", help="train by the recipe of today and by that of before, and look on the way")
    c.add_argument("data", metavar="DIR", help="a data folder with test images")
    c.add_argument("--recipes", type=words, default=tuple(time_to_quality.RECIPES))
    c.add_argument("--seeds", type=numbers, default=[0, 1, 2], help="default: 0,1,2")
    c.add_argument("--looks", type=int, default=6, help="how often to look at each run (default: 6)")
    c.add_argument("--augment", type=words, help="other augmentations, as noise or rotation,flip")
    c.add_argument("--out", default="time_to_quality.csv", help="the table (default: time_to_quality.csv)")
    c = commands.add_parser("ladder", help="measure each rung of notebook 10 beside the one before")
    c.add_argument("data", metavar="DIR", help="a data folder with test images")
    c.add_argument("--run", required=True, help="the article's network, trained on these images")
    c.add_argument("--out", default="ladder.json", help="the results (default: ladder.json)")
    c.add_argument("--left-out", action="store_true", help="instead: what a U-Net finds of a defect it never saw")
    c = commands.add_parser("growth", help="time a memory bank of 50, 500 and 5,000 good images")
    c.add_argument("--counts", type=numbers, default=growth.COUNTS)
    c.add_argument("--out", default="growth.csv", help="the table (default: growth.csv)")
    c = commands.add_parser("peer", help="measure the memory bank beside anomalib's PatchCore, given the same network")
    c.add_argument("data", metavar="DIR", help="a data folder with test images")
    c.add_argument("--out", default="peer.csv", help="the table (default: peer.csv)")
    c = commands.add_parser("label-free", help="measure what each rule for τ keeps of the best F1")
    c.add_argument("data", metavar="DIR", help="a data folder with test images")
    c.add_argument("--run", required=True, help="a run of any detector, trained on these images")
    c.add_argument("--system", help="instead of the run's detector: a comparison system, fitted beside it (dictionary)")
    c.add_argument("--out", default="label_free.csv", help="the table (default: label_free.csv)")
    c = commands.add_parser("variants", help="fit the comparison systems with one choice changed at a time")
    c.add_argument("data", metavar="DIR", help="a data folder with test images, all in one orientation")
    c.add_argument("--maps", default="runs/variants", help="folder of the maps; an interrupted study goes on there")
    c.add_argument("--only", type=lambda text: text.split(";"), help='some of them, as "AE(L2);AE(L2), grey"')
    c.add_argument("--out", default="variants.csv", help="the table (default: variants.csv)")
    print_anywhere()
    chosen = parser.parse_args(arguments)
    try:
        if chosen.study == "latent":
            table = latent.latent_sizes(dataset.load(chosen.data), chosen.runs, chosen.sizes, chosen.epochs)
        elif chosen.study == "scale":
            table = scale.scale(chosen.sizes)
        elif chosen.study == "precision":
            table = precision.precisions(dataset.load(chosen.data), chosen.steps)
        elif chosen.study == "painted":
            photographs, painted = (dataset.load(folder, size=128) for folder in (chosen.data, chosen.painted))
            table = painted_against_real.painted_against_real(photographs, painted)
        elif chosen.study == "ladder":
            return ladder_to_json(chosen)
        elif chosen.study == "growth":
            table = growth.growth(chosen.counts)
        elif chosen.study == "peer":
            table = peer.beside_peer(dataset.load(chosen.data))
        elif chosen.study == "label-free":
            table = label_free.label_free(dataset.load(chosen.data), runs.load_run(chosen.run), chosen.system)
        elif chosen.study == "time":
            options = (chosen.recipes, chosen.seeds, chosen.looks, chosen.augment)
            table = time_to_quality.time_to_quality(dataset.load(chosen.data), *options)
        else:
            table = variants.variants(dataset.load(chosen.data), Path(chosen.maps), chosen.only)
        with atomic_path(Path(chosen.out)) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
    except (DataError, Interrupted) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    print(table.to_string(index=False, float_format="{:.4g}".format))
    return 0


def ladder_to_json(chosen):
    data = dataset.load(chosen.data)
    found = ladder.left_out(data) if chosen.left_out else ladder.ladder(data, chosen.run)
    write_json(Path(chosen.out), found)
    print(chosen.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
