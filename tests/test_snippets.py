"""The shell lines and Python programs of README, CONTRIBUTING and the package's READMEs run as they stand there."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from archives import SMALL, category_files, png, write_archive
from PIL import Image

import hazelnut_ae
from hazelnut_ae import cli, dataset, presets
from hazelnut_ae.course.lesson import SMALL_BANK
from hazelnut_ae.download import download
from hazelnut_ae.engine import bank_trainer

ROOT = Path(hazelnut_ae.__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("hazelnut_ae/*/README.md"))]
# They install, or need several processes or machines.
NOT_RUN = ("make ", "pip ", "python -m venv ", ".venv/bin/python -m pip ", "torchrun ", "srun ")
pytestmark = pytest.mark.slow


def shell_lines(page):
    """The commands of a page: all lines of its sh blocks, and of its indented blocks those that begin like one."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    fenced = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).splitlines()
    begins = "|".join(map(re.escape, ("hazelnut-ae ", ".venv/bin/hazelnut-ae ", *NOT_RUN)))
    return [re.sub(r"\s+# .*", "", line) for line in fenced + re.findall(rf"^    ((?:{begins}).*)", text, re.MULTILINE)]


def program(folder):
    """The first Python program of a README."""
    return re.search(r"```python\n(.*?)```", (ROOT / folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)[1]


@pytest.fixture
def place(tmp_path, painted_folder, tiny_run, monkeypatch):
    """A working folder with everything that the pages name, where `article` takes seconds and downloads are local."""
    shutil.copytree(painted_folder, tmp_path / "my_parts")
    shutil.copytree(painted_folder, tmp_path / "data" / "synthetic_hazelnuts")
    shutil.copytree(tiny_run.folder, tmp_path / "runs" / "parts")
    for folder in ("new_photos", "more"):
        write_every_kind(tmp_path / folder, painted_folder / "test")
    for name in ("train/good", "test/good", "test/hole", "ground_truth/hole"):  # as BTAD names them
        as_there = tmp_path / "BTech_Dataset_transformed/01" / name.replace("good", "ok").replace("hole", "ko")
        shutil.copytree(painted_folder / name, as_there)
    files = category_files("hazelnut", SMALL) | {f"hazelnut_toy/good/{i}.png": png(i) for i in range(8)}
    archive = tmp_path / "home" / "Downloads" / "mvtec_anomaly_detection.tar.xz"
    archive.parent.mkdir(parents=True)
    write_archive(archive, files)
    monkeypatch.setattr(download, "_archive", lambda *given: (archive, "its hash", True))
    monkeypatch.setattr("builtins.input", lambda question: "y")
    train_bank = bank_trainer.train_run
    monkeypatch.setattr(bank_trainer, "train_run", lambda *a, **options: train_bank(*a, **options | SMALL_BANK))
    for name in ("quick", "article"):
        monkeypatch.setitem(presets.PRESETS, name, presets.PRESETS["tiny"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_every_kind(folder, nuts):
    """Writes the painted test images as 8-bit, 16-bit grey, grey, RGBA and CMYK files, in turn; names say which."""
    folder.mkdir()
    for i, path in enumerate(sorted(nuts.glob("*/*.png"))):
        nut = Image.open(path).convert("RGB").resize((300, 280))
        deep = Image.fromarray((np.asarray(nut.convert("L"), np.uint16) * 257) // 2)
        nut.putalpha(Image.linear_gradient("L").resize(nut.size))
        kinds = [nut.convert("RGB"), deep, nut.convert("L"), nut, nut.convert("RGB").convert("CMYK")]
        kinds[i % 5].save(folder / f"{i + 1}.{'tif' if i % 5 == 4 else 'png'}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_shell_lines_of_a_page_run(page, place):
    if page == PAGES[0]:
        shutil.rmtree(place / "runs" / "parts")  # this page trains it
    for line in shell_lines(page):
        words = [word.replace("~", str(place / "home")) for word in shlex.split(line)]
        if line.startswith(NOT_RUN):
            if "--" in words:  # for torchrun: at least its options exist
                cli.parser().parse_args(words[words.index("--") + 1 :])
            continue
        assert words[0].endswith("hazelnut-ae"), line
        assert cli.main(words[1:]) == 0, line


def test_the_programs_read_every_kind_of_image_as_the_package_does(place):
    config = place / "runs" / "parts" / "config.json"  # white is what 16-bit grey reached in training
    config.write_text(config.read_text().replace('"white": 65535', '"white": 40000'))
    assert cli.main(["predict", "new_photos", "--run", "runs/parts", "--out", "found"]) == 0
    native = hazelnut_ae.load_detector("runs/parts").predict(sorted((place / "new_photos").iterdir()))
    names = {}
    exec(program("."), names)
    np.testing.assert_allclose(
        names["scores"], native.scores[[0, 2]]
    )  # 1.png and, in the order of names, 10.tif, 2.png
    assert cli.main(["export", "--run", "runs/parts", "part.onnx"]) == 0
    alone = "import sys; sys.modules['torch'] = sys.modules['hazelnut_ae'] = None\n" + program("hazelnut_ae/inference")
    done = subprocess.run([sys.executable, "-c", alone], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = [line.split()[1:3] for line in done.stdout.splitlines()]
    assert [decision for decision, _ in said] == ["defective" if one else "good" for one in native.decisions]
    np.testing.assert_allclose([float(score) for _, score in said], native.scores, atol=6e-4)


def test_the_program_for_visa_makes_a_data_folder(place, painted_folder):
    lines = ["object,split,label,image,mask", "pcb1,train,normal,none.png,"]
    for split, name, label in (("train", "good", "normal"), ("test", "good", "normal"), ("test", "hole", "anomaly")):
        image, mask = (f"candle/Data/{part}/{label}/{split}.png" for part in ("Images", "Masks"))
        for target in (image, mask):
            (place / "VisA_20220922" / target).parent.mkdir(parents=True, exist_ok=True)
        photograph = Image.open(next((painted_folder / split / name).iterdir()))
        photograph.save(place / "VisA_20220922" / image)
        Image.fromarray(np.eye(*photograph.size, dtype=np.uint8)).save(place / "VisA_20220922" / mask)  # 1: defective
        lines.append(f"candle,{split},{label},{image},{mask if name == 'hole' else ''}")
    (place / "VisA_20220922" / "split_csv").mkdir()
    (place / "VisA_20220922" / "split_csv" / "1cls.csv").write_text("\n".join(lines))
    exec(program("hazelnut_ae/download"), {})
    assert dataset.check(place / "data" / "candle")[:2] == ({"train/good": 1, "test/anomaly": 1, "test/good": 1}, [])
