"""Write the page of numbers, hazelnut_ae/shipped/README.md, from the measured files beside it."""

from hazelnut_ae.io.files import atomic_path
from hazelnut_ae.shipped import FOLDER

OUT = None


def add_options(command):
    """It takes none."""


def run(options):
    """Writes the page and prints the table of the front page."""
    from benchmarks.numbers import report

    with atomic_path(FOLDER / "README.md") as path:
        path.write_text(report.page(FOLDER), encoding="utf-8")
    print(report.front_table(FOLDER))
