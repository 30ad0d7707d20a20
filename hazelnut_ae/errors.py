"""The two exceptions whose message is a sentence for the user."""


def printable(text):
    """The text with line breaks and control characters escaped: file names may hold them, a terminal obeys them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class DataError(Exception):
    """A problem with the user's data or disk, as one plain sentence that names the file and the remedy.

    The command line prints the sentence and exits with 1.
    """

    def __str__(self):
        return printable(super().__str__())


class Interrupted(Exception):
    """Long work was asked to stop and has saved its state; the message says how to continue."""
