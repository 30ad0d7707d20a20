"""The playground in a browser, against the package that it shows."""

import base64
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from hazelnut_ae.inference.loaded import load_detector
from hazelnut_ae.shipped import FOLDER

MAP = "Array.from(playground.state.map)"


@pytest.fixture
def playground(open_page):
    page = open_page("playground/index.html")
    page.evaluate("playground.idle()")
    return page


def anomaly_map(page):
    page.evaluate("playground.idle()")
    return np.array(page.evaluate(MAP)).reshape(256, 256)


def choose(page, number):
    page.locator("#nuts button").nth(number).click()
    page.wait_for_function(f"playground.state.nut === {number}")
    page.evaluate("playground.idle()")


def draw(page, points):
    """Draws with the mouse through points in pixels of the picture."""
    page.locator("#input").scroll_into_view_if_needed()
    box = page.locator("#input").bounding_box()
    places = [(box["x"] + x / 256 * box["width"], box["y"] + y / 256 * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()
    page.evaluate("playground.idle()")


def drop(page, path, kind):
    """Drops a file on the page, as from a file manager."""
    data = page.evaluate_handle(
        """([bytes, name, type]) => {
          const data = new DataTransfer();
          data.items.add(new File([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], name, { type }));
          return data; }""",
        [base64.b64encode(path.read_bytes()).decode(), path.name, kind],
    )
    page.dispatch_event("body", "drop", {"dataTransfer": data})
    page.wait_for_selector("#problem:not([hidden])")
    page.evaluate("playground.idle()")
    return page.locator("#problem").text_content()


def test_the_map_is_that_of_the_run(playground, book):
    detector = load_detector(FOLDER / "article")
    for number in (1, 3, 5, 7, 16, 18, 20, 22):
        choose(playground, number)
        image = np.asarray(Image.open(book / "playground" / "nuts" / f"{number:02d}.png"))
        expected = detector.predict(image).maps[0]
        assert np.abs(anomaly_map(playground) - expected).max() < 2e-3


def test_an_update_takes_at_most_150_ms(playground):
    choose(playground, 2)
    for _ in range(3):  # whatever else this machine does at the moment, once it should have room
        playground.evaluate("playground.state.updates.length = 0")
        for i in range(15):
            draw(playground, [(90 + 4 * i, 120), (92 + 4 * i, 130)])
        times = playground.evaluate("playground.state.updates")
        if np.median(times) <= 150:
            break
    print(f"median {np.median(times):.0f} ms of {len(times)} updates")
    assert np.median(times) <= 150


def test_drawing_raises_the_residual_where_it_was_drawn(playground):
    choose(playground, 4)
    before = anomaly_map(playground)
    draw(playground, [(100, 120), (150, 140)])
    rise = anomaly_map(playground) - before
    mask = np.array(playground.evaluate("Array.from(playground.state.mask)"), bool).reshape(256, 256)
    assert mask.sum() > 100
    assert rise[mask].mean() > 0.1
    assert rise[mask].mean() > 10 * abs(rise[~mask].mean())
    for name in ("precision", "recall", "f1"):
        assert 0 < float(playground.locator(f"#{name}").text_content()) <= 1
    playground.locator("#undo").click()
    assert np.abs(anomaly_map(playground) - before).max() < 1e-6


@pytest.mark.parametrize("tool", ["scratch", "dirt", "letters", "hole"])
def test_every_tool_leaves_something_to_find(playground, tool):
    choose(playground, 6)
    playground.locator(f"input[value={tool}]").check()
    draw(playground, [(110, 120), (140, 130)])
    assert int(playground.locator("#drawn").text_content()) > 50
    playground.locator("#clear").click()
    playground.evaluate("playground.idle()")
    assert playground.locator("#drawn").text_content() == "0"


def test_the_threshold_moves_the_mask(playground, book):
    data = json.loads((book / "playground" / "data.json").read_text())
    marked = {}
    for tau in (0.05, 0.2, 0.5):
        playground.locator("#tau").fill(str(tau))
        marked[tau] = int(playground.locator("#above").text_content())
        assert marked[tau] == (anomaly_map(playground) > np.float32(tau)).sum()
    assert marked[0.05] > marked[0.2] > marked[0.5]
    playground.locator("#label-free").click()
    assert float(playground.locator("#tau-value").text_content()) == pytest.approx(data["tau"]["label_free"], abs=5e-4)


def test_the_page_counts_as_the_package_does(playground):
    from hazelnut_ae import metrics

    choose(playground, 16)  # with a crack of its own
    found = anomaly_map(playground) > 0.2
    mask = np.array(playground.evaluate("Array.from(playground.state.mask)"), bool).reshape(256, 256)
    counts = metrics.confusion(found, mask)
    for name in ("precision", "recall", "f1"):
        assert float(playground.locator(f"#{name}").text_content()) == pytest.approx(
            getattr(metrics, name)(counts), abs=0.0051
        )
    score = playground.locator("#verdict").text_content()
    assert f"score {metrics.image_scores(anomaly_map(playground)[None])[0]:.3f}" in score


def test_keys_draw(playground):
    choose(playground, 8)
    playground.locator("#input").focus()
    for key in [" ", *["ArrowRight"] * 10, " ", "ArrowDown", "2"]:
        playground.keyboard.press(key)
    playground.evaluate("playground.idle()")
    assert int(playground.locator("#drawn").text_content()) > 30
    assert playground.locator("input[value=dirt]").is_checked()
    playground.keyboard.press("u")
    playground.evaluate("playground.idle()")
    assert playground.locator("#drawn").text_content() == "0"


def test_a_finger_draws(chromium, site):
    context = chromium.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(site + "playground/index.html")
    page.evaluate("playground.idle()")
    page.locator("#clear").tap()
    page.locator("input[value=hole]").check()
    page.locator("#input").tap()
    page.evaluate("playground.idle()")
    assert int(page.locator("#drawn").text_content()) > 50
    context.close()


def test_the_walk_begins_at_one_copy_and_ends_at_the_other(playground):
    def shown(name):
        return np.array(
            playground.evaluate(f"Array.from({name}.getContext('2d').getImageData(0, 0, 256, 256).data)")
        ).astype(float)

    choose(playground, 5)
    copies = {0: shown("copy")}
    playground.locator("#other").select_option("9")
    for way in ("0", "1"):
        playground.locator("#way").fill(way)
        playground.wait_for_timeout(100)
        playground.evaluate("playground.idle()")
        copies[f"walk {way}"] = shown("between")
    choose(playground, 9)
    assert np.abs(copies["walk 0"] - copies[0]).max() <= 1
    assert np.abs(copies["walk 1"] - shown("copy")).max() <= 1


def test_what_cannot_be_used_gets_a_sentence(playground, tmp_path):
    deep = tmp_path / "deep.png"
    Image.fromarray((np.arange(90_000).reshape(300, 300) % 65536).astype(np.uint16)).save(deep)
    assert "16 bits" in drop(playground, deep, "image/png")
    assert playground.evaluate("playground.state.nut") == -1
    huge = tmp_path / "huge.png"  # a header that promises 30,000 × 30,000 pixels
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    huge.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)))
    assert "30000 × 30000" in drop(playground, huge, "image/png")
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    assert "no picture that this browser can read" in drop(playground, text, "text/plain")


def test_what_it_loads_stays_below_30_mb(open_page):
    page = open_page("playground/index.html")
    page.evaluate("playground.idle()")
    sizes = page.evaluate("performance.getEntriesByType('resource').map(one => one.decodedBodySize || 0)")
    assert 20e6 < sum(sizes) < 30e6
