"""Where the notebooks look until their sources name the new rooms."""

from hazelnut_ae.engine.files import DataError  # noqa: F401
