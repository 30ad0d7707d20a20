"""Runs a torch module as an ONNX graph in onnxruntime, on a CPU several times as fast; tests compare it with torch."""

import io
import threading
import warnings
from collections.abc import Callable

import numpy as np
import torch

OPSET = 17  # the ONNX version that a runtime must support; from 2022
LOCK = threading.Lock()  # torch's exporter is not thread-safe


class Graph:
    """A graph, read or made at its first call; thread-safe. read: from the size (H, W) of images to `onnx_bytes`."""

    def __init__(self, read: Callable[[tuple[int, int]], bytes]):
        self.read, self.sessions = read, {}

    def __call__(self, images: np.ndarray) -> list[np.ndarray]:
        """Returns the outputs for images uint8 [N, 3, H, W]."""
        with LOCK:
            if (size := images.shape[2:]) not in self.sessions:
                self.sessions[size] = session(self.read(size))
        return self.sessions[size].run(None, {"images": np.asarray(images, np.float32) / 255})


def session(content: bytes):
    """Returns the onnxruntime.InferenceSession of a graph, with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a thread that waits leaves the core free
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def onnx_bytes(module, size, outputs, scalars=(), takes="float32") -> bytes:
    """Returns a module of images [N, 3, *size] as a serialized ONNX graph. Raises RuntimeError if ONNX cannot say it.

    outputs, scalars: names of outputs with a row per image, and of further ones without; takes: dtype of images.
    """
    file, example = io.BytesIO(), torch.zeros(1, 3, *size, dtype=getattr(torch, takes))
    options = dict(input_names=["images"], output_names=[*outputs, *scalars], opset_version=OPSET, dynamo=False)
    axes = {name: {0: "N"} for name in ("images", *outputs)}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), (example,), file, dynamic_axes=axes, **options)
    return file.getvalue()
