"""The playground in a browser, against the package that it shows."""

import base64
import gzip
import json
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hazelnut_ae import figures, metrics, patchcore
from hazelnut_ae.backbones import imagenet_stages
from hazelnut_ae.inference.loaded import load_detector
from hazelnut_ae.shipped import FOLDER

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book"))

MAP = "Array.from(playground.state.map)"
MASK = "Array.from(playground.state.mask)"


def test_functions_that_need_no_browser():
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node (of Node.js)")
    done = subprocess.run(
        [node, "--test", str(ROOT / "book" / "playground" / "units.test.js")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


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


def mask_of(page):
    return np.array(page.evaluate(MASK), bool).reshape(256, 256)


def planes_of(page):
    return np.array(page.evaluate("Array.from(playground.state.planes)"), np.float32).reshape(3, 256, 256)


def row_of(page, name):
    """The cells of a detector's row: the verdict, precision, recall, F1, marked."""
    return page.locator(f"#by-{name} td").all_text_contents()


def defective(page):
    return int(page.locator("#defective").text_content().split()[0])


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
    mask = mask_of(playground)
    assert mask.sum() > 100
    assert rise[mask].mean() > 0.1
    assert rise[mask].mean() > 10 * abs(rise[~mask].mean())
    assert all(0 < float(value) <= 1 for value in row_of(playground, "network")[1:4])
    playground.locator("#undo").click()
    assert np.abs(anomaly_map(playground) - before).max() < 1e-6


@pytest.mark.parametrize("tool", ["scratch", "dirt", "letters", "hole"])
def test_the_mask_is_where_the_picture_differs_from_the_untouched_nut(playground, tool):
    choose(playground, 6)
    untouched = planes_of(playground)
    playground.locator(f"input[value={tool}]").check()
    draw(playground, [(110, 120), (140, 130)])
    difference = np.abs(planes_of(playground) - untouched).max(axis=0) * 255
    assert np.array_equal(mask_of(playground), difference.round() > 8)
    assert defective(playground) == (difference.round() > 8).sum() > 50
    playground.locator("#clear").click()
    playground.evaluate("playground.idle()")
    assert defective(playground) == 0
    playground.keyboard.press("Control+z")  # brings back what was cleared
    playground.evaluate("playground.idle()")
    assert defective(playground) > 50
    playground.keyboard.press("Control+z")
    playground.evaluate("playground.idle()")
    assert defective(playground) == 0


def test_a_defect_that_nobody_drew_is_said_to_be_the_nuts_own(playground):
    choose(playground, 20)
    own = playground.locator("#defective").text_content()
    draw(playground, [(110, 120), (140, 130)])
    with_drawn = playground.locator("#defective").text_content()
    assert own == f"{defective_number(own)} ({defective_number(own)} of them came with this nut)"
    assert f"({defective_number(own)} of them" in with_drawn
    assert defective_number(with_drawn) > defective_number(own) > 100


def defective_number(words):
    return int(words.split()[0])


def test_a_good_nut_that_is_refused_is_called_a_false_alarm(playground, book):
    data = json.loads((book / "playground" / "data.json").read_text())
    run = load_detector(FOLDER / "article")
    assert data["image_tau"] == run.image_tau
    assert data["held_out"] == len(run.calibration.held_out_scores)
    refused = [i for i, nut in enumerate(data["nuts"]) if not nut["defect"] and nut["score"] > run.image_tau]
    assert refused
    for number in (*refused, 1):
        choose(playground, number)
        assert ("false alarm" in playground.locator("#hint").text_content()) == (number in refused)


def test_the_memory_bank_is_that_of_the_package(playground, book):
    import memory_bank_files

    network = imagenet_stages()
    bank, metadata = memory_bank_files.read_bank(network)
    for number in (2, 9, 21):
        choose(playground, number)
        image = np.asarray(Image.open(book / "playground" / "nuts" / f"{number:02d}.png")).transpose(2, 0, 1)
        maps, scores = memory_bank_files.predict(network, bank, image[None])
        shown = np.array(playground.evaluate("Array.from(playground.state.found.map)")).reshape(256, 256)
        assert np.abs(shown - maps[0]).max() < 2e-3
        verdict = "throw away" if scores[0] > metadata["image_tau"] else "keep"
        assert row_of(playground, "bank")[0] == f"{verdict} ({scores[0]:.3f}, limit {metadata['image_tau']:.3f})"
    assert metadata["top"] == patchcore.TOP_K


def test_large_dirt_passes_one_detector_and_not_the_other(playground):
    choose(playground, 1)
    playground.locator("input[value=dirt]").check()
    playground.locator("#size").fill("5")
    draw(playground, [(90, 100), (120, 120), (135, 125), (150, 130), (140, 150), (120, 160)])
    assert row_of(playground, "network")[0].startswith("keep")
    assert row_of(playground, "bank")[0].startswith("throw away")
    hint = playground.locator("#hint").text_content()
    assert "unmarked" in hint
    assert "The memory bank" in hint
    assert playground.locator("#passed").text_content() == f"{defective(playground)} pixels"


def test_the_threshold_moves_the_mask(playground, book):
    data = json.loads((book / "playground" / "data.json").read_text())
    marked = {}
    for tau in (0.05, 0.2, 0.5):
        playground.locator("#tau").fill(str(tau))
        marked[tau] = int(row_of(playground, "network")[4])
        assert marked[tau] == (anomaly_map(playground) > np.float32(tau)).sum()
    assert marked[0.05] > marked[0.2] > marked[0.5]
    playground.locator("#label-free").click()
    assert float(playground.locator("#tau-value").text_content()) == pytest.approx(data["tau"]["label_free"], abs=5e-4)


def test_the_page_counts_as_the_package_does(playground):
    choose(playground, 16)  # with a crack of its own
    counts = metrics.confusion(anomaly_map(playground) > 0.2, mask_of(playground))
    verdict, *ratios = row_of(playground, "network")[:4]
    expected = [metrics.precision(counts), metrics.recall(counts), metrics.f1(counts)]
    assert [float(ratio) for ratio in ratios] == pytest.approx(expected, abs=0.0051)
    assert f"({metrics.image_scores(anomaly_map(playground)[None])[0]:.3f}, limit" in verdict


def test_keys_draw(playground):
    choose(playground, 8)
    playground.locator("#input").focus()
    for key in [" ", *["ArrowRight"] * 10, " ", "ArrowDown", "2"]:
        playground.keyboard.press(key)
    playground.evaluate("playground.idle()")
    assert defective(playground) > 30
    assert playground.locator("input[value=dirt]").is_checked()
    playground.keyboard.press("u")
    playground.evaluate("playground.idle()")
    assert defective(playground) == 0


def test_a_finger_draws_on_the_nut_and_scrolls_beside_it(chromium, site):
    context = chromium.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(site + "playground/index.html")
    page.evaluate("playground.idle()")
    page.locator("#clear").tap()
    page.locator("input[value=hole]").check()
    box = page.locator("#input").bounding_box()
    assert box["y"] + box["height"] < 640, "the nut and its verdict are not on one screen"
    touch = context.new_cdp_session(page)

    def swipe(x, y):  # upwards, from a place in pixels of the picture
        place = {"x": box["x"] + x / 256 * box["width"], "y": box["y"] + y / 256 * box["height"] - scrolled()}
        touch.send("Input.synthesizeScrollGesture", {**place, "yDistance": -60, "gestureSourceType": "touch"})
        page.evaluate("playground.idle()")
        return scrolled()

    def scrolled():
        return page.evaluate("scrollY")

    begin = scrolled()
    assert swipe(128, 140) == begin
    assert defective(page) > 50
    strokes = page.evaluate("playground.pad.strokes.length")
    assert swipe(12, 240) > begin
    assert page.evaluate("playground.pad.strokes.length") == strokes
    over = page.evaluate("over.getContext('2d').getImageData(0, 0, 256, 256).data.some(value => value > 0)")
    assert over, "no heat over the nut"
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
    wide = tmp_path / "wide.png"  # 12,000 pixels; its middle square is white, and nothing else of it is to be seen
    picture = Image.new("L", (12_000, 3000))
    picture.paste(255, (4500, 0, 7500, 3000))
    picture.save(wide)
    assert "12000 × 3000 pixels) is cropped" in drop(playground, wide, "image/png")
    assert planes_of(playground).min() == 1
    draw(playground, [(110, 120), (140, 130)])
    assert playground.locator("#problem").is_hidden(), "what was done to the photograph is said for ever"
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    assert "no picture that this browser can read" in drop(playground, text, "text/plain")


def test_an_address_passes_a_drawing_on(playground, open_page):
    choose(playground, 3)
    draw(playground, [(110, 120), (140, 130)])
    playground.locator("#tau").fill("0.3")
    expected = anomaly_map(playground)
    playground.wait_for_function("location.hash.includes('tau=0.3')")
    other = open_page("playground/index.html" + playground.evaluate("location.hash"))
    assert np.abs(anomaly_map(other) - expected).max() < 1e-6
    assert other.locator("#tau-value").text_content() == "0.300"


@pytest.mark.parametrize("hash_", ["#nut=3&strokes=s2.zz", "#:~:text=nut", "#strokes=[[1,2],[3,4]]", "#nut=99"])
def test_a_broken_address_gets_a_sentence_and_the_page_goes_on(open_page, hash_):
    page = open_page("playground/index.html" + hash_)
    page.evaluate("playground.idle()")
    assert "cannot read" in page.locator("#problem").inner_text()
    draw(page, [(110, 120), (140, 130)])
    assert defective(page) > 50


def test_a_lost_connection_gets_a_sentence_and_another_try(chromium, site):
    page = chromium.new_page()
    page.route("**/decoder.onnx", lambda route: route.abort())
    page.goto(site + "playground/index.html")
    page.wait_for_selector("#retry:visible")
    assert "The connection was lost while decoder.onnx was loading" in page.locator("#problem").inner_text()
    page.locator("#clear").click()  # drawing goes on, and the offer stays
    assert page.locator("#retry").is_visible()
    page.unroute("**/decoder.onnx")
    page.locator("#retry").click()
    assert anomaly_map(page).max() > 0
    assert page.locator("#problem").is_hidden()
    page.close()


def test_a_picture_to_keep_has_four_panels(playground, tmp_path):
    with playground.expect_download() as waiting:
        playground.locator("#save").click()
    waiting.value.save_as(tmp_path / "saved.png")
    picture = Image.open(tmp_path / "saved.png").convert("RGB")
    assert picture.width == 4 * 400 + 16
    orange = (np.asarray(picture)[16:400, 1216:] == np.round(255 * np.array(figures.FOUND))).all(axis=2)
    assert orange.sum() > 100  # the fourth shows what is marked


def test_the_front_page_nut_loads_the_network_at_the_first_touch(open_page, site, book):
    page = open_page("playground/style.css")  # any address of the site; the front page's text is not this test's matter
    asked = []
    page.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[-1]))
    page.set_content(
        f'<link rel="stylesheet" href="{site}playground/live.css"><div id="live-nut"></div>'
        f'<script type="module" src="{site}playground/live.js"></script>'
    )
    page.wait_for_selector("#live-nut canvas")
    page.wait_for_timeout(300)
    assert not any(name.endswith((".onnx", ".wasm")) for name in asked)
    assert (
        sum(len(gzip.compress((book / "playground" / name).read_bytes())) for name in ("data.json", "nuts/00.png"))
        < 1e5
    )
    canvas = page.locator(".live-nut-canvas")
    canvas.hover(position={"x": 140, "y": 150})
    page.mouse.down()
    canvas.hover(position={"x": 220, "y": 190})
    page.mouse.up()
    page.wait_for_function("document.querySelector('.live-words').textContent.startsWith('Throw away')")
    assert "#nut=1&strokes=s2." in page.locator("#live-nut a").get_attribute("href")


def test_what_it_loads_stays_below_12_mb_packed_and_matches_the_sizes_shown(open_page, site, book):
    page = open_page("playground/index.html")
    page.evaluate("playground.idle()")
    page.wait_for_timeout(300)
    names = page.evaluate("performance.getEntriesByType('resource').map(one => one.name)")
    worker = {f"{site}playground/{name}" for name in ("worker.js", "ort/ort.wasm.bundle.min.mjs")}
    files = [book / name.removeprefix(site) for name in {*names, *worker}]
    packed = sum(len(gzip.compress(file.read_bytes())) for file in files)
    print(f"{packed / 1e6:.1f} MB packed")
    assert 8e6 < packed < 12e6
    sizes = json.loads((book / "playground" / "data.json").read_text())["sizes"]
    assert sizes == {name: (book / "playground" / name).stat().st_size for name in sizes}
    large = {file.relative_to(book / "playground").as_posix() for file in files if file.stat().st_size > 2e5}
    assert large <= set(sizes)


def test_the_moving_picture_is_small_and_five_seconds_long():
    path = ROOT / "figures" / "scratching.webp"
    assert path.stat().st_size < 1e6
    with Image.open(path) as picture:
        milliseconds = 0
        for number in range(picture.n_frames):
            picture.seek(number)
            picture.load()
            milliseconds += picture.info["duration"]
    assert 4000 <= milliseconds <= 6000
