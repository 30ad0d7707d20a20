"""`make classroom`: one folder, and one zip, from which laptops install the course without a network.

`python -m hazelnut_ae.course.classroom OUT [-- options for pip]`. Wheels are what pip finds for this machine: they
fit machines with the same system, processor and Python. What lies in OUT/wheels already stays, so that folders made on
several systems can be put together.
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
PAINTED = ("tiny", "quick")  # the presets whose images come along


def build(out, pip_options=(), zipped=True, say=print):
    """Makes the folder `out`, and `out`.zip; returns both paths (the second None without a zip).

    pip_options: such as ["--extra-index-url", …], for `pip download`; say: takes one line per stage.
    Raises: DataError where the notebooks are not here, or pip does not find what it needs.
    """
    out, root = Path(out), notebooks_folder().resolve().parent
    if not (root / "pyproject.toml").exists():
        raise DataError(f"{root} holds no pyproject.toml; run this in a clone of the repository.")
    if out.resolve() == root or root.is_relative_to(out.resolve()):
        raise DataError(f"{out} holds the repository itself; choose another folder.")
    wheels = out / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    say("The package and what it needs, as wheels; torch is large, so this may take a while.")
    own = own_wheel(root, wheels)
    pip("download", "--only-binary", ":all:", "--dest", wheels, *pip_options, f"{own.resolve()}[{EXTRAS}]")
    say("Notebooks, figures and the book.")
    copy_course(root, out)
    say("Painted hazelnuts.")
    for name in PAINTED:
        paint(PRESETS[name], out / "cache")
    description = {"system": platform.system(), "machine": platform.machine(), "python": list(sys.version_info[:2])}
    description["megabytes"] = round(sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6)
    for path in FILES.iterdir():
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            ends = "\r\n" if path.suffix == ".bat" else "\n"
            (out / path.name).write_text(text, encoding="utf-8", newline=ends)
    text = (FILES / "README.txt").read_text(encoding="utf-8")
    words = description | {"python": ".".join(map(str, description["python"]))}
    (out / "README.txt").write_text(text.format(**words), encoding="utf-8", newline="\r\n")  # for every editor
    write_json(out / "classroom.json", description)
    say(f"{out}: {description['megabytes']} MB for {words['system']} {words['machine']}, Python {words['python']}.")
    return out, zip_folder(out, say) if zipped else None


def own_wheel(root, wheels):
    """The wheel of this very repository, built anew; an older one goes."""
    for old in wheels.glob("hazelnut_ae-*.whl"):
        old.unlink()
    pip("wheel", "--no-deps", "--wheel-dir", wheels, str(root))
    return next(wheels.glob("hazelnut_ae-*.whl"))


def pip(command, *options):
    """Runs pip. Raises: DataError where it fails, with the last line that it says."""
    line = [sys.executable, "-m", "pip", "--disable-pip-version-check", command, *map(str, options)]
    done = subprocess.run(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        said = [text for text in done.stderr.splitlines() if text.startswith("ERROR")] or done.stderr.splitlines()
        raise DataError(f"pip {command} did not work ({said[-1] if said else 'it does not say why'}).")


def copy_course(root, out):
    """Notebooks with their solutions and outputs, figures, README, licence; book and slides where they were built."""
    skip = shutil.ignore_patterns(".ipynb_checkpoints", "source", "__pycache__")
    for source, target in (
        ("notebooks", "notebooks"),
        ("figures", "figures"),
        ("book/_build/html", "book"),
        ("slides", "slides"),
    ):
        if (root / source).is_dir():
            shutil.rmtree(out / target, ignore_errors=True)
            shutil.copytree(root / source, out / target, ignore=skip)
    for name in ("README.md", "LICENSE"):
        shutil.copy(root / name, out / name)


def paint(preset, cache):
    """Paints the preset's hazelnuts into a cache folder, where a notebook that is given it looks for them."""
    before = os.environ.get("HAZELNUT_CACHE")
    os.environ["HAZELNUT_CACHE"] = str(cache)
    try:
        lesson.painted(preset)
    finally:
        os.environ.pop("HAZELNUT_CACHE")
        if before is not None:
            os.environ["HAZELNUT_CACHE"] = before


def zip_folder(folder, say):
    """Packs a folder as folder.zip, its name on top; pictures and wheels are packed already and only stored."""
    from tqdm import tqdm

    target = folder.with_name(folder.name + ".zip")
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and ".venv" not in path.parts)
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for path in tqdm(paths, unit="file", desc="packing", disable=None):
            archive.write(path, Path(folder.name) / path.relative_to(folder))
    say(f"{target}: {target.stat().st_size / 1e6:.0f} MB.")
    return target


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m hazelnut_ae.course.classroom", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?", default=Path("classroom"), help="default: classroom")
    parser.add_argument("--no-zip", action="store_true", help="only the folder")
    parser.add_argument("pip", nargs="*", metavar="OPTION", help="behind --: options for pip download")
    options = parser.parse_args(arguments)
    try:
        build(options.out, options.pip, not options.no_zip)
    except DataError as problem:
        print(f"classroom: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    print_anywhere()
    sys.exit(main())
