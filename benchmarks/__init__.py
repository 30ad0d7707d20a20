"""The measurements behind the course: `python -m benchmarks --help`."""
