"""The CNN feature dictionary: is this patch similar to a patch of the good images?

P. Napoletano, F. Piccoli, R. Schettini: Anomaly Detection in Nanofibrous Materials by CNN-Based Self-Similarity,
Sensors 18(1):209, 2018: patches are enlarged to the network's input size; the pooled feature vector is divided by its
sum of absolute values; a patch's anomaly score is its distance to the dictionary. Settings of Bergmann et al. (CVPR
2019): 16×16 patches at stride 4, PCA that keeps 95 % of the variance, K-means with 10 centres.

Our choices: the dictionary contains the centres (not the real patches nearest to them); only the nearest centre counts;
a pixel's score is the mean over all patches that cover it; the number of patches for K-means.
"""

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from torch.nn import functional as F
from tqdm import tqdm

from hazelnut_ae.backbones import imagenet_trunk
from hazelnut_ae.detection import Detector, prediction_from_maps
from hazelnut_ae.engine.device import autocast

PATCH, STRIDE = 16, 4
CENTRES, VARIANCE = 10, 0.95
BATCH = 256  # patches per pass through the network


def patches_of(image, stride=STRIDE):
    """[3, H, W] -> every 16×16 patch, row by row: [P, 3, 16, 16]; at stride 4 61 · 61 of a 256-pixel image."""
    windows = image.unfold(1, PATCH, stride).unfold(2, PATCH, stride)  # [3, 61, 61, 16, 16]
    return windows.permute(1, 2, 0, 3, 4).reshape(-1, image.shape[0], PATCH, PATCH)


def spread(scores, size, stride=STRIDE):
    """Turns one score per patch, [N, P], into one per pixel, [N, H, W]: the mean over the patches that cover it."""
    columns = scores[:, None, :].expand(-1, PATCH * PATCH, -1)  # [N, 256, P]
    summed = F.fold(columns, size, PATCH, stride=stride)  # [N, 1, H, W]
    covered = F.fold(torch.ones_like(columns[:1]), size, PATCH, stride=stride)  # [1, 1, H, W]
    return (summed / covered)[:, 0]


class FeatureDictionary(Detector):
    """The dictionary of K-means centres."""

    learned = ("mean", "components", "centres")

    def __init__(self, patch_size=224, dictionary_patches=200_000, stride=STRIDE, backbone=None, seed=0, device="cpu"):
        """
        Args:
            patch_size: pixels to which a 16×16 patch is enlarged.
            dictionary_patches: patches of good images that K-means sees.
            stride: pixels between patches.
            backbone: "resnet18", "efficientnet-lite0" or None (the first one available; DataError if there is none).
        """
        self.trunk = imagenet_trunk(backbone).to(device, memory_format=torch.channels_last)
        self.name = f"CNN feature dictionary ({self.trunk.title})"
        self.patch_size, self.dictionary_patches, self.stride = patch_size, dictionary_patches, stride
        self.seed, self.device = seed, device

    @torch.inference_mode()
    def describe(self, patches):
        """Returns the features of patches uint8 [P, 3, 16, 16]: float32 [P, D], each with L1 norm 1."""
        features = []
        for batch in patches.split(BATCH):
            x = (batch.float() / 255).to(self.device)
            x = F.interpolate(x, size=(self.patch_size, self.patch_size), mode="bilinear")  # [B, 3, S, S]
            with autocast(self.device):
                pooled = self.trunk(x.to(memory_format=torch.channels_last))[0].mean(dim=(2, 3))  # [B, D]
            features.append(F.normalize(pooled.float(), p=1, dim=1).cpu())
        return torch.cat(features)

    def fit(self, good):
        """Fits PCA and K-means to random patches of good images, uint8 [N, 3, H, W]."""
        images = torch.from_numpy(np.ascontiguousarray(good))
        generator = torch.Generator().manual_seed(self.seed)
        per_image = -(-self.dictionary_patches // len(images))
        features = []
        for image in tqdm(images, desc="dictionary: features", disable=None):
            patches = patches_of(image, self.stride)  # [P, 3, 16, 16]
            chosen = torch.randperm(len(patches), generator=generator)[:per_image]
            features.append(self.describe(patches[chosen]))
        features = torch.cat(features).numpy()  # [all patches, D]
        pca = PCA(VARIANCE, svd_solver="full").fit(features)
        kmeans = KMeans(CENTRES, n_init=5, random_state=self.seed).fit(pca.transform(features))
        self.mean = torch.from_numpy(pca.mean_).float()  # [D]
        self.components = torch.from_numpy(pca.components_).float().contiguous()  # [about 100, D]
        self.centres = torch.from_numpy(kmeans.cluster_centers_).float()  # [10, about 100]

    def distances(self, image):
        """Returns how far each patch of a tensor uint8 [3, H, W] is from each centre, in reduced features: [P, 10]."""
        reduced = (self.describe(patches_of(image, self.stride)) - self.mean) @ self.components.T  # [P, about 100]
        return torch.cdist(reduced, self.centres)

    def predict(self, images):
        """Scores pixels by the distances of their patches to the nearest centre, ≥ 0."""
        maps = []
        for image in tqdm(torch.from_numpy(np.ascontiguousarray(images)), desc="dictionary: maps", disable=None):
            nearest = self.distances(image).amin(dim=1)  # [P]
            maps.append(spread(nearest[None], tuple(image.shape[-2:]), self.stride)[0].numpy())  # [H, W]
        return prediction_from_maps(np.asarray(maps, np.float32).reshape(len(images), *images.shape[2:]))
