"""AE(L2) and AE(SSIM): the autoencoders of the data set's own authors.

P. Bergmann, S. Löwe, M. Fauser, D. Sattlegger, C. Steger: Improving Unsupervised Defect Segmentation by Applying
Structural Similarity to Autoencoders, VISAPP 2019 (the network is its Table 1), and P. Bergmann, M. Fauser,
D. Sattlegger, C. Steger: MVTec AD, CVPR 2019 (256-pixel objects, one more layer of stride 2).

The same network twice. With the L2 loss it is blamed for every wrong pixel. With the SSIM loss it is blamed where
the brightness, contrast or structure of an 11×11 window differs, and the anomaly map measures the same.

Not printed, and chosen here: the placement of the added layer (first in the encoder, last in the decoder), colour for
L2 (SSIM is on grey), and latent size 500 (they print 100; 500 is what others use for 256 pixels).

Other than printed: a sigmoid at the output, as in the article (theirs is linear), and He's initial weights, without
which a fit of 1000 steps ended at the mean image or, with SSIM, diverged; no weight decay (theirs is 1e-5); each batch
is augmented anew (they augment to about 10,000 images beforehand).
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
from hazelnut_ae.detection import Detector, prediction_from_maps
from hazelnut_ae.engine.device import best_precision, faster
from hazelnut_ae.training import to_float, train

# (channels, kernel, stride); padding 1. The first row is the one added for 256 pixels.
ENCODER = [
    (32, 4, 2),  # 256 -> 128
    (32, 4, 2),  # 128 -> 64
    (32, 4, 2),  # 64 -> 32
    (32, 3, 1),
    (64, 4, 2),  # 32 -> 16
    (64, 3, 1),
    (128, 4, 2),  # 16 -> 8
    (64, 3, 1),
    (32, 3, 1),
]


def he_weights(network):
    """Weights after He et al. (2015), so that the signal neither fades nor grows on its way through 20 layers.

    Its variance stays if a weight's is 2 / ((1 + 0.2²) n), where n is how many inputs meet in one output number.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            meet = layer.in_channels * layer.kernel_size[0] ** 2
            if isinstance(layer, nn.ConvTranspose2d):  # the kernel's places are shared out among stride² outputs
                meet = layer.in_channels if layer.kernel_size[0] == 8 else meet / layer.stride[0] ** 2
            nn.init.normal_(layer.weight, 0, math.sqrt(2 / (1 + 0.2**2) / meet))
            nn.init.zeros_(layer.bias)


class BergmannNetwork(nn.Module):
    """float32 [N, C, 256, 256] -> the same. LeakyReLU(0.2), but none at the latent vector; a sigmoid ends it."""

    def __init__(self, channels=3, latent_dim=500):
        super().__init__()
        layers = []
        width = channels
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
    """SSIM of two grey batches, float32 [N, 1, H, W] in [0, 1], at every pixel: [N, H, W], 1 where they are alike.

    A Gaussian window of 11×11 with σ = 1.5 (Wang et al. 2004); the border is reflected.
    """
    # SSIM treats channels apart, so the batch may go where the channels are: the same values, and on a processor
    # the convolution over many channels is 20 times faster than over many images of one channel.
    x, y = x.transpose(0, 1), y.transpose(0, 1)  # [1, N, H, W]
    _, full = structural_similarity_index_measure(x, y, sigma=1.5, data_range=1.0, return_full_image=True)
    return full[0]  # [N, H, W]


class BergmannAutoencoder(Detector):
    """AE(L2) or AE(SSIM) as a `Detector`."""

    def __init__(
        self,
        loss="l2",
        steps=15_600,
        batch_size=128,
        learning_rate=2e-4,
        latent_dim=500,
        augment=AUGMENTATION_PRESETS["turn"],
        grey=None,
        seed=0,
        device="cpu",
        checkpoint=None,
    ):
        """`loss` is "l2" or "ssim"; 15,600 steps of 128 are 200 epochs of about 10,000 augmented images."""
        if loss not in ("l2", "ssim"):
            raise ValueError(f"loss {loss!r} is neither 'l2' nor 'ssim'")
        self.name = {"l2": "AE(L2)", "ssim": "AE(SSIM)"}[loss]
        self.loss, self.steps, self.batch_size, self.learning_rate = loss, steps, batch_size, learning_rate
        self.augment, self.seed, self.device, self.checkpoint = augment, seed, device, checkpoint
        self.grey = loss == "ssim" if grey is None else grey
        torch.manual_seed(seed)
        self.network = BergmannNetwork(1 if self.grey else 3, latent_dim)
        self.network.to(device, memory_format=torch.channels_last)
        self.losses = []

    def prepare(self, images):
        """uint8 [N, 3, 256, 256] -> uint8 [N, C, 256, 256]: one grey channel where the network wants that."""
        images = torch.from_numpy(np.ascontiguousarray(images))
        return rgb_to_grayscale(images) if self.grey else images

    def loss_of(self, network, batch):
        """The number that the training lowers, for images [B, C, 256, 256], float32 in [0, 1] or uint8."""
        x = to_float(batch) if batch.dtype == torch.uint8 else batch
        output = network(x)  # [B, C, 256, 256]
        if self.loss == "l2":
            return F.mse_loss(output, x)
        return 1 - torch.stack([ssim_map(output[:, [c]], x[:, [c]]) for c in range(x.shape[1])]).mean()

    def fit(self, good):
        images = self.prepare(good)
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.learning_rate, fused=True)
        parts = {"network": self.network, "optimizer": optimizer}
        first = self.checkpoint.resume(**parts) if self.checkpoint else 0
        precision = best_precision(self.device)
        network, prepare = faster(self.network, self.loss_of, self.device, precision)
        bar = tqdm(initial=first, total=self.steps, desc=self.name, disable=None)
        options = (self.batch_size, self.augment, self.seed)
        batches = (prepare(random_batch(images, *options, step)) for step in range(first, self.steps))
        for step, loss in enumerate(train(network, optimizer, batches, self.loss_of), start=first):
            bar.update()
            if step % 20 == 0:
                self.losses.append(float(loss))
                bar.set_postfix(loss=f"{self.losses[-1]:.4f}")
            if self.checkpoint:
                self.checkpoint.save(step + 1, **parts)
        bar.close()

    @torch.inference_mode()
    def reconstruct(self, images):
        """uint8 [N, 3, 256, 256] -> float32 [N, C, 256, 256] in [0, 1]."""
        self.network.eval()
        outputs = []
        for batch in self.prepare(images).split(32):
            x = (batch.float() / 255).to(self.device, memory_format=torch.channels_last)
            outputs.append(self.network(x).cpu())  # in float32: bfloat16 has few steps between 0.5 and 1
        return torch.cat(outputs).numpy()

    @torch.inference_mode()
    def predict(self, images):
        """L2: the root of the mean squared difference of the channels, in [0, 1]. SSIM: 1 − SSIM, in [0, 2]."""
        maps = np.empty((len(images), *images.shape[-2:]), np.float32)
        for first in range(0, len(images), 32):
            part = images[first : first + 32]
            x = self.prepare(part).float() / 255  # [B, C, 256, 256]
            y = torch.from_numpy(self.reconstruct(part))  # [B, C, 256, 256]
            if self.loss == "l2":
                score = (x - y).square().mean(dim=1).sqrt()  # [B, 256, 256]
            else:
                score = 1 - torch.stack([ssim_map(y[:, [c]], x[:, [c]]) for c in range(x.shape[1])]).mean(dim=0)
            maps[first : first + 32] = score.numpy()
        return prediction_from_maps(maps)

    def state(self):
        """Everything that `anomaly_maps` needs, for a safetensors file."""
        return {name: tensor.contiguous() for name, tensor in self.network.state_dict().items()}

    def restore(self, state):
        self.network.load_state_dict(state)
