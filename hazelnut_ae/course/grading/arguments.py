"""The options of `hazelnut-ae grade`, and what it does with them."""

import argparse
from pathlib import Path

from hazelnut_ae.engine.arguments import number
from hazelnut_ae.presets import PRESETS

PROMISE = """
What a student's code is kept from. On Linux, where the system allows namespaces: the network, other processes,
and every file but Python's, the package's and an empty folder's; it cannot change the checks, the package or
another notebook, and none of its objects comes to where the checks run, only values do. On other systems it has
a process and a time limit of its own, and no more; the first line printed says which of the two it is.

What that does not promise. A check sees values: an answer that was copied, or written for what the check asks,
passes. A flaw in the system's kernel is a hole in the walls. The memory limit counts for each process: code that
starts many can slow the machine until its time is over.
"""


def add_grade(command):
    """Adds the options of grade to its command."""
    command.formatter_class, command.epilog = argparse.RawDescriptionHelpFormatter, PROMISE
    command.add_argument("places", metavar="NOTEBOOK", nargs="+", type=Path, help="notebooks, or folders of them")
    command.add_argument("--csv", type=Path, metavar="FILE", help="write the table there, too, for a spreadsheet")
    preset = {"default": "tiny", "choices": list(PRESETS), "help": "the painted images to check with (default: tiny)"}
    command.add_argument("--preset", **preset)
    command.add_argument("--seconds", type=_some, default=60, help="for one exercise (default: 60)")
    command.add_argument("--total", type=_some, default=300, help="seconds for one notebook (default: 300)")
    command.add_argument("--memory", type=_some, default=2, help="in GB, beyond the set-up's (default: 2)")
    command.add_argument("--lessons", type=Path, metavar="DIR", help="the project's own notebooks (default: found)")


def _some(text):
    value = number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def grade_all(arguments):
    """Grades, prints the table and writes the CSV."""
    from hazelnut_ae.course.grading import grade

    names = ("preset", "seconds", "total", "memory", "lessons")
    rows = grade.grade(arguments.places, **{name: getattr(arguments, name) for name in names})
    print(grade.table(rows))
    if arguments.csv:
        grade.write_csv(arguments.csv, rows)
