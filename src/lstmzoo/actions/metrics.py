"""Accuracy of action recognition, from clips to sequences to videos.

Three units appear in papers on KTH: a *clip* is what the model sees at once, a *sequence* is one annotated
range of frames (863 in the official test split), a *video* is one file (216). The probabilities of a sequence
are the mean over its clips; those of a video are the mean over its sequences, each counting the same however
many clips it has.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from lstmzoo.errors import LstmzooError

Key = TypeVar("Key", bound=Hashable)
ArrayLike = np.ndarray | torch.Tensor | Sequence[Any]


@dataclass(frozen=True)
class Report:
    """What an evaluation says; every number is over sequences unless its name says otherwise."""

    classes: list[str]  # the class names, in the order of the confusion matrix
    sequence_accuracy: float  # share of sequences whose most probable class is the true one, in 0..1
    video_accuracy: float  # the same over videos
    num_sequences: int  # how many sequences were counted
    num_videos: int  # how many videos were counted
    confusion: np.ndarray  # (K, K) counts of sequences; rows are the truth, columns what was predicted
    per_class: dict[str, float | None]  # accuracy (recall) of each class; None where no sequence has that class
    subsets: dict[str, float]  # accuracy over the sequences of some classes only, by the data set's names for them
    per_scenario: dict[str, float]  # accuracy in each scenario, by its name; empty where there are no scenarios
    scenario_counts: dict[str, int]  # how many sequences each scenario has

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain numbers, lists and dictionaries, ready for JSON."""
        return {**vars(self), "confusion": self.confusion.tolist()}


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, num_classes: int) -> np.ndarray:
    """Count how often each class was taken for each other.

    Args:
        labels: (N,) true classes, 0..K-1.
        predictions: (N,) predicted classes, 0..K-1.
        num_classes: K.

    Returns:
        (K, K) int64 counts; rows are the truth, columns the prediction.

    Raises:
        ValueError: the lengths differ, or a class lies outside 0..K-1.
    """
    truth, guess = _integers(labels), _integers(predictions)
    if len(truth) != len(guess):
        raise ValueError(f"{len(truth)} labels but {len(guess)} predictions")
    for name, values in (("label", truth), ("prediction", guess)):
        outside = values[(values < 0) | (values >= num_classes)]
        if outside.size:
            raise ValueError(f"{name} {outside[0]} is not a class: there are {num_classes}, counted from 0")
    counts = np.bincount(truth * num_classes + guess, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the share of predictions that equal their label, in 0..1; nan when there are none.

    Args:
        labels: (N,) true classes.
        predictions: (N,) predicted classes.

    Raises:
        ValueError: the lengths differ.
    """
    truth, guess = _integers(labels), _integers(predictions)
    if len(truth) != len(guess):
        raise ValueError(f"{len(truth)} labels but {len(guess)} predictions")
    return float((truth == guess).mean()) if len(truth) else float("nan")


def aggregate(probabilities: ArrayLike, keys: Iterable[Key]) -> tuple[list[Key], np.ndarray]:
    """Average the rows that share a key: clips to sequences, sequences to videos.

    Args:
        probabilities: (N, K) class probabilities, one row per clip (or sequence).
        keys: N keys, one per row, e.g. the sequence each clip was cut from.

    Returns:
        The M different keys in order of first appearance, and their (M, K) mean probabilities.

    Raises:
        ValueError: there are more or fewer keys than rows.
    """
    rows = _floats(probabilities)
    position: dict[Key, int] = {}
    index = np.array([position.setdefault(key, len(position)) for key in keys], dtype=np.int64)
    if len(index) != len(rows):
        raise ValueError(f"{len(rows)} rows of probabilities but {len(index)} keys")
    total = np.zeros((len(position), rows.shape[1]))
    np.add.at(total, index, rows)
    return list(position), total / np.bincount(index, minlength=len(position))[:, None]


def report(
    probabilities: ArrayLike,
    labels: ArrayLike,
    segments: Sequence[Hashable],
    videos: Sequence[Hashable],
    scenarios: Sequence[str],
    classes: Sequence[str],
    subsets: Mapping[str, Sequence[str]] | None = None,
) -> Report:
    """Sum up the predictions on a set of clips.

    Args:
        probabilities: (N, K) class probabilities, one row per clip.
        labels: (N,) true class of each clip.
        segments: N keys: the sequence each clip was cut from, unique over all videos.
        videos: N keys: the video each clip was cut from.
        scenarios: N scenario names, e.g. ``"d1"``; ``""`` where there are none.
        classes: the K class names.
        subsets: names for some of the classes together.

    Raises:
        LstmzooError: there is nothing to evaluate, or a sequence or video has two labels.
        ValueError: the lengths differ.
    """
    rows = _floats(probabilities)
    if not len(rows):
        raise LstmzooError("there is nothing to evaluate: the split has no clips; choose another split")
    truth = _integers(labels)
    columns = {"labels": truth, "segments": segments, "videos": videos, "scenarios": scenarios}
    for name, values in columns.items():
        if len(values) != len(rows):
            raise ValueError(f"{len(rows)} rows of probabilities but {len(values)} {name}")

    sequence_label = _one_each("sequence", segments, truth.tolist())
    video_label = _one_each("video", videos, truth.tolist())
    video_of = _one_each("sequence", segments, videos)
    scenario_of = _one_each("sequence", segments, scenarios)

    sequences, by_sequence = aggregate(rows, segments)
    video_names, by_video = aggregate(by_sequence, [video_of[key] for key in sequences])

    sequence_truth = np.array([sequence_label[key] for key in sequences])
    sequence_guess = by_sequence.argmax(axis=1)
    confusion = confusion_matrix(sequence_truth, sequence_guess, len(classes))
    correct = sequence_guess == sequence_truth
    scenario = np.array([scenario_of[key] for key in sequences])
    names = sorted({str(name) for name in scenario if name})
    return Report(
        classes=list(classes),
        sequence_accuracy=accuracy(sequence_truth, sequence_guess),
        video_accuracy=accuracy([video_label[key] for key in video_names], by_video.argmax(axis=1)),
        num_sequences=len(sequences),
        num_videos=len(video_names),
        confusion=confusion,
        per_class={
            name: float(row[k] / row.sum()) if row.sum() else None
            for k, (name, row) in enumerate(zip(classes, confusion, strict=True))
        },
        subsets={
            name: float(correct[among].mean())
            for name, some in (subsets or {}).items()
            if (among := np.isin(sequence_truth, [k for k, one in enumerate(classes) if one in some])).any()
        },
        per_scenario={name: float(correct[scenario == name].mean()) for name in names},
        scenario_counts={name: int((scenario == name).sum()) for name in names},
    )


def _one_each(kind: str, keys: Sequence[Key], values: Sequence[Any]) -> dict[Key, Any]:
    """Map each key to its one value: a sequence or video with two has no truth to be measured against."""
    found: dict[Key, Any] = {}
    for key, value in zip(keys, values, strict=True):
        if found.setdefault(key, value) != value:
            raise LstmzooError(
                f"{kind} {key!r} has both {found[key]!r} and {value!r}; give every {kind} a name of its own"
            )
    return found


def _integers(values: ArrayLike) -> np.ndarray:
    return torch.as_tensor(values).to("cpu", torch.int64).reshape(-1).numpy()


def _floats(values: ArrayLike) -> np.ndarray:
    # A list of numpy rows is stacked first: torch would read it number by number.
    tensor = values if isinstance(values, torch.Tensor) else torch.from_numpy(np.asarray(values, np.float64))
    rows = tensor.detach().to("cpu", torch.float64).numpy()
    if rows.ndim != 2:
        raise ValueError(f"probabilities must have the shape (clips, classes), not {rows.shape}")
    return rows
