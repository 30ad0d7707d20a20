"""Installs the course from this folder, without a network: python install.py

It creates .venv in this folder and installs the files in wheels. If it fails, run it again.
"""

import json
import platform
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = HERE / ".venv" / ("Scripts" if sys.platform == "win32" else "bin")
WANTED = "hazelnut_ae[notebooks,imagenet]"


def main():
    made_for = json.loads((HERE / "classroom.json").read_text(encoding="utf-8"))
    here = {"system": platform.system(), "machine": platform.machine(), "python": list(sys.version_info[:2])}
    different = [f"{name} {made_for[name]}, not {here[name]}" for name in here if made_for[name] != here[name]]
    if different:
        print(f"Note: this folder was made for another machine ({'; '.join(different)}). See README.txt.")
    print("Installing into .venv; this takes a few minutes.", flush=True)
    venv.create(HERE / ".venv", with_pip=True)
    command = [str(BIN / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-index", "--find-links", str(HERE / "wheels"), WANTED]
    if subprocess.run(command).returncode:
        print("The installation did not succeed. README.txt lists the requirements.")
        return 1
    if subprocess.run([str(BIN / "hazelnut-ae"), "--version"]).returncode:
        return 1
    print("Done. python lab.py opens the notebooks.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
