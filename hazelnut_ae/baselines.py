"""The rungs of the ladder between the article and a memory bank (notebook 10): what each changes, in a few lines.

The lowest rungs learn next to nothing, the middle ones read the article's own copies more kindly, one is told what
defects look like, and the last joins two maps. Every one of them ends in anomaly maps, float32 [N, H, W].
"""

from itertools import pairwise

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from sklearn.decomposition import PCA
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from hazelnut_ae.detection import Detector, prediction_from_maps
from hazelnut_ae.training import one_cycle, to_float, train

REDUCED = 64  # pixels: PCA sees images averaged down to this side


class MeanImage(Detector):
    """Rung 0: the distance to the mean of the good images, as a `Detector`. What misses this has learnt nothing."""

    name = "mean image"

    def fit(self, good):
        """The mean of uint8 [N, 3, H, W]."""
        self.mean = torch.from_numpy(good.mean(axis=0, dtype=np.float64) / 255).float()  # [3, H, W]

    def predict(self, images):
        """The largest difference of the three colours from the mean: float32 [N, H, W] in [0, 1]."""
        maps = [np.abs(image / 255 - self.mean.numpy()).max(axis=0) for image in images]
        return prediction_from_maps(np.asarray(maps, np.float32).reshape(len(images), *images.shape[2:]))

    def state(self):
        return {"mean": self.mean}

    def restore(self, state):
        self.mean = state["mean"]


class PCADetector(Detector):
    """Rung 0: an autoencoder with one linear layer each way and no training, by principal components: a `Detector`.

    The best linear copy in the least-squares sense is that of the first principal components (Baldi & Hornik, 1989).
    """

    name = "PCA"

    def __init__(self, latent_dim=50):
        self.latent_dim = latent_dim

    @staticmethod
    def reduced(images):
        """uint8 [N, 3, H, W] averaged down to float32 [N, 3, 64, 64] in [0, 1]."""
        parts = [
            F.adaptive_avg_pool2d(to_float(part), REDUCED) for part in np.split(images, range(32, len(images), 32))
        ]
        return torch.cat(parts).numpy()

    def fit(self, good):
        """The first components of uint8 [N, 3, H, W]; fewer than N of them."""
        rows = self.reduced(good).reshape(len(good), -1)  # [N, 12288]
        pca = PCA(min(self.latent_dim, len(rows) - 1), svd_solver="full").fit(rows)
        self.mean, self.components = (torch.from_numpy(one).float() for one in (pca.mean_, pca.components_))

    def copies(self, images):
        """What the components can say of images uint8 [N, 3, H, W]: float32 [N, 3, 64, 64]."""
        rows = torch.from_numpy(self.reduced(images)).flatten(1) - self.mean  # [N, 12288]
        z = rows @ self.components.T  # [N, latent_dim]
        return (z @ self.components + self.mean).reshape(-1, 3, REDUCED, REDUCED).numpy()

    def predict(self, images):
        """The residual of those copies, the largest of the three colours, enlarged: float32 [N, H, W] ≥ 0."""
        small = np.abs(self.reduced(images) - self.copies(images)).max(axis=1)  # [N, 64, 64]
        return prediction_from_maps(
            F.interpolate(torch.from_numpy(small)[:, None], images.shape[2:], mode="bilinear")[:, 0].numpy()
        )

    def state(self):
        return {"mean": self.mean, "components": self.components}

    def restore(self, state):
        self.mean, self.components = state["mean"], state["components"]


def blurred(maps, sigma=1.0):
    """Rung 2: each map float32 [N, H, W] through a Gaussian of `sigma` pixels: noise goes, what has an area stays."""
    return np.stack([gaussian_filter(one, sigma, mode="nearest") for one in maps]).astype(np.float32)


def shift_tolerant(images, copies, reach=1):
    """Rung 2: the residual of Figure 8, where a pixel may also be found up to `reach` pixels aside in the copy.

    images: uint8 [N, 3, H, W]; copies: float32 [N, 3, H, W] in [0, 1]. An edge that is copied a pixel too far to the
    left is no defect: the smallest of the (2·reach + 1)² residuals counts. Returns float32 [N, H, W] in [0, 1].
    """
    maps = []
    for image, copy in zip(images, copies, strict=True):
        x, near = torch.from_numpy(image).float() / 255, F.pad(torch.from_numpy(copy)[None], [reach] * 4, "replicate")
        moved = near[0].unfold(1, x.shape[1], 1).unfold(2, x.shape[2], 1)  # [3, 2·reach + 1, 2·reach + 1, H, W]
        maps.append((x[:, None, None] - moved).abs().amax(dim=0).amin(dim=(0, 1)).numpy())  # [H, W]
    return np.asarray(maps, np.float32)


def together(distances, residuals, good_distances, good_residuals):
    """Rung 7: features say where, the residual says which pixels: d² · √(r + ½), each over its mean on good images.

    distances: the memory bank's maps, residuals: the article's, float32 [N, H, W]; good_…: those of held-out good
    images, [M, H, W]. The half keeps what only the features see. Returns float32 [N, H, W] ≥ 0.
    """
    d, r = distances / good_distances.mean(), residuals / good_residuals.mean()
    return (d**2 * np.sqrt(r + 0.5)).astype(np.float32)


def conv_block(before, after):
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
    )  # fmt: skip


class UNet(nn.Module):
    """Rung 5: float32 [N, 3, H, W] in [0, 1] -> logits of "defective" [N, H, W]; H and W multiples of 8.

    Ronneberger, Fischer & Brox, MICCAI 2015, at an eighth of its width and one step less deep.
    """

    def __init__(self, widths=(8, 16, 32, 64)):
        super().__init__()
        pairs = list(zip((3, *widths[:-1]), widths, strict=True))
        self.down = nn.ModuleList(conv_block(before, after) for before, after in pairs)
        joined = [conv_block(fine + coarse, fine) for fine, coarse in pairwise(widths)]
        self.up = nn.ModuleList(joined)
        self.last = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x):
        seen = []
        for block in self.down:  # [N, 8, H, W], [N, 16, H/2, W/2], [N, 32, H/4, W/4], [N, 64, H/8, W/8]
            x = block(F.max_pool2d(x, 2) if seen else x)
            seen.append(x)
        for block, fine in zip(reversed(self.up), reversed(seen[:-1]), strict=True):
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
            x = block(torch.cat([fine, x], dim=1))  # the skip brings back where things are
        return self.last(x)[:, 0]  # [N, H, W]


def cross_entropy_and_dice(model, batch):
    """The loss of a segmentation: right at each pixel, and right as a whole, for defects are few pixels."""
    x, y = batch  # [B, 3, H, W], [B, H, W]
    logits = model(x)  # [B, H, W]
    found = logits.sigmoid()
    dice = 1 - (2 * (found * y).sum() + 1) / (found.sum() + y.sum() + 1)  # Milletari et al., 3DV 2016
    return F.binary_cross_entropy_with_logits(logits, y) + dice


class UNetDetector(Detector):
    """Rung 5: the U-Net, shown defects with their masks and asked for those of other images.

    Unlike every other rung it is told what to look for, and finds what it was told.
    """

    name = "U-Net on painted defects"

    def __init__(self, steps=600, batch_size=16, learning_rate=3e-3, seed=0):
        self.steps, self.batch_size, self.learning_rate, self.seed = steps, batch_size, learning_rate, seed

    def fit(self, images, masks):
        """Learns from uint8 [N, 3, H, W] and bool [N, H, W], turned by quarters, mirrored and changed in brightness."""
        torch.manual_seed(self.seed)
        self.model = UNet()
        optimizer = torch.optim.Adam(self.model.parameters(), self.learning_rate)
        batches = tqdm(self.batches(images, masks, optimizer), "U-Net", self.steps, disable=None)
        for _ in train(self.model, optimizer, batches, cross_entropy_and_dice):
            pass
        self.model.eval()

    def batches(self, images, masks, optimizer):
        """Batches (images float32 [B, 3, H, W] in [0, 1], masks [B, H, W]), each at its rate of the one cycle."""
        for step in range(self.steps):
            for group in optimizer.param_groups:
                group["lr"] = one_cycle(step, self.steps, self.learning_rate)
            rows = torch.randint(len(images), (self.batch_size,)).numpy()
            x, y = to_float(images[rows]), torch.from_numpy(masks[rows]).float()  # [B, 3, H, W], [B, H, W]
            turns, mirrored = int(torch.randint(4, ())), bool(torch.randint(2, ()))
            x, y = (torch.rot90(one.flip(-1) if mirrored else one, turns, (-2, -1)) for one in (x, y))
            gain = 1 + 0.2 * torch.randn(len(x), 3, 1, 1)  # other lamps, other cameras
            yield (x * gain + 0.1 * torch.randn(len(x), 1, 1, 1)).clamp(0, 1), y

    @torch.inference_mode()
    def predict(self, images):
        """How surely each pixel is defective: float32 [N, H, W] in [0, 1]."""
        maps = [self.model(to_float(image[None])).sigmoid()[0].numpy() for image in images]
        return prediction_from_maps(np.asarray(maps, np.float32).reshape(len(images), *images.shape[2:]))
