"""Feature pyramids: one frame in, maps at strides 4, 8, 16 (and 32 of pretrained networks) out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.models.frame_input import FrameInput
from lstmzoo.models.image_encoders import (
    LITE0,
    SMALL,
    LiteGrid,
    conv_norm_relu,
    create_encoder,
    keep_statistics,
    list_image_encoders,
)

STRIDES = (4, 8, 16, 32)
SMALL_WIDTHS = (16, 32, 64, 96)
GREY = (0.5,) * 3, (0.25,) * 3  # mean and std of the network that starts from scratch


class FeaturePyramid(nn.Module):
    """Frames (B, T, 3, H, W) → one map (B, T, C_s, h_s, w_s) per stride s, the finest first.

    Frames whose sides are no multiple of the largest stride are padded at the bottom and on the right, with the mean
    colour, so h_s = ⌈H / S⌉ · S / s for the largest stride S.

    Args:
        modules: the layers of the network, one after the other.
        mean: of each colour in 0..1, taken off.
        std: of each colour, divided by.
        pretrained: whether the weights are worth keeping; then batch normalisation keeps its statistics, which few
            frames, and those of one video, would only blur. So it does where the weights are frozen.

    Attributes:
        strides: those of the maps, 4, 8, 16 and perhaps 32.
        channels: C_s of each.

    Raises:
        LstmzooError: the network has no maps at these strides.
    """

    def __init__(
        self, modules: Sequence[nn.Module], mean: Sequence[float], std: Sequence[float], pretrained: bool
    ) -> None:
        super().__init__()
        self.pretrained = pretrained
        self.input = FrameInput("rgb", mean, std)
        found = _by_stride(modules)
        self.strides = tuple(stride for stride, _, _ in found)
        self.channels = tuple(channels for _, channels, _ in found)
        self.stages = nn.ModuleList(stage for _, _, stage in found)
        self.to(memory_format=torch.channels_last)  # faster on the CPU

    def train(self, mode: bool = True) -> FeaturePyramid:
        super().train(mode)
        if self.pretrained or not any(weight.requires_grad for weight in self.parameters()):
            keep_statistics(self)
        return self

    def forward(self, video: Tensor) -> list[Tensor]:
        """Encode frames (B, T, 3 or 1, H, W), uint8 in 0..255 or floating in 0..1."""
        frames, _ = self.input(video)
        x = pad_to_multiple(frames.flatten(0, 1), self.strides[-1]).contiguous(memory_format=torch.channels_last)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x.unflatten(0, video.shape[:2]))
        return maps


def list_pyramids() -> list[str]:
    """List the names: ``small``, ``efficientnet_lite0``, and torchvision's networks with maps at strides 4, 8, 16."""
    return [name for name in list_image_encoders() if name != "alexnet"]


def create_pyramid(name: str, pretrained: bool = False) -> FeaturePyramid:
    """Build a feature pyramid.

    Args:
        name: one of :func:`list_pyramids`.
        pretrained: with ImageNet weights; ``small`` has none.

    Returns:
        The pyramid, in training mode.

    Raises:
        LstmzooError: an unknown name, or weights that do not exist or cannot be had.
    """
    if name == SMALL:
        if pretrained:
            raise LstmzooError(
                f"the encoder {SMALL!r} has no ImageNet weights; choose e.g. {LITE0!r}, or pretrained_encoder=False"
            )
        return FeaturePyramid(_small(), *GREY, pretrained=False).train()
    if name not in list_pyramids():
        raise LstmzooError(unknown_choice("encoder", name, list_pyramids()))
    encoder = create_encoder(name, pretrained)
    return FeaturePyramid(list(_layers(encoder.network)), *encoder.normalisation, pretrained).train()


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Pad (..., H, W) with zeros at the bottom and on the right to multiples of a number."""
    height, width = images.shape[-2:]
    return F.pad(images, (0, -width % multiple, 0, -height % multiple))


def _small() -> list[nn.Module]:
    """Convolutions of stride 2 to each of the widths, each but the first with one more behind it."""
    modules: list[nn.Module] = []
    channels = 3
    for number, width in enumerate(SMALL_WIDTHS):
        modules += conv_norm_relu(channels, width, stride=2)
        modules += conv_norm_relu(width, width) if number else []
        channels = width
    return modules


def _layers(network: nn.Module) -> Iterator[nn.Module]:
    """The layers of a network that runs them one after the other, taken out of nested containers."""
    if isinstance(network, LiteGrid):
        lite = network.network
        yield from (lite._conv_stem, lite._bn0, lite._swish, *lite._blocks)
    elif isinstance(network, nn.Sequential):
        for child in network:
            yield from _layers(child)
    else:
        yield network


def _by_stride(modules: Sequence[nn.Module]) -> list[tuple[int, int, nn.Sequential]]:
    """Cut a network where its maps get smaller; the strides, the channels and the parts, from input to output.

    What comes after the last map of a stride belongs to the next; beyond the largest stride nothing is kept.
    """
    side = 2 * STRIDES[-1]
    x = torch.zeros(1, 3, side, side)
    parts: dict[int, list[nn.Module]] = {stride: [] for stride in STRIDES}
    channels = {}
    with torch.no_grad():
        for module in modules:
            x = module.eval()(x)
            stride = max(side // x.shape[-1], STRIDES[0])
            if stride > STRIDES[-1]:
                break
            if stride not in parts or side % x.shape[-1]:
                raise LstmzooError(f"the encoder gives a map of side {x.shape[-1]} for a frame of side {side}")
            parts[stride].append(module)
            channels[stride] = x.shape[1]
    if missing := [stride for stride in STRIDES[:3] if not parts[stride]]:
        raise LstmzooError(f"the encoder has no map at stride {missing[0]}; choose one of {', '.join(list_pyramids())}")
    return [(stride, channels[stride], nn.Sequential(*part)) for stride, part in parts.items() if part]
