"""Minimum Bayes risk: of the sentences that beam search found, the one most like what the others say."""

import math
from collections import Counter
from collections.abc import Hashable, Sequence

N = 4  # n-grams of 1 to 4 words
SIGMA = 6.0  # of the penalty on a difference in length, in words
TEMPERATURE = 0.3  # of the sentences' probabilities; tuned on the development images of Flickr8k

Ngrams = Counter[tuple[Hashable, ...]]


def consensus(sentences: Sequence[Sequence[Hashable]], scores: Sequence[float]) -> list[float]:
    """How much of what the model says about an image each sentence says, 0 to 1.

        u_i = Σ_j p_j sim(i, j)      p = softmax(scores / τ)

    sim is CIDEr-D with all n-grams of equal weight.

    Source: Kumar and Byrne 2004, "Minimum Bayes-risk decoding for statistical machine translation", section 2; among
    captions: Devlin et al. 2015, "Exploring nearest neighbor approaches for image captioning", section 3.

    Args:
        sentences: their words, without the end.
        scores: log-probabilities, normalised by length or not; those of -inf do not count.
    """
    best = max((score for score in scores if score > -math.inf), default=0.0)
    weights = [math.exp((score - best) / TEMPERATURE) for score in scores]
    grams = [_ngrams(words) for words in sentences]
    total = sum(weights) or 1.0
    return [
        sum(weight * similarity(one, other) for weight, other in zip(weights, grams, strict=True)) / total
        for one in grams
    ]


def _ngrams(words: Sequence[Hashable]) -> list[Ngrams]:
    """How often each sequence of n words occurs, for n = 1..N."""
    return [Counter(tuple(words[k : k + n]) for k in range(len(words) - n + 1)) for n in range(1, N + 1)]


def similarity(one: Sequence[Ngrams], other: Sequence[Ngrams]) -> float:
    """Compare two sentences by their n-grams for n = 1..N, as CIDEr-D does: clipped, and with a penalty on lengths."""
    total = 0.0
    for x, y in zip(one, other, strict=True):
        common = sum(min(count, y[gram]) * y[gram] for gram, count in x.items() if gram in y)
        total += common / math.sqrt(max(1, _square(x) * _square(y)))
    difference = one[0].total() - other[0].total()
    return total / N * math.exp(-(difference**2) / (2 * SIGMA**2))


def _square(counts: Ngrams) -> int:
    """The squared norm."""
    return sum(count * count for count in counts.values())
