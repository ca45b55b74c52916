"""Bottom-up and top-down attention, over a grid."""

from typing import Any

import torch
from torch import Tensor, nn

from lstmzoo.captioning.models.attention import AdditiveAttention
from lstmzoo.captioning.models.captioner import RecurrentCaptioner, Tensors
from lstmzoo.models.model_registry import register_model


@register_model("caption_updown")
class UpDown(RecurrentCaptioner):
    """One cell decides where to look, another what to say (Anderson et al., CVPR 2018, section 3.2).

        h¹_t = cell¹([h²_{t−1}; v̄; E s_t], h¹_{t−1})      α_t = attention(v, h¹_t)      v̂_t = Σ_i α_ti v_i
        h²_t = cell²([v̂_t; h¹_t], h²_{t−1})               p_{t+1} = softmax(W_o norm(h²_t))

    The paper's v are the features of detected objects; here they are those of a grid.

    Args:
        attention_size: A, hidden units of the attention.
        **settings: those of `RecurrentCaptioner`.
    """

    def __init__(self, attention_size: int = 256, **settings: Any) -> None:
        super().__init__(**settings)
        E, H, D = self.embedding_size, self.hidden_size, self.feature_size
        self.looking = self.new_cell(H + D + E)
        self.attention = AdditiveAttention(D, H, attention_size)
        self.telling = self.new_cell(D + H)
        self.logits = nn.Linear(H, self.vocab_size)

    def encode_image(self, v: Tensor) -> Tensors:
        return self.attention.keys(v), v, v.mean(1)

    def initial_state(self, image: Tensors) -> Tensors:
        return self.looking.zeros(image[2]), self.telling.zeros(image[2])

    def read_word(self, image: Tensors, state: Tensors, x: Tensor) -> tuple[Tensor, Tensors, Tensor]:
        keys, v, mean = image
        first, second = state
        h1, first = self.looking(torch.cat([second[0], mean, x], dim=1), first)
        seen, weights = self.attention(keys, v, h1)
        h2, second = self.telling(torch.cat([seen, h1], dim=1), second)
        return h2, (first, second), weights
