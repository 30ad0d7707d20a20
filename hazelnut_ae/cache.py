"""Where the notebooks look until their sources name the new rooms."""

from hazelnut_ae.engine.cache import cache_folder  # noqa: F401
