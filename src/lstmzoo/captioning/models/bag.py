"""The twin without memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lstmzoo.captioning.models.attention import AdditiveAttention
from lstmzoo.captioning.models.base import Captioner, Tensors
from lstmzoo.models.checks import check_sizes
from lstmzoo.models.registry import register_model


@register_model("bag")
class Bag(Captioner):
    """The twin without memory: every word is chosen from the picture and the one word before it.

        α = attention(v, E s_t)      z = Σ_i α_i v_i      p_{t+1} = softmax(W_o relu(W_2 relu(W_1 [E s_t; z])))

    It looks at the picture as the others do, but what was said before the previous word is lost to it.

    Args:
        vocab_size: V, words including the four special ones.
        hidden_size: H; the two maps have as many weights as an LSTM of this size.
        embedding_size: E, length of a word's vector.
        picture_size: D, length of a grid cell's features after the first map.
        attention_size: A.
        dropout: share of values dropped in training.
        encoder: one of :func:`lstmzoo.models.list_encoders`, of kind ``grid``.
        pretrained_encoder: start the encoder from ImageNet weights.
    """

    def __init__(
        self,
        vocab_size: int = 1000,
        hidden_size: int = 512,
        embedding_size: int = 512,
        picture_size: int = 512,
        attention_size: int = 256,
        dropout: float = 0.5,
        encoder: str = "small",
        pretrained_encoder: bool = True,
    ) -> None:
        super().__init__(vocab_size, encoder, pretrained_encoder, picture_size, embedding_size, dropout)
        check_sizes(hidden_size=hidden_size)
        self.attention = AdditiveAttention(picture_size, embedding_size, attention_size)
        self.hidden = nn.Sequential(
            nn.Linear(embedding_size + picture_size, 4 * hidden_size),
            nn.ReLU(),
            nn.Linear(4 * hidden_size, hidden_size),
            nn.ReLU(),
        )
        self.logits = nn.Linear(hidden_size, vocab_size)

    def look(self, features: Tensor) -> Tensors:
        v = self.project(features)  # (B, N, D)
        return self.attention.keys(v), v

    def begin(self, picture: Tensors) -> Tensors:
        return (picture[1].new_zeros(len(picture[1]), 0),)  # nothing is kept; rows are still counted

    def advance(self, picture: Tensors, memory: Tensors, x: Tensor) -> tuple[Tensor, Tensors, Tensor]:
        keys, v = picture
        z, weights = self.attention(keys, v, x)
        return self.hidden(torch.cat([x, z], dim=1)), memory, weights

    def output(self, read: Tensor) -> Tensor:
        return self.logits(self.dropout(read))
