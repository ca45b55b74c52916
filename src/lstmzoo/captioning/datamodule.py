"""Images and their captions for training, validation and test."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from lstmzoo.captioning.data.dataset import Captions
from lstmzoo.captioning.data.layouts import check_layout
from lstmzoo.captioning.data.listing import EmptySplit
from lstmzoo.captioning.data.vocabulary import Vocabulary
from lstmzoo.errors import DataWarning, LstmzooError
from lstmzoo.registry import datasets
from lstmzoo.settings import settings_of
from lstmzoo.training.data_module import BaseDataModule

MIRRORED = {"left": "right", "right": "left"}


class Sentences(Dataset[dict[str, Any]]):
    """Images, each with k of its captions as ids.

    Several captions of an image go through the network together, so that what depends on the image alone is computed
    once for all of them. An item is ``{"features": (N, C) or "images": uint8 (3, H, W), "words": k lists of
    ids from begin to end, "index": int}``.

    Args:
        captions: the images.
        vocabulary: turns words into ids.
        per_image: k; which ones depends on (seed, epoch, image) where an image has more or fewer.
        max_words: most words of a caption; longer ones are cut.
        seed: of the choice.
        flip: mirror half of the images, in training; in their captions "left" and "right" change places, too.
    """

    def __init__(
        self,
        captions: Captions,
        vocabulary: Vocabulary,
        per_image: int,
        max_words: int,
        seed: int,
        flip: bool = False,
    ) -> None:
        self.captions, self.vocabulary = captions, vocabulary
        self.per_image, self.max_words, self.seed, self.flip = per_image, max_words, seed, flip

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        item, epoch = index if isinstance(index, tuple) else (index, 0)
        random = np.random.default_rng([self.seed, epoch, item])
        mirrored = self.flip and random.random() < 0.5
        found = self.captions.image(item, mirrored)
        image = {"features": found["grid"]} if "grid" in found else {"images": found["image"]}
        captions = self.captions.records[item].tokens
        chosen = [captions[number] for number in _choose(len(captions), self.per_image, random)]
        if mirrored:
            chosen = [tuple(MIRRORED.get(word, word) for word in words) for words in chosen]
        return {**image, "words": [self.vocabulary.encode(words, self.max_words) for words in chosen], "index": item}


def collate(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Make a batch: images stacked; ``"words"`` (B · k, L), ``"lengths"`` (B · k,) and ``"index"`` (B,)."""
    sentences = [torch.tensor(words) for item in items for words in item["words"]]
    kind = "features" if "features" in items[0] else "images"
    return {
        kind: torch.stack([item[kind] for item in items]),
        "words": pad_sequence(sentences, batch_first=True, padding_value=Vocabulary.pad),
        "lengths": torch.tensor([len(words) for words in sentences]),
        "index": torch.tensor([item["index"] for item in items]),
    }


class CaptionDataModule(BaseDataModule):
    """The data of captioning.

    Args:
        dataset: the class of the data set, `Captions` or one derived from it.
        root: its folder.
        encoder: a frozen encoder, whose features are computed once and kept; None gives the images themselves.
        image_size: side of the square images, in pixels.
        vocabulary: as `Vocabulary.to_dict` gave it; None builds one from the training split.
        add_words: whether words of the training split are added to that vocabulary.
        min_count: how often a word must occur in the training captions to be known.
        max_words: most words of a training caption; longer ones are cut.
        captions_per_image: captions of an image that go through the network together.
        batch_size: images per batch and process.
        num_workers: processes that load images; cached features need none.
        test_split: what is tested on.
        seed: of the order and the choice of captions.
        flip: mirror half of the training images; of a frozen encoder the features of both are computed once.
        cache_dir: folder of the features; null: inside root.
        simulate: arguments of the data set's ``simulate_missing``; None never simulates anything.
        **options: further arguments of the data set.
    """

    NOT_SETTINGS = (
        *BaseDataModule.NOT_SETTINGS,
        *("encoder", "image_size", "vocabulary", "add_words", "size"),
    )
    TRAINING_ONLY = ("min_count", "flip")
    collate = staticmethod(collate)

    def __init__(
        self,
        dataset: type[Captions],
        root: str | Path,
        *,
        encoder: Any | None,
        image_size: int,
        vocabulary: dict[str, Any] | None = None,
        add_words: bool = False,
        min_count: int = 5,
        max_words: int = 20,
        captions_per_image: int = 5,
        batch_size: int = 32,
        num_workers: int = 0,
        test_split: str = "test",
        seed: int = 0,
        flip: bool = False,
        cache_dir: str | Path | None = None,
        simulate: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers, test_split=test_split, seed=seed)
        if min(captions_per_image, max_words, min_count) < 1:
            raise LstmzooError("data.captions_per_image, data.max_words and data.min_count must be 1 or more")
        self.dataset, self.root = dataset, Path(root)
        self.encoder, self.image_size = encoder, image_size
        self.vocabulary = None if vocabulary is None else Vocabulary.from_dict(vocabulary)
        self.add_words = add_words
        self.min_count, self.max_words, self.per_image = min_count, max_words, captions_per_image
        self.flip, self.simulate = flip, simulate
        self.cache_dir = cache_dir
        self.options = options
        self._captions: dict[str, Captions] = {}
        self._made = False

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, simulate: bool, **more: Any) -> CaptionDataModule:
        """Make it from the configuration's group ``data``."""
        settings = dict(settings)
        dataset = datasets.get(settings.pop("name")).target
        simulator = getattr(dataset, "simulate_missing", None)
        options = settings_of(simulator, ("root",)) if simulator is not None else ()
        arguments = {key: settings.pop(key) for key in options}
        return cls(dataset, **settings, simulate=arguments if simulate and arguments else None, **more)

    def prepare_data(self) -> None:
        """Make the simulated data set if it is missing."""
        if self.simulate is not None and not self._made:
            self.dataset.simulate_missing(self.root, **self.simulate)  # type: ignore[attr-defined]
            self._made = True  # the trainer asks again, for the fit and for the test

    def check(self, *, test: bool) -> None:
        check_layout(self.options.get("layout", "auto"))
        if self.simulate is not None and self.dataset.can_simulate(self.root, **self.simulate):  # type: ignore[attr-defined]
            return
        self._read_fit()
        if test:
            self._read_test()

    def setup(self, stage: str | None = None) -> None:
        """Open the data sets of a stage; features are computed into the cache at the first time."""
        if stage == "fit" and self.train_dataset is None:
            self._read_fit()
            self.train_dataset = self._open("train", flip=self.flip)
            with suppress(EmptySplit):
                self.val_dataset = self._open("val")
        if stage == "test" and self.test_dataset is None:
            self._read_test()
            self.test_dataset = self._open(self.test_split)

    @property
    def sizes(self) -> str:
        parts = (f"{len(data)} {split}" for split, data in self.datasets().items())
        return f"images: {', '.join(parts)}; {len(self.vocabulary or ())} words"

    @property
    def labels(self) -> dict[str, Any]:
        assert self.vocabulary is not None
        return self.vocabulary.to_dict()

    @property
    def sequence_length(self) -> int:
        """Words that are read of the longest training caption, and the one that begins it.

        The longest, not a usual one: it is what the memory may have to span, and ``max_words`` bounds it anyhow.
        """
        longest = max(len(words) for record in self.train_dataset.captions.records for words in record.tokens)
        return 1 + min(longest, self.max_words)

    def _read(self, split: str) -> Captions:
        """Read what there is in a split; features come later."""
        if split not in self._captions:
            size = (self.image_size, self.image_size)
            self._captions[split] = self.dataset(self.root, split, size=size, **self.options)
        return self._captions[split]

    def _read_fit(self) -> None:
        """Read what is trained on: what is wrong with it shows now, not after features were computed."""
        if self.vocabulary is None:
            self.vocabulary = Vocabulary.build(self._read("train").sentences(), self.min_count)
        elif self.add_words:
            self.vocabulary = self.vocabulary.extended(self._read("train").sentences(), self.min_count)
        self._warn_of_cuts(self._read("train").sentences())
        with suppress(EmptySplit):
            self._read("val")

    def _warn_of_cuts(self, sentences: list[tuple[str, ...]]) -> None:
        cut = sum(len(words) > self.max_words for words in sentences)
        if 2 * cut > len(sentences):
            warnings.warn(
                f"data.max_words={self.max_words} cuts {cut} of {len(sentences)} captions, the longest of "
                f"{max(map(len, sentences))} words: their ends are not learnt",
                DataWarning,
                stacklevel=2,
            )

    def _read_test(self) -> None:
        try:
            self._read(self.test_split)
        except EmptySplit as error:
            raise EmptySplit(
                f"{error}. Evaluate on one that is there (split=val); train without a test (test_after_fit=false)"
            ) from error

    def _open(self, split: str, flip: bool = False) -> Sentences:
        captions = self._read(split)
        if self.vocabulary is None:
            self.vocabulary = Vocabulary.build(self._read("train").sentences(), self.min_count)
        if self.encoder is not None and captions.features is None:
            captions.use_features(self.encoder, self.cache_dir, mirrored=flip)
        return Sentences(captions, self.vocabulary, self.per_image, self.max_words, self.seed, flip)


def _choose(available: int, wanted: int, random: np.random.Generator) -> list[int]:
    """Which captions of an image: all where there are as many as wanted, each at most once more than any other."""
    if available == wanted:
        return list(range(wanted))
    rounds = -(-wanted // available)
    return np.concatenate([random.permutation(available) for _ in range(rounds)])[:wanted].tolist()
