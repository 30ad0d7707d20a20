"""The course: the data and the run of the notebooks, and how these are executed and graded."""
