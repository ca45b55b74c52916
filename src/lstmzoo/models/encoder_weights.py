"""The networks of encoders, all of timm, and where their ImageNet weights come from."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lstmzoo.errors import LstmzooError

PACKAGED = {"efficientnet_lite0": 224, "efficientnet_lite2": 288}
"""The encoders whose ImageNet weights are part of this package, timm's ``tf_`` and the name, and the side of the images
that grids are made of, in pixels: for Lite2 above the 260 it was trained with, on crops, which show things larger."""

LITE0 = "efficientnet_lite0"
_AS_TORCHVISION = ("densenet", "inception_v3", "resnet", "resnext", "vgg", "wide_resnet")
"""Families that timm builds as torchvision does, so that it reads torchvision's files."""
_NOT_AS_TORCHVISION = ("efficientnet_b1", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7")
"""Networks of the same tensors as torchvision's, but another normalisation."""

_load_pretrained = ContextVar("_load_pretrained", default=True)


@contextmanager
def skip_pretrained_weights() -> Iterator[None]:
    """Build pretrained encoders without their ImageNet weights: those of a checkpoint are loaded into them next.

    To get them first would be waste, and fail offline; but that an encoder was pretrained must be known later, too.
    """
    before = _load_pretrained.set(False)
    try:
        yield
    finally:
        _load_pretrained.reset(before)


def packaged_file(name: str) -> Path:
    """Where the weights of one of `PACKAGED` are."""
    return Path(__file__).parent / "weights" / f"{name}.safetensors"


def build_network(name: str, in_channels: int = 3, pretrained: bool = False) -> Any:
    """Build a network of timm.

    Pretrained weights come from this package (`PACKAGED`), else from torchvision's file if it lies in
    torch's cache and timm's network is the same, else from where timm gets them: the Hugging Face hub or its cache.
    They must fit completely; nothing is left as it was initialised.

    Args:
        name: of the network, perhaps with the tag of its weights, e.g. ``resnet50.tv_in1k``.
        in_channels: channels of the images; the first convolution of pretrained weights is adapted to them by timm.
        pretrained: with ImageNet weights.

    Returns:
        The network, an ``nn.Module`` with timm's methods, whose ``pretrained_cfg`` says how it wants its images.

    Raises:
        LstmzooError: weights that cannot be had.
    """
    import timm  # takes three seconds; only those who ask for it pay

    logging.getLogger("timm.models").setLevel(logging.WARNING)  # it says where weights are loaded from, each time
    pretrained = pretrained and _load_pretrained.get()
    architecture, options = (f"tf_{name}", _packaged_options(name)) if name in PACKAGED else (name, {})
    file, url = _torchvision_file(name) if pretrained else (None, "")
    if file is not None and file.is_file():
        options = {"pretrained_cfg_overlay": {"file": str(file)}}
    try:
        return timm.create_model(architecture, pretrained=pretrained, in_chans=in_channels, **options)
    except Exception as error:  # of the network, the file, the hub or its client, which may change
        if not pretrained:
            raise
        here = f"download {url} elsewhere and put it into {file.parent}/ (TORCH_HOME moves it), " if file else ""
        raise LstmzooError(
            f"cannot get the ImageNet weights of encoder {name!r}: {error}\nWithout a network, {here}copy the "
            f"Hugging Face cache (HF_HOME) of a machine that has them, or choose {LITE0!r}, whose weights are part of "
            "lstmzoo, or pretrained_encoder=False"
        ) from error


def _packaged_options(name: str) -> dict[str, Any]:
    """What timm needs to read a file without a classifier, of weights that want (x - 127) / 128 of each byte."""
    overlay = {"file": str(packaged_file(name)), "num_classes": 0, "mean": (0.498,) * 3, "std": (0.502,) * 3}
    return {"num_classes": 0, "pretrained_cfg_overlay": overlay}


def _torchvision_file(name: str) -> tuple[Path | None, str]:
    """Where torch's cache keeps torchvision's weights for a network that timm builds alike, and their address."""
    from torchvision.models import get_model_weights, list_models

    if not name.startswith(_AS_TORCHVISION) or name not in list_models():
        return None, ""
    url = get_model_weights(name).DEFAULT.url
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2], url


def upgrade_weights(encoder: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Rename an encoder's weights in checkpoints from before timm; a hook that runs before weights are loaded.

    The networks of torchvision and of efficientnet-lite-pytorch had other names for the same tensors in the same order,
    and frames of one or two channels were repeated to three. What does not fit is left for torch to complain about.
    """
    expected = encoder.state_dict()
    given = {key: value for key, value in state.items() if key.startswith(prefix)}
    if len(given) != len(expected):
        return
    if all(prefix + key in given for key in expected):
        given = {prefix + key: given[prefix + key] for key in expected}
    elif any(
        getattr(part, "pretrained_cfg", {}).get("architecture") in _NOT_AS_TORCHVISION for part in encoder.children()
    ):
        return
    renamed = {}
    for (key, new), old in zip(expected.items(), given.values(), strict=True):
        weight = _fewer_channels(old, new.shape[1]) if new.dim() == old.dim() == 4 else old
        if weight.shape != new.shape or weight.is_floating_point() != new.is_floating_point():
            return
        renamed[prefix + key] = weight
    for key in given:
        del state[key]
    state.update(renamed)


def _fewer_channels(weight: Tensor, channels: int) -> Tensor:
    """Let a convolution of three channels see one or two, as if they were repeated: x, x, x or x, y, x."""
    if weight.shape[1] != 3 or channels not in (1, 2):
        return weight
    return torch.stack([weight[:, first::channels].sum(1) for first in range(channels)], dim=1)
