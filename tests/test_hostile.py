"""Input made to do harm: images, checkpoints and settings. Each gives one plain sentence, or does nothing."""

import contextlib
import io
import json
import os
import pickle
import shutil
import zipfile
from functools import partial
from pathlib import Path

import pytest
import torch
from archives import SMALL, category_files, files_below, forget_peak, peak_of_memory, png, png_of, write_archive
from PIL import EpsImagePlugin, Image

from hazelnut_ae import cli, dataset
from hazelnut_ae.course import lesson as lessons
from hazelnut_ae.download import download
from hazelnut_ae.engine import checkpoints, runs, trainer
from hazelnut_ae.errors import DataError
from hazelnut_ae.io import images as images_module
from hazelnut_ae.presets import PRESETS

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    """A cache of its own, and a file that appears if code in some input is run."""
    monkeypatch.setenv("HAZELNUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EVIL", str(tmp_path / "evil"))
    yield
    assert not (tmp_path / "evil").exists()


@pytest.fixture
def images(tmp_path):
    """A data folder of four good training images, to put a fifth into."""
    folder = tmp_path / "nuts"
    (folder / "train/good").mkdir(parents=True)
    for i in range(4):
        (folder / "train/good" / f"{i}.png").write_bytes(png(i))
    return folder


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\n(evil) (w) file pop showpage\n%%EOF\n"
NO_IMAGES = [b"", b"not an image", b"<svg xmlns='http://www.w3.org/2000/svg'/>", EPS, png(0)[:60], png(0)[:-200]]
NO_IMAGES += [png_of(0, 0), png_of(2**31 - 1, 2**31 - 1), b"BM" + b"\xff" * 60, b"II*\0" + b"\xff" * 60]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_files_that_are_no_images(images, monkeypatch):
    """Among them PostScript, which Pillow would hand to Ghostscript, whatever the file's name is."""
    ghostscript = lambda *_, **__: pytest.fail("was run") or Image.new("RGB", (9, 9)).im  # noqa: E731
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", ghostscript)
    path = images / "train/good/9.png"
    for content in NO_IMAGES:
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"9\.png") as caught:
            dataset.load(images)
        assert str(caught.value).isprintable()
        _, problems, _ = dataset.check(images)
        assert len(problems) == 1
        assert path.read_bytes() == content


def test_large_images_are_decoded_one_at_a_time(images, monkeypatch):
    """Six images of nearly the most pixels; limits and memory are a quarter of the real ones."""
    monkeypatch.setattr(images_module, "MAX_PIXELS", images_module.MAX_PIXELS // 4)
    for i in range(6):
        (images / f"train/good/{i}.png").write_bytes(png_of(9_990, 2_500, rows=2_500))
    forget_peak()
    before = peak_of_memory()
    assert len(dataset.load(images).train) == 6
    assert peak_of_memory() - before < 300 << 20


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_things_in_the_folder_that_are_no_files(images):
    """Reading from a pipe would wait forever; a link may lead to itself or to nowhere."""
    good = images / "train/good"
    os.mkfifo(good / "pipe.png")
    (good / "loop.png").symlink_to("loop.png")
    (good / "nowhere.png").symlink_to("no such file")
    (good / "folder.png").mkdir()
    (images / "test").symlink_to(images)
    _, problems, _ = dataset.check(images)
    for name in ("pipe.png", "loop.png", "nowhere.png"):
        assert any(name in problem for problem in problems)


class Payload:
    """What unpickling this would do."""

    def __reduce__(self):
        return os.system, ('touch "$EVIL"',)


def refused(folder, *calls):
    for call in calls:
        with pytest.raises(DataError) as caught:
            call()
        assert str(caught.value).isprintable()
        assert str(folder) in str(caught.value)


@pytest.mark.parametrize("name", ["checkpoint.pt", "model.safetensors", "config.json", "history.csv"])
def test_pickles_with_code_are_never_run(name, run_copy):
    payloads = [pickle.dumps(Payload()), pickle.dumps(Payload(), protocol=0)]
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save({"model": Payload(), "digest": "0" * 64}, buffer, _use_new_zipfile_serialization=new)
        payloads.append(buffer.getvalue())
    path = run_copy.folder / name
    for content in payloads:
        path.write_bytes(content)
        load = partial(checkpoints.load, path) if name == "checkpoint.pt" else partial(runs.load_run, run_copy.folder)
        refused(run_copy.folder, load)


FORGERIES = [{"model": None}, {"model": "weights"}, {"model": {}}, {"losses": "falling"}, {"losses": None}]
FORGERIES += [{"optimizer": {}}, {"f1": [1, 2]}, {"config": 3}]


def test_checkpoints_with_a_right_checksum_and_wrong_content(painted, run_copy):
    folder = run_copy.folder
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    del state["digest"]
    cut = {i: {k: v[:1] if v.ndim else v for k, v in old.items()} for i, old in state["optimizer"]["state"].items()}
    for change in [*FORGERIES, {"optimizer": state["optimizer"] | {"state": cut}}]:
        forged = {key: value for key, value in (state | change).items() if value is not None}
        torch.save(forged | {"digest": checkpoints.digest_of(forged)}, folder / "checkpoint.pt")
        refused(folder, lambda: trainer.train_run(painted, folder, PRESETS["tiny"], epochs=3, resume=True))


def test_a_checkpoint_that_inflates(run_copy):
    """torch stores without compression; a compressed entry can only be a bomb."""
    with zipfile.ZipFile(run_copy.folder / "checkpoint.pt") as whole:
        entries = {info.filename: whole.read(info) for info in whole.infolist() if info.file_size < 100_000}
    write_archive(run_copy.folder / "checkpoint.pt", entries, "zip")
    with pytest.raises(DataError, match=r"checkpoint\.pt is damaged \(it is compressed"):
        checkpoints.load(run_copy.folder / "checkpoint.pt")


CONFIGS = ["", "[]", "17", "{}", "{" * 50_000, "[" * 50_000, "\x00", "NaN"]
SETTINGS = [("latent_dim", value) for value in ("many", -1, 0, 1e9, True, 10**8, 3_000_000, None, [500], 7)]
SETTINGS += [(key, value) for key in ("preset", "seed", "epochs", "data_name") for value in (None, 1.5, True, [], {})]


def test_configurations_that_are_nonsense(run_copy):
    config = json.loads((run_copy.folder / "config.json").read_text())
    for text in [*CONFIGS, *(json.dumps(config | {key: value}) for key, value in SETTINGS)]:
        (run_copy.folder / "config.json").write_bytes(text.encode())
        refused(run_copy.folder, lambda: runs.load_run(run_copy.folder))


@pytest.mark.parametrize("variable", ["HAZELNUT_DATA", "HAZELNUT_PRESET", "HAZELNUT_FIGURES", "HAZELNUT_RUN"])
def test_notebook_variables_that_are_nonsense(variable, painted_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HAZELNUT_PRESET", "tiny")
    monkeypatch.setenv("HAZELNUT_DATA", str(painted_folder))
    for value in ("nonsense", "/dev/null", "\x01", "a" * 5000, "~nobody/x", "-1", "🥜"):
        monkeypatch.setenv(variable, value)
        if variable in ("HAZELNUT_FIGURES", "HAZELNUT_RUN"):  # a name that a folder could have is taken
            with contextlib.suppress(DataError):
                lessons.setup()
        else:
            refused(variable, lessons.setup)
    (tmp_path / "in the way").write_text("a file")
    if variable != "HAZELNUT_PRESET":
        monkeypatch.setenv(variable, "in the way")
        refused(variable, lessons.setup)


def test_a_cache_that_is_nonsense(images, tmp_path, monkeypatch):
    """Reading images goes on without a cache; a download says so."""
    archive = write_archive(tmp_path / "a.tar.xz", category_files("hazelnut", SMALL))
    for value in ("/dev/null", "/proc/self/nothing", "a" * 5000):
        monkeypatch.setenv("HAZELNUT_CACHE", value)
        assert len(dataset.load(images).train) == 4
        refused(value, lambda: download.download(tmp_path / "data", archive=archive, accept_license=True))
        assert not (tmp_path / "data").exists()


def test_the_whole_way_in_a_folder_of_an_odd_name(painted_folder, tiny_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "--help Nüsse – 榛子 a'b\"c$HOME;x\ny"
    shutil.copytree(painted_folder, tmp_path / name)
    shutil.copytree(tiny_run.folder, tmp_path / f"{name} run")
    assert cli.main(["check", "--", name]) == 0  # "--": what a shell user writes before a name with a leading dash
    assert cli.main(["evaluate", f"--run={name} run", "--json", "out.json", "--", name]) == 0
    assert json.loads(Path("out.json").read_text(encoding="utf-8"))["data"] == name


def test_places_where_no_run_can_be(painted_folder, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    for place in ("/proc/run", "/dev/null/run", str(tmp_path / "file"), "a" * 5000):
        assert cli.main(["train", str(painted_folder), "--run", place, "--preset", "tiny", "--epochs", "1"]) == 1
        assert cli.main(["evaluate", str(painted_folder), "--run", place]) == 1
        assert capsys.readouterr().err.splitlines()[-1].startswith("hazelnut-ae: ")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_real_full_disk_for_the_cache_and_for_the_run(tiny_disk, painted_folder, monkeypatch, capsys):
    """Without room for its cache the reader goes on without; a run that cannot be kept says so and leaves no half."""
    monkeypatch.setenv("HAZELNUT_CACHE", str(tiny_disk / "cache"))
    loaded = dataset.load(painted_folder)
    assert len(loaded.train) == PRESETS["tiny"].counts["train/good"]
    assert "No space left" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"checkpoint\.pt could not be written \(the disk is full"):
        trainer.train_run(loaded, tiny_disk / "run", PRESETS["tiny"], epochs=1)
    left = files_below(tiny_disk)
    assert "run/checkpoint.pt" not in left
    assert not [name for name in left if name.endswith((".tmp", ".npy"))]
