"""Each notebook runs from top to bottom in the tiny preset; its checks refuse stubs and planted mistakes, and take the
solutions. One IPython shell in this process runs them all, because each kernel would import torch anew.
"""

from pathlib import Path

import jupytext
import matplotlib.pyplot as plt
import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from hazelnut_ae.course.checks import check

import notebook_files

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NAMES = sorted(path.stem for path in (FOLDER / "source").glob("[0-9][0-9]_*.py"))
FIVE, SEVEN = "05_training", "07_threshold_and_latent_size"
EIGHT, NINE, TEN = "08_results_table", "09_comparison_systems", "10_beyond"
ORDER = "field += (kernel - 1) * step\n        step *= stride", "step *= stride\n        field += (kernel - 1) * step"
WRONG = [  # (notebook, exercise, what of the solution, becomes what)
    ("01_background", 1, "careful[2, 2:5]", "careful[2, 2:6]"),
    ("01_background", 1, "generous[0, :2]", "generous[0, :3]"),
    ("01_background", 2, "2 * p / (1 + p)", "2 * p / (2 - p)"),
    ("01_background", 3, "range(3000)", "range(3)"),
    ("01_background", 3, "nn.Linear(2, 2, bias=False), nn.Linear(2, 2", "nn.Linear(2, 1, bias=False), nn.Linear(1, 2"),
    ("01_background", 4, "a = np.array([0.01", "a = 1 - np.array([0.01"),
    ("01_background", 4, "0.4, 0.7, 0.7, 0.8, 0.8]", "0.4, 0.4, 0.4, 0.4, 0.4]"),
    ("01_background", 5, "np.hypot(latent / usual_latent, rest / usual_rest)", "np.abs(latent)"),
    ("01_background", 5, "rest / usual_rest", "rest"),
    ("01_background", 5, "latent / usual_latent, rest", "latent / np.abs(latent).max(), rest"),
    ("02_dataset", 1, "(1 - defective)", "1"),
    ("02_dataset", 1, "defective / (defective + ", "1 / (1 + "),
    ("02_dataset", 2, "in_good_folder == marked", "in_good_folder & marked"),
    ("02_dataset", 2, "in_good_folder == marked", "in_good_folder != marked"),
    ("02_dataset", 3, ".max(axis=0)\n\n\nshares", ".mean(axis=0)\n\n\nshares"),
    ("02_dataset", 3, "(deviation + 1e-3)).max(axis=0)", "1).max(axis=0) / (deviation + 1e-3).max(axis=0)"),
    ("02_dataset", 5, "small(known[..., ::-1])", "small(known[..., ::-1, :])"),
    ("02_dataset", 5, "nearest < 0.005", "nearest < 0.5"),
    ("02_dataset", 4, "_mask.png", "_masks.png"),
    ("02_dataset", 4, "fromarray(mask)", "fromarray(picture)"),
    ("03_data_augmentation", 1, "1800 / len(learnt)", "1800 / 28"),
    ("03_data_augmentation", 2, ".clamp(0, 255)", ""),
    ("03_data_augmentation", 2, "torch.rand(()", "torch.rand((3, 1, 1)"),
    ("03_data_augmentation", 2, "0.9 + 0.2", "0.8 + 0.4"),
    ("03_data_augmentation", 3, "np.cos(alpha) + np.sin(alpha)", "1 + np.sin(alpha)"),
    ("03_data_augmentation", 3, "128 + margin", "128 + 2 * margin"),
    ("03_data_augmentation", 4, '"screw": {"rotation", "shift"}', '"screw": {"rotation", "flip", "shift"}'),
    ("03_data_augmentation", 4, '"transistor": set()', '"transistor": {"shift"}'),
    ("03_data_augmentation", 5, "numbers % photographs", "numbers // copies"),
    ("03_data_augmentation", 5, "np.median(score(kept_out))", "np.mean(score(kept_out))"),
    ("03_data_augmentation", 5, ".min() for one", ".mean() for one"),
    ("04_architecture", 1, "8 * 8 + 1 + 2", "8 * 8"),
    ("04_architecture", 1, "8 * 8 + 1 + 2", "8 * 8 + 1"),
    ("04_architecture", 2, "(kernel - 1) * step", "kernel * step"),
    ("04_architecture", 2, *ORDER),
    ("04_architecture", 3, "TABLE_2[:doubling] + TABLE_2[doubling + 2 :]", "TABLE_2[:]"),
    ("04_architecture", 3, "TABLE_1[halving + 2 :]", "TABLE_1[halving + 1 :]"),
    ("04_architecture", 4, 'after if row["layer"] == "CONV2D" else before', "after"),
    ("04_architecture", 4, '* row["kernel"] ** 2', '* row["kernel"]'),
    ("04_architecture", 5, "side //= 2", "side //= 4"),
    ("04_architecture", 5, "while side > 256", "while side > 512"),
    ("06_residual_thresholding", 1, ".mean(axis=1)", ".min(axis=1)"),
    ("06_residual_thresholding", 1, ".mean(axis=1)", ".sum(axis=1)"),
    ("06_residual_thresholding", 2, ", np.ones((3, 3))", ""),
    ("06_residual_thresholding", 2, ">= smallest", "> smallest"),
    ("06_residual_thresholding", 2, "sizes[0] = 0", "pass"),
    ("06_residual_thresholding", 3, "(n + 1)", "n"),
    ("06_residual_thresholding", 3, "np.sort(scores)", "scores"),
    ("06_residual_thresholding", 3, "needed = 99", "needed = 100"),
    ("06_residual_thresholding", 4, ".max(axis=1)", ".mean(axis=1)"),
    ("06_residual_thresholding", 4, "for dx in (-1, 0, 1)", "for dx in (0,)"),
    ("06_residual_thresholding", 5, "with_square(20, 255)", "with_square(21, 255)"),
    ("06_residual_thresholding", 5, "with_square(40, 128)", "with_square(20, 128)"),
    ("06_residual_thresholding", 6, "stats.beta(n + 1 - k, k)", "stats.beta(k, n + 1 - k)"),
    ("06_residual_thresholding", 6, "fewest = 29", "fewest = 22"),
    (SEVEN, 1, "100 * np.array(missed) +", "np.array(missed) + 100 *"),
    (SEVEN, 1, "<= tau) for tau in candidates]", "> tau) for tau in candidates]"),
    (SEVEN, 2, "price * share * missed", "price * missed"),
    (SEVEN, 2, "(1 - share) * refused", "refused * len(good) / len(defective)"),
    (SEVEN, 3, ", np.ones((3, 3))", ""),
    (SEVEN, 3, "[1:]", ""),
    (SEVEN, 4, "pixels / (height * width)", "pixels / 65536"),
    (SEVEN, 4, "pixels / (height * width)", "2 * pixels / (height * width)"),
    (SEVEN, 5, "(drawn_after - drawn_before)", "(drawn_after - before)"),
    (SEVEN, 5, "(r * d).sum() / (d * d).sum()", "np.abs(r).sum() / np.abs(d).sum()"),
    (SEVEN, 5, "for k in (2, 8, 32, 100)", "for k in (2, 8, 32)"),
    (FIVE, 1, "off_by**2", "np.abs(off_by)"),
    (FIVE, 1, "np.argmin(np.abs(off_by).mean(axis=0))", "np.argmin(np.abs(off_by).max(axis=0))"),
    (FIVE, 2, "model.train()\nwith", "model.eval()\nwith"),
    (FIVE, 2, "images[[i, i]]", "images[[i, i + 2]]"),
    (FIVE, 3, "torch.manual_seed(0)", "pass"),
    (FIVE, 3, "lr=rate", "lr=1e-3"),
    (FIVE, 3, "best = min(", "best = max("),
    (FIVE, 4, "again[np.arange(1000), best]", "measured[np.arange(1000), best]"),
    (FIVE, 4, "measured.max(axis=1).mean()", "measured.max()"),
    (FIVE, 5, "learnt.mean(axis=0) / 255", "unlearnt.mean(axis=0) / 255"),
    (FIVE, 5, "1 - of_network / of_average", "of_network / of_average"),
    (FIVE, 6, "share * training", "training"),
    (FIVE, 6, "len(part) / len(batch)", "1 / parts"),
    (FIVE, 6, "batch.chunk(parts)", "[batch]"),
    (EIGHT, 1, "0.07 * 9900", "0.07 * 10000"),
    (EIGHT, 1, "found / alarms", "found / 100"),
    (EIGHT, 2, "0.16 * shares", "0.84 * shares"),
    (EIGHT, 3, '"d", "f"', '"c", "d", "f"'),
    (EIGHT, 3, '{"b", ', "{"),
    (EIGHT, 4, "<= 0.05", "<= 0.1"),
    (EIGHT, 4, "(n, n)[0]", "(n, n)[1]"),
    (EIGHT, 5, "[0.025, 0.975]", "[0.25, 0.75]"),
    (EIGHT, 5, "rng.integers(len(counts), size=(1000, len(counts)))", "np.tile(np.arange(len(counts)), (1000, 1))"),
    (EIGHT, 6, "np.argmax(f1_at_taus(first))", "np.argmax(f1_at_taus(second))"),
    (EIGHT, 6, "f1_at_taus(second)[best])", "f1_at_taus(second).max())"),
    (NINE, 1, "1 - 0.95**16", "0.95**16"),
    (NINE, 1, "0.95 ** (1 / 16)", "0.95 / 16"),
    (NINE, 2, "/ usual.std()", ""),
    (NINE, 2, "- usual.mean()) / usual.std()", "/ usual.max())"),
    (NINE, 3, "x * x + y * y + c1", "(x + y) ** 2 + c1"),
    (NINE, 3, "c) < 0.05", "c) < 0.5"),
    (NINE, 4, "(draw() for _ in range(1000))", "(np.arange(len(test)) for _ in range(1000))"),
    (NINE, 4, 'auroc("ae-l2", images) - auroc("anogan", images)', 'auroc("anogan", images) - auroc("ae-l2", images)'),
    (NINE, 5, "of_good.std() / of_good.mean()", "-of_good.std() / of_good.mean()"),
    (NINE, 5, "np.mean(agrees)", "1 - np.mean(agrees) + 0.1"),
    (NINE, 6, "on_first[winner] - on_second[winner]", "on_first[winner] - on_second.max() - 0.01"),
    (NINE, 6, "winner == on_second.argmax()", "winner != on_second.argmax()"),
    (TEN, 1, "* 4 / 1e6", "/ 1e6"),
    (TEN, 1, "len(learn) * patches", "len(test.images) * patches"),
    (TEN, 2, "- one.mean) * one.scale", "- one.mean)"),
    (TEN, 2, ".fit(one.coreset.numpy())", ".fit(scaled)"),
    (TEN, 3, "max(f1_of", "min(f1_of"),
    (TEN, 3, "f1_max(best_sigma, to_report)", "f1_max(best_sigma, to_choose)"),
    (TEN, 4, "now.mean((0, 2, 3))", "images.mean((0, 2, 3))"),
    (TEN, 4, "gain[:, None, None]", "gain.mean()"),
    (TEN, 4, "before.mean((0, 2, 3)) / now.mean((0, 2, 3))", "1 / np.array([0.75, 0.72, 0.6])"),
    (TEN, 5, "np.delete(mine, i, axis=0)", "mine"),
    (TEN, 5, "image_scores > detector", "image_scores < detector"),
]


class Shell(InteractiveShell):
    def enable_gui(self, gui=None):
        """Has no window to enable; figures are shown inline."""


@pytest.fixture
def shell(painted_folder, tiny_run, monkeypatch, tmp_path):
    """An IPython shell with the variables of the tiny preset, in the folder of the notebooks."""
    for name, value in (("PRESET", "tiny"), ("DATA", painted_folder), ("RUN", tiny_run.folder), ("FIGURES", tmp_path)):
        monkeypatch.setenv(f"HAZELNUT_{name}", str(value))
    monkeypatch.chdir(FOLDER)
    yield Shell.instance()
    Shell.clear_instance()
    plt.close("all")
    plt.switch_backend("agg")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_and_its_checks_tell_right_from_wrong(name, shell):
    committed = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells
    names, exercises = {}, {}
    for cell in jupytext.read(FOLDER / "source" / f"{name}.py").cells:
        (tag,) = notebook_files.tags(cell) or {""}
        if tag == "exercise":
            exercises[len(exercises) + 1] = {}
        elif cell.cell_type != "code":
            continue
        elif tag in ("try", "solution", "check"):
            assert tag not in exercises[len(exercises)], f"exercise {len(exercises)} has two cells with the tag {tag}"
            exercises[len(exercises)][tag] = cell.source
        else:
            before = set(shell.user_ns)
            run(shell, cell.source, committed)
            if tag == "setup":
                names |= {key: shell.user_ns[key] for key in set(shell.user_ns) - before}
    for number, one in exercises.items():
        assert verdict(one["try"], one["check"], names) == f"Exercise {number}: not yet."
        assert verdict(one["solution"], one["check"], names) == f"Exercise {number}: right."
    for _, number, right, wrong in [row for row in WRONG if row[0] == name]:
        one = exercises[number]
        assert right in one["solution"], (number, right)
        mistaken = one["solution"].replace(right, wrong)
        assert verdict(mistaken, one["check"], names) == f"Exercise {number}: not yet.", (number, wrong)


def run(shell, source, committed):
    """Runs a cell; one that is marked has exactly the committed output."""
    with capture_output() as captured:
        shell.run_cell(source).raise_error()
    if "NBVAL_CHECK_OUTPUT" in source:
        (cell,) = (cell for cell in committed if cell.source == source.strip("\n"))
        shown = [output.data["text/plain"] for output in captured.outputs]
        wanted = [output["data"]["text/plain"] for output in cell.outputs if output.output_type != "stream"]
        assert shown == wanted[: len(shown)]
        assert all(text in captured.stdout for text in wanted[len(shown) :])  # the cell's value: this shell prints it
        assert captured.stdout.startswith("".join(o.text for o in cell.outputs if o.get("name") == "stdout"))


def verdict(answer, checking, names):
    """The first words of the check below an answer, such as "Exercise 2: right."."""
    names = dict(names)
    with capture_output():
        exec(answer, names)
    with capture_output() as captured:
        exec(checking, names)
    exercise, words = captured.stdout.split(":", 1)
    return f"{exercise}:{words.split('.')[0]}."


@pytest.mark.slow
def test_bad_data_is_one_sentence_without_a_traceback(shell):
    with capture_output() as captured:
        shell.run_cell("from hazelnut_ae.course.lesson import DataError, setup; setup()")
        found = shell.run_cell("raise DataError('a.png is cut short; replace it.')")
    assert str(found.error_in_exec) == captured.stderr.strip() == "a.png is cut short; replace it."
    assert "Traceback" not in captured.stdout


def test_a_check_tells_any_error_in_one_line_and_stops_nothing(capsys):
    with check(1):
        assert 1 == 2, "one is not two"
    with check(2):
        undefined  # noqa: B018, F821
    with check(3):
        pass
    assert capsys.readouterr().out.splitlines() == [
        "Exercise 1: not yet. one is not two",
        "Exercise 2: not yet. NameError: name 'undefined' is not defined",
        "Exercise 3: right.",
    ]
