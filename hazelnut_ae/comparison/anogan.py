"""AnoGAN: learn to paint good images, then look for the painted image nearest to the one at hand.

T. Schlegl, P. Seeböck, S. M. Waldstein, U. Schmidt-Erfurth, G. Langs: Unsupervised Anomaly Detection with Generative
Adversarial Networks to Guide Marker Discovery, IPMI 2017, with the settings of Bergmann et al. (CVPR 2019): 128×128
pixels, latent dimension 64, 50 epochs at learning rate 2e-4, 300 search steps at 0.02, λ = 0.1. The network is DCGAN
(Radford et al., ICLR 2016): N(0, 0.02) weights, Adam with β₁ = 0.5, batch normalization.

Not printed, and chosen here: batches of 64, 10,000 augmented images to an epoch as for the autoencoders, the
discriminator's last feature layer (4×4) for the feature loss, and means instead of sums over pixels in both losses.
"""

import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from hazelnut_ae.augmentation import AUGMENTATION_PRESETS, random_batch
from hazelnut_ae.detection import Detector, prediction_from_maps
from hazelnut_ae.engine.device import faster_arithmetic

SIZE = 128


class Generator(nn.Module):
    """z float32 [N, latent, 1, 1] -> images [N, 3, 128, 128] in [−1, 1]."""

    def __init__(self, latent_dim=64, width=64):
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
    """AnoGAN as a `Detector`."""

    name = "AnoGAN"

    def __init__(
        self,
        steps=7_800,
        batch_size=64,
        width=64,
        search_steps=300,
        latent_dim=64,
        augment=AUGMENTATION_PRESETS["turn"],
        seed=0,
        device="cpu",
        checkpoint=None,
    ):
        self.steps, self.batch_size, self.search_steps, self.latent_dim = steps, batch_size, search_steps, latent_dim
        self.augment, self.seed, self.device, self.checkpoint = augment, seed, device, checkpoint
        torch.manual_seed(seed)
        self.generator = Generator(latent_dim, width).apply(dcgan_weights)
        self.discriminator = Discriminator(width).apply(dcgan_weights)
        for network in (self.generator, self.discriminator):
            network.to(device, memory_format=torch.channels_last)
        self.losses = []  # (discriminator, generator)

    def noise(self, number, seed):
        generator = torch.Generator().manual_seed(500_000_009 + seed)  # other numbers than those that choose the batch
        z = torch.randn(number, self.latent_dim, 1, 1, generator=generator)
        return z.to(self.device)  # [N, latent, 1, 1]

    @staticmethod
    def prepare(images):
        """uint8 [N, 3, 256, 256] -> float32 [N, 3, 128, 128] in [0, 1], by averaging."""
        images = torch.from_numpy(np.ascontiguousarray(images))
        parts = [F.interpolate(part.float() / 255, size=(SIZE, SIZE), mode="area") for part in images.split(64)]
        return torch.cat(parts)

    def fit(self, good):
        images = self.prepare(good)
        self.generator.train()
        self.discriminator.train()
        improve_g = torch.optim.Adam(self.generator.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
        improve_d = torch.optim.Adam(self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
        parts = {"g": self.generator, "d": self.discriminator, "improve_g": improve_g, "improve_d": improve_d}
        first = self.checkpoint.resume(**parts) if self.checkpoint else 0
        ones, zeros = torch.ones(self.batch_size, device=self.device), torch.zeros(self.batch_size, device=self.device)
        real_or_not = F.binary_cross_entropy_with_logits
        bar = tqdm(range(first, self.steps), initial=first, total=self.steps, desc="AnoGAN: DCGAN", disable=None)
        for step in bar:
            real = random_batch(images, self.batch_size, self.augment, self.seed, step) * 2 - 1  # [B, 3, 128, 128]
            real = real.to(self.device, memory_format=torch.channels_last)
            with faster_arithmetic(self.device):
                fake = self.generator(self.noise(self.batch_size, self.seed * 1_000_003 + step))  # [B, 3, 128, 128]
                says_real, says_fake = self.discriminator(real), self.discriminator(fake.detach())  # [B], [B]
            loss_d = real_or_not(says_real.float(), ones) + real_or_not(says_fake.float(), zeros)
            improve_d.zero_grad()
            loss_d.backward()
            improve_d.step()

            self.discriminator.requires_grad_(False)  # it only passes the gradient on to the generator
            with faster_arithmetic(self.device):
                says_fake = self.discriminator(fake)  # [B]
            loss_g = real_or_not(says_fake.float(), ones)
            improve_g.zero_grad()
            loss_g.backward()
            improve_g.step()
            self.discriminator.requires_grad_(True)

            if step % 20 == 0:
                self.losses.append((float(loss_d.detach()), float(loss_g.detach())))
                bar.set_postfix(d=f"{self.losses[-1][0]:.2f}", g=f"{self.losses[-1][1]:.2f}")
            if self.checkpoint:
                self.checkpoint.save(step + 1, **parts)

    @torch.inference_mode()
    def samples(self, number=16):
        """Images from random latent vectors, uint8 [N, 3, 128, 128]: what this GAN believes good images to be."""
        self.generator.eval()
        images = self.generator(self.noise(number, -1 - self.seed))
        return ((images.float().cpu() + 1) * 127.5).round().to(torch.uint8).contiguous().numpy()

    def search(self, x):
        """The latent search: x float32 [N, 3, 128, 128] in [−1, 1] -> G(z) nearest to it, and the loss of each step.

        All images are searched as one batch: each has its own z, the networks stand still.
        """
        self.generator.eval().requires_grad_(False)
        self.discriminator.eval().requires_grad_(False)
        z = self.noise(len(x), -1_000_003 - self.seed).requires_grad_()
        improve_z = torch.optim.Adam([z], lr=0.02)
        course = []
        with faster_arithmetic(self.device), torch.no_grad():
            wanted = self.discriminator.features(x).float()  # [N, C, 4, 4]
        for _ in tqdm(range(self.search_steps), desc="AnoGAN: latent search", disable=None):
            with faster_arithmetic(
                self.device
            ):  # anew in each step: autocast would go on using its copy of the first z
                found = self.generator(z)  # [N, 3, 128, 128]
                features_found = self.discriminator.features(found)  # [N, C, 4, 4]
            residual = (found.float() - x).abs().mean(dim=(1, 2, 3))  # [N]
            features = (features_found.float() - wanted).abs().mean(dim=(1, 2, 3))  # [N]
            loss = (1 - 0.1) * residual + 0.1 * features  # [N]
            improve_z.zero_grad()
            loss.sum().backward()  # the images do not meet in this sum: each z gets its own gradient
            improve_z.step()
            course.append(float(loss.detach().mean()))
        with torch.no_grad():
            found = self.generator(z)
        self.generator.requires_grad_(True)
        self.discriminator.requires_grad_(True)
        return found, course

    def predict(self, images):
        """The root of the mean squared difference of the channels to the found image, in [0, 1]; enlarged to 256."""
        maps = np.empty((len(images), *images.shape[-2:]), np.float32)
        for first in range(0, len(images), 256):  # 256 images need about 2 GB; more would not be faster
            x = self.prepare(images[first : first + 256]) * 2 - 1  # [B, 3, 128, 128]
            x = x.to(self.device, memory_format=torch.channels_last)
            found, _ = self.search(x)
            score = ((x - found) / 2).square().mean(dim=1, keepdim=True).sqrt()  # [B, 1, 128, 128]
            score = F.interpolate(score, size=images.shape[-2:], mode="bilinear")
            maps[first : first + 256] = score[:, 0].cpu().numpy()
        return prediction_from_maps(maps)

    def state(self):
        """Everything that `anomaly_maps` needs, for a safetensors file."""
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        return {f"{n}.{k}": t.contiguous() for n, network in networks.items() for k, t in network.state_dict().items()}

    def restore(self, state):
        for name, network in (("generator", self.generator), ("discriminator", self.discriminator)):
            prefix = name + "."
            network.load_state_dict({k.removeprefix(prefix): t for k, t in state.items() if k.startswith(prefix)})
