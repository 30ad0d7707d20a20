"""`make classroom`: one folder, and one zip, from which laptops install the course without a network.

`python book/classroom.py OUT [-- options for pip]`. The wheels fit machines with the same system,
processor and Python. Files in OUT/wheels stay, so that folders made on several systems can be combined.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from hazelnut_ae.course import lesson
from hazelnut_ae.course.execute import notebooks_folder
from hazelnut_ae.errors import DataError
from hazelnut_ae.io.files import atomic_path, print_anywhere, write_json
from hazelnut_ae.presets import PRESETS

FILES = Path(__file__).parent / "classroom_files"  # install.py, lab.py, their starters, README.txt
EXTRAS = "notebooks,imagenet"
PAINTED = ("tiny", "quick")  # the presets whose images are included
COPIED = {"notebooks": "notebooks", "figures": "figures", "book/_build/html": "book", "slides": "slides"}


def build(out, pip_options=(), say=print):
    """Makes the folder and a zip of it beside it; returns both paths.

    Args:
        out: the folder.
        pip_options: options of `pip download`, such as ["--extra-index-url", …].
        say: function that takes one line per stage.
    Raises: DataError if the notebooks are missing, or pip does not find a package.
    """
    out, root = Path(out), notebooks_folder().resolve().parent
    if not (root / "pyproject.toml").exists():
        raise DataError(f"{root} holds no pyproject.toml; run this in a clone of the repository.")
    if out.resolve() == root or root.is_relative_to(out.resolve()):
        raise DataError(f"{out} holds the repository itself; choose another folder.")
    say("The package and what it needs, as wheels; torch is large, so this may take a while.")
    collect_wheels(root, out / "wheels", pip_options)
    say("Notebooks, figures and the book; synthetic hazelnuts.")
    copy_course(root, out)
    copy_installers(out, say)
    return out, zip_folder(out, say)


def collect_wheels(root, wheels, pip_options):
    """Builds the wheel of this repository and downloads its dependencies."""
    wheels.mkdir(parents=True, exist_ok=True)
    for old in wheels.glob("hazelnut_ae-*.whl"):
        old.unlink()
    pip("wheel", "--no-deps", "--wheel-dir", wheels, str(root))
    own = next(wheels.glob("hazelnut_ae-*.whl")).resolve()
    pip("download", "--only-binary", ":all:", "--dest", wheels, *pip_options, f"{own}[{EXTRAS}]")


def pip(command, *options):
    """Runs pip. Raises DataError with its last line if it fails."""
    line = [sys.executable, "-m", "pip", "--disable-pip-version-check", command, *map(str, options)]
    done = subprocess.run(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        said = [text for text in done.stderr.splitlines() if text.startswith("ERROR")] or done.stderr.splitlines()
        raise DataError(f"pip {command} did not work ({said[-1] if said else 'it does not say why'}).")


def copy_course(root, out):
    """Copies notebooks, figures, README and licence; book and slides if they are built. Paints hazelnuts in a cache."""
    skip = shutil.ignore_patterns(".ipynb_checkpoints", "source", "__pycache__")
    for source, target in COPIED.items():
        if (root / source).is_dir():
            shutil.rmtree(out / target, ignore_errors=True)
            shutil.copytree(root / source, out / target, ignore=skip)
    for name in ("README.md", "LICENSE"):
        shutil.copy(root / name, out / name)
    os.environ["HAZELNUT_CACHE"] = str(out / "cache")  # only for this process
    for name in PAINTED:
        lesson.painted(PRESETS[name])


def copy_installers(out, say):
    """Copies install.py, lab.py and their start scripts; records the system, processor and Python of the folder."""
    description = {"system": platform.system(), "machine": platform.machine(), "python": list(sys.version_info[:2])}
    description["megabytes"] = round(sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6)
    words = description | {"python": ".".join(map(str, description["python"]))}
    for path in FILES.glob("*.*"):
        text = path.read_text(encoding="utf-8")
        text = text.format(**words) if path.suffix == ".txt" else text
        ends = "\r\n" if path.suffix in (".bat", ".txt") else "\n"  # for Notepad on Windows
        (out / path.name).write_text(text, encoding="utf-8", newline=ends)
    write_json(out / "classroom.json", description)
    say(f"{out}: {description['megabytes']} MB for {words['system']} {words['machine']}, Python {words['python']}.")


def zip_folder(folder, say):
    """Packs a folder as folder.zip without compression, because pictures and wheels are compressed already."""
    target = folder.with_name(folder.name + ".zip")
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and ".venv" not in path.parts:
                archive.write(path, Path(folder.name) / path.relative_to(folder))
    say(f"{target}: {target.stat().st_size / 1e6:.0f} MB.")
    return target


def main():
    parser = argparse.ArgumentParser(prog="python book/classroom.py", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?", default=Path("classroom"), help="default: classroom")
    parser.add_argument("pip", nargs="*", metavar="OPTION", help="behind --: options for pip download")
    options = parser.parse_args()
    try:
        build(options.out, options.pip)
    except DataError as problem:
        sys.exit(f"classroom: {problem}")


if __name__ == "__main__":
    print_anywhere()
    main()
