"""The two exceptions that carry a sentence for the user, and how text is made safe to print."""


class DataError(Exception):
    """A problem with the user's data or disk, as one plain sentence that names the file and the remedy.

    The command line prints the sentence and exits with 1.
    """

    def __str__(self):
        return printable(super().__str__())


def printable(text):
    """The text with everything escaped that no terminal should get: file names may hold line ends and worse."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Interrupted(Exception):
    """Long work was asked to stop and has saved; the message says how to go on."""
