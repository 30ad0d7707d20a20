"""Measurements behind the course: `python -m benchmarks --help`. They are not part of the installed package."""
