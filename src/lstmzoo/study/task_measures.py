"""How well a trained model does as it is, with time shuffled, with its memory reset or erased.

Each measure takes a model in evaluation mode, its test data and a `Condition`, and returns (N,) scores in 0..1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lstmzoo.actions.metrics import aggregate
from lstmzoo.actions.task import shuffle_frames
from lstmzoo.captioning.agreement_score import agreement
from lstmzoo.nn import clamp, get_cell
from lstmzoo.segmentation.data.simulator import read_occlusions
from lstmzoo.segmentation.models import resize_frame


@dataclass(frozen=True)
class Condition:
    """What is changed in the test.

    Attributes:
        name: as it stands in tables.
        shuffled: the frames, or the words before the last, come in a random order that depends on the item only.
        reset_every: steps after which the state is reset, again and again; None: never.
        erased: the keeping gate is held at "keep nothing".
    """

    name: str
    shuffled: bool = False
    reset_every: int | None = None
    erased: bool = False


def conditions(reset_every: int) -> list[Condition]:
    """The conditions of the study, the first of them unchanged."""
    return [
        Condition("as is"),
        Condition("shuffled", shuffled=True),
        Condition(f"reset every {reset_every}", reset_every=reset_every),
        Condition("f = 0", erased=True),
    ]


def keeping_gate(cell: str | None) -> tuple[str, float] | None:
    """The gate of a cell that decides what is kept, and the value at which it keeps nothing; None without one."""
    found = None if cell is None else get_cell(cell).retention_gate
    return None if found is None else (found[0], 0.0 if found[1] > 0 else 1.0)


def measure(task: str, model: Any, data: Any, cell: str | None, condition: Condition) -> np.ndarray | None:
    """Measure a model under a condition.

    Args:
        task: registered name.
        model: in evaluation mode.
        data: a data module that is set up for the test.
        cell: of the model; None for one without.
        condition: what is changed.

    Returns:
        (N,) a score for every test item; None where the cell has no gate that decides what is kept.
    """
    held: AbstractContextManager[None] = nullcontext()
    if condition.erased:
        gate = keeping_gate(cell)
        if gate is None:
            return None
        held = clamp(model, **{gate[0]: gate[1]})
    with held, torch.inference_mode():
        return MEASURES[task](model, data, condition)


def _actions(model: Any, data: Any, condition: Condition) -> np.ndarray:
    """Whether each sequence of a gait is named correctly."""
    dataset, rows, segments = data.test_dataset, [], []
    for batch in data.test_dataloader():
        video = shuffle_frames(batch["video"], batch["index"]) if condition.shuffled else batch["video"]
        rows.append(_last_logits(model, video, condition.reset_every).softmax(1).numpy())
        segments += batch["segment"].tolist()
    numbers, means = aggregate(np.concatenate(rows), segments)
    labels = np.array([dataset.segments[number].label for number in numbers])
    gaits = np.isin(labels, [list(dataset.classes).index(name) for name in dataset.subsets["gaits"]])
    return (means.argmax(1) == labels)[gaits].astype(float)


def _last_logits(model: Any, video: Tensor, reset_every: int | None) -> Tensor:
    """Logits (B, K) after the last frame; what a reset spares is the previous frame, which is an input."""
    state: Any = None
    for frames in video.split(reset_every or video.shape[1], dim=1):
        logits, state = model.forward_frames(frames, state)
        state = {key: state[key] if key == "input" else None for key in state}
    return logits[:, -1]


def _captions(model: Any, data: Any, condition: Condition) -> np.ndarray:
    """Whether the last word of each sentence is found."""
    found = []
    for batch in data.test_dataloader():
        features = batch["features"] if "features" in batch else model.encode(batch["images"])
        words, lengths = batch["words"], batch["lengths"]
        if condition.shuffled:
            words = _shuffled_words(words, lengths, batch["index"])
        agreed, whole = agreement(model, features, words, lengths, condition.reset_every)
        found.append(agreed[whole].float().numpy())
    return np.concatenate(found)


def _shuffled_words(words: Tensor, lengths: Tensor, items: Tensor) -> Tensor:
    """The words between the begin and the last one in a random order, row by row."""
    shuffled, per_image = words.clone(), len(words) // len(items)
    for row, length in enumerate(lengths.tolist()):
        generator = torch.Generator().manual_seed(int(items[row // per_image]) * per_image + row % per_image)
        shuffled[row, 1 : length - 2] = words[row, 1 : length - 2][torch.randperm(length - 3, generator=generator)]
    return shuffled


def _segments(model: Any, data: Any, condition: Condition) -> np.ndarray:
    """The mean J of the foreground over the frames after the occlusion, of each video."""
    occlusions, size = read_occlusions(data.root), model.transform["size"]
    found = []
    for item in data.test_dataset:
        video = torch.stack([resize_frame(frame, size) for frame in item["video"]]).unsqueeze(0)
        order = torch.arange(video.shape[1])
        if condition.shuffled:
            order = torch.randperm(len(order), generator=torch.Generator().manual_seed(item["index"]))
        masks = torch.cat([*_masks(model, video[:, order], condition.reset_every)], dim=1)[0]  # (T, h, w)
        truth = _resized(item["masks"], size) > 0
        after = torch.tensor(occlusions[item["name"]]["after"])
        found.append(float(_jaccard(masks[order.argsort()][after], truth[after]).mean()))
    return np.array(found)


def _masks(model: Any, video: Tensor, reset_every: int | None) -> Iterator[Tensor]:
    """Masks (B, T', h, w) of the foreground, chunk by chunk."""
    state: Any = None
    for frames in video.split(reset_every or video.shape[1], dim=1):
        logits, state = model(frames, state=state)
        state = model.reset_memory(state)
        yield logits[:, :, 0] > 0


def _resized(masks: Tensor, size: tuple[int, int]) -> Tensor:
    return torch.nn.functional.interpolate(masks.unsqueeze(1), tuple(size), mode="nearest-exact").squeeze(1)


def _jaccard(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union (T,) of masks (T, h, w); 1 where both are empty."""
    both, either = (masks.flatten(1).sum(1) for masks in (one & other, one | other))
    return torch.where(either > 0, both / either.clamp(min=1), torch.ones(()))


MEASURES: dict[str, Callable[[Any, Any, Condition], np.ndarray]] = {
    "recognition": _actions,
    "captioning": _captions,
    "segmentation": _segments,
}
