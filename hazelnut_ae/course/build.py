"""Each notebook has one source, notebooks/source/NN_name.py, from which the notebook and its solutions are built.

`python -m hazelnut_ae.course.build` builds them all; outputs of cells that did not change are kept. The sources are
jupytext's percent format. Tags say where a cell goes:

    (none)       the notebook alone                 setup      both
    exercise     both (the question)                try        the notebook alone (where the reader writes)
    solution     the solutions alone
"""

import hashlib
import sys
from pathlib import Path

import jupytext
import nbformat

from hazelnut_ae.engine.files import atomic_path

IN_SOLUTIONS = {"setup", "exercise", "solution"}
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def build(source):
    """The notebook and its solutions, without outputs, from one source: (notebook, solutions).

    Solutions begin with a heading of their own and end with a link back.
    """
    source = Path(source)
    cells = jupytext.read(source).cells
    for cell in cells:
        cell.source = cell.source.strip("\n")
    title = next(line for cell in cells for line in cell.source.splitlines() if line.startswith("# ")).removeprefix(
        "# "
    )
    lesson = [cell for cell in cells if "solution" not in tags(cell)]
    chosen = [cell for cell in cells if tags(cell) & IN_SOLUTIONS]
    head = nbformat.v4.new_markdown_cell(
        f"# Solutions · {title}\n\nOne way to do it; yours may be as good. "
        f"Back to [the notebook](../{source.stem}.ipynb)."
    )
    return _notebook(lesson), _notebook([head, *chosen])


def tags(cell):
    """The tags of a cell, as a set."""
    return set(cell.metadata.get("tags", []))


def _notebook(cells):
    seen = {}
    fresh = []
    for cell in cells:
        key = hashlib.sha256(f"{cell.cell_type}{cell.source}".encode()).hexdigest()[:8]
        seen[key] = seen.get(key, 0) + 1
        new = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
        metadata = {"tags": sorted(tags(cell))} if tags(cell) else {}
        fresh.append(new(cell.source, id=f"{key}-{seen[key]}", metadata=metadata))
    return nbformat.v4.new_notebook(cells=fresh, metadata=METADATA)


def same_text(a, b):
    """Whether two notebooks hold the same cells, whatever their outputs."""
    content = lambda book: [(c.cell_type, c.source, sorted(tags(c))) for c in book.cells]  # noqa: E731
    return content(a) == content(b)


def write(folder):
    """Builds every notebook of folder/source into `folder` and `folder`/solutions; returns the paths that changed."""
    folder, changed = Path(folder), []
    for source in sorted((folder / "source").glob("[0-9][0-9]_*.py")):
        for book, target in zip(build(source), (folder, folder / "solutions"), strict=True):
            path = target / f"{source.stem}.ipynb"
            if path.exists():
                old = nbformat.read(path, as_version=4)
                if same_text(old, book):
                    continue
                keep = {cell.id: cell for cell in old.cells if cell.cell_type == "code"}
                for cell in book.cells:
                    if cell.id in keep:
                        cell.outputs, cell.execution_count = keep[cell.id].outputs, keep[cell.id].execution_count
            with atomic_path(path) as temporary:
                nbformat.write(book, temporary)
            changed.append(path)
    return changed


if __name__ == "__main__":
    from hazelnut_ae.course.execute import notebooks_folder

    for path in write(sys.argv[1] if len(sys.argv) > 1 else notebooks_folder()):
        print(path)
