"""A recurrent network over a sequence: x → recurrent layers → linear head."""

from __future__ import annotations

from torch import Tensor, nn

from lstmzoo.models.checks import find_cell
from lstmzoo.models.registry import register_model
from lstmzoo.nn import Recurrent, init
from lstmzoo.sequences.models.sequence_model import SequenceModel, State


@register_model("sequence_rnn")
class SequenceRNN(SequenceModel):
    """Sequence -> recurrent cell -> answers.

    Source: Hochreiter & Schmidhuber, "Long Short-Term Memory", 1997.

    Args:
        input_size: I, numbers per step.
        num_classes: K; 1 for a regression.
        target_steps: S, the last steps, which are answered at.
        cell: any of ``lstmzoo list cells``, or one of your own: my_module:MyCell.
        hidden_size: H, units per recurrent layer.
        num_layers: recurrent layers.
        forget_bias: initial bias of the forget gate, so that the memory starts out keeping (Gers et al. 2000); null
            leaves it as initialised. Cells without a gate that decides what is kept ignore it.
    """

    def __init__(
        self,
        input_size: int = 9,
        num_classes: int = 4,
        target_steps: int = 1,
        cell: str = "lstm",
        hidden_size: int = 64,
        num_layers: int = 1,
        forget_bias: float | None = 1.0,
    ) -> None:
        super().__init__(input_size, num_classes, target_steps)
        core = find_cell(cell)
        self.rnn = Recurrent(
            core,
            input_size,
            hidden_size,
            num_layers,
            batch_first=True,
            forget_bias=init.forget_bias_for(core, forget_bias),
        )
        self.head = nn.Linear(hidden_size, num_classes)

    def features(self, x: Tensor, state: State, answers: int) -> tuple[Tensor, State]:
        h, state = self.rnn(x, state)  # (B, T, H)
        return h[:, h.shape[1] - answers :], state
