"""Real data sets: where they are published, the transfer, and taking an archive apart safely."""
