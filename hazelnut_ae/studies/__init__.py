"""The measurements behind the course: `python -m hazelnut_ae.studies --help`."""
