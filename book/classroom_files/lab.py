"""Opens the notebooks with the installed course: python lab.py [another command and its arguments]"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = HERE / ".venv" / ("Scripts" if sys.platform == "win32" else "bin")


def main(command):
    if not BIN.is_dir():
        print("Nothing is installed yet: python install.py")
        return 1
    environment = {"HAZELNUT_CACHE": str(HERE / "cache"), **os.environ}  # with the painted hazelnuts
    environment["PATH"] = os.pathsep.join([str(BIN), environment.get("PATH", "")])
    name, *rest = command or ["jupyter", "lab", "notebooks"]
    return subprocess.run([str(BIN / name), *rest], cwd=HERE, env=environment).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
