"""Where the notebooks look until their sources name the new rooms."""

from hazelnut_ae.course.tutorial import *  # noqa: F403
from hazelnut_ae.course.tutorial import setup  # noqa: F401
