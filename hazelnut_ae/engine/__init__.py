"""Long runs: training, run folders, checkpoints, thresholds, devices."""
