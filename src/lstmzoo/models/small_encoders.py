"""Three small convolutional networks that are trained from scratch, one for each kind of encoder."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from lstmzoo.models.frame_input import IMAGENET_MEAN, IMAGENET_STD

MIN_SIZE = 32


def check_least_size(frames: Tensor) -> None:
    """Raise `ValueError` for frames (..., H, W) that are smaller than 32 × 32."""
    if min(frames.shape[-2:]) < MIN_SIZE:
        raise ValueError(f"frames must be at least {MIN_SIZE} x {MIN_SIZE}; got shape {tuple(frames.shape)}")


def conv_norm_relu(channels: int, width: int, stride: int = 1) -> list[nn.Module]:
    """A 3 × 3 convolution to `width` channels with BatchNorm and ReLU."""
    return [nn.Conv2d(channels, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]


def halvings(channels: int, widths: tuple[int, ...]) -> nn.Sequential:
    """Convolutions of stride 2 to each of the widths."""
    pairs = zip((channels, *widths), widths, strict=False)
    return nn.Sequential(*(layer for before, width in pairs for layer in conv_norm_relu(before, width, stride=2)))


class SmallCNN(nn.Module):
    """Frames to vectors: four convolutions of stride 2, 4 × 4 pooled cells, one linear map.

    About 3.2 million multiply-adds for a grey frame of 64 × 64. The 4 × 4 cells keep the rough layout of the frame.
    BatchNorm learns in fewer epochs here than GroupNorm; in evaluation both treat every frame by itself.

    Args:
        in_channels: channels of the frames.
        feature_size: length of the feature vector.
    """

    widths = (16, 32, 64, 64)
    cells = 4
    normalisation = IMAGENET_MEAN, IMAGENET_STD

    def __init__(self, in_channels: int, feature_size: int) -> None:
        super().__init__()
        self.blocks = halvings(in_channels, self.widths)
        self.pool = nn.AdaptiveAvgPool2d(self.cells)
        self.project = nn.Linear(self.widths[-1] * self.cells**2, feature_size)
        self.to(memory_format=torch.channels_last)  # a third faster on the CPU

    def forward(self, x: Tensor) -> Tensor:
        """Encode frames (N, C, H, W), H and W at least 32, to features (N, feature_size)."""
        check_least_size(x)
        return self.project(self.pool(self.blocks(x)).flatten(1))


class SmallGrid(nn.Module):
    """Images to grids: four convolutions of stride 2, so 96 × 96 pixels → 6 × 6 cells.

    Two more input channels hold every pixel's place, -1..1 (CoordConv, Liu et al. 2018), so that a cell can tell left
    from right.
    """

    widths = (32, 64, 96, 128)

    def __init__(self) -> None:
        super().__init__()
        self.blocks = halvings(5, self.widths)

    def forward_features(self, x: Tensor) -> Tensor:
        """Encode (B, 3, H, W) to (B, 128, H / 16, W / 16); the name is timm's."""
        y, xs = (torch.linspace(-1, 1, size, device=x.device, dtype=x.dtype) for size in x.shape[2:])
        place = torch.stack(torch.meshgrid(y, xs, indexing="ij")).expand(x.shape[0], -1, -1, -1)
        return self.blocks(torch.cat([x, place], dim=1))


class SmallPyramid(nn.ModuleList):
    """Frames to maps at strides 4, 8 and 16: convolutions of stride 2, each but the first with one more behind it."""

    widths = (16, 32, 64, 96)
    levels: ClassVar = {0: (4, 32), 1: (8, 64), 2: (16, 96)}  # strides and channels of the maps

    def __init__(self) -> None:
        layers = conv_norm_relu(3, self.widths[0], stride=2)
        stages = []
        for before, width in zip(self.widths, self.widths[1:], strict=False):
            stages.append(
                nn.Sequential(*layers, *conv_norm_relu(before, width, stride=2), *conv_norm_relu(width, width))
            )
            layers = []
        super().__init__(stages)

    def forward_intermediates(self, x: Tensor, **_: object) -> list[Tensor]:
        """Encode (B, 3, H, W) to the maps, the finest first; the name is timm's."""
        maps = []
        for stage in self:
            x = stage(x)
            maps.append(x)
        return maps
