"""Writes what the playground loads: its own page, the shipped network as ONNX, painted nuts, colours and thresholds.

encoder.onnx    image float32 [1, 3, 256, 256] in [0, 1] -> z [1, 500, 1, 1]; weights of both in half precision
decoder.onnx    z -> reconstruction float32 [1, 3, 256, 256] in [0, 1]
nuts/NN.png     painted nuts that no training saw, nuts/NN_mask.png their defects, nuts/all.jpg all of them, small
data.json       names, colours of `hazelnut_ae.figures`, thresholds of the run and of the bank, sizes of files
The memory bank's files are described in `memory_bank_files`.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from matplotlib import colormaps
from PIL import Image
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hazelnut_ae import figures, metrics, synthetic, thresholds
from hazelnut_ae.inference.loaded import load_detector
from hazelnut_ae.shipped import FOLDER

from memory_bank_files import onnx_bytes, write_bank

SOURCE = Path(__file__).resolve().parent / "playground"
NUTS = (*[None] * 16, "crack", "crack", "cut", "cut", "hole", "hole", "print", "print")
SEED = 20  # of these nuts alone; the shipped run's data were painted with another
SMALL = 64  # pixels of a nut in nuts/all.jpg
ORT = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
HALVED = 1000  # numbers in a weight from which on it is stored in half precision
TOLERANCE = 1e-3  # of a pixel's residual, between the two files and the run


def write_playground(folder, node_modules):
    """Fills `folder`; what is there already and depends on nothing that changed is written anew all the same."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("README.md", "package.json", "*.test.js"))
    (folder / "ort").mkdir()
    for name in ORT:
        shutil.copy(node_modules / "onnxruntime-web" / "dist" / name, folder / "ort")
    detector = load_detector(FOLDER / "article")
    images = write_nuts(folder / "nuts")
    maps = write_network(folder, detector.detector.model.eval().cpu(), images)
    bank = write_bank(folder, images)
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in loaded_files(folder)}
    write_data(folder / "data.json", detector, bank, sizes, metrics.image_scores(maps))


def loaded_files(folder):
    """The files that are large enough for a progress bar."""
    return sorted(path for path in folder.rglob("*") if path.suffix in (".onnx", ".wasm", ".safetensors"))


def write_network(folder, model, images):
    """encoder.onnx and decoder.onnx, compared with the network on images uint8 [N, 3, 256, 256]; returns their maps."""
    x = torch.from_numpy(images).float() / 255  # [N, 3, 256, 256]
    with torch.no_grad():
        z = model.encoder(x)  # [N, 500, 1, 1]
        expected = (x - model.decoder(z)).abs().amax(dim=1).numpy()  # [N, 256, 256]
    encoder = halved(onnx_bytes(fused(model.encoder), (x[:1],), ["image"], ["z"]))
    decoder = halved(onnx_bytes(fused(model.decoder), (z[:1],), ["z"], ["reconstruction"]))
    (folder / "encoder.onnx").write_bytes(encoder)
    (folder / "decoder.onnx").write_bytes(decoder)
    sessions = [onnxruntime.InferenceSession(content) for content in (encoder, decoder)]
    maps = []
    for one in x.numpy():
        (code,) = sessions[0].run(None, {"image": one[None]})
        (reconstruction,) = sessions[1].run(None, {"z": code})
        maps.append(np.abs(one - reconstruction[0]).max(axis=0))
    difference = np.abs(np.stack(maps) - expected).max()
    assert difference <= TOLERANCE, f"the playground's network differs from the run by {difference:.2g}"
    return np.stack(maps)


def halved(content):
    """The same model with its large weights in half precision; a runtime widens them once, when it loads them."""
    model = onnx.load_from_string(content)
    graph, casts = model.graph, []
    for weight in graph.initializer:
        numbers = onnx.numpy_helper.to_array(weight)
        if numbers.dtype == np.float32 and numbers.size >= HALVED:
            name = weight.name
            weight.CopyFrom(onnx.numpy_helper.from_array(numbers.astype(np.float16), f"{name}_half"))
            casts.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model.SerializeToString()


def fused(layers):
    """The layers of an encoder or decoder with each BatchNorm folded into the convolution before it."""
    result = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            result[-1] = fuse_conv_bn_eval(result[-1], layer, transpose=isinstance(result[-1], nn.ConvTranspose2d))
        else:
            result.append(layer)
    return nn.Sequential(*result).eval()


def write_nuts(folder):
    """Paints the nuts into a folder and returns them, uint8 [N, 3, 256, 256]."""
    folder.mkdir()
    rng = np.random.default_rng(SEED)
    sheet = Image.new("RGB", (SMALL * len(NUTS), SMALL))
    images = []
    for number, defect in enumerate(NUTS):
        image, mask = synthetic.paint(rng, defect)  # uint8 [256, 256, 3], bool [256, 256]
        picture = Image.fromarray(image)
        picture.save(folder / f"{number:02d}.png", optimize=True)
        if defect:
            Image.fromarray(mask).save(folder / f"{number:02d}_mask.png")
        sheet.paste(picture.resize((SMALL, SMALL), Image.Resampling.BOX), (SMALL * number, 0))
        images.append(image.transpose(2, 0, 1))
    sheet.save(folder / "all.jpg", quality=88)
    return np.stack(images)


def write_data(path, detector, bank, sizes, scores):
    """What the page's scripts need to know, so that no number or colour stands in two places.

    bank: metadata of the memory bank; sizes: bytes of the large files; scores: the network's, of each nut untouched.
    """
    heat = (colormaps["inferno"](np.linspace(0, 1, 256))[:, :3] * 255).round().astype(int)  # [256, 3]
    colour = {"found": figures.FOUND, "truth": figures.TRUTH}
    nuts = [
        {"file": f"{number:02d}.png", "defect": defect, "score": round(float(score), 4)}
        for number, (defect, score) in enumerate(zip(NUTS, scores, strict=True))
    ]
    content = {
        "nuts": nuts,
        "heat": heat.tolist(),
        "colours": {name: [round(255 * part) for part in value] for name, value in colour.items()},
        "tau": {"printed": thresholds.DEFAULT_PRINTED_TAU, "label_free": detector.tau},
        "image_tau": detector.image_tau,
        "held_out": len(detector.calibration.held_out_scores),
        "false_alarms": detector.calibration.false_alarms,
        "image_score_pixels": metrics.IMAGE_SCORE_PIXELS,
        "bank": bank,
        "sizes": sizes,
    }
    path.write_text(json.dumps(content), encoding="utf-8")
