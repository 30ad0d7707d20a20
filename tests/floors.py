"""Prints the oldest versions that pyproject.toml promises, one `name==version` a line, for `pip install`.

python tests/floors.py test notebooks        # with the requirements of these extras
"""

import re
import sys
from pathlib import Path


def floors(text, extras=()):
    """["torch==2.4", …] from the text of a pyproject.toml; requirements without a floor are left out."""
    lists = [re.search(r"^dependencies = \[(.*?)^\]", text, re.S | re.M)[1]]
    lists += [re.search(rf"^{extra} = \[(.*?)^\]", text, re.S | re.M)[1] for extra in extras]
    return [f"{name}=={version}" for name, version in re.findall(r'"([\w.-]+)>=([\d.]+)"', "\n".join(lists))]


if __name__ == "__main__":
    project = Path(__file__).resolve().parents[1] / "pyproject.toml"
    print("\n".join(floors(project.read_text(encoding="utf-8"), sys.argv[1:])))
