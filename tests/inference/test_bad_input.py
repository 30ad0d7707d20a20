"""What people really hand over: each gives one plain sentence, or is one image among many that are done."""

import csv
import html
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from archives import png_of
from PIL import Image
from spots import spotted, tree

from hazelnut_ae.cli import main
from hazelnut_ae.errors import DataError, printable
from hazelnut_ae.inference import inputs
from hazelnut_ae.inference.predict import predict_paths

NAMES = [
    "<script>alert(1)<&script>.png", "<img src=x onerror=alert(2)>.png",
    "quo\"te's.png", "line\nend\r.png", "tab\t.png",
    "=1+1.png", "+1.png", "-1.png", "@SUM(A1).png", "＝1.png", "a;=1+1.png", "орех.png", "榛子 🌰.png", "بندق.png",
    "right\u202egnp.png", "{{ 7*7 }}.png", "&amp;.png", "%s.png", "'.png",
]  # fmt: skip


def sentence(arguments, capsys):
    """What the command line says of a problem that is in the way of all."""
    assert main([str(argument) for argument in ["predict", *arguments]]) == 1
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    (line,) = said.err.strip().splitlines()
    return line


def test_no_images_no_folder_no_run(tiny_run, tmp_path, capsys):
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    (tmp_path / "empty" / "notes.txt").write_text("no image")
    image, run, out = spotted(tmp_path / "x.png"), tiny_run.folder, tmp_path / "out"
    assert "empty holds no images; name PNG" in sentence([tmp_path / "empty", "--run", run, "--out", out], capsys)
    assert "nowhere does not exist" in sentence([tmp_path / "nowhere", "--run", run, "--out", out], capsys)
    assert "*.tif does not exist" in sentence([image, tmp_path / "*.tif", "--run", run, "--out", out], capsys)
    assert "nul\\x00l does not exist" in sentence([tmp_path / "nul\0l", "--run", run, "--out", out], capsys)
    assert "no finished run" in sentence([image, "--run", tmp_path / "no run", "--out", out], capsys)
    assert not out.exists()


def test_an_out_that_is_something_else(tiny_run, tmp_path, capsys):
    image, run = spotted(tmp_path / "in" / "x.png"), tiny_run.folder
    assert "holds other files (x.png)" in sentence([image, "--run", run, "--out", tmp_path / "in"], capsys)
    assert tree(tmp_path / "in").keys() == {"x.png"}
    assert "choose another folder for --out" in sentence([image, "--run", run, "--out", image], capsys)
    assert "could not be written" in sentence([image, "--run", run, "--out", f"{image}/out"], capsys)
    (tmp_path / "logs").mkdir()
    for content in ("", "hello\n", "[1]\n", '{"hazelnut_ae": "something"}\n', "\0" * 99):
        (tmp_path / "logs" / "journal.jsonl").write_text(content)
        said = sentence([image, "--run", run, "--out", tmp_path / "logs"], capsys)
        assert "or other files; choose a new folder for --out" in said
        assert (tmp_path / "logs" / "journal.jsonl").read_text() == content


def test_an_out_of_another_run_or_settings_is_refused(redness, photographs, tmp_path):
    paths, out = inputs.listed([photographs], "nowhere")[0][:3], tmp_path / "out"
    predict_paths(redness, paths, out)
    before, message = tree(out), "another run, with another --tau or choice of --no-pictures"
    with pytest.raises(DataError, match=message):
        predict_paths(redness, paths, out, pictures=False)
    redness.tau = 16.0
    with pytest.raises(DataError, match=message):
        predict_paths(redness, paths, out)
    redness.tau, redness.detector.bank = 15.0, torch.zeros(3)
    with pytest.raises(DataError, match=message):
        predict_paths(redness, paths, out)
    assert tree(out) == before


def test_a_damaged_line_of_the_journal_counts_as_none(redness, photographs, tmp_path):
    paths, out = inputs.listed([photographs / "a"], "nowhere")[0][:6], tmp_path / "out"
    predict_paths(redness, paths, out)
    whole = tree(out)
    lines = whole["journal.jsonl"].splitlines(keepends=True)
    for line in ('{"file": "FILE"}', '{"file": 3}', "[]", "null", "{" * 9999, "\xff\xfe", '"', '{"file": []}'):
        lines[5] = line.replace("FILE", paths[4]).encode("latin-1") + b"\n"
        (out / "journal.jsonl").write_bytes(b"".join(lines))
        predict_paths(redness, paths, out)
        again = tree(out)
        assert again | {"journal.jsonl": whole["journal.jsonl"]} == whole, line


def test_sizes_and_modes_of_all_kinds(redness, tmp_path):
    folder, rng = tmp_path / "new", np.random.default_rng(0)
    folder.mkdir()
    array = rng.integers(0, 256, (40, 300, 3), dtype=np.uint8)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK"):
        Image.fromarray(array).convert(mode).save(folder / f"{mode}.{'tif' if mode == 'CMYK' else 'png'}")
    Image.fromarray(rng.integers(0, 65536, (30, 20), dtype=np.uint16)).save(folder / "16 bit.png")
    for size in ((1, 1), (1, 700), (3000, 2), (1200, 900)):
        spotted(folder / f"{size[0]}x{size[1]}.png", size=size, spot=(0, 0, 1, 1))
    (folder / "photo.JPG").write_bytes((folder / "RGB.png").read_bytes())  # a PNG under another name
    done = predict_paths(redness, inputs.listed([folder], "nowhere")[0], tmp_path / "out")
    assert not done.unreadable
    content = json.loads((tmp_path / "out/predictions.json").read_text(encoding="utf-8"))
    for row in content["images"]:
        for box in row["boxes"]:
            assert 0 <= box["x"] < box["x"] + box["width"] <= row["width"]
            assert 0 <= box["y"] < box["y"] + box["height"] <= row["height"]
        with Image.open(tmp_path / "out" / row["overlay"]) as picture:
            assert max(picture.size) <= inputs.SHOWN


def test_what_cannot_be_read_stops_no_other(redness, tmp_path):
    folder = tmp_path / "new"
    good = [spotted(folder / f"{i}.png") for i in (1, 9)]
    (folder / "text.png").write_text("hello")
    (folder / "empty.png").write_bytes(b"")
    (folder / "huge.png").write_bytes(png_of(20_000, 20_000))
    (folder / "cut.png").write_bytes((folder / "1.png").read_bytes()[:90])
    for name in ("half.jpg", "half.bmp", "half.tif"):  # whose beginning is whole
        Image.effect_noise((64, 64), 90).save(folder / name)
        (folder / name).write_bytes((folder / name).read_bytes()[:-1500])
    Image.new("F", (9, 9)).save(folder / "float.tif")
    (folder / "folder.png").mkdir()
    spotted(folder / "folder.png" / "inside.png")
    wrong = {"text.png", "empty.png", "huge.png", "cut.png", "half.jpg", "half.bmp", "half.tif", "float.tif"}
    if os.name != "nt":
        (folder / "link.png").symlink_to(folder / "gone.png")
        (folder / "again").symlink_to(folder)  # does not go round for ever
        os.mkfifo(folder / "pipe.png")
        wrong |= {"link.png", "pipe.png"}
    if sys.platform == "linux":  # elsewhere names are Unicode
        os.link(folder / "text.png", os.fsencode(folder) + b"/bad\xff.png")
        wrong.add("bad\udcff.png")
    done = predict_paths(redness, inputs.listed([folder], "nowhere")[0], tmp_path / "out")
    assert {os.path.basename(path) for path in done.unreadable} == wrong
    assert done.defective + done.good == len(good) + 1
    text = "\n".join(done.lines())
    assert "20000×20000 pixels, more than 100 million" in text
    assert f"{len(wrong)} more could not be read:" in text
    for path, error in done.unreadable.items():
        assert str(error).startswith(printable(path))
        assert "\n" not in str(error)
    done = predict_paths(redness, [str(folder / "text.png")], tmp_path / "none")  # empty tables, and a page
    assert (done.defective, done.good) == (0, 0)
    assert json.loads((tmp_path / "none/predictions.json").read_text())["images"] == []
    assert "1 could not be read" in (tmp_path / "none/report.html").read_text(encoding="utf-8")


def test_odd_names_are_text_everywhere_and_make_tame_files(redness, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # relative paths, so that a name is what a cell begins with
    names = [name for name in NAMES if os.name != "nt" or not set(name) & set('<>"\n\r\t|?*')]
    odd = [spotted(Path(name)) for name in names]
    assert not predict_paths(redness, odd, tmp_path / "out", name="<b>run").unreadable
    raw = (tmp_path / "out/predictions.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    text = raw.decode("utf-8-sig")
    table = list(csv.reader(text.splitlines()))
    assert len(table) == len(odd) + 1  # a line end in a name makes no new row
    assert {len(row) for row in table} == {len(table[0])}
    for cell in (cell for row in table[1:] for cell in row):
        assert cell[:1] not in set("=+-@\t\r＝")
        assert cell.isprintable()
    for line in text.splitlines()[1:]:  # columns that end at semicolons, as in some countries' spreadsheets
        assert not [cell for row in csv.reader([line], delimiter=";") for cell in row if cell[:1] in set("=+-@")]
    assert [image["file"] for image in json.loads((tmp_path / "out/predictions.json").read_bytes())["images"]] == odd

    text = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    titles = re.findall(r'<h2 title="([^"]*)">([^<]*)</h2>', text)
    assert sorted(html.unescape(title) for title, _ in titles) == sorted(printable(name) for name in odd)
    assert all(title == name for title, name in titles)
    assert "49.png" not in text  # nothing was computed
    assert text.count("<script") == 2  # the numbers and ours
    assert "&lt;b&gt;run" in text
    assert "<img src=x" not in text

    pictures = [path.name for path in (tmp_path / "out" / "pictures").iterdir()]
    assert len(pictures) == 2 * len(odd)
    assert all(name.isascii() and name.isprintable() and not set(name) & set("<>:\"'/\\|?*= ") for name in pictures)
