"""The built book behind a local server, and the system's Chromium; without one of them the tests say so and skip.

HAZELNUT_BOOK names a folder that `make book` has built; unset, the book is built here, once for all workers.
"""

import contextlib
import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 180_000  # milliseconds that a busy machine may take for anything


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents and {"chromium", "book"} & set(item.fixturenames):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium():
    """A browser, driven by playwright."""
    api = pytest.importorskip("playwright.sync_api", reason='playwright is missing: pip install -e ".[book]"')
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def book(chromium, tmp_path_factory):
    """The folder of the built book."""
    if named := os.environ.get("HAZELNUT_BOOK"):
        return Path(named).resolve()
    pytest.importorskip("myst_nb", reason='the book\'s packages are missing: pip install -e ".[book]"')
    if not shutil.which("npm") and not (ROOT / "book" / "node_modules").is_dir():
        pytest.skip("there is no npm, which the book needs once")
    done = (
        tmp_path_factory.getbasetemp().parent / f"book-built-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
    )
    with FileLock(f"{done}.lock"):
        if not done.exists():
            subprocess.run([sys.executable, str(ROOT / "book" / "build.py")], check=True)
            done.touch()
    return ROOT / "book" / "_build" / "html"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def copyfile(self, source, outputfile):
        with contextlib.suppress(ConnectionError):  # a page was closed while a file was on its way
            super().copyfile(source, outputfile)


@pytest.fixture(scope="session")
def site(book):
    """The address of the book on a local server, ending in a slash."""
    handler = functools.partial(Quiet, directory=str(book))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def new_page(chromium):
    """new_page(…) as the browser's own, with patience."""
    pages = []

    def new(**options):
        pages.append(chromium.new_page(**options))
        pages[-1].set_default_timeout(PATIENCE)
        return pages[-1]

    yield new
    for page in pages:
        page.close()


@pytest.fixture
def open_page(new_page, site):
    """open_page(path, width, scheme): a page whose errors and foreign requests fail the test when it ends."""
    wrong = []

    def opened(path, width=1400, scheme="light", **options):
        page = new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        page.on("console", lambda message: message.type == "error" and wrong.append(f"{page.url}: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
        page.on("request", lambda request: foreign(page.url, request.url))
        page.goto(site + path)
        page.evaluate("document.fonts.ready.then(() => true)")
        return page

    def foreign(page, url):
        if not url.startswith((site, "data:", "blob:")):
            wrong.append(f"{page} asks {url}")

    yield opened
    assert not wrong
