"""Several processes on one run, and stopping all of them in good order.

Under `torchrun --nproc-per-node=N` each process computes its share of every batch and the gradients are averaged
(DistributedDataParallel), so a step is the same step as in one process. BatchNorm is the exception: each process
normalises by the statistics of its own share, 32 / N images, and the running averages are those of the first process.
"""

import contextlib
import os
import signal

import torch
import torch.distributed as dist


def join_processes():
    """(rank, number of processes): (0, 1), unless torchrun started several; those are joined here once."""
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world > 1 and not dist.is_initialized():
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
        )
    return int(os.environ.get("RANK", 0)), world


@contextlib.contextmanager
def first_process_first(rank, world):
    """The first process does what is within it before the others begin: it alone creates the run folder."""
    if rank > 0:
        dist.barrier()
    yield
    if rank == 0 and world > 1:
        dist.barrier()


def mean_over_processes(loss, world):
    """The loss over the whole batch, of which each process has seen its share, as a float."""
    if world > 1:
        dist.all_reduce(loss, dist.ReduceOp.SUM)
    return loss.item() / world


class Stop:
    """Whether somebody asked to stop, by Ctrl-C or SIGTERM."""

    wanted = False

    def asked(self, world):
        """True once any of the processes was asked, so that all of them stop after the same step."""
        if world == 1:
            return self.wanted
        flag = torch.tensor(float(self.wanted))
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag)


@contextlib.contextmanager
def stop_signals():
    """Within it, Ctrl-C and SIGTERM set a flag instead of tearing a step apart; a second Ctrl-C interrupts at once."""
    stop = Stop()

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
