"""Decks from the disk, without a server: nothing overflows, keys lead on, notes are there, PDFs have every slide."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
TOO_LARGE = """() => [...Reveal.getCurrentSlide().querySelectorAll('h1,h2,.points,figure,figure > *')].filter(part => {
  const box = part.getBoundingClientRect();
  const floor = Reveal.getCurrentSlide().querySelector('footer').getBoundingClientRect().top;
  return box.right > innerWidth + 1 || box.bottom > floor + 1 || box.height < 1
    || part.tagName !== 'IMG' && (part.scrollWidth > part.clientWidth + 1 || part.scrollHeight > part.clientHeight + 1);
}).map(part => part.tagName)"""
SMALLEST = """() => Math.min(...[...Reveal.getCurrentSlide().querySelectorAll('h2, .points, figure pre, figure table')]
  .map(part => parseFloat(getComputedStyle(part).fontSize)))"""


@pytest.fixture(scope="module")
def decks(chromium, tmp_path_factory):
    """A folder that `make slides` has written, PDFs included."""
    if not (ROOT / "book" / "node_modules" / "reveal.js").is_dir():
        pytest.skip("reveal.js is missing: make slides, once")
    out = tmp_path_factory.mktemp("slides")
    done = subprocess.run([sys.executable, str(ROOT / "book" / "slides.py"), "--out", str(out)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return out


@pytest.fixture
def page(new_page):
    """A window as large as a slide; a foreign request or an error fails the test when it ends."""
    page, wrong = new_page(viewport={"width": 1280, "height": 720}), []
    page.on("request", lambda asked: asked.url.startswith(("file:", "data:", "blob:")) or wrong.append(asked.url))
    page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    assert not wrong


@pytest.mark.parametrize("name", NAMES)
def test_no_slide_overflows_and_all_can_be_read(name, decks, page):
    page.goto((decks / f"{name}.html").as_uri())
    page.wait_for_function("Reveal.isReady()")
    for number in range(page.evaluate("Reveal.getTotalSlides()")):
        page.evaluate(f"Reveal.slide({number})")
        assert not page.evaluate(TOO_LARGE), number + 1
        assert page.evaluate(SMALLEST) >= 20, number + 1
        assert ("Ask:" if number else "notes") in page.evaluate("Reveal.getSlideNotes()")


def test_keys_lead_on(decks, page):
    page.goto((decks / f"{NAMES[0]}.html").as_uri())
    page.wait_for_function("Reveal.isReady()")
    for key in ("ArrowRight", "Space"):
        page.keyboard.press(key)
    assert page.evaluate("Reveal.getIndices().h") == 2
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("Reveal.getIndices().h") == 1


def test_the_notes_open_beside_the_slides(decks, page):
    page.goto((decks / f"{NAMES[0]}.html").as_uri())
    page.wait_for_function("Reveal.isReady()")
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    notes = opened.value
    notes.wait_for_function("document.body.innerText.includes('question for each slide')")
    notes.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_pdf_has_every_slide(name, decks):
    slides = (decks / f"{name}.html").read_text(encoding="utf-8").count("<section>")
    pages = re.findall(rb"/Type\s*/Page\b(?!s)", (decks / f"{name}.pdf").read_bytes())
    assert len(pages) == slides


def test_the_index_leads_to_every_deck(decks, page):
    page.goto((decks / "index.html").as_uri())
    assert page.locator("li a").count() == len(NAMES)
    page.locator("li a").first.click()
    page.wait_for_function("Reveal.isReady()")
