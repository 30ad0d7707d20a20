"""Builds each notebook and its solutions from notebooks/source/NN_name.py, which is in jupytext's percent format.

`python book/notebook_files.py` builds them all; unchanged cells keep their outputs. Cells tagged setup,
exercise (the question) and check go to both; solution to the solutions only; try (where the reader writes), detour (a
heading that JupyterLab shows folded), claim (asserts of the sentence above, shown folded) and cells without a tag to
the notebook only. `{{ expression }}` in prose is a number (`course.prose`); a rebuild keeps those that are known.
"""

import hashlib

import jupytext
import nbformat
from jupytext.combine import combine_inputs_with_outputs

from hazelnut_ae.course import prose
from hazelnut_ae.course.execute import notebooks_folder
from hazelnut_ae.io.files import atomic_path

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebooks_from(source):
    """Builds (notebook, solutions), without outputs, from one source file."""
    cells = jupytext.read(source).cells
    for cell in cells:
        cell.source = cell.source.strip("\n")
    title = next(line for cell in cells for line in cell.source.splitlines() if line.startswith("# "))
    head = nbformat.v4.new_markdown_cell(
        f"# Solutions · {title.removeprefix('# ')}\n\nOne way to do it; yours may be as good. "
        f"Back to [the notebook](../{source.stem}.ipynb)."
    )
    solutions = [cell for cell in cells if tags(cell) and not tags(cell) & {"try", "detour", "claim"}]
    return _notebook([cell for cell in cells if "solution" not in tags(cell)]), _notebook([head, *solutions])


def tags(cell):
    """Returns the tags of a cell, as a set."""
    return set(cell.metadata.get("tags", []))


def _notebook(cells):
    """Makes a notebook of cells; their ids come from the content, so that few lines change in a rebuild."""
    book = nbformat.v4.new_notebook(cells=[nbformat.from_dict(dict(cell)) for cell in cells], metadata=METADATA)
    seen = {}
    for cell in book.cells:
        key = hashlib.sha256(f"{cell.cell_type}{cell.source}".encode()).hexdigest()[:8]
        seen[key] = seen.get(key, 0) + 1
        cell.id = f"{key}-{seen[key]}"
        cell.metadata = {"tags": sorted(tags(cell))} if tags(cell) else {}
        if "detour" in tags(cell):
            cell.metadata["jp-MarkdownHeadingCollapsed"] = True
        if "claim" in tags(cell):
            assert cell.source.startswith(prose.CLAIM), f"a claim begins with {prose.CLAIM!r}: {cell.source}"
            cell.metadata["jupyter"] = {"source_hidden": True}
        if cell.cell_type == "markdown" and prose.expressions(cell.source):
            cell.metadata["template"] = cell.source
    return book


def fill_in(book, old):
    """Fills the numbers that an older notebook knows into the text of a new one."""
    known, same_cell = {}, {}
    for cell in old.cells if old else ():
        for expression, value in cell.metadata.get("values", {}).items():
            known.setdefault(expression, set()).add(value)
            same_cell[cell.metadata["template"], expression] = value
    for cell in book.cells:
        if template := cell.metadata.get("template"):
            values = {}
            for one in prose.expressions(template):
                if (template, one) in same_cell:
                    values[one] = same_cell[template, one]
                elif len(known.get(one, ())) == 1:  # else it has had several values: only a run can tell
                    (values[one],) = known[one]
            cell.metadata["values"], cell.source = values, prose.filled(template, values)


def same_text(a, b):
    """Returns whether two notebooks have the same cells, apart from their outputs."""
    return texts(a) == texts(b)


def texts(book):
    """Returns what the cells of a notebook say, whatever their outputs and the numbers in their text."""
    return [(cell.cell_type, cell.metadata.get("template", cell.source), tags(cell)) for cell in book.cells]


def write_notebooks(folder):
    """Builds every notebook of folder/source into `folder` and folder/solutions; returns the paths that changed."""
    changed = []
    for source in sorted((folder / "source").glob("[0-9][0-9]_*.py")):
        for book, target in zip(notebooks_from(source), (folder, folder / "solutions"), strict=True):
            path = target / f"{source.stem}.ipynb"
            old = nbformat.read(path, as_version=4) if path.exists() else None
            if old and same_text(old, book):
                continue
            fill_in(book, old)
            if old:
                own, unchanged = [(cell.id, cell.metadata) for cell in book.cells], {cell.source for cell in old.cells}
                book = combine_inputs_with_outputs(book, old, fmt="py:percent")
                for cell, (name, metadata) in zip(book.cells, own, strict=True):
                    cell.id, cell.metadata = name, metadata
                    if cell.cell_type == "code" and cell.source not in unchanged:
                        cell.outputs, cell.execution_count = [], None  # they belong to another cell
            with atomic_path(path) as temporary:
                nbformat.write(book, temporary)
            changed.append(path)
    return changed


if __name__ == "__main__":
    for path in write_notebooks(notebooks_folder()):
        print(path)
