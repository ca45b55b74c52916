"""Losses on masks, against their definitions written out; void counts in none of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lstmzoo.errors import LstmzooError
from lstmzoo.segmentation.losses import LOSSES, build_loss


def masks(seed: int = 0, count: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, 4, 5, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 2, (count, 4, 5), generator=generator).double()
    return logits, targets, torch.rand(count, 4, 5, generator=generator) > 0.3


def jaccard_loss(wrong: set[int], target: list[int]) -> float:
    """1 − |y ∩ ŷ| / |y ∪ ŷ| of the prediction that gets these pixels wrong."""
    predicted = [y != (i in wrong) for i, y in enumerate(target)]
    union = sum(p or y for p, y in zip(predicted, target, strict=True))
    return 1 - sum(p and y for p, y in zip(predicted, target, strict=True)) / union if union else 0.0


def lovasz_by_definition(logits: list[float], target: list[int]) -> float:
    errors = [max(0.0, 1 - logit * (2 * y - 1)) for logit, y in zip(logits, target, strict=True)]
    order = sorted(range(len(errors)), key=lambda i: -errors[i])
    total, wrong, before = 0.0, set(), 0.0
    for i in order:
        wrong.add(i)
        now = jaccard_loss(wrong, target)
        total += errors[i] * (now - before)
        before = now
    return total


def by_hand(name: str, logits: list[float], target: list[int]) -> float:
    p = [1 / (1 + 2.718281828459045**-logit) for logit in logits]
    both, all_p, all_y = sum(a * b for a, b in zip(p, target, strict=True)), sum(p), sum(target)
    return {
        "dice": lambda: 1 - (2 * both + 1) / (all_p + all_y + 1),
        "soft_iou": lambda: 1 - (both + 1) / (all_p + all_y - both + 1),
        "lovasz": lambda: lovasz_by_definition(logits, target),
    }[name]()


@pytest.mark.parametrize("name", ["dice", "soft_iou", "lovasz"])
@pytest.mark.parametrize("seed", range(5))
def test_losses_are_what_they_are_defined_to_be_over_the_valid_pixels(name: str, seed: int) -> None:
    logits, targets, valid = masks(seed)
    expected = [
        by_hand(name, x[v].tolist(), [int(value) for value in y[v]])
        for x, y, v in zip(logits, targets, valid, strict=True)
    ]
    assert float(LOSSES[name](logits, targets, valid)) == pytest.approx(sum(expected) / len(expected), abs=1e-9)


def test_cross_entropy_is_torch_s_over_the_valid_pixels() -> None:
    logits, targets, valid = masks()
    expected = torch.nn.functional.binary_cross_entropy(logits[valid].sigmoid(), targets[valid])
    assert float(LOSSES["bce"](logits, targets, valid)) == pytest.approx(float(expected), abs=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_flows_to_void_and_something_to_all_else(name: str) -> None:
    logits, targets, valid = masks()
    logits.requires_grad_()
    LOSSES[name](logits, targets, valid).backward()
    assert logits.grad is not None
    assert not logits.grad[~valid].any()
    assert logits.grad[valid].abs().mean() > 0


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_right_costs_nothing_even_where_there_is_no_object_or_all_is_void(name: str) -> None:
    targets = torch.zeros(2, 3, 3)
    targets[0, 1] = 1
    right = 50 * (2 * targets - 1)
    assert float(LOSSES[name](right, targets, torch.ones(2, 3, 3, dtype=torch.bool))) == pytest.approx(0, abs=1e-4)
    assert float(LOSSES[name](right, 1 - targets, torch.zeros(2, 3, 3, dtype=torch.bool))) == pytest.approx(0, abs=1e-4)


def test_lovasz_of_hard_mistakes_is_the_jaccard_loss() -> None:
    target = torch.tensor([[[1.0, 1, 1, 0, 0, 0]]])
    logits = 2 * target - 1  # errors of 0 ...
    logits[..., 2:4] = 0  # ... and of 1, in two pixels
    assert float(LOSSES["lovasz"](logits, target, target >= 0)) == pytest.approx(1 - 2 / 4)


def test_sums_and_mistakes() -> None:
    values = masks()
    total = build_loss("bce + lovasz")(*values)
    assert float(total) == pytest.approx(float(LOSSES["bce"](*values) + LOSSES["lovasz"](*values)))
    with pytest.raises(LstmzooError, match="'dice'"):
        build_loss("bce+dise")


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_logits_of_large_masks_are_counted_in_full(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 240, 427, generator=generator).bfloat16()
    targets = (torch.rand(2, 240, 427, generator=generator) > 0.6).float()
    valid = torch.ones_like(targets, dtype=torch.bool)
    loss = build_loss(name)
    assert torch.equal(loss(logits, targets, valid), loss(logits.float(), targets, valid))
