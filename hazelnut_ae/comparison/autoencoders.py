"""AE(L2) and AE(SSIM): the autoencoders by the authors of MVTec AD.

P. Bergmann et al.: Improving Unsupervised Defect Segmentation by Applying Structural Similarity to Autoencoders, VISAPP
2019 (the network is its Table 1), and MVTec AD, CVPR 2019 (256-pixel objects, one more layer of stride 2).

Our choices: the place of the added layer (first in the encoder, last in the decoder), colour for L2, grey for SSIM,
latent size 500 (theirs: 100). Different from the papers: a sigmoid at the output, as in the article (theirs: linear);
He initialization, because without it 1000 steps ended at the mean image, or diverged with SSIM; no weight decay
(theirs: 1e-5); online augmentation (theirs: about 10,000 images, augmented before training).
"""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torchmetrics.functional.image import structural_similarity_index_measure
from torchvision.transforms.functional import rgb_to_grayscale
from tqdm import tqdm

from hazelnut_ae.augmentation import AUGMENTATION_PRESETS, random_batch
from hazelnut_ae.detection import Detector, batches, prediction_from_maps
from hazelnut_ae.engine.device import autocast
from hazelnut_ae.training import train

TURN = AUGMENTATION_PRESETS["turn"]
# (channels, kernel, stride), padding 1: each stride of 2 halves the side, from 256 pixels to 8; the first row is added
ENCODER = [(32, 4, 2), (32, 4, 2), (32, 4, 2), (32, 3, 1), (64, 4, 2), (64, 3, 1), (128, 4, 2), (64, 3, 1), (32, 3, 1)]


def he_weights(network):
    """Initializes weights as He et al. (2015): variance 2 / ((1 + 0.2²) n) for n inputs per output number."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            n = layer.in_channels * layer.kernel_size[0] ** 2
            if isinstance(layer, nn.ConvTranspose2d):  # stride² outputs share its kernel
                n = layer.in_channels if layer.kernel_size[0] == 8 else n / layer.stride[0] ** 2
            nn.init.normal_(layer.weight, 0, math.sqrt(2 / (1 + 0.2**2) / n))
            nn.init.zeros_(layer.bias)


class BergmannNetwork(nn.Module):
    """float32 [N, C, 256, 256] -> the same shape. LeakyReLU(0.2) except at the latent vector; sigmoid at the end."""

    def __init__(self, channels=3, latent_dim=500):
        super().__init__()
        layers, width = [], channels
        for out, kernel, stride in ENCODER:
            layers += [nn.Conv2d(width, out, kernel, stride, padding=1), nn.LeakyReLU(0.2)]
            width = out
        self.encoder = nn.Sequential(*layers, nn.Conv2d(width, latent_dim, kernel_size=8))
        layers = [nn.ConvTranspose2d(latent_dim, width, kernel_size=8), nn.LeakyReLU(0.2)]
        mirrored = [out for out, _, _ in reversed(ENCODER[:-1])] + [channels]
        for out, (_, kernel, stride) in zip(mirrored, reversed(ENCODER), strict=True):
            layers += [nn.ConvTranspose2d(width, out, kernel, stride, padding=1), nn.LeakyReLU(0.2)]
            width = out
        self.decoder = nn.Sequential(*layers[:-1], nn.Sigmoid())
        he_weights(self)

    def forward(self, x):
        z = self.encoder(x)  # [N, 500, 1, 1]
        return self.decoder(z)  # [N, C, 256, 256]


def ssim_map(x, y):
    """Computes the SSIM of images float32 [N, C, H, W] in [0, 1] at each pixel: [N, H, W], 1 where they are alike.

    The window is a Gaussian of 11×11 with σ = 1.5 (Wang et al. 2004); the border is reflected; channels are averaged.
    """
    # swapping images and channels gives the same values, but is 20 times faster on a CPU
    x, y = x.transpose(0, 1), y.transpose(0, 1)  # [C, N, H, W]
    _, full = structural_similarity_index_measure(x, y, sigma=1.5, data_range=1.0, return_full_image=True)
    return full.mean(dim=0)  # [N, H, W]


class BergmannAutoencoder(Detector):
    """AE(L2) or AE(SSIM)."""

    def __init__(
        self, loss="l2", steps=15_600, batch_size=128, learning_rate=2e-4, latent_dim=500, augment=TURN, grey=None,
        seed=0, device="cpu",
    ):  # fmt: skip
        """
        Args:
            loss: "l2" or "ssim".
            steps, batch_size: 15,600 batches of 128 are 200 epochs of about 10,000 augmented images.
            augment: some of `augmentation.ALL_AUGMENTATIONS`.
            grey: whether the network sees grey images; None: only with SSIM.
        """
        self.name = {"l2": "AE(L2)", "ssim": "AE(SSIM)"}[loss]
        self.loss, self.steps, self.batch_size, self.learning_rate = loss, steps, batch_size, learning_rate
        self.augment, self.seed, self.device = augment, seed, device
        self.grey = loss == "ssim" if grey is None else grey
        torch.manual_seed(seed)
        self.network = BergmannNetwork(1 if self.grey else 3, latent_dim)
        self.network.to(device, memory_format=torch.channels_last)  # a third faster on a CPU

    def prepare(self, images):
        """Returns images uint8 [N, 3, 256, 256] as the network sees them: uint8 [N, C, 256, 256], C = 1 if grey."""
        images = torch.from_numpy(np.ascontiguousarray(images))
        return rgb_to_grayscale(images) if self.grey else images

    def loss_of(self, network, x):
        """Returns the loss of images float32 [B, C, 256, 256] in [0, 1]."""
        with autocast(self.device):
            reconstruction = network(x).float()  # [B, C, 256, 256]
        return F.mse_loss(reconstruction, x) if self.loss == "l2" else 1 - ssim_map(reconstruction, x).mean()

    def fit(self, good):
        """Trains on augmented good images, uint8 [N, 3, 256, 256]."""
        images = self.prepare(good)
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.learning_rate, fused=True)
        options, layout = (self.batch_size, self.augment, self.seed), {"memory_format": torch.channels_last}
        batches = (random_batch(images, *options, step).to(self.device, **layout) for step in range(self.steps))
        bar = tqdm(train(self.network, optimizer, batches, self.loss_of), self.name, self.steps, disable=None)
        for step, loss in enumerate(bar):
            if step % 20 == 0:
                bar.set_postfix(loss=f"{float(loss):.4f}")

    @torch.inference_mode()
    def reconstruct(self, images):
        """Returns the reconstructions of images uint8 [N, 3, 256, 256]: float32 [N, C, 256, 256] in [0, 1]."""
        self.network.eval()
        outputs = [self.network((x.float() / 255).to(self.device)).cpu() for x in self.prepare(images).split(32)]
        return torch.cat(outputs).numpy()

    @torch.inference_mode()
    def predict(self, images):
        """Scores pixels: L2 by the root of the mean squared error of the channels, in [0, 1]; SSIM by 1 − SSIM."""
        maps = [np.zeros((0, *images.shape[2:]), np.float32)]
        for batch in batches(images):
            x = self.prepare(batch).float() / 255  # [B, C, 256, 256]
            y = torch.from_numpy(self.reconstruct(batch))  # [B, C, 256, 256]
            score = (x - y).square().mean(dim=1).sqrt() if self.loss == "l2" else 1 - ssim_map(y, x)
            maps.append(score.numpy())  # [B, 256, 256]
        return prediction_from_maps(np.concatenate(maps))
