"""A table that a long study fills row by row: a study that was stopped goes on where it was."""

from pathlib import Path

import pandas as pd

from hazelnut_ae.io.files import atomic_path


class Rows:
    """The rows of a study in a CSV file; each is stored as soon as it is measured."""

    def __init__(self, path, keys):
        """
        Args:
            path: the CSV file; its rows are kept.
            keys: names of the columns that identify a row.
        """
        self.path, self.keys = Path(path), list(keys)
        self.rows = pd.read_csv(self.path).to_dict("records") if self.path.exists() else []

    def missing(self, **key):
        """Returns whether there is no row with these values of the key columns."""
        same = lambda row, name: row[name] == key[name] or str(row[name]) == str(key[name])  # noqa: E731 (0 is read as 0.0)
        return not any(all(same(row, name) for name in self.keys) for row in self.rows)

    def add(self, rows):
        """Adds dicts and stores the table."""
        self.rows += rows
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.path) as temporary:
            self.table().to_csv(temporary, index=False, float_format="%.6g")

    def table(self):
        """Returns the table as a DataFrame."""
        return pd.DataFrame(self.rows)
