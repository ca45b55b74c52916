"""PackedSequence, lengths and masks: ways to say that the sequences of a batch differ in length."""

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


def mask_of(lengths: Tensor, x: Tensor) -> Tensor:
    """Where sequences are not over.

    Args:
        lengths: (B,).
        x: (T, B, ...).

    Returns:
        (T, B, 1, ...) bool on the device of x.
    """
    steps = torch.arange(x.shape[0], device=x.device)
    real = steps[:, None] < lengths.to(x.device)[None]  # (T, B)
    return real.view(*real.shape, *[1] * (x.dim() - 2))


def pack_like(output: Tensor, real: Tensor, like: PackedSequence) -> PackedSequence:
    """Pack (T, B, ...) in the order of another PackedSequence: by time, longest sequence first."""
    real = real.flatten(1)  # (T, B)
    if like.sorted_indices is not None:
        output = output.index_select(1, like.sorted_indices)
        real = real.index_select(1, like.sorted_indices.to(real.device))
    return PackedSequence(output[real], like.batch_sizes, like.sorted_indices, like.unsorted_indices)
