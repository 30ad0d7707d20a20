"""What the tests of predictions share: images with a red spot, and what a folder holds."""

from PIL import Image


def spotted(path, size=(64, 48), spot=(8, 8, 24, 20), red=255):
    """A dark image with a red spot (left, top, right, bottom); returns its path as text."""
    image = Image.new("RGB", size, (10, 40, 40))
    image.paste((red, 40, 40), spot)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "PNG")
    return str(path)


def tree(folder):
    """{relative path: bytes} of all files below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
