"""The baseline without memory."""

from typing import Any

import torch
from torch import Tensor, nn

from lstmzoo.captioning.models.attention import AdditiveAttention
from lstmzoo.captioning.models.captioner import Captioner, Tensors
from lstmzoo.models.argument_checks import check_sizes
from lstmzoo.models.model_registry import register_model


@register_model("caption_markov")
class Markov(Captioner):
    """The baseline without memory: every word depends on the image and the one word before it.

        α = attention(v, E s_t)      z = Σ_i α_i v_i      p_{t+1} = softmax(W_o norm(relu(W_2 relu(W_1 [E s_t; z]))))

    It looks at the image as the others do, but knows nothing of what was said before the previous word.

    Args:
        hidden_size: H; the two maps have as many weights as an LSTM of this size.
        attention_size: A, hidden units of the attention.
        **settings: those of `Captioner`.
    """

    def __init__(self, hidden_size: int = 512, attention_size: int = 256, **settings: Any) -> None:
        super().__init__(**settings)
        check_sizes(hidden_size=hidden_size)
        E, H, D = self.embedding_size, hidden_size, self.feature_size
        self.attention = AdditiveAttention(D, E, attention_size)
        self.hidden = nn.Sequential(nn.Linear(E + D, 4 * H), nn.ReLU(), nn.Linear(4 * H, H), nn.ReLU())
        self.logits = nn.Linear(H, self.vocab_size)

    def encode_image(self, v: Tensor) -> Tensors:
        return self.attention.keys(v), v

    def initial_state(self, image: Tensors) -> Tensors:
        return ()

    def read_word(self, image: Tensors, state: Tensors, x: Tensor) -> tuple[Tensor, Tensors, Tensor]:
        z, weights = self.attention(*image, x)
        return self.hidden(torch.cat([x, z], dim=1)), state, weights
