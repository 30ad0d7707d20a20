"""The page "Teach your own detector" in a browser with a fake camera, against the package."""

import shutil

import numpy as np
import pytest
from conftest import BROWSERS
from PIL import Image, ImageOps
from safetensors.torch import save_file

from hazelnut_ae import load_detector, patchcore

PAGE, FAKE = "teach/detector/index.html", ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
BACKGROUND = """() => {  // where a page gets no frames
  const waiting = [], real = requestAnimationFrame;
  window.requestAnimationFrame = (work) => waiting.push(work);
  window.toFront = () => waiting.splice(0).forEach((window.requestAnimationFrame = real));
}"""
SCORES = "(async () => [await teach.score(2), await teach.score(3)])()"  # of a good nut and of one with a hole


def with_camera(chromium, address, path, nuts):
    """Opens the page in a browser whose camera shows these pictures in turn, five a second."""
    with open(path, "wb") as file:
        file.write(b"YUV4MPEG2 W640 H480 F5:1 Ip A1:1 C420jpeg\n")
        for nut in nuts:
            y, *colours = ImageOps.pad(nut, (640, 480)).convert("YCbCr").split()
            file.write(b"FRAME\n" + y.tobytes() + b"".join(one.resize((320, 240)).tobytes() for one in colours))
    program, fake = next(filter(None, map(shutil.which, BROWSERS))), f"--use-file-for-fake-video-capture={path}"
    page = chromium.browser_type.launch(executable_path=program, args=[*FAKE, "--no-sandbox", fake]).new_page()
    page.goto(address)
    page.evaluate("teach.idle()")
    return page


def test_twenty_good_pictures_and_a_defective_one(chromium, site, book, tmp_path):
    nuts = [Image.open(path).convert("RGB") for path in sorted((book / "teach/detector/nuts").glob("*.webp"))]
    page, saved = with_camera(chromium, site + PAGE, tmp_path / "good.y4m", nuts[:20]), tmp_path / "saved.safetensors"
    page.locator("#camera").click()
    page.locator("#burst:enabled").click(timeout=120_000)
    page.evaluate("teach.idle()")
    page.evaluate(BACKGROUND)
    page.locator("#burst:enabled").click()
    page.wait_for_timeout(1500)
    assert page.evaluate("[teach.detector().examples.length, teach.state.working]") == [10, 1]
    page.evaluate("toFront(), teach.idle()")
    assert page.locator("#count").text_content() == "20"
    page.locator("#verdict-words", has_text="Looks good.").wait_for(timeout=120_000)  # the camera shows them again
    shown = page.evaluate(SCORES)
    with page.expect_download() as waiting:
        page.locator("#save").click()
    waiting.value.save_as(saved)
    page.context.browser.close()
    assert load_detector(saved).predict(nuts[22:24]).scores == pytest.approx(shown, abs=1e-3)
    printed, mask = (Image.open(book / f"playground/nuts/22{name}.png") for name in ("", "_mask"))
    page = with_camera(chromium, site + PAGE, tmp_path / "print.y4m", [printed])
    page.locator("#open").set_input_files(saved)
    assert page.evaluate(SCORES) == pytest.approx(shown, abs=1e-5)
    page.locator("#camera").click()
    page.locator("#caption", has_text="Camera").wait_for(timeout=120_000)
    assert page.locator("#verdict-words").text_content() == "Looks defective."
    row, column = divmod(int(np.argmax(page.evaluate("Array.from(teach.state.judged.distances)"))), 32)
    assert np.pad(np.asarray(mask), 12)[8 * row : 8 * row + 24, 8 * column : 8 * column + 24].any()
    page.context.browser.close()


def test_a_denied_camera_gets_a_sentence_and_a_bank_from_python_opens(open_page, book, tmp_path):
    page, model = open_page(PAGE), tmp_path / "model.safetensors"
    page.evaluate("teach.idle()")
    page.locator("#camera").click()
    page.locator("#problem-words", has_text="Files work all the same").wait_for()
    nuts = [Image.open(book / f"teach/detector/nuts/{number}.webp").convert("RGB") for number in (17, 18, 19, 22, 23)]
    pixels, bank = np.stack(nuts).transpose(0, 3, 1, 2), patchcore.MemoryBank(side=64, candidates=600, size=200)
    bank.fit(pixels[:3])
    save_file(bank.state(), model)
    page.locator("#open").set_input_files(model)
    assert page.evaluate(SCORES) == pytest.approx(bank.predict(pixels[3:]).image_scores, abs=1e-3)


def drop(page, selector, *paths):
    """Drops files and folders as a mouse does."""
    box, session = page.locator(selector).bounding_box(), page.context.new_cdp_session(page)
    place = {"x": box["x"] + 20, "y": box["y"] + 20}
    for kind in ("dragEnter", "dragOver", "drop"):
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        session.send("Input.dispatchDragEvent", {"type": kind, "data": data, **place})
    page.locator(".over").wait_for(state="detached")
    page.evaluate("teach.idle()")


def test_what_is_dropped_is_learnt_or_judged_or_named(open_page, book, tmp_path):
    page, problem, nuts = open_page(PAGE), "#problem-words", book / "teach/detector/nuts"
    page.evaluate("teach.idle()")
    good, text, large, huge = (tmp_path / name for name in ("good", "a.txt", "large.jpg", "huge.png"))
    (good / "more").mkdir(parents=True)
    for number in range(12):
        shutil.copy(nuts / f"{number:02d}.webp", good / "more" if number % 2 else good)
    text.write_text("no picture")
    Image.new("L", (12_000, 4_000)).save(large)
    Image.new("1", (12_000, 12_000)).save(huge)
    drop(page, "#gallery", good, text)
    assert page.locator(problem).text_content().startswith("a.txt is no picture that this browser can read")
    assert page.locator("#count").text_content() == "12"
    for file, says in ((text, "a.txt is no picture"), (huge, "huge.png is 12000 × 12000 pixels; make it smaller")):
        drop(page, "#picture", file)
        assert page.locator(problem).text_content().startswith(says)
    drop(page, "#picture", large)
    assert page.locator("#verdict-words").text_content() == "Looks defective."  # it is black
    drop(page, "#picture", nuts / "27.webp", large, text)
    assert page.locator(problem).text_content().startswith("a.txt is no picture")
    assert page.locator("#batch-words").text_content().startswith("Of 2 pictures 2 look defective.")
    page.locator("#undo").click()
    page.evaluate("teach.idle()")
    assert page.locator("#count").text_content() == "0"


def test_painted_biscuits_are_learnt_at_a_click_and_memory_stays_flat(open_page):
    page = open_page(PAGE)
    page.evaluate("teach.idle()")
    page.locator("#guide-other").click()
    page.locator("#guide-next", has_text="A good biscuit").wait_for()
    session, used = page.context.new_cdp_session(page), []
    for _ in range(5):
        scores = [page.evaluate(f"teach.score({number})") for number in range(6)]
        session.send("HeapProfiler.collectGarbage")
        used.append(sum(session.send("Runtime.getHeapUsage")[name] for name in ("usedSize", "backingStorageSize")))
    assert max(scores[::2]) < page.evaluate("teach.detector().limit") < min(scores[1::2])
    assert used[-1] - used[0] < 5e6  # bytes; what is said of a picture takes 1 MB
