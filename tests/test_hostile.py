"""Input made to do harm: images, checkpoints and settings. Each gives one plain sentence, or does nothing."""

import contextlib
import io
import json
import multiprocessing
import os
import pickle
import shutil
import signal
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
import torch
from archives import SMALL, category_files, files_below, forget_peak, peak_of_memory, png, write_tar
from PIL import EpsImagePlugin, Image

from hazelnut_ae import cli, dataset, training
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


# --- images -------------------------------------------------------------------------------------------------------


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_bomb(width, height, grey=True):
    """A PNG of a few kB that claims and delivers width × height black pixels."""
    row_bytes = width + 1
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    compressor = zlib.compressobj(9)
    body = b"".join(compressor.compress(bytes(row_bytes)) for _ in range(height)) + compressor.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.fixture
def images(tmp_path):
    """A data folder of four good training images, to put a fifth into."""
    folder = tmp_path / "nuts"
    (folder / "train/good").mkdir(parents=True)
    for i in range(4):
        (folder / "train/good" / f"{i}.png").write_bytes(png(i))
    return folder


EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\n(/tmp/evil.png) (w) file pop showpage\n%%EOF\n"
)


def header(width, height):
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


SVG = b"<svg xmlns='http://www.w3.org/2000/svg' width='16' height='16'/>"
NO_IMAGES = [
    b"",
    b"not an image",
    SVG,
    EPS,
    b"\x89PNG\r\n\x1a\n",
    png(0)[:60],
    png(0)[:-200],
    header(2**31 - 1, 2**31 - 1),
]
NO_IMAGES += [header(0, 0), b"BM" + b"\xff" * 60, b"II*\0" + b"\xff" * 60, b"\xff\xd8\xff\xe0" + b"\0" * 60]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_files_that_are_no_images(images):
    path = images / "train/good/9.png"
    for content in NO_IMAGES:
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"9\.png") as caught:
            dataset.load(images)
        assert str(caught.value).isprintable()
        _, problems, _ = dataset.check(images)
        assert len(problems) == 1
        assert "9.png" in problems[0]
        assert path.read_bytes() == content


def test_a_file_of_another_kind_is_not_run_through_its_own_reader(images, monkeypatch):
    """Pillow hands PostScript to Ghostscript, whatever the file's name is."""
    called = []
    monkeypatch.setattr(
        EpsImagePlugin, "Ghostscript", lambda *args, **kw: called.append(1) or Image.new("RGB", (9, 9)).im
    )
    (images / "train/good/9.png").write_bytes(EPS)
    with pytest.raises(DataError):
        dataset.load(images)
    assert not called


def test_large_images_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    """Six images of nearly the most pixels; limits and memory are a quarter of the real ones."""
    monkeypatch.setattr(images_module, "MAX_PIXELS", images_module.MAX_PIXELS // 4)
    (tmp_path / "nuts/train/good").mkdir(parents=True)
    content = png_bomb(9_990, 2_500)
    for i in range(6):
        (tmp_path / f"nuts/train/good/{i}.png").write_bytes(content)
    forget_peak()
    before = peak_of_memory()
    assert len(dataset.load(tmp_path / "nuts").train) == 6
    assert peak_of_memory() - before < 300 << 20


def test_an_image_beyond_the_limit_is_refused_from_its_header(images):
    (images / "train/good/beyond.png").write_bytes(png_bomb(10_001, 10_000)[:4000])
    with pytest.raises(DataError, match="10001×10000 pixels, more than 100 million"):
        dataset.load(images)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_things_in_the_folder_that_are_no_files(images, tmp_path):
    """A pipe would be waited for, a link to itself followed for ever, a link to nowhere stumbled over."""
    good = images / "train/good"
    os.mkfifo(good / "pipe.png")
    (good / "loop.png").symlink_to("loop.png")
    (good / "nowhere.png").symlink_to(tmp_path / "no such file")
    (good / "folder.png").mkdir()
    (images / "test").symlink_to(images)
    with within(20):
        code, out, _ = run_main("check", str(images))
        assert code == 1
        assert all(name in out for name in ("pipe.png", "loop.png", "nowhere.png"))
        with pytest.raises(DataError):
            dataset.load(images)


# --- checkpoints --------------------------------------------------------------------------------------------------


class Payload:
    """What unpickling this would do."""

    def __reduce__(self):
        return os.system, ('touch "$EVIL"',)


@pytest.fixture
def run_copy(tiny_run, tmp_path):
    """A copy of a finished run, by hard links: `replace` its files, never write into them."""
    return Path(shutil.copytree(tiny_run.folder, tmp_path / "run", copy_function=os.link))


def replace(path, content):
    path.unlink()
    path.write_bytes(content)


def payloads():
    buffer = io.BytesIO()
    torch.save({"model": Payload(), "digest": "0" * 64}, buffer)
    legacy = io.BytesIO()
    torch.save({"model": Payload(), "digest": "0" * 64}, legacy, _use_new_zipfile_serialization=False)
    pickles = [pickle.dumps(Payload()), pickle.dumps(Payload(), protocol=0), b"\x93NUMPY" + pickle.dumps(Payload())]
    return [buffer.getvalue(), legacy.getvalue(), *pickles]


@pytest.mark.parametrize("name", ["checkpoint.pt", "model.safetensors", "config.json", "history.csv", "f1.csv"])
def test_pickles_with_code_are_never_run(name, painted, run_copy):
    for content in payloads():
        replace(run_copy / name, content)
        if name != "checkpoint.pt":
            with pytest.raises(DataError):
                runs.load_run(run_copy)
        if name in ("checkpoint.pt", "config.json"):
            with pytest.raises(DataError):
                trainer.train_run(painted, run_copy, PRESETS["tiny"], resume=True)
        assert not Path(os.environ["EVIL"]).exists()


def forged(run_copy, change):
    """Replaces the checkpoint by one with other content and a right checksum."""
    state = torch.load(run_copy / "checkpoint.pt", weights_only=True)
    state.pop("digest")
    state = change(state)
    if isinstance(state, dict):
        state["digest"] = checkpoints.digest_of(state)
    (run_copy / "checkpoint.pt").unlink()
    torch.save(state, run_copy / "checkpoint.pt")


def smaller(optimizer):
    """An optimizer's state whose moments have lost all but one of their rows."""
    shrunk = {i: {k: v[:1] if v.ndim else v for k, v in moments.items()} for i, moments in optimizer["state"].items()}
    return optimizer | {"state": shrunk}


def without(state, key):
    return {name: value for name, value in state.items() if name != key}


FORGERIES = [
    lambda state: [1, 2],
    lambda state: {},
    lambda state: without(state, "model"),
    lambda state: state | {"model": {k: v[:1] for k, v in state["model"].items() if v.ndim}},
    lambda state: state | {"model": "weights"},
    lambda state: state | {"losses": "falling"},
    lambda state: without(state, "losses"),
    lambda state: state | {"optimizer": {}},
    lambda state: state | {"optimizer": smaller(state["optimizer"])},
    lambda state: state | {"f1": [1, 2]},
    lambda state: state | {"config": 3},
]


def test_checkpoints_with_a_right_checksum_and_wrong_content(painted, run_copy, tmp_path):
    for number, change in enumerate(FORGERIES):
        folder = Path(shutil.copytree(run_copy, tmp_path / f"run {number}", copy_function=os.link))
        forged(folder, change)
        with pytest.raises(DataError) as caught:
            trainer.train_run(painted, folder, PRESETS["tiny"], epochs=3, resume=True)
        assert str(caught.value).isprintable()
        assert str(folder) in str(caught.value)


def test_a_checkpoint_that_inflates(run_copy):
    """torch stores without compression; a compressed entry can only be a bomb."""
    with zipfile.ZipFile(run_copy / "checkpoint.pt") as whole:
        entries = {info.filename: whole.read(info) for info in whole.infolist() if info.file_size < 100_000}
    (run_copy / "checkpoint.pt").unlink()
    with zipfile.ZipFile(run_copy / "checkpoint.pt", "w", zipfile.ZIP_DEFLATED) as whole:
        for name, content in entries.items():
            whole.writestr(name, content + bytes(20 << 20) if name.endswith("/data.pkl") else content)
    with pytest.raises(DataError, match=r"checkpoint\.pt is damaged \(it is compressed"):
        trainer.load_checkpoint(run_copy)


CONFIGS = [
    "", "[]", "17", "null", "{}", '"text"', "{" * 50_000, "[" * 50_000, "\x00", "NaN",
    '{"latent_dim": "many"}', '{"latent_dim": -1}', '{"latent_dim": 0}', '{"latent_dim": 1e9}', '{"latent_dim": true}',
    '{"latent_dim": 100000000}', '{"latent_dim": 3000000}', '{"latent_dim": null}', '{"latent_dim": [500]}',
    '{"latent_dim": 7}',
]  # fmt: skip


def test_configurations_that_are_nonsense(painted, run_copy):
    for text in CONFIGS:
        replace(run_copy / "config.json", text.encode())
        with pytest.raises(DataError) as caught:
            runs.load_run(run_copy)
        assert str(caught.value).isprintable()
        with pytest.raises(DataError):
            trainer.train_run(painted, run_copy, PRESETS["tiny"], resume=True)


@pytest.mark.parametrize("key", ["preset", "seed", "epochs", "data_name", "data", "latent_dim"])
def test_single_settings_of_a_run_that_are_nonsense(key, run_copy):
    """A setting of the wrong type is refused; one of the right type can be worked with, however odd it is."""
    config = json.loads((run_copy / "config.json").read_text())
    for value in (None, "\n", -1, 1.5, True, [], {}, 10**30, "x"):
        replace(run_copy / "config.json", json.dumps(config | {key: value}).encode())
        if type(value) is type(config[key]) and value != -1 and key != "latent_dim":
            run = runs.load_run(run_copy)
            assert run.caption
            training.split_good(8, run.config["seed"])
        else:
            with pytest.raises(DataError) as caught:
                runs.load_run(run_copy)
            assert str(caught.value).isprintable()


# --- settings and the command line --------------------------------------------------------------------------------


@contextlib.contextmanager
def within(seconds):
    """Ends what hangs."""

    def stop(*_):
        raise TimeoutError(f"not done within {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run_main(*arguments):
    """The command line in this process: (exit code, stdout, stderr)."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(list(arguments))
        except SystemExit as stop:
            code = stop.code
    return code, out.getvalue(), err.getvalue()


NONSENSE = ["nonsense", "/dev/null", "/proc/self/mem", "\x01", "a" * 5000, "~nobody/x", "-1", "../..", "🥜", " "]


@pytest.mark.parametrize("variable", ["HAZELNUT_DATA", "HAZELNUT_PRESET", "HAZELNUT_FIGURES", "HAZELNUT_RUN"])
def test_notebook_variables_that_are_nonsense(variable, painted_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HAZELNUT_PRESET", "tiny")
    monkeypatch.setenv("HAZELNUT_DATA", str(painted_folder))
    for value in NONSENSE:
        monkeypatch.setenv(variable, value)
        if variable in ("HAZELNUT_FIGURES", "HAZELNUT_RUN"):  # a name that a folder could have is taken
            with contextlib.suppress(DataError):
                lessons.setup()
        else:
            with pytest.raises(DataError) as caught:
                lessons.setup()
            assert str(caught.value).isprintable()
            assert variable in str(caught.value) or value in ("../..", " ")


def test_a_cache_that_is_nonsense(images, tmp_path, monkeypatch):
    """Reading images goes on without a cache; a download says so."""
    archive = write_tar(tmp_path / "a.tar.xz", category_files("hazelnut", SMALL))
    for value in ("/dev/null", "/dev/null/x", "/proc/self/nothing", "a" * 5000):
        monkeypatch.setenv("HAZELNUT_CACHE", value)
        assert len(dataset.load(images).train) == 4
        with pytest.raises(DataError):
            download.download(tmp_path / "data", archive=archive, accept_license=True)
        assert not (tmp_path / "data").exists()


def test_the_whole_way_in_a_folder_of_an_odd_name(painted_folder, tiny_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "--help Nüsse – 榛子 a'b\"c$HOME;x\ny"
    shutil.copytree(painted_folder, tmp_path / name)
    shutil.copytree(tiny_run.folder, tmp_path / f"{name} run")
    assert run_main("check", "--", name)[0] == 0  # "--": what a shell user writes before a name with a leading dash
    assert run_main("evaluate", f"--run={name} run", "--json", "out.json", "--", name)[0] == 0
    assert json.loads(Path("out.json").read_text(encoding="utf-8"))["data"] == name


def test_names_that_are_too_long(painted_folder, tmp_path):
    name = "a" * 5000
    for arguments in (
        ["check", name],
        ["train", name, "--run", str(tmp_path / "run")],
        ["evaluate", name, "--run", name],
    ):
        assert run_main(*arguments)[0] == 1
    for command in ("train", "evaluate", "figures"):
        code, _, err = run_main(command, str(painted_folder), "--run", name)
        assert code == 1
        assert err.splitlines()[-1].startswith("hazelnut-ae: ")


def test_a_read_only_place_for_the_run(painted_folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for place in ("/proc/run", "/dev/null/run", str(tmp_path / "file"), str(tmp_path / "file/run")):
        code, _, err = run_main("train", str(painted_folder), "--run", place, "--preset", "tiny", "--epochs", "1")
        assert code == 1, place
        assert err.splitlines()[-1].startswith("hazelnut-ae: ")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_real_full_disk_for_the_cache_and_for_the_run(tiny_disk, painted_folder, tmp_path, monkeypatch, capsys):
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_four_processes_read_the_same_folder_for_the_first_time(painted_folder, tmp_path):
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool:
        answers = pool.map(fingerprint_of, [painted_folder] * 4, chunksize=1)
    assert len(set(answers)) == 1
    names = sorted(Path(name).name for name in files_below(tmp_path / "cache"))
    assert names == ["images.npy", "masks.npy", "set.json"]


def fingerprint_of(folder):
    return dataset.load(folder).fingerprint
