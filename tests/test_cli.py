"""The command line from end to end, as its users call it: every command of the contract once."""

import json
import shutil
import subprocess
import sys

import pytest

from hazelnut_ae.cli import main
from hazelnut_ae.options import COMMANDS

BLOCK = "images tau precision recall f1 accuracy tau_label_free f1_label_free f1_max pixel_auroc average_precision pro"


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.mark.slow
def test_from_painting_to_figures(tmp_path, capsys):
    data, folder, pictures = tmp_path / "my nuts", tmp_path / "run", tmp_path / "pictures"
    assert run("synthesize", data, "--preset", "tiny") == 0
    assert run("check", data) == 0
    said = capsys.readouterr().out
    assert "No problem found" in said
    assert "hazelnut-ae train" in said
    assert run("train", data, "--run", folder, "--preset", "tiny") == 0
    assert run("evaluate", data, "--run", folder, "--json", tmp_path / "r.json") == 0
    assert "crack" in capsys.readouterr().out
    result = json.loads((tmp_path / "r.json").read_text())
    assert (result["data"], result["system"], result["image_size"]) == ("my nuts", "article", 256)
    assert set(result["defects"]) == {"crack", "cut", "hole", "print"}
    assert all(set(BLOCK.split()) <= set(block) for block in result["defects"].values())
    assert {"auroc", "average_precision", "f1_max", "pro"} <= set(result["pixels"])
    assert {"auroc", "tau", "tnr", "tpr", "f1"} <= set(result["images"])
    assert result == json.loads((folder / "results.json").read_text())
    assert run("figures", data, "--run", folder, "--out", pictures) == 0
    numbers = sorted({path.name[:9] for path in pictures.glob("*.png")})
    assert numbers == [f"figure_{n:02d}" for n in (0, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14)]
    assert run("train", data, "--run", folder, "--preset", "tiny") == 1
    assert run("train", data, "--run", folder, "--preset", "tiny", "--resume") == 0
    assert run("train", data, "--run", folder, "--preset", "tiny", "--resume", "--seed", "1") == 1


@pytest.mark.slow
def test_from_a_run_to_predictions_a_file_and_a_comparison(painted_folder, tiny_run, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(tiny_run.folder, folder)
    assert run("predict", painted_folder / "test" / "crack", "--run", folder, "--out", tmp_path / "found") == 0
    assert (tmp_path / "found" / "report.html").is_file()
    assert run("export", "--run", folder, tmp_path / "part.onnx") == 0
    assert "same decisions" in capsys.readouterr().out
    options = ("--systems", "article,ae-l2", "--setting", "tiny", "--json", tmp_path / "systems.json")
    assert run("compare", painted_folder, "--run", folder, *options) == 0
    assert [one["system"] for one in json.loads((tmp_path / "systems.json").read_text())] == ["article", "AE(L2)"]


@pytest.mark.slow
def test_a_set_without_masks_goes_through_every_command(painted_folder, tmp_path, capsys):
    data, folder, drawn = tmp_path / "nuts", tmp_path / "run", tmp_path / "drawn"
    shutil.copytree(painted_folder, data)
    shutil.rmtree(data / "ground_truth")
    assert run("check", data) == 0
    assert run("train", data, "--run", folder, "--preset", "tiny", "--epochs", "1") == 0
    assert run("evaluate", data, "--run", folder, "--image-tau", "0") == 0
    said = capsys.readouterr().out
    assert "crack: 2 of 2 refused, with a score above τ = 0 (" in said
    assert "8 of 8 defective images have no mask and count as whole images." in said
    assert run("figures", data, "--run", folder, "--out", drawn) == 0
    assert sorted(path.name[:9] for path in drawn.iterdir()) == ["figure_03", "figure_05"]
    assert "need masks in ground_truth/<defect>" in capsys.readouterr().out
    assert run("compare", data, "--run", folder, "--systems", "article", "--setting", "tiny") == 0
    shutil.rmtree(data / "test")
    again = tmp_path / "again"
    assert run("train", data, "--run", again, "--preset", "tiny", "--epochs", "1") == 0
    (again / "thresholds.json").unlink()  # the remedy for that is to evaluate
    assert run("evaluate", data, "--run", again) == 1
    assert "no test images" in capsys.readouterr().err
    assert (again / "thresholds.json").is_file()


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        run(command, "--help")
    assert COMMANDS[command][1].split()[-1] in capsys.readouterr().out


WRONG = ["", "nonsense", "train x", "train x --run y --epochs 0", "train x --run y --detector features --latent 8"]
WRONG += ["synthesize x --seed -1", "predict --run x --out y", "predict x --run y --out z --tau nan"]


@pytest.mark.parametrize("arguments", WRONG)
def test_wrong_usage_exits_with_2(arguments):
    with pytest.raises(SystemExit, match="2"):
        run(*arguments.split())


def test_bad_data_exits_with_1_and_one_sentence(painted_folder, tmp_path, capsys):
    missing = tmp_path / "nowhere"
    train = ["--run", tmp_path / "r", "--preset", "tiny", "--device", "abacus"]
    for arguments, named in (
        *((["train", missing, *train[:2]], "nowhere"), (["train", painted_folder, *train], "abacus")),
        *((["evaluate", missing], "nowhere"), (["check", missing], "nowhere")),
        (["evaluate", painted_folder, "--run", missing], "no finished run"),
    ):
        assert run(*arguments) == 1
        said = "".join(capsys.readouterr())
        assert named in said
        assert "Traceback" not in said
    assert not (tmp_path / "r").exists()


def test_help_does_not_import_torch():
    code = (
        "import sys; from hazelnut_ae.cli import parser; text = parser().format_help();"
        "sys.exit('torch' in sys.modules or 'synthesize' not in text)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    done = subprocess.run([sys.executable, "-m", "hazelnut_ae", "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("hazelnut-ae ")
