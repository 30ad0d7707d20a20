"""The real data sets: licence, page, hash and known addresses."""

from typing import NamedTuple


class Source(NamedTuple):
    """A published data set; the addresses are tried in turn, each has the file with this SHA-256."""

    name: str
    license: str
    page: str  # where a person finds the download
    sha256: str | None
    addresses: tuple[str, ...]


# MVTec's addresses changed at least three times since 2019 (see anomalib's issues 250, 3121, 3441 and 3608). The hash
# makes any address safe: add a new one in front, and keep the old ones, because they may work again.
MVTEC_AD = Source(
    name="MVTec AD (Bergmann et al., CVPR 2019)",
    license="CC BY-NC-SA 4.0: share and change it with credit, under the same licence, not for commercial purposes",
    page="https://www.mvtec.com/company/research/datasets/mvtec-ad",
    sha256="cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d",
    addresses=(
        "https://www.mydrive.ch/shares/150996/b52ecdcbf521176e9db9c731f2304b27/download/420938113-1629960298/mvtec_anomaly_detection.tar.xz",
        "https://www.mydrive.ch/shares/38536/3830184030e49fe74747669442f0f283/download/420938113-1629960298/mvtec_anomaly_detection.tar.xz",
        "https://huggingface.co/datasets/micguida1/mvtech_anomaly_detection/resolve/main/mvtec_anomaly_detection.tar.xz",
        "https://www.mydrive.ch/shares/38536/3830184030e49fe74747669442f0f282/download/420938113-1629952094/mvtec_anomaly_detection.tar.xz",
    ),
)
HAZELNUT_TOY = Source(
    name="Hazelnut toy (anomalib, Intel)",
    license="CC BY 4.0: share and change it with credit",
    page="https://github.com/open-edge-platform/anomalib/releases/tag/hazelnut_toy_dataset",
    sha256=None,  # none is published
    addresses=(
        "https://github.com/open-edge-platform/anomalib/releases/download/hazelnut_toy_dataset/hazelnut_toy.zip",
        "https://github.com/openvinotoolkit/anomalib/releases/download/hazelnut_toy_dataset/hazelnut_toy.zip",
        "https://openvinotoolkit.github.io/anomalib/_downloads/3f2af1d7748194b18c2177a34c03a2c4/hazelnut_toy.zip",
    ),
)
CATEGORIES = "bottle cable capsule carpet grid hazelnut leather metal_nut pill screw tile toothbrush".split()
CATEGORIES += ["transistor", "wood", "zipper"]
SOURCES = {**dict.fromkeys(CATEGORIES, MVTEC_AD), "hazelnut_toy": HAZELNUT_TOY}
DEFECTS = {"crack": 18, "cut": 17, "hole": 18, "print": 17}
HAZELNUT_COUNTS = {f"{split}/{defect}": n for split in ("ground_truth", "test") for defect, n in DEFECTS.items()}
HAZELNUT_COUNTS |= {"test/good": 40, "train/good": 391}
