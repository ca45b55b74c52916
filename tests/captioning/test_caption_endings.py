"""How captions end: those that break off are counted, whatever their last word is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tiny_captions import SIZES

from lstmzoo.captioning.data.vocabulary import Vocabulary
from lstmzoo.captioning.models.decode import Sentence
from lstmzoo.captioning.task import CaptioningTask

WORDS = Vocabulary(["a", "dog", "runs", "with"])


def numbers_of(said: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The numbers of a test in which this was said: sentences, and whether they ended."""
    monkeypatch.setattr("lstmzoo.captioning.metrics.java.has_java", lambda: False)  # it starts slowly
    words = WORDS.to_dict()
    task = CaptioningTask(
        "caption_nic",
        {key: size for key, size in SIZES.items() if key != "attention_size"} | {"vocab_size": len(WORDS)},
        vocabulary=words,
        classes=[],
        transform={},
        config={},
    )
    records = [
        SimpleNamespace(image_id=number, path=f"{number}.jpg", captions=["a dog"]) for number in range(len(said))
    ]
    dataset = SimpleNamespace(records=records, root="nowhere")
    task._trainer = SimpleNamespace(  # type: ignore[assignment]
        world_size=1, datamodule=SimpleNamespace(test_dataset=SimpleNamespace(captions=dataset))
    )
    for number, (text, ended) in enumerate(said):
        ids = [WORDS.words.index(word) for word in text.split()]
        task._found.append((number, [Sentence(ids, [], ended, 0.0)]))
    task.on_test_epoch_end()
    return task.results.as_dict()


def test_captions_that_break_off_end_badly(monkeypatch: pytest.MonkeyPatch) -> None:
    said = [("a dog", True), ("a dog runs", False), ("a dog with a", True), ("dog with", False)]
    numbers = numbers_of(said, monkeypatch)
    assert numbers["bad_endings"] == 3 / 4  # all but the first
    assert numbers["unended"] == 2 / 4
    assert numbers["words"] == 11 / 4
