"""How figures get into a notebook: at twice the resolution, shown at the same size, small enough to be committed."""

import io

from IPython.core.pylabtools import print_figure
from matplotlib.figure import Figure
from PIL import Image

SCALE = 2  # pixels of the file for one pixel on the page
QUALITY = 75  # of JPEG, at which doubled pixels show no blocks


def sharp(shell):
    """From now on this IPython shell shows figures sharp."""
    formatters = shell.display_formatter.formatters
    for kind in ("png", "jpeg"):
        formatters[f"image/{kind}"].for_type(Figure, lambda figure, kind=kind: encoded(figure, kind))


def encoded(figure, kind):
    """(bytes, the size to show it at), or None where the other kind suits the figure better.

    Pictures become JPEG, for PNG makes four times as many bytes of a shell's grain; drawn lines stay sharp in a PNG of
    256 colours. Both are shown by everything that shows notebooks, which WebP is not.
    """
    has_pictures = any(ax.images for ax in figure.axes)
    if kind != ("jpeg" if has_pictures else "png"):
        return None
    data = print_figure(figure, "png", dpi=SCALE * figure.dpi)
    if data is None:  # an empty figure
        return None
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    size = {"width": picture.width // SCALE, "height": picture.height // SCALE}
    file = io.BytesIO()
    if kind == "jpeg":
        picture.save(file, "jpeg", quality=QUALITY, subsampling="4:2:0", optimize=True, progressive=True)
    else:
        picture.quantize(256, dither=Image.Dither.NONE).save(file, "png", optimize=True)
    return file.getvalue(), size
