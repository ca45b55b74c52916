"""CIDEr-D of single captions against references that are known in advance: the reward of self-critical training.

The official scorer recomputes everything for every set; here document frequencies and the references' vectors are
computed once, so that a caption costs a fraction of a millisecond.
"""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

N = 4
SIGMA = 6.0

Ngram = tuple[Hashable, ...]
Vector = dict[Ngram, float]


class CiderD:
    """CIDEr-D (Vedantam, Zitnick & Parikh, CVPR 2015; clipped and with a penalty on lengths, as in COCO's evaluation).

    For n = 1..4, with g_n the vector of a sentence's n-grams, count · (log M − log df), M the images and df how many of
    them have the n-gram in a reference::

        CIDEr-D_n(c, r) = 10 e^(−(l_c − l_r)² / 2σ²) · min(g_n(c), g_n(r)) · g_n(r) / (‖g_n(c)‖ ‖g_n(r)‖)     σ = 6

    averaged over the references r and over n. (Lengths are counted in bigrams, as the official code does.)

    Args:
        references: the words of the references of every image; words are anything that can be a key. Whoever wants the
            end of a sentence to count gives it as a word.
    """

    def __init__(self, references: Mapping[Hashable, Sequence[Sequence[Hashable]]]) -> None:
        counts = {image: [_ngrams(words) for words in sentences] for image, sentences in references.items()}
        frequency = Counter(ngram for sentences in counts.values() for ngram in set().union(*sentences))
        self.log_images = math.log(len(references))
        self.log_frequency = {ngram: math.log(count) for ngram, count in frequency.items()}
        self.references = {image: [self._vectors(one) for one in sentences] for image, sentences in counts.items()}

    def __call__(self, image: Hashable, words: Sequence[Hashable]) -> float:
        """Score the words of a caption of one of the images, 0 to 10."""
        vectors, norms, length = self._vectors(_ngrams(words))
        total = 0.0
        for others, other_norms, other_length in self.references[image]:
            penalty = math.exp(-((length - other_length) ** 2) / (2 * SIGMA**2))
            for vector, norm, other, other_norm in zip(vectors, norms, others, other_norms, strict=True):
                if norm and other_norm:
                    common = sum(
                        min(value, other[ngram]) * other[ngram] for ngram, value in vector.items() if ngram in other
                    )
                    total += penalty * common / (norm * other_norm)
        return 10 * total / (N * len(self.references[image]))

    def _vectors(self, counts: Counter[Ngram]) -> tuple[list[Vector], list[float], int]:
        """The vectors for n = 1..4, their norms, and the number of bigrams."""
        vectors: list[Vector] = [{} for _ in range(N)]
        for ngram, count in counts.items():
            vectors[len(ngram) - 1][ngram] = count * (self.log_images - self.log_frequency.get(ngram, 0.0))
        norms = [math.sqrt(sum(value * value for value in vector.values())) for vector in vectors]
        return vectors, norms, sum(count for ngram, count in counts.items() if len(ngram) == 2)


def _ngrams(words: Sequence[Hashable]) -> Counter[Ngram]:
    return Counter(tuple(words[i : i + n]) for n in range(1, N + 1) for i in range(len(words) - n + 1))
