"""What all models of sequences share: streaming, and a head that runs on the steps with an answer only."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from lstmzoo.models.argument_checks import check_sizes
from lstmzoo.models.deployment import Deployment, Network, Port, stream
from lstmzoo.models.pretrained.hub import PretrainedMixin
from lstmzoo.models.state import detach

State = Any


class SequenceModel(PretrainedMixin, nn.Module, ABC):
    """Answers about sequences of vectors. A subclass sets `head`, adds its layers, and writes `features`.

    A model is causal and streams: the answers of ``model.step(x_t, state)`` at the last S steps are ``model(x)``.

    Args:
        input_size: I, numbers per step.
        num_classes: K; 1 for a regression.
        target_steps: S, the last steps, which are answered at.
    """

    head: nn.Module
    """Features (B, S, F) to answers (B, S, K)."""

    def __init__(self, input_size: int, num_classes: int, target_steps: int) -> None:
        super().__init__()
        check_sizes(input_size=input_size, num_classes=num_classes, target_steps=target_steps)
        self.input_size, self.target_steps = input_size, target_steps

    @abstractmethod
    def features(self, x: Tensor, state: State, answers: int) -> tuple[Tensor, State]:
        """Go through the next chunk of sequences.

        Args:
            x: (B, T, I).
            state: what the call for the previous chunk returned; None starts new sequences.
            answers: A, how many of the last steps are answered at, 0 to T.

        Returns:
            Features (B, A, F) of the last A steps, each of all steps up to it, and the state for the next chunk.
        """

    def forward(self, x: Tensor) -> Tensor:
        """Answer about whole sequences.

        Args:
            x: (B, T, I).

        Returns:
            Answers (B, S, K): logits, or the number of a regression.

        Raises:
            ValueError: wrong shape, or fewer than S steps.
        """
        if x.ndim != 3 or x.shape[1] < self.target_steps or x.shape[2] != self.input_size:
            raise ValueError(
                f"x must be (B, T, {self.input_size}) with at least {self.target_steps} steps T, not {tuple(x.shape)}"
            )
        return self.forward_steps(x, None, self.target_steps)[0]

    def forward_steps(self, x: Tensor, state: State, answers: int) -> tuple[Tensor, State]:
        """Answer at the last steps of a chunk; see `features`.

        Returns:
            Answers (B, A, K), and the state for the next chunk.
        """
        features, state = self.features(x, state, answers)
        return self.head(features), state

    def step(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Take in one more step of every sequence.

        Args:
            x: (B, I).
            state: what the previous call returned; None starts new sequences.

        Returns:
            Answers (B, K) given all steps so far, and the state for the next call.
        """
        answers, state = self.forward_steps(x.unsqueeze(1), state, 1)
        return answers[:, 0], state

    def deployment(self, step: bool) -> Deployment:
        """Say which networks stand for the model outside of Python; see `lstmzoo.models.deployment`."""
        if step:
            return Deployment(stream(self.step, Port("x", ("batch", self.input_size), torch.randn)), {})
        x = Port("x", ("batch", "time", self.input_size), torch.randn)
        return Deployment((Network("clip", lambda x: {"logits": self(x)}, (x,)),), {}, self.target_steps + 1)

    def detach_state(self, state: State) -> State:
        """Detach the state from its graph, for truncated back-propagation through time."""
        return detach(state)
