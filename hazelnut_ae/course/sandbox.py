"""Runs a student's notebook in bubblewrap, or as a plain process.

This file also runs inside the sandbox: it reads the task as JSON and prints the verdicts as JSON.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import hazelnut_ae
from hazelnut_ae.errors import DataError

SELF = "hazelnut_ae.course.sandbox"
PACKAGE = Path(hazelnut_ae.__file__).resolve().parent
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/ld.so.cache", "/etc/fonts")
KEPT = ("PATH", "LANG", "LC_ALL", "OMP_NUM_THREADS", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR")
DISK = 512 << 20  # bytes that a notebook may write to one file
PROTECTION = {
    "bwrap": "Each notebook runs in bubblewrap. It has no network, sees no other process, reads only the system's "
    "programs, Python, this package and its cache; what it writes is lost.",
    "trust": "WARNING: each notebook runs as a program of yours. It can use the network and read, change and delete "
    "your files; only its time and its memory are limited.",
}
OTHER_WAYS = "use a container (book/teach/grading.md) or, for notebooks that you would run yourself, give --trust"


def choose(trust=False):
    """Returns the mode: "trust" or "bwrap". Raises DataError if bubblewrap cannot isolate on this machine."""
    if trust:
        return "trust"
    if not shutil.which("bwrap"):
        why = "bubblewrap is not installed; install it (Linux, or WSL on Windows: apt install bubblewrap)"
        raise DataError(f"Nothing was graded: {why}, {OTHER_WAYS}.")
    tried = subprocess.run([*_bwrap(()), "true"], capture_output=True, stdin=subprocess.DEVNULL)
    if tried.returncode:
        words = tried.stderr.decode(errors="replace").strip()[-150:]
        raise DataError(f"Nothing was graded: bubblewrap is not allowed to isolate here ({words}); {OTHER_WAYS}.")
    return "bwrap"


def _bwrap(readable):
    sized = b"--size" in subprocess.run(["bwrap", "--help"], capture_output=True).stdout  # from version 0.7 on
    options = "--unshare-all --cap-drop ALL --die-with-parent --new-session --dev /dev --proc /proc".split()
    options += [*(("--size", str(DISK)) if sized else ()), "--tmpfs", "/tmp"]
    options += [word for path in (*SYSTEM, *readable) for word in ("--ro-bind-try", path, path)]
    return ["bwrap", *options, "--remount-ro", "/", "--chdir", "/tmp"]


def run(task, mode, environment):
    """Runs a task in a sandbox.

    Args:
        task: a dict. "setup": the project's code; "cells": dicts with "kind" (lesson, answer or check), "exercise" (a
            number or None) and "code"; "files": {name: text}, for its folder; "missing": exercises as handed out;
            time limits "seconds" for a cell and "total"; "memory": in GB beyond what the set-up takes.
        mode: "bwrap" or "trust".
        environment: the HAZELNUT_* variables of the notebook; the folders that they name can be read.

    Returns: {"verdicts": {exercise: [result, message]}} or {"problem": message}; the sandbox may have forged both.
    """
    libraries = [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")]
    readable = {str(PACKAGE), sys.prefix, sys.base_prefix, *libraries, *filter(os.path.isabs, environment.values())}
    words = [*(_bwrap(sorted(readable)) if mode == "bwrap" else ()), sys.executable, "-m", SELF]
    variables = {key: os.environ[key] for key in KEPT if key in os.environ} | environment
    variables |= {"PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), *libraries]), "PYTHONIOENCODING": "utf-8"}
    with tempfile.TemporaryDirectory(prefix="hazelnut-grade-", ignore_cleanup_errors=True) as folder:
        variables |= {key: "/tmp" if mode == "bwrap" else folder for key in ("TMPDIR", "TEMP", "TMP")}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(words, env=variables, cwd=folder, start_new_session=True, **pipes)
        late = threading.Timer(task["total"] + 60, _end, (process,))  # in case it does not stop itself
        late.start()
        try:
            with contextlib.suppress(OSError):  # it has ended; its output says why
                process.stdin.write(json.dumps(task).encode())
                process.stdin.close()
            said = process.stdout.read(1 << 20).decode(errors="replace").strip().splitlines() or ["it said nothing"]
        finally:
            late.cancel()
            _end(process)
            process.stdout.close()
    try:
        return json.loads(next(line for line in reversed(said) if line.startswith('{"')))
    except (StopIteration, ValueError, RecursionError):
        return {"problem": f"the notebook's process ended early ({said[-1][:150]})"}


def _end(process):
    with contextlib.suppress(OSError, AttributeError):  # Windows has no such groups of processes
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


# What follows runs inside the sandbox.


def limit_memory(more):
    """Limits this process to `more` bytes in addition to its present memory, if the system can do it."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (DISK, DISK))
        more += int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (more, more))


def work(task, folder):
    """Runs the cells of a task in one kernel, in `folder`; returns the same as `run`.

    If a cell hangs or ends the kernel, the notebook starts again without it. The slow cells of the lesson itself run
    only if an answer misses a name without them.
    """
    limit = f"__import__('{SELF}', fromlist=['_']).limit_memory({task['memory'] * 1e9:.0f})"
    cells = [{"kind": "setup", "exercise": None, "code": code} for code in (*task["setup"], limit)] + task["cells"]
    left_out = lessons = {i for i, cell in enumerate(cells) if cell["kind"] == "lesson"}
    verdicts, failed, ends = {}, {}, time.monotonic() + task["total"]
    while time.monotonic() < ends:
        stopped = _attempt(cells, task, folder, ends, left_out, verdicts, failed)
        if isinstance(stopped, str):
            return {"problem": f"the set-up stopped: {stopped}"}
        lacking = [one for one, (_, message) in verdicts.items() if message.startswith(("NameError", "KeyError"))]
        if stopped is not None:
            left_out = left_out | {stopped}
        elif left_out & lessons and any(one not in task["missing"] for one in lacking):
            left_out, lessons, verdicts = left_out - lessons, set(), {}
        else:
            break
    return {"verdicts": verdicts}


def _attempt(cells, task, folder, ends, left_out, verdicts, failed):
    """Fills in verdicts and failed helper cells; returns the set-up's error, or the index of a cell that stopped it."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    class Client(NotebookClient):
        def output(self, outs, *rest):
            del outs[:-50]  # an endless print must not fill the memory
            return super().output(outs, *rest)

    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell["code"]) for cell in cells])
    options = {"allow_errors": True, "kernel_name": "python3", "shutdown_kernel": "immediate"}
    client, errors = Client(book, resources={"metadata": {"path": str(folder)}}, **options), {}
    with client.setup_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        for i, cell in enumerate(cells):
            kind, number, left = cell["kind"], cell["exercise"], ends - time.monotonic()
            if left <= 0 or i in left_out or (kind == "check" and number in verdicts):
                continue
            client.timeout = max(1, round(left if kind == "setup" else min(task["seconds"], left)))
            stop = None
            try:
                outputs = client.execute_cell(book.cells[i], i).outputs
                error = next((f"{one.ename}: {one.evalue}" for one in outputs if one.output_type == "error"), "")
            except CellTimeoutError:
                stop = ["timeout", f"not done after {client.timeout} seconds"]
            except DeadKernelError:
                stop = ["error", "it ended the kernel: out of memory, or by its own doing"]
            why = stop[1] if stop else error
            if kind == "setup" and why:
                return why
            if kind == "answer" and not number:  # a helper: the answers below may need it
                failed[i] = why and f"the cell {cell['code'].splitlines()[0][:40]!r} failed: {why}"
            if stop:
                verdicts |= {number: stop} if number else {}
                return i
            if kind == "check":
                printed = "".join(output.text for output in outputs if output.get("name") == "stdout")
                result, message = verdict(number, printed, errors.get(number, ""), error, task["memory"])
                because = next(filter(None, failed.values()), "") if message.startswith("NameError") else ""
                verdicts[number] = [result, f"{message}; {because}" if because else message]
            elif error:
                errors[number] = error


def verdict(number, printed, of_answer, of_check, memory):
    """Returns [result, message] from the last line that `check` printed and the errors of answer and check."""
    said = re.findall(rf"Exercise {number}: (right\.|not yet\..*)$", printed, re.MULTILINE)
    if said[-1:] == ["right."]:
        return ["passed", ""]
    of_check = said[-1].removeprefix("not yet.") if said else of_check or "the check came to no end"
    message = ((of_answer or of_check).strip() or "it does not hold").splitlines()[0]
    is_error = of_answer or not said or re.match(r"[A-Za-z_]\w*(Error|Exception|Iteration|Warning)\b", message)
    if is_error and re.search("MemoryError|can't allocate memory|Cannot allocate memory", message):
        message = f"it took more than {memory:g} GB of memory"
    return ["error" if is_error else "failed", message]


def main():
    """Reads a task from standard input, runs it, prints the verdicts."""
    task, place = json.load(sys.stdin), Path(tempfile.mkdtemp())
    (place / "work").mkdir()
    os.environ |= {name: str(place) for name in ("HOME", "USERPROFILE", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR")}
    cache = Path(os.environ["HAZELNUT_CACHE"])
    if not os.access(cache, os.W_OK):  # in a sandbox: links to the files, in a writable folder
        skip = shutil.ignore_patterns("*.lock", ".building-*", ".painting-*")
        shutil.copytree(cache, cache := place / "cache", copy_function=os.symlink, ignore=skip)
    os.environ |= {"HAZELNUT_CACHE": str(cache), "MPLCONFIGDIR": str(cache / "matplotlib")}
    for name, text in task["files"].items():
        (place / "work" / name).write_text(text, encoding="utf-8")
    print(json.dumps(work(task, place / "work")))


if __name__ == "__main__":
    main()
