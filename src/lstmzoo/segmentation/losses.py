"""Losses on masks; pixels that are not annotated count in none of them."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from lstmzoo.errors import LstmzooError, unknown_choice

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def build_loss(names: str) -> Loss:
    """Build a loss, or the sum of several.

    Args:
        names: of `LOSSES`, joined by ``+``, e.g. ``bce+soft_iou``.

    Returns:
        A function of logits (N, H, W), targets (N, H, W) in 0..1 and valid (N, H, W) bool, giving the mean over the N
        masks.

    Raises:
        LstmzooError: an unknown name.
    """
    parts = [name.strip() for name in names.split("+")]
    for name in parts:
        if name not in LOSSES:
            raise LstmzooError(unknown_choice("task.loss", name, LOSSES) + "; sums are written bce+dice")

    def total(logits: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))  # half precision can't count pixels
        return torch.stack([LOSSES[name](wide, targets, valid) for name in parts]).sum()

    return total


def bce(logits: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
    """Binary cross-entropy, the mean over all valid pixels."""
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (losses * valid).sum() / valid.sum().clamp(min=1)


def dice(logits: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
    """1 − (2 Σ p y + 1) / (Σ p + Σ y + 1); the ones make an empty mask for an empty target perfect.

    Source: Milletari et al. 2016, "V-Net", section 3.
    """
    both, p, y = _sums(logits, targets, valid)
    return (1 - (2 * both + 1) / (p + y + 1)).mean()


def soft_iou(logits: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
    """1 − (Σ p y + 1) / (Σ p + Σ y − Σ p y + 1), with the ones as in `dice`.

    Source: Rahman & Wang 2016, "Optimizing intersection-over-union in deep neural networks", section 3.
    """
    both, p, y = _sums(logits, targets, valid)
    return (1 - (both + 1) / (p + y - both + 1)).mean()


def lovasz(logits: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
    """The Lovász extension of the Jaccard loss, on hinge errors.

    With e_i = 1 − l_i (2 y_i − 1), sorted from the greatest, and J_i the Jaccard loss of getting the first i wrong:

        Σ_i max(0, e_i) (J_i − J_{i−1})

    Source: Berman et al. 2018, "The Lovász-softmax loss", section 2 and equation 9.
    """
    errors = 1 - logits.flatten(1) * (2 * targets.flatten(1) - 1)
    errors = errors.masked_fill(~valid.flatten(1), -torch.inf)  # sorted to the end, where max(0, e) is 0
    errors, order = errors.sort(dim=1, descending=True)
    y = (targets * valid).flatten(1).gather(1, order)
    wrong = y.cumsum(1)  # of the object, among the first i
    all_of_it = y.sum(1, keepdim=True)
    jaccard = 1 - (all_of_it - wrong) / (all_of_it + (1 - y).cumsum(1)).clamp(min=1)
    steps = torch.cat([jaccard[:, :1], jaccard.diff(dim=1)], dim=1)
    return (errors.relu() * steps).sum(1).mean()


LOSSES: dict[str, Loss] = {"bce": bce, "dice": dice, "soft_iou": soft_iou, "lovasz": lovasz}


def _sums(logits: Tensor, targets: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Σ p y, Σ p and Σ y over the valid pixels of every mask, (N,) each."""
    p, y = ((values * valid).flatten(1) for values in (logits.sigmoid(), targets))
    return (p * y).sum(1), p.sum(1), y.sum(1)
