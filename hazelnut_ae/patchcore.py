"""A memory bank of pretrained features: is this patch similar to a patch of the good images? (notebook 10)

PatchCore (Roth et al., Towards Total Recall in Industrial Anomaly Detection, CVPR 2022) trains nothing. A network that
was trained on ImageNet turns each patch into a feature vector. The memory bank stores those of good images, reduced to
a coreset. The anomaly score of a new patch is its distance to the nearest vector in the bank.

From the paper: features of intermediate stages, averaged over their neighbourhood; the greedy coreset, chosen in a
random projection; the nearest-neighbour distance; bilinear enlargement and Gaussian smoothing of the map.

Ours: a smaller network (EfficientNet-Lite0), each stage scaled to variance 1, and two banks. The fine one sees images
(or their tiles) of 640 pixels through four stages and finds scratches. The coarse one sees 256 through two stages, as
the paper does, for parts that are missing or misplaced. The map is the larger of both, without the halos of defects;
the image score is the coarse one's. How all this was chosen: `benchmarks/PROTOCOL.md`.
"""

import copy
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from hazelnut_ae.backbones import imagenet_stages
from hazelnut_ae.detection import Detector
from hazelnut_ae.graph import Graph, Tiled, onnx_bytes
from hazelnut_ae.neighbours import nearest_by_projection, nearest_distances
from hazelnut_ae.synthetic_anomalies import paste_defects, tau_median

IMAGES = 400  # the most good images that `fit` uses
CALIBRATION_EVERY = 10  # every tenth of them calibrates the scales and is in no bank
PROJECTED = 32  # dimensions of the random projection in which the coreset is chosen
GRID = 2  # the stage whose grid the patches have: at stride 8, 80×80 patches of an image of 640 pixels
FINE, COARSE = (0, 1, 2, 3), (2, 4)  # the stages that each bank uses
COARSE_WEIGHT = 0.6  # σ of the scaled coarse map / σ of the fine one; larger ones cost F1-max (benchmarks/PROTOCOL.md)
HALO = 128  # within 1/128 of a tile's side a larger value lowers its neighbours: 2 of 256 pixels
TOP_K = 10  # the image score is the mean of the 10 largest of 32×32 coarse distances, or of those of all tiles


def aggregate_neighbourhood(stages, grid, neighbourhood):
    """Averages features over their neighbourhood and brings all stages to one grid (h, w) (section 3.1 of the paper).

    Each place becomes the mean of neighbourhood × neighbourhood places; `neighbourhood` is odd.
    """
    half, resized = neighbourhood // 2, []
    for features in stages:  # [N, C, H, W]
        features = F.avg_pool2d(features, neighbourhood, stride=1, padding=half, count_include_pad=False)
        resized.append(F.interpolate(features, size=grid, mode="bilinear"))  # [N, C, h, w]
    return torch.cat(resized, dim=1).flatten(2).transpose(1, 2)  # [N, h·w, C + C' + …]


def greedy_coreset(features, size, seed=0):
    """Chooses rows of features [N, D] that cover all others: greedy k-center (Algorithm 1 of the paper).

    The next one is always the farthest from those chosen so far, so rare features are covered as well as frequent ones.
    No row is farther from them than twice the best that `size` rows can do (Gonzalez, 1985). Distances are measured in
    a random projection to 32 dimensions, which changes their ratios by some 12 % (Johnson & Lindenstrauss, 1984).
    Returns row indices, int64 [size], fewer if there are fewer different features.
    """
    generator = torch.Generator().manual_seed(seed)
    if features.shape[1] > PROJECTED:
        features = features @ torch.randn(features.shape[1], PROJECTED, generator=generator)  # [N, 32]
    squares = features.square().sum(dim=1)  # [N]
    farthest = int(torch.randint(len(features), (1,), generator=generator))
    gaps, chosen = torch.full((len(features),), torch.inf), []  # gaps: squared distances to the nearest chosen feature
    while len(chosen) < size and gaps[farthest] > 0:
        chosen.append(farthest)
        newest = features[farthest]
        to_newest = torch.addmv(squares, features, newest, alpha=-2) + squares[farthest]  # |a|² − 2 a·b + |b|², [N]
        gaps = torch.minimum(gaps, to_newest)
        gaps[farthest] = 0  # exactly, in spite of rounding
        farthest = int(gaps.argmax())
    return torch.tensor(chosen)


class GaussianSmoothing(nn.Module):
    """SciPy's gaussian_filter(mode="nearest") as a layer for maps [N, 1, H, W], so that it can be exported."""

    def __init__(self, sigma):
        super().__init__()
        radius = int(4 * sigma + 0.5)  # like scipy, up to 4 σ
        offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
        kernel = torch.exp(-0.5 * (offsets / max(sigma, 1e-15)) ** 2)  # σ = 0 changes nothing
        self.register_buffer("kernel", (kernel / kernel.sum()).float(), persistent=False)  # [2·radius + 1]

    def forward(self, maps):  # first down the columns, then along the rows
        radius = len(self.kernel) // 2
        maps = F.conv2d(F.pad(maps, (0, 0, radius, radius), mode="replicate"), self.kernel[None, None, :, None])
        return F.conv2d(F.pad(maps, (radius, radius, 0, 0), mode="replicate"), self.kernel[None, None, None, :])


def without_halo(maps, radius):
    """Lowers each value of maps [N, 1, H, W] ≥ 0 in proportion to the largest value within `radius` pixels of it.

    A patch beside a defect sees part of it, so a defect has a halo. Peaks keep their values, their surroundings do not.
    """
    largest = F.max_pool2d(maps, (2 * radius + 1, 1), stride=1, padding=(radius, 0))  # [N, 1, H, W]
    largest = F.max_pool2d(largest, (1, 2 * radius + 1), stride=1, padding=(0, radius))
    return maps * maps / largest.clamp_min(1e-12)


def resized(x, side):
    """Resizes x [N, 3, H, W] to [N, 3, side, side]: by area averaging where it shrinks, linearly where it grows."""
    for axis in (2, 3):
        if (pixels := int(x.shape[axis])) > side:  # by a matrix, because ONNX knows no area averaging
            edges, cells = np.arange(side + 1) * pixels / side, np.arange(pixels)
            overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)  # [side, pixels]
            weights = torch.from_numpy(overlap.clip(0).T * side / pixels).float()
            x = (x.transpose(axis, 3) @ weights).transpose(axis, 3)
    return F.interpolate(x, size=(side, side), mode="bilinear")


def drawing(pixels, tiles, grid, side, stride, centre):
    """Returns the matrix [pixels, tiles·grid] that draws a row of distances as one of pixels, linearly."""
    # place j of a tile is at pixel stride · j + centre of the `side` pixels that the network sees
    places = np.add.outer(side * np.arange(tiles), stride * np.arange(grid) + centre + 0.5).ravel()  # [tiles·grid]
    middles = (np.arange(pixels) + 0.5) * tiles * side / pixels  # [pixels]
    return torch.from_numpy(np.stack([np.interp(middles, places, one) for one in np.eye(len(places))], axis=1)).float()


class Bank(nn.Module):
    """One memory bank: features of some stages of tiles (rows, columns), resized to `side` pixels, as a coreset."""

    def __init__(self, stages, widths, side, neighbourhood, centre=0, tiles=(1, 1), stride=8):
        super().__init__()
        self.stages, self.side, self.neighbourhood, self.centre, self.tiles = stages, side, neighbourhood, centre, tiles
        self.stride = stride
        self.widths = [widths[i] for i in stages]  # channels of each stage; D is their sum
        for name, shape in (("mean", ()), ("scale", ()), ("coreset", (0,))):
            self.register_buffer(name, torch.zeros(*shape, sum(self.widths)))  # [D], [D] and [K, D], K = 0 until fit

    def patches(self, network, x):
        """Returns the patch features [N, P, D] of tiles float32 [N, 3, H, W] in [0, 1]."""
        stages = network(resized(x, self.side), max(self.stages) + 1)  # [N, C, h, w], [N, C', h', w'], …
        return aggregate_neighbourhood([stages[i] for i in self.stages], stages[GRID].shape[-2:], self.neighbourhood)

    def fit_coreset(self, features, size, seed):
        """Scales each stage of good features [M, D] to variance 1 in total, then stores a coreset of them."""
        self.mean = features.mean(dim=0)  # [D]
        variances = features.var(dim=0).split(self.widths)  # [C], [C'], …
        self.scale = torch.cat([one.sum().clamp_min(1e-12).rsqrt().expand(len(one)) for one in variances])  # [D]
        features = (features - self.mean) * self.scale
        self.coreset = features[greedy_coreset(features, size, seed)]  # [size, D]

    def distances(self, patches, find=nearest_distances):
        """Returns the distances [N, P] ≥ 0 of patches [N, P, D] to the bank."""
        return find((patches - self.mean) * self.scale, self.coreset)

    def arranged(self, distances):
        """Returns distances [N, P] of all tiles in the order of the image: [N, 1, h, w]."""
        rows, columns = self.tiles
        grid = math.isqrt(distances.shape[1] // (rows * columns))
        distances = distances.unflatten(1, (rows, columns, grid, grid)).transpose(2, 3)
        return distances.reshape(-1, 1, rows * grid, columns * grid)

    def draw(self, distances, size):
        """Returns distances [N, 1, h, w] as maps [N, 1, H, W] of size (H, W)."""
        grid, axes = distances.shape[2] // self.tiles[0], zip(size, self.tiles, strict=True)
        rows, columns = (drawing(int(p), tiles, grid, self.side, self.stride, self.centre) for p, tiles in axes)
        return rows @ distances @ columns.T


class TwoBanks(nn.Module):
    """The fine and the coarse bank, and what makes one map of both."""

    def __init__(self, network, side, neighbourhood, coarse_side, blur, halo, tiles=(1, 1)):
        super().__init__()
        self.network, self.smooth, self.halo = network, GaussianSmoothing(blur), halo
        (fine, coarse), stride = network.about.centres, network.about.stride
        self.fine = Bank(FINE, network.widths, side, neighbourhood, fine, tiles, stride)
        self.coarse = Bank(COARSE, network.widths, coarse_side, 3, coarse, tiles, stride)
        self.register_buffer("factor", torch.ones(()))  # factor · coarse + shift is comparable with fine distances
        self.register_buffer("shift", torch.zeros(()))
        self.register_buffer("typical", torch.ones(()))  # mean of the largest coarse distances of good images

    def patches(self, x):
        """Returns the fine and the coarse patch features of tiles [N, 3, H, W]: [N, P, D] and [N, P', D']."""
        return self.fine.patches(self.network, x), self.coarse.patches(self.network, x)

    def distances(self, fine, coarse, find=nearest_distances):
        """Returns the distances [N, P] and [N, P'] of patches; find: `nearest_distances`, or what gives the same."""
        return self.fine.distances(fine, find), self.coarse.distances(coarse, find)

    def draw(self, fine, coarse, size):
        """Returns distances [N, P] of all tiles as [N, 1, H, W], and the mean of the TOP_K largest coarse ones, [N]."""
        fine = self.fine.arranged(fine)  # [N, 1, 80, 80], or as many for each tile
        coarse = self.coarse.arranged(coarse)  # [N, 1, 32, 32], likewise
        largest = coarse.flatten(1).topk(TOP_K).values.double().mean(dim=1)
        return self.fine.draw(fine, size), self.coarse.draw(coarse, size), largest

    def calibrate_scales(self, fine, coarse, largest):
        """Gives coarse distances the mean of fine ones and COARSE_WEIGHT of their σ, in good images of neither bank."""
        ratio = fine.std() / coarse.std()  # of few images the coarse bank holds every patch, at distance 0
        self.factor = COARSE_WEIGHT * (ratio if 1e-3 < ratio < 1e3 else torch.ones(()))
        self.shift = fine.mean() - self.factor * coarse.mean()
        self.typical = largest.mean().clamp_min(1e-12)

    def maps(self, fine, coarse, largest):
        """Returns anomaly maps [N, H, W] ≥ 0 and image scores float64 [N] of what `draw` returned."""
        maps = self.smooth(torch.maximum(fine, self.factor * coarse + self.shift))
        maps = without_halo(maps, int(maps.shape[2]) // self.fine.tiles[0] // self.halo)[:, 0]  # [N, H, W]
        return maps, largest / self.typical  # [N], about 1 for a good image


class Maps(nn.Module):
    """Maps images float32 [N, 3, H, W] in [0, 1] to the anomaly maps and image scores of `TwoBanks`."""

    def __init__(self, banks, find=nearest_by_projection):
        super().__init__()
        one = copy.copy(banks)
        one.forward = lambda tile: banks.distances(*banks.patches(tile), find)
        self.banks, self.each = banks, Tiled(one, *banks.fine.tiles)

    def forward(self, x):
        return self.banks.maps(*self.banks.draw(*self.each(x), x.shape[-2:]))


class MemoryBank(Detector):
    """The fine and the coarse memory bank as a `Detector`."""

    outputs = ("maps", "scores")
    score_description = f"the mean of its {TOP_K} largest coarse distances, relative to good images"

    def __init__(
        self, network=None, side=640, neighbourhood=7, coarse_side=256, candidates=50_000, size=5_000, blur=1.0,
        halo=HALO, rows=1, columns=1, seed=0, device="cpu",
    ):  # fmt: skip
        """
        Args:
            network: a `backbones.Stages`; None: with ImageNet weights (DataError if none can be found).
            side, coarse_side: pixels to which tiles are resized for the fine and for the coarse bank.
            neighbourhood: places averaged in the fine bank, in each direction; odd.
            candidates, size: patches of good images from which each coreset is chosen, and in each coreset.
            blur: σ of the Gaussian over the map, in pixels.
            halo: 1/halo of the side of a tile is the radius of `without_halo`.
            rows, columns: of the tiles into which images are cut.
            seed, device: of the candidates and the coresets; the device has no effect, a bank is computed on the CPU.
        """
        network = network or imagenet_stages()
        self.name = f"memory bank ({network.name})"
        self.side, self.neighbourhood, self.coarse_side, self.blur = side, neighbourhood, coarse_side, blur
        self.candidates, self.size, self.seed, self.network = candidates, size, seed, network
        self.halo, self.rows, self.columns = halo, rows, columns
        self.banks = TwoBanks(network, side, neighbourhood, coarse_side, blur, halo, (rows, columns)).eval()

    @torch.no_grad()
    def fit(self, good: np.ndarray) -> None:
        """Fills both banks from good images, uint8 [N, 3, H, W], N ≥ 1. The same seed gives the same banks."""
        rows = np.unique(np.linspace(0, len(good) - 1, IMAGES).round().astype(int))  # at most 400
        calibration = rows[::CALIBRATION_EVERY]
        if len(rows) >= CALIBRATION_EVERY:  # of fewer images the banks need every one
            rows = np.setdiff1d(rows, calibration)
        network = copy.copy(self.banks)
        network.forward = network.patches
        tiled = Tiled(network, self.rows, self.columns)
        graph = Graph(lambda size: onnx_bytes(tiled, size, ["fine", "coarse"]))
        features = tqdm([*rows, *calibration], desc="memory bank: features", disable=None)
        features = ([torch.from_numpy(one) for one in graph(good[row][None])] for row in features)  # [1, P, D] each
        generators, candidates = [torch.Generator().manual_seed(self.seed) for _ in range(2)], []
        for _, both in zip(rows, features, strict=False):
            chosen = [torch.randperm(one.shape[1], generator=g) for one, g in zip(both, generators, strict=True)]
            count = -(-self.candidates // len(rows))  # rounded up
            candidates.append([one[0, order[:count]] for one, order in zip(both, chosen, strict=True)])  # [count, D]
        for bank, kept in zip((self.banks.fine, self.banks.coarse), zip(*candidates, strict=True), strict=True):
            bank.fit_coreset(torch.cat(kept), self.size, self.seed)  # from about 50,000 patches
        size, self.graph = good[0].shape[1:], None  # (H, W)
        distances = (self.banks.distances(*both, nearest_by_projection) for both in features)
        distances = [self.banks.draw(*both, size) for both in distances]
        self.banks.calibrate_scales(*(torch.cat(parts) for parts in zip(*distances, strict=True)))

    def label_free_tau(self, good: np.ndarray, good_maps: np.ndarray | None = None) -> float:
        """Chooses τ with pasted defects too (`synthetic_anomalies`): distances are not distributed like residuals."""
        maps = self.anomaly_maps(good) if good_maps is None else good_maps
        images, masks = paste_defects(np.asarray(good))
        return tau_median(maps, self.anomaly_maps(images), masks)

    def onnx_module(self) -> nn.Module:
        return Maps(self.banks)

    def state(self) -> dict[str, torch.Tensor]:
        """Returns both banks, their scales and the network's weights: predictions need no other file."""
        return self.banks.state_dict()

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Loads what `state` returned. Raises RuntimeError if it does not fit."""
        if missing := sorted(set(self.banks.state_dict()) - set(state)):
            raise RuntimeError(f"it has no {missing[0]}; another version may have written it")
        for name, bank in (("fine", self.banks.fine), ("coarse", self.banks.coarse)):
            bank.coreset = bank.mean.new_zeros(len(state[f"{name}.coreset"]), len(bank.mean))  # as many rows as stored
        self.graph = None
        self.banks.load_state_dict(state)
