"""Files, images and the cache: what everything that touches the disk shares."""
