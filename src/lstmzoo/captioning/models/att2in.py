"""Att2in: attention that feeds the cell's candidate, not its gates."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import unserializable_hook

from lstmzoo.captioning.models.attention import AdditiveAttention
from lstmzoo.captioning.models.captioner import RecurrentCaptioner, Tensors
from lstmzoo.captioning.models.step_cell import StepCell
from lstmzoo.models.model_registry import register_model
from lstmzoo.nn import Cell


@register_model("caption_att2in")
class Att2in(RecurrentCaptioner):
    """Attended features feed only the cell's candidate, not its gates (Rennie et al., CVPR 2017, section 2.2).

        α_t = attention(v, h_{t−1})      z_t = Σ_i α_ti v_i
        g_t = φ(W_g E s_t + R_g h_{t−1} + W_z z_t)          all gates: σ(W E s_t + R h_{t−1})
        p_{t+1} = softmax(W_o norm(h_t))

    With any cell: its gates are those that are a sigmoid, or that are named as input or forget gate; the others are its
    candidates. (The paper's LSTM has a maxout as φ; here φ is the cell's own.)

    Args:
        attention_size: A, hidden units of the attention.
        **settings: those of `RecurrentCaptioner`.
    """

    def __init__(self, attention_size: int = 256, **settings: Any) -> None:
        super().__init__(**settings)
        self.attention = AdditiveAttention(self.feature_size, self.hidden_size, attention_size)
        self.core = self.new_cell(self.embedding_size + self.feature_size)
        self.logits = nn.Linear(self.hidden_size, self.vocab_size)
        self._shut: list[Tensor] = []
        self._shut_gates()
        self.register_load_state_dict_post_hook(Att2in._shut_gates)  # with assign=True the weights are other tensors

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._shut = []  # hooks of tensors are lost in copies and pickles
        self._shut_gates()

    def _shut_gates(self, *_: Any) -> None:
        """Set the weights from the image to the gates to zero, and keep them there: they get no gradient."""
        weight: Any = self.core.rnn.weight_ih_l0  # (G·H, E + D)
        mask = gate_mask(self.core, self.embedding.embedding_dim)
        with torch.no_grad():
            weight *= mask
        if self._shut and self._shut[0] is weight:
            return

        @unserializable_hook  # `__setstate__` sees to copies
        def masked(gradient: Tensor) -> Tensor:
            return gradient * mask.to(gradient)

        weight.register_hook(masked)
        self._shut = [weight]

    def encode_image(self, v: Tensor) -> Tensors:
        return self.attention.keys(v), v

    def initial_state(self, image: Tensors) -> Tensors:
        return self.core.zeros(image[1])

    def read_word(self, image: Tensors, state: Tensors, x: Tensor) -> tuple[Tensor, Tensors, Tensor]:
        z, weights = self.attention(*image, state[0])
        h, state = self.core(torch.cat([x, z], dim=1), state)
        return h, state, weights


def candidates(cell: Cell) -> list[str]:
    """The gates of a cell that are its candidates; all of them if it has none such."""
    named = (cell.forget_gate, cell.input_gate)
    found = [name for name, function in cell.gates.items() if function is not torch.sigmoid and name not in named]
    return found or [*cell.gates]


def gate_mask(core: StepCell, embedding_size: int) -> Tensor:
    """Ones, and zeros for the weights from the image to the gates, in the shape of the weights of the input."""
    weight: Any = core.rnn.weight_ih_l0  # (G·H, E + D)
    mask = torch.ones_like(weight)
    sizes = core.rnn.cell.gate_sizes(core.rnn.hidden_size)
    for name, rows in zip(sizes, mask.split([*sizes.values()]), strict=True):
        if name not in candidates(core.rnn.cell):
            rows[:, embedding_size:] = 0
    return mask
