"""What all captioners share: seeing pictures, starting, stepping from word to word, and reading whole sentences."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.export import register_dataclass
from torch.nn import functional as F

from lstmzoo.captioning.models.attention import per_row
from lstmzoo.models.checks import check_sizes
from lstmzoo.models.encoders import create_grid_encoder

PAD, BOS, EOS, UNK = range(4)
"""The ids of the four words that are none; every vocabulary begins with them."""

Tensors = tuple[Tensor, ...]


@dataclass(frozen=True)
class State:
    """Where a captioner stands.

    Attributes:
        picture: what stays the same from word to word, one row per picture, (B, ...) each.
        memory: what does not, (R, ...) each; R = B · k rows, the k sentences of a picture one after another.
    """

    picture: Tensors
    memory: Tensors

    def select(self, rows: Tensor) -> State:
        """Take some of the rows (R',), in that order; those of a picture must stay together."""
        return State(self.picture, tuple(part[rows] for part in self.memory))


register_dataclass(State)  # torch.export takes it apart, and puts it together again


class Captioner(nn.Module):
    """A network that puts a picture into words, one after another.

    A model writes `look`, `begin`, `advance` and, where it is more than one linear map, `output`; everything else
    (training on whole sentences, scheduled sampling, all ways of decoding, attention and gates word by word) follows.

    Args:
        vocab_size: V, words including the special ones, whose ids are 0 (nothing), 1 (begin), 2 (end) and 3 (unknown).
        encoder: one of :func:`lstmzoo.models.list_encoders`, of kind ``grid``.
        pretrained_encoder: start the encoder from ImageNet weights.
        picture_size: D, every cell's features are brought to this length.
        embedding_size: E, length of a word's vector.
        dropout: share of values dropped in training: of the cells' features, the words' vectors and the output.
    """

    words: list[str]
    """The vocabulary, in the order of ids; set by ``lstmzoo.load``."""

    def __init__(
        self,
        vocab_size: int,
        encoder: str,
        pretrained_encoder: bool,
        picture_size: int,
        embedding_size: int,
        dropout: float,
    ) -> None:
        super().__init__()
        check_sizes(vocab_size=vocab_size, picture_size=picture_size, embedding_size=embedding_size)
        self.vocab_size = vocab_size
        self.encoder = create_grid_encoder(encoder, pretrained_encoder)
        self.project = nn.Sequential(nn.Linear(self.encoder.channels, picture_size), nn.ReLU(), nn.Dropout(dropout))
        self.embedding = nn.Embedding(vocab_size, embedding_size, padding_idx=PAD)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        self.dropout = nn.Dropout(dropout)

    # --- what a model defines ------------------------------------------------------------------------------------

    def look(self, features: Tensor) -> Tensors:
        """Everything that depends on the picture alone, computed once: (B, ...) each, from features (B, N, C)."""
        raise NotImplementedError

    def begin(self, picture: Tensors) -> Tensors:
        """The memory before the first word, (B, ...) each."""
        raise NotImplementedError

    def advance(self, picture: Tensors, memory: Tensors, x: Tensor) -> tuple[Tensor, Tensors, Tensor | None]:
        """Take in one word.

        Args:
            picture: from `look`, (B, ...) each.
            memory: (R, ...) each, R = B · k.
            x: the words' vectors (R, E).

        Returns:
            What the output layer reads (R, ·), the memory after, and the attention (R, N) or None.
        """
        raise NotImplementedError

    def output(self, read: Tensor) -> Tensor:
        """Logits (..., V) from what `advance` gave (..., ·); it may be called for all steps at once."""
        raise NotImplementedError

    def penalty(self, attention: Tensor | None, real: Tensor) -> Tensor | float:
        """A term of the training loss about the attention (R, T, N) over the real steps (R, T); here none."""
        return 0.0

    # --- what follows --------------------------------------------------------------------------------------------

    def encode(self, images: Tensor) -> Tensor:
        """Encode pictures (B, 3, S, S) uint8, S = ``encoder.image_size``, to features (B, N, C)."""
        return self.encoder(images)

    def start(self, features: Tensor) -> State:
        """Look at pictures.

        Args:
            features: (B, N, C) of any floating type.

        Returns:
            The state before the first word, one row per picture.
        """
        picture = self.look(features.to(self.embedding.weight.dtype))
        return State(picture, self.begin(picture))

    def step(self, state: State, words: Tensor) -> tuple[Tensor, State, Tensor | None]:
        """Say which words may come next.

        Args:
            state: from `start` or the previous step.
            words: (R,) the previous words; at first the id 1.

        Returns:
            Log-probabilities (R, V), the state after, and the attention (R, N) or None.
        """
        read, memory, attention = self.advance(state.picture, state.memory, self.embedding(words))
        return self.output(read).log_softmax(-1), State(state.picture, memory), attention

    def forward(self, features: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Logits of every next word, given the true words before it.

        Args:
            features: (B, N, C).
            tokens: (R, T) ids, each row beginning with the id 1; R = B · k, the k sentences of a picture together.
            lengths: (R,) how many of them are real.

        Returns:
            Logits (R, T, V), the t-th for the word after ``tokens[:, t]``; zero beyond the lengths.
        """
        reads, _ = self.read(features, tokens, lengths)
        real = real_steps(lengths, tokens.shape[1])
        logits = reads.new_zeros(*tokens.shape, self.vocab_size)
        logits[real] = self.output(reads[real])
        return logits

    def read(
        self, features: Tensor, tokens: Tensor, lengths: Tensor, sampling: float = 0.0
    ) -> tuple[Tensor, Tensor | None]:
        """Run over whole sentences; the output layer is left to the caller, who needs it for the real steps only.

        Args:
            features: (B, N, C).
            tokens: (R, T) ids.
            lengths: (R,).
            sampling: probability that a word is replaced by one drawn from what the model itself would have said
                (scheduled sampling, Bengio et al. 2015).

        Returns:
            What `output` reads (R, T, ·), and the attention (R, T, N) or None; anything beyond the lengths.
        """
        per_picture = len(tokens) // len(features)
        longest = lengths.view(-1, per_picture).max(dim=1).values  # (B,)
        longest, order = longest.sort(descending=True)  # pictures whose sentences are over fall off the end
        rows = (order[:, None] * per_picture + torch.arange(per_picture, device=order.device)).flatten()
        state = self.start(features[order])
        x = self._embed(tokens[rows]).unbind(1)  # T × (R, E)
        picture, memory = state.picture, tuple(per_row(part, len(rows)) for part in state.memory)
        reads: list[Tensor] = []
        seen: list[Tensor] = []
        for t in range(int(longest[0])):
            active = int((longest > t).sum())
            if t and active * per_picture < len(reads[-1]):
                picture = tuple(part[:active] for part in picture)
                memory = tuple(part[: active * per_picture] for part in memory)
            now = x[t][: active * per_picture]
            if sampling and t:
                now = self._scheduled(now, reads[-1][: len(now)], sampling)
            read, memory, attention = self.advance(picture, memory, now)
            reads.append(read)
            if attention is not None:
                seen.append(attention)
        back, steps = rows.argsort(), tokens.shape[1]
        return _stacked(reads, steps)[back], _stacked(seen, steps)[back] if seen else None

    def _embed(self, words: Tensor) -> Tensor:
        return self.dropout(self.embedding(words))

    def _scheduled(self, true: Tensor, read: Tensor, share: float) -> Tensor:
        """Replace a share of the true words' vectors by those of words drawn from the model."""
        with torch.no_grad():
            drawn = self.output(read).softmax(-1).multinomial(1).squeeze(1)
            replaced = torch.rand(len(true), 1, device=true.device) < share
        return torch.where(replaced, self._embed(drawn), true)


def real_steps(lengths: Tensor, steps: int) -> Tensor:
    """(R, T) bool: True within the lengths (R,)."""
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


def _stacked(parts: list[Tensor], steps: int) -> Tensor:
    """Stack (R_t, ·), with R_t that only falls, to (R, T, ·), zeros where nothing is."""
    rows = len(parts[0])
    whole = torch.stack([F.pad(part, (0, 0, 0, rows - len(part))) for part in parts], dim=1)
    return F.pad(whole, (0, 0, 0, steps - len(parts)))
