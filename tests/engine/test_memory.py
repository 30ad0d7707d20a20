import subprocess
import sys

import pytest

from hazelnut_ae.engine import memory


@pytest.mark.slow
@pytest.mark.skipif(memory.memory_gb() is None, reason="only Linux tells")
def test_largest_memory_is_that_since_it_was_forgotten():
    """In a process of its own, which keeps freed memory as a training process does."""
    code = """
import torch
from hazelnut_ae.engine import memory
with memory.kept():
    memory.forget_largest_memory()
    before = memory.memory_gb()
    torch.ones(75_000_000)
    assert 0.2 < memory.memory_gb() - before < 0.4
    memory.forget_largest_memory()
    assert memory.memory_gb() - before < 0.1
"""
    subprocess.run([sys.executable, "-c", code], check=True)
