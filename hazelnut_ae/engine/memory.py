"""What this process asks of the C library's allocator, and how much memory it takes."""

import contextlib
import ctypes
from pathlib import Path

# glibc's mallopt parameters and the values it starts with; no other C library knows them
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
STARTS_WITH = {TRIM_THRESHOLD: 128 << 10, MMAP_THRESHOLD: 128 << 10, MMAP_MAX: 65536}


@contextlib.contextmanager
def _allocator(settings):
    """Within it, glibc's allocator works by these settings; afterwards by those that it starts with."""
    with contextlib.suppress(OSError, AttributeError):  # another C library: nothing to tell it
        libc = ctypes.CDLL("libc.so.6")
        for parameter, value in settings.items():
            libc.mallopt(parameter, value)
    try:
        yield
    finally:
        with contextlib.suppress(OSError, AttributeError):
            libc = ctypes.CDLL("libc.so.6")
            for parameter in settings:
                libc.mallopt(parameter, STARTS_WITH[parameter])


def kept():
    """Within it, freed memory stays with the process: no large block is mapped on its own, and the heap is not trimmed.

    A training step allocates and frees the same few hundred MB; getting them anew costs page faults each time.
    """
    return _allocator({MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1})


def release_memory(megabytes=8):
    """Within it, freed blocks of this size go back to the system; else each thread keeps what its largest image took.

    32, the most that glibc takes, leaves a memory bank its layers: getting them anew for each image took half the time.
    """
    trimmed = {TRIM_THRESHOLD: 256 << 20} if megabytes > 8 else {}
    return _allocator({MMAP_THRESHOLD: megabytes << 20} | trimmed)


def memory_gb(line="VmHWM"):
    """This process's memory in GB by a line of /proc/self/status; None where the operating system does not tell.

    "VmHWM" is its largest resident size since `forget_largest_memory`, "RssAnon" what it holds without mapped files.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(text.split()[1]) for text in lines if text.startswith(line)) * 1024 / 1e9
    except (OSError, StopIteration):
        return None


def forget_largest_memory():
    """Lets "VmHWM" count from now on, on Linux; elsewhere nothing happens. What is free is given back first."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # also where freed memory is `kept`
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
