"""Writes the pages of the book that are made of other files: notebooks with their solutions, numbers, the API.

They go to book/pages, which nobody edits, and so do the questions (questions.py). A notebook's page has its committed
outputs; below each exercise stands its solution, folded.
"""

import ast
import html
import os
import re
import shutil
from pathlib import Path

import jupytext
import nbformat
import pandas as pd

import hazelnut_ae
from hazelnut_ae.course import prose

import figure_texts
import notebook_files
import numbers_page
import questions

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
PAGES = BOOK / "pages"
CHECK = "The check of this exercise, and what it says before you have written anything"
WIDGET = "application/vnd.jupyter.widget-view+json"
MODULES = (  # of the API, in the order of the course; a page for each
    *("metrics", "curves", "bootstrap", "diagrams", "dataset", "augmentation", "autoencoder", "training", "detection"),
    *("thresholds", "results", "published", "comparison.systems", "comparison.compare", "comparison.differences"),
    *("comparison.autoencoders", "comparison.anogan", "comparison.feature_dictionary", "patchcore", "backbones"),
    *("transformer", "baselines", "synthetic_anomalies", "presets", "figures", "inference.loaded", "shipped"),
    *("synthetic.painting", "course.lesson", "course.widgets", "course.checks"),
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

DRIFTS = {  # of which production.md tells: name: (system, drift, strength)
    "article": ("article", "none", 0),
    "dark": ("article", "brightness", -0.2),
    "bank": ("memory bank", "none", 0),
    "jpeg": ("memory bank", "JPEG quality", 20),
}


def drift_shares():
    """Shares of the drift study for production.md: {"dark_none_passed": "71 %", …}, "none" being the remedy."""
    shares = {}
    table = pd.read_csv(ROOT / "hazelnut_ae/shipped/measured/drift.csv").set_index(["system", "drift", "strength"])
    for name, case in DRIFTS.items():
        for remedy, rows in table.loc[[case]].groupby("remedy"):
            total, remedy = rows.sum(), remedy.split()[-1]  # "fitted again"
            shares[f"{name}_{remedy}_refused"] = f"{100 * total['alarms'] / total['good']:.0f} %"
            shares[f"{name}_{remedy}_passed"] = f"{100 * total['missed'] / total['defective']:.0f} %"
    return shares


def repository():
    """Returns "owner/name" on GitHub, from the workflow or from what `make publish-name` wrote; "" without either."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"git clone https://github\.com/([\w.-]+/[\w.-]+)", text)
    return os.environ.get("GITHUB_REPOSITORY", "") or (found[1] if found else "")


def address():
    """Returns the book's address on the web, ending in a slash; "" where no repository is known."""
    owner, _, name = repository().lower().partition("/")
    return f"https://{owner}.github.io/{'' if name == f'{owner}.github.io' else name + '/'}" if name else ""


def write_pages():
    """Writes book/pages anew."""
    shutil.rmtree(PAGES, ignore_errors=True)
    for folder in ("notebooks", "api", "figures"):
        (PAGES / folder).mkdir(parents=True)
    for source in sorted((ROOT / "notebooks" / "source").glob("[0-9][0-9]_*.py")):
        nbformat.write(notebook_page(source), PAGES / "notebooks" / f"{source.stem}.ipynb")
    for page, (source, title) in FROM_README.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        text = _readme_links(re.sub(r"\A# .*\n", f"# {title}\n", text), Path(source).parent)
        (PAGES / f"{page}.md").write_text(numbers_page.folded(text), encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for page, title, sections in FRONT:
        text = "\n".join((f"## {name}\n" if name != title else "") + section(readme, name) for name in sections)
        (PAGES / f"{page}.md").write_text(f"# {title}\n\n{_readme_links(text, Path())}", encoding="utf-8")
    for name in MODULES:
        (PAGES / "api" / f"{name}.rst").write_text(_api_page(name), encoding="utf-8")
    (PAGES / "api" / "index.md").write_text(_api_index(), encoding="utf-8")
    questions.write_pages(PAGES / "questions")
    shutil.copy(ROOT / "figures" / "report.png", PAGES / "figures")  # of the README


def section(text, title):
    """What stands under a heading of the second level, up to the next one."""
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.S | re.M)[1]


def notebook_page(source):
    """A notebook and its solutions as one: cells in the source's order, outputs as committed, solutions folded."""
    folder = source.parent.parent
    executed = {}
    for path in (folder / "solutions" / f"{source.stem}.ipynb", folder / f"{source.stem}.ipynb"):
        if path.exists():  # the notebook last: where both have a cell, its output is the one shown
            found = nbformat.read(path, as_version=4).cells
            executed |= {cell.metadata.get("template", cell.source): cell for cell in found}
    cells = []
    for cell in jupytext.read(source).cells:
        text, tags = cell.source.strip("\n"), notebook_files.tags(cell)
        if "claim" in tags:  # asserts what the sentence above says: for whoever runs the notebook
            continue
        cell = nbformat.from_dict(executed.get(text) or cell)
        if cell.cell_type == "markdown":  # with the numbers of the run in its text
            text = prose.filled(text, cell.metadata.get("values", {}))
        cell.metadata = nbformat.from_dict({})
        cell.source = text
        if cell.cell_type == "markdown":
            cell.source = _notebook_links(text)
            if "solution" in tags:
                cell.source = f"::::{{dropdown}} Solution, in words\n{cell.source}\n::::"
        elif cell.cell_type == "code":
            cell.source = re.sub(r"^# NBVAL_CHECK_OUTPUT\n", "", text)
            cell.outputs = _captions(_streams([_still(output) for output in cell.get("outputs") or []]))
            cell.execution_count = cell.get("execution_count")
            cell.metadata.figure_texts = figure_texts.texts_of(source.stem[:2], cell)  # for finish.alternative_texts
            if "solution" in tags:
                cell.metadata.tags = ["hide-cell"]
            elif "check" in tags:  # its "not yet" would look like an error here, where nobody has tried
                cell.metadata.tags = ["hide-cell"]
                cell.metadata.mystnb = {"code_prompt_show": CHECK, "code_prompt_hide": CHECK}
        cells.append(cell)
    title, rest = cells[0].source.split("\n", 1)
    cells[0].source = f"{title}\n\n{ways_out(source.stem)}\n{rest}"
    book = nbformat.v4.new_notebook(cells=cells, metadata=notebook_files.METADATA)
    for number, cell in enumerate(book.cells):
        cell.id = f"cell-{number}"
    return book


def ways_out(stem):
    """Where a lesson's page leads: its slides, questions and files, and, of a known repository, notebook services."""
    ways = [
        ("Slides", f"../../slides/{stem}.html", ""),
        ("Questions", f"../questions/{stem}.html", ""),
        ("Download the notebook", f"../../notebooks/{stem}.ipynb", " download"),
        ("its solutions", f"../../notebooks/solutions/{stem}.ipynb", " download"),
    ]
    if known := repository():
        ways.append(("Repository", f"https://github.com/{known}", ""))
        ways.append(("Binder", f"https://mybinder.org/v2/gh/{known}/HEAD?urlpath=lab/tree/notebooks/{stem}.ipynb", ""))
        if "/OWNER/" not in (ROOT / "notebooks" / "colab.ipynb").read_text(encoding="utf-8"):
            colab = f"https://colab.research.google.com/github/{known}/blob/HEAD/notebooks/colab.ipynb"
            ways.append(("Colab", colab, ""))
    links = (f'<a href="{html.escape(target)}"{extra}>{words}</a>' for words, target, extra in ways)
    return f'<p class="ways">{" · ".join(links)}</p>\n'


def _streams(outputs):
    """Outputs in their order, prints that follow each other as one."""
    merged = []
    for output in outputs:
        before = merged[-1] if merged else {}
        if output.output_type == "stream" and before.get("name") == output.name:
            before["text"] += output.text
        else:
            merged.append(output)
    return merged


def _captions(outputs):
    """A single printed line right above a table becomes the table's caption."""
    kept = []
    for output in outputs:
        before, table = kept[-1] if kept else {}, output.get("data", {}).get("text/html", "")
        if "<table" in table and before.get("output_type") == "stream" and before["text"].strip().count("\n") == 0:
            begin, end = table.split("<table", 1), html.escape(kept.pop()["text"].strip())
            output.data["text/html"] = f"{begin[0]}<table{begin[1].replace('>', f'><caption>{end}</caption>', 1)}"
        kept.append(output)
    return kept


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
    pages = {(ROOT / source).resolve(): f"{page}.md" for page, (source, _) in FROM_README.items()}
    pages |= {path: f"../teach/{path.name}" for path in (BOOK / "teach").glob("*.md")}
    pages |= {path: f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")}
    pages |= {questions.TEXTS: "questions/index.md", BOOK / "playground" / "README.md": "../play.md"}

    def link(match):
        words, target = match[1], match[2]
        if target.startswith(("http", "#")):
            return match[0]
        page = pages.get((ROOT / folder / target).resolve())
        return f"[{words}]({page})" if page else words

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)]+)\)", link, text)


def _api_page(name):
    module = f"hazelnut_ae.{name}"
    return f"{module}\n{'=' * len(module)}\n\n.. automodule:: {module}\n   :members:\n   :undoc-members:\n"


def _api_index():
    """The modules by lesson, as the package's docstring sorts them, each with its first sentence."""
    parts, left = ["# The code", "The modules of the lessons, each with a link to its source."], list(MODULES)
    for number, words in re.findall(r"^    (\d\d) [\w ]+?  +(.+)$", hazelnut_ae.__doc__, re.M):
        (source,) = (ROOT / "notebooks" / "source").glob(f"{number}_*.py")
        title = re.search(r"^# # (.+)", source.read_text(encoding="utf-8"), re.M)[1]
        named = re.findall(r"\w+", re.sub(r"\(.*?\)", "", words))
        here = [name for name in MODULES if name.split(".")[0] in named]
        parts += [f"## [{title}](../notebooks/{source.stem}.ipynb)", _listed(here)]
        left = [name for name in left if name not in here]
    toc = "\n".join(MODULES)
    return "\n\n".join([*parts, "## Beside the lessons", _listed(left), f"```{{toctree}}\n:hidden:\n\n{toc}\n```\n"])


def _listed(names):
    return "\n".join(f"- [`{name}`]({name}.rst): {_first_line(name)}" for name in names)


def _first_line(name):
    """The first sentence of a module's docstring, which is not imported for it."""
    path = ROOT / "hazelnut_ae" / name.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).split("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    write_pages()
