"""The book's pages in a browser: they load, ask no other site, lead somewhere, and can be read by everybody."""

import html.parser
import re
import sys
import urllib.parse
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "book"))

import pages  # noqa: E402

KINDS = {  # a page of each kind
    "front": "index.html",
    "notebook": "pages/notebooks/06_residual_thresholding.html",
    "numbers": "pages/numbers.html",
    "own parts": "pages/parts.html",
    "code": "pages/api/detection.html",
    "teacher": "teach/plans.html",
    "questions": "pages/questions/06_residual_thresholding.html",
    "slides": "slides/index.html",
    "deck": "slides/06_residual_thresholding.html",
    "search": "search.html?q=residual",
    "index": "genindex.html",
    "source": "_modules/hazelnut_ae/detection.html",
    "playground": "playground/index.html",
    "detector": "teach/detector/index.html",
}
WEIGHT = """() => ['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))
  .reduce((sum, one) => sum + one.decodedBodySize, 0)"""
LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
CUT_OFF = """() => [...document.querySelectorAll('div.highlight pre')]
  .filter(code => code.scrollWidth > code.clientWidth + 1).map(code => code.innerText.slice(0, 80))"""
CHANGED = """() => [...document.querySelectorAll('article img')].filter(picture => {
  const style = getComputedStyle(picture);
  return style.filter !== 'none' || style.opacity !== '1' || parseFloat(style.padding);
}).map(picture => picture.src)"""


class Links(html.parser.HTMLParser):
    """Where a page leads, and the places in it that one can lead to."""

    def __init__(self, path):
        super().__init__()
        self.targets, self.places = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.places |= {attributes.get("id"), attributes.get("name")}
        for name in ("href", "src"):
            if attributes.get(name):
                self.targets.append(attributes[name])


def test_links_within_the_book_hold(book):
    found = {path: Links(path) for path in sorted(book.rglob("*.html")) if "_static" not in path.parts}
    assert len(found) > 30
    broken = []
    for path, links in found.items():
        for target in links.targets:
            parts = urllib.parse.urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            file = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
            place = urllib.parse.unquote(parts.fragment)
            known = file in found and (not place or place in found[file].places)
            if not (known or (file.is_file() and file not in found)):
                broken.append(f"{path.relative_to(book)} -> {target}")
    assert not broken


def test_every_page_loads_without_error_and_asks_no_other_site(book, site, open_page):
    page = open_page("index.html")
    for path in sorted(book.rglob("*.html")):
        if "_static" not in path.parts:
            page.goto(site + path.relative_to(book).as_posix())


@pytest.mark.parametrize("page", KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1400), ("light", 1400), ("dark", 390)])
def test_a_page_is_for_everybody(page, scheme, width, open_page):
    """No violation that axe-core knows of, and nothing that runs out of a phone's screen."""
    axe = ROOT / "book" / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.exists():
        pytest.skip("axe-core is missing: npm install in book/")
    opened = open_page(page, width, scheme)
    if page.startswith("search"):
        opened.wait_for_selector("#search-results li a")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    opened.evaluate(axe.read_text(encoding="utf-8"))  # a script tag would need the page's policy to allow it
    found = opened.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert not [f"{one['id']}: {node['html'][:150]}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("name", LESSONS)
def test_code_is_not_cut_off_and_figures_are_shown_as_computed(name, open_page):
    page = open_page(f"pages/notebooks/{name}.html", 1400, "dark")
    assert page.locator("html[data-theme=dark] article img").count() > 0
    for width in (1400, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert not page.evaluate(CUT_OFF)
        assert not page.evaluate(CHANGED)
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert not page.evaluate(CHANGED)


def test_alternative_texts_are_sentences(book):
    tags = []
    for path in (*(book / "pages" / "notebooks").glob("*.html"), book / "index.html"):
        tags += re.findall(r"<img [^>]*>", path.read_text(encoding="utf-8"))
    assert len(tags) > 60
    for tag in tags:
        assert re.search(r"""alt=(["'])[A-Z].* .*[^.]\.\1""", tag), tag


def test_the_front_page_is_light(open_page):
    page = open_page("index.html")
    page.wait_for_load_state("networkidle")
    assert 100e3 < page.evaluate(WEIGHT) <= 0.8e6


def test_a_lesson_leads_to_its_slides_questions_and_files(open_page):
    page = open_page("pages/notebooks/06_residual_thresholding.html")
    with page.expect_download() as download:
        page.locator(".ways a", has_text="Download the notebook").click()
    assert download.value.suggested_filename == "06_residual_thresholding.ipynb"
    page.locator(".ways a", has_text="Slides").click()
    page.wait_for_function("Reveal.isReady()")
    page.locator("a", has_text="all decks").click()
    page.locator("a", has_text="Back to the book").click()
    assert page.locator("article h1", has_text="Find the defect").is_visible()


def test_only_the_site_is_published_and_no_address_is_made_up(book):
    assert not (book / ".doctrees").exists()
    text = (book / "index.html").read_text(encoding="utf-8")
    assert ('rel="canonical"' in text) == ('property="og:url"' in text) == bool(pages.address())


def test_search_finds(open_page):
    page = open_page("search.html?q=residual")
    page.wait_for_selector("#search-results li a")
    assert page.locator("#search-results li").count() > 3
    page = open_page("search.html?q=label-free+threshold")
    page.wait_for_selector("#search-results li a")
    assert "/07_" in page.locator("#search-results a[href*=notebooks]").first.get_attribute("href")


def test_a_call_in_a_notebook_leads_to_the_code(open_page):
    page = open_page("pages/notebooks/06_residual_thresholding.html")
    page.locator("a.sphinx-codeautolink-a", has_text="detection.reconstruct").first.click()
    assert "api/detection.html#" in page.url
    page.locator("a", has_text="[source]").first.click()
    assert "_modules/hazelnut_ae/detection.html" in page.url


def test_solutions_and_checks_that_nobody_has_passed_are_folded(open_page):
    page = open_page("pages/notebooks/06_residual_thresholding.html")
    assert page.get_by_text("not yet").count() >= 5
    assert not any(one.is_visible() for one in page.get_by_text("not yet").all())
    solution = page.locator("details.hide").first
    assert not solution.evaluate("fold => fold.open")
    solution.locator("summary").click()
    assert solution.evaluate("fold => fold.open")


def test_pictures_stand_where_widgets_do(book):
    for path in (book / "pages" / "notebooks").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "interactive(children=" not in text
        assert "widget-view" not in text


def test_the_site_is_small_enough(book):
    assert sum(path.stat().st_size for path in book.rglob("*") if path.is_file()) < 64e6


def test_a_question_judges_a_choice_by_keyboard(open_page):
    page = open_page("pages/questions/06_residual_thresholding.html")
    question = page.locator(".question").first
    answer, verdict = question.locator("details"), question.locator(".verdict")
    question.locator("input:not([data-right])").first.focus()
    page.keyboard.press("Space")
    assert "Not this one" in verdict.inner_text()
    assert not answer.evaluate("fold => fold.open")
    while not question.locator("input[data-right]").is_checked():
        page.keyboard.press("ArrowDown")
    assert verdict.inner_text() == "Right."
    assert answer.evaluate("fold => fold.open")
    assert page.url.endswith("06_residual_thresholding.html")


def test_a_printed_page_of_questions_holds_no_answer(open_page):
    page = open_page("pages/questions/06_residual_thresholding.html")
    page.emulate_media(media="print")
    assert page.locator(".question legend").first.is_visible()
    assert page.locator(".on-paper").is_visible()
    assert not page.locator(".question details").first.is_visible()
