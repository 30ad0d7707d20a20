"""The CNN feature dictionary: is there a patch like this among the good ones?

P. Napoletano, F. Piccoli, R. Schettini: Anomaly Detection in Nanofibrous Materials by CNN-Based Self-Similarity,
Sensors 18(1):209, 2018, with the settings of Bergmann et al. (CVPR 2019): ImageNet features of 16×16 patches at
stride 4, PCA that keeps 95 % of the variance, K-means with 10 centres. No training: the features are as ImageNet
left them. From Napoletano et al.: patches are enlarged to the size the network was made for, the vector of the average
pooling is used, divided by its sum of absolute values, and a patch is as abnormal as it is far from the dictionary.

Chosen here: the centres themselves are the dictionary (not the real patches nearest to them), the distance is that to
the one nearest centre, a pixel's score is the mean over all patches that cover it, and how many patches the centres
are made from.
"""

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from torch.nn import functional as F
from tqdm import tqdm

from hazelnut_ae.backbones import imagenet_backbone
from hazelnut_ae.detection import Detector, prediction_from_maps
from hazelnut_ae.engine.device import autocast

PATCH, STRIDE = 16, 4


def patches_of(image):
    """[3, H, W] -> every 16×16 patch at stride 4, row by row: [P, 3, 16, 16]; 61 · 61 = 3721 of a 256-pixel image."""
    windows = image.unfold(1, PATCH, STRIDE).unfold(2, PATCH, STRIDE)  # [3, 61, 61, 16, 16]
    return windows.permute(1, 2, 0, 3, 4).reshape(-1, image.shape[0], PATCH, PATCH)


def spread(scores, size):
    """One score per patch, [N, P] -> one per pixel, [N, H, W]: the mean over the patches that cover the pixel."""
    columns = scores[:, None, :].expand(-1, PATCH * PATCH, -1)  # [N, 256, P]
    summed = F.fold(columns, size, PATCH, stride=STRIDE)  # [N, 1, H, W]
    covered = F.fold(torch.ones_like(columns[:1]), size, PATCH, stride=STRIDE)  # [1, 1, H, W]
    return (summed / covered)[:, 0]


class FeatureDictionary(Detector):
    """The dictionary as a `Detector`."""

    def __init__(
        self,
        patch_size=224,
        dictionary_patches=200_000,
        centres=10,
        variance=0.95,
        batch_size=256,
        backbone=None,
        seed=0,
        device="cpu",
    ):
        """`patch_size`: pixels a 16×16 patch is enlarged to. Raises: DataError without any ImageNet weights."""
        self.backbone = imagenet_backbone(backbone)
        self.backbone.features.to(device, memory_format=torch.channels_last)
        self.name = f"CNN feature dictionary ({self.backbone.name})"
        self.patch_size, self.dictionary_patches, self.batch_size = patch_size, dictionary_patches, batch_size
        self.centres_wanted, self.variance, self.seed, self.device = centres, variance, seed, device
        self.mean = self.components = self.centres = None

    @torch.inference_mode()
    def describe(self, patches):
        """uint8 [P, 3, 16, 16] -> features float32 [P, dim], each of absolute sum 1. Patches are run as batches."""
        features = []
        for batch in patches.split(self.batch_size):
            x = (batch.float() / 255).to(self.device)
            x = F.interpolate(x, size=(self.patch_size, self.patch_size), mode="bilinear")  # [B, 3, S, S]
            x = self.backbone.normalize(x).to(memory_format=torch.channels_last)
            with autocast(self.device):
                features.append(F.normalize(self.backbone.features(x).float(), p=1, dim=1).cpu())  # [B, dim]
        return torch.cat(features)

    def fit(self, good):
        images = torch.from_numpy(np.ascontiguousarray(good))
        generator = torch.Generator().manual_seed(self.seed)
        per_image = -(-self.dictionary_patches // len(images))
        features = []
        for image in tqdm(images, desc="dictionary: features", disable=None):
            patches = patches_of(image)  # [P, 3, 16, 16]
            chosen = torch.randperm(len(patches), generator=generator)[:per_image]
            features.append(self.describe(patches[chosen]))
        features = torch.cat(features).numpy()  # [D, dim]
        pca = PCA(self.variance, svd_solver="full").fit(features)
        reduced = pca.transform(features)  # [D, about 100]
        kmeans = KMeans(self.centres_wanted, n_init=5, random_state=self.seed).fit(reduced)
        self.mean = torch.from_numpy(pca.mean_).float()  # [dim]
        self.components = torch.from_numpy(pca.components_).float()  # [about 100, dim]
        self.centres = torch.from_numpy(kmeans.cluster_centers_).float()  # [10, about 100]

    def predict(self, images):
        """The distance of a patch's reduced features to the nearest centre, ≥ 0, spread over its pixels."""
        maps = []
        for image in tqdm(torch.from_numpy(np.ascontiguousarray(images)), desc="dictionary: maps", disable=None):
            reduced = (self.describe(patches_of(image)) - self.mean) @ self.components.T  # [P, about 100]
            nearest = torch.cdist(reduced, self.centres).amin(dim=1)  # [P]
            maps.append(spread(nearest[None], tuple(image.shape[-2:]))[0])  # [H, W]
        return prediction_from_maps(torch.stack(maps).numpy())

    def state(self):
        """Everything that `anomaly_maps` needs beside the ImageNet weights, for a safetensors file."""
        return {name: getattr(self, name).contiguous() for name in ("mean", "components", "centres")}

    def restore(self, state):
        self.mean, self.components, self.centres = state["mean"], state["components"], state["centres"]
