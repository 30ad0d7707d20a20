"""What this process asks of the C library's allocator, and how much memory it takes."""

import contextlib
import ctypes
from pathlib import Path


def give_back_large_blocks():
    """Has glibc return large freed blocks to the system; else each thread keeps what its largest image took."""
    with contextlib.suppress(OSError, AttributeError):  # another C library: nothing to tell it
        ctypes.CDLL("libc.so.6").mallopt(-3, 8 << 20)  # M_MMAP_THRESHOLD


def keep_memory():
    """Tells glibc not to map large blocks one by one and not to trim the heap; does nothing elsewhere.

    A step allocates and frees the same few hundred MB; getting them from the kernel anew costs page faults each time.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-4, 0)  # M_MMAP_MAX
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def memory_gb(line="VmHWM"):
    """This process's memory in GB by a line of /proc/self/status; None where the operating system does not tell.

    "VmHWM" is its largest resident size since `forget_largest_memory`, "RssAnon" what it holds without mapped files.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(text.split()[1]) for text in lines if text.startswith(line)) * 1024 / 1e9
    except (OSError, StopIteration):
        return None


def forget_largest_memory():
    """Lets "VmHWM" count from now on, on Linux; elsewhere nothing happens. What is free is given back first."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # also where `keep_memory` has told glibc not to trim by itself
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
