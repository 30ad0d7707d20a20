"""Where the time of a training step goes: convolutions of three channels, the others, BatchNorm, the rest."""

import itertools

import torch

from hazelnut_ae import training

CONVOLUTIONS = ("aten::_convolution", "aten::mkldnn_convolution", "aten::convolution_backward", "aten::convolution")


def step_shares(model, batch, steps=3):
    """Shares of an eager step on the processor, each in 0 … 1, of a model and a batch uint8 [N, 3, 256, 256].

    "narrow_convolutions" have 3 channels on one side; they are few multiplications and slow all the same, because a
    processor multiplies 8 or 16 channels at a time. "batch_norm" and most of "rest" read and write, and hardly compute.
    """
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    course = training.train(model, optimizer, itertools.repeat(batch))
    next(course)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profile:
        for _ in range(steps):
            next(course)
    spent = dict.fromkeys(("narrow_convolutions", "other_convolutions", "batch_norm", "rest"), 0.0)
    for event in profile.key_averages(group_by_input_shape=True):
        spent[kind(event.key, event.input_shapes)] += event.self_cpu_time_total
    return {name: value / sum(spent.values()) for name, value in spent.items()}


def kind(operation, shapes):
    """Which part of the step an operation on tensors of these shapes belongs to."""
    if operation in CONVOLUTIONS:
        kernels = [shape for shape in shapes if len(shape) == 4 and shape[2] == shape[3] in (3, 4, 8)]
        return "narrow_convolutions" if any(3 in shape[:2] for shape in kernels) else "other_convolutions"
    return "batch_norm" if "batch_norm" in operation else "rest"
