"""Going on with other classes: what a model knew of those that stay is kept, by name; the others start from scratch."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lstmzoo.errors import CheckpointError
from lstmzoo.models import create_model, list_models
from lstmzoo.registry import models
from lstmzoo.segmentation.models import ForegroundSegmenter, Segmenter
from lstmzoo.training.inherited_weights import inherit_weights

KNOWN, LABELS = ["sit", "run", "hop"], ["hop", "jump", "crawl", "sit"]
KEPT = {"hop": (2, 0), "sit": (0, 3)}  # rows of KNOWN and LABELS
FOREGROUND = [name for name in list_models("segment_*") if issubclass(models.get(name).target, ForegroundSegmenter)]
MODELS = [*list_models("action_*"), *FOREGROUND]  # those that give classes
VIDEO = torch.randint(256, (2, 3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def built(name: str, labels: list[str], seed: int, **more: Any) -> Any:
    torch.manual_seed(seed)
    model: Any = create_model(name, num_classes=len(labels), **more).eval()
    model.checkpoint = "origin"
    return model


@torch.no_grad()
def outputs(model: Any) -> torch.Tensor:
    """Logits (classes, ...)."""
    if isinstance(model, Segmenter):
        return model(VIDEO)[0].movedim(2, 0)
    return model(VIDEO[:, :, :1]).movedim(1, 0)


@pytest.mark.parametrize("labels", [LABELS, ["run", "sit", "hop"], ["run", "hop"]])
@pytest.mark.parametrize("name", MODELS)
def test_classes_that_stay_keep_their_scores(name: str, labels: list[str]) -> None:
    """Up to what all scores of a frame have in common: some models give log-probabilities."""
    origin, model = built(name, KNOWN, 0), built(name, labels, 1)
    fresh = {key: weight.clone() for key, weight in model.state_dict().items()}
    drawn = torch.get_rng_state()
    assert inherit_weights(model, origin, labels, KNOWN) == []
    assert torch.equal(torch.get_rng_state(), drawn)
    kept = [label for label in labels if label in KNOWN]
    before = outputs(origin)[[KNOWN.index(label) for label in kept]]
    after = outputs(model)[[labels.index(label) for label in kept]]
    torch.testing.assert_close(after - after[:1], before - before[:1], rtol=1e-4, atol=1e-5)
    for key, weight in model.state_dict().items():
        if weight.shape[:1] == (len(labels),) and weight.shape != origin.state_dict()[key].shape:
            for row, label in enumerate(labels):
                assert torch.equal(weight[row], fresh[key][row]) == (label not in KNOWN)


def test_the_same_classes_take_all_weights() -> None:
    origin, model = built("action_rnn", KNOWN, 0), built("action_rnn", KNOWN, 1)
    assert inherit_weights(model, origin, KNOWN, KNOWN) == []
    weights = origin.state_dict()
    assert all(torch.equal(weight, weights[key]) for key, weight in model.state_dict().items())


@pytest.mark.parametrize("labels", [KNOWN, LABELS])
def test_a_model_of_other_sizes_is_refused(labels: list[str]) -> None:
    origin = built("action_rnn", KNOWN, 0, hidden_size=8)
    with pytest.raises(CheckpointError, match=r"origin.*rnn\.weight_hh_l0"):
        inherit_weights(built("action_rnn", labels, 1, hidden_size=9), origin, labels, KNOWN)
    with pytest.raises(CheckpointError, match=r"rnn\.weight_hh_l1"):
        inherit_weights(built("action_rnn", labels, 1, hidden_size=8, num_layers=2), origin, labels, KNOWN)


def test_a_head_for_classes_takes_nothing_of_one_for_the_foreground() -> None:
    origin, model = built("segment_framewise", [], 0), built("segment_framewise", LABELS, 1)
    assert inherit_weights(model, origin, LABELS, []) == ["decoder.head.bias", "decoder.head.weight"]
