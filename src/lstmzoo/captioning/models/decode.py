"""From a captioner to sentences: greedy and beam search, diverse groups, sampling; all batched over images."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from lstmzoo.captioning.models.captioner import BOS, EOS, PAD, UNK
from lstmzoo.captioning.models.consensus import consensus
from lstmzoo.errors import CheckpointError, LstmzooError, unknown_choice
from lstmzoo.models.metadata import MOST, brief, check_finite
from lstmzoo.settings import accepts, settings_of

METHODS = ("beam", "mbr", "greedy", "sample")
RANGES = {"temperature": (1e-4, 100), "length_penalty": (0, 100), "diversity_penalty": (0, 1e6)}
"""Least and largest; beyond these, numbers overflow."""


@dataclass
class Decoding:
    """How sentences are generated; the names are those of Hugging Face's ``generate`` where it has the same thing.

    Args:
        method: beam; mbr (minimum Bayes risk), which takes from the beam the sentence most like all the others; greedy,
            which is a beam of one; or sample.
        num_beams: sentences kept from word to word; 3 to 5 are best for beam, 20 for mbr.
        num_beam_groups: beam search in so many groups that share the beams, each discouraged from the words that the
            groups before it chose at the same step (diverse beam search, Vijayakumar et al. 2018); null: a group of
            num_beams for every sentence asked for, so that they differ in more than a word.
        diversity_penalty: how strongly, in nats per use.
        num_return_sequences: sentences per image, all different: the best of the beam, or those among so many samples;
            fewer where there are no more.
        max_length: most words of a sentence; one that has not ended by then is kept as it is.
        length_penalty: sentences are compared by log-probability / length^penalty; 0: no normalisation.
        no_repeat: never the same word twice in a row.
        no_repeat_ngram_size: no sequence of so many words occurs twice in a sentence; 0: any may.
        allow_unknown: whether the unknown word may be said.
        temperature: sampling: the logits are divided by it.
        top_k: sampling: only from the k most probable words; 0: from all.
        top_p: sampling: only from the most probable words that together reach p (Holtzman et al. 2020).
        seed: sampling: the same seed, the same sentences, whatever else is in the batch.

    Raises:
        LstmzooError: a value that is not possible.
    """

    method: str = "beam"
    num_beams: int = 3
    num_beam_groups: int | None = None
    diversity_penalty: float = 0.5
    num_return_sequences: int = 1
    max_length: int = 20
    length_penalty: float = 0.0
    no_repeat: bool = True
    no_repeat_ngram_size: int = 0
    allow_unknown: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise LstmzooError(unknown_choice("decoding method", self.method, METHODS))
        numbers = ("num_beams", "num_return_sequences", "max_length")
        for name in numbers if self.num_beam_groups is None else (*numbers, "num_beam_groups"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise LstmzooError(f"{name} must be a whole number of at least 1, not {getattr(self, name)!r}")
        if type(self.no_repeat_ngram_size) is not int or self.no_repeat_ngram_size < 0:
            raise LstmzooError(
                f"no_repeat_ngram_size must be a whole number of at least 0 (off), not {self.no_repeat_ngram_size!r}"
            )
        if self.method in ("beam", "mbr") and self.num_beam_groups is not None:
            if self.num_beams % self.num_beam_groups:
                raise LstmzooError(
                    f"num_beams={self.num_beams} must be divisible by num_beam_groups={self.num_beam_groups}"
                )
            if self.num_return_sequences > self.num_beams:
                raise LstmzooError(
                    f"num_return_sequences={self.num_return_sequences} must not be more than num_beams={self.num_beams}"
                )
        if self.method == "greedy" and self.num_return_sequences > 1:
            raise LstmzooError("greedy decoding gives one sentence; use method=beam or method=sample for several")
        for name, (least, most) in RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise LstmzooError(f"{name} must be a number from {least:g} to {most:g}, not {getattr(self, name)}")
        if not 0 < self.top_p <= 1 or self.top_k < 0:
            raise LstmzooError(f"top_p={self.top_p} must be in 0..1 (0 excluded), and top_k={self.top_k} 0 or more")

    @property
    def beams(self) -> tuple[int, int]:
        """Groups, and sentences of each that are kept from word to word."""
        if self.method == "greedy":
            return 1, 1
        if self.num_beam_groups is None:
            return self.num_return_sequences, self.num_beams
        return self.num_beam_groups, self.num_beams // self.num_beam_groups


def decoding_of(model: Any, given: Mapping[str, Any] = MappingProxyType({})) -> Decoding:
    """How a captioner generates sentences: as its weights were measured with, but for what is given.

    Args:
        model: a captioner, or an `Ensemble`.
        given: settings of `Decoding`.

    Raises:
        CheckpointError: the weights, which may come from anyone, hold a setting that is not possible.
        LstmzooError: a given value that is not possible, or settings that do not go together.
    """
    task = getattr(model, "metadata", {"config": {}})["config"].get("task")
    stored = task.get("decoding") if isinstance(task, dict) else None
    stored = stored if isinstance(stored, dict) else {}
    settings, origin = settings_of(Decoding), str(getattr(model, "checkpoint", ""))
    check_finite(stored, origin)
    for key, value in stored.items():
        if key not in settings or not accepts(settings[key].type, value) or (key in MOST and value > MOST[key]):
            raise CheckpointError(
                f"{origin} has task.decoding.{brief(key)}={brief(value)}, which is not taken from a file"
            )
    try:
        Decoding(**stored)
    except LstmzooError as error:
        raise CheckpointError(f"{origin} has a task.decoding that is not possible: {error}") from error
    return Decoding(**{**stored, **given})


@dataclass(frozen=True)
class Sentence:
    """A sentence about an image."""

    words: list[int]  # ids, without beginning and end
    log_probs: list[float]  # of each word, and of the end where there is one
    finished: bool  # whether it has an end
    score: float  # by which sentences are compared


@torch.no_grad()
def decode(
    model: Any, features: Any, decoding: Decoding | None = None, keys: Sequence[int] | None = None
) -> list[list[Sentence]]:
    """Describe images.

    Args:
        model: a `Captioner` or an `Ensemble`, in evaluation mode.
        features: of B images, as `model.encode` makes them.
        decoding: how; the default is how the model's weights were measured, of a new one beam search with 3.
        keys: sampling: a number for every image, which with the seed decides its sentences; by default its place in the
            batch.

    Returns:
        For every image its ``num_return_sequences`` sentences, the best first, each of one word or more and no two the
        same; fewer where the beam, or what was drawn, holds no more.
    """
    decoding = decoding or decoding_of(model)
    if decoding.method == "sample":
        found = sample(model, features, decoding, keys)
    else:
        state = model.start(features)
        found = _beam(model, state, decoding) if len(state.rows) else []
    return [_distinct(sentences)[: decoding.num_return_sequences] for sentences in found]


@torch.no_grad()
def sample(model: Any, features: Any, decoding: Decoding, keys: Sequence[int] | None = None) -> list[list[Sentence]]:
    """Draw ``num_return_sequences`` sentences per image independently, some perhaps the same; see `decode`."""
    state = model.start(features)
    return _sample(model, state, decoding, keys) if len(state.rows) else []


def _beam(model: Any, state: Any, decoding: Decoding) -> list[list[Sentence]]:
    """Beam search in G groups of k sentences; with one group of one it is greedy search.

    A sentence that has ended keeps its place and its score, and competes with those that go on.
    """
    groups, width = decoding.beams
    images = len(state.rows)
    rows = state.rows.repeat_interleave(groups)
    state = state.select(rows)  # rows: image by image, group by group
    words = rows.new_full((len(rows),), BOS)
    total = torch.zeros(images, groups, 1, device=rows.device)
    done = torch.zeros(images, groups, 1, dtype=torch.bool, device=rows.device)
    said, log_probs = rows.new_zeros(len(rows), 0), torch.zeros(len(rows), 0, device=rows.device)

    for _ in range(decoding.max_length):
        log_p, state, _ = model.step(state, words)
        log_p = _without_repeated_ngrams(allowed(log_p, words, decoding), said, decoding.no_repeat_ngram_size)
        log_p = _over(log_p, done.flatten()).view(images, groups, -1, log_p.shape[-1])
        beam, word = _choose(total, log_p, width, decoding.diversity_penalty)  # (B, G, k) each
        before = total.shape[2]
        first = torch.arange(images * groups, device=rows.device).view(images, groups, 1) * before
        rows, words = (first + beam).flatten(), word.flatten()
        gained = log_p.flatten(0, 2)[rows, words]
        total = (total.flatten()[rows] + gained).view(word.shape)
        said = torch.cat([said[rows], words[:, None]], dim=1)
        log_probs = torch.cat([log_probs[rows], gained[:, None]], dim=1)
        done = (done.flatten()[rows] | (words == EOS) | total.flatten().isinf()).view(word.shape)
        if done.all():
            break
        state = state.reorder(rows) if len(rows) == len(state.rows) else state.select(rows)

    found = zip(said.tolist(), log_probs.tolist(), total.flatten().tolist(), strict=True)
    sentences = [_sentence(*row, decoding.length_penalty) for row in found]
    kept = total.shape[2]
    parts = [sentences[start : start + kept] for start in range(0, len(sentences), kept)]  # image by image, by group
    if decoding.method == "mbr":
        parts = [_compared(part) for part in parts]
    return [_ranked(parts[start : start + groups]) for start in range(0, len(parts), groups)]


def _choose(total: Tensor, log_p: Tensor, width: int, diversity: float) -> tuple[Tensor, Tensor]:
    """The k best continuations of every group: from which of its sentences (B, G, k), and by which word (B, G, k)."""
    vocabulary = log_p.shape[-1]
    used = torch.zeros_like(log_p[:, 0, 0])  # (B, V): how many sentences of earlier groups took a word at this step
    chosen = []
    for g in range(log_p.shape[1]):
        candidates = total[:, g, :, None] + log_p[:, g] - diversity * used[:, None]  # (B, k, V)
        best = candidates.flatten(1).topk(min(width, candidates[0].numel())).indices
        chosen.append(best)
        word = best % vocabulary
        used = used.scatter_add(1, word, (word != PAD).to(used.dtype))
    index = torch.stack(chosen, dim=1)
    return index // vocabulary, index % vocabulary


def allowed(log_p: Tensor, words: Tensor, decoding: Decoding) -> Tensor:
    """Set words that must not come next to -inf.

    Args:
        log_p: log-probabilities, or logits, of the next words (R, V).
        words: the words before them (R,).
        decoding: says which.

    Returns:
        A copy (R, V). Padding and the beginning are never allowed, and the end not at once.
    """
    log_p = log_p.clone()
    log_p[:, [PAD, BOS] if decoding.allow_unknown else [PAD, BOS, UNK]] = -math.inf
    log_p[words == BOS, EOS] = -math.inf
    if decoding.no_repeat:
        log_p.scatter_(1, words[:, None], -math.inf)
    return log_p


def _without_repeated_ngrams(log_p: Tensor, said: Tensor, n: int) -> Tensor:
    """Set words that would complete an n-gram of the sentences so far (R, t) to -inf; log_p (R, V) changes in place."""
    if 0 < n <= said.shape[1]:
        ngrams = said.unfold(1, n, 1)  # (R, t - n + 1, n)
        latest = said[:, said.shape[1] - n + 1 :]  # (R, n - 1)
        row, place = (ngrams[..., :-1] == latest[:, None]).all(2).nonzero(as_tuple=True)
        log_p[row, ngrams[row, place, -1]] = -math.inf
    return log_p


def _over(log_p: Tensor, done: Tensor) -> Tensor:
    """Let sentences that have ended go on with padding, at no cost; log-probabilities (R, V) are changed in place."""
    log_p[done] = -math.inf
    log_p[done, PAD] = 0.0
    return log_p


def _sample(model: Any, state: Any, decoding: Decoding, keys: Sequence[int] | None) -> list[list[Sentence]]:
    """Draw n sentences per image, each image with its own random numbers."""
    count, rows, device = decoding.num_return_sequences, state.rows, state.rows.device
    numbers = range(len(rows)) if keys is None else keys
    generators = [
        torch.Generator().manual_seed((decoding.seed * 1_000_003 + int(number)) % 2**63) for number in numbers
    ]
    state = state.select(rows.repeat_interleave(count))
    words = torch.full((len(rows) * count,), BOS, device=device)
    done = torch.zeros(len(words), dtype=torch.bool, device=device)
    said, gained = words.new_zeros(len(words), 0), []
    for _ in range(decoding.max_length):
        log_p, state, _ = model.step(state, words)
        log_p = _without_repeated_ngrams(allowed(log_p, words, decoding), said, decoding.no_repeat_ngram_size)
        log_p = _over(log_p, done)
        chance = torch.cat([torch.rand(count, generator=generator) for generator in generators]).to(device)
        words = _draw(log_p, chance, decoding)
        said = torch.cat([said, words[:, None]], dim=1)
        gained.append(log_p.gather(1, words[:, None]).squeeze(1))
        done = done | (words == EOS)
        if done.all():
            break
    log_probs = torch.stack(gained, 1)
    found = zip(said.tolist(), log_probs.tolist(), log_probs.sum(1).tolist(), strict=True)
    sentences = [_sentence(*row, decoding.length_penalty) for row in found]
    return [_ranked([sentences[first : first + count]]) for first in range(0, len(sentences), count)]


def _draw(log_p: Tensor, chance: Tensor, decoding: Decoding) -> Tensor:
    """One word per row (R,) by the inverse of the cumulative distribution at ``chance`` (R,) in 0..1."""
    p, order = (log_p / decoding.temperature).softmax(1).sort(dim=1, descending=True)
    reached = p.cumsum(1) - p  # by the more probable words
    keep = reached < decoding.top_p
    if decoding.top_k:
        keep[:, decoding.top_k :] = False
    reached = (p * keep).cumsum(1)
    place = torch.searchsorted(reached, (chance * reached[:, -1])[:, None], right=True)
    last = (reached < reached[:, -1:]).sum(1, keepdim=True)  # rounding must not lead to a word of probability 0
    return order.gather(1, place.minimum(last)).squeeze(1)


def _sentence(ids: list[int], log_probs: list[float], total: float, length_penalty: float) -> Sentence:
    """Cut a sentence at its end; a total of -inf marks a place of the beam that no sentence was found for."""
    finished = EOS in ids
    words = ids[: ids.index(EOS)] if finished else ids
    length = len(words) + finished
    return Sentence(words, log_probs[:length], finished, total / max(length, 1) ** length_penalty)


def _compared(sentences: list[Sentence]) -> list[Sentence]:
    """With the scores of `consensus`; places of the beam that no sentence was found for stay as they are."""
    scores = consensus([one.words for one in sentences], [one.score for one in sentences])
    return [
        replace(one, score=score) if one.score > -math.inf else one
        for one, score in zip(sentences, scores, strict=True)
    ]


def _ranked(groups: list[list[Sentence]]) -> list[Sentence]:
    """The best first: the best of each group, then the second of each, …"""
    parts = [sorted(part, key=lambda sentence: -sentence.score) for part in groups]
    ranks = [sorted(rank, key=lambda sentence: -sentence.score) for rank in zip(*parts, strict=True)]
    return [sentence for rank in ranks for sentence in rank if sentence.score > -math.inf]


def _distinct(sentences: list[Sentence]) -> list[Sentence]:
    """Each only once, where it came first; groups may find the same, and so may samples."""
    first: dict[tuple[int, ...], Sentence] = {}
    for sentence in sentences:
        first.setdefault(tuple(sentence.words), sentence)
    return list(first.values())
