"""The names of encoders, by kind."""

import difflib
from typing import Any

from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.models.encoder_weights import LITE0, PACKAGED

SMALL = {"vector": "small_cnn", "grid": "small", "pyramid": "small"}
"""The kinds, and what our own network for each is called."""

UNPADDED = ("inception_resnet_v2", "inception_v3", "inception_v4")
"""Networks that need frames of at least 75 × 75."""

# Networks whose description in timm would let them pass, but that cannot be used.
_UNFIT = {
    "vector": ("csatv2", "dla", "hrnet", "resnet50x", "tresnet"),  # fail where a side is no multiple of 32
    "grid": ("ghostnet", "repghostnet", "mambaout", "test_mambaout"),  # weights without use; channels last
    "pyramid": (*UNPADDED, "legacy_xception", "csatv2", "mobilevitv2", "shvit"),  # maps of other sizes
}

IN_TIMM = {
    "maxvit_t": "maxvit_tiny_tf_224",
    "mnasnet0_5": "mnasnet_050",
    "mnasnet1_0": "mnasnet_100",
    "mobilenet_v2": "mobilenetv2_100",
    "mobilenet_v3_large": "mobilenetv3_large_100",
    "mobilenet_v3_small": "mobilenetv3_small_100",
    "regnet_x_400mf": "regnetx_004",
    "regnet_y_400mf": "regnety_004",
    "swin_t": "swin_tiny_patch4_window7_224",
    "swin_v2_t": "swinv2_tiny_window8_256",
    "vit_b_16": "vit_base_patch16_224",
    "vit_b_32": "vit_base_patch32_224",
}
"""Names of torchvision that are far from those of timm; weights trained with one do not fit the other."""


def list_encoders(kind: str = "vector") -> list[str]:
    """List the encoders of a kind: our own small one, those of this package, and what fits of timm.

    Args:
        kind: ``vector``, ``grid`` or ``pyramid``.

    Raises:
        LstmzooError: there is no such kind.
    """
    if kind not in SMALL:
        raise LstmzooError(unknown_choice("kind of encoder", kind, SMALL))
    import timm
    from timm.models import get_pretrained_cfg

    fitting = []
    for name in timm.list_models(exclude_filters=[*PACKAGED, "*_enc", *(f"{family}*" for family in _UNFIT[kind])]):
        config: Any = get_pretrained_cfg(name)
        any_size = config.pool_size is not None and not config.fixed_input_size and config.min_input_size is None
        if any_size or (kind == "vector" and config.fixed_input_size):
            fitting.append(name)
    return [SMALL[kind], *PACKAGED, *fitting]


def is_small(kind: str, name: str, pretrained: bool) -> bool:
    """Whether our own network is meant; refuse unknown names, and ImageNet weights where there are none."""
    if name == SMALL[kind]:
        if pretrained:
            raise LstmzooError(
                f"the encoder {name!r} has no ImageNet weights; choose e.g. {LITE0!r} or 'resnet18', or "
                "pretrained_encoder=False"
            )
        return True
    names = list_encoders(kind)
    network, _, tag = name.partition(".")
    if network not in names or (tag and not _has_weights(name)):
        if network in IN_TIMM:
            raise LstmzooError(f"unknown encoder {name!r}: timm calls torchvision's network {IN_TIMM[network]!r}")
        near = difflib.get_close_matches(network, names, n=8)
        known = unknown_choice("encoder", name, {SMALL[kind], *PACKAGED, *near})
        raise LstmzooError(f"{known}, ...; all {len(names)}: lstmzoo list encoders")
    return False


def _has_weights(name: str) -> bool:
    """Whether timm knows these weights, ``network.tag``."""
    import timm

    return name in timm.list_models(name, pretrained=True)
