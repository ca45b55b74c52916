"""Att2in: attention that may change what is written, not whether."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import unserializable_hook

from lstmzoo.captioning.models.attention import AdditiveAttention
from lstmzoo.captioning.models.base import Captioner, Tensors
from lstmzoo.captioning.models.steps import StepCell
from lstmzoo.models.registry import register_model
from lstmzoo.nn import Cell


@register_model("att2in")
class Att2in(Captioner):
    """What is looked at enters the cell's input only, none of its gates (Rennie et al., CVPR 2017, section 2.2).

        α_t = attention(v, h_{t−1})      z_t = Σ_i α_ti v_i
        g_t = φ(W_g E s_t + R_g h_{t−1} + W_z z_t)          all gates: σ(W E s_t + R h_{t−1})
        p_{t+1} = softmax(W_o h_t)

    With any cell: its gates are those that are a sigmoid, or that are named as input or forget gate; the others are its
    input. (The paper's LSTM has a maxout as φ; here φ is the cell's own.)

    Args:
        vocab_size: V, words including the four special ones.
        cell: one of :func:`lstmzoo.nn.list_cells`.
        hidden_size: H, units of the cell.
        embedding_size: E, length of a word's vector.
        picture_size: D, length of a grid cell's features after the first map.
        attention_size: A.
        dropout: share of values dropped in training.
        encoder: one of :func:`lstmzoo.models.list_encoders`, of kind ``grid``.
        pretrained_encoder: start the encoder from ImageNet weights.
        forget_bias: initial bias of the forget gate; cells without one ignore it.
    """

    def __init__(
        self,
        vocab_size: int = 1000,
        cell: str = "lstm",
        hidden_size: int = 512,
        embedding_size: int = 512,
        picture_size: int = 512,
        attention_size: int = 256,
        dropout: float = 0.5,
        encoder: str = "small",
        pretrained_encoder: bool = True,
        forget_bias: float | None = 1.0,
    ) -> None:
        super().__init__(vocab_size, encoder, pretrained_encoder, picture_size, embedding_size, dropout)
        self.attention = AdditiveAttention(picture_size, hidden_size, attention_size)
        self.core = StepCell(cell, embedding_size + picture_size, hidden_size, forget_bias)
        self.logits = nn.Linear(hidden_size, vocab_size)
        self._shut: list[Tensor] = []
        self._shut_gates()
        self.register_load_state_dict_post_hook(Att2in._shut_gates)  # with assign=True the weights are other tensors

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._shut = []  # hooks of tensors are lost in copies and pickles
        self._shut_gates()

    def _shut_gates(self, *_: Any) -> None:
        """Set the weights from the picture to the gates to zero, and keep them there: they get no gradient."""
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

    def look(self, features: Tensor) -> Tensors:
        v = self.project(features)  # (B, N, D)
        return self.attention.keys(v), v

    def begin(self, picture: Tensors) -> Tensors:
        return self.core.zeros(len(picture[1]), picture[1])

    def advance(self, picture: Tensors, memory: Tensors, x: Tensor) -> tuple[Tensor, Tensors, Tensor]:
        keys, v = picture
        z, weights = self.attention(keys, v, memory[0])
        h, memory = self.core(torch.cat([x, z], dim=1), memory)
        return h, memory, weights

    def output(self, read: Tensor) -> Tensor:
        return self.logits(self.dropout(read))


def candidates(cell: Cell) -> list[str]:
    """The gates of a cell that are no gates but its input; all of them if it has none such."""
    named = (cell.forget_gate, cell.input_gate)
    found = [name for name, function in cell.gates.items() if function is not torch.sigmoid and name not in named]
    return found or [*cell.gates]


def gate_mask(core: StepCell, embedding_size: int) -> Tensor:
    """Ones, and zeros for the weights from the picture to the gates, in the shape of the weights of the input."""
    weight: Any = core.rnn.weight_ih_l0  # (G·H, E + D)
    mask = torch.ones_like(weight)
    sizes = core.rnn.cell.gate_sizes(core.rnn.hidden_size)
    for name, rows in zip(sizes, mask.split([*sizes.values()]), strict=True):
        if name not in candidates(core.rnn.cell):
            rows[:, embedding_size:] = 0
    return mask
