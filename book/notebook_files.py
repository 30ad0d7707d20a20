"""Builds each notebook and its solutions from notebooks/source/NN_name.py, which is in jupytext's percent format.

`python book/notebook_files.py` builds them all; unchanged cells keep their outputs. Cells tagged setup,
exercise (the question) and check go to both; solution to the solutions only; try (where the reader writes), detour (a
heading that JupyterLab shows folded) and cells without a tag to the notebook only.
"""

import hashlib

import jupytext
import nbformat
from jupytext.combine import combine_inputs_with_outputs

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
    solutions = [cell for cell in cells if tags(cell) and not tags(cell) & {"try", "detour"}]
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
    return book


def same_text(a, b):
    """Returns whether two notebooks have the same cells, apart from their outputs."""
    return [(c.cell_type, c.source, tags(c)) for c in a.cells] == [(c.cell_type, c.source, tags(c)) for c in b.cells]


def write_notebooks(folder):
    """Builds every notebook of folder/source into `folder` and folder/solutions; returns the paths that changed."""
    changed = []
    for source in sorted((folder / "source").glob("[0-9][0-9]_*.py")):
        for book, target in zip(notebooks_from(source), (folder, folder / "solutions"), strict=True):
            path = target / f"{source.stem}.ipynb"
            if path.exists():
                old = nbformat.read(path, as_version=4)
                if same_text(old, book):
                    continue
                ids, unchanged = [cell.id for cell in book.cells], {cell.source for cell in old.cells}
                book = combine_inputs_with_outputs(book, old, fmt="py:percent")
                for cell, own in zip(book.cells, ids, strict=True):
                    cell.id = own
                    if cell.cell_type == "code" and cell.source not in unchanged:
                        cell.outputs, cell.execution_count = [], None  # they belong to another cell
            with atomic_path(path) as temporary:
                nbformat.write(book, temporary)
            changed.append(path)
    return changed


if __name__ == "__main__":
    for path in write_notebooks(notebooks_folder()):
        print(path)
