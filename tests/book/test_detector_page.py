"""The page "Teach your own detector" in a browser with a fake camera, against the package."""

import shutil
import struct

import numpy as np
import pytest
from conftest import BROWSERS
from PIL import Image
from safetensors.torch import save_file

from hazelnut_ae import load_detector, patchcore, thresholds

PAGE, IDLE = "teach/detector/index.html", "teach.idle()"


def page_with_camera(chromium, address, path, nuts):
    """Opens the page in a browser whose camera shows these pictures in turn, five a second."""
    with open(path, "wb") as file:
        file.write(b"YUV4MPEG2 W640 H480 F5:1 Ip A1:1 C420jpeg\n")
        for nut in nuts:
            frame = Image.new("RGB", (640, 480), (30, 30, 32))
            frame.paste(nut.convert("RGB").resize((480, 480)), (80, 0))
            y, *colours = frame.convert("YCbCr").split()
            file.write(b"FRAME\n" + y.tobytes() + b"".join(one.resize((320, 240)).tobytes() for one in colours))
    fake = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    fake += ["--no-sandbox", f"--use-file-for-fake-video-capture={path}"]
    program = next(filter(None, map(shutil.which, BROWSERS)))
    page = chromium.browser_type.launch(executable_path=program, args=fake).new_page()
    page.set_default_timeout(120_000)
    page.goto(address)
    page.evaluate(IDLE)
    return page


def relative_scores(page, numbers):  # of painted nuts
    scores = []
    for number in numbers:
        page.locator("#painted button").nth(number).click()
        page.evaluate(IDLE)
        scores.append(page.evaluate("teach.detector().relative(teach.state.judged.score)"))
    return scores


def test_twenty_good_pictures_and_a_defective_one(chromium, site, book, tmp_path):
    nuts = [Image.open(path).convert("RGB") for path in sorted((book / "teach/detector/nuts").glob("*.webp"))]
    page = page_with_camera(chromium, site + PAGE, tmp_path / "good.y4m", nuts[:20])
    page.locator("#camera").click()
    for count in (10, 20):
        page.locator("#burst:enabled").click()
        page.wait_for_selector(f"#count:text-is('{count}')")
        page.evaluate(IDLE)
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")  # a tab in the background
    page.wait_for_timeout(1000)
    seen = page.evaluate("teach.state.times.live.push(0)")
    page.wait_for_timeout(1000)
    assert page.evaluate("teach.state.times.live.length") == seen
    scores, limit = page.evaluate("[teach.detector().held, teach.detector().limit]")
    assert limit == thresholds.tau_images_label_free(scores)
    shown = relative_scores(page, (0, 2, 4, 6))
    with page.expect_download() as waiting:
        page.locator("#save").click()
    waiting.value.save_as(saved := tmp_path / "detector.safetensors")
    page.context.browser.close()
    assert load_detector(saved).predict(nuts[20::2]).scores == pytest.approx(shown, abs=1e-3)

    printed, mask = (Image.open(book / "playground/nuts" / name) for name in ("22.png", "22_mask.png"))
    page = page_with_camera(chromium, site + PAGE, tmp_path / "print.y4m", [printed])
    page.locator("#open").set_input_files(saved)
    assert relative_scores(page, (0, 2, 4, 6)) == pytest.approx(shown, abs=1e-5)
    page.locator("#camera").click()
    page.wait_for_selector("#caption:text-is('Camera')")
    assert page.locator("#verdict-words").text_content() == "Looks defective."
    row, column = divmod(int(np.argmax(page.evaluate("Array.from(teach.state.judged.distances)"))), 32)
    assert np.pad(np.asarray(mask), 12)[8 * row : 8 * row + 24, 8 * column : 8 * column + 24].any()
    page.context.browser.close()


def test_what_cannot_be_used_gets_a_sentence_and_a_bank_from_python_opens(open_page, book, tmp_path):
    page, text, huge = open_page(PAGE), tmp_path / "notes.txt", tmp_path / "huge.png"
    page.evaluate(IDLE)
    text.write_text("no picture")
    huge.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBB", 30_000, 30_000, 8, 2))
    page.locator("#camera").click()  # nobody has allowed it
    page.wait_for_selector("#problem-words:has-text('Files work all the same')")
    for path, words in ((text, "no picture that"), (huge, "30000 × 30000")):
        page.locator("#judge-files").set_input_files(path)
        page.wait_for_selector(f"#problem-words:has-text('{words}')")
    nuts = [Image.open(book / f"teach/detector/nuts/{number}.webp").convert("RGB") for number in (17, 18, 19, 23)]
    pixels, bank = np.stack(nuts).transpose(0, 3, 1, 2), patchcore.MemoryBank(side=64, candidates=600, size=200)
    bank.fit(pixels[:3])
    save_file(bank.state(), tmp_path / "model.safetensors")
    page.locator("#open").set_input_files(tmp_path / "model.safetensors")
    assert relative_scores(page, [3]) == pytest.approx(bank.predict(pixels[3:]).image_scores, abs=1e-3)
