"""Batch normalisation folded into the convolutions before it, for networks that are only used."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

TOLERANCE = 1e-3  # relative to the largest output; rounding makes about 1e-6 of it


@torch.no_grad()
def fold_batch_norm(network: nn.Module, example: Tensor) -> None:
    """Fold batch normalisation into the convolutions before it, in place; outputs change by no more than rounding.

        s (W * x − μ) + β = (s W) * x + (β − s μ)        s = γ / √(σ² + ε)

    Which convolution feeds which normalisation is seen from a run, so any network will do. Where a convolution's output
    has another use, too, the results would differ; then the network stays as it was.

    Args:
        network: in evaluation mode; (example) → list of tensors.
        example: an input.
    """
    names = {module: name for name, module in network.named_modules()}
    before, pairs = _run(network, example)
    for conv, norm in pairs:
        network.set_submodule(names[conv], fuse_conv_bn_eval(conv, norm))
        network.set_submodule(names[norm], getattr(norm, "act", nn.Identity()))  # timm's has its activation inside
    if not _alike(before, _run(network, example)[0]):
        for module in [module for pair in pairs for module in pair]:
            network.set_submodule(names[module], module)


def _run(network: nn.Module, example: Tensor) -> tuple[list[Tensor], list[tuple[nn.Conv2d, nn.BatchNorm2d]]]:
    """The outputs, and which convolutions feed a normalisation, of modules that were called once."""
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls.append((module, inputs[0], output))

    kinds = (nn.Conv2d, nn.BatchNorm2d)
    hooks = [module.register_forward_hook(note) for module in network.modules() if isinstance(module, kinds)]
    try:
        outputs: Any = network(example)
    finally:
        for hook in hooks:
            hook.remove()
    called = [module for module, _, _ in calls]
    pairs = [
        (conv, norm)
        for (conv, _, y), (norm, x, _) in pairwise(calls)
        if x is y
        and isinstance(conv, nn.Conv2d)
        and isinstance(norm, nn.BatchNorm2d)
        and called.count(conv) == called.count(norm) == 1
    ]
    return outputs, pairs


def _alike(before: list[Tensor], after: list[Tensor]) -> bool:
    """Whether outputs are the same but for rounding; those that are not finite are not."""
    pairs = zip(before, after, strict=True)
    return all(bool((x - y).abs().max() <= TOLERANCE * x.abs().max()) for x, y in pairs)
