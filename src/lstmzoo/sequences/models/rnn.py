"""A recurrent network over a sequence: x → recurrent layers → linear head."""

from torch import Tensor, nn

from lstmzoo.models.argument_checks import find_cell
from lstmzoo.models.model_registry import register_model
from lstmzoo.models.recurrent_layers import FORGET_BIAS
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
        forget_bias: bias of the forget gate at the start, so that the memory keeps from the first step on; auto: by the
            length of the training sequences; null: as drawn. Cells without a gate that decides what is kept ignore it.
        chrono: in place of forget_bias, the longest time span to remember at the start, in steps.
    """

    def __init__(
        self,
        input_size: int = 9,
        num_classes: int = 4,
        target_steps: int = 1,
        cell: str = "lstm",
        hidden_size: int = 64,
        num_layers: int = 1,
        forget_bias: init.ForgetBias = FORGET_BIAS,
        chrono: int | None = None,
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
            chrono=init.forget_bias_for(core, chrono),
        )
        self.head = nn.Linear(hidden_size, num_classes)

    def features(self, x: Tensor, state: State, answers: int) -> tuple[Tensor, State]:
        h, state = self.rnn(x, state)  # (B, T, H)
        return h[:, h.shape[1] - answers :], state
