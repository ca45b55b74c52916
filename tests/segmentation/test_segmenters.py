"""Every segmentation model: shapes, streams, baselines, and their parts, against their formulas written out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import lstmzoo
from lstmzoo.errors import LstmzooError
from lstmzoo.registry import models
from lstmzoo.segmentation.models import follow as following
from lstmzoo.segmentation.models import soft_aggregate
from lstmzoo.segmentation.models.core import RecurrentCore, join_grids, split_grids
from lstmzoo.segmentation.models.guided import TeacherMasks
from lstmzoo.segmentation.motion import moving, residual_motion

VARIANTS: list[dict[str, Any]] = [
    {"name": "segment_framewise"},
    {"name": "segment_recurrent", "cell": "lstm"},
    {"name": "segment_recurrent", "cell": "gru", "levels": [16], "dilations": [1, 2, 4]},
    {"name": "segment_recurrent", "cell": "peephole_lstm", "levels": [16, 8, 4]},
    {"name": "segment_guided"},
    {"name": "segment_guided", "cell": "lstm"},
    {"name": "segment_matching"},
    {"name": "segment_matching", "cell": None, "top_k": 3, "radius": 1},
]
each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))
guided = pytest.mark.parametrize("cell", [None, "gru"])


def make(name: str, **overrides: Any) -> Any:
    torch.manual_seed(0)
    return lstmzoo.create_model(name, **{"decoder_channels": 8, **overrides})


def clip(batch: int = 2, frames: int = 5, height: int = 37, width: int = 50) -> Tensor:
    """Frames whose sides are no multiples of any stride."""
    generator = torch.Generator().manual_seed(batch + frames)
    return torch.randint(0, 256, (batch, frames, 3, height, width), dtype=torch.uint8, generator=generator)


def two_objects(batch: int = 2, height: int = 37, width: int = 50) -> Tensor:
    masks = torch.zeros(batch, 2, height, width)
    masks[:, 0, 5:15, 5:20] = masks[:, 1, 18:30, 25:40] = 1
    return masks


def first_masks(model: Any) -> Tensor | None:
    return two_objects() if model.guided else None


@each_variant
def test_shapes_and_a_finite_gradient_for_every_parameter(variant: dict[str, Any]) -> None:
    model = make(**variant)
    masks = first_masks(model)
    logits, _ = model(clip(), masks)
    assert logits.shape == (2, 5, 1 if masks is None else 2, 37, 50)
    F.softplus(logits).mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@each_variant
@pytest.mark.parametrize("with_masks", [False, True])
def test_frame_by_frame_and_chunk_by_chunk_equal_the_whole(variant: dict[str, Any], with_masks: bool) -> None:
    model = make(**variant).eval()
    if with_masks and not model.guided:
        pytest.skip("segment_guided")
    video, masks = clip(frames=7), two_objects() if with_masks else None
    with torch.no_grad():
        whole, _ = model(video, masks)
        state, steps = None, []
        for t, frame in enumerate(video.unbind(1)):
            logits, state = model.step(frame, state, masks if t == 0 else None)
            steps.append(logits)
        state, chunks = None, []
        for t, chunk in enumerate(video.split([3, 1, 3], dim=1)):
            logits, state = model(chunk, masks if t == 0 else None, state)
            chunks.append(logits)
    torch.testing.assert_close(torch.stack(steps, dim=1), whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.cat(chunks, dim=1), whole, atol=1e-5, rtol=0)


@each_variant
def test_a_new_video_knows_nothing_of_the_one_before(variant: dict[str, Any]) -> None:
    model = make(**variant).eval()
    with torch.no_grad():
        before, _ = model(clip())
        model(255 - clip())
        torch.testing.assert_close(model(clip())[0], before, atol=0, rtol=0)


@each_variant
def test_the_past_matters_to_those_with_memory_only_and_the_future_to_none(variant: dict[str, Any]) -> None:
    model = make(**variant).eval()
    video = clip()
    other_past = torch.cat([255 - video[:, :2], video[:, 2:]], dim=1)
    other_future = torch.cat([video[:, :3], 255 - video[:, 3:]], dim=1)
    with torch.no_grad():
        logits, past, future = (model(x)[0] for x in (video, other_past, other_future))
    torch.testing.assert_close(future[:, :3], logits[:, :3])
    same = torch.allclose(past[:, 2:], logits[:, 2:], atol=1e-6)
    assert same == (variant["name"] == "segment_framewise")


@each_variant
def test_the_state_does_not_grow_and_can_be_detached(variant: dict[str, Any]) -> None:
    model = make(**variant)
    state, sizes = None, []
    if hasattr(model, "memory_every"):
        model.memory_every = 2
    for frame in clip(frames=9).unbind(1):
        _, state = model.step(frame, state)
        sizes.append(sum(tensor.numel() for tensor in nested(state)))
    if hasattr(model, "memory_every"):
        assert sizes[0] < sizes[2] < sizes[5]  # three frames are remembered, no more
    else:
        assert sizes[0] == sizes[5]
    assert sizes[6] == sizes[7] == sizes[8] == sizes[5]
    assert not any(tensor.requires_grad for tensor in nested(model.detach_state(state)))


def nested(state: Any) -> list[Tensor]:
    if isinstance(state, Tensor):
        return [state]
    values = state.values() if isinstance(state, dict) else state if isinstance(state, tuple | list) else ()
    return [tensor for value in values for tensor in nested(value)]


@pytest.mark.parametrize(
    ("memory", "branches"), [({}, 1), ({"dilations": [1, 2, 4]}, 3), ({"dilations": [1, 2], "bidirectional": True}, 4)]
)
def test_baselines_differ_in_the_core_only_and_have_as_many_weights(memory: dict[str, Any], branches: int) -> None:
    framewise = make("segment_framewise", decoder_channels=32, branches=branches)
    recurrent = make("segment_recurrent", decoder_channels=32, **memory)
    shared = [
        {name: p.shape for name, p in model.named_parameters() if ".cores." not in name}
        for model in (framewise, recurrent)
    ]
    assert shared[0] == shared[1]
    cores = [sum(p.numel() for p in model.decoder.cores.parameters()) for model in (framewise, recurrent)]
    assert cores[0] == pytest.approx(cores[1], rel=0.03)


def test_previous_masks_with_and_without_memory_have_as_many_weights() -> None:
    plain, both = make("segment_guided", decoder_channels=32), make("segment_guided", decoder_channels=32, cell="lstm")
    sizes = [sum(p.numel() for p in model.parameters()) for model in (plain, both)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)


def test_what_is_padded_is_the_mean_colour() -> None:
    model = make("segment_recurrent").eval()
    video = clip(height=48, width=64).float() / 255
    video[..., 37:, :] = video[..., 50:] = 0.5  # the mean of the encoder `small`
    with torch.no_grad():
        torch.testing.assert_close(model(video[..., :37, :50])[0], model(video)[0][..., :37, :50], atol=1e-5, rtol=0)


def test_a_bidirectional_network_sees_the_future_and_says_that_it_cannot_stream() -> None:
    model = make("segment_recurrent", bidirectional=True).eval()
    video = clip()
    with torch.no_grad():
        logits, state = model(video)
        changed, _ = model(torch.cat([video[:, :3], 255 - video[:, 3:]], dim=1))
    assert not torch.allclose(logits[:, :3], changed[:, :3], atol=1e-4)
    with pytest.raises(ValueError, match="bidirectional=false"):
        model.step(video[:, 0])
    with pytest.raises(ValueError, match="bidirectional=false"):
        model(video, state=state)


# What moves


def textured(height: int, width: int, seed: int) -> np.ndarray:
    """A photograph's kind of texture, uint8."""
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    smooth = sum(cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1.5, 4, 10))
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def seen(thing_at: int, zoom: float = 1.0, pan: tuple[int, int] = (0, 0), thing: bool = True) -> np.ndarray:
    """A frame of 120 × 200: a camera's view of a larger scene, and a thing 44 pixels wide with its own place."""
    scene = textured(220, 320, 0)
    view = np.array([[zoom, 0, pan[0] - zoom * 50], [0, zoom, pan[1] - zoom * 40]], np.float32)
    frame = cv2.warpAffine(scene, view, (200, 120), flags=cv2.INTER_LINEAR)
    if thing:
        frame[40:76, thing_at : thing_at + 44] = textured(36, 44, 1)
    return frame


CAMERAS = [(1.0, (0, 0)), (1.0, (3, -2)), (1.02, (-2, 1))]


@pytest.mark.parametrize(("zoom", "pan"), CAMERAS)
def test_the_motion_that_remains_is_that_of_the_thing(zoom: float, pan: tuple[int, int]) -> None:
    r = residual_motion(seen(76, zoom, pan), seen(70), (30, 50))
    assert r.shape == (30, 50, 2)
    camera = (zoom - 1) * np.array([98, 58]) + pan  # at the thing, in pixels
    # Flow says where things were: 6 pixels to the left, less the scene's own shift there, in percent of the width.
    expected = (np.array([-6.0, 0.0]) + camera) / 2
    np.testing.assert_allclose(np.median(r[12:17, 21:28], axis=(0, 1)), expected, atol=0.6)
    away = np.ones((30, 50), bool)
    away[7:22, 13:33] = away[:, :3] = away[:, -3:] = away[:2] = away[-2:] = False
    assert np.median(np.linalg.norm(r[away], axis=1)) < 0.15


def test_the_camera_alone_leaves_no_motion() -> None:
    still, moved = seen(0, thing=False), seen(0, 1.01, (3, 1), thing=False)
    assert not residual_motion(still, still, (30, 50)).any()
    assert np.median(np.linalg.norm(residual_motion(moved, still, (30, 50))[3:-3, 3:-3], axis=2)) < 0.1


def film(places: list[int], cameras: list[tuple[float, tuple[int, int]]]) -> Tensor:
    frames = [seen(place, *camera) for place, camera in zip(places, cameras, strict=True)]
    return torch.from_numpy(np.stack(frames))[:, None].expand(-1, 3, -1, -1)  # (T, 3, H, W)


def test_what_moves_is_the_thing_while_it_moves_against_the_scene() -> None:
    true = np.zeros((30, 50), bool)
    true[10:19, 19:30] = True
    for camera, expected in (((1.0, (0, 0)), [False, True, False]), (None, [True] * 3)):
        video = film([70, 70, 76, 76], [camera or (1.0, (2 * t, -t)) for t in range(4)])
        for frames in (video, video.float() / 255):
            overlaps = [(mask & true).sum() / max((mask | true).sum(), 1) for mask in moving(frames)]
            assert [overlap > 0.6 for overlap in overlaps] == expected
            assert all(overlap > 0.6 or overlap == 0 for overlap in overlaps)


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (24, 9), (33, 50), (30, 900)])
def test_videos_of_any_size_and_those_in_which_nothing_moves(size: tuple[int, int]) -> None:
    noise = torch.randint(256, (3, 3, *size), dtype=torch.uint8)
    assert [mask.shape for mask in moving(noise)] == [(-(-size[0] // 4), -(-size[1] // 4))] * 2
    assert not any(mask.any() for mask in moving(noise[:1].expand(3, -1, -1, -1)))
    assert not [*moving(noise[:1])]


@pytest.mark.parametrize("places", [[70, 70, 76, 76, 76], [70] * 5])
def test_what_is_found_where_it_moves_is_followed_to_both_ends(
    places: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    follow, matching = make("segment_follow", cell=None).eval(), make("segment_matching", cell=None).eval()
    found = torch.full((5, 32, 64), -5.0)  # logits of the finder at stride 4, padded to 128 × 256
    found[:, 10:19, 19:30] = 5.0
    found[3, :, 40:] = 5.0  # less of it is what moves
    monkeypatch.setattr(follow, "_found", lambda video: found)
    monkeypatch.setattr(following, "FRAMES_AT_ONCE", 2)
    follow.load_state_dict(matching.state_dict() | {k: v for k, v in follow.state_dict().items() if "finder" in k})
    video = film(places, [(1.0, (0, 0))] * 5)[None]
    start = 2 if 76 in places else 3  # where nothing moves: the frame in which most was found
    mask = F.interpolate(found[None, None, start], scale_factor=4, mode="bilinear")[..., :120, :200].gt(0).float()
    with torch.no_grad():
        logits, state = follow(video)
        later = matching(video[:, start:], mask)[0]
        earlier = matching(video[:, : start + 1].flip(1), mask)[0].flip(1)
    assert state == {}
    torch.testing.assert_close(logits, torch.cat([earlier[:, :start], later], dim=1))


def test_a_thing_that_is_found_is_followed_however_small_and_nothing_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make("segment_follow").eval()
    found = torch.full((3, 16, 16), -5.0)
    monkeypatch.setattr(model, "_found", lambda video: found)
    video = clip(frames=3, height=64, width=64)[:1].float() / 255
    with torch.no_grad():
        assert (model(video)[0] < -10).all()
        found[1, 8, 8] = 0.2  # at full size it is below 0
        assert model(video)[0][0, 1].max() > 0


def test_following_learns_to_find() -> None:
    model = make("segment_follow", cell=None)
    logits, _ = model(film([70, 76, 76], [(1.0, (0, 0))] * 3)[None].expand(2, -1, -1, -1, -1))
    assert logits.shape == (2, 3, 1, 120, 200)
    F.softplus(logits).mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.finder.parameters())


def test_following_reads_whole_videos_without_masks_and_says_so() -> None:
    model = make("segment_follow").eval()
    with pytest.raises(ValueError, match="segment_matching"):
        model(clip(), two_objects())
    with pytest.raises(ValueError, match="state"):
        model(clip(), state={})
    with pytest.raises(ValueError, match=r"model\(video\)"):
        model.step(clip()[:, 0])
    for step in (False, True):
        with pytest.raises(LstmzooError, match="segment_matching"):
            model.deployment(step)
    with pytest.raises(LstmzooError, match="num_classes=3"):
        make("segment_follow", num_classes=3)


# The cores


def test_the_model_of_the_docs_has_a_core_of_another_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Conv3d could not be moved to channels_last, as the decoder's own layers are."""
    monkeypatch.setattr(models, "entries", dict(models.entries))  # without what the page registers
    page = (Path(__file__).parents[2] / "docs" / "segmentation.md").read_text(encoding="utf-8")
    (block,) = (one for one in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "register_model" in one)
    exec(block, {"__name__": "__main__"})
    model = make("segment_conv3d", kernel_size=5, levels=[8]).eval()
    assert model.model_args["kernel_size"] == 5
    with torch.no_grad():
        whole, _ = model(clip())
        first, state = model(clip()[:, :2])
        second, _ = model(clip()[:, 2:], state=model.detach_state(state))
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, atol=1e-5, rtol=0)


def test_a_memory_of_dilation_two_is_a_lstm_with_dilated_convolutions() -> None:
    torch.manual_seed(0)
    memory = RecurrentCore(8, "lstm", dilations=(2,)).double()
    x = torch.randn(2, 4, 8, 6, 10, dtype=torch.float64)
    w, r, b, b2 = (getattr(memory.rnns[0], f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    h = c = torch.zeros(2, 8, 6, 10, dtype=torch.float64)
    expected = []
    for t in range(4):
        z = F.conv2d(x[:, t], w, b, padding=2, dilation=2) + F.conv2d(h, r, b2, padding=2, dilation=2)
        i, f, g, o = z.chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        expected.append(x[:, t] + memory.project(h))
    torch.testing.assert_close(memory(x)[0], torch.stack(expected, dim=1))


@pytest.mark.parametrize("dilation", [1, 2, 3, 4])
def test_grids_are_every_dth_pixel_and_join_again(dilation: int) -> None:
    x = torch.randn(2, 3, 4, 7, 9)
    grids = split_grids(x, dilation)
    assert torch.equal(
        grids[dilation - 1, 0, 0, 0], F.pad(x, (0, 9))[0, 0, 0, 0, dilation - 1 :: dilation][: grids.shape[-1]]
    )
    assert torch.equal(join_grids(grids, dilation, x.shape), x)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["rnn_tanh", "mgu", "gru_reset_before", "minlstm", "layer_norm_lstm"])
def test_any_convolutional_cell_will_do(cell: str) -> None:
    model = make("segment_recurrent", cell=cell, levels=[16])
    assert model(clip(batch=1, frames=2))[0].isfinite().all()


# Guided by masks


@guided
def test_given_masks_are_the_answer_for_their_frame(cell: str | None) -> None:
    model, masks = make("segment_guided", cell=cell).eval(), two_objects()
    with torch.no_grad():
        logits, _ = model(clip(), masks)
    torch.testing.assert_close(logits[:, 0].sigmoid(), masks, atol=1e-3, rtol=0)


@guided
def test_objects_are_followed_whatever_their_order(cell: str | None) -> None:
    model, masks = make("segment_guided", cell=cell).eval(), two_objects()
    with torch.no_grad():
        logits, swapped = model(clip(), masks)[0], model(clip(), masks.flip(1))[0]
    torch.testing.assert_close(swapped.flip(2), logits, atol=1e-5, rtol=0)


@guided
def test_objects_that_are_not_there_are_not_found_and_change_nothing(cell: str | None) -> None:
    model, masks = make("segment_guided", cell=cell).eval(), two_objects()
    with torch.no_grad():
        alone, _ = model(clip(), masks)
        beside, _ = model(clip(), torch.cat([masks, torch.zeros(2, 1, 37, 50)], dim=1))
    torch.testing.assert_close(beside[:, :, :2], alone, atol=1e-5, rtol=0)
    assert (beside[:, :, 2].sigmoid() < 1e-3).all()


@guided
def test_the_encoder_sees_every_frame_once_whatever_the_number_of_objects(cell: str | None) -> None:
    model, seen = make("segment_guided", cell=cell).eval(), []
    model.encoder.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].shape[:2].numel()))
    with torch.no_grad():
        model(clip(), two_objects())
    assert sum(seen) == 2 * 5


def test_true_previous_masks_take_the_place_of_the_model_s_own() -> None:
    model = make("segment_guided").eval()
    video, masks = clip(), two_objects()
    truth = torch.rand(2, 5, 2, 37, 50).round()
    known = torch.zeros(2, 5, dtype=torch.bool)
    with torch.no_grad():
        own, _ = model(video, masks)
        unused, _ = model(video, masks, teacher=TeacherMasks(truth, known))
        known[0, 1] = True  # frame 1 of the first clip alone
        used, _ = model(video, masks, teacher=TeacherMasks(truth, known))
        expected, _ = model(
            video[:1, 2:3], None, {**model(video[:1, :1], masks[:1])[1], "previous": model._reduce(truth[:1, 1])}
        )
    torch.testing.assert_close(unused, own)
    torch.testing.assert_close(used[1], own[1], atol=1e-6, rtol=0)
    torch.testing.assert_close(used[0, :2], own[0, :2], atol=1e-6, rtol=0)
    torch.testing.assert_close(used[0, 2], expected[0, 0], atol=1e-5, rtol=0)
    assert not torch.allclose(used[0, 2], own[0, 2], atol=1e-4)


def test_masks_that_do_not_fit_are_named() -> None:
    model = make("segment_guided")
    with pytest.raises(ValueError, match=r"\(2, 2, 37, 49\)"):
        model(clip(), two_objects(width=49))
    with pytest.raises(ValueError, match=r"2 objects.* 1 .*state=None"):
        model.step(clip()[:, 1], model(clip(), two_objects())[1], two_objects()[:, :1])
    with pytest.raises(ValueError, match="segment_guided"):
        make("segment_recurrent")(clip(), two_objects())


@pytest.mark.parametrize("variant", [one for one in VARIANTS if one["name"] != "segment_framewise"])
def test_a_state_of_other_videos_is_named(variant: dict[str, Any]) -> None:
    model = make(**variant)
    with torch.no_grad():
        _, state = model(clip(), first_masks(model))
        for other in (clip(batch=1), clip(height=70)):
            with pytest.raises(ValueError, match="state=None"):
                model(other, None, state)
    for nonsense in ((1, 2), {"32": None}, torch.zeros(3)):
        with pytest.raises(ValueError, match="None"):
            model(clip(), None, nonsense)


@each_variant
def test_numbers_out_of_their_range_are_named(variant: dict[str, Any]) -> None:
    model = make(**variant).eval()
    with pytest.raises(ValueError, match=r"video: .*255.* 0\.\.1.*uint8"):
        model(clip().float())
    if model.guided:
        with pytest.raises(ValueError, match=r"masks: .* 2"):
            model(clip(), 2 * two_objects())


def test_soft_aggregation_is_the_share_of_the_odds() -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, 3, 5, 6, dtype=torch.float64)
    p = logits.sigmoid()
    p = torch.cat([(1 - p).prod(1, keepdim=True), p], dim=1)
    odds = p / (1 - p)
    torch.testing.assert_close(soft_aggregate(logits), odds / odds.sum(1, keepdim=True))
    one = soft_aggregate(logits[:, :1])
    assert torch.equal(one.argmax(1) == 1, logits[:, 0] > 0)
    extreme = soft_aggregate(torch.tensor([[1e4], [-1e4]])[:, :, None].expand(2, 1, 1).unsqueeze(0))
    assert extreme.isfinite().all()
    assert soft_aggregate(torch.full((2, 1, 1), -1e4))[0] == 1


# Encoders


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"encoder": "smal"}, "'small'"),
        ({"pretrained_encoder": True}, "pretrained_encoder"),
        ({"cell": "lstn"}, "'lstm'"),
        ({"levels": [16, 2]}, r"\[4, 8, 16\]"),
        ({"levels": []}, r"\[4, 8, 16\]"),
        ({"decoder_channels": 12}, "decoder_channels.* 8, .*12"),
        ({"dilations": [0]}, r"dilations.*\[0\]"),
    ],
)
def test_mistakes_are_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(LstmzooError, match=said):
        make("segment_recurrent", **arguments)


@each_variant
def test_half_precision_stays_finite(variant: dict[str, Any]) -> None:
    model = make(**variant)
    with torch.autocast("cpu", torch.bfloat16):
        logits, _ = model(clip(), first_masks(model))
    assert logits.isfinite().all()
    probabilities = soft_aggregate(logits.float())
    torch.testing.assert_close(probabilities.sum(2), torch.ones(2, 5, 37, 50), atol=1e-4, rtol=0)
    logits.float().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_dropout_leaves_out_whole_channels_of_every_frame_by_itself_and_only_in_training() -> None:
    decoder = make("segment_framewise", dropout=0.5).decoder
    for lateral in decoder.lateral:
        torch.nn.init.eye_(lateral.weight.flatten(1))  # the first channels come through as they are
        torch.nn.init.zeros_(lateral.bias)
    maps = [torch.ones(2, 3, layer.in_channels, 5, 5) for layer in decoder.lateral]
    for x in decoder.laterals(maps):
        means = x.mean((3, 4))
        assert torch.equal(x, means[..., None, None].expand_as(x))
        assert set(means.unique().tolist()) == {0.0, 2.0}  # kept ones grow, so that the mean stays
        assert not torch.equal(means[:, 0], means[:, 1])
    assert all(bool((x == 1).all()) for x in decoder.eval().laterals(maps))
