"""`python -m hazelnut_ae.shipped`: writes the README beside this file anew, and prints the table of the front page."""

from benchmarks.numbers import report
from hazelnut_ae.io.files import atomic_path
from hazelnut_ae.shipped import FOLDER

with atomic_path(FOLDER / "README.md") as path:
    path.write_text(report.page(FOLDER), encoding="utf-8")
print(report.front_table(FOLDER))
