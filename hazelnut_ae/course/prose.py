"""Numbers in the text of a notebook, and claims: both come from the run beside them.

`{{ f1["print"]:.2f }}` in a markdown cell of a source stands for a number; it is filled in when the notebook is
executed. A code cell that begins with `# claim` asserts what the sentence above it says.
"""

import os
import re

EXPRESSION = re.compile(r"\{\{(.+?)\}\}", re.DOTALL)
UNKNOWN = "…"  # stands for a number until the notebook is executed
CLAIM = "# claim"
STRICT = "HAZELNUT_CLAIMS"  # set where a claim that fails stops the notebook: on the data and run it was written for


def expressions(template):
    """Returns the expressions of a text, with their formats, in order."""
    return [found.strip() for found in EXPRESSION.findall(template)]


def filled(template, values):
    """Returns a text with its expressions replaced by their values, {expression: text}."""
    return EXPRESSION.sub(lambda found: values.get(found[1].strip(), UNKNOWN), template)


def soften_claims(lines):
    """Lets a claim that fails print a sentence: an input transformer of IPython. lines: the lines of a cell."""
    if not lines or not lines[0].startswith(CLAIM) or os.environ.get(STRICT):
        return lines
    said = "The sentence above describes the run of this course; it does not hold for your images or your run."
    body = ["    " + line for line in lines]
    return ["try:\n", *body, "\n", "except (AssertionError, LookupError):\n", f"    print({said!r})\n"]
