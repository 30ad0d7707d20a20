"""What a room, the process that runs one student's code, is kept from.

On Linux, where namespaces are allowed: it sees no network, no other process, and of the disk only Python, the package,
the painted images and an empty folder that is gone afterwards, all else is not there or cannot be written. Elsewhere
it is a process with limits: `promises()` says in plain words what that keeps it from, and what not.
"""

import contextlib
import ctypes
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import hazelnut_ae

SCRATCH = "/room"  # the one folder inside that can be written
SCRATCH_SIZE = 512 << 20  # bytes
PROCESSES = 512
UNSHARE = ("--user", "--map-root-user", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/ld.so.cache", "/etc/fonts")
DEVICES = ("null", "zero", "random", "urandom")
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "NUMBER_OF_PROCESSORS")
# of <linux/mount.h>, <linux/prctl.h> and <linux/capability.h>
NOSUID, NODEV, BIND, REC, PRIVATE, DETACH = 2, 4, 4096, 16384, 1 << 18, 2
MOUNT_SETATTR, AT_RECURSIVE, ATTR_RDONLY = 442, 0x8000, 1
CAPBSET_DROP, NO_NEW_PRIVS, CAPABILITY_VERSION = 24, 38, 0x20080522

WALLED = (
    "Each student's code runs in a process of its own, cut off from the network, from other processes and from every "
    "file but Python's, the package's and an empty folder's."
)
OPEN = (
    "This system lets us build no walls ({why}): a student's code is NOT cut off from the network, and may read and "
    "write what you may. Only its time{memory} is limited. Grade on Linux, in a virtual machine, or trusted code."
)


@functools.cache
def missing():
    """Why there are no walls on this system, as a few words; "" where there are."""
    if not sys.platform.startswith("linux"):
        return "they are of Linux"
    if shutil.which("unshare") is None:
        return "the program unshare is missing"
    with tempfile.TemporaryDirectory() as folder:
        command, environment = start_of(
            Path(folder), ("-c", "from hazelnut_ae.course.grading import walls; walls.enter()"), True
        )
        tried = subprocess.run(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True)
    words = tried.stderr.decode(errors="replace").strip().splitlines()
    return "" if tried.returncode == 0 else (words[-1] if words else "namespaces are not allowed")[:120]


def promises():
    """What the walls are worth here, in plain words."""
    memory = "" if sys.platform == "win32" else " and, where the system keeps to it, its memory"
    return OPEN.format(why=missing(), memory=memory) if missing() else WALLED


def start_of(folder, code, walled, extra=None, share=None):
    """(command, environment) of a Python process with its walls. folder: an empty one; code: what Python is to run.

    extra: variables; the process finds none of ours but these and those that Python needs; share: a folder of ours that
    it may write.
    """
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    home = SCRATCH if walled else str(folder)
    environment |= {name: home for name in ("HOME", "TMPDIR", "TEMP", "TMP", "USERPROFILE", "MPLCONFIGDIR")}
    environment |= {"PYTHONPATH": os.pathsep.join(import_path()), "PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "USER": "student", "LOGNAME": "student", "MPLBACKEND": "agg"}
    environment |= extra or {}
    if not walled:
        return [sys.executable, *code], environment
    shown = [path for path in _shown(extra or {}) if os.path.lexists(path)]
    from hazelnut_ae.io.cache import cache_folder  # its libraries take a moment, which no room shall wait for

    settings = {"root": str(folder), "shown": shown, "share": share, "cache": os.path.abspath(cache_folder())}
    environment["HAZELNUT_WALLS"] = json.dumps(settings)
    return ["unshare", *UNSHARE, sys.executable, *code], environment


def import_path():
    """Where a process that we start finds the package and its libraries; never the working folder."""
    libraries = [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")]
    return [str(Path(hazelnut_ae.__file__).resolve().parents[1]), *map(os.path.abspath, libraries)]


def _shown(extra):
    """What of the disk a room sees: the system, Python, the package, and the folders that variables name."""
    from hazelnut_ae.io.cache import cache_folder  # its libraries take a moment, which no room shall wait for

    python = {sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.realpath(sys.executable), *import_path()[1:]}
    python |= set(sysconfig.get_paths().values())
    folders = {value for name, value in extra.items() if name in ("HAZELNUT_DATA", "HAZELNUT_RUN")}
    ours = {str(Path(hazelnut_ae.__file__).resolve().parent), str(cache_folder()), *folders}
    every = sorted({os.path.abspath(path) for path in python | ours})
    return [*SYSTEM, *(path for path in every if not any(path.startswith(top + "/") for top in every))]


def enter():
    """Builds the walls around this process, if it was started for that; there is no way back.

    Raises: OSError where the system refuses.
    """
    settings = os.environ.pop("HAZELNUT_WALLS", None)
    if settings is None:
        return
    settings = json.loads(settings)
    root, libc = settings["root"], ctypes.CDLL(None, use_errno=True)

    def call(function, *arguments):
        if function(*arguments) != 0:
            error = ctypes.get_errno()
            raise OSError(error, f"{function.__name__}: {os.strerror(error)}")

    def mount(source, target, kind=None, flags=0, data=None):
        texts = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
        call(libc.mount, *texts, ctypes.c_ulong(flags), data)

    def writable(path, yes):
        change = (ctypes.c_uint64 * 4)(*((0, ATTR_RDONLY) if yes else (ATTR_RDONLY, 0)), 0, 0)
        arguments = (MOUNT_SETATTR, -100, os.fsencode(path), AT_RECURSIVE, change, ctypes.c_size_t(32))
        call(libc.syscall, *arguments)

    mount("none", "/", flags=REC | PRIVATE)
    mount("tmpfs", root, "tmpfs", NOSUID | NODEV, b"size=4m,mode=755")
    for path in filter(None, [*settings["shown"], settings["share"]]):
        _show(path, root + path, mount)
    for name in ("dev", "proc", "old", SCRATCH[1:]):
        os.makedirs(f"{root}/{name}", exist_ok=True)
    for name in DEVICES:
        _show(f"/dev/{name}", f"{root}/dev/{name}", mount)
    changes = _room_of_its_own(root, settings["cache"], mount)
    writable(root, False)
    if changes:
        writable(root + settings["cache"], True)
    if settings["share"]:
        writable(root + settings["share"], True)
    mount("proc", root + "/proc", "proc", NOSUID | NODEV)
    mount("tmpfs", root + SCRATCH, "tmpfs", NOSUID | NODEV, f"size={SCRATCH_SIZE},mode=700".encode())
    os.chdir(root)
    call(libc.pivot_root, b".", b"old")
    os.chdir(SCRATCH)
    call(libc.umount2, b"/old", DETACH)
    call(libc.prctl, NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in range(64):
        libc.prctl(CAPBSET_DROP, capability, 0, 0, 0)  # fails beyond the last that this kernel knows
    call(libc.capset, (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)())
    limit("RLIMIT_NPROC", PROCESSES)


def _room_of_its_own(root, cache, mount):
    """Lets a room write into the cache, where fits are kept, without changing it: what it writes is gone with the room.

    Returns whether the kernel can do that; else the cache can be read, and not written.
    """
    over = root + "/over"
    os.mkdir(over)
    mount("tmpfs", over, "tmpfs", NOSUID | NODEV, f"size={SCRATCH_SIZE},mode=700".encode())
    os.mkdir(over + "/new")
    os.mkdir(over + "/work")
    options = f"lowerdir={cache},upperdir={over}/new,workdir={over}/work,userxattr"
    try:
        mount("overlay", root + cache, "overlay", NOSUID | NODEV, os.fsencode(options))
    except OSError:
        return False
    return True


def _show(path, target, mount):
    """Lets a path of the disk appear under the new root; a link stays a link."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.lexists(target):
        return
    if os.path.islink(path) and path in SYSTEM:
        os.symlink(os.readlink(path), target)
    elif os.path.isdir(path):
        os.mkdir(target)
        mount(path, target, flags=BIND | REC)
    else:
        open(target, "x").close()
        mount(path, target, flags=BIND)


def limit(name, value):
    """Lowers one of the system's limits for this process for good, where there is such a limit."""
    with contextlib.suppress(ImportError, AttributeError, ValueError, OSError):
        import resource

        resource.setrlimit(getattr(resource, name), (value, value))


def limit_process(more, seconds):
    """Lets this process take that many bytes more than it has now, and compute for that long, where the system can.

    The seconds are for a room whose judge is gone.
    """
    with contextlib.suppress(OSError, AttributeError):
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
        more += pages * os.sysconf("SC_PAGE_SIZE")
    limit("RLIMIT_AS", more)
    limit("RLIMIT_CPU", int(seconds))
    limit("RLIMIT_CORE", 0)
    limit("RLIMIT_FSIZE", SCRATCH_SIZE)


def end(process):
    """Ends a process that was started in a session of its own, with all that it has started."""
    if sys.platform == "win32":
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], check=False, **quiet)
    else:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
