"""Draws map.svg, which notebook needs which, from what the notebooks say themselves: python book/teach/draw_map.py

The first cell of each has a paragraph **What you'll need.**; the notebooks that it links are what it needs.
"""

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parents[1] / "notebooks" / "source"
WIDE, HIGH, ROOM_X, ROOM_Y = 210, 46, 250, 92  # a box, and from one to the next


def needs():
    """{notebook: the notebooks that it names as needed}, by their numbers; and {number: title}."""
    needed, titles = {}, {}
    for path in sorted(SOURCES.glob("[0-9][0-9]_*.py")):
        text = path.read_text(encoding="utf-8")
        number, paragraph = path.stem[:2], re.search(r"\*\*What you'll need\.\*\*(.*?)\n#\n", text, re.S)[1]
        needed[number] = sorted(
            {found for found in re.findall(r"\]\((\d\d)_\w+\.ipynb\)", paragraph) if found < number}
        )
        implied = {far for near in needed[number] for far in needed[near]}  # what a needed one needs is not drawn again
        needed[number] = [other for other in needed[number] if other not in implied]
        titles[number] = re.search(r"^# # \d+ · ([^:\n,]+)", text, re.M)[1]
    return needed, titles


def levels(needed):
    """{notebook: how many others come before it on its longest way}."""
    level = {}
    for number in needed:  # in their order, so what a notebook needs has its level already
        level[number] = max((level[other] + 1 for other in needed[number]), default=0)
    return level


def svg():
    """The drawing: a row for each level, boxes of notebooks, lines to what they need."""
    needed, titles = needs()
    level = levels(needed)
    rows = {depth: [number for number in level if level[number] == depth] for depth in sorted(set(level.values()))}
    widest = max(len(row) for row in rows.values())
    place = {}
    for depth, row in rows.items():
        for column, number in enumerate(row):
            place[number] = 20 + (column + (widest - len(row)) / 2) * ROOM_X, 20 + depth * ROOM_Y
    width, height = 40 + (widest - 1) * ROOM_X + WIDE, 40 + max(rows) * ROOM_Y + HIGH
    words = "; ".join(f"{number} needs {' and '.join(some) or 'nothing'}" for number, some in needed.items())
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        'font-family="sans-serif">',
        f"<title>Which notebook needs which: {words}</title>",
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#444444"/></marker></defs>',
    ]
    for number, some in needed.items():
        x, y = place[number]
        for other in some:
            from_x, from_y = place[other]
            lines.append(
                f'<path d="M{from_x + WIDE / 2:g} {from_y + HIGH:g}L{x + WIDE / 2:g} {y - 2:g}" stroke="#444444" '
                'stroke-width="1.5" fill="none" marker-end="url(#tip)"/>'
            )
    for number, (x, y) in place.items():
        lines.append(
            f'<rect x="{x:g}" y="{y:g}" width="{WIDE}" height="{HIGH}" rx="6" fill="#f4f4f4" stroke="#444444"/>'
            f'<text x="{x + 12:g}" y="{y + 28:g}" font-size="15" fill="#111111">{int(number)} {titles[number]}</text>'
        )
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    (HERE / "map.svg").write_text(svg(), encoding="utf-8", newline="\n")
