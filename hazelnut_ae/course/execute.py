"""Executes the notebooks and keeps the executed copies and the figures."""

import asyncio
import os
import re
import subprocess
from pathlib import Path

from hazelnut_ae import dataset, presets
from hazelnut_ae.errors import DataError
from hazelnut_ae.io.files import atomic_path

AT_ONCE = 2  # notebooks: a kernel spends much of its time on importing and drawing, which one core does


def notebooks_folder():
    """The notebooks of the repository. Raises: DataError where only the package is installed."""
    for folder in (Path.cwd() / "notebooks", Path(__file__).resolve().parents[2] / "notebooks"):
        if list(folder.glob("[0-9][0-9]_*.ipynb")):
            return folder
    raise DataError("There is no folder notebooks/ here; run this in a clone of the repository.")


def execute(preset="quick", data=None, out="tutorial", run_folder=None, solutions=False, only=None, figures=None):
    """Executes every notebook and writes the executed copies to `out` and the figures to `figures` (None: out/figures).

    preset: a name; data: a folder in MVTec layout, or None for painted hazelnuts; run_folder: where the trained run is
    kept (None: the cache); solutions: execute those notebooks too; only: the numbers of those to execute, such as
    ["01", "06"]. `out` may be the folder of the notebooks itself. Returns the written paths.
    Raises: DataError for a problem with the data, or when a notebook stops with an error; it is written up to there.
    """
    from tqdm import tqdm

    try:
        import nbformat
        from jupyter_core.utils import run_sync
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
    except ImportError as error:
        raise DataError("Notebooks need Jupyter; install it with pip install -e .[notebooks].") from error

    presets.find_preset(preset)
    out, source = Path(out).resolve(), notebooks_folder()
    figures = Path(figures or out / "figures").resolve()
    environment = {**os.environ, "HAZELNUT_PRESET": preset, "HAZELNUT_FIGURES": str(figures)}
    for variable in ("HAZELNUT_DATA", "HAZELNUT_RUN"):  # the arguments say it all
        environment.pop(variable, None)
    if data is not None:
        dataset.load(data)  # problems with the data are told before the first kernel starts
        environment["HAZELNUT_DATA"] = str(Path(data).resolve())
    if run_folder is not None:
        environment["HAZELNUT_RUN"] = str(Path(run_folder).resolve())
    paths = sorted(source.glob("[0-9][0-9]_*.ipynb"))
    paths += sorted(source.glob("solutions/[0-9][0-9]_*.ipynb")) if solutions else []
    if only is not None:
        if unknown := set(only) - {path.name[:2] for path in paths}:
            raise DataError(f"There is no notebook {', '.join(sorted(unknown))}; name them by number, such as 01,06.")
        paths = [path for path in paths if path.name[:2] in only]
    if len(paths) > 1:  # each kernel its own cores: two that wait for each other's are slower than one after the other
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // AT_ONCE)))
    books = [nbformat.read(path, as_version=4) for path in paths]
    written = [out / path.relative_to(source) for path in paths]
    with tqdm(total=sum(len(book.cells) for book in books), unit="cell", disable=None) as bar:

        async def one(path, book, target):
            client = NotebookClient(
                book,
                timeout=None,
                kernel_name="python3",
                resources={"metadata": {"path": str(path.parent)}},
                on_cell_start=lambda **_: bar.set_description(path.stem),
                on_cell_complete=lambda **_: bar.update(),
            )
            try:
                await client.async_execute(env=environment, stderr=subprocess.DEVNULL)  # what a kernel says of itself
            except CellExecutionError as error:
                if error.ename == "DataError":
                    raise DataError(error.evalue) from error
                what = f"{error.ename}: {error.evalue}".splitlines()[0]
                raise DataError(f"{path.name} stopped with {what}; open {target} to see where.") from error
            finally:
                _tidy(book)
                with atomic_path(target) as temporary:
                    nbformat.write(book, temporary)

        run_sync(_few_at_once)([one(*each) for each in zip(paths, books, written, strict=True)])
    figure_paths = sorted(figures.glob("*.png"))
    return written + figure_paths


async def _few_at_once(coroutines):
    """Waits for all of them, in their order and AT_ONCE at a time; the first error ends those that run."""
    free = asyncio.Semaphore(AT_ONCE)

    async def in_turn(coroutine):
        async with free:
            await coroutine

    tasks = [asyncio.ensure_future(in_turn(coroutine)) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for coroutine in coroutines:
            coroutine.close()  # of those whose turn never came


def _tidy(book):
    """Leaves of a progress bar its last state, of cells no timestamps, of widgets no state: a rerun differs little."""
    book.metadata.pop("widgets", None)
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        outputs = []
        for output in cell.get("outputs", []):
            if outputs and output.output_type == "stream" and output.get("name") == outputs[-1].get("name"):
                outputs[-1].text += output.text
            else:
                outputs.append(output)
        for output in outputs:
            if output.output_type == "stream":
                output.text = re.sub(r"[^\n]*\r(?!\n)", "", output.text)
            elif "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                output.data["text/plain"] = "(A widget: it shows itself where a kernel runs.)"
                if any(kind.startswith("image/") for kind in output.data):  # its picture stays instead of it
                    del output.data["application/vnd.jupyter.widget-view+json"]
        if cell.cell_type == "code":
            cell.outputs = [output for output in outputs if output.get("text", "x").strip()]
