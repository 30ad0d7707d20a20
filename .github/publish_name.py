"""Writes the repository's address into every file that names it: `make publish-name OWNER=somebody`.

Without OWNER it takes the owner and the name from git's remote "origin". Running it again changes the address.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main():
    arguments = sys.argv[1:]
    owner, name = (arguments[0], "hazelnut_ae") if arguments else from_remote()
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?", owner):
        raise SystemExit(f"{owner!r} is no name of a GitHub account; run make publish-name OWNER=your-account.")
    repository = f"https://github.com/{owner}/{name}"
    book = f"https://{owner.lower()}.github.io/{name}/"
    replace_block("README.md", "book", readme_links(owner, name, book), ("<!--", " -->"))
    urls = f'[project.urls]\nHomepage = "{book}"\nRepository = "{repository}"\nIssues = "{repository}/issues"\n'
    replace_block("pyproject.toml", "urls", urls, ("#", ""))
    replace_block("CITATION.cff", "urls", f'repository-code: "{repository}"\nurl: "{book}"\n', ("#", ""))
    colab = ROOT / "notebooks" / "colab.ipynb"
    text = colab.read_text(encoding="utf-8")
    colab.write_text(re.sub(r"https://github\.com/[\w.-]+/[\w.-]+", repository, text), encoding="utf-8")
    print(f"README.md, pyproject.toml, CITATION.cff and notebooks/colab.ipynb now name {repository}.")


def from_remote():
    """Returns (owner, name) of git's remote "origin"."""
    found = subprocess.run(["git", "remote", "get-url", "origin"], cwd=ROOT, capture_output=True, text=True)
    match = re.search(r"github\.com[:/]([^/]+)/([^/\s]+?)(?:\.git)?$", found.stdout.strip())
    if not match:
        raise SystemExit("git's origin is not on GitHub; run make publish-name OWNER=your-account.")
    return match[1], match[2]


def readme_links(owner, name, book):
    """Returns the lines of README's first links."""
    binder = f"https://mybinder.org/v2/gh/{owner}/{name}/HEAD?urlpath=lab/tree/notebooks"
    colab = f"https://colab.research.google.com/github/{owner}/{name}/blob/HEAD/notebooks/colab.ipynb"
    picture = re.search(r"!\[.+?\]\(.+?\)", (ROOT / "README.md").read_text(encoding="utf-8"))[0]  # the moving one
    return (
        f"[{picture}]({book}playground/index.html)\n\n"
        f"**[Play]({book}playground/index.html) · [Read]({book}) · Run:** [Binder]({binder}) · [Colab]({colab}) · "
        f"`git clone https://github.com/{owner}/{name}`\n"
    )


def replace_block(file, block, content, comment):
    """Replaces what is between the two marks of a block in a file."""
    path, (left, right) = ROOT / file, comment
    text = path.read_text(encoding="utf-8")
    start, end = f"{left} publish-name: {block}{right}\n", f"{left} /publish-name{right}"
    if start not in text:
        raise SystemExit(f"{file} has lost its mark {start.strip()!r}; put it back where the address belongs.")
    before, rest = text.split(start, 1)
    path.write_text(before + start + content + end + rest.split(end, 1)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
