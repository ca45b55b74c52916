"""The words a captioner knows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lstmzoo.captioning.data.text import segmentation_wanted, unsegmented
from lstmzoo.errors import DataError, LstmzooError

SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")
"""Filling, beginning, end, and any word that is not known; in the order of their ids, 0 to 3."""


class Vocabulary:
    """Words and their numbers.

    Ids 0 to 3 are `pad`, `bos`, `eos` and `unk`, all distinct; the words follow. A vocabulary belongs to the model that
    was trained with it and travels in its checkpoint: another one would give the same ids to other words.

    Args:
        words: the words, without the special ones, in the order of their ids.

    Raises:
        LstmzooError: a word that is there twice, or is one of the special ones, or empty.
    """

    pad, bos, eos, unk = range(len(SPECIALS))

    def __init__(self, words: Iterable[str]) -> None:
        self.words = [*SPECIALS, *words]
        # Without the special ones: a caption in which someone wrote <eos> does not end there.
        self._ids = {word: number for number, word in enumerate(self.words) if word not in SPECIALS}
        if len(self._ids) + len(SPECIALS) != len(self.words) or "" in self._ids:
            twice = [word for word, count in Counter(self.words).items() if count > 1 or not word]
            raise LstmzooError(f"the words of a vocabulary are distinct and not empty; look at {twice[:5]}")

    @classmethod
    def build(cls, sentences: Iterable[Sequence[str]], min_count: int = 5) -> "Vocabulary":
        """Collect the words of the training split (of no other: a tested model cannot know the test's words).

        Args:
            sentences: the words of each training caption.
            min_count: how often a word must occur; 5 is usual.

        Returns:
            The vocabulary, frequent words first, those of one frequency by the alphabet.

        Raises:
            LstmzooError: `min_count` is not positive.
            DataError: no word is left, or the captions are not parted into words.
        """
        found = cls([]).extended(sentences, min_count)
        if len(found) == len(SPECIALS):
            raise DataError(f"no word occurs {min_count} times in the training captions; lower min_count")
        return found

    def extended(self, sentences: Iterable[Sequence[str]], min_count: int = 5) -> "Vocabulary":
        """Add the words of other captions behind those that are there, whose ids stay.

        Args:
            sentences: the words of each caption.
            min_count: how often a word must occur.

        Raises:
            LstmzooError: `min_count` is not positive.
            DataError: the captions are not parted into words.
        """
        if min_count < 1:
            raise LstmzooError(f"min_count={min_count}: a word must occur at least once, so give 1 or more")
        sentences = list(sentences)
        counts = Counter(word for sentence in sentences for word in sentence)
        if script := unsegmented(sentences):
            raise DataError(segmentation_wanted(script))
        known = {*self.words}
        new = [word for word, count in counts.items() if count >= min_count and word not in known]
        return Vocabulary([*self.words[len(SPECIALS) :], *sorted(new, key=lambda word: (-counts[word], word))])

    def __len__(self) -> int:
        """Return the number of ids, special ones included."""
        return len(self.words)

    def encode(self, words: Sequence[str], max_words: int | None = None) -> list[int]:
        """Turn words into ids, from `bos` to `eos`.

        Args:
            words: the words of a caption.
            max_words: most words kept; `eos` follows only where the caption ends within them, so that a model does
                not learn to stop in the middle of a sentence.

        Returns:
            ``[bos, id, …, id, eos]``; unknown words become `unk`, and so do words that look like special ones.
        """
        ids = [self._ids.get(word, self.unk) for word in words[:max_words]]
        return [self.bos, *ids, self.eos] if len(ids) == len(words) else [self.bos, *ids]

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids into a caption: up to the first `eos`, without `bos` and `pad`."""
        words = []
        for number in map(int, ids):
            if number == self.eos:
                break
            if number not in (self.bos, self.pad):
                words.append(self.words[number])
        return " ".join(words)

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` needs, of plain types only, for a checkpoint."""
        return {"words": self.words[len(SPECIALS) :], "specials": list(SPECIALS)}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "Vocabulary":
        """Restore a vocabulary.

        Raises:
            LstmzooError: it was saved with other special words.
        """
        if list(saved.get("specials", ())) != list(SPECIALS):
            raise LstmzooError(f"a vocabulary with the special words {saved.get('specials')}, not {list(SPECIALS)}")
        return cls(saved["words"])
