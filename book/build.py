"""`make book`: writes what is generated, copies what comes from npm, runs Sphinx. The pages lie in book/_build/html."""

import argparse
import json
import shutil
import subprocess
import sys

import detector_files
import pages
import playground_files
import site_files
import slides
from pages import BOOK

NODE = BOOK / "node_modules"
EXTRA = BOOK / "_extra"  # goes to the root of the site as it is


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--playground", action="store_true", help="only the playground and teach/detector, into book/_extra"
    )
    only_playground = arguments.parse_args().playground
    npm_packages()
    playground_files.write_playground(EXTRA / "playground", NODE)
    detector_files.write_detector_page(EXTRA / "teach" / "detector")
    if only_playground:
        return 0
    copy_mathjax()
    slides.write_decks(EXTRA / "slides", '<p><a href="../index.html">Back to the book</a></p>')
    site_files.write_files(EXTRA)
    pages.write_pages()
    html = BOOK / "_build" / "html"
    shutil.rmtree(html, ignore_errors=True)  # Sphinx leaves pages of a former build that it holds for up to date
    doctrees = BOOK / "_build" / "doctrees"  # beside the site, which is published
    command = [sys.executable, "-m", "sphinx", "-E", "-q", "-W", "--keep-going", "-j", "auto", "-d", str(doctrees)]
    command += [str(BOOK), str(html)]
    code = subprocess.run(command).returncode
    for pattern in ("scripts/fontawesome.js*", "**/*.map", "locales"):  # of the theme; no page loads them
        for path in (html / "_static").glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return code


def npm_packages():
    """book/node_modules as book/package-lock.json says, fetched if something of it is not there yet."""
    needed = json.loads((BOOK / "package.json").read_text(encoding="utf-8"))["dependencies"]
    if all((NODE / name / "package.json").exists() for name in needed):
        return
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit(
            "The book needs npm (of Node.js) once, for onnxruntime-web, MathJax and reveal.js; install it."
        )
    subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=BOOK, check=True)


def copy_mathjax():
    """The one file of MathJax that the pages load, and its fonts."""
    source, target = NODE / "mathjax" / "es5", EXTRA / "_static" / "mathjax"
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "tex-chtml.js", target)
    fonts = "output/chtml/fonts/woff-v2"
    shutil.copytree(source / fonts, target / fonts, dirs_exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
