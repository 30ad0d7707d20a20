"""Makes figures of the notebooks fit for a slide, where their own labels would be too small for the last row."""

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

WHITE = 200  # from this value on, all colours of a pixel count as paper; JPEG leaves shades of it around ink


def stacked(picture):
    """Cuts a wide row of panels in the middle and sets its right half below its left one; the caption stays away."""
    picture = without_caption(picture)
    middle = picture.width // 2
    near = range(middle - picture.width // 12, middle + picture.width // 12)
    ink = _ink(picture)  # bool [H, W]
    cut = min(near, key=lambda column: (ink[:, column].sum(), abs(column - middle)))
    halves = [picture.crop((0, 0, cut, picture.height)), picture.crop((cut, 0, picture.width, picture.height))]
    result = Image.new("RGB", (max(half.width for half in halves), 2 * picture.height), "white")
    for row, half in enumerate(halves):
        result.paste(half, ((result.width - half.width) // 2 if row else 0, row * picture.height))
    return result


def labelled(picture, words, width, height, size):
    """A grid of panels whose small labels give way to one label above each column.

    Args:
        picture: The figure: labels above and on the left, panels, a caption.
        words: A label for each column.
        width: Pixels that the picture may fill on the slide.
        height: The same, upwards.
        size: Pixels of a letter on the slide.
    """
    picture = without_caption(picture)
    ink = _ink(picture)
    top, left = _first_gap(ink.any(axis=1)), _first_gap(ink.any(axis=0))
    panels = picture.crop((left, top, picture.width, picture.height))
    scale = min(width / panels.width, (height - 1.6 * size) / panels.height)
    strip = round(1.6 * size / scale)
    result = Image.new("RGB", (panels.width, panels.height + strip), "white")
    result.paste(panels, (0, strip))
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), round(size / scale))
    draw = ImageDraw.Draw(result)
    for column, word in enumerate(words):
        place = ((column + 0.5) * panels.width / len(words), strip / 2)
        draw.text(place, word, font=font, fill="#1a1a1a", anchor="mm")
    return result


def without_caption(picture):
    """The picture without the lines of text below its last panels, if there are such lines."""
    ink = _ink(picture).any(axis=1)
    lowest = np.flatnonzero(ink)[-1]
    gap = lowest
    while gap > 0 and (ink[gap - 4 : gap].any() or lowest - gap < 4):  # a line of text is lower than a panel
        gap -= 1
    return picture if lowest - gap > 0.15 * picture.height else picture.crop((0, 0, picture.width, gap))


def _ink(picture):
    return (np.asarray(picture.convert("RGB")) < WHITE).any(axis=2)


def _first_gap(ink):
    """The end of the first gap behind the first ink: where the panels begin behind their labels."""
    begin = int(np.argmax(ink))
    gap = begin + int(np.argmin(ink[begin:]))
    return gap + int(np.argmax(ink[gap:]))
