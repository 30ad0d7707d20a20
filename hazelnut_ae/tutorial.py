"""Where the notebooks look until their sources name the new rooms."""

from hazelnut_ae.course.lesson import *  # noqa: F403
from hazelnut_ae.course.lesson import setup  # noqa: F401
from hazelnut_ae.shipped import latent_study, measured, variants_study  # noqa: F401
