"""Makes this machine behave like Windows, for every Python process that finds this folder on its path.

What Windows refuses is refused: fsync on a read-only handle; moving, replacing or removing a file that this process has
open or mapped. What it lacks is gone: hard links (as on a memory stick), fork, wait4, posix_fallocate.
"""

import errno
import fcntl
import os

real = {name: getattr(os, name) for name in ("fsync", "replace", "rename", "unlink", "remove", "rmdir")}


def fsync(handle):
    if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "Bad file descriptor (as on Windows)")
    real["fsync"](handle)


def in_use(path):
    """Whether this process has the file, or one in the folder, open or mapped."""
    path = os.path.realpath(path)
    used = []
    for handle in os.listdir("/proc/self/fd"):
        try:
            used.append(os.readlink(f"/proc/self/fd/{handle}"))
        except OSError:
            continue
    with open("/proc/self/maps") as maps:
        used += [line.split(maxsplit=5)[5].strip() for line in maps if line.count("/")]
    folder = os.path.isdir(path)  # a handle of the folder itself is how Linux lists it
    return any(name.startswith(path + "/") if folder else name == path for name in used)


def refusing(name):
    def wrapper(*paths, **options):
        for path in paths:
            path = os.fspath(path)
            if options.get("dir_fd") is not None:
                path = os.path.join(os.readlink(f"/proc/self/fd/{options['dir_fd']}"), path)
            if os.path.lexists(path) and in_use(path):
                raise PermissionError(errno.EACCES, "The process cannot access the file (as on Windows)", path)
        return real[name](*paths, **options)

    return wrapper


os.fsync = fsync
for name in ("replace", "rename", "unlink", "remove"):
    setattr(os, name, refusing(name))
for name in ("link", "posix_fallocate", "fork", "forkpty", "wait4"):
    if hasattr(os, name):
        delattr(os, name)
os.environ["LIKE_WINDOWS"] = "yes"
