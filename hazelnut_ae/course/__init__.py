"""What the notebooks share: their data and run, how they are built from their sources, how they are executed."""
