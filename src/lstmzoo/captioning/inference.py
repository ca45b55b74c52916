"""Captions of images by a loaded captioner, and what went on inside it word by word."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lstmzoo import nn
from lstmzoo.captioning.data.records import read_text
from lstmzoo.captioning.data.square_images import fault_of, read_images
from lstmzoo.captioning.data.text import tokenize
from lstmzoo.captioning.models.captioner import BOS, EOS
from lstmzoo.captioning.models.decode import Decoding, Sentence, decode
from lstmzoo.captioning.models.ensemble import Ensemble
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.io.images import IMAGE_SUFFIXES, is_image, natural_key
from lstmzoo.io.wording import listed
from lstmzoo.models.outputs import check_finite, check_scores
from lstmzoo.models.recurrent_layers import has_memory

IMAGE = "(image)"
"""The step at which a model reads the image as its first word."""


@dataclass(frozen=True)
class CaptionTrace:
    """What went on inside a captioner while it said a sentence."""

    # (T,) the word of each step, the end included; for models that read the image as a word, that comes first
    steps: list[str]
    probabilities: np.ndarray  # (T,) of these words; nan for the image
    attention: np.ndarray | None  # (T, N) over the regions of the image; None for models without
    # (T,) the weight β of what is in memory, in place of the image; None for models without
    sentinel: np.ndarray | None
    trace: Any | None  # gates and states, T steps; None for models without memory, and for an ensemble
    # of an ensemble, the trace of each member; probabilities and attention are their means then, attention only where
    # all members see the same grid
    members: tuple["CaptionTrace", ...] = ()


def find_images(wanted: str | Path, left_out: list[Path] | None = None) -> list[Path]:
    """Find images.

    Args:
        wanted: an image, a folder that is searched with all its subfolders except for hidden files, or a .txt file with
            a path per line (relative to the file's folder), of which duplicates are dropped.
        left_out: takes the other files of the folder, whose suffixes are not those of images.

    Raises:
        DataError: there is nothing of that name, no image in it, or a list that is not UTF-8.
    """
    path = Path(wanted).expanduser()
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file() and not _is_hidden(file.relative_to(path))]
        others = [file for file in files if not is_image(file)]
        if len(others) == len(files):
            there = f", only {suffixes_of(others)}" if others else ""
            raise DataError(f"there is no image in the folder {path}{there}; looked for {', '.join(IMAGE_SUFFIXES)}")
        if left_out is not None:
            left_out += others
        return sorted((file for file in files if is_image(file)), key=natural_key)
    if not path.is_file():
        raise DataError(f"there is no input {path}: give an image, a folder of images, or a .txt list of paths")
    if path.suffix.lower() != ".txt":
        return [path]
    lines = [line.strip() for line in read_text(path).splitlines()]
    if not any(lines):
        raise DataError(f"the list {path} is empty; write the path of an image on each line")
    found = [path.parent / Path(line).expanduser() for line in lines if line]
    return list({os.path.abspath(file): file for file in found}.values())


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def suffixes_of(files: Sequence[Path]) -> str:
    """Say how many files of each suffix there are, e.g. ``.heic (3), without suffix (1)``."""
    counts = Counter(file.suffix.lower() or "without suffix" for file in files)
    return listed(f"{suffix} ({count})" for suffix, count in counts.most_common())


@torch.inference_mode()
def caption_files(
    model: Any,
    paths: str | Path | Iterable[str | Path],
    decoding: Decoding | None = None,
    batch_size: int = 32,
    failures: dict[Path, str] | None = None,
) -> Iterator[tuple[Path, list[Sentence]]]:
    """Describe image files.

    Args:
        model: a captioner from ``lstmzoo.load``, or an `Ensemble` of some.
        paths: the files, or one.
        decoding: see `decode`.
        batch_size: images at a time.
        failures: takes the messages of files that cannot be read or described, which are skipped then.

    Yields:
        Every path with its sentences, the best first.

    Raises:
        DataError: a file cannot be read, or the model's outputs are not finite, and `failures` is None.
    """
    waiting = [Path(path) for path in ([paths] if isinstance(paths, (str, Path)) else paths)]
    for start in range(0, len(waiting), batch_size):
        batch = waiting[start : start + batch_size]
        try:
            features = encode_files(model, batch)
        except DataError:
            if failures is None:
                raise
            batch = _readable(batch, failures)
            if not batch:
                continue
            features = encode_files(model, batch)
        found = decode(model, features, decoding, [file_key(path) for path in batch])
        for path, sentences in zip(batch, found, strict=True):
            try:
                check_scores([sentence.score for sentence in sentences], model, path)
            except DataError as error:
                if failures is None:
                    raise
                failures[path] = str(error)
            else:
                yield path, sentences


@torch.no_grad()
def encode_files(model: Any, paths: Sequence[str | Path]) -> Any:
    """Encode image files to features (B, N, C); with an `Ensemble`, for every member.

    Raises:
        DataError: a file cannot be read.
    """

    def images(side: int) -> torch.Tensor:
        return torch.from_numpy(read_images(paths, side)).to(device_of(model))

    return model.encode(images if isinstance(model, Ensemble) else images(model.encoder.image_size))


def _readable(paths: Sequence[Path], failures: dict[Path, str]) -> list[Path]:
    """Skip the files that cannot be read, and note why."""
    failures |= {path: str(fault) for path in paths if (fault := fault_of(path))}
    return [path for path in paths if path not in failures]


def file_key(path: Path) -> int:
    """An image's number for sampling, from the content of its file, so that it depends on no other file."""
    return int.from_bytes(hashlib.blake2b(path.read_bytes(), digest_size=6).digest(), "little")


def device_of(model: Any) -> torch.device:
    """Where a model's parameters are."""
    return next(model.parameters()).device


def text_of(sentence: Sentence, words: Sequence[str]) -> str:
    """A sentence in words."""
    return " ".join(words[number] for number in sentence.words)


@torch.inference_mode()
def trace_caption(model: Any, features: Any, sentence: Sentence) -> CaptionTrace:
    """Run a model over a sentence, however it was found, and record its attention and its gates.

    Args:
        model: a captioner from ``lstmzoo.load``, or an `Ensemble` of some.
        features: of one image, (1, N, C); for an ensemble those of every member.
        sentence: about the image.

    Raises:
        DataError: the model's outputs are not finite.
    """
    if isinstance(model, Ensemble):
        members: Any = model.members
        return _mean_of([trace_caption(one, own, sentence) for one, own in zip(members, features, strict=True)])
    words = [*sentence.words, *([EOS] if sentence.finished else [])]
    inputs = [BOS, *words[:-1]]
    weights, probabilities = [], []
    with nn.trace(model) if has_memory(model) else nullcontext() as trace:
        state = model.start(features)
        for word, after in zip(inputs, words, strict=True):
            log_p, state, attention = model.step(state, torch.tensor([word], device=features.device))
            probabilities.append(float(log_p[0, after].exp()))
            if attention is not None:
                weights.append(attention[0].float().cpu().numpy())
    check_finite(torch.tensor(probabilities), model)
    steps = ["." if word == EOS else model.words[word] for word in words]
    recorded = 0 if trace is None else len(next(iter(trace.states.values()))[0])
    if recorded == len(words) + 1:  # the image itself was the first word
        steps, probabilities = [IMAGE, *steps], [float("nan"), *probabilities]
    attention_map = np.stack(weights) if weights else None
    sentinel = None
    if attention_map is not None and attention_map.shape[1] == features.shape[1] + 1:
        attention_map, sentinel = attention_map[:, :-1], attention_map[:, -1]
    return CaptionTrace(steps, np.array(probabilities), attention_map, sentinel, trace)


def _mean_of(members: list[CaptionTrace]) -> CaptionTrace:
    """The trace of an ensemble: the means of its members."""
    steps = [step for step in members[0].steps if step != IMAGE]
    probabilities = np.mean([one.probabilities[-len(steps) :] for one in members], axis=0)
    attentions = [one.attention for one in members if one.attention is not None]
    if len({attention.shape for attention in attentions}) != 1:
        return CaptionTrace(steps, probabilities, None, None, None, tuple(members))
    attention = np.mean(attentions, axis=0)
    sentinel = 1 - attention.sum(1) if any(one.sentinel is not None for one in members) else None
    return CaptionTrace(steps, probabilities, attention, sentinel, None, tuple(members))


def sentence_of(caption: str, vocabulary: Sequence[str]) -> Sentence:
    """Make a sentence of words, for `trace_caption`; case and punctuation don't matter.

    Raises:
        LstmzooError: there is no word, or one that the captioner doesn't know.
    """
    ids = {word: number for number, word in enumerate(vocabulary)}
    words = tokenize(caption)
    unknown = [word for word in words if word not in ids]
    if unknown:
        raise LstmzooError(f"the captioner doesn't know the word {unknown[0]!r}")
    if not words:
        raise LstmzooError(f"caption={caption!r} has no words")
    return Sentence([ids[word] for word in words], [], True, 0.0)
