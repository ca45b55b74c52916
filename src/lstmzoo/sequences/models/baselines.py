"""Two baselines without memory for the recurrent network, with about as many weights.

x → Linear → ReLU → two-layer head                     sequence_framewise
x → Linear → ReLU → mean over time → two-layer head    sequence_meanpool
"""

import torch
from torch import Tensor, nn

from lstmzoo.models.argument_checks import check_sizes
from lstmzoo.models.model_registry import register_model
from lstmzoo.sequences.models.sequence_model import SequenceModel, State


class _Baseline(SequenceModel):
    """Features of every step by itself, and a head with 4H² hidden weights (the recurrent ones of an LSTM's gates).

    Args:
        input_size: I, numbers per step.
        num_classes: K; 1 for a regression.
        target_steps: S, the last steps, which are answered at.
        hidden_size: H; the model has about as many weights as an LSTM of this size.
    """

    def __init__(self, input_size: int = 9, num_classes: int = 4, target_steps: int = 1, hidden_size: int = 64) -> None:
        super().__init__(input_size, num_classes, target_steps)
        check_sizes(hidden_size=hidden_size)
        self.encoder = nn.Sequential(nn.Linear(input_size, hidden_size), nn.ReLU())
        self.head = nn.Sequential(
            nn.Linear(hidden_size, 4 * hidden_size), nn.ReLU(), nn.Linear(4 * hidden_size, num_classes)
        )


@register_model("sequence_framewise")
class SequenceFramewise(_Baseline):
    """The baseline without memory: an answer is given from the present step alone."""

    def features(self, x: Tensor, state: State, answers: int) -> tuple[Tensor, State]:
        return self.encoder(x[:, x.shape[1] - answers :]), None


@register_model("sequence_meanpool")
class SequenceMeanPool(_Baseline):
    """The baseline blind to order: an answer is given from the mean of the features of all steps so far."""

    def features(self, x: Tensor, state: State, answers: int) -> tuple[Tensor, State]:
        x = self.encoder(x)  # (B, T, H)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # half precision can't count beyond a few hundred
        total, seen = state or (torch.zeros_like(wide[:, 0]), torch.zeros((), device=x.device))
        before = x.shape[1] - answers
        sums = (total + wide[:, :before].sum(1)).unsqueeze(1) + wide[:, before:].cumsum(1)  # (B, A, H)
        steps = seen + torch.arange(before + 1, x.shape[1] + 1, device=x.device)
        return (sums / steps[:, None]).to(x.dtype), (total + wide.sum(1), seen + x.shape[1])
