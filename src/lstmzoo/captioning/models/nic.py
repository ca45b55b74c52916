"""Show and Tell."""

from typing import Any

import torch
from torch import Tensor, nn

from lstmzoo.captioning.models.captioner import RecurrentCaptioner, Tensors
from lstmzoo.models.model_registry import register_model


@register_model("caption_nic")
class NIC(RecurrentCaptioner):
    """Show and Tell: the image is the word before the first (Vinyals et al., CVPR 2015).

        x₋₁ = LN(W_I v̄)      x_t = W_e s_t      h_t = cell(x_t, h_{t−1})      p_{t+1} = softmax(W_o norm(h_t))

    What the cell answers to the image itself, h₋₁, is dropped. The layer normalisation LN is not in the paper: the
    image is seen only once, and without it the signal is so weak that the network learns to use it more slowly.

    Args:
        **settings: those of `RecurrentCaptioner`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.picture = nn.Sequential(
            nn.Linear(self.feature_size, self.embedding_size), nn.LayerNorm(self.embedding_size)
        )
        self.core = self.new_cell(self.embedding_size)
        self.logits = nn.Linear(self.hidden_size, self.vocab_size)

    def encode_image(self, v: Tensor) -> Tensors:
        return self.picture(v.mean(1))

    def initial_state(self, image: Tensors) -> Tensors:
        return self.core(image, self.core.zeros(image))[1]

    def read_word(self, image: Tensors, state: Tensors, x: Tensor) -> tuple[Tensor, Tensors, None]:
        return *self.core(x, state), None

    def teacher_forcing(
        self, features: Tensor, tokens: Tensor, lengths: Tensor, sampling: float = 0.0
    ) -> tuple[Tensor, Tensor | None]:
        if sampling:
            return super().teacher_forcing(features, tokens, lengths, sampling)
        # No input depends on the cell's own output: the whole sentence is one sequence, the image first.
        first = self.encode_image(self.project(features.to(self.embedding.weight.dtype)))
        first = first.repeat_interleave(len(tokens) // len(features), dim=0)
        x = torch.cat([first.unsqueeze(1), self._embed(tokens)], dim=1)  # (R, T + 1, E)
        return self.core.read(x.transpose(0, 1), lengths + 1)[1:].transpose(0, 1), None
