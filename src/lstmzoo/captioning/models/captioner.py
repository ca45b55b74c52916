"""What all captioners share: seeing images, stepping from word to word, reading whole sentences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.export import register_dataclass
from torch.nn import functional as F

from lstmzoo.captioning.models.step_cell import StepCell
from lstmzoo.models.argument_checks import check_sizes
from lstmzoo.models.deployment import Deployment, Network, Port, pixels
from lstmzoo.models.encoders import create_grid_encoder
from lstmzoo.models.pretrained.hub import PretrainedMixin
from lstmzoo.models.recurrent_layers import FORGET_BIAS
from lstmzoo.nn.init import ForgetBias

PAD, BOS, EOS, UNK = range(4)
"""The ids of the four special words; every vocabulary begins with them."""

Tensors = Any
"""A tensor, or tuples, lists and dicts of tensors, with one row per sentence in each tensor."""


@dataclass(frozen=True)
class State:
    """Where a captioner stands, with R rows: one per sentence, those of an image next to each other.

    Attributes:
        image: what depends on the image alone.
        memory: what changes from word to word.
    """

    image: Tensors
    memory: Tensors

    @property
    def rows(self) -> Tensor:
        """The numbers of the rows (R,)."""
        any_part = _first(self.image)
        return torch.arange(len(any_part), device=any_part.device)

    def select(self, rows: Tensor) -> State:
        """Take some of the rows (R',), in that order, some perhaps several times."""
        return State(*(each_tensor(lambda part: part[rows], parts) for parts in (self.image, self.memory)))

    def reorder(self, rows: Tensor) -> State:
        """Take rows (R,) that belong to the same images as those in their places, of which nothing need be copied."""
        return State(self.image, each_tensor(lambda part: part[rows], self.memory))

    def first(self, rows: int) -> State:
        """Take the first rows, without a copy."""
        return State(*(each_tensor(lambda part: part[:rows], parts) for parts in (self.image, self.memory)))


register_dataclass(State)  # torch.export takes it apart and puts it together again


class Captioner(PretrainedMixin, nn.Module, ABC):
    """A network that describes an image, word by word.

    A model defines `encode_image`, `initial_state` and `read_word`, each for R rows, one per sentence; it need not know
    how many sentences there are per image. Everything else follows: training on whole sentences, scheduled sampling,
    all ways of decoding, attention and gates word by word.

    Args:
        vocab_size: V, words including the special ones, whose ids are 0 (padding), 1 (begin), 2 (end) and 3 (unknown).
        embedding_size: E, length of a word's vector.
        feature_size: D, length to which the features of each image region are mapped.
        dropout: share of values dropped in training: of regions' features, words' vectors and the output, 0..1.
        encoder: image encoder, one of :func:`lstmzoo.models.list_encoders`, of kind ``grid``: small, or one with
            ImageNet weights, e.g. efficientnet_lite0 or resnet50.
        pretrained_encoder: start the encoder from ImageNet weights (all but small).
    """

    pipeline_tag = "image-to-text"
    NOT_SETTINGS: ClassVar[tuple[str, ...]] = ()
    """Arguments of base classes that a model sets itself."""

    words: list[str]
    """The vocabulary, in the order of ids; set by ``lstmzoo.load``."""

    logits: nn.Linear
    """From what `read_word` returns to the logits of the next word; set by the model."""

    def __init__(
        self,
        vocab_size: int = 1000,
        embedding_size: int = 512,
        feature_size: int = 512,
        dropout: float = 0.5,
        encoder: str = "small",
        pretrained_encoder: bool = True,
    ) -> None:
        super().__init__()
        check_sizes(vocab_size=vocab_size, feature_size=feature_size, embedding_size=embedding_size)
        self.vocab_size, self.embedding_size, self.feature_size = vocab_size, embedding_size, feature_size
        self.encoder = create_grid_encoder(encoder, pretrained_encoder)
        self.project = nn.Sequential(nn.Linear(self.encoder.channels, feature_size), nn.ReLU(), nn.Dropout(dropout))
        self.embedding = nn.Embedding(vocab_size, embedding_size, padding_idx=PAD)
        self.dropout = nn.Dropout(dropout)

    # --- what a model defines ------------------------------------------------------------------------------------

    @abstractmethod
    def encode_image(self, v: Tensor) -> Tensors:
        """Compute all that depends on the image alone from the features of its N regions, v (R, N, D)."""

    @abstractmethod
    def initial_state(self, image: Tensors) -> Tensors:
        """Return the state before the first word, for what `encode_image` returned."""

    @abstractmethod
    def read_word(self, image: Tensors, state: Tensors, x: Tensor) -> tuple[Tensor, Tensors, Tensor | None]:
        """Read one word.

        Args:
            image: from `encode_image`.
            state: from `initial_state` or the word before.
            x: the words' vectors (R, E).

        Returns:
            What the output layer reads (R, ·), the state after the word, and the attention (R, N) or None.
        """

    def output(self, hidden: Tensor) -> Tensor:
        """Logits (..., V) of the next word from what `read_word` returned (..., ·); also for all steps at once.

        By default it is normalised to mean 0 and variance 1, norm(·) in the models' equations, which their papers do
        not do: a cell's h is far smaller than 1 at first, and thousands of words are learnt slowly from small numbers.
        """
        return self.logits(self.dropout(F.layer_norm(hidden, hidden.shape[-1:])))

    def penalty(self, attention: Tensor | None, real: Tensor) -> Tensor | float:
        """A term of the training loss for the attention (R, T, N) over the real steps (R, T); here none."""
        return 0.0

    # --- what follows --------------------------------------------------------------------------------------------

    def encode(self, images: Tensor) -> Tensor:
        """Encode images (B, 3, S, S) uint8, S = ``encoder.image_size``, to features (B, N, C)."""
        return self.encoder(images)

    def start(self, features: Tensor) -> State:
        """Look at images.

        Args:
            features: (B, N, C) of any floating type.

        Returns:
            The state before the first word, one row per image.
        """
        image = self.encode_image(self.project(features.to(self.embedding.weight.dtype)))
        return State(image, self.initial_state(image))

    def step(self, state: State, words: Tensor) -> tuple[Tensor, State, Tensor | None]:
        """Predict the next words.

        Args:
            state: from `start` or the previous step.
            words: (R,) the previous words; at first the id 1.

        Returns:
            Log-probabilities (R, V), the state after, and the attention (R, N) or None.
        """
        hidden, memory, attention = self.read_word(state.image, state.memory, self.embedding(words))
        return self.output(hidden).log_softmax(-1), State(state.image, memory), attention

    def forward(self, features: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Logits of every next word, given the true words before it.

        Args:
            features: (B, N, C).
            tokens: (R, T) ids, each row beginning with the id 1; R = B · k, the k sentences of an image together.
            lengths: (R,) how many of them are real.

        Returns:
            Logits (R, T, V), the t-th for the word after ``tokens[:, t]``; zero beyond the lengths.
        """
        hidden, _ = self.teacher_forcing(features, tokens, lengths)
        real = real_steps(lengths, tokens.shape[1])
        logits = hidden.new_zeros(*tokens.shape, self.vocab_size)
        logits[real] = self.output(hidden[real])
        return logits

    def deployment(self, step: bool) -> Deployment:
        """Say which networks stand for the model outside of Python: what is done once per image, and once per word.

        Decoding is left to the caller, with or without `step`; see `lstmzoo.models.deployment`.
        """

        def look(images: Tensor) -> dict[str, Tensors]:
            state = self.start(self.encode(images))
            return {"image": state.image, "state": state.memory}

        def read(words: Tensor, image: Tensors, memory: Tensors) -> dict[str, Tensors]:
            log_probs, state, attention = self.step(State(image, memory), words)
            return {"log_probs": log_probs, "attention": attention, "state": state.memory}

        side = self.encoder.image_size
        mean, std = self.encoder.normalisation
        encoder = Network("encoder", look, (Port("images", ("batch", 3, side, side), pixels),))
        words = Port("words", ("batch",), lambda shape: torch.randint(self.vocab_size, shape))
        transform = {
            "size": [side, side],
            "resize": "to the whole size, as OpenCV's INTER_AREA",
            "mean": [*mean],
            "std": [*std],
        }
        return Deployment((encoder, Network("step", read, (words,), encoder, ("image", "state"))), transform)

    def teacher_forcing(
        self, features: Tensor, tokens: Tensor, lengths: Tensor, sampling: float = 0.0
    ) -> tuple[Tensor, Tensor | None]:
        """Read whole sentences; the output layer is left to the caller, who needs it for the real steps only.

        Args:
            features: (B, N, C).
            tokens: (R, T) ids.
            lengths: (R,).
            sampling: probability that a word is replaced by one drawn from the model's own prediction (scheduled
                sampling, Bengio et al. 2015).

        Returns:
            What `output` reads (R, T, ·), and the attention (R, T, N) or None; anything beyond the lengths.
        """
        lengths, rows = lengths.sort(descending=True)  # sentences that are over fall off the end
        image = rows // (len(tokens) // len(features))
        state = self.start(features).select(image)
        x = self._embed(tokens[rows]).unbind(1)  # T × (R, E)
        outputs: list[Tensor] = []
        attentions: list[Tensor] = []
        for t in range(int(lengths[0])):
            active = int((lengths > t).sum())
            if t and active < len(outputs[-1]):
                state = state.first(active)
            now = x[t][:active]
            if sampling and t:
                now = self._scheduled(now, outputs[-1][:active], sampling)
            hidden, memory, attention = self.read_word(state.image, state.memory, now)
            state = State(state.image, memory)
            outputs.append(hidden)
            if attention is not None:
                attentions.append(attention)
        back, steps = rows.argsort(), tokens.shape[1]
        return _stacked(outputs, steps)[back], _stacked(attentions, steps)[back] if attentions else None

    def _embed(self, words: Tensor) -> Tensor:
        return self.dropout(self.embedding(words))

    def _scheduled(self, true: Tensor, hidden: Tensor, share: float) -> Tensor:
        """Replace a share of the true words' vectors by those of words drawn from the model."""
        with torch.no_grad():
            drawn = self.output(hidden).softmax(-1).multinomial(1).squeeze(1)
            replaced = torch.rand(len(true), 1, device=true.device) < share
        return torch.where(replaced, self._embed(drawn), true)


class RecurrentCaptioner(Captioner):
    """A captioner built on a recurrent cell.

    Args:
        cell: one of :func:`lstmzoo.nn.list_cells`, or your own, ``my_module:MyCell``.
        hidden_size: H, units of the cell.
        forget_bias: bias of the forget gate at the start, so that the memory keeps from the first step on; auto: by the
            length of the training sequences; null: as drawn. Cells without a gate that decides what is kept ignore it.
        chrono: in place of forget_bias, the longest time span to remember at the start, in steps.
        **settings: those of `Captioner`.
    """

    def __init__(
        self,
        cell: str = "lstm",
        hidden_size: int = 512,
        forget_bias: ForgetBias = FORGET_BIAS,
        chrono: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.hidden_size, self._cell = hidden_size, (cell, forget_bias, chrono)

    def new_cell(self, input_size: int) -> StepCell:
        """Build a cell of H units for inputs (R, input_size)."""
        cell, forget_bias, chrono = self._cell
        return StepCell(cell, input_size, self.hidden_size, forget_bias, chrono)


def real_steps(lengths: Tensor, steps: int) -> Tensor:
    """(R, T) bool: True within the lengths (R,)."""
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


def each_tensor(function: Callable[[Tensor], Tensor], parts: Tensors) -> Tensors:
    """Apply a function to every tensor in tuples, lists and dicts."""
    if isinstance(parts, dict):
        return {key: each_tensor(function, part) for key, part in parts.items()}
    if isinstance(parts, tuple | list):
        return tuple(each_tensor(function, part) for part in parts)
    return function(parts) if isinstance(parts, Tensor) else parts


def _first(parts: Tensors) -> Tensor:
    while not isinstance(parts, Tensor):
        parts = next(iter(parts.values() if isinstance(parts, dict) else parts))
    return parts


def _stacked(parts: list[Tensor], steps: int) -> Tensor:
    """Stack (R_t, ·), with R_t that only falls, to (R, T, ·), zeros where nothing is."""
    rows = len(parts[0])
    whole = torch.stack([F.pad(part, (0, 0, 0, rows - len(part))) for part in parts], dim=1)
    return F.pad(whole, (0, 0, 0, steps - len(parts)))
