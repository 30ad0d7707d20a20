"""Writes what the pages load besides their text: notebooks to download, the pictures of the front page, the icons."""

import gzip
import re
import shutil
from pathlib import Path

import pydata_sphinx_theme
from PIL import Image, ImageDraw, ImageFont

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
FIGURE = ROOT / "figures" / "figure_00_defects_found.png"
CARD = (1200, 630)  # pixels of the picture beside a shared link, as Open Graph's readers crop it
THEME = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme"
ICONS = ("arrow-up", "angle-left", "angle-right", "bars", "chevron-down", "circle-half-stroke", "list")
ICONS += ("magnifying-glass", "moon", "sun", "xmark")  # all that the theme's pages and scripts show
LOADED = (".html", ".js", ".mjs", ".css", ".wasm", ".onnx", ".safetensors")  # of the playground, on a first visit


def write_files(extra):
    """Fills `extra`, whose content goes to the root of the site."""
    for folder in ("notebooks", "notebooks/solutions"):
        shutil.rmtree(extra / folder, ignore_errors=True)
        (extra / folder).mkdir(parents=True)
        for path in sorted((ROOT / folder).glob("[0-9][0-9]_*.ipynb")):
            shutil.copy(path, extra / folder)
    static = extra / "_static"
    static.mkdir(parents=True, exist_ok=True)
    with Image.open(FIGURE) as figure:
        picture = figure.convert("RGB")
    picture.save(static / "defects_found.webp", quality=75, method=6)
    with Image.open(extra / "playground" / "nuts" / "00.png") as nut:
        nut.save(static / "nut.webp", quality=85, method=6)
    card(picture).save(static / "card.jpg", quality=85)
    (static / "icons.css").write_text(icons(), encoding="utf-8")


def first_visit(playground):
    """Returns the megabytes that a first visit of the playground loads, as text: as they are, and compressed."""
    files = [path for path in playground.rglob("*") if path.suffix in LOADED]
    files += [playground / name for name in ("data.json", "nuts/all.jpg", "nuts/00.png")]
    sizes = [(path.stat().st_size, len(gzip.compress(path.read_bytes(), 6))) for path in files if path.exists()]
    return [f"{sum(column) / 1e6:.0f}" for column in zip(*sizes, strict=True)] if sizes else ["?", "?"]


def card(picture):
    """The first two rows of the figure, on white, above one line."""
    width, height = picture.size
    top = picture.crop((0, 0, width, round(height * 0.655)))
    scale = min((CARD[0] - 80) / top.width, (CARD[1] - 110) / top.height)
    top = top.resize((round(top.width * scale), round(top.height * scale)), Image.Resampling.LANCZOS)
    result = Image.new("RGB", CARD, "white")
    result.paste(top, ((CARD[0] - top.width) // 2, 24))
    words = "Find the defect that nobody has seen before"
    draw, font = ImageDraw.Draw(result), ImageFont.load_default(size=44)
    draw.text((CARD[0] / 2, CARD[1] - 44), words, font=font, fill="#1a1a1a", anchor="mm")
    return result


def icons():
    """The theme's icons as a small style sheet, in place of a script that brings two thousand.

    Raises:
        SystemExit: The theme has an icon no more.
    """
    script = (THEME / "static" / "scripts" / "fontawesome.js").read_text(encoding="utf-8")
    rules = [
        ".fa-solid { display: inline-block; width: 1em; height: 1em; vertical-align: -.125em; "
        "background: currentColor; -webkit-mask: var(--icon) center / contain no-repeat; "
        "mask: var(--icon) center / contain no-repeat; }",
        ".fa-solid::before { content: none !important; }",  # or the theme's style fetches the font of all icons
    ]
    for name in ICONS:
        found = re.search(rf'[{{,]"?{name}"?:\[(\d+),(\d+),\[[^\]]*\],"\w+","([^"]+)"\]', script)
        if found is None:
            raise SystemExit(f"The theme's fontawesome.js has no icon {name!r}; correct ICONS in book/site_files.py.")
        width, height, path = found.groups()
        drawing = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'><path d='{path}'/></svg>"
        drawing = drawing.replace("<", "%3C").replace(">", "%3E").replace("#", "%23")
        rules.append(f'.fa-{name} {{ --icon: url("data:image/svg+xml,{drawing}"); }}')
    return "/* Icons of Font Awesome Free, CC BY 4.0, https://fontawesome.com */\n" + "\n".join(rules) + "\n"
