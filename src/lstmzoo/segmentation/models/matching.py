"""Segmentation guided by masks whose pixels are matched with those of earlier frames."""

from __future__ import annotations

import math
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstmzoo.errors import LstmzooError
from lstmzoo.models.argument_checks import check_sizes
from lstmzoo.models.model_registry import register_model
from lstmzoo.segmentation.models.affinity import (
    largest,
    log_weights,
    merge,
    read,
    similarity,
    similarity_near,
    window,
)
from lstmzoo.segmentation.models.guided import SegmentGuided, fit, pad_objects
from lstmzoo.segmentation.models.segmenter import State

STRIDE, COARSE = 8, 16  # of the maps that keys are made of; pixels of the first are matched
FINE = 0.5  # share of the finer map in the keys' length at the start, against 1: the coarser one tells objects better
TEMPERATURE = 0.02  # at the start
SURE = 0.99  # a mask that is read counts as no more certain than that
CERTAIN = math.log(SURE / (1 - SURE))
REMEMBERED = 3  # frames with predicted masks that are kept

Memory = tuple[Tensor, Tensor, Tensor]  # of a frame: keys (B, D, h, w), masks (B, K, h, w), whose are known (B, K)


@register_model("segment_matching")
class SegmentMatching(SegmentGuided):
    """Pixels are matched with those of the first frame and of the last one, and read their masks; also a recurrence.

    Every pixel of the map at stride 8 has a key of length 1, made from the encoder's maps at strides 8 and 16. Further
    inputs of the decoder, beside those of `SegmentGuided`, are for every object

    - read from the frames whose masks were given, and from the latest three of every `memory_every` frames: the mask of
      the pixels that look most alike, and the largest similarity to the object's pixels and to others;
    - the same from the last frame and the masks predicted for it, in a window around the pixel: things move little;
    - the largest similarities in all of the last frame, since what was occluded may come back elsewhere.

    A linear map of these clues is added to the decoder's logits, so that masks are propagated before anything is
    learnt. All objects share the similarities of a frame. Of frames with given masks, the first and the latest are
    kept: the memory needed does not grow with the video.

    Source: Voigtlaender et al. 2019, "FEELVOS: fast end-to-end embedding learning for video object segmentation",
    section 3; reading masks from the most similar pixels: Oh et al. 2019, "Video object segmentation using space-time
    memory networks", and Cheng et al. 2021 (STCN); propagation without learning: Jabri et al. 2020, "Space-time
    correspondence as a contrastive random walk", section 4.

    Args:
        cell: any of ``lstmzoo list cells`` that has a convolutional form; null: no memory but masks and keys.
        key_channels: length of the keys.
        top_k: pixels of a frame that a pixel reads the mask of.
        radius: of the window, in cells of stride 8.
        references: most frames with given masks that are kept, 2 or more.
        memory_every: one frame in so many is kept with the masks predicted for it; null: none is.
        **settings: those of `SegmentGuided`.
    """

    CLUES: ClassVar = SegmentGuided.CLUES + 8
    STATE: ClassVar = SegmentGuided.STATE | {
        "age",
        "keys",
        "given",
        "references",
        "remembered",
        "last",
    }

    def __init__(
        self,
        cell: str | None = "lstm",
        key_channels: int = 128,
        top_k: int = 16,
        radius: int = 6,
        references: int = 4,
        memory_every: int | None = 10,
        **settings: Any,
    ) -> None:
        check_sizes(key_channels=key_channels, top_k=top_k, radius=radius, references=references)
        if memory_every is not None:
            check_sizes(memory_every=memory_every)
        if references < 2:
            raise LstmzooError(f"references must be 2 or more, the first frame and the latest; got {references}")
        super().__init__(cell, **settings)
        self.top_k, self.radius, self.references, self.memory_every = top_k, radius, references, memory_every
        strides, channels = self.encoder.strides, self.encoder.channels
        self.levels = strides.index(STRIDE), strides.index(COARSE)
        self.key = nn.Conv2d(sum(channels[level] for level in self.levels), key_channels, 1, bias=False)
        nn.init.orthogonal_(self.key.weight.flatten(1))  # keeps angles, as far as there are enough channels
        self.temperature = nn.Parameter(torch.tensor(math.log(TEMPERATURE)))
        self.vote = nn.Conv2d(8, 1, 1)
        for bias in (self.vote.bias, self.decoder.head.bias):
            nn.init.zeros_(cast(Tensor, bias))
        nn.init.zeros_(self.vote.weight)
        with torch.no_grad():
            self.vote.weight[0, [0, 3]] = CERTAIN / 2  # the mean of what the two readings say
            self.decoder.head.weight *= 0.1  # the decoder has nothing to say yet

    def _project(self, maps: list[Tensor]) -> list[Tensor]:
        fine, coarse = (F.normalize(maps[level].flatten(0, 1), dim=1) for level in self.levels)
        fine = FINE * fine
        coarse = F.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=False)
        keys = _wide(self.key(torch.cat([fine, coarse], dim=1)))
        return [*super()._project(maps), F.normalize(keys, dim=1).unflatten(0, maps[0].shape[:2])]

    def _start(self, now: list[Tensor], given: Tensor | None, state: State | None) -> State:
        *laterals, keys = now
        before, state = state, super()._start(laterals, given, state)
        kept: dict[str, Any] = {"age": 0, "references": (), "remembered": (), "last": None}
        if before is not None:
            kept = self._remember(keys, before)
        shown = None if given is None else given.flatten(2).any(2)  # (B, K)
        if shown is not None and not torch.compiler.is_exporting() and not shown.any():
            shown = None
        return {**state, **kept, "keys": keys, "given": shown}

    def _remember(self, keys: Tensor, before: State) -> dict[str, Any]:
        """What is kept of the frames before this one, the last of which now has its masks."""
        last, age = (before["keys"], _masks_at(keys, before), _known(before)), before["age"]
        remembered = [*before["remembered"]]
        if before["given"] is None and None not in (age, self.memory_every) and age % self.memory_every == 0:
            remembered.append(_halve(last))
        return {
            "age": None if age is None else age + 1,
            "references": self._references(before),
            "remembered": tuple(remembered[-REMEMBERED:]),
            "last": last,
        }

    def _references(self, before: State) -> tuple[Memory, ...]:
        """The frames whose masks were given, the one before among them, now that all its masks are known."""
        references, given = [*before["references"]], before["given"]
        if given is not None:
            there, masks, known = _halve((before["keys"], _masks_at(before["keys"], before), _known(before)))
            references.append((there, masks, known & given.any(1, keepdim=True)))
        if len(references) > self.references:
            del references[1]
        return tuple(references)

    def carried(self, state: State) -> State:
        """A state that has the same tensors after every frame without given masks, so that no frame is remembered."""
        return {**state, "given": None, "references": self._references(state), "age": None}

    def _clues(self, now: list[Tensor], state: State) -> list[Tensor]:
        found = self._match(now[-1], state)
        return [torch.cat([own, _resize(found, own).to(own.dtype)], dim=2) for own in super()._clues(now, state)]

    def _decode(self, now: list[Tensor], clues: list[Tensor], state: State) -> tuple[Tensor, State]:
        logits, state = super()._decode(now, clues, state)
        vote = self.vote(clues[0][:, :, SegmentGuided.CLUES :].flatten(0, 1))  # (B K, 1, h, w)
        return logits + vote.view_as(logits), {**state, "last": None}

    def _match(self, keys: Tensor, state: State) -> Tensor:
        """What the pixels of a frame find in earlier ones, (B, K, 8, h, w)."""
        references: list[Memory] = [*state["references"], *state["remembered"]]
        if state["given"] is not None:  # the frame itself
            references.append(_halve((keys, _masks_at(keys, state), state["given"])))
        objects = state["previous"].shape[1]
        nothing = keys.new_zeros(keys.shape[0], objects, 3, keys.shape[2] * keys.shape[3])
        with torch.autocast(keys.device.type, enabled=False):
            first = self._in_references(keys, references, objects) if references else nothing
            last = (
                nothing.repeat(1, 1, 2, 1)[:, :, :5]
                if state["last"] is None
                else self._in_last(keys, state["last"], objects)
            )
        return torch.cat([first, last], dim=2).unflatten(3, keys.shape[2:])

    def _in_references(self, keys: Tensor, references: list[Memory], objects: int) -> Tensor:
        """What they find in the frames whose masks were given, (B, K, 3, N)."""
        found, known = [], []
        for memory in references:
            there, masks, shown = _pad(memory, objects)
            weights = log_weights(similarity(keys, there), self.temperature.exp())
            found.append((*read(weights, masks, -(-self.top_k // 2)), largest(weights, masks)))
            known.append(shown)
        value, sides = merge(found, known)
        return _scaled(value, sides) * torch.stack(known).any(0)[..., None, None]

    def _in_last(self, keys: Tensor, last: Memory, objects: int) -> Tensor:
        """What they find in the frame before, in a window and in all of it, (B, K, 5, N)."""
        there, masks, known = _pad(last, objects)
        temperature = self.temperature.exp()
        near = window((keys.shape[2], keys.shape[3]), self.radius, keys.device)
        weights = log_weights(similarity_near(keys, there, self.radius), temperature, near)
        value, _ = read(weights, masks, self.top_k, near)
        around = _scaled(value, largest(weights, masks, near))
        there, masks, known = _pad(_halve(last), objects)
        everywhere = _scaled(None, largest(log_weights(similarity(keys, there), temperature), masks))
        return torch.cat([around, everywhere], dim=2) * known[..., None, None]


def _scaled(value: Tensor | None, sides: Tensor) -> Tensor:
    """Masks (B, K, N) that were read, and the logarithms (2, B, K, N), as clues of about 1, (B, K, 2 or 3, N)."""
    clues = [] if value is None else [torch.logit(value, eps=1 - SURE) / CERTAIN]
    return torch.stack([*clues, *(sides / 10)], dim=2)


def _halve(memory: Memory) -> Memory:
    """A frame's keys and masks at half their resolution: a quarter of the pixels to compare with."""
    keys, masks, known = memory
    return F.normalize(F.avg_pool2d(keys, 2), dim=1), F.avg_pool2d(masks, 2), known


def _pad(memory: Memory, objects: int) -> Memory:
    """A frame's keys, masks (B, K, N) and whose are known, with those of objects that came after it."""
    keys, masks, known = memory
    return keys, pad_objects(masks, objects).flatten(2), pad_objects(known, objects)


def _masks_at(keys: Tensor, state: State) -> Tensor:
    """The previous masks (B, K, h, w) at the keys' size and precision."""
    return fit(state["previous"].to(keys.dtype), keys)


def _known(state: State) -> Tensor:
    """Which objects (B, K) there are; without given masks, the foreground."""
    missing, previous = state["missing"], state["previous"]
    return torch.ones_like(previous[..., 0, 0], dtype=torch.bool) if missing is None else ~missing


def _resize(clues: Tensor, like: Tensor) -> Tensor:
    """Scale clues (B, K, C, h, w) to the size of others."""
    size = like.shape[-2:]
    mode = "area" if size[0] < clues.shape[-2] else "bilinear"
    return F.interpolate(clues.flatten(0, 1), size, mode=mode).unflatten(0, clues.shape[:2])


def _wide(x: Tensor) -> Tensor:
    """Half precision is too coarse for similarities."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
