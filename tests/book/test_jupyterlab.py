"""Notebooks with widgets in JupyterLab, in a browser: Run All on the tiny preset, and no cell ends with an error."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ("01_background.ipynb", "06_residual_thresholding.ipynb")  # tests/course executes the others
TOKEN = "only-for-this-test"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab over a copy of the notebooks, with a cache of its own."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    for path in (folder / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "HAZELNUT_PRESET": "tiny", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    environment |= {"HAZELNUT_CACHE": str(folder / "cache"), "JUPYTER_CONFIG_DIR": str(folder / "config")}
    options = f"--no-browser --port={port} --IdentityProvider.token={TOKEN} --allow-root --LabApp.news_url=None"
    command = [sys.executable, "-m", "jupyterlab", *options.split(), "--ServerApp.root_dir", str(folder)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/api?token={TOKEN}", timeout=5).read()
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_run_all(new_page, lab, notebook):
    page = new_page(viewport={"width": 1400, "height": 900})
    page.goto(f"{lab}/lab/workspaces/{notebook[:2]}/tree/notebooks/{notebook}?token={TOKEN}&reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    wait_for_kernel(page, lab, notebook)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    outputs = executed_cells(page, lab, notebook)
    assert outputs
    for source, results in outputs:
        assert not [one["evalue"] for one in results if one["output_type"] == "error"], source
        if "widgets." in source.splitlines()[-1]:
            assert any("image/jpeg" in one.get("data", {}) for one in results), source


def wait_for_kernel(page, lab, notebook, seconds=180):
    """Run All before there is a kernel loses the first cells: waits for it, and says which where JupyterLab asks."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        page.wait_for_timeout(1000)
        accept_dialog(page)
        sessions = json.loads(urllib.request.urlopen(f"{lab}/api/sessions?token={TOKEN}", timeout=30).read())
        states = [one["kernel"]["execution_state"] for one in sessions if one["path"].endswith(notebook)]
        shown = page.locator(".jp-NotebookPanel .jp-Toolbar-kernelName").first.inner_text()
        if states == ["idle"] and "Python" in shown:
            return
    raise AssertionError(f"{notebook}: no kernel within {seconds} seconds")


def accept_dialog(page):
    """Accepts what JupyterLab asks, if it asks."""
    button = page.locator(".jp-Dialog button.jp-mod-accept")
    if button.count():
        with contextlib.suppress(Exception):  # playwright's own: it may have closed by itself meanwhile
            button.first.click(timeout=2000)


def executed_cells(page, lab, notebook, seconds=400):
    """(source, outputs) of the code cells of the notebook, saved again and again until all have run or one failed."""
    address = f"{lab}/api/contents/notebooks/{notebook}?token={TOKEN}"
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        page.wait_for_timeout(6000)
        accept_dialog(page)
        page.keyboard.press("Control+s")
        try:
            content = json.loads(urllib.request.urlopen(address, timeout=30).read())["content"]
        except urllib.error.HTTPError:  # it is being written this very moment
            continue
        cells = [cell for cell in content["cells"] if cell["cell_type"] == "code" and cell["source"].strip()]
        failed = any(one["output_type"] == "error" for cell in cells for one in cell["outputs"])
        if cells and (failed or all(cell["execution_count"] for cell in cells)):
            return [(cell["source"], cell["outputs"]) for cell in cells]
    raise AssertionError(f"{notebook}: some cells did not run within {seconds} seconds")
