"""Measurements behind the course. A study prints a table and writes it to --out; `numbers` writes the page of numbers.

python -m benchmarks latent DIR
python -m benchmarks ladder DIR --run RUN --out ladder.json
python -m benchmarks STUDY --help
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from benchmarks import (
    augmentations,
    bank_map,
    bank_parts,
    drift,
    growth,
    label_free,
    ladder,
    latent,
    numbers,
    painted,
    peer,
    plan,
    sight,
    speed,
    time_to_quality,
    training_set,
    variants,
)
from hazelnut_ae.errors import DataError, Interrupted
from hazelnut_ae.io.files import atomic_path, print_anywhere, write_json

# Each module has a docstring, whose first line is its help, `add_options(command)`, `run(options)`, and OUT, the file
# that takes the result: a DataFrame as CSV, anything else as JSON.
STUDIES = {
    "augmentations": augmentations,
    "latent": latent,
    "drift": drift,
    "training-set": training_set,
    "bank-map": bank_map,
    "bank-parts": bank_parts,
    "plan": plan,
    "time": time_to_quality,
    "ladder": ladder,
    "growth": growth,
    "peer": peer,
    "label-free": label_free,
    "variants": variants,
    "painted": painted,
    "sight": sight,
    "speed": speed,
    "numbers": numbers,
}


def parser():
    """All studies and their options."""
    about, examples = __doc__.split("\n\n", 1)
    top = argparse.ArgumentParser("python -m benchmarks", description=about, epilog=f"for example:\n{examples}")
    top.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = top.add_subparsers(dest="study", title="studies", required=True, metavar="STUDY")
    for name, module in STUDIES.items():
        text = module.__doc__.splitlines()[0]
        command = commands.add_parser(name, help=text, description=text)
        module.add_options(command)
        if module.OUT:
            command.add_argument("--out", default=module.OUT, help=f"the file to write (default: {module.OUT})")
    return top


def main(arguments=None):
    """Runs one study; returns 0, or 1 on a problem with the user's data."""
    print_anywhere()
    options = parser().parse_args(arguments)
    try:
        found = STUDIES[options.study].run(options)
        if isinstance(found, pd.DataFrame):
            with atomic_path(Path(options.out)) as temporary:
                found.to_csv(temporary, index=False, float_format="%.6g")
            print(found.to_string(index=False, float_format="{:.4g}".format))
        elif found is not None:
            write_json(Path(options.out), found)
            print(f"Written: {options.out}")
    except (DataError, Interrupted) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
