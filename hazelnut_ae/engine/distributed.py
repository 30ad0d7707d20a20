"""One run in several processes (torchrun), and a clean stop on Ctrl-C.

Each process computes its share of a batch; DistributedDataParallel averages the gradients. Only BatchNorm differs from
one process: it uses the statistics of the process's own share.
"""

import contextlib
import os
import signal
from types import SimpleNamespace

import torch
import torch.distributed as dist


def join_processes() -> tuple[int, int]:
    """Returns (rank, number of processes) under torchrun, else (0, 1)."""
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world > 1 and not dist.is_initialized():
        nccl = torch.cuda.is_available() and dist.is_nccl_available()
        dist.init_process_group("cpu:gloo,cuda:nccl" if nccl else "gloo")
    return int(os.environ.get("RANK", 0)), world


@contextlib.contextmanager
def first_process_first(rank, world):
    """Runs the block in the first process before the others, so that only the first creates the run folder."""
    if rank > 0:
        dist.barrier()
    yield
    if rank == 0 and world > 1:
        dist.barrier()


def mean_over_processes(value, world):
    """Returns the mean over all processes of a scalar tensor, such as the loss, as a float."""
    if world > 1:
        dist.all_reduce(value, dist.ReduceOp.SUM)
    return value.item() / world


@contextlib.contextmanager
def stop_signals():
    """Yields an object; Ctrl-C and SIGTERM set its `wanted` to True. A second Ctrl-C interrupts at once."""
    stop = SimpleNamespace(wanted=False)

    def handle(number, frame):
        if stop.wanted and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.wanted = True

    before = {}
    with contextlib.suppress(ValueError):  # only the main thread may set handlers
        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
