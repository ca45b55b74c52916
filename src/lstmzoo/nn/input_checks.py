"""Checks of arguments and inputs, in the wording of torch.nn, so that foreign code and tests find what they expect."""

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def check_arguments(
    input_size: Any,
    hidden_size: Any,
    num_layers: Any,
    bias: Any,
    batch_first: Any,
    dropout: Any,
    proj_size: Any,
) -> None:
    """Check the constructor's arguments.

    Raises:
        ValueError: for a value out of range.
        TypeError: for a wrong type.
    """
    if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:  # type: ignore[operator]
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
        )
    if dropout > 0 and num_layers == 1:  # type: ignore[operator]
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
            f"num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}",
            stacklevel=3,
        )
    for name, value in (("bias", bias), ("batch_first", batch_first)):
        if not isinstance(value, bool):
            raise TypeError(f"{name} should be of type bool, got: {type(value).__name__}")
    for name, value in (("input_size", input_size), ("hidden_size", hidden_size)):
        if not isinstance(value, int):
            raise TypeError(f"{name} should be of type int, got: {type(value).__name__}")
        if value <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")


def wrong_dimensions(title: str, x: Tensor, dimensions: int) -> ValueError:
    """The error for an input that is neither a batch, of some number of dimensions, nor one sequence, nor packed."""
    found = f"{x.dim()}D{' tensor' if title == 'RNN' else ''}"  # torch.nn.RNN says so, its siblings don't
    return ValueError(f"{title}: Expected input to be {dimensions - 1}D or {dimensions}D, got {found} instead")


def check_input(x: Tensor, dimensions: int, dtype: torch.dtype, at: int, size: int) -> None:
    """Check type and size of an input.

    Args:
        x: (T, B, I), or the (N, I) of a PackedSequence.
        dimensions: 3 or 2, accordingly.
        dtype: of the weights.
        at: the dimension of its features.
        size: I.

    Raises:
        ValueError: if its type is not that of the weights.
        RuntimeError: if it has other dimensions or features.
    """
    if x.dtype != dtype and not torch._C._is_any_autocast_enabled():
        raise ValueError(
            f"RNN input dtype ({x.dtype}) does not match weight dtype ({dtype}). "
            f"Convert input: input.to({dtype}), or convert model: model.to({x.dtype})"
        )
    if x.dim() != dimensions:
        raise RuntimeError(f"input must have {dimensions} dimensions, got {x.dim()}")
    if x.size(at) != size:
        raise RuntimeError(f"input.size(-1) must be equal to input_size. Expected {size}, got {x.size(at)}")


def check_state_dimensions(state: tuple[Tensor, ...], shapes: dict[str, tuple[int, ...]], batched: bool) -> None:
    """Check that a first state has a batch dimension where the input has one.

    Args:
        state: (L·D, B, ...) each, or (L·D, ...).
        shapes: what belongs in place of the dots, by the states' names.
        batched: whether the input has a batch dimension.

    Raises:
        RuntimeError: naming the number of dimensions expected and the one found.
    """
    dimensions = {name: (2 if batched else 1) + len(shape) for name, shape in shapes.items()}
    if all(s.dim() == wanted for s, wanted in zip(state, dimensions.values(), strict=True)):
        return
    expected = dimensions["h"]
    kind = f"batched {expected}-D" if batched else f"unbatched {expected}-D"
    if len(state) == 1:
        raise RuntimeError(f"For {kind} input, hx should also be {expected}-D but got {state[0].dim()}-D tensor")
    found = ", ".join(f"{s.dim()}-D" for s in state)
    if all(wanted == expected for wanted in dimensions.values()):
        raise RuntimeError(f"For {kind} input, hx and cx should also be {expected}-D but got ({found}) tensors")
    each = ", ".join(f"{name} {wanted}-D" for name, wanted in dimensions.items())
    raise RuntimeError(f"For {kind} input, the states should be {each}, but got ({found}) tensors")


def check_state(state: tuple[Tensor, ...], layers: int, batch: int, shapes: dict[str, tuple[int, ...]]) -> None:
    """Check the sizes of a first state.

    Args:
        state: (L·D, B, ...) each.
        layers: L·D.
        batch: B.
        shapes: what belongs in place of the dots, by the states' names.

    Raises:
        RuntimeError: naming the size expected and the one found.
    """
    for k, (tensor, shape) in enumerate(zip(state, shapes.values(), strict=True)):
        expected = (layers, batch, *shape)
        if tuple(tensor.shape) != expected:
            which = f"hidden[{k}]" if len(state) > 1 else "hidden"
            raise RuntimeError(f"Expected {which} size {expected}, got {list(tensor.shape)}")


def check_lengths(lengths: Tensor | Sequence[int], steps: int, batch: int) -> Tensor | None:
    """Check the lengths of padded sequences.

    Returns:
        (B,) int64 on the CPU; None where all sequences take all steps, so that nothing needs to be masked.

    Raises:
        ValueError: unless there is one length from 1 to T for each sequence.
    """
    given = torch.as_tensor(lengths)
    if given.numel() and (given.is_floating_point() or given.is_complex() or given.dtype == torch.bool):
        raise ValueError(f"lengths must be whole numbers, got {given.dtype}")
    found = given.to("cpu", torch.int64)
    if found.shape != (batch,):
        raise ValueError(f"lengths must hold one number per sequence, shape ({batch},), got {tuple(found.shape)}")
    if torch.compiler.is_compiling():  # there, the values are not known yet
        return found
    shortest, longest = (int(found.min()), int(found.max())) if batch else (steps, steps)
    if shortest < 1 or longest > steps:
        raise ValueError(f"lengths must lie between 1 and {steps}, got {shortest} to {longest}")
    return None if shortest == steps else found


def check_reset(reset: Tensor, shape: tuple[int, int]) -> Tensor:
    """Check where sequences restart.

    Returns:
        The same, bool.

    Raises:
        ValueError: unless it has the shape of the input's first two dimensions.
    """
    found = torch.as_tensor(reset)
    if tuple(found.shape) != shape:
        raise ValueError(
            f"reset must say for every step and sequence whether it restarts, {shape}, got {tuple(found.shape)}"
        )
    return found.bool()
