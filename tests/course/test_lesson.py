import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from benchmarks import variants
from benchmarks.numbers import report
from hazelnut_ae import comparison, dataset, detection, presets, results, shipped, synthetic, training
from hazelnut_ae.course import execute
from hazelnut_ae.course import lesson as lessons
from hazelnut_ae.engine import run_data, runs, trainer
from hazelnut_ae.errors import DataError
from hazelnut_ae.thresholds import printed_tau


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


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("HAZELNUT_PRESET", "enormous", "set it to one of tiny, quick, article"),
        ("HAZELNUT_DATA", "/nowhere/at all", "not a folder"),
        ("HAZELNUT_FIGURES", "in the way", "is a file"),
        ("HAZELNUT_RUN", "in the way", "is a file"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(variable, value, words, painted_folder, monkeypatch, tmp_path):
    (tmp_path / "in the way").write_text("a file")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HAZELNUT_DATA", str(painted_folder))
    monkeypatch.setenv("HAZELNUT_PRESET", "tiny")
    monkeypatch.setenv(variable, value)
    with pytest.raises(DataError, match=variable) as error:
        lessons.setup()
    assert words in str(error.value)


def test_setup_says_what_it_works_with_and_no_path(tiny_lesson, painted_folder, capsys):
    lessons.setup()
    words = capsys.readouterr().out
    assert "8 good images to train on, 10 to test on" in words
    assert "synthetic" in words
    assert str(painted_folder.parent) not in words


def test_data_may_be_named_as_seen_from_the_repository(painted_folder, monkeypatch, tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "mine").symlink_to(painted_folder)
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.setenv("HAZELNUT_DATA", "mine")
    monkeypatch.setenv("HAZELNUT_PRESET", "tiny")
    assert len(lessons.setup().dataset.train) == 8


def test_the_tiny_preset_leaves_the_figures_alone(tiny_lesson, monkeypatch, tmp_path):
    assert tiny_lesson.figures_folder is None
    monkeypatch.setenv("HAZELNUT_FIGURES", str(tmp_path / "drawn"))
    lesson = lessons.setup()
    from hazelnut_ae import figures

    lesson.show(figures.panels([[np.eye(256)]]), "figure_01")
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == ["figure_01.png"]


@pytest.mark.slow
def test_the_run_is_trained_once_and_found_again(tiny_lesson, monkeypatch):
    assert tiny_lesson.finished_run() is None
    trained = tiny_lesson.run
    monkeypatch.setattr(trainer, "train_run", lambda *a, **k: pytest.fail("trained twice"))
    found = lessons.setup().run
    assert found.history == trained.history


@pytest.mark.slow
def test_an_unfinished_run_is_gone_on_with(tiny_lesson, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    f1_on_test = trainer.f1_on_test
    monkeypatch.setattr(trainer, "f1_on_test", stop)  # at the end of the first epoch
    with pytest.raises(KeyboardInterrupt):
        trainer.train_run(tiny_lesson.dataset, tmp_path / "run", tiny_lesson.preset, lessons.SEED, checkpoint_seconds=0)
    monkeypatch.setattr(trainer, "f1_on_test", f1_on_test)
    assert (tmp_path / "run" / "checkpoint.pt").exists()
    assert tiny_lesson.finished_run() is None
    assert tiny_lesson.run.history[-1][1] == tiny_lesson.run.config["epochs"]


@pytest.mark.slow
def test_a_run_killed_before_its_first_checkpoint_begins_anew(tiny_lesson, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    train = trainer.training.train
    monkeypatch.setattr(trainer.training, "train", stop)
    with pytest.raises(KeyboardInterrupt):
        tiny_lesson.run  # noqa: B018  trains
    monkeypatch.setattr(trainer.training, "train", train)
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert "config.json" in left
    assert "checkpoint.pt" not in left
    assert tiny_lesson.run.history[-1][1] == tiny_lesson.run.config["epochs"]


def test_the_lesson_measures_as_the_package_does(tiny_lesson):
    images = tiny_lesson.dataset.test.images
    maps = detection.AutoencoderDetector(tiny_lesson.run.model).anomaly_maps(images)
    np.testing.assert_allclose(tiny_lesson.maps, maps, atol=1e-5)
    held_out = training.split_good(8, lessons.SEED)[1]
    assert tiny_lesson.held_out_maps.shape == (len(held_out), 256, 256)


@pytest.mark.parametrize(
    ("data_name", "fingerprint", "license", "fits"),
    [
        ("hazelnuts", "the same", "CC BY 4.0", True),
        ("hazelnuts", "another", "CC BY 4.0", False),
        ("synthetic_hazelnuts", "another", "synthetic hazelnuts, MIT licence", True),
        ("synthetic_hazelnuts", "another", "CC BY 4.0", False),
    ],
)
def test_a_shipped_run_is_used_where_it_fits(data_name, fingerprint, license, fits, monkeypatch, tmp_path):
    (tmp_path / "article").mkdir()
    (tmp_path / "article" / "config.json").touch()
    run = runs.Run(tmp_path / "article", {"data": "the same", "data_name": data_name})
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    monkeypatch.setattr(runs, "load_run", lambda folder: run)
    data = dataset.Dataset(None, None, "any", fingerprint, license)
    assert (run_data.shipped_run(data) is run) == fits
    if fits:
        assert run_data.run_for(data) is run
    else:
        with pytest.raises(DataError, match="name it with --run"):
            run_data.run_for(data)


def test_held_out_images_of_a_shipped_run_are_those_it_kept_out_of_its_longer_row(painted):
    """Of 391 paintings it kept 39; a set that shows only the first of them has some of these, and no trained ones."""
    config = {"data": "another", "data_name": "synthetic_hazelnuts", "preset": "article", "seed": 0}
    kept = set(training.split_good(391, 0)[1].tolist())
    images = np.arange(120).reshape(120, 1)
    data = dataset.Dataset(dataset.ImageSet(images, None, [], []), None, "any", "this", "synthetic hazelnuts")
    found = run_data.held_out(data, runs.Run(None, config))[:, 0].tolist()
    assert found == sorted(row for row in kept if row < 120)
    assert len(found) >= 5


def test_hazelnuts_are_painted_once(own_cache, monkeypatch):
    calls = []

    def write(folder, counts, seed):
        calls.append(counts)
        (folder / "train").mkdir(parents=True)

    monkeypatch.setattr(synthetic, "write_dataset", write)
    preset = presets.PRESETS["article"]
    assert lessons.painted(preset) == lessons.painted(preset)
    assert calls == [preset.counts]


@pytest.fixture
def bookshelf(tmp_path, monkeypatch):
    """A folder notebooks/ whose notebooks the test writes; `shelve(name, *code)` adds one."""
    monkeypatch.chdir(tmp_path)

    def shelve(name, *code):
        book = new_notebook(cells=[new_markdown_cell("# One"), *[new_code_cell(source) for source in code]])
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        nbformat.write(book, tmp_path / "notebooks" / name)

    return shelve


@pytest.mark.slow
def test_run_executes_every_notebook_with_its_variables(bookshelf, painted_folder, tmp_path):
    bookshelf("01_one.ipynb", "import os", "print(os.environ['HAZELNUT_PRESET'], os.path.basename(os.getcwd()))")
    bookshelf("02_two.ipynb", "import os; print(os.path.isdir(os.environ['HAZELNUT_DATA']))")
    bookshelf("notes.ipynb", "1 / 0")  # no number, no lesson
    written = execute.execute("tiny", painted_folder, tmp_path / "out")
    assert [path.name for path in written] == ["01_one.ipynb", "02_two.ipynb"]
    one, two = (nbformat.read(path, as_version=4) for path in written)
    assert one.cells[2].outputs[0].text == "tiny notebooks\n"
    assert two.cells[1].outputs[0].text == "True\n"


def test_a_notebook_that_fails_is_named_and_kept(bookshelf, tmp_path):
    bookshelf("01_one.ipynb", "print('so far')", "1 / 0", "print('never')")
    with pytest.raises(DataError, match=r"01_one\.ipynb stopped with ZeroDivisionError"):
        execute.execute("tiny", out=tmp_path / "out")
    book = nbformat.read(tmp_path / "out" / "01_one.ipynb", as_version=4)
    assert book.cells[1].outputs[0].text == "so far\n"


def test_a_problem_with_the_data_stays_one_sentence(bookshelf, tmp_path):
    bookshelf(
        "01_one.ipynb",
        "from hazelnut_ae.io.files import DataError",
        "raise DataError('a.png is cut short; replace it.')",
    )
    with pytest.raises(DataError) as error:
        execute.execute("tiny", out=tmp_path / "out")
    assert str(error.value) == "a.png is cut short; replace it."


def test_run_checks_its_arguments_before_it_begins(bookshelf, tmp_path):
    bookshelf("01_one.ipynb", "print(1)")
    with pytest.raises(DataError, match="no preset"):
        execute.execute("enormous", out=tmp_path / "out")
    with pytest.raises(DataError, match="nowhere"):
        execute.execute("tiny", data=tmp_path / "nowhere", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_progress_bars_leave_their_last_state():
    outputs = [
        new_output("stream", name="stderr", text="\r  0%|   | 0/2"),
        new_output("stream", name="stderr", text="\r 50%|#  | 1/2\r100%|###| 2/2\n"),
        new_output("stream", name="stdout", text="kept\n"),
        new_output("stream", name="stderr", text="\rreading: 50%\r            \r"),
    ]
    book = new_notebook(cells=[new_code_cell("", outputs=outputs, metadata={"execution": {"started": "now"}})])
    execute._tidy(book)
    assert [output.text for output in book.cells[0].outputs] == ["100%|###| 2/2\n", "kept\n"]
    assert "execution" not in book.cells[0].metadata


def test_a_widget_leaves_a_sentence_where_it_cannot_be_shown():
    data = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "interactive(children=…"}
    book = new_notebook(cells=[new_code_cell("", outputs=[new_output("display_data", data=data)])])
    execute._tidy(book)
    assert book.cells[0].outputs[0].data["text/plain"].startswith("(A widget")


def test_bars_show_themselves_where_there_is_no_terminal(capsys):
    from tqdm import tqdm

    with lessons._progress_shown():
        for _ in tqdm(range(2), disable=None):
            pass
    assert "2/2" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mvtec_hazelnut_128", "hazelnut_toy", "transistor"])
def test_numbers_of_real_images_are_what_evaluate_writes(name, tiny_lesson):
    there = shipped.measured(name)
    found, good = (detection.prediction_from_maps(maps) for maps in (tiny_lesson.maps, tiny_lesson.held_out_maps))
    fresh = results.evaluate("article", found, tiny_lesson.dataset.test, good, printed_tau)
    assert there["data"] == name
    assert there.keys() == fresh.keys()
    assert there["pixels"].keys() == fresh["pixels"].keys()
    assert there["images"].keys() == fresh["images"].keys()


@pytest.mark.parametrize("name", ["mvtec_hazelnut_128", "hazelnut_toy", "transistor"])
def test_all_five_systems_were_measured_on_real_images(name):
    compared = shipped.measured(f"comparison_{name}")
    assert [one["system"].split(" (E")[0] for one in compared] == [
        "article",
        "AE(L2)",
        "AE(SSIM)",
        "AnoGAN",
        "CNN feature dictionary",
    ]
    numbers = ("auroc", "pro", "f1_max", "f1_label_free")
    there, here = ([one["pixels"][number] for number in numbers] for one in (compared[0], shipped.measured(name)))
    one_and_the_same_run = here == pytest.approx(there)
    assert one_and_the_same_run or "the recipe that `quick` had before" in report.COMPARISON
    assert all(one["data"] == name and one["setting"] == "quick" for one in compared)
    assert len(comparison.systems_table(compared)) == 5


def test_the_variants_start_from_the_quick_fits():
    """The study's unchanged systems are those of the comparison on the same images."""
    study = shipped.variants_study().set_index("variant")["pixel_auroc"]
    for one in shipped.measured("comparison_transistor")[1:4]:
        assert study[one["system"]] == pytest.approx(one["pixels"]["auroc"], abs=1e-4)
    assert set(study.index) - set(variants.VARIANTS) == {"mean image, no learning"}


@pytest.mark.slow
def test_own_run_is_of_the_lesson_s_own_images(tiny_lesson, monkeypatch):
    assert tiny_lesson.own_run is tiny_lesson.run
    lesson = lessons.Lesson(tiny_lesson.preset, tiny_lesson.data_folder, None, None)
    monkeypatch.setattr(lessons.Lesson, "run", runs.load_run(shipped.FOLDER / "article"))
    assert lesson.own_run.config["data"] == lesson.dataset.fingerprint
    trained = lesson.own_run.model
    again = lessons.Lesson(tiny_lesson.preset, tiny_lesson.data_folder, None, None)
    monkeypatch.setattr(trainer, "train_run", lambda *_, **__: pytest.fail("trained again"))
    assert again.own_run.history == lesson.own_run.history
    assert trained is lesson.own_run.model


def test_the_latent_study_is_read_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    assert shipped.latent_study() is None
    assert shipped.measured("mvtec_hazelnut_128") is None
    (tmp_path / "latent_sizes.csv").write_text("latent,residual_good,residual_defective,f1_cut\n16,0.05,0.2,0.3\n")
    assert list(shipped.latent_study().columns) == ["latent", "residual_good", "residual_defective", "f1_cut"]
