"""Segmentation guided by masks: those of one frame are inputs of the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstmzoo.models.argument_checks import check_range
from lstmzoo.models.encoders import pad_to_multiple
from lstmzoo.models.model_registry import register_model
from lstmzoo.models.recurrent_layers import FORGET_BIAS
from lstmzoo.nn.init import ForgetBias
from lstmzoo.segmentation.models.aggregate import soft_aggregate
from lstmzoo.segmentation.models.core import Core, FramewiseCore, RecurrentCore
from lstmzoo.segmentation.models.decoder import NO_STATE
from lstmzoo.segmentation.models.segmenter import Segmenter, State

MISSING = -20.0  # logit of an object whose first mask is empty


class TeacherMasks(NamedTuple):
    """True masks that take the place of the model's own as previous masks, in training.

    Attributes:
        masks: (B, T, K, H, W) in 0..1.
        known: (B, T), bool: in which frames of which clips.
    """

    masks: Tensor
    known: Tensor


@register_model("segment_guided")
class SegmentGuided(Segmenter):
    """The masks of the previous frame enter with the next one, for every object; with a cell, so does its memory.

    With masks it follows those objects: the masks are the answer for their frame, the previous masks of the next, and
    the first mask of an object gives its prototypes. Without, it finds the foreground, and the first previous mask is
    empty.

    Masks may be given at any frame, for objects that are followed already and for new ones, which come after the old
    ones: masks of K' ≥ K objects. A mask without a pixel is not given: an object that was given before goes on as it
    would have, and one that never was is not found.

    The encoder sees every frame once; the decoder runs once per object, each with its own recurrence, and all objects
    compete for the pixels (`soft_aggregate`) before the next frame. Further inputs are added to the lateral map of
    every stride through a 3 × 3 convolution,

        m_k, Σ_{j≠k} m_j, cos(x, mean of x₁ over m_k), cos(x, mean of x₁ outside of m_k)

    Source: the previous mask: Perazzi et al. 2017, "Learning video object segmentation from static images" (MaskTrack),
    section 3; with a recurrence for every object: Ventura et al. 2019, "RVOS", section 3.3; the first frame's
    appearance as a feature: Johnander et al. 2019, "A generative appearance model for end-to-end video object
    segmentation", much simplified.

    Args:
        cell: any of ``lstmzoo list cells`` that has a convolutional form; null: no memory but the masks, and
            convolutions in its place.
        dilations: of the memory's convolutions, one branch each, e.g. [1, 2, 4].
        kernel_size: of the memory's convolutions.
        forget_bias: bias of the forget gate at the start, so that the memory keeps from the first step on; auto: by the
            length of the training sequences; null: as drawn. Cells without a gate that decides what is kept ignore it.
        chrono: in place of forget_bias, the longest time span to remember at the start, in steps.
        **settings: those of `Segmenter`.
    """

    guided = True
    CLUES: ClassVar = 4  # of every object, in each of the decoder's maps
    STATE: ClassVar = frozenset({"memory", "previous", "prototypes", "missing"})

    def __init__(
        self,
        cell: str | None = None,
        dilations: Sequence[int] = (1,),
        kernel_size: int = 3,
        forget_bias: ForgetBias = FORGET_BIAS,
        chrono: int | None = None,
        **settings: Any,
    ) -> None:
        self.core = cell, dilations, kernel_size, forget_bias, chrono
        super().__init__(**settings)
        width = self.decoder.head.in_channels
        self.guides = nn.ModuleList(nn.Conv2d(self.CLUES, width, 3, padding=1) for _ in self.encoder.strides)
        self.guides.to(memory_format=torch.channels_last)

    def build_core(self, channels: int) -> Core:
        cell, dilations, kernel_size, forget_bias, chrono = self.core
        if cell is None:
            return FramewiseCore(channels, len(dilations))
        return RecurrentCore(channels, cell, dilations, kernel_size, forget_bias=forget_bias, chrono=chrono)

    def forward(
        self,
        video: Tensor,
        masks: Tensor | None = None,
        state: State | None = None,
        teacher: TeacherMasks | None = None,
    ) -> tuple[Tensor, State]:
        """Segment clips; see `Segmenter.forward`.

        Args:
            video: (B, T, 3, H, W).
            masks: (B, K, H, W), those of the first of these frames; of objects whose masks are empty, none is given.
                With a state of K₀ objects, the first K₀ are these; one for the foreground starts with new objects.
            state: what the call for the frames before returned.
            teacher: previous masks that replace the model's own.

        Returns:
            Logits (B, T, K, H, W), those of given masks being these masks, and the state.
        """
        if state is not None and (not isinstance(state, dict) or state.keys() != self.STATE):
            raise ValueError(NO_STATE)
        _check(video, masks, state)
        maps = self._maps(video)
        _check_previous(state, maps[0])
        if masks is not None and state is not None and state["missing"] is None:  # of the foreground
            state = None
        logits = []
        for t in range(video.shape[1]):
            now = [x[:, t] for x in maps]
            given = None if masks is None or t else self._reduce(masks.to(now[0].dtype))
            state = self._start(now, given, state)
            coarse, state = self._decode(now, self._clues(now, state), state)
            full = self._full_size(coarse, video.shape[-2:])
            if given is not None:
                assert masks is not None
                coarse, full = _insert(coarse, given), _insert(full, masks)
            state["previous"] = soft_aggregate(coarse)[:, 1:]
            if given is not None:
                state["previous"] = torch.where(_shown(given), given, state["previous"])
            logits.append(full)
            if teacher is not None:
                known = teacher.known[:, t, None, None, None]
                true = self._reduce(teacher.masks[:, t].to(coarse.dtype))
                state["previous"] = torch.where(known, true, state["previous"])
        assert state is not None
        return torch.stack(logits, dim=1), state

    def reset_memory(self, state: State | None) -> State | None:
        return state and {**state, "memory": None}

    def _start(self, now: list[Tensor], given: Tensor | None, state: State | None) -> State:
        """The state before a frame, with the masks that are given for it."""
        if state is None:
            state = _new_state(now, given)
        if given is None:
            return state
        objects = given.shape[1]
        shown = _shown(given)  # (B, K, 1, 1)
        missing = pad_objects(state["missing"], objects, True)  # (B, K)
        new = missing & shown[..., 0, 0]
        means = (_prototypes(x, fit(given, x)) for x in now)  # (B, K, 2, D)
        return {
            **state,
            "memory": self._start_objects(state["memory"], new),
            "previous": torch.where(shown, given, pad_objects(state["previous"], objects)),
            "prototypes": [
                torch.where(new[..., None, None], x, pad_objects(old, objects))
                for x, old in zip(means, state["prototypes"], strict=True)
            ],
            "missing": missing & ~new,
        }

    def _start_objects(self, memory: State | None, new: Tensor) -> State | None:
        """The cores' memory with that of new objects, (B, K) bool, reset; they may be more than it was for."""
        if memory is None:
            return None
        cores = self.decoder.cores
        return {stride: core.start_objects(memory[stride], new) for stride, core in cores.items()}  # type: ignore[operator]

    def _clues(self, now: list[Tensor], state: State) -> list[Tensor]:
        """What is known of every object beside the frame: for each of the decoder's maps (B, K, C, h, w)."""
        previous: Tensor = state["previous"]
        others = previous.sum(1, keepdim=True) - previous
        clues = []
        for level in range(len(self.guides)):
            x = now[level]
            known = torch.stack([fit(previous, x), fit(others, x)], dim=2)  # (B, K, 2, h, w)
            alike = (
                torch.zeros_like(known) if state["prototypes"] is None else _similarity(x, state["prototypes"][level])
            )
            clues.append(torch.cat([known, alike], dim=2))
        return clues

    def _decode(self, now: list[Tensor], clues: list[Tensor], state: State) -> tuple[Tensor, State]:
        """Logits (B, K, h, w) of one frame, and the state after it but for the previous masks."""
        objects = clues[0].shape[1]
        maps = []
        for x, guide, clue in zip(now[: len(clues)], self.guides, clues, strict=True):
            each = x[:, None].expand(-1, objects, -1, -1, -1)  # not repeat_interleave: ONNX has none for a free number
            row = each.flatten(0, 1) + guide(clue.flatten(0, 1))
            maps.append(row.unsqueeze(1))
        logits, memory = self.decoder(maps, state["memory"])  # (B K, 1, h, w)
        logits = logits[:, 0].unflatten(0, (-1, objects))
        if state["missing"] is not None:
            logits = logits.masked_fill(state["missing"][..., None, None], MISSING)
        return logits, {**state, "memory": memory}

    def _reduce(self, masks: Tensor) -> Tensor:
        """Masks (B, K, H, W) at the decoder's finest stride."""
        return F.avg_pool2d(pad_to_multiple(masks, self.encoder.strides[-1]), self.encoder.strides[0])


def _new_state(now: list[Tensor], given: Tensor | None) -> State:
    """Before the first frame: the foreground, or objects of which none was given yet."""
    x = now[0]
    if given is None:
        return {"memory": None, "previous": torch.zeros_like(x[:, :1]), "prototypes": None, "missing": None}
    none = x.new_zeros(*given.shape[:2])  # (B, K)
    return {
        "memory": None,
        "previous": torch.zeros_like(given),
        "prototypes": [none[..., None, None].expand(-1, -1, 2, x.shape[1]) for x in now],
        "missing": torch.ones_like(none, dtype=torch.bool),
    }


def pad_objects(values: Tensor, objects: int, fill: float = 0) -> Tensor:
    """Values of some objects (B, K, ...) and, for new ones behind them, a number."""
    batch, known, *rest = values.shape
    if known == objects:
        return values
    return torch.cat([values, values.new_full((batch, objects - known, *rest), fill)], dim=1)


def _shown(masks: Tensor) -> Tensor:
    """Which of the masks (B, K, H, W) have any pixel, (B, K, 1, 1)."""
    return masks.flatten(2).any(2)[..., None, None]


def _insert(logits: Tensor, masks: Tensor) -> Tensor:
    """Logits (B, K, H, W) with those of given masks in their place."""
    exact = masks.to(torch.promote_types(masks.dtype, torch.float32))  # 1 - eps is 1 in half precision
    return torch.where(_shown(masks), torch.logit(exact, eps=1e-4).to(logits.dtype), logits)


def fit(masks: Tensor, x: Tensor) -> Tensor:
    """Masks (B, K, H, W) at the size of a map (B, D, h, w)."""
    return F.interpolate(masks, x.shape[-2:], mode="area")


def _prototypes(x: Tensor, masks: Tensor) -> Tensor:
    """Means of a map (B, D, h, w) over masks (B, K, h, w) and outside of them, of length 1; (B, K, 2, D)."""
    places = torch.stack([masks, 1 - masks], dim=2)  # (B, K, 2, h, w)
    return F.normalize(torch.einsum("bkshw,bdhw->bksd", places, F.normalize(x, dim=1)), dim=3)


def _similarity(x: Tensor, prototypes: Tensor) -> Tensor:
    """Cosines between a map (B, D, h, w) and prototypes (B, K, 2, D), (B, K, 2, h, w)."""
    return torch.einsum("bksd,bdhw->bkshw", prototypes, F.normalize(x, dim=1))


def _check(video: Tensor, masks: Tensor | None, state: State | None) -> None:
    if masks is None:
        return
    if (
        masks.dim() != 4
        or masks.shape[0] != video.shape[0]
        or masks.shape[-2:] != video.shape[-2:]
        or not masks.shape[1]
    ):
        raise ValueError(
            f"masks are (batch, objects, height, width) of the frames, one object at least: a video of shape "
            f"{tuple(video.shape)} does not go with masks of shape {tuple(masks.shape)}"
        )
    known = 0 if state is None or state["missing"] is None else state["previous"].shape[1]
    if masks.shape[1] < known:
        raise ValueError(
            f"this video has {known} objects; masks of {masks.shape[1]} are given. Give one for each, empty where "
            "there is none, those of new objects behind them; or start a new video with state=None"
        )
    check_range("masks", masks)


def _check_previous(state: State | None, x: Tensor) -> None:
    """Refuse a state whose previous masks do not belong to maps like these (B, T, D, h, w)."""
    if state is None:
        return
    previous = state["previous"].shape
    if (previous[0], *previous[-2:]) != (x.shape[0], *x.shape[-2:]):
        raise ValueError(
            f"this state is of other videos: its masks have the shape {tuple(previous)}, these frames need "
            f"{(x.shape[0], previous[1], *x.shape[-2:])}; continue with as many videos of the same size, or start "
            "new ones with state=None"
        )
