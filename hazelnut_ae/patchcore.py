"""Memory banks of pretrained features: is there a patch like this one among the good ones? (beyond the article)

PatchCore: K. Roth, L. Pemula, J. Zepeda, B. Schölkopf, T. Brox, P. Gehler: Towards Total Recall in Industrial Anomaly
Detection, CVPR 2022. Nothing is trained. A network that once learnt to tell the thousand classes of ImageNet sees
edges, grain and colour in its first stages, and parts of things in later ones. What it sees at each place of the good
images is kept in a bank, thinned out to a coreset, and a place of a new image is as abnormal as it is far from
everything in the bank.

Two banks look at the same image. The fine one, of images enlarged to 640 pixels and the stages at stride 2, 4, 8 and
16, finds a scratch; the coarse one, of images of 256 pixels and two stages at stride 8 and 16 with a neighbourhood of
3×3, as the paper's, finds a part that is missing or lies elsewhere. The map is the larger of both; whether the image
as a whole is defective, the coarse one says alone. Network (EfficientNet-Lite0), stages, size and neighbourhood of the
fine bank, and that images are never turned, were chosen by trial on painted hazelnuts and on hazelnut_toy; so was
WEIGHT, the largest one tried at which the coarse bank costs neither 0.005 of F1-max. That there is a coarse one, and
that it alone scores images, was decided after five sets had been measured without (`shipped/README.md`).
"""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from hazelnut_ae.backbones import imagenet_stages
from hazelnut_ae.detection import Detector, Prediction
from hazelnut_ae.engine.blur import GaussianBlur
from hazelnut_ae.synthetic_anomalies import paste_defects, tau_median
from hazelnut_ae.training import to_float

IMAGES = 400  # looked at by `fit`, at most: more good images make a bank neither larger nor slower
ASIDE = 10  # each tenth of them goes into no bank, but tells how far good images are from both
PROJECTED = 32  # numbers that are left of a feature while the coreset is chosen
GRID = 2  # the stage on whose grid patches lie, that at stride 8: 80×80 of them to an image of 640 pixels
PART = 256  # patches compared at once: their table of products with a bank of 5,000 takes 5 MB
FINE, COARSE = (0, 1, 2, 3), (2, 4)  # the stages that each bank keeps
WEIGHT = 0.6  # of the coarse bank's map beside the fine one's
PLACES = 10  # of the coarse bank's 32×32: an image's score is the mean of so many largest distances


def aggregate_neighbourhood(stages, grid, neighbourhood):
    """What the stages of a network see, [N, C, H, W] each, on one grid (h, w): patches [N, h·w, C + C' + …].

    Each place is the average over its neighbourhood×neighbourhood places (section 3.1): a patch that knows what is
    around it, and that may lie a little aside. Finer and coarser stages are brought to the same grid.
    """
    half = neighbourhood // 2
    together = []
    for seen in stages:
        seen = F.avg_pool2d(seen, neighbourhood, stride=1, padding=half, count_include_pad=False)  # [N, C, H, W]
        together.append(F.interpolate(seen, size=grid, mode="bilinear"))  # [N, C, h, w]
    return torch.cat(together, dim=1).flatten(2).transpose(1, 2)  # [N, h·w, C + C' + …]


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
    """The Euclidean distance of each patch [N, P, D] to the one in the bank [K, D] that is nearest to it: [N, P], ≥ 0.

    Which one is nearest, one matrix product tells: that of the largest a·b − |b|²/2. How far it is, |a|² − 2 a·b + |b|²
    would not say exactly, since large numbers cancel there; so it is taken from the difference itself.
    """
    halves = bank.square().sum(dim=1) / 2  # [K]
    distances = []
    for start in range(0, patches.shape[1], PART):
        part = patches[:, start : start + PART]  # [N, PART, D]
        nearest = (part @ bank.T - halves).max(dim=2).indices  # [N, PART]; faster than argmax
        distances.append((part - bank[nearest]).square().sum(dim=2).sqrt())
    return torch.cat(distances, dim=1)


class Bank(nn.Module):
    """What some stages of a network see in good images enlarged to `side` pixels, thinned out to a coreset."""

    def __init__(self, stages, widths, side, neighbourhood):
        super().__init__()
        self.stages, self.side, self.neighbourhood = stages, side, neighbourhood
        self.widths = [widths[i] for i in stages]
        for name, shape in (("mean", ()), ("scale", ()), ("kept", (0,))):
            self.register_buffer(name, torch.zeros(*shape, sum(self.widths)))

    def patches(self, network, x):
        """What a network's stages see in float32 [N, 3, H, W] in [0, 1]: [N, P, D], a row per place of a square."""
        x = F.interpolate(x, size=(self.side, self.side), mode="bilinear")  # [N, 3, S, S]
        seen = network(x, max(self.stages) + 1)
        return aggregate_neighbourhood([seen[i] for i in self.stages], seen[GRID].shape[-2:], self.neighbourhood)

    def keep(self, features, size, seed):
        """Of good patches [M, D] a coreset of `size`, each stage of variance 1, however many numbers it has."""
        self.mean = features.mean(dim=0)  # [D]
        by_stage = features.var(dim=0).split(self.widths)  # [C], [C'], …
        self.scale = torch.cat([part.sum().clamp_min(1e-12).rsqrt().expand(len(part)) for part in by_stage])  # [D]
        features = (features - self.mean) * self.scale
        self.kept = features[coreset(features, size, seed)]  # [size, D]

    def forward(self, network, x):
        """How far each place of images [N, 3, H, W] is from everything in the bank: [N, 1, h, w], ≥ 0."""
        distances = nearest_distances((self.patches(network, x) - self.mean) * self.scale, self.kept)  # [N, h·w]
        grid = math.isqrt(distances.shape[1])
        return distances.unflatten(1, (1, grid, grid))


class TwoBanks(nn.Module):
    """float32 [N, 3, H, W] in [0, 1] to anomaly maps float32 [N, H, W] ≥ 0 and scores float64 [N] ≥ 0 of the images:
    all that `MemoryBank` has learnt."""

    def __init__(self, network, side, neighbourhood, coarse_side, blur):
        super().__init__()
        self.network, self.blur = network, GaussianBlur(blur)
        self.fine = Bank(FINE, network.widths, side, neighbourhood)
        self.coarse = Bank(COARSE, network.widths, coarse_side, 3)
        self.register_buffer("factor", torch.ones(()))  # coarse distances times factor plus shift are like fine ones
        self.register_buffer("shift", torch.zeros(()))
        self.register_buffer("usual", torch.ones(()))  # how large `largest` is for a good image

    def balance(self, fine, coarse, largest):
        """Learns from what `distances` says of M good images how to compare the two banks, and what is usual.

        The coarse one is brought to the mean of the fine one, and to WEIGHT of its standard deviation.
        """
        self.factor = WEIGHT * fine.std() / coarse.std().clamp_min(1e-12)
        self.shift = fine.mean() - self.factor * coarse.mean()
        self.usual = largest.mean().clamp_min(1e-12)

    def distances(self, x):
        """How far from the fine and from the coarse bank, each [N, 1, H, W] ≥ 0, not yet comparable, and `largest`,
        the mean of the coarse bank's PLACES largest distances in each image, float64 [N]."""
        fine, coarse = self.fine(self.network, x), self.coarse(self.network, x)  # [N, 1, 80, 80], [N, 1, 32, 32]
        largest = coarse.flatten(1).topk(PLACES).values.double().mean(dim=1)
        fine, coarse = (F.interpolate(one, size=x.shape[-2:], mode="bilinear") for one in (fine, coarse))
        return fine, coarse, largest

    def forward(self, x):
        fine, coarse, largest = self.distances(x)
        maps = self.blur(torch.maximum(fine, self.factor * coarse + self.shift))[:, 0]  # [N, H, W]
        return maps, largest / self.usual  # [N], about 1 for a good image


class MemoryBank(Detector):
    """The two banks as a `Detector`."""

    score_description = (
        f"how far its {PLACES} strangest places are from the good images, as against those of a good one"
    )

    def __init__(
        self,
        network=None,
        side=640,
        neighbourhood=7,
        coarse_side=256,
        candidates=50_000,
        size=5_000,
        blur=1.0,
        seed=0,
        device="cpu",
    ):
        """network: a `Stages`, by default with the weights of ImageNet; side, neighbourhood: pixels that images are
        enlarged to, and places that are averaged, in the fine bank; coarse_side: pixels in the coarse one; candidates:
        patches of good images, of which `size` stay in each bank; blur: of the map, the Gaussian's σ in pixels.

        Raises: DataError if no weights can be had.
        """
        network = network or imagenet_stages()
        self.name = f"memory bank ({network.name})"
        self.side, self.neighbourhood, self.coarse_side, self.blur = side, neighbourhood, coarse_side, blur
        self.candidates, self.size, self.seed, self.device = candidates, size, seed, device
        self.network = network.to(device)
        self.banks = TwoBanks(network, side, neighbourhood, coarse_side, blur).to(device).eval()

    def batch(self, image):
        """One image uint8 [3, H, W] as the network takes it: float32 [1, 3, H, W] in [0, 1]."""
        return to_float(np.asarray(image)[None]).to(self.device)

    @torch.no_grad()
    def fit(self, good):
        """Keeps coresets of what the network sees in uint8 [N, 3, H, W], N ≥ 1; the same seed, the same banks."""
        rows = np.unique(np.linspace(0, len(good) - 1, IMAGES).round().astype(int))  # all of them, up to 400
        aside = rows[::ASIDE]
        if len(rows) >= ASIDE:
            rows = np.setdiff1d(rows, aside)
        for which in ("fine", "coarse"):
            bank, features = getattr(self.banks, which), []
            generator = torch.Generator().manual_seed(self.seed)
            for row in tqdm(rows, desc=f"memory bank: {which} features", disable=None):
                patches = bank.patches(self.network, self.batch(good[row]))[0]  # [P, D]
                chosen = torch.randperm(len(patches), generator=generator)[: -(-self.candidates // len(rows))]
                features.append(patches[chosen])
            bank.keep(torch.cat(features), self.size, self.seed)  # of about 50,000 patches
        far = [
            self.banks.distances(self.batch(good[row]))
            for row in tqdm(aside, desc="memory bank: balance", disable=None)
        ]
        self.banks.balance(*(torch.cat(parts) for parts in zip(*far, strict=True)))

    @torch.inference_mode()
    def predict(self, images):
        """How far each place of uint8 [N, 3, H, W] is from the banks, enlarged and blurred, float32 [N, H, W] ≥ 0, and
        float64 [N]: how many times as far from the coarse one an image's farthest places are as those of a good one."""
        maps, scores = np.zeros((len(images), *images.shape[2:]), np.float32), np.zeros(len(images))
        for row, image in enumerate(tqdm(images, desc="memory bank: maps", disable=None)):
            anomaly_map, score = self.banks(self.batch(image))
            maps[row], scores[row] = anomaly_map[0].cpu().numpy(), score.item()
        return Prediction(maps, scores)

    def label_free_tau(self, good, good_maps=None):
        """Distances do not fall off as residuals do, so pasted defects help to choose τ (`synthetic_anomalies`)."""
        maps = self.anomaly_maps(good) if good_maps is None else good_maps
        images, masks = paste_defects(np.asarray(good))
        return tau_median(maps, self.anomaly_maps(images), masks)

    def onnx_module(self):
        """Returns what `predict` computes as one torch module."""
        return self.banks

    def state(self):
        """The banks, how to compare them, and the network itself: all that the same maps take, for safetensors."""
        return self.banks.state_dict()

    def restore(self, state):
        """Takes over what another one has learnt; raises RuntimeError if that has another network or other patches."""
        if missing := sorted(set(self.state()) - set(state)):
            raise RuntimeError(f"it has no {missing[0]}; another version may have written it")
        for which in ("fine", "coarse"):
            bank, found = getattr(self.banks, which), state.get(f"{which}.kept", ())
            bank.kept = bank.mean.new_zeros(len(found), len(bank.mean))  # of as many rows
        self.banks.load_state_dict(state)
