"""Simple detectors between the article and a memory bank (notebook 10): what each step changes, in a few lines.

The mean image and PCA learn little. `gaussian_smooth` and `shift_tolerant` tolerate small reconstruction errors.
`combine_maps` combines two maps. A U-Net learns from labelled defects.
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


class MeanImageDetector(Detector):
    """The difference from the mean of the good images: the baseline for all other detectors."""

    name, learned = "mean image", ("mean",)

    def fit(self, good):
        self.mean = torch.from_numpy(good.mean(axis=0, dtype=np.float64) / 255).float()  # [3, H, W]

    def predict(self, images):
        """Scores pixels by the largest difference of the three colours from the mean image, in [0, 1]."""
        maps = [np.abs(image / 255 - self.mean.numpy()).max(axis=0) for image in images]
        return prediction_from_maps(np.asarray(maps, np.float32).reshape(len(images), *images.shape[2:]))


class PCADetector(Detector):
    """Principal components: the best autoencoder with one linear layer each way (Baldi & Hornik, 1989)."""

    name, learned = "PCA", ("mean", "components")

    def __init__(self, latent_dim=50):
        self.latent_dim = latent_dim

    @staticmethod
    def reduce(images):
        """Averages images uint8 [N, 3, H, W] down to float32 [N, 3, 64, 64] in [0, 1]."""
        parts = np.split(images, range(32, len(images), 32))
        return torch.cat([F.adaptive_avg_pool2d(to_float(part), REDUCED) for part in parts]).numpy()

    def fit(self, good):
        rows = self.reduce(good).reshape(len(good), -1)  # [N, 12288]
        pca = PCA(min(self.latent_dim, len(rows) - 1), svd_solver="full").fit(rows)  # N images have N − 1 components
        self.mean, self.components = (torch.from_numpy(one).float() for one in (pca.mean_, pca.components_))

    def reconstruct(self, images):
        """Returns the reconstructions of images uint8 [N, 3, H, W]: float32 [N, 3, 64, 64]."""
        rows = torch.from_numpy(self.reduce(images)).flatten(1) - self.mean  # [N, 12288]
        z = rows @ self.components.T  # [N, latent_dim]
        return (z @ self.components + self.mean).reshape(-1, 3, REDUCED, REDUCED).numpy()

    def predict(self, images):
        """Scores pixels by the residual at 64×64 pixels, enlarged; ≥ 0."""
        small = np.abs(self.reduce(images) - self.reconstruct(images)).max(axis=1)  # [N, 64, 64]
        maps = F.interpolate(torch.from_numpy(small)[:, None], images.shape[2:], mode="bilinear")  # [N, 1, H, W]
        return prediction_from_maps(maps[:, 0].numpy())


def gaussian_smooth(maps, sigma=1.0):
    """Smooths each map float32 [N, H, W] with a Gaussian of `sigma` pixels: noise is averaged out, areas remain."""
    return np.stack([gaussian_filter(one, sigma, mode="nearest") for one in maps]).astype(np.float32)


def shift_tolerant(images, reconstructions, reach=1):
    """Computes the residual of Figure 8, but allows each pixel to be shifted in the reconstruction.

    An edge reconstructed one pixel too far to the left is not a defect. Of the (2·reach + 1)² residuals of a pixel, the
    smallest counts. images, reconstructions: as for `detection.residual`.
    """
    maps = []
    for image, reconstruction in zip(images, reconstructions, strict=True):
        x, padded = to_float(image), F.pad(torch.from_numpy(reconstruction)[None], [reach] * 4, "replicate")
        shifted = padded[0].unfold(1, x.shape[1], 1).unfold(2, x.shape[2], 1)  # [3, 2·reach + 1, 2·reach + 1, H, W]
        maps.append((x[:, None, None] - shifted).abs().amax(dim=0).amin(dim=(0, 1)).numpy())  # [H, W]
    return np.asarray(maps, np.float32)


def combine_maps(distances, residuals, good_distances, good_residuals):
    """Combines a memory bank's maps [N, H, W] with the article's: d² · √(r + ½).

    d and r are relative to their means in held-out good images. The ½ preserves anomalies that only the bank finds.
    """
    d, r = distances / good_distances.mean(), residuals / good_residuals.mean()
    return (d**2 * np.sqrt(r + 0.5)).astype(np.float32)


def conv_block(before, after):
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
    )  # fmt: skip


class UNet(nn.Module):
    """float32 [N, 3, H, W] in [0, 1] -> logits of "defective" [N, H, W]; H and W multiples of 8.

    Ronneberger, Fischer & Brox, MICCAI 2015, with an eighth of the channels and one level less.
    """

    def __init__(self, widths=(8, 16, 32, 64)):
        super().__init__()
        pairs = list(zip((3, *widths[:-1]), widths, strict=True))
        self.down = nn.ModuleList(conv_block(before, after) for before, after in pairs)
        self.up = nn.ModuleList(conv_block(fine + coarse, fine) for fine, coarse in pairwise(widths))
        self.last = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x):
        skips = []
        for block in self.down:  # [N, 8, H, W], [N, 16, H/2, W/2], [N, 32, H/4, W/4], [N, 64, H/8, W/8]
            x = block(F.max_pool2d(x, 2) if skips else x)
            skips.append(x)
        for block, skip in zip(reversed(self.up), reversed(skips[:-1]), strict=True):
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
            x = block(torch.cat([skip, x], dim=1))  # the skip connection brings back the exact place
        return self.last(x)[:, 0]  # [N, H, W]


def cross_entropy_and_dice(model, batch):
    """Segmentation loss: cross-entropy of each pixel plus Dice, because defects are few pixels."""
    x, y = batch  # [B, 3, H, W], [B, H, W]
    logits = model(x)  # [B, H, W]
    p = logits.sigmoid()
    dice = 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)  # Milletari et al., 3DV 2016
    return F.binary_cross_entropy_with_logits(logits, y) + dice


class UNetSegmenter:
    """A U-Net trained on images with masks. No `Detector`: it learns from defects, not from good images alone."""

    name = "U-Net on painted defects"

    def __init__(self, steps=600, batch_size=16, learning_rate=3e-3, seed=0):
        self.steps, self.batch_size, self.learning_rate, self.seed = steps, batch_size, learning_rate, seed

    def fit(self, images, masks):
        """Learns from images uint8 [N, 3, H, W] and masks bool [N, H, W], augmented."""
        torch.manual_seed(self.seed)
        self.model = UNet()
        optimizer = torch.optim.Adam(self.model.parameters(), self.learning_rate)
        batches = tqdm(self.batches(images, masks, optimizer), "U-Net", self.steps, disable=None)
        for _ in train(self.model, optimizer, batches, cross_entropy_and_dice):
            pass
        self.model.eval()

    def batches(self, images, masks, optimizer):
        """Yields (images float32 [B, 3, H, W] in [0, 1], masks [B, H, W]), and sets the learning rate of each step."""
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
        """Returns the probability that each pixel is defective, for images uint8 [N, 3, H, W]."""
        maps = [self.model(to_float(image[None])).sigmoid()[0].numpy() for image in images]
        return prediction_from_maps(np.asarray(maps, np.float32).reshape(len(images), *images.shape[2:]))
