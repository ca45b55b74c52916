"""The captioner in docs/captioning.md: one class, and everything else follows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from test_captioners import LENGTHS, TOKENS, by_steps
from tiny_captions import SIZES, features

from lstmzoo.captioning.models.decode import Decoding, decode
from lstmzoo.models import create_model
from lstmzoo.registry import models
from lstmzoo.settings import settings_of

PAGE = Path(__file__).parents[2] / "docs" / "captioning.md"


@pytest.fixture
def own() -> Iterator[Any]:
    """The model of the page, in double precision."""
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "class " in block]
    known = {*models.names()}
    exec(code, {})
    (name,) = {*models.names()} - known
    sizes = {key: size for key, size in SIZES.items() if key in settings_of(models.get(name).target)}
    torch.manual_seed(0)
    yield create_model(name, vocab_size=8, dropout=0.0, **sizes).double().eval()
    del models.entries[name]


def test_it_has_the_settings_of_all_captioners(own: Any) -> None:
    assert {"cell", "hidden_size", "forget_bias", "encoder", "dropout"} <= own.model_args.keys()


@torch.no_grad()
def test_it_knows_nothing_of_rows_and_yet_reads_batches(own: Any) -> None:
    images = features(2)
    logits = own(images, TOKENS, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = by_steps(own, images[row // 2][None], TOKENS[row, :length])
        torch.testing.assert_close(logits[row, :length].log_softmax(-1), alone)


def test_beams_of_several_images_are_those_of_each_alone(own: Any) -> None:
    images, decoding = features(3), Decoding(num_beams=4, num_beam_groups=2, num_return_sequences=3, max_length=6)
    together = decode(own, images, decoding)
    for image, several in zip(images, together, strict=True):
        assert [one.words for one in decode(own, image[None], decoding)[0]] == [one.words for one in several]
