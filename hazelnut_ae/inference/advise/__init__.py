"""What to choose for a folder of images, and why: `hazelnut-ae advise`, and the last lines of `hazelnut-ae check`."""
