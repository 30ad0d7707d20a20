"""Executes the notebooks, several at once, and writes the executed copies and the figures."""

import asyncio
import os
import re
import subprocess
from functools import partial
from pathlib import Path

from tqdm import tqdm

from hazelnut_ae import dataset, presets
from hazelnut_ae.course import prose
from hazelnut_ae.errors import DataError
from hazelnut_ae.io.files import atomic_path

AT_ONCE = min(4, os.cpu_count() or 1)  # kernels; each may fill a gigabyte of memory
LONGEST = ("09", "10", "05", "03")  # they begin first, so that none of them is left for the end
# glibc gives the memory of large tensors back and asks for it again in each step, a fifth of the time of some fits
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "1000000000"}
WIDGET = "application/vnd.jupyter.widget-view+json"


def notebooks_folder():
    """Returns the folder of the notebooks. Raises DataError if only the package is installed."""
    for folder in (Path.cwd() / "notebooks", Path(__file__).resolve().parents[2] / "notebooks"):
        if list(folder.glob("[0-9][0-9]_*.ipynb")):
            return folder
    raise DataError("There is no folder notebooks/ here; run this in a clone of the repository.")


def execute(preset="quick", data=None, out="tutorial", run_folder=None, solutions=False, only=None, figures=None):
    """Executes the notebooks.

    Args:
        preset: name of a preset.
        data: a data folder in MVTec layout; None: synthetic hazelnuts.
        out: folder for the executed copies; may be the folder of the notebooks.
        run_folder: folder of the trained run; None: in the cache.
        solutions: also execute the solutions.
        only: numbers of notebooks, such as ["01", "06"]; None: all.
        figures: folder for the figures; None: out/figures.
    Returns: the paths of the notebooks and figures.
    Raises: DataError if the data are wrong or a cell fails; the notebook is then written up to that cell.
    """
    try:
        import nbclient  # noqa: F401
        import nbformat
        from jupyter_core.utils import run_sync
    except ImportError as error:
        raise DataError('Notebooks need Jupyter; install it with pip install -e ".[notebooks]".') from error
    presets.find_preset(preset)
    out, source = Path(out).resolve(), notebooks_folder()
    figures = Path(figures or out / "figures").resolve()
    if data is not None:
        dataset.load(data)  # a problem with the data is reported before the first kernel starts
    paths = sorted(source.glob("[0-9][0-9]_*.ipynb"))
    paths += sorted(source.glob("solutions/[0-9][0-9]_*.ipynb")) if solutions else []
    if unknown := set(only or ()) - {path.name[:2] for path in paths}:
        raise DataError(f"There is no notebook {', '.join(sorted(unknown))}; name them by number, such as 01,06.")
    paths = [path for path in paths if only is None or path.name[:2] in only]
    paths.sort(key=lambda path: (path.parent != source, [path.name[:2] != number for number in LONGEST]))
    environment = {**KEEP_MEMORY, **os.environ, "HAZELNUT_PRESET": preset, "HAZELNUT_FIGURES": str(figures)}
    for variable, folder in (("HAZELNUT_DATA", data), ("HAZELNUT_RUN", run_folder)):  # not those of the caller
        environment.pop(variable, None)
        environment |= {variable: str(Path(folder).resolve())} if folder is not None else {}
    environment.pop(prose.STRICT, None)
    if data is None and run_folder is None and preset == "quick":  # what the text was written for
        environment[prose.STRICT] = "1"
    if len(paths) > 1:  # each kernel has all cores, as it would alone, but does not keep one busy while it waits
        environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    books = [nbformat.read(path, as_version=4) for path in paths]
    targets = [out / path.relative_to(source) for path in paths]
    with tqdm(total=sum(len(book.cells) for book in books), unit="cell", disable=None) as bar:
        each = zip(paths, books, targets, strict=True)
        run_sync(_few_at_once)([partial(_execute_one, *one, environment, bar) for one in each])
    return sorted(targets) + sorted(figures.glob("*.png"))


async def _few_at_once(jobs):
    """Awaits functions in their order, `AT_ONCE` at a time; the first error ends all."""
    waiting = iter(jobs)

    async def one_after_another():
        for job in waiting:
            await job()

    tasks = [asyncio.ensure_future(one_after_another()) for _ in range(AT_ONCE)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _execute_one(path, book, target, environment, bar):
    """Executes one notebook and writes it to `target`, up to the cell that fails if one does."""
    import nbformat
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    from hazelnut_ae.course.client import ProseClient

    options = {"timeout": None, "kernel_name": "python3", "resources": {"metadata": {"path": str(path.parent)}}}
    client = ProseClient(book, on_cell_complete=lambda **_: bar.update(), **options)
    client.strict, client.on_cell_start = prose.STRICT in environment, lambda **_: bar.set_description(path.stem)
    try:
        await client.async_execute(env=environment, stderr=subprocess.DEVNULL)  # the kernel's own log
    except CellExecutionError as error:
        if error.ename == "DataError":
            raise DataError(error.evalue) from error
        what = f"{error.ename}: {error.evalue}".splitlines()[0]
        raise DataError(f"{path.name} stopped with {what}; open {target} to see where.") from error
    except DeadKernelError as error:
        raise DataError(f"{path.name} stopped: its kernel ended, for example because the memory is full.") from error
    finally:
        tidy(book)
        with atomic_path(target) as temporary:
            nbformat.write(book, temporary)


def tidy(book):
    """Removes timestamps, widget states and old states of progress bars, so that few lines change in a rerun."""
    book.metadata.pop("widgets", None)
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        joined = []  # the outputs, with parts of a stream as one
        for output in cell.outputs:
            if joined and output.output_type == "stream" and output.get("name") == joined[-1].get("name"):
                joined[-1].text += output.text
            else:
                joined.append(output)
        for output in joined:
            if output.output_type == "stream":
                output.text = re.sub(r"[^\n]*\r(?!\n)", "", output.text)  # what a progress bar overwrote
            elif WIDGET in output.get("data", {}):
                output.data["text/plain"] = "(A widget: it shows itself where a kernel runs.)"
                if any(name.startswith("image/") for name in output.data):  # the picture stays instead of the widget
                    del output.data[WIDGET]
        cell.outputs = [output for output in joined if output.get("text", "x").strip()]
