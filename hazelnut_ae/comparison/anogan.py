"""AnoGAN: learns to generate good images, then searches for the generated image nearest to a given one.

T. Schlegl et al.: Unsupervised Anomaly Detection with Generative Adversarial Networks to Guide Marker Discovery, IPMI
2017, with the settings of Bergmann et al. (CVPR 2019): 128×128 pixels, latent dimension 64, 50 epochs at learning rate
2e-4, 300 search steps at 0.02, λ = 0.1. The network is DCGAN (Radford et al., ICLR 2016): N(0, 0.02) weights, Adam with
β₁ = 0.5, batch normalization. Chosen here: batches of 64, 10,000 augmented images in an epoch, the discriminator's last
feature layer (4×4) for the feature loss, means instead of sums over pixels in both losses.
"""

import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from hazelnut_ae.augmentation import random_batch
from hazelnut_ae.comparison.autoencoders import TURN
from hazelnut_ae.detection import Detector, prediction_from_maps
from hazelnut_ae.engine.device import autocast

SIZE, LATENT_DIM = 128, 64
LAMBDA = 0.1  # the share of the feature loss in the latent search


class Generator(nn.Module):
    """z float32 [N, latent, 1, 1] -> images [N, 3, 128, 128] in [−1, 1]."""

    def __init__(self, latent_dim=LATENT_DIM, width=64):
        super().__init__()
        channels = [width * 16, width * 8, width * 4, width * 2, width]
        layers = [nn.ConvTranspose2d(latent_dim, channels[0], 4, bias=False)]  # 4×4
        for before, after in itertools.pairwise(channels):  # 8×8, 16×16, 32×32, 64×64
            layers += [nn.BatchNorm2d(before), nn.ReLU(), nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.ConvTranspose2d(width, 3, 4, 2, 1), nn.Tanh()]  # 128×128
        self.layers = nn.Sequential(*layers)

    def forward(self, z):
        return self.layers(z)  # [N, 3, 128, 128]


class Discriminator(nn.Module):
    """images [N, 3, 128, 128] -> logits [N], larger = looks real."""

    def __init__(self, width=64):
        super().__init__()
        channels = [width, width * 2, width * 4, width * 8, width * 16]
        layers = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]  # 64×64
        for before, after in itertools.pairwise(channels):  # 32×32, 16×16, 8×8, 4×4
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers)
        self.decide = nn.Conv2d(width * 16, 1, 4)

    def forward(self, x):
        return self.decide(self.features(x)).flatten()  # [N]


def dcgan_weights(module):
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


class AnoGAN(Detector):
    """The GAN and the latent search; steps, batch_size and augment as in `BergmannAutoencoder`."""

    name = "AnoGAN"

    def __init__(self, steps=7_800, batch_size=64, width=64, search_steps=300, augment=TURN, seed=0, device="cpu"):
        self.steps, self.batch_size, self.search_steps = steps, batch_size, search_steps
        self.augment, self.seed, self.device = augment, seed, device
        torch.manual_seed(seed)
        self.generator = Generator(width=width).apply(dcgan_weights)
        self.discriminator = Discriminator(width).apply(dcgan_weights)
        self.network = nn.ModuleDict({"generator": self.generator, "discriminator": self.discriminator})
        self.network.to(device, memory_format=torch.channels_last)

    def noise(self, number, seed):
        """Draws latent vectors [number, latent, 1, 1]."""
        generator = torch.Generator().manual_seed(500_000_009 + seed)  # independent of those that choose the batch
        return torch.randn(number, LATENT_DIM, 1, 1, generator=generator).to(self.device)

    @staticmethod
    def prepare(images):
        """Averages images uint8 [N, 3, 256, 256] down to float32 [N, 3, 128, 128] in [0, 1]."""
        parts = torch.from_numpy(np.ascontiguousarray(images)).split(64)
        return torch.cat([F.interpolate(part.float() / 255, size=(SIZE, SIZE), mode="area") for part in parts])

    def fit(self, good):
        """Trains the GAN on augmented good images, uint8 [N, 3, 256, 256]."""
        images = self.prepare(good)
        self.network.train()
        optimizer_g = torch.optim.Adam(self.generator.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
        optimizer_d = torch.optim.Adam(self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
        bar = tqdm(range(self.steps), desc="AnoGAN: DCGAN", disable=None)
        for step in bar:
            real = random_batch(images, self.batch_size, self.augment, self.seed, step) * 2 - 1  # [B, 3, 128, 128]
            real = real.to(self.device, memory_format=torch.channels_last)
            with autocast(self.device):
                fake = self.generator(self.noise(self.batch_size, self.seed * 1_000_003 + step))  # [B, 3, 128, 128]
                says_real, says_fake = self.discriminator(real), self.discriminator(fake.detach())  # [B], [B]
            loss_d = cross_entropy(says_real, 1) + cross_entropy(says_fake, 0)
            optimizer_d.zero_grad()
            loss_d.backward()
            optimizer_d.step()
            self.discriminator.requires_grad_(False)  # it only passes the gradient on to the generator
            with autocast(self.device):
                loss_g = cross_entropy(self.discriminator(fake), 1)
            optimizer_g.zero_grad()
            loss_g.backward()
            optimizer_g.step()
            self.discriminator.requires_grad_(True)
            if step % 20 == 0:
                bar.set_postfix(d=f"{loss_d.item():.2f}", g=f"{loss_g.item():.2f}")

    @torch.inference_mode()
    def samples(self, number=16):
        """Generates `number` images from random latent vectors, uint8 [N, 3, 128, 128]."""
        images = self.generator.eval()(self.noise(number, -1 - self.seed))
        return ((images.float().cpu() + 1) * 127.5).round().to(torch.uint8).contiguous().numpy()

    def search(self, x):
        """Returns the generated images nearest to x, float32 [N, 3, 128, 128] in [−1, 1], and each step's mean loss."""
        self.network.eval().requires_grad_(False)
        z = self.noise(len(x), -1_000_003 - self.seed).requires_grad_()
        optimizer = torch.optim.Adam([z], lr=0.02)
        losses = []
        with autocast(self.device), torch.no_grad():
            wanted = self.discriminator.features(x).float()  # [N, C, 4, 4]
        for _ in tqdm(range(self.search_steps), desc="AnoGAN: latent search", disable=None):
            with autocast(self.device):  # in each step, because autocast would reuse the first z
                found = self.generator(z)  # [N, 3, 128, 128]
                features = self.discriminator.features(found)  # [N, C, 4, 4]
            residual_loss = (found.float() - x).abs().mean(dim=(1, 2, 3))  # [N]
            feature_loss = (features.float() - wanted).abs().mean(dim=(1, 2, 3))  # [N]
            loss = (1 - LAMBDA) * residual_loss + LAMBDA * feature_loss  # [N]
            optimizer.zero_grad()
            loss.sum().backward()  # each z gets only its own image's gradient
            optimizer.step()
            losses.append(loss.mean().item())
        self.network.requires_grad_(True)
        with torch.no_grad():
            return self.generator(z), losses

    def predict(self, images):
        """Scores pixels by the root mean squared difference from the generated image, in [0, 1], enlarged."""
        maps = np.empty((len(images), *images.shape[-2:]), np.float32)
        for first in range(0, len(images), 256):  # 256 images need about 2 GB; more would not be faster
            x = self.prepare(images[first : first + 256]) * 2 - 1  # [B, 3, 128, 128]
            x = x.to(self.device, memory_format=torch.channels_last)
            found, _ = self.search(x)
            score = ((x - found) / 2).square().mean(dim=1, keepdim=True).sqrt()  # [B, 1, 128, 128]
            score = F.interpolate(score, size=images.shape[-2:], mode="bilinear")
            maps[first : first + 256] = score[:, 0].cpu().numpy()
        return prediction_from_maps(maps)


def cross_entropy(logits, label):
    """Computes the discriminator loss of logits [B] for the label 1 (real) or 0 (generated)."""
    return F.binary_cross_entropy_with_logits(logits.float(), torch.full_like(logits, label, dtype=torch.float32))
