"""The command line from end to end, as its users call it."""

import json
import subprocess
import sys

import pytest

from hazelnut_ae.cli import main

COMMANDS = ["synthesize", "download", "check", "train", "evaluate", "figures", "compare", "predict"]


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.mark.slow
def test_main_path_end_to_end(tmp_path, capsys):
    data, folder, pictures = tmp_path / "my nuts", tmp_path / "run", tmp_path / "pictures"
    assert run("synthesize", data, "--preset", "tiny") == 0
    assert run("check", data) == 0
    assert "No problem found" in capsys.readouterr().out
    assert run("train", data, "--run", folder, "--preset", "tiny") == 0
    assert run("evaluate", data, "--run", folder, "--json", tmp_path / "r.json") == 0
    assert "crack" in capsys.readouterr().out
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["data"] == "my nuts"
    assert result["system"] == "article"
    assert result["image_size"] == 256
    assert set(result["defects"]) == {"crack", "cut", "hole", "print"}
    keys = (
        "images tau precision recall f1 accuracy tau_label_free f1_label_free f1_max pixel_auroc average_precision pro"
    )
    assert set(keys.split()) <= set(result["defects"]["crack"])
    assert {"auroc", "average_precision", "f1_max", "pro"} <= set(result["pixels"])
    assert {"auroc", "tau", "tnr", "tpr", "f1"} <= set(result["images"])
    assert result == json.loads((folder / "results.json").read_text())
    assert run("figures", data, "--run", folder, "--out", pictures) == 0
    numbers = sorted({path.name[:9] for path in pictures.glob("*.png")})
    assert numbers == [f"figure_{n:02d}" for n in (0, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14)]
    assert run("train", data, "--run", folder, "--preset", "tiny") == 1
    assert run("train", data, "--run", folder, "--preset", "tiny", "--resume") == 0
    assert run("train", data, "--run", folder, "--preset", "tiny", "--resume", "--seed", "1") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as caught:
        run(command, "--help")
    assert caught.value.code == 0
    assert "DIR" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["train", "x"],
        ["train", "x", "--run", "y", "--epochs", "0"],
        ["synthesize", "x", "--seed", "-1"],
        ["predict", "--run", "x", "--out", "y"],
        ["predict", "x", "--run", "y", "--out", "z", "--tau", "nan"],
    ],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2


def test_bad_data_exits_with_1_and_one_sentence(tmp_path, capsys):
    missing = tmp_path / "nowhere"
    for arguments in (
        ["train", missing, "--run", tmp_path / "r"],
        ["evaluate", missing, "--run", "r"],
        ["check", missing],
    ):
        assert run(*arguments) == 1
        text = "".join(capsys.readouterr())
        assert "nowhere" in text
        assert "Traceback" not in text
    assert not (tmp_path / "r").exists()


def test_evaluate_without_a_run(painted_folder, tmp_path, capsys):
    assert run("evaluate", painted_folder, "--run", tmp_path / "none") == 1
    assert "no finished run" in capsys.readouterr().err


def test_unknown_device_is_one_sentence(painted_folder, tmp_path, capsys):
    assert run("train", painted_folder, "--run", tmp_path / "r", "--preset", "tiny", "--device", "abacus") == 1
    assert "abacus" in capsys.readouterr().err


def test_python_m_is_the_same_and_help_is_quick():
    done = subprocess.run([sys.executable, "-m", "hazelnut_ae", "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "synthesize" in done.stdout
