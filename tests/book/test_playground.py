"""The playground in a browser, against the package that it shows."""

import base64
import gzip
import json
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hazelnut_ae import metrics
from hazelnut_ae.backbones import imagenet_stages
from hazelnut_ae.inference.loaded import load_detector
from hazelnut_ae.shipped import FOLDER

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book"))


def test_functions_that_need_no_browser(tmp_path, monkeypatch):
    import detector_files

    if not shutil.which("node"):
        pytest.skip("there is no node (of Node.js)")
    monkeypatch.setenv("DETECTOR_NUMBERS", detector_files.package_numbers(tmp_path / "numbers.json"))
    command = ["node", "--test", "book/playground/units.test.js", "book/teach/detector/units.test.js"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def playground(open_page):
    page = open_page("playground/index.html")
    page.evaluate("playground.idle()")
    return page


def array(page, name):
    """An array of the page's state, [256, 256], or of an image [3, 256, 256]."""
    page.evaluate("playground.idle()")
    return np.array(page.evaluate(f"Array.from(playground.state.{name})")).reshape(-1, 256, 256).squeeze()


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


def row_of(page, name):
    return page.locator(f"#by-{name} td").all_text_contents()  # the verdict, precision, recall, F1, marked


def defective(page):
    page.evaluate("playground.idle()")
    return int(page.locator("#defective").text_content().split()[0])


def drop(page, path, kind):
    """Drops a file on the page, as from a file manager."""
    script = """([bytes, name, type]) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], name, { type }));
      return data; }"""
    data = page.evaluate_handle(script, [base64.b64encode(path.read_bytes()).decode(), path.name, kind])
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
        assert np.abs(array(playground, "map") - expected).max() < 2e-3


def test_an_update_takes_not_many_times_as_long_as_the_network(playground):
    choose(playground, 2)
    playground.evaluate("playground.state.updates.length = 0")
    for i in range(9):
        draw(playground, [(90 + 4 * i, 120), (92 + 4 * i, 130)])
    times = playground.evaluate("""async () => {
      const { network, planes, updates } = playground.state, alone = [];
      for (let i = 0; i < 9; i++) {
        const begin = performance.now();
        await network.reconstruct(planes);
        alone.push(performance.now() - begin);
      }
      return [updates, alone]; }""")
    update, network = map(np.median, times)
    print(f"an update {update:.0f} ms, the network {network:.0f} ms")
    assert update <= 8 * network  # 4 on a machine that computes twenty other things


def test_drawing_raises_the_residual_where_it_was_drawn(playground):
    choose(playground, 4)
    before = array(playground, "map")
    draw(playground, [(100, 120), (150, 140)])
    rise = array(playground, "map") - before
    mask = array(playground, "mask") > 0
    assert mask.sum() > 100
    assert rise[mask].mean() > 0.1
    assert rise[mask].mean() > 10 * abs(rise[~mask].mean())
    assert all(0 < float(value) <= 1 for value in row_of(playground, "network")[1:4])


@pytest.mark.parametrize("tool", ["scratch", "dirt", "letters", "hole"])
def test_the_mask_is_where_the_picture_differs_from_the_untouched_nut(playground, tool):
    choose(playground, 6)
    untouched = array(playground, "planes")
    playground.locator(f"input[value={tool}]").check()
    draw(playground, [(110, 120), (140, 130)])
    differs = (np.abs(array(playground, "planes") - untouched).max(axis=0) * 255).round() > 8
    assert np.array_equal(array(playground, "mask"), differs)
    assert defective(playground) == differs.sum() > 50
    playground.locator("#clear").click()
    assert defective(playground) == 0
    for expected in (differs.sum(), 0):  # brings back what was cleared, then undoes the stroke
        playground.keyboard.press("Control+z")
        assert defective(playground) == expected


def test_a_good_nut_that_is_refused_is_called_a_false_alarm(playground, book):
    data = json.loads((book / "playground" / "data.json").read_text())
    run = load_detector(FOLDER / "article")
    assert (data["image_tau"], data["held_out"]) == (run.image_tau, len(run.calibration.held_out_scores))
    refused = [i for i, nut in enumerate(data["nuts"]) if not nut["defect"] and nut["score"] > run.image_tau]
    for number in (refused[0], refused[-1], 1):
        choose(playground, number)
        assert ("false alarm" in playground.locator("#hint").text_content()) == (number in refused)


def test_the_memory_bank_is_that_of_the_package(playground, book):
    import memory_bank_files

    network = imagenet_stages()
    bank, metadata = memory_bank_files.read_bank(network)
    for number in (2, 9, 21):
        choose(playground, number)
        image = np.array(Image.open(book / "playground" / "nuts" / f"{number:02d}.png")).transpose(2, 0, 1)
        maps, scores = memory_bank_files.predict(network, bank, image[None])
        assert np.abs(array(playground, "found.map") - maps[0]).max() < 2e-3
        verdict = "throw away" if scores[0] > metadata["image_tau"] else "keep"
        assert row_of(playground, "bank")[0] == f"{verdict} ({scores[0]:.3f}, limit {metadata['image_tau']:.3f})"


def test_large_dirt_passes_one_detector_and_not_the_other(playground):
    choose(playground, 1)
    playground.locator("input[value=dirt]").check()
    playground.locator("#size").fill("5")
    draw(playground, [(90, 100), (120, 120), (135, 125), (150, 130), (140, 150), (120, 160)])
    assert row_of(playground, "network")[0].startswith("keep")
    assert row_of(playground, "bank")[0].startswith("throw away")
    assert "unmarked. The memory bank" in playground.locator("#hint").text_content()
    assert int(playground.locator("#passed").text_content().split()[0]) > 1000


def test_the_threshold_moves_the_mask(playground, book):
    data = json.loads((book / "playground" / "data.json").read_text())
    marked = {}
    for tau in (0.05, 0.2, 0.5):
        playground.locator("#tau").fill(str(tau))
        marked[tau] = int(row_of(playground, "network")[4])
        assert marked[tau] == (array(playground, "map") > np.float32(tau)).sum()
    assert marked[0.05] > marked[0.2] > marked[0.5]
    playground.locator("#label-free").click()
    assert float(playground.locator("#tau-value").text_content()) == pytest.approx(data["tau"]["label_free"], abs=5e-4)


def test_the_page_counts_as_the_package_does(playground):
    choose(playground, 16)  # with a crack of its own, which nobody drew
    own = defective(playground)
    assert playground.locator("#defective").text_content() == f"{own} ({own} of them came with this nut)"
    draw(playground, [(110, 120), (140, 130)])
    assert f"({own} of them" in playground.locator("#defective").text_content()
    counts = metrics.confusion(array(playground, "map") > 0.2, array(playground, "mask") > 0)
    verdict, *ratios = row_of(playground, "network")[:4]
    expected = [metrics.precision(counts), metrics.recall(counts), metrics.f1(counts)]
    assert [float(ratio) for ratio in ratios] == pytest.approx(expected, abs=0.0051)
    assert f"({metrics.image_scores(array(playground, 'map')[None])[0]:.3f}, limit" in verdict


def test_keys_draw(playground):
    choose(playground, 8)
    playground.locator("#input").focus()
    for key in [" ", *["ArrowRight"] * 10, " ", "ArrowDown", "2"]:
        playground.keyboard.press(key)
    assert defective(playground) > 30
    assert playground.locator("input[value=dirt]").is_checked()
    playground.keyboard.press("u")
    assert defective(playground) == 0


def test_a_finger_draws_on_the_nut_and_scrolls_beside_it(open_page, tmp_path):
    page = open_page("playground/index.html", 390, has_touch=True, is_mobile=True)
    page.evaluate("playground.idle()")
    page.locator("#clear").tap()
    page.locator("input[value=hole]").check()
    box = page.locator("#input").bounding_box()
    assert box["y"] + box["height"] < 640, "the nut and its verdict are not on one screen"
    script = """([clientX, clientY], touch = new Touch({ identifier: 1, target: input, clientX, clientY })) =>
      !input.dispatchEvent(new TouchEvent("touchstart", { cancelable: true, touches: [touch] }))"""

    def touched(x, y):  # in pixels of the picture: is the page kept from scrolling, and how many strokes are there now?
        place = [box[of] + part / 256 * box["width"] for of, part in (("x", x), ("y", y))]
        kept = page.evaluate(script, place)
        page.touchscreen.tap(*place)
        page.evaluate("playground.idle()")
        return kept, page.evaluate("playground.pad.strokes.length")

    assert touched(128, 140) == (True, 1)
    assert defective(page) > 50
    assert touched(12, 240) == (False, 1)
    assert page.evaluate("over.getContext('2d').getImageData(0, 0, 256, 256).data.some(value => value > 0)")
    half = tmp_path / "half.png"  # of a photograph nobody knows where the part is: a finger draws everywhere
    Image.fromarray(np.repeat(np.uint8([[0, 200]]), 128, axis=1).repeat(256, axis=0)).save(half)
    drop(page, half, "image/png")
    assert [touched(x, 128) for x in (64, 192)] == [(True, 1), (True, 2)]


def test_the_walk_begins_at_one_reconstruction_and_ends_at_the_other(playground):
    def shown(name):
        pixels = f"Array.from({name}.getContext('2d').getImageData(0, 0, 256, 256).data)"
        return np.array(playground.evaluate(pixels), float)

    choose(playground, 5)
    seen = {0: shown("reconstruction")}
    playground.locator("#other").select_option("9")
    for way in ("0", "1"):
        playground.locator("#way").fill(way)
        playground.evaluate("playground.idle()")
        seen[f"walk {way}"] = shown("between")
    choose(playground, 9)
    assert np.abs(seen["walk 0"] - seen[0]).max() <= 1
    assert np.abs(seen["walk 1"] - shown("reconstruction")).max() <= 1


def test_what_cannot_be_used_gets_a_sentence(playground, tmp_path):
    deep = tmp_path / "deep.png"
    Image.fromarray((np.arange(90_000).reshape(300, 300) % 65536).astype(np.uint16)).save(deep)
    assert "16 bits" in drop(playground, deep, "image/png")
    assert playground.evaluate("playground.state.nut") == -1
    huge = tmp_path / "huge.png"  # a header that promises 30,000 × 30,000 pixels
    huge.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBB", 30_000, 30_000, 8, 2))
    assert "30000 × 30000" in drop(playground, huge, "image/png")
    wide = tmp_path / "wide.png"  # 12,000 pixels; its middle square is white, and nothing else of it is to be seen
    Image.fromarray(np.pad(np.full((300, 300), 255, np.uint8), ((0, 0), (5850, 5850)))).save(wide)
    assert "12000 × 300 pixels) is cropped" in drop(playground, wide, "image/png")
    assert array(playground, "planes").min() == 1
    draw(playground, [(110, 120), (140, 130)])
    assert playground.locator("#problem").is_hidden(), "what was done to the photograph is said for ever"
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    assert "no picture that this browser can read" in drop(playground, text, "text/plain")


def test_an_address_passes_a_drawing_on_and_a_picture_shows_it(playground, open_page, tmp_path):
    choose(playground, 3)
    draw(playground, [(110, 120), (140, 130)])
    playground.locator("#tau").fill("0.3")
    expected = array(playground, "map")
    playground.wait_for_function("location.hash.includes('tau=0.3')")
    other = open_page("playground/index.html" + playground.evaluate("location.hash"))
    assert np.abs(array(other, "map") - expected).max() < 1e-6
    assert other.locator("#tau-value").text_content() == "0.300"
    with other.expect_download() as waiting:
        other.locator("#save").click()
    waiting.value.save_as(tmp_path / "saved.png")
    with Image.open(tmp_path / "saved.png") as picture:
        assert picture.width == 4 * 400 + 16


def test_a_broken_address_gets_a_sentence_and_the_page_goes_on(open_page):
    page = open_page("playground/index.html#nut=3&strokes=s2.zz")
    for other in ("strokes=[[1,2],[3,4]]", "nut=99"):
        page.evaluate("playground.idle()")
        assert "cannot read" in page.locator("#problem").inner_text()
        draw(page, [(110, 120), (140, 130)])
        assert defective(page) > 50
        assert page.locator("#problem").is_hidden()
        page.wait_for_function("location.hash.includes('strokes=s2')")
        page.evaluate(f"location.hash = '{other}'")
        page.wait_for_selector("#problem:not([hidden])")


def test_a_lost_connection_gets_a_sentence_and_another_try(new_page, site):
    page = new_page()
    page.route("**/decoder.onnx", lambda route: route.abort())
    page.goto(site + "playground/index.html")
    page.wait_for_selector("#retry:visible")
    assert "The connection was lost while decoder.onnx was loading" in page.locator("#problem").inner_text()
    page.locator("#clear").click()  # drawing goes on, and the offer stays
    assert page.locator("#retry").is_visible()
    page.unroute("**/decoder.onnx")
    page.locator("#retry").click()
    assert array(page, "map").max() > 0
    assert page.locator("#problem").is_hidden()


def test_the_front_page_nut_loads_the_network_at_the_first_touch(new_page, site):
    page, asked = new_page(), []
    page.goto(f"{site}playground/style.css")  # any address of the site
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(f'<div id="live-nut"></div><script type="module" src="{site}playground/live.js"></script>')
    page.wait_for_selector("#live-nut canvas")
    assert not any(url.endswith((".onnx", ".wasm")) for url in asked)
    canvas = page.locator(".live-nut-canvas")
    canvas.hover(position={"x": 140, "y": 150})
    page.mouse.down()
    canvas.hover(position={"x": 220, "y": 190})
    page.mouse.up()
    page.wait_for_function("document.querySelector('.live-words').textContent.startsWith('Throw away')")
    assert "#nut=1&strokes=s2." in page.locator("#live-nut a").get_attribute("href")


def test_what_it_loads_stays_below_12_mb_packed_and_matches_the_sizes_shown(playground, site, book):
    names = playground.evaluate("performance.getEntriesByType('resource').map(one => one.name)")
    files = {book / name.removeprefix(site) for name in names} | {book / "playground/ort/ort.wasm.bundle.min.mjs"}
    packed = sum(len(gzip.compress(file.read_bytes())) for file in files) / 1e6
    assert 8 < packed < 12
    said = re.search(r"loads (\d+) MB from a server that compresses", (book / "play.html").read_text(encoding="utf-8"))
    assert abs(int(said[1]) - packed) < 0.7
    sizes = json.loads((book / "playground" / "data.json").read_text())["sizes"]
    sized = {book / "playground" / name: size for name, size in sizes.items()}
    assert sized == {file: file.stat().st_size for file in files if file.stat().st_size > 2e5 or file in sized}
