"""Frame encoders: one image in, one feature vector out."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from lstmzoo.errors import LstmzooError, unknown_choice

SMALL_CNN = "small_cnn"
MIN_SIZE = 32

_fetching = ContextVar("_fetching", default=True)


@contextmanager
def weights_follow() -> Iterator[None]:
    """Build pretrained encoders without their ImageNet weights: those of a checkpoint are loaded into them next.

    To fetch them first would be waste, and fail offline; but that an encoder was pretrained must be known later, too.
    """
    before = _fetching.set(False)
    try:
        yield
    finally:
        _fetching.reset(before)


def fetching() -> bool:
    """Whether ImageNet weights are wanted, or others follow."""
    return _fetching.get()


def list_encoders() -> list[str]:
    """List the encoder names: ``small_cnn`` and every torchvision classification network."""
    return [SMALL_CNN, *torchvision_names()]


def build_encoder(name: str, in_channels: int, feature_size: int, pretrained: bool = False) -> nn.Module:
    """Build an encoder (N, in_channels, H, W) → (N, feature_size).

    Args:
        name: one of :func:`list_encoders`.
        in_channels: channels of the frames, 1 to 3.
        feature_size: length of the feature vector.
        pretrained: start from torchvision's ImageNet weights.

    Returns:
        The encoder.

    Raises:
        LstmzooError: unknown name, or weights that do not exist or cannot be had.
    """
    if name == SMALL_CNN:
        if pretrained:
            raise LstmzooError(
                f"the encoder {SMALL_CNN!r} has no ImageNet weights; "
                "choose a torchvision encoder such as 'resnet18', or pretrained_encoder=False"
            )
        return SmallCNN(in_channels, feature_size)
    if name not in torchvision_names():
        raise LstmzooError(unknown_choice("encoder", name, list_encoders()))
    return Backbone(name, in_channels, feature_size, pretrained)


class SmallCNN(nn.Module):
    """Four convolutions of stride 2, each with BatchNorm and ReLU; 4 × 4 pooled cells; one linear map.

    About 3.2 million multiply-adds for a grey frame of 64 × 64. The 4 × 4 cells keep the rough layout of the frame.
    BatchNorm learns in fewer epochs here than GroupNorm; in evaluation both treat every frame by itself.

    Args:
        in_channels: channels of the frames.
        feature_size: length of the feature vector.
    """

    widths = (16, 32, 64, 64)
    cells = 4

    def __init__(self, in_channels: int, feature_size: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        channels = in_channels
        for width in self.widths:
            blocks += [
                nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            channels = width
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(self.cells)
        self.project = nn.Linear(channels * self.cells**2, feature_size)
        self.to(memory_format=torch.channels_last)  # a third faster on the CPU

    def forward(self, x: Tensor) -> Tensor:
        """Encode frames (N, C, H, W), H and W at least 32, to features (N, feature_size)."""
        _check_size(x)
        return self.project(self.pool(self.blocks(x)).flatten(1))


class Backbone(nn.Module):
    """A torchvision classification network with a linear map to the features in place of its classifier.

    Frames of one or two channels are repeated to three (grey, grey, grey; grey, difference, grey), so that the first
    convolution and its ImageNet weights stay as they are. Frames smaller than the network was made for are enlarged,
    and for networks of one fixed size (ViT, MaxViT) always brought to that size.

    Args:
        name: torchvision's name.
        in_channels: channels of the frames, 1 to 3.
        feature_size: length of the feature vector.
        pretrained: start from torchvision's default (ImageNet) weights.
    """

    def __init__(self, name: str, in_channels: int, feature_size: int, pretrained: bool = False) -> None:
        super().__init__()
        self.channels = [i % in_channels for i in range(3)]
        self.fixed_size = name.startswith(("vit_", "maxvit"))
        network, self.least_size = torchvision_network(name, pretrained)
        width = _remove_classifier(network)
        self.network = network
        self.project = nn.Linear(width, feature_size)

    def forward(self, x: Tensor) -> Tensor:
        """Encode frames (N, C, H, W), H and W at least 32, to features (N, feature_size)."""
        _check_size(x)
        x = x[:, self.channels]
        size = tuple(x.shape[2:])
        wanted = self.least_size
        if not self.fixed_size:
            wanted = (max(size[0], wanted[0]), max(size[1], wanted[1]))
        if wanted != size:
            x = nn.functional.interpolate(x, wanted, mode="bilinear", align_corners=False)
        return self.project(self.network(x))


def _check_size(x: Tensor) -> None:
    if min(x.shape[-2:]) < MIN_SIZE:
        raise ValueError(f"frames must be at least {MIN_SIZE} x {MIN_SIZE}; got shape {tuple(x.shape)}")


def torchvision_names() -> list[str]:
    import torchvision  # takes a second; only those who ask for it pay

    return sorted(torchvision.models.list_models(module=torchvision.models))


def torchvision_network(name: str, pretrained: bool) -> tuple[nn.Module, tuple[int, int]]:
    """A torchvision network, and the least frame size (H, W) it is made for."""
    from torchvision.models import get_model, get_model_weights

    weights = get_model_weights(name).DEFAULT
    size = weights.meta["min_size"]
    options: dict[str, Any] = {"image_size": size[0]} if name.startswith("vit_") else {}
    pretrained = pretrained and fetching()
    if pretrained:
        _fetch(name, weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # GoogLeNet and Inception announce a change of initialisation
        network = get_model(name, weights=weights if pretrained else None, **options)
    if hasattr(network, "transform_input"):
        network.transform_input = True  # GoogLeNet's and Inception's weights come from [-1, 1] images
    if hasattr(network, "aux_logits"):
        network.aux_logits = False
        for branch in ("aux1", "aux2", "AuxLogits"):
            if hasattr(network, branch):
                setattr(network, branch, None)
    return network, (size[0], size[1])


def _fetch(name: str, weights: Any) -> None:
    """Get the weights into torch's cache, verify their hash, and prove that the file holds nothing but tensors.

    torchvision then reads the cached file, and brings old names of parameters up to date, but would also unpickle
    objects; so it is read here first with ``weights_only``.
    """
    try:
        weights.get_state_dict(progress=True, check_hash=True, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        folder = f"{torch.hub.get_dir()}/checkpoints"
        raise LstmzooError(
            f"cannot get the ImageNet weights of encoder {name!r}: {error}\n"
            f"Download {weights.url} elsewhere and put it into {folder}/ (set TORCH_HOME to move that folder), "
            "or choose pretrained_encoder=False"
        ) from error


def _remove_classifier(network: nn.Module) -> int:
    """Replace the last map to the 1000 classes by the identity; return how many features reach it."""
    for path, module in reversed(list(network.named_modules())):
        if isinstance(module, nn.Linear) and module.out_features == 1000:
            width = module.in_features
        elif isinstance(module, nn.Conv2d) and module.out_channels == 1000:  # SqueezeNet
            width = module.in_channels
        else:
            continue
        network.set_submodule(path, nn.Identity())
        return width
    raise LstmzooError(f"{type(network).__name__} has no classifier of 1000 classes to replace")
