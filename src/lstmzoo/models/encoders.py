"""Encoders of images, of three kinds: one vector, a grid of vectors, or maps at several strides come out.

    vector    (N, C, H, W) → (N, F)                      action recognition
    grid      (B, 3, S, S) → (B, cells, C)               captioning
    pyramid   (B, T, 3, H, W) → (B, T, C_s, h_s, w_s)    segmentation, one map for each stride s

Each is a small network of our own or one of timm; `encoder_weights` says where ImageNet weights come from.
"""

import hashlib
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstmzoo.models.encoder_names import UNPADDED, is_small
from lstmzoo.models.encoder_weights import PACKAGED, build_network, upgrade_weights
from lstmzoo.models.fold import fold_batch_norm
from lstmzoo.models.frame_input import FrameInput
from lstmzoo.models.small_encoders import SmallCNN, SmallGrid, SmallPyramid, check_least_size

SMALL_COLOURS = ((0.5,) * 3, (0.25,) * 3)  # mean and std
SIZE, SMALL_SIZE = 224, 96  # sides of the images that grids are made of, in pixels
STRIDES = (4, 8, 16, 32)


def create_vector_encoder(
    name: str, in_channels: int, feature_size: int, pretrained: bool = False
) -> "VectorEncoder | SmallCNN":
    """Build an encoder (N, in_channels, H, W) → (N, feature_size) of frames that are at least 32 × 32.

    Args:
        name: one of ``list_encoders("vector")``, perhaps with timm's tag of its weights: ``resnet50.tv_in1k``.
        in_channels: channels of the frames, 1 to 3.
        feature_size: length of the feature vector.
        pretrained: start from ImageNet weights.

    Raises:
        LstmzooError: unknown name, or weights that do not exist or cannot be had.
    """
    if is_small("vector", name, pretrained):
        return SmallCNN(in_channels, feature_size)
    return VectorEncoder(name, in_channels, feature_size, pretrained)


def create_grid_encoder(name: str, pretrained: bool = True) -> "GridEncoder":
    """Build an encoder of images to grids of features.

    Args:
        name: one of ``list_encoders("grid")``, perhaps with timm's tag of its weights.
        pretrained: with ImageNet weights; ``small`` has none and always starts from scratch.

    Returns:
        The encoder, in evaluation mode.

    Raises:
        LstmzooError: unknown name, or weights that cannot be had.
    """
    if is_small("grid", name, False):
        return GridEncoder(name, SmallGrid(), SmallGrid.widths[-1], SMALL_SIZE, SMALL_COLOURS, False).eval()
    network = build_network(name, pretrained=pretrained)
    if network.num_features == network.feature_info[-1]["num_chs"]:  # nothing between the last stage and the pooling
        network.prune_intermediate_layers(1, prune_head=True)
    else:
        network.reset_classifier(0)
    size = PACKAGED.get(name, SIZE)
    return GridEncoder(name, network, network.num_features, size, colours(network), pretrained).eval()


def create_pyramid(name: str, pretrained: bool = False) -> "FeaturePyramid":
    """Build an encoder of frames to maps at strides 4, 8, 16 (and 32 of networks of timm).

    Args:
        name: one of ``list_encoders("pyramid")``, perhaps with timm's tag of its weights.
        pretrained: with ImageNet weights; ``small`` has none.

    Returns:
        The encoder, in training mode.

    Raises:
        LstmzooError: unknown name, or weights that do not exist or cannot be had.
    """
    if is_small("pyramid", name, pretrained):
        return FeaturePyramid(SmallPyramid(), SmallPyramid.levels, SMALL_COLOURS, False).train()
    network = build_network(name, pretrained=pretrained)
    levels = {i: info for i, info in enumerate(network.feature_info) if info["reduction"] in STRIDES}
    network.prune_intermediate_layers(list(levels), prune_norm=True, prune_head=True)
    pairs = {index: (info["reduction"], info["num_chs"]) for index, info in levels.items()}
    return FeaturePyramid(network, pairs, colours(network), pretrained).train()


Colours = tuple[tuple[float, ...], tuple[float, ...]]


def colours(network: nn.Module) -> Colours:
    """Mean and std of the colours that a network of timm was trained with."""
    config: Any = network.pretrained_cfg
    return tuple(config["mean"]), tuple(config["std"])


class VectorEncoder(nn.Module):
    """A network of timm with a linear map to the features in place of its classifier.

    Frames smaller than the network was made for are enlarged, and for networks of one fixed size (ViT, Swin, MaxViT)
    always brought to that size.

    Args:
        name: one of ``list_encoders("vector")``.
        in_channels: channels of the frames, 1 to 3.
        feature_size: length of the feature vector.
        pretrained: start from ImageNet weights.
    """

    def __init__(self, name: str, in_channels: int, feature_size: int, pretrained: bool = False) -> None:
        super().__init__()
        network = build_network(name, in_channels, pretrained)
        network.reset_classifier(0)
        self.normalisation = colours(network)
        config = network.pretrained_cfg
        self.fixed_size = tuple(config["input_size"][1:]) if config.get("fixed_input_size") else None
        self.least_size = 75 if name.startswith(UNPADDED) else 1
        self.network = network
        self.project = nn.Linear(network.head_hidden_size, feature_size)
        self.register_load_state_dict_pre_hook(upgrade_weights)

    def forward(self, x: Tensor) -> Tensor:
        """Encode frames (N, C, H, W), H and W at least 32, to features (N, feature_size)."""
        check_least_size(x)
        size = self.fixed_size or tuple(max(side, self.least_size) for side in x.shape[2:])
        if size != tuple(x.shape[2:]):
            x = F.interpolate(x, size, mode="bilinear", align_corners=False)
        return self.project(self.network(x))


class KeepsStatistics(nn.Module):
    """An encoder whose batch normalisation keeps its statistics where it is pretrained or frozen.

    Few images, those of one video at that, would only blur what ImageNet has shown.
    """

    pretrained: bool

    def train(self, mode: bool = True) -> Any:
        super().train(mode)
        if self.pretrained or not any(weight.requires_grad for weight in self.parameters()):
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


class GridEncoder(KeepsStatistics):
    """Images (B, 3, S, S) uint8 → grid features (B, N, C), the cells row by row.

    Args:
        name: what the network is called.
        network: with ``forward_features``, (B, 3, S, S) normalised → (B, C, h, w), N = h · w.
        channels: C.
        image_size: S, in pixels.
        normalisation: mean and std of each colour in 0..1.
        pretrained: whether it starts from weights worth keeping.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, name: str, network: nn.Module, channels: int, image_size: int, normalisation: Colours, pretrained: bool
    ) -> None:
        super().__init__()
        self.name, self.channels, self.image_size = name, channels, image_size
        self.normalisation, self.pretrained = normalisation, pretrained
        self.network: Any = network.to(memory_format=torch.channels_last)  # twice as fast on the CPU
        for key, values in zip(("mean", "std"), normalisation, strict=True):
            self.register_buffer(key, torch.tensor(values)[:, None, None], persistent=False)
        self.register_load_state_dict_pre_hook(upgrade_weights)

    @property
    def key(self) -> str:
        """What features depend on, in a word: network, transform, and the weights as they are now."""
        digest = hashlib.blake2b(digest_size=8)
        for tensor in self.state_dict().values():
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        mean, std = self.normalisation
        return f"{self.name} {self.image_size}px mean={mean} std={std} weights={digest.hexdigest()}"

    def forward(self, images: Tensor) -> Tensor:
        """Encode images (B, 3, S, S) uint8 to (B, N, C)."""
        x = (images.to(self.mean.dtype) / 255 - self.mean) / self.std
        return self.network.forward_features(x).flatten(2).transpose(1, 2)


class FeaturePyramid(KeepsStatistics):
    """Frames (B, T, 3, H, W) → one map (B, T, C_s, h_s, w_s) per stride s, the finest first.

    Frames whose sides are not multiples of the largest stride are padded at the bottom and on the right, with the mean
    colour, so h_s = ⌈H / S⌉ · S / s for the largest stride S.

    Args:
        stages: with ``forward_intermediates``, (N, 3, H, W) normalised → maps (N, C_s, h_s, w_s).
        levels: which of its maps are wanted, and stride and channels of each.
        normalisation: mean and std of each colour in 0..1.
        pretrained: whether it starts from weights worth keeping.

    Attributes:
        strides: those of the maps, 4, 8, 16 and perhaps 32.
        channels: C_s of each.
    """

    def __init__(
        self, stages: nn.Module, levels: dict[int, tuple[int, int]], normalisation: Colours, pretrained: bool
    ) -> None:
        super().__init__()
        self.pretrained = pretrained
        self.input = FrameInput("rgb", *normalisation)
        self.indices = list(levels)
        self.strides = tuple(stride for stride, _ in levels.values())
        self.channels = tuple(channels for _, channels in levels.values())
        self.stages: Any = stages.to(memory_format=torch.channels_last)  # faster on the CPU
        self.register_load_state_dict_pre_hook(upgrade_weights)

    def forward(self, video: Tensor) -> list[Tensor]:
        """Encode frames (B, T, 3 or 1, H, W), uint8 in 0..255 or floating in 0..1."""
        frames, _ = self.input(video)
        x = pad_to_multiple(frames.flatten(0, 1), self.strides[-1]).contiguous(memory_format=torch.channels_last)
        maps = self.stages.forward_intermediates(x, indices=self.indices, intermediates_only=True)
        return [one.unflatten(0, video.shape[:2]) for one in maps]

    def fold(self) -> None:
        """Fold batch normalisation into the convolutions, see `fold_batch_norm`."""
        values = torch.arange(3 * 64 * 64, device=next(self.parameters()).device)
        image = (89 * values % 256).to(torch.uint8)  # any that uses up no random numbers
        fold_batch_norm(self, image.view(1, 1, 3, 64, 64))


def fold_encoders(model: nn.Module) -> nn.Module:
    """Fold batch normalisation in a model's encoders of videos: faster in use, and no longer to be trained."""
    for module in model.modules():
        if isinstance(module, FeaturePyramid):
            module.fold()
    return model


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Pad (..., H, W) with zeros at the bottom and on the right to multiples of a number."""
    height, width = images.shape[-2:]
    return F.pad(images, (0, -width % multiple, 0, -height % multiple))
