"""Matching of pixels against loops over them, and the model that is guided by it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from test_segmenters import clip, make, nested, two_objects
from torch import Tensor

from lstmzoo.errors import LstmzooError
from lstmzoo.segmentation.models import affinity

HEIGHT, WIDTH = 5, 7
TAU = 0.2


def maps(batch: int = 2, channels: int = 6, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(batch, channels, HEIGHT, WIDTH, dtype=torch.float64), dim=1)


def soft_masks(objects: int = 2) -> Tensor:
    torch.manual_seed(1)
    return torch.rand(2, objects, HEIGHT * WIDTH, dtype=torch.float64)


def pixels_around(place: int, radius: int | None) -> list[int]:
    y, x = divmod(place, WIDTH)
    return [
        other
        for other in range(HEIGHT * WIDTH)
        if radius is None or max(abs(other // WIDTH - y), abs(other % WIDTH - x)) <= radius
    ]


@pytest.mark.parametrize("radius", [None, 1, 2])
@pytest.mark.parametrize("top_k", [1, 4, 100])
def test_masks_are_read_from_the_most_similar_pixels(radius: int | None, top_k: int) -> None:
    queries, keys, masks = maps(), maps(seed=5), soft_masks()
    near = None if radius is None else affinity.window((HEIGHT, WIDTH), radius, queries.device)
    if near is None:
        weights = affinity.log_weights(affinity.similarity(queries, keys), TAU)
    else:
        weights = affinity.log_weights(affinity.similarity_near(queries, keys, radius), TAU, near)
    value, total = affinity.read(weights, masks, top_k, near)
    inside, outside = affinity.largest(weights, masks, near)
    q, k = queries.flatten(2), keys.flatten(2)
    for b in range(2):
        for i in range(HEIGHT * WIDTH):
            seen = pixels_around(i, radius)
            w = {j: math.exp((float(q[b, :, i] @ k[b, :, j]) - 1) / TAU) for j in seen}
            best = sorted(seen, key=lambda j: -w[j])[:top_k]
            assert float(total[b, 0, i]) == pytest.approx(math.log(sum(w[j] for j in best)))
            for o in range(2):
                m = masks[b, o]
                read = sum(w[j] * float(m[j]) for j in best) / sum(w[j] for j in best)
                assert float(value[b, o, i]) == pytest.approx(read)
                assert float(inside[b, o, i]) == pytest.approx(
                    math.log(sum(w[j] * float(m[j]) for j in seen)), abs=1e-5
                )
                assert float(outside[b, o, i]) == pytest.approx(
                    math.log(sum(w[j] * (1 - float(m[j])) for j in seen)), abs=1e-5
                )


def test_with_all_pixels_it_is_attention_and_a_window_over_everything_is_no_window() -> None:
    alike, masks = affinity.similarity(maps(), maps(seed=5)), soft_masks()
    weights = affinity.log_weights(alike, TAU)
    value, _ = affinity.read(weights, masks, HEIGHT * WIDTH)
    torch.testing.assert_close(value, masks @ (alike / TAU).softmax(2).transpose(1, 2))
    near = affinity.window((HEIGHT, WIDTH), WIDTH, alike.device)
    windowed = affinity.log_weights(affinity.similarity_near(maps(), maps(seed=5), WIDTH), TAU, near)
    for top_k in (3, 1000):
        for found, expected in zip(
            affinity.read(windowed, masks, top_k, near), affinity.read(weights, masks, top_k), strict=True
        ):
            torch.testing.assert_close(found, expected)
    torch.testing.assert_close(affinity.largest(windowed, masks, near), affinity.largest(weights, masks))


def test_several_frames_are_read_as_one_where_their_masks_are_known() -> None:
    alike = [affinity.similarity(maps(), maps(seed=seed)) for seed in (5, 6)]
    masks = [soft_masks(), soft_masks().flip(2)]
    known = [torch.tensor([[True, True], [True, False]]), torch.tensor([[True, False], [True, True]])]
    weights = [affinity.log_weights(one, TAU) for one in alike]
    found = [
        (*affinity.read(w, m, HEIGHT * WIDTH), affinity.largest(w, m)) for w, m in zip(weights, masks, strict=True)
    ]
    value, sides = affinity.merge(found, known)
    both, all_masks = torch.cat(weights, dim=2), torch.cat(masks, dim=2)
    together, _ = affinity.read(both, all_masks, 2 * HEIGHT * WIDTH)
    for b, o, sources in ((0, 0, (0, 1)), (1, 0, (0, 1)), (0, 1, (0,)), (1, 1, (1,))):
        expected = together if len(sources) == 2 else found[sources[0]][0]
        largest = affinity.largest(both, all_masks) if len(sources) == 2 else found[sources[0]][2]
        torch.testing.assert_close(value[b, o], expected[b, o])
        torch.testing.assert_close(sides[:, b, o], largest[:, b, o])


# The model


def matcher(**options: Any) -> Any:
    """A model that is sure of what looks alike, and whose decoder says nothing."""
    model = make("segment_matching", **options).eval()
    with torch.no_grad():
        model.temperature.fill_(math.log(1e-3))
        model.decoder.head.weight.zero_()
    return model


def noise(seed: int = 0) -> Tensor:
    return torch.rand(1, 1, 3, 64, 96, generator=torch.Generator().manual_seed(seed))


def square() -> Tensor:
    mask = torch.zeros(1, 1, 64, 96)
    mask[..., 16:48, 32:64] = 1  # whole cells of stride 16
    return mask


def test_without_learning_a_video_that_stands_still_keeps_its_masks() -> None:
    with torch.no_grad():
        logits, _ = matcher(top_k=4, radius=2)(noise().expand(-1, 6, -1, -1, -1), square())
    found, expected = logits[0, 1:, 0, 4::8, 4::8] > 0, square()[0, 0, 4::8, 4::8] > 0  # in the middle of every cell
    assert torch.equal(found, expected.expand_as(found))


def test_what_jumps_farther_than_the_window_is_found_by_its_looks() -> None:
    """The window would keep it in place; what looks like the first frame's object is it wherever it is."""
    model = matcher(top_k=1, radius=1)
    moved = noise().roll(32, dims=4)
    with torch.no_grad():
        clues = model._match(
            *_keys_and_state(model, torch.cat([noise(), moved], dim=1), square())
        )  # (1, 1, 8, 8, 12), at stride 8
    everywhere, near = clues[0, 0, [0, 3], 3:5, 9:11]  # in the middle of where it is now
    assert everywhere.mean() > 0.5
    assert near.mean() < -0.9


def _keys_and_state(model: Any, video: Tensor, masks: Tensor) -> tuple[Tensor, Any]:
    """What `_match` of the second frame is given."""
    _, state = model(video[:, :1], masks)
    now = [x[:, 1] for x in model._maps(video)]
    return now[-1], model._start(now, None, state)


def test_one_frame_in_every_few_is_remembered_with_its_predicted_masks() -> None:
    model = matcher(memory_every=2, references=2)
    video = torch.cat([noise(seed) for seed in range(10)], dim=1)
    keys = [now[:, 0] for now in model._maps(video)[-1].split(1, dim=1)]
    with torch.no_grad():
        _, state = model(video, square())
    halves = [torch.nn.functional.avg_pool2d(k, 2) for k in keys]
    remembered = [one[0] for one in state["remembered"]]
    assert len(remembered) == 3  # of the frames 2, 4, 6 and 8 the latest; frame 0 is a reference
    for found, expected in zip(remembered, (halves[4], halves[6], halves[8]), strict=True):
        torch.testing.assert_close(found, torch.nn.functional.normalize(expected, dim=1))
    torch.testing.assert_close(state["references"][0][0], torch.nn.functional.normalize(halves[0], dim=1))
    with torch.no_grad():
        assert not matcher(memory_every=None)(video, square())[1]["remembered"]


def test_keys_learn_from_what_is_matched() -> None:
    model = make("segment_matching")
    with torch.no_grad():
        model.decoder.head.weight.zero_()  # through the votes alone
    model(clip(), two_objects())[0][:, 1:].sigmoid().mean().backward()
    for parameter in (model.key.weight, model.temperature):
        assert parameter.grad.isfinite().all()
        assert parameter.grad.any()


def test_settings_out_of_their_range_are_named() -> None:
    for wrong in ({"references": 1}, {"top_k": 0}, {"key_channels": 0}, {"radius": 0}, {"memory_every": 0}):
        (name, value), *_ = wrong.items()
        with pytest.raises(LstmzooError, match=f"{name}.*{value}"):
            make("segment_matching", **wrong)


# Masks at any frame, of every guided model

GUIDED: list[dict[str, Any]] = [
    {"name": "segment_guided", "cell": "lstm", "dilations": [1, 2]},
    {"name": "segment_guided"},
    {"name": "segment_matching", "top_k": 4},
]
each_guided = pytest.mark.parametrize("variant", GUIDED, ids=lambda v: "-".join(map(str, v.values())))
NOTHING = torch.zeros(2, 1, 37, 50)


@each_guided
@torch.no_grad()
def test_a_mask_without_a_pixel_is_not_given(variant: dict[str, Any]) -> None:
    model = make(**variant).eval()
    _, state = model(clip()[:, :3], two_objects())
    plain, _ = model(clip()[:, 3:], None, state)
    same, _ = model(clip()[:, 3:], torch.zeros(2, 2, 37, 50), state)
    more, _ = model(clip()[:, 3:], torch.zeros(2, 3, 37, 50), state)
    torch.testing.assert_close(same, plain, atol=1e-5, rtol=0)
    torch.testing.assert_close(more[:, :, :2], plain, atol=1e-5, rtol=0)
    assert (more[:, :, 2].sigmoid() < 1e-3).all()


@each_guided
@pytest.mark.parametrize("slots", [1, 2])
@torch.no_grad()
def test_a_new_object_starts_with_the_frame_of_its_first_mask(variant: dict[str, Any], slots: int) -> None:
    """It is as if the video began there, whether or not its place was known before."""
    model = make(**variant).eval()
    new = torch.cat([NOTHING, two_objects()[:, 1:]], dim=1)
    _, state = model(255 - clip()[:, :3], torch.zeros(2, slots, 37, 50))
    found, _ = model(clip(), new, state)
    expected, _ = model(clip(), new)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@each_guided
@torch.no_grad()
def test_objects_are_added_on_the_way_and_the_old_ones_go_on(variant: dict[str, Any]) -> None:
    model = make(**variant).eval()
    first, second = two_objects().split(1, dim=1)
    _, state = model(clip()[:, :2], first)
    both, _ = model(clip()[:, 2:], torch.cat([NOTHING, second], dim=1), state)
    alone, _ = model(clip()[:, 2:], None, state)
    assert both.shape == (2, 3, 2, 37, 50)
    torch.testing.assert_close(both[:, 0, 1].sigmoid(), second[:, 0], atol=1e-3, rtol=0)
    forgotten, _ = model(clip()[:, 2:], torch.cat([NOTHING, second], dim=1))
    assert not torch.allclose(both[:, :, 0], forgotten[:, :, 0], atol=1e-3)
    assert (both[:, :, 0] - alone[:, :, 0]).abs().mean() < (both[:, :, 0] - forgotten[:, :, 0]).abs().mean()


@each_guided
@torch.no_grad()
def test_masks_of_a_later_frame_are_its_answer(variant: dict[str, Any]) -> None:
    model = make(**variant).eval()
    _, state = model(clip()[:, :3], two_objects())
    logits, _ = model(clip()[:, 3:], two_objects().flip(3), state)
    torch.testing.assert_close(logits[:, 0].sigmoid(), two_objects().flip(3), atol=1e-3, rtol=0)
    plain, _ = model(clip()[:, 3:], None, state)
    assert not torch.allclose(logits[:, 1], plain[:, 1], atol=1e-4)


@torch.no_grad()
def test_many_given_masks_do_not_make_the_memory_grow() -> None:
    model = make("segment_matching", references=2).eval()
    state, sizes = None, []
    for frame in clip(frames=6).unbind(1):
        _, state = model.step(frame, state, two_objects())
        sizes.append(sum(tensor.numel() for tensor in nested(state)))
    assert sizes[2] == sizes[3] == sizes[4] == sizes[5]


@torch.no_grad()
def test_masks_start_a_video_over_whose_foreground_was_sought() -> None:
    model = make("segment_matching").eval()
    _, state = model(clip())
    found, _ = model(clip(), two_objects(), state)
    torch.testing.assert_close(found, model(clip(), two_objects())[0], atol=0, rtol=0)


def test_a_state_of_another_model_is_named() -> None:
    _, state = make("segment_guided", cell="lstm")(clip(), two_objects())
    with pytest.raises(ValueError, match="None"):
        make("segment_matching")(clip(), None, state)
