"""Writes figures/scratching.webp, five seconds of the playground: a scratch is drawn, and the reconstruction lacks it.

After `python book/build.py --playground`, `python book/moving_picture.py` films that page in the system's Chromium.
"""

import base64
import functools
import http.server
import io
import shutil
import threading
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import sync_playwright

BOOK = Path(__file__).resolve().parent
OUT = BOOK.parent / "figures" / "scratching.webp"
SIDE, GAP, WORDS = 320, 8, 34  # pixels of a panel, between panels, of the line below
MILLISECONDS = 83  # of a frame
BEFORE, AFTER = 8, 22  # frames without a scratch, and with the whole one
CORNERS = [(88, 96), (112, 110), (134, 106), (158, 132), (150, 150)]  # of the scratch, in pixels of the nut
STEPS = 30  # frames in which it is drawn
LABELS = {"input": "scratch it", "reconstruction": "the network's reconstruction", "residual": "where they differ"}
SHOW = """async (points) => {
  playground.pad.replace(points.length ? [{ tool: "scratch", size: 3, text: "", points }] : []);
  await playground.idle();
  return [...["input", "reconstruction", "residual"].map((id) => document.getElementById(id).toDataURL()),
    document.getElementById("verdict-words").textContent]; }"""


def main():
    handler = functools.partial(Quiet, directory=str(BOOK / "_extra"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        page = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"]).new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/playground/index.html#nut=1")
        page.evaluate("playground.idle()")
        counts = [0, *range(2, STEPS + 1)]
        frames = [frame(*page.evaluate(SHOW, scratch()[:count])) for count in counts]
        server.shutdown()
    times = [BEFORE * MILLISECONDS, *[MILLISECONDS] * (len(frames) - 2), AFTER * MILLISECONDS]
    frames[0].save(OUT, save_all=True, append_images=frames[1:], duration=times, loop=0, quality=90, method=6)
    print(
        f"{OUT}: {sum(times) / 1000:.1f} s, {OUT.stat().st_size / 1e6:.2f} MB, {frames[0].width} × {frames[0].height}"
    )


def scratch():
    """The points of the whole scratch, as even steps along its corners."""
    corners = np.array(CORNERS, float)
    lengths = np.r_[0, np.hypot(*np.diff(corners, axis=0).T).cumsum()]
    along = np.linspace(0, lengths[-1], STEPS)
    return [[float(np.interp(at, lengths, corners[:, axis])) for axis in (0, 1)] for at in along]


def frame(*parts):
    """Three panels with their words, and the verdict, from the data URLs of canvases and the page's text."""
    *panels, verdict = parts
    picture = Image.new("RGB", (3 * SIDE + 2 * GAP, SIDE + WORDS), (22, 22, 22))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(20)
    for number, (panel, words) in enumerate(zip(panels, LABELS.values(), strict=True)):
        content = Image.open(io.BytesIO(base64.b64decode(panel.split(",")[1]))).convert("RGB")
        x = number * (SIDE + GAP)
        picture.paste(content.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x, 0))
        draw.text((x + 4, SIDE + 4), words, (236, 236, 236), font)
    draw.text((picture.width - 4, SIDE + 4), verdict.lower().rstrip("."), (255, 178, 138), font, anchor="ra")
    return picture


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


if __name__ == "__main__":
    main()
