"""One run in several processes (torchrun), and a clean stop on Ctrl-C.

Each process computes its share of every batch, and DistributedDataParallel averages the gradients. So a step is the
same as in one process, except for BatchNorm: each process normalises by the statistics of its own share.
"""

import contextlib
import os
import signal

import torch
import torch.distributed as dist


def join_processes() -> tuple[int, int]:
    """Returns (rank, number of processes): those that torchrun started, else (0, 1)."""
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world > 1 and not dist.is_initialized():
        nccl = torch.cuda.is_available() and dist.is_nccl_available()
        dist.init_process_group("cpu:gloo,cuda:nccl" if nccl else "gloo")
    return int(os.environ.get("RANK", 0)), world


@contextlib.contextmanager
def first_process_first(rank, world):
    """The first process runs the block before the others begin it: it alone creates the run folder."""
    if rank > 0:
        dist.barrier()
    yield
    if rank == 0 and world > 1:
        dist.barrier()


def mean_over_processes(loss, world):
    """Returns the loss of the whole batch, of which each process has seen its share, as a float."""
    if world > 1:
        dist.all_reduce(loss, dist.ReduceOp.SUM)
    return loss.item() / world


class StopRequest:
    """Whether Ctrl-C or SIGTERM has come to this process (`wanted`) or to any process of the run."""

    wanted = False

    def in_any_process(self, world):
        flag = torch.tensor(float(self.wanted))
        if world > 1:
            dist.all_reduce(flag, dist.ReduceOp.MAX)  # so that all stop after the same step
        return bool(flag)


@contextlib.contextmanager
def stop_signals():
    """Yields a `StopRequest`, which Ctrl-C and SIGTERM set; a second Ctrl-C interrupts at once."""
    stop = StopRequest()

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
