"""Segmenting a long video frame by frame: how fast it goes, and whether the memory it takes stays the same."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lstmzoo.bench.arguments import parsed
from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.io.resources import resident_bytes
from lstmzoo.models import create_model, list_models, load
from lstmzoo.models.encoders import fold_encoders
from lstmzoo.models.pretrained.names import shipped
from lstmzoo.segmentation.segment import check_model, segment_frames

NETWORK = (240, 427)  # height and width of what new models see
WARM_UP = 20  # frames before time and memory are measured: buffers are made, the step is compiled


def bench_stream(
    models: Sequence[str] = (),
    frames: int = 1000,
    encoder: str = "small",
    objects: int = 1,
    size: str = "480x854",
    network: str | None = None,
) -> Iterator[dict[str, Any]]:
    """A made-up video segmented frame by frame: frames per second, and the memory of the process meanwhile.

    Args:
        models: segmentation models, new ones, or weights and checkpoints; all models that stream if none are named.
        frames: length of the video.
        encoder: of new models.
        objects: followed by models that take a first mask.
        size: height x width of the video.
        network: height x width of what the model sees; null: 240x427, or what weights were trained for.

    Yields:
        One row per model: frames per second from the frame in memory to its mask; memory of the process in MB at the
        start, at the end and at most, read after every frame; and the slope of a line through all of it, in KB per
        frame (empty where the system does not say).
    """
    shape = parsed(size, "height x width")
    known = list_models("segment_*")
    for name in models or known:
        model = _open(name, encoder, known)
        if not model.streams:
            if models:
                raise LstmzooError(f"models={name}: it reads the whole video first, and this video does not end")
            continue
        seen = parsed(network, "height x width") if network else getattr(model, "transform", {}).get("size", NETWORK)
        model.eval().transform = {"size": seen}
        fold_encoders(model)
        masks = segment_frames(model, moving_image(shape), first_mask(shape, objects) if model.guided else None)
        for _ in range(WARM_UP):
            next(masks)
        held: list[float] = []
        started = time.perf_counter()
        for _ in range(frames):
            next(masks)
            held.append((resident_bytes() or np.nan) / 1e6)
        seconds = time.perf_counter() - started
        yield {
            "model": name,
            "objects": objects if model.guided else 1,
            "frames_per_s": frames / seconds,
            **memory_over_time(held),
        }


def _open(name: str, encoder: str, known: Sequence[str]) -> Any:
    """A new model of those that are known, or weights."""
    if name in known:
        return create_model(name, encoder=encoder)
    if name not in shipped() and not Path(name).exists():
        raise LstmzooError(unknown_choice("model", name, [*known, *shipped()]))
    model = load(name)
    check_model(model, getattr(model, "guided", False))
    return model


def memory_over_time(held: Sequence[float]) -> dict[str, float]:
    """Sum up what was held after every frame, in MB; the slope is in KB per frame."""
    slope = np.polyfit(np.arange(len(held)), held, 1)[0] * 1e3 if len(held) > 1 else 0.0
    return {"mb_at_start": held[0], "mb_at_end": held[-1], "mb_most": max(held), "kb_per_frame": float(slope)}


def moving_image(size: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield noise that drifts to the right, without end, (H, W, 3) uint8."""
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    while True:
        yield image
        image = np.roll(image, 3, axis=1)


def first_mask(size: Sequence[int], objects: int) -> np.ndarray:
    """Put objects side by side in the middle of the frame, (H, W) uint8."""
    ids = np.zeros(tuple(size), np.uint8)
    for number in range(objects):
        left = size[1] * (2 * number + 1) // (2 * objects + 1)
        ids[size[0] // 3 : 2 * size[0] // 3, left : left + max(1, size[1] // (2 * objects + 1))] = number + 1
    return ids
