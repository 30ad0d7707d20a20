"""Writes the pages of the book that are made of other files: notebooks with their solutions, numbers, the API.

They go to book/pages, which nobody edits, and so do the questions (questions.py). A notebook's page has its committed
outputs; below each exercise stands its solution, folded.
"""

import re
import shutil
from pathlib import Path

import jupytext
import nbformat

import hazelnut_ae

import notebook_files
import questions

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
PAGES = BOOK / "pages"
WIDGET = "application/vnd.jupyter.widget-view+json"
MODULES = (  # of the API, in the order of the course; a page for each
    *("metrics", "curves", "bootstrap", "diagrams", "dataset", "augmentation", "autoencoder", "training", "detection"),
    *("thresholds", "results", "published", "comparison.systems", "comparison.compare", "comparison.differences"),
    *("comparison.autoencoders", "comparison.anogan", "comparison.feature_dictionary", "patchcore", "backbones"),
    *("baselines", "synthetic_anomalies", "presets", "figures", "inference.loaded", "shipped", "synthetic.painting"),
    *("course.lesson", "course.widgets", "course.checks"),
)
FROM_README = {  # page: (source, title)
    "numbers": ("hazelnut_ae/shipped/README.md", "Measured numbers"),
    "parts": ("hazelnut_ae/inference/README.md", "Your own parts: new images, without masks"),
    "real_data": ("hazelnut_ae/download/README.md", "Real data sets"),
    "long_runs": ("hazelnut_ae/engine/README.md", "Long runs, many images"),
}
FRONT = (  # page, title, sections of the front page (README.md)
    ("run", "On your own computer", ("Two commands", "Your own images", "Numbers")),
    ("classroom", "In a course", ("In a course",)),
)


def address():
    """Returns the book's address on the web, which `make publish-name` wrote into README; "" where it has not."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"\[Read it as a book[^\]]*\]\((https://[^)\s]+/)\)", text)
    return found[1] if found else ""


def write_pages():
    """Writes book/pages anew."""
    shutil.rmtree(PAGES, ignore_errors=True)
    for folder in ("notebooks", "api", "figures"):
        (PAGES / folder).mkdir(parents=True)
    for source in sorted((ROOT / "notebooks" / "source").glob("[0-9][0-9]_*.py")):
        nbformat.write(notebook_page(source), PAGES / "notebooks" / f"{source.stem}.ipynb")
    for page, (source, title) in FROM_README.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        text = re.sub(r"\A# .*\n", f"# {title}\n", text)
        (PAGES / f"{page}.md").write_text(_readme_links(text, Path(source).parent), encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for page, title, sections in FRONT:
        text = "\n".join(f"## {name}\n{section(readme, name)}" for name in sections)
        (PAGES / f"{page}.md").write_text(f"# {title}\n\n{_readme_links(text, Path())}", encoding="utf-8")
    for name in MODULES:
        (PAGES / "api" / f"{name}.rst").write_text(_api_page(name), encoding="utf-8")
    (PAGES / "api" / "index.md").write_text(_api_index(), encoding="utf-8")
    questions.write_pages(PAGES / "questions")
    for name in ("figure_00_defects_found.png", "report.png"):  # those of the README
        shutil.copy(ROOT / "figures" / name, PAGES / "figures")


def section(text, title):
    """What stands under a heading of the second level, up to the next one."""
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.S | re.M)[1]


def notebook_page(source):
    """A notebook and its solutions as one: cells in the source's order, outputs as committed, solutions folded."""
    folder = source.parent.parent
    executed = {}
    for path in (folder / "solutions" / f"{source.stem}.ipynb", folder / f"{source.stem}.ipynb"):
        if path.exists():  # the notebook last: where both have a cell, its output is the one shown
            executed |= {cell.source: cell for cell in nbformat.read(path, as_version=4).cells}
    cells = []
    for cell in jupytext.read(source).cells:
        text, tags = cell.source.strip("\n"), notebook_files.tags(cell)
        cell = nbformat.from_dict(executed.get(text) or cell)
        cell.metadata = nbformat.from_dict({})
        cell.source = text
        if cell.cell_type == "markdown":
            cell.source = _notebook_links(text)
            if "solution" in tags:
                cell.source = f"::::{{dropdown}} Solution, in words\n{cell.source}\n::::"
        elif cell.cell_type == "code":
            cell.source = re.sub(r"^# NBVAL_CHECK_OUTPUT\n", "", text)
            cell.outputs = [_still(output) for output in cell.get("outputs") or []]
            cell.execution_count = cell.get("execution_count")
            if "solution" in tags:
                cell.metadata = nbformat.from_dict({"tags": ["hide-cell"]})
        cells.append(cell)
    book = nbformat.v4.new_notebook(cells=cells, metadata=notebook_files.METADATA)
    for number, cell in enumerate(book.cells):
        cell.id = f"cell-{number}"
    return book


def _still(output):
    """An output whose widget, which needs a kernel, gives way to the picture or the words that it left."""
    if WIDGET in output.get("data", {}):
        output = nbformat.from_dict(output)
        del output.data[WIDGET]
    return output


def _notebook_links(text):
    """Links to solutions lead to the fold, those to the playground into it, file names of lessons to the API."""
    text = re.sub(r"\[Solutions\]\(solutions/[^)]+\)", "Solutions: folded, below each exercise", text)
    play = r'<a href="../../playground/index.html">\1</a>'  # a page that Sphinx does not know
    text = re.sub(r"\[([^\]]+)\]\(\.\./book/playground/README\.md\)", play, text)
    text = re.sub(r"\]\(\.\./book/([^)]+\.md)\)", r"](../../\1)", text)
    text = text.replace("](../README.md)", "](../run.md)")
    text = re.sub(r"\]\(\.\./(\d\d_\w+\.ipynb)\)", r"](\1)", text)  # of a solution, which lies a folder deeper
    text = re.sub(r"\]\(\.\./hazelnut_ae/(\w+)/README\.md\)", _to_page, text)
    text = re.sub(r"`hazelnut_ae/((?:\w+/)*\w+)\.py`", _to_module, text)
    return re.sub(r"`hazelnut_ae/comparison/`", "[`hazelnut_ae/comparison/`](../api/comparison.systems.rst)", text)


def _to_module(match):
    name = match[1].replace("/", ".")
    return f"[{match[0]}](../api/{name}.rst)" if name in MODULES else match[0]


def _to_page(match):
    for page, (source, _) in FROM_README.items():
        if source == f"hazelnut_ae/{match[1]}/README.md":
            return f"](../{page}.md)"
    return match[0]


def _readme_links(text, folder):
    """Relative links between the package's READMEs become links between pages; others lose their target."""
    pages = {(ROOT / source).resolve(): page for page, (source, _) in FROM_README.items()}

    def link(match):
        words, target = match[1], match[2]
        if target.startswith(("http", "#")):
            return match[0]
        page = pages.get((ROOT / folder / target).resolve())
        return f"[{words}]({page}.md)" if page else words

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)]+)\)", link, text)


def _api_page(name):
    module = f"hazelnut_ae.{name}"
    return f"{module}\n{'=' * len(module)}\n\n.. automodule:: {module}\n   :members:\n   :undoc-members:\n"


def _api_index():
    listing = hazelnut_ae.__doc__.split("\n\n", 1)[1]
    toc = "\n".join(MODULES)
    return (
        "# The code\n\nThe modules of the lessons, each with a link to its source. Which file holds the "
        f"code of which notebook:\n\n```text\n{listing.rstrip()}\n```\n\n```{{toctree}}\n:maxdepth: 1\n\n{toc}\n```\n"
    )


if __name__ == "__main__":
    write_pages()
