"""Runs a torch module as an ONNX graph in onnxruntime, on a CPU several times as fast; tests compare it with torch."""

import io
import threading
import warnings
from collections.abc import Callable

import numpy as np
import onnx
import torch
from torch import nn

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


class Tiled(nn.Module):
    """Applies a module to one tile of images after the other, and joins its outputs [N, P, …] to [N, T·P, …].

    In a graph this is a loop: the graph is no larger than that of one tile, and only one tile at a time has features.
    """

    def __init__(self, one, rows, columns):
        super().__init__()
        self.one, self.rows, self.columns, self.shapes = one, rows, columns, ()

    def forward(self, x):  # [N, 3, H, W]
        tiles = [tile for row in x.chunk(self.rows, dim=2) for tile in row.chunk(self.columns, dim=3)]
        if len(tiles) > 1 and torch.onnx.is_in_onnx_export():
            found = Loop.apply(torch.stack(tiles), self.shapes)  # [T, N, P, …] each
            return tuple(output.transpose(0, 1).flatten(1, 2) for output in found)
        return tuple(torch.cat(outputs, dim=1) for outputs in zip(*map(self.one, tiles), strict=True))


class Loop(torch.autograd.Function):
    """The place in a graph where `onnx_bytes` puts the loop: an ONNX Scan. In torch it computes nothing."""

    @staticmethod
    def forward(_, tiles, shapes):
        return tuple(tiles.new_zeros(len(tiles), *shape) for shape in shapes)

    @staticmethod
    def symbolic(graph, tiles, shapes):
        found = graph.op("tiles::Scan", tiles, outputs=len(shapes))
        for output, shape in zip(found, shapes, strict=True):
            output.setType(tiles.type().with_sizes([None] * (1 + len(shape))))
        return found


def onnx_bytes(module, size, outputs, scalars=(), takes="float32") -> bytes:
    """Returns a module of images [N, 3, *size] as a serialized ONNX graph. Raises RuntimeError if ONNX cannot say it.

    outputs, scalars: names of outputs with a row per image, and of further ones without; takes: dtype of images.
    """
    file, example = io.BytesIO(), torch.zeros(1, 3, *size, dtype=getattr(torch, takes))
    options = dict(input_names=["images"], output_names=[*outputs, *scalars], opset_version=OPSET, dynamo=False)
    axes = {name: {0: "N"} for name in ("images", *outputs)}
    tiled = [part for part in module.modules() if isinstance(part, Tiled) and part.rows * part.columns > 1]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in tiled:
            tile = size[0] // part.rows, size[1] // part.columns
            part.shapes = [output.shape for output in part.one(torch.zeros(1, 3, *tile))]
        torch.onnx.export(module.eval(), (example,), file, dynamic_axes=axes, **options)
    return with_loop(file.getvalue(), tiled[0], tile) if tiled else file.getvalue()


def with_loop(content, tiled, tile):
    """Returns a graph whose `Loop` has its body: the module of one tile of size (H, W)."""
    model, names = onnx.load_model_from_string(content), [f"output {i}" for i in range(len(tiled.shapes))]
    body = onnx.load_model_from_string(onnx_bytes(Tiled(tiled.one, 1, 1), tile, names))
    (loop,) = (node for node in model.graph.node if node.domain == "tiles")
    loop.domain, values = "", {"body": onnx.compose.add_prefix(body, "tile ").graph, "num_scan_inputs": 1}
    loop.attribute.extend(onnx.helper.make_attribute(name, value) for name, value in values.items())
    del model.opset_import[1:]  # "tiles"
    return model.SerializeToString()
