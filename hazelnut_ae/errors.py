"""The two exceptions whose message is written for the user."""


def printable(text):
    """Escapes line breaks and control characters, because file names may contain them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class DataError(Exception):
    """A problem with the user's data or disk; the message names the file and the remedy. The exit status is 1."""

    def __str__(self):
        return printable(super().__str__())


class Interrupted(Exception):
    """The user stopped long work, and its state is saved; the message says how to continue."""
