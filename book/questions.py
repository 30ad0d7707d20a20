"""The questions of book/teach/questions/NN.md as pages of the book: a self-check for each notebook, and one key.

A question is written like this; levels are recall, explain and apply:

    ## recall

    What is asked?

    - [ ] a wrong choice, best a mistake that people make
    - [x] the right one

    Because: the reason, in a sentence or two.
    Cell: a piece of the cell of the notebook that holds the answer

A page of the self-check, printed, is the sheet: answers and the menu stay away.
"""

import html
import re
from pathlib import Path
from typing import NamedTuple

import nbformat
from markdown_it import MarkdownIt

BOOK = Path(__file__).resolve().parent
TEXTS = BOOK / "teach" / "questions"
NOTEBOOKS = BOOK.parent / "notebooks"
LEVELS = {
    "recall": "What stands there",
    "explain": "Why it is so",
    "apply": "What you do with it",
}
QUESTION = re.compile(
    r"(?P<level>\w+)\n+(?P<ask>.+?)\n+(?P<choices>(?:- \[[ x]\] [^\n]+\n)+)\n+"
    r"Because: (?P<because>.+?)\nCell: (?P<cell>.+?)\s*",
    re.DOTALL,
)


HEAD = """# Questions {title}

<p class="on-paper">Name ______________________________ &nbsp; Date ______________</p>
<p class="on-screen">Choose, and read why. Printed, this page is a sheet without answers;
<a href="key.html">the key</a> has them.</p>
"""
INDEX = """# Questions

For each notebook: what stands there, why it is so, and what you do with it. Each page judges a choice at once; printed,
it is a sheet without answers, and [the key](key.md) has them.

```{toctree}
:maxdepth: 1
:glob:

[0-9]*
key
```
"""
KEY = """# Key to the questions

The right choice, the reason, and the section that holds it, notebook by notebook.
"""


class Question(NamedTuple):
    level: str
    ask: str
    choices: list  # of (text, whether it is right)
    because: str
    cell: str

    @property
    def right(self):
        """The number of the right choice, from 0."""
        return [right for _, right in self.choices].index(True)


def read_questions(path):
    """The questions of a file such as 06.md. SystemExit for one that is not written as it should be."""
    questions = []
    for part in re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
        match = QUESTION.fullmatch(part)
        choices = re.findall(r"- \[([ x])\] (.+)", match["choices"]) if match else []
        if match is None or match["level"] not in LEVELS or [mark for mark, _ in choices].count("x") != 1:
            raise SystemExit(
                f"{path.name}: the question that ends in {part.strip().splitlines()[-1]!r} lacks a level "
                f"({', '.join(LEVELS)}), choices of which one is right, Because: or Cell:."
            )
        choices = [(text, mark == "x") for mark, text in choices]
        turn = sum(match["ask"].encode()) % len(choices)  # or the right one would stand where one writes it
        choices = choices[turn:] + choices[:turn]
        questions.append(Question(match["level"], match["ask"], choices, match["because"], match["cell"]))
    return sorted(questions, key=lambda question: list(LEVELS).index(question.level))


def plain(text):
    """A text on one line, without HTML's and Markdown's marks for bold and low numbers."""
    return re.sub(r"\s+", " ", re.sub(r"</?su[bp]>|\*\*", "", text))


def find_cell(cells, question):
    """(the cell that holds a question's answer, the heading above it). SystemExit without exactly one."""
    heading, found, wanted = "", [], plain(question.cell)
    for cell in cells:
        titles = re.findall(r"^##+ (.+)$", cell.source, re.M) if cell.cell_type == "markdown" else []
        before, quoted, _ = plain(cell.source).partition(wanted)
        if quoted:
            above = [title for title in titles if plain(title) in before]
            found.append((cell, above[-1] if above else heading))
        heading = titles[-1] if titles else heading
    if len(found) != 1:
        raise SystemExit(f"{len(found)} cells of the notebook hold {question.cell!r}, for: {question.ask}")
    return found[0]


def write_pages(folder):
    """Writes folder/NN_name.md for each file of questions, folder/key.md and folder/index.md."""
    from docutils.nodes import make_id  # as Sphinx names the places of a page

    folder.mkdir(parents=True)
    key = [KEY]
    for path in sorted(TEXTS.glob("[0-9][0-9].md")):
        (notebook,) = NOTEBOOKS.glob(f"{path.stem}_*.ipynb")
        cells = nbformat.read(notebook, as_version=4).cells
        title = re.match(r"# (.+)", cells[0].source)[1]
        parts, level = [HEAD.format(title=title.split(":")[0])], None
        key.append(f"\n## {title}\n")
        for number, question in enumerate(read_questions(path), 1):
            if question.level != level:
                level = question.level
                parts.append(f"\n## {LEVELS[level]}\n")
            _, heading = find_cell(cells, question)
            heading = plain(heading)
            place = "#" + make_id(heading.replace("'", "")) if heading else ""  # the book curls the apostrophe
            where = f'<a href="../notebooks/{notebook.stem}.html{place}">{html.escape(heading or title)}</a>'
            parts.append(form(number, question, where))
            letter, right = chr(ord("a") + question.right), question.choices[question.right][0]
            key.append(f"{number}. *{level}* **{letter}** · {right}. {question.because} ({where})")
        (folder / f"{notebook.stem}.md").write_text("\n".join(parts) + "\n", encoding="utf-8")
    (folder / "index.md").write_text(INDEX, encoding="utf-8")
    (folder / "key.md").write_text("\n".join(key) + "\n", encoding="utf-8")


def form(number, question, where):
    """A question as HTML: choices, a place for the verdict, and the answer behind a fold."""
    inline = MarkdownIt().renderInline
    choices = "".join(
        f'<label><input type="radio" name="q{number}"{" data-right" if right else ""}> '
        f"<span><b>{chr(ord('a') + i)}</b> {inline(text)}</span></label>"
        for i, (text, right) in enumerate(question.choices)
    )
    letter = chr(ord("a") + question.right)
    return (
        f'<fieldset class="question"><legend>{number}. {inline(question.ask)}</legend>{choices}'
        f'<p class="verdict" role="status"></p><details><summary>Answer and reason</summary>'
        f"<p><b>{letter}</b>: {inline(question.choices[question.right][0])}</p><p>{inline(question.because)}</p>"
        f"<p>It stands in {where}.</p></details></fieldset>\n"
    )
