"""`make slides`: a deck for each notebook, of book/teach/slides/NN.md and the outputs that the notebook came with.

A slide of NN.md:

    ## Its title

    A sentence, or up to three points.

    ![what is to be seen](a piece of code) {rows 1-3, columns 1 4}

    > Ask: the question to the class
    > Answer: what one hopes to hear

The piece of code stands in one cell alone. What the cell shows is the slide's picture: its first image, else its table,
else its text. In braces, if need be: `2` for its second image or table, `table` for its table, `text` for what it
prints, `prose` for a table in a cell of prose; then rows (or lines) and columns, counted from 1 below the heading.
`stacked` sets the right half of a row of pictures below the left one, `labels a | b | c` writes labels above columns.
Text whose lines all say "name: word number, word number" is shown as a table.
"""

import argparse
import base64
import html
import io
import re
import shutil
import sys
import textwrap
import zlib
from pathlib import Path
from string import Template
from typing import NamedTuple

import nbformat
from markdown_it import MarkdownIt
from PIL import Image

import slide_pictures

BOOK = Path(__file__).resolve().parent
TEXTS = BOOK / "teach" / "slides"
DECK = BOOK / "deck"  # the page of a deck, that of all decks, their style
NOTEBOOKS = BOOK.parent / "notebooks"
REVEAL = BOOK / "node_modules" / "reveal.js"
REVEAL_FILES = ("dist/reset.css", "dist/reveal.css", "dist/reveal.js", "dist/plugin/notes.js", "LICENSE")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
LARGEST, SMALLEST = 34, 20  # pixels of a letter in a table or text, on a slide of 1280 × 720
WIDTH, HEIGHT = 1184, 460  # what a table or text has there
BESIDE = (756, 560)  # what a picture has beside the points
LABEL = 20  # pixels of a letter above a column of pictures
PAIR = re.compile(r"(?P<word>(?:(?!  )[^,])*?\S) +(?P<number>[-−]?[\d.,]*\d(?: ?%|/\d+| of \d+)?)")
LONGEST = 82  # signs of a line, where longer ones would be too small
SLIDE = re.compile(
    r"(?P<title>[^\n]+)\n+(?P<points>.+?)\n+!\[(?P<alt>[^\n]+?)\]\((?P<where>[^\n]+)\)(?: \{(?P<options>[^\n}]+)\})?\n+"
    r"> Ask: (?P<ask>.+?)\n> Answer: (?P<answer>.+?)\s*",
    re.DOTALL,
)


class Slide(NamedTuple):
    title: str
    points: str
    alt: str
    where: str
    options: str
    ask: str
    answer: str

    def words(self):
        """All that a reader or a teacher reads, but for the picture."""
        return "\n".join((self.title, self.points, self.alt, self.ask, self.answer))


def read_slides(path):
    """The slides of a file such as 06.md. SystemExit for a slide that is not written as it should be."""
    slides = []
    for part in re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
        match = SLIDE.fullmatch(part)
        if match is None:
            line = part.splitlines()[0]
            raise SystemExit(
                f"{path.name}, {line!r}: a slide has a title, text, ![picture](code), > Ask: and > Answer:."
            )
        slides.append(Slide(**{name: " ".join((text or "").split(" ")) for name, text in match.groupdict().items()}))
    return slides


def notebook_of(path):
    """The executed notebook that a file such as 06.md belongs to."""
    (found,) = NOTEBOOKS.glob(f"{path.stem}_*.ipynb")
    return found


def picture(cells, slide, name):
    """(HTML, width : height, or None of a table or text) of what a slide shows."""

    def stop(why):
        raise SystemExit(f"{name}.md, slide {slide.title!r}: {why}")

    options = dict(part.strip().partition(" ")[::2] for part in slide.options.split(","))
    cell_type = "markdown" if "prose" in options else "code"
    found = [cell for cell in cells if cell.cell_type == cell_type and slide.where in cell.source]
    found = [cell for cell in found if cell.source == slide.where] or found
    if len(found) != 1:
        stop(f"{len(found)} cells of the notebook hold {slide.where!r}; take a piece of code of the one that shows it.")
    rows = options.get("rows", "")
    number = next((int(word) for word in options if word.isdigit()), 1)
    if cell_type == "markdown":
        tables = re.findall(r"(?:^\|.*\n?)+", found[0].source, re.M)
        shown = [MarkdownIt().enable("table").render(table) for table in tables if slide.where in table]
        return _table(shown[0], rows, options.get("columns"), stop, True) if shown else stop("no table stands there.")
    outputs = found[0].outputs
    images = [(mime, one.data[mime]) for one in outputs for mime in one.get("data", {}) if mime.startswith("image/")]
    tables = [one.data["text/html"] for one in outputs if "<table" in one.get("data", {}).get("text/html", "")]
    texts = [one.get("text") or one.data["text/plain"] for one in outputs if not _is_image(one)]
    if "text" not in options:
        shown = tables if "table" in options else images or tables
        if ("table" in options or shown) and number > len(shown):
            stop(f"the cell shows {len(shown)}, not {number}.")
        if shown is images and images:
            mime, data = images[number - 1]
            shown = Image.open(io.BytesIO(base64.b64decode(data)))
            if "stacked" in options or "labels" in options:
                words = [word.strip() for word in options.get("labels", "").split("|")]
                shown = slide_pictures.stacked(shown) if "stacked" in options else _labelled(shown, words)
                file = io.BytesIO()
                shown.save(file, "PNG", optimize=True)
                mime, data = "image/png", base64.b64encode(file.getvalue()).decode()
            address = f"data:{mime};base64,{data.strip()}"
            return f'<img src="{address}" alt="{html.escape(slide.alt)}">', shown.width / shown.height
        if shown:
            return _table(tables[number - 1], rows, options.get("columns"), stop)
    return _text("\n".join(text.strip("\n") for text in texts if text), rows, stop)


def _is_claim(cell):
    return "claim" in cell.metadata.get("tags", [])


def _is_image(output):
    return any(mime.startswith("image/") for mime in output.get("data", {}))


def _labelled(shown, words):
    width, height = BESIDE if shown.width / shown.height < 1.6 else (WIDTH, HEIGHT)
    return slide_pictures.labelled(shown, words, width, height, LABEL)


def _text(text, rows, stop):
    """A text in letters that are as large as it allows."""
    lines = textwrap.dedent("\n".join(_chosen(text.rstrip().splitlines(), rows))).splitlines()
    if not lines:
        stop("the cell shows nothing.")
    if table := _as_table(lines):
        return _table(table, "", None, stop)
    if WIDTH / (0.61 * max(map(len, lines)) + 1.8) < SMALLEST:
        lines = [part for line in lines for part in textwrap.wrap(line, LONGEST, subsequent_indent="      ") or [""]]
    size = min(LARGEST, WIDTH / (0.61 * max(map(len, lines)) + 1.8), HEIGHT / (1.35 * len(lines)))
    if size < SMALLEST:
        stop(f"the text is too long to be read ({size:.0f} pixels); choose rows.")
    return f'<pre style="font-size: {size:.1f}px">{html.escape(chr(10).join(lines))}</pre>', None


def _as_table(lines):
    """Lines such as "name: loss 0.1, F1 0.2" as a table; None unless all have the same words at the same places."""
    heads, body = [], []
    for line in lines:
        name, _, rest = re.sub(r" {2,}|: ", "\t", line.strip(), count=1).partition("\t")
        words, numbers = _pairs(rest)
        if heads and words != heads:  # a long name, which runs into the first word
            words, numbers = _pairs(line)
            name = words[0].removesuffix(heads[0]).strip() if words else ""
            words = [words[0].removeprefix(name).strip(), *words[1:]] if words else words
        heads = heads or words
        if not words or words != heads:
            return None
        body.append([name, *numbers])
    rows = [f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in (["", *heads], *body)]
    return f"<table><thead>{rows[0]}</thead>{''.join(rows[1:])}</table>"


def _pairs(text):
    """The words and the numbers of "loss 0.1, F1 0.2"; two empty lists of any other text."""
    found = [PAIR.fullmatch(part.strip()) for part in re.split(r"[,:] ", text)]
    return ([], []) if None in found else ([pair["word"] for pair in found], [pair["number"] for pair in found])


def _table(text, rows, columns, stop, wraps=False):
    """A table of HTML with its chosen rows and columns, in letters that are as large as it allows.

    wraps: its cells are sentences, which may take several lines.
    """
    parts = re.split(r"</thead>", text)
    head, body = (
        [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in re.findall(r"<tr.*?</tr>", part, re.S)]
        for part in parts
    )
    if len(head) == 2 and not any(head[1][1:]):  # pandas names the index in a row of its own
        head = [[head[1][0], *head[0][1:]]]
    body = _chosen(body, rows) or stop("the table has no rows of these numbers.")
    if len({len(row) for row in head + body}) != 1:
        stop("cells of the table span several rows; choose text.")
    if columns:
        keep = [int(column) - 1 for column in columns.split()]
        if max(keep) >= min(map(len, body)):
            stop(f"the table has {len(body[0])} columns.")
        head, body = ([[row[i] for i in keep] for row in part] for part in (head, body))
    widths = [max(len(re.sub(r"<[^>]+>|&nbsp;", "", row[i])) for row in head + body) for i in range(len(body[0]))]
    size = min(LARGEST, WIDTH / (sum(0.55 * width + 1.3 for width in widths)), HEIGHT / (1.85 * len(head + body)))
    if wraps:
        size = 24
    if size < SMALLEST:
        stop(f"the table is too large to be read ({size:.0f} pixels); choose rows and columns.")

    def line(row, tag):
        cells = (
            (cell, tag if cell.replace("&nbsp;", "").strip() else "td") for cell in row
        )  # an empty head is no head
        return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell, tag in cells)}</tr>"

    lines = [line(row, "th") for row in head] + [line(row, "td") for row in body]
    return f'<table{" class=wraps" if wraps else ""} style="font-size: {size:.1f}px">{"".join(lines)}</table>', None


def _chosen(lines, rows):
    """Those of the lines that "1-3 5" names; all without it."""
    if not rows:
        return lines
    ranges = [part.split("-") for part in rows.split()]
    return [line for first, *last in ranges for line in lines[int(first) - 1 : int((last or [first])[0])]]


def deck(path):
    """(title, HTML) of the slides of a file such as 06.md."""
    cells = [cell for cell in nbformat.read(notebook_of(path), as_version=4).cells if not _is_claim(cell)]
    title = re.match(r"# (.+)", cells[0].source)[1]
    write = MarkdownIt().render
    number, _, name = title.partition(" · ")
    parts = [
        f'<section><div class="slide opening"><p>{html.escape(number)}</p><h1>{html.escape(name.split(":")[0])}</h1>\n'
        + (f"<p>{html.escape(name.partition(': ')[2])}</p>\n" if ": " in name else "")
        + '<footer>Arrow keys go on, S opens the notes · <a href="index.html">all decks</a></footer></div>\n'
        '<aside class="notes">The notes have a question for each slide, and the answer that one hopes for.</aside>'
        "</section>"
    ]
    for slide in read_slides(path):
        shown, ratio = picture(cells, slide, path.stem)
        layout = "beside" if ratio and ratio < 1.6 else "below"
        label = "" if ratio else f' role="img" aria-label="{html.escape(slide.alt)}"' if "<pre" in shown else ""
        parts.append(
            f'<section><div class="slide {layout}"><h2>{MarkdownIt().renderInline(slide.title)}</h2>\n'
            f'<div class="points">{write(slide.points)}</div>\n<figure{label}>{shown}</figure>\n'
            f"<footer>{html.escape(title)}</footer></div>\n"
            f'<aside class="notes">{write(f"**Ask:** {slide.ask}")}{write(f"**Answer:** {slide.answer}")}</aside>'
            "</section>"
        )
    return title, filled("page.html", title=html.escape(title), slides="\n".join(parts))


def filled(name, **values):
    """A page of book/deck with values in place of its $names."""
    return Template((DECK / name).read_text(encoding="utf-8")).substitute(values)


def write_decks(out, back=""):
    """Writes out/NN_name.html for each notebook, out/index.html and what they load; returns the decks' paths.

    Args:
        out: The folder, written anew.
        back: HTML above the list of decks: a way back to the pages that it is a part of.
    """
    shutil.rmtree(out, ignore_errors=True)
    for folder in ("reveal", "pictures"):
        (out / folder).mkdir(parents=True)
    for name in REVEAL_FILES:
        shutil.copy(REVEAL / name, out / "reveal")
    for path in (DECK / "slides.css", BOOK / "static" / "nut.svg"):
        shutil.copy(path, out / "reveal")

    def save(match):
        """A picture as a file; what several slides show is there once."""
        data = base64.b64decode(match[2])
        target = out / "pictures" / f"{zlib.crc32(data):08x}.{match[1]}"
        target.write_bytes(data)
        return f"pictures/{target.name}"

    written, rows = [], []
    for path in sorted(TEXTS.glob("[0-9][0-9].md")):
        title, page = deck(path)
        target = out / f"{notebook_of(path).stem}.html"
        target.write_text(re.sub(r"data:image/(\w+);base64,([^\"]+)", save, page), encoding="utf-8")
        written.append(target)
        rows.append(f'<li><a href="{target.name}">{html.escape(title)}</a></li>')
    (out / "index.html").write_text(filled("index.html", decks="\n".join(rows), back=back), encoding="utf-8")
    return written


def print_pdf(decks):
    """A PDF beside each deck, printed by the system's Chromium; says so where there is none."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print("No PDF: there is no Chromium here. A browser prints a deck whose address ends in ?print-pdf.")
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])  # of our own pages alone
        for path in decks:
            page = browser.new_page()
            page.set_default_timeout(180_000)  # milliseconds, on a busy machine
            page.goto(f"{path.resolve().as_uri()}?print-pdf")
            page.wait_for_selector(".pdf-page")
            page.pdf(path=path.with_suffix(".pdf"), prefer_css_page_size=True, print_background=True)
            page.close()
        browser.close()


def main():
    arguments = argparse.ArgumentParser(description="Writes the slides of every notebook.")
    arguments.add_argument("--out", type=Path, default=BOOK.parent / "slides")
    arguments.add_argument("--no-pdf", action="store_true")
    options = arguments.parse_args()
    import build

    build.npm_packages()
    decks = write_decks(options.out)
    if not options.no_pdf:
        print_pdf(decks)
    print(f"{len(decks)} decks: open {options.out / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
