"""What the notebooks share: their variables, their run, and how they are executed."""

import shutil

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from hazelnut_ae import detection, figures, presets, shipped, training
from hazelnut_ae.course import charts, execute
from hazelnut_ae.course import lesson as lessons
from hazelnut_ae.engine import runs, trainer
from hazelnut_ae.errors import DataError


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    monkeypatch.delenv("HAZELNUT_RUN", raising=False)


@pytest.fixture
def tiny_lesson(painted_folder, monkeypatch, tmp_path):
    """A Lesson on the painted set; its run goes to a folder of its own."""
    monkeypatch.setenv("HAZELNUT_PRESET", "tiny")
    monkeypatch.setenv("HAZELNUT_DATA", str(painted_folder))
    monkeypatch.setenv("HAZELNUT_RUN", str(tmp_path / "run"))
    return lessons.setup()


def test_setup_says_what_lessons_need(painted_folder, tiny_lesson, monkeypatch, tmp_path, capsys):
    lessons.setup()
    words = capsys.readouterr().out  # of the whole set
    assert "8 good images to train on, 10 to test on" in words
    assert "synthetic" in words
    assert str(painted_folder.parent) not in words
    folder = shutil.copytree(painted_folder, tmp_path / "nuts")
    monkeypatch.setenv("HAZELNUT_DATA", str(folder))
    for name in ("crack", "cut"):
        next((folder / "ground_truth" / name).iterdir()).unlink()
    lesson = lessons.setup()
    assert (lesson.dataset.test.masks.any(axis=(1, 2)).sum(), len(lesson.dataset.test)) == (6, 8)
    assert "2 defective images without a mask are left out." in capsys.readouterr().out
    shutil.rmtree(folder / "test" / "good")
    lesson = lessons.setup()
    assert lessons.NEEDS in capsys.readouterr().out
    assert len(lesson.dataset.test) == 6
    with pytest.raises(DataError, match="5, 9 and 10 one in test/good"):
        lesson.own_run  # noqa: B018  is trained, where nothing lacks
    shutil.rmtree(folder / "ground_truth")
    lesson = lessons.setup()
    assert lessons.NEEDS in capsys.readouterr().out
    assert lesson.dataset.train.images.shape == (8, 3, 256, 256)
    with pytest.raises(DataError, match="1, 2 and 5 to 10 need defective test images with masks"):
        lesson.dataset.test  # noqa: B018  asks for it


@pytest.mark.parametrize("data", [True, False])
def test_a_cache_that_cannot_be_written_is_one_sentence(data, tiny_lesson, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HAZELNUT_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.delenv("HAZELNUT_RUN")
    if not data:
        monkeypatch.delenv("HAZELNUT_DATA")
    with pytest.raises(DataError, match=r"cannot be written \(.+\); set HAZELNUT_CACHE to a folder"):
        lessons.setup().run  # noqa: B018  is trained


def test_data_may_be_named_relative_to_the_repository(tiny_lesson, painted_folder, monkeypatch, tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "mine").symlink_to(painted_folder)
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.setenv("HAZELNUT_DATA", "mine")
    assert len(lessons.setup().dataset.train) == 8


def test_the_tiny_preset_saves_figures_only_where_it_is_told(tiny_lesson, monkeypatch, tmp_path):
    assert tiny_lesson.figures_folder is None
    monkeypatch.setenv("HAZELNUT_FIGURES", str(tmp_path / "drawn"))
    lessons.setup().show(figures.panels([[np.eye(256)]]), "figure_01")
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == ["figure_01.png"]


@pytest.mark.slow
def test_a_killed_run_is_finished_and_a_finished_one_is_found(tiny_lesson, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # before the first checkpoint
        patch.setattr(trainer.training, "train", stop)
        with pytest.raises(KeyboardInterrupt):
            tiny_lesson.run  # noqa: B018  trains
    assert (tmp_path / "run" / "config.json").exists()
    assert tiny_lesson.finished_run() is None
    assert tiny_lesson.run.history[-1][1] == tiny_lesson.run.config["epochs"]
    monkeypatch.setattr(trainer, "train_run", lambda *a, **k: pytest.fail("trained twice"))
    found = lessons.setup()
    assert found.run.history == tiny_lesson.run.history
    assert found.own_run is found.run
    started = tmp_path / "runs" / f"{tiny_lesson.data_folder.resolve().name}-tiny"  # by `hazelnut-ae start`
    shutil.move(tmp_path / "run", started)
    monkeypatch.chdir(tmp_path)
    assert lessons.setup().run.folder.resolve() == started.resolve()


@pytest.mark.slow
def test_a_lesson_has_a_run_of_its_own_images_beside_a_shipped_one(tiny_lesson, monkeypatch):
    monkeypatch.setattr(lessons.Lesson, "run", runs.load_run(shipped.FOLDER / "article"))
    lesson = lessons.Lesson(tiny_lesson.preset, tiny_lesson.data_folder, None, None)
    assert lesson.own_run.config["data"] == lesson.dataset.fingerprint
    monkeypatch.setattr(trainer, "train_run", lambda *_, **__: pytest.fail("trained again"))
    again = lessons.Lesson(tiny_lesson.preset, tiny_lesson.data_folder, None, None)
    assert again.own_run.history == lesson.own_run.history


def test_the_lesson_measures_as_the_package_does(tiny_lesson, tiny_run, monkeypatch):
    monkeypatch.setattr(lessons.Lesson, "run", tiny_run)
    maps = detection.AutoencoderDetector(tiny_run.model).predict(tiny_lesson.dataset.test.images).anomaly_maps
    np.testing.assert_allclose(tiny_lesson.maps, maps, atol=1e-5)
    learned_from, held_out = training.split_good(8, lessons.SEED)
    good = tiny_lesson.dataset.train.images
    assert np.array_equal(tiny_lesson.learned_from(tiny_run), good[learned_from])
    assert np.array_equal(tiny_lesson.held_out(tiny_run), good[held_out])
    assert tiny_lesson.held_out_maps.shape == (len(held_out), 256, 256)


def test_a_cache_on_a_full_disk_is_one_sentence(tiny_disk, monkeypatch):
    (tiny_disk / "other").write_bytes(bytes(250_000))
    monkeypatch.setenv("HAZELNUT_CACHE", str(tiny_disk / "cache"))
    with pytest.raises(DataError, match="space"):
        lessons.painted(presets.PRESETS["tiny"])


def test_the_chart_shows_every_rung():
    measured = shipped.measured("ladder_bottle")
    auroc, _ = charts.ladder({"bottle": measured}).axes
    assert [label.get_text() for label in auroc.get_yticklabels()] == [one["system"] for one in measured]
    assert auroc.lines[0].get_xdata().tolist() == [one["pixels"]["auroc"] for one in measured]


@pytest.fixture
def bookshelf(tmp_path, monkeypatch):
    """A folder notebooks/ whose notebooks the test writes; `bookshelf(name, *code)` adds one."""
    monkeypatch.chdir(tmp_path)

    def add(name, *code):
        book = new_notebook(cells=[new_markdown_cell("# One"), *[new_code_cell(source) for source in code]])
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        nbformat.write(book, tmp_path / "notebooks" / name)

    return add


@pytest.mark.slow
def test_notebooks_are_executed_with_their_variables_up_to_one_that_fails(bookshelf, painted_folder, tmp_path):
    code = "import os; print(os.environ['HAZELNUT_PRESET'], os.path.isdir(os.environ['HAZELNUT_DATA']), os.getcwd())"
    bookshelf("01_one.ipynb", code)
    bookshelf("02_two.ipynb", "print('so far')", "1 / 0", "print('never')")
    bookshelf("03_three.ipynb", "from hazelnut_ae.errors import DataError; raise DataError('a.png is cut short.')")
    bookshelf("notes.ipynb", "1 / 0")  # no number, no lesson
    execute.execute("tiny", painted_folder, tmp_path / "out", only=["01"])
    with pytest.raises(DataError, match=r"02_two\.ipynb stopped with ZeroDivisionError"):
        execute.execute("tiny", painted_folder, tmp_path / "out", only=["02"])
    with pytest.raises(DataError, match=r"^a\.png is cut short\.$"):  # stays this one sentence
        execute.execute("tiny", painted_folder, tmp_path / "out", only=["03"])
    one, two = (nbformat.read(tmp_path / "out" / f"{name}.ipynb", as_version=4) for name in ("01_one", "02_two"))
    assert one.cells[1].outputs[0].text == f"tiny True {tmp_path / 'notebooks'}\n"
    assert two.cells[1].outputs[0].text == "so far\n"
    written = execute.execute("tiny", painted_folder, tmp_path / "out", only=["01"], run_folder=tmp_path)
    assert [path.name for path in written] == ["01_one.ipynb"]


@pytest.mark.slow
def test_notebooks_run_side_by_side_the_longest_first_and_an_error_ends_all(bookshelf, tmp_path, monkeypatch):
    meet = "import pathlib, time; pathlib.Path('{}').touch()\nwhile not pathlib.Path('{}').exists(): time.sleep(0.05)"
    bookshelf("01_one.ipynb", meet.format("one", "nine"))
    bookshelf("09_nine.ipynb", meet.format("nine", "one"))  # each waits for the other
    monkeypatch.setattr(execute, "AT_ONCE", 2)
    written = execute.execute("tiny", out=tmp_path / "out")
    assert [path.name for path in written] == ["01_one.ipynb", "09_nine.ipynb"]
    monkeypatch.setattr(execute, "AT_ONCE", 1)
    bookshelf("09_nine.ipynb", "open('first', 'x'); 1 / 0")
    bookshelf("01_one.ipynb", "open('first', 'x')")
    with pytest.raises(DataError, match=r"09_nine\.ipynb stopped with ZeroDivisionError"):
        execute.execute("tiny", out=tmp_path / "again")
    assert not (tmp_path / "again" / "01_one.ipynb").exists()


def test_the_execution_checks_its_arguments_before_it_begins(bookshelf, tmp_path):
    bookshelf("01_one.ipynb", "print(1)")
    for words, options in (
        ("no preset", {"preset": "enormous"}),
        ("nowhere", {"preset": "tiny", "data": tmp_path / "nowhere"}),
        ("no notebook 77", {"preset": "tiny", "only": ["01", "77"]}),
    ):
        with pytest.raises(DataError, match=words):
            execute.execute(out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_executed_notebooks_keep_the_last_state_of_bars_and_the_pictures_of_widgets():
    view = {execute.WIDGET: {"model_id": "1"}, "text/plain": "interactive(children=…"}
    streams = ["\r  0%|   | 0/2", "\r 50%|#  | 1/2\r100%|###| 2/2\n", "kept\n", "\rreading: 50%\r            \r"]
    outputs = [new_output("stream", name="stdout" if one == "kept\n" else "stderr", text=one) for one in streams]
    outputs += [new_output("display_data", data=data) for data in (view, view | {"image/jpeg": "…"})]
    book = new_notebook(cells=[new_code_cell("", outputs=outputs, metadata={"execution": {"started": "now"}})])
    execute.tidy(book)
    *streams, widget, picture = book.cells[0].outputs
    assert [output.text for output in streams] == ["100%|###| 2/2\n", "kept\n"]
    assert widget.data["text/plain"].startswith("(A widget")
    assert execute.WIDGET not in picture.data
    assert "execution" not in book.cells[0].metadata
