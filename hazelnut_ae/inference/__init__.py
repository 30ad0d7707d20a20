"""New images without masks: which are bad, and where? `load_detector` in Python, `hazelnut-ae predict` for folders."""
