"""What Sphinx leaves to do: alternative texts of the notebooks' figures, readable tables, what a shared link says."""

import re

from bs4 import BeautifulSoup
from docutils import nodes

NUMBER = re.compile(r"[-−+±~<>≥≤]?\s*[\d.,]*\d\s*(%|s|ms|GB|MB|✓|✗)?(\s*\[.*\])?(\s*\(.*\))?")
INTERVAL = re.compile(r"\[\s*([-−]?[\d.]+), ([-−]?[\d.]+)\s*\]")


def alternative_texts(app, doctree, docname):
    """Gives each picture of a code cell the text that pages.notebook_page found for it."""
    for cell in doctree.findall(lambda node: node.get("nb_element") == "cell_code" if _is_element(node) else False):
        texts = cell["cell_metadata"].get("figure_texts", [])
        pictures = list(cell.findall(nodes.image))
        for picture, text in zip(pictures, texts, strict=True):
            picture["alt"] = text


def _is_element(node):
    return isinstance(node, nodes.Element)


def finish_page(app, pagename, templatename, context, doctree):
    """Mends the tables of a page, and says what it is about to whoever shows a link to it."""
    if body := context.get("body"):
        context["body"] = tables(body)
    if pagename == "index":  # the front page is light: it has neither cells nor folds
        unused = ("_static/mystnb", "_static/sphinx-design")
        context["css_files"] = [file for file in context["css_files"] if not str(file.filename).startswith(unused)]
    paragraphs = [node.astext() for node in doctree.findall(nodes.paragraph)] if doctree is not None else []
    text = " ".join(next((text for text in paragraphs if len(text) > 60), app.config.project).split())
    context["description"] = text if len(text) <= 200 else text[:199].rsplit(" ", 1)[0] + "…"


def tables(html):
    """HTML whose tables have no empty heads, numbers to the right, words to the left, and unbroken intervals."""
    return re.sub(r"<table.*?</table>", lambda match: _table(match[0]), html, flags=re.S)


def _table(html):
    soup = BeautifulSoup(html, "html.parser")
    table = soup.table
    rows = [row.find_all(["th", "td"], recursive=False) for row in table.find_all("tr")]
    for row in rows:
        for cell in row:
            if cell.name == "th" and not cell.get_text(strip=True):
                cell.name = "td"
    if any(cell.get("colspan") or cell.get("rowspan") for row in rows for cell in row):
        return str(soup)  # columns of such a table cannot be told by counting cells
    heads = [row for row in rows if row and row[0].find_parent("thead")]
    body = [row for row in rows if row not in heads]
    for column in range(max(map(len, rows), default=0)):
        cells = [row[column] for row in body if len(row) > column]
        said = [cell.get_text(" ", strip=True) for cell in cells]
        said = [text for text in said if text]
        numbers = sum(bool(NUMBER.fullmatch(text)) for text in said)
        if said and 2 * numbers > len(said):
            for row in (*heads, *body):
                if len(row) > column:
                    row[column]["class"] = [*row[column].get("class", []), "number"]
    for text in table.find_all(string=INTERVAL):
        text.replace_with(INTERVAL.sub("[\\1,\N{NO-BREAK SPACE}\\2]", text))
    return str(soup)
