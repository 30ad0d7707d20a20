"""A memory bank of pretrained features: is there a patch like this one among the good ones? (beyond the article)

PatchCore: K. Roth, L. Pemula, J. Zepeda, B. Schölkopf, T. Brox, P. Gehler: Towards Total Recall in Industrial Anomaly
Detection, CVPR 2022. Nothing is trained. A network that once learnt to tell the thousand classes of ImageNet sees
edges, grain and colour in its first stages; what it sees at each place of the good images is kept in a bank, thinned
out to a coreset, and a place of a new image is as abnormal as it is far from everything in the bank.

Chosen here, by trial on painted hazelnuts and on hazelnut_toy: EfficientNet-Lite0, its stages at stride 2, 4, 8 and 16
(the paper's are at 8 and 16 of a network fifty times as large), images enlarged to 640 pixels, a neighbourhood of 7×7,
all stages given the same weight, and that images are never turned.
"""

import math

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F
from tqdm import tqdm

from hazelnut_ae.engine.backbones import imagenet_stages
from hazelnut_ae.training import to_float

IMAGES = 400  # looked at by `fit`, at most: more good images make a bank neither larger nor slower
PROJECTED = 32  # numbers that are left of a feature while the coreset is chosen
GRID = 2  # the stage on whose grid patches lie, that at stride 8: 80×80 of them to an image
PART = 1024  # patches compared at once: their table of distances to a bank of 5,000 takes 20 MB


def locally_aware(stages, neighbourhood):
    """What the stages of a network see, [N, C, H, W] each, as patches [N, P, C + C' + …]; P = H·W of stage GRID.

    Each place is the average over its neighbourhood×neighbourhood places (section 3.1): a patch that knows what is
    around it, and that may lie a little aside. Finer and coarser stages are brought to the grid of one of them.
    """
    grid = stages[GRID].shape[-2:]
    half = neighbourhood // 2
    together = []
    for seen in stages:
        seen = F.avg_pool2d(seen, neighbourhood, stride=1, padding=half, count_include_pad=False)  # [N, C, H, W]
        together.append(F.interpolate(seen, size=grid, mode="bilinear"))
    return torch.cat(together, dim=1).flatten(2).transpose(1, 2)  # [N, P, C + C' + …]


def coreset(features, size, seed=0):
    """The numbers [size] of features that stand for all of [N, D]: greedy k-center (Algorithm 1 of the paper).

    The next one is always the one that is farthest from those chosen so far, so what is rare among the good is kept as
    surely as what is frequent. No set of this size has less than half the largest gap of this one (Gonzalez, 1985).
    Distances are taken between random projections to 32 numbers, which hardly change them (Johnson & Lindenstrauss).
    No row comes twice; fewer than `size` come back where there are no more different ones.
    """
    generator = torch.Generator().manual_seed(seed)
    if features.shape[1] > PROJECTED:
        features = features @ torch.randn(features.shape[1], PROJECTED, generator=generator)  # [N, 32]
    squares = features.square().sum(dim=1)  # [N]
    farthest = int(torch.randint(len(features), (1,), generator=generator))
    gaps, chosen = torch.full((len(features),), torch.inf), []  # gaps: squared distances to the nearest chosen one
    while len(chosen) < size and gaps[farthest] > 0:
        chosen.append(farthest)
        newest = features[farthest]
        to_newest = torch.addmv(squares, features, newest, alpha=-2) + squares[farthest]  # |a|² − 2 a·b + |b|², [N]
        gaps = torch.minimum(gaps, to_newest)
        gaps[farthest] = 0  # exactly, whatever rounding left
        farthest = int(gaps.argmax())
    return torch.tensor(chosen)


def nearest_distances(patches, bank):
    """The Euclidean distance of each patch [P, D] to the one in the bank [K, D] that is nearest to it: [P], ≥ 0."""
    return torch.cat([torch.cdist(part, bank).amin(dim=1) for part in patches.split(PART)])


class MemoryBank:
    """The memory bank as a `Detector`."""

    has_printed_tau = False

    def __init__(
        self,
        network=None,
        side=640,
        neighbourhood=7,
        candidates=50_000,
        size=5_000,
        blur=1.0,
        seed=0,
        device="cpu",
    ):
        """network: a `Stages`, by default with the weights of ImageNet; side: pixels that images are enlarged to;
        candidates: patches of good images, of which `size` stay; blur: of the map, the Gaussian's σ in pixels.

        Raises: DataError if no weights can be had.
        """
        self.network = (network or imagenet_stages()).to(device)
        self.name = f"memory bank ({self.network.name})"
        self.side, self.neighbourhood, self.blur = side, neighbourhood, blur
        self.candidates, self.size, self.seed, self.device = candidates, size, seed, device
        self.mean = self.scale = self.bank = None

    @torch.inference_mode()
    def patches(self, image):
        """What the network sees of one image uint8 [3, 256, 256]: float32 [80·80, 160], a row per place."""
        x = to_float(np.asarray(image)[None]).to(self.device)  # [1, 3, 256, 256]
        x = F.interpolate(x, size=(self.side, self.side), mode="bilinear")  # [1, 3, 640, 640]
        return locally_aware(self.network(x), self.neighbourhood)[0]

    @torch.inference_mode()
    def fit(self, good):
        """Keeps a coreset of what the network sees in uint8 [N, 3, 256, 256], N ≥ 1; the same seed, the same bank."""
        generator = torch.Generator().manual_seed(self.seed)
        rows = np.unique(np.linspace(0, len(good) - 1, IMAGES).round().astype(int))  # all of them, up to 400
        features = []
        for row in tqdm(rows, desc="memory bank: features", disable=None):
            patches = self.patches(good[row])  # [6400, 160]
            chosen = torch.randperm(len(patches), generator=generator)[: -(-self.candidates // len(rows))]
            features.append(patches[chosen])
        features = torch.cat(features)  # [about 50,000, 160]
        self.mean = features.mean(dim=0)  # [160]
        by_stage = features.var(dim=0).split(self.network.widths)  # [16], [24], [40], [80]
        self.scale = torch.cat([part.sum().clamp_min(1e-12).rsqrt().expand(len(part)) for part in by_stage])  # [160]
        features = (features - self.mean) * self.scale  # each stage of variance 1, however many numbers it has
        self.bank = features[coreset(features, self.size, self.seed)]  # [5,000, 160]

    @torch.inference_mode()
    def anomaly_maps(self, images):
        """The distance to the bank at each place of uint8 [N, 3, H, W], enlarged and blurred: float32 [N, H, W] ≥ 0."""
        maps = np.zeros((len(images), *images.shape[2:]), np.float32)
        for row, image in enumerate(tqdm(images, desc="memory bank: maps", disable=None)):
            patches = (self.patches(image) - self.mean) * self.scale  # [6400, 160]
            grid = math.isqrt(len(patches))
            distances = nearest_distances(patches, self.bank).reshape(1, 1, grid, grid)  # [1, 1, 80, 80]
            distances = F.interpolate(distances, size=images.shape[2:], mode="bilinear")  # [1, 1, 256, 256]
            maps[row] = gaussian_filter(distances[0, 0].cpu().numpy(), self.blur, mode="nearest")
        return maps

    def map_network(self):
        """What `anomaly_maps` computes, as one torch module."""
        from hazelnut_ae.engine.bank_network import BankNetwork  # only now: it needs what stands above

        return BankNetwork(self)

    def state(self):
        """The bank, how patches are scaled, and the network itself: all that the same maps take, for safetensors."""
        network = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        return {"mean": self.mean, "scale": self.scale, "bank": self.bank} | network

    def restore(self, state):
        """Takes over what another one has learnt; raises RuntimeError or ValueError if that has another network."""
        prefix = "network."
        network = {name.removeprefix(prefix): one for name, one in state.items() if name.startswith(prefix)}
        self.network.load_state_dict(network)
        width = sum(self.network.widths)
        shapes = {name: tuple(state[name].shape) for name in ("mean", "scale", "bank")}
        if shapes["mean"] != (width,) or shapes["scale"] != (width,) or shapes["bank"][1:] != (width,):
            raise ValueError(f"the bank {list(shapes['bank'])} is not one of patches of {width} numbers")
        self.mean, self.scale, self.bank = (state[name].to(self.device) for name in ("mean", "scale", "bank"))
