"""The page "Teach your own detector" in a browser with a fake camera, against the package."""

import shutil

import numpy as np
import pytest
from conftest import BROWSERS
from PIL import Image, ImageOps
from safetensors.torch import save_file

from hazelnut_ae import load_detector, patchcore

PAGE, FAKE = "teach/detector/index.html", ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
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
    for _ in range(2):
        page.locator("#burst:enabled").click(timeout=120_000)
        page.evaluate("teach.idle()")
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
