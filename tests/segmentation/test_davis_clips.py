"""Training clips: what is drawn, and that frames and masks stay together."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_davis import ids, save_palette, write_davis

from lstmzoo.data import DAVIS, MaskedVideo, SegmentationClips
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.segmentation.data.mask_clips import paste_objects
from lstmzoo.segmentation.data.masks import VOID
from lstmzoo.segmentation.data.view import jitter_colours, random_view, whole

PLAIN = {"size": (12, 20), "reverse": 0.0, "flip": 0.0, "scale": (1.0, 1.0), "jitter": 0.0, "clips_per_sequence": 1}


@pytest.fixture(scope="module")
def davis(tmp_path_factory: pytest.TempPathFactory) -> DAVIS:
    root = write_davis(tmp_path_factory.mktemp("davis"), {"train": ["bear", "camel"]}, frames=20)
    return DAVIS(root, "train")


def times(clip: dict) -> list[int]:
    """The frames of a clip, by their grey values."""
    return [round((float(frame.float().mean()) - 10) / 8) for frame in clip["video"]]


def many(clips: SegmentationClips, epochs: int = 100) -> list[dict]:
    return [clips[item, epoch] for epoch in range(epochs) for item in range(len(clips))]


def test_shapes_and_the_plain_view_is_the_file(davis):
    clips = SegmentationClips(davis, clip_len=4, max_skip=1, **{**PLAIN, "clips_per_sequence": 3})
    assert len(clips) == 6
    clip = clips[4]
    assert clip["index"] == 4
    assert (clip["video"].shape, clip["video"].dtype) == ((4, 3, 12, 20), torch.uint8)
    first = times(clip)[0]
    assert times(clip) == [first, first + 1, first + 2, first + 3]
    np.testing.assert_array_equal(clip["masks"], np.stack([ids(first + t) for t in range(4)]))
    with pytest.raises(IndexError):
        clips[6]


def test_what_is_drawn_depends_on_seed_epoch_and_item_alone(davis):
    clips, same = (SegmentationClips(davis, clip_len=3, size=(12, 20), seed=5) for _ in range(2))
    other = SegmentationClips(davis, clip_len=3, size=(12, 20), seed=6)
    same[0, 7]
    assert torch.equal(clips[1, 3]["video"], same[1, 3]["video"])
    assert torch.equal(clips[1]["video"], same[1, 0]["video"])
    assert not torch.equal(clips[1, 3]["video"], clips[1, 4]["video"])
    assert not torch.equal(clips[1, 3]["video"], other[1, 3]["video"])


def test_steps_in_time_are_bounded_and_all_occur(davis):
    clips = many(SegmentationClips(davis, clip_len=4, max_skip=3, **PLAIN))
    steps = np.array([np.diff(times(clip)) for clip in clips])
    assert set(steps.ravel()) == {1, 2, 3}
    assert {times(clip)[0] for clip in clips} >= set(range(11))
    assert any(len(set(row)) > 1 for row in steps)
    long = many(SegmentationClips(davis, clip_len=10, max_skip=9, **PLAIN), 20)  # 20 frames: steps of 2 at most
    assert {int(step) for clip in long for step in np.diff(times(clip))} == {1, 2}


def test_half_of_the_clips_run_backwards(davis):
    clips = many(SegmentationClips(davis, clip_len=3, **{**PLAIN, "reverse": 0.5}))
    signs = [np.sign(np.diff(times(clip))).tolist() for clip in clips]
    assert 0.35 < np.mean([sign == [-1, -1] for sign in signs]) < 0.65
    assert all(sign in ([1, 1], [-1, -1]) for sign in signs)


def test_short_sequences_run_to_and_fro(davis):
    clip = SegmentationClips(davis, clip_len=45, max_skip=4, **PLAIN)[0]
    steps = np.diff(times(clip))
    assert set(np.abs(steps)) == {1}
    assert min(times(clip)) == 0
    assert max(times(clip)) == 19


def test_from_start(davis):
    clips = many(SegmentationClips(davis, clip_len=3, from_start=1.0, **{**PLAIN, "reverse": 0.5}), 20)
    assert {times(clip)[0] for clip in clips} == {0}
    assert all((np.diff(times(clip)) > 0).all() for clip in clips)


def place_frame(path: Path, mask: np.ndarray) -> None:
    """A frame in which the mask is to be seen: red where object 1 is, blue elsewhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = np.where(mask[..., None] == 1, np.uint8([255, 0, 0]), np.uint8([0, 0, 255]))
    Image.fromarray(colours).save(path)


@pytest.fixture
def red(tmp_path: Path) -> SimpleNamespace:
    """Frames whose colours tell where the object is: a block with a clear left and top."""
    frames, masks = [], []
    for t in range(4):
        mask = np.zeros((48, 80), np.uint8)
        mask[8 : 20 + t, 10:40] = 1
        mask[30:36, 60:70] = 1
        frames.append(tmp_path / f"{t}.bmp")
        masks.append(tmp_path / f"{t}.png")
        place_frame(frames[-1], mask)
        save_palette(masks[-1], mask)
    return SimpleNamespace(sequences=[MaskedVideo("red", tuple(frames), tuple(masks))], binary=False)


@pytest.mark.parametrize("size", [(24, 40), (96, 160), (31, 77)])
def test_frames_and_masks_share_their_geometry(red, size):
    clips = SegmentationClips(red, clip_len=2, size=size, scale=(0.3, 1.0), jitter=0.0, clips_per_sequence=1)
    areas, mirrored = set(), 0
    for clip in many(clips, 40):
        seen = clip["video"][:, 0] > clip["video"][:, 2]  # (T, H, W) red
        truth = clip["masks"] == 1
        assert (seen == truth).float().mean() > 0.96  # but for the interpolated edges
        areas.add(int(truth.sum()))
        columns = truth[0].any(dim=0).float()
        mirrored += bool(columns[: size[1] // 2].sum() < columns[size[1] // 2 :].sum())
    assert len(areas) > 20
    assert 5 < mirrored < 35


def test_nearest_pixels_are_not_shifted():
    """Halving: the centre of a pixel of the view lies between two pixels; doubling gives each pixel twice."""
    mask = np.arange(8, dtype=np.uint8).reshape(2, 4)
    np.testing.assert_array_equal(whole((2, 4), (4, 8)).mask(mask), mask.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(
        whole((2, 4), (4, 8), mirrored=True).mask(mask), mask.repeat(2, 0).repeat(2, 1)[:, ::-1]
    )
    third = np.arange(9, dtype=np.uint8)[None].repeat(3, 0)
    np.testing.assert_array_equal(whole((3, 9), (1, 3)).mask(third), [[1, 4, 7]])


def test_windows_lie_in_the_frame_and_keep_its_proportions():
    rng = np.random.default_rng(0)
    for _ in range(200):
        top, left, height, width = random_view((60, 100), (6, 10), (0.25, 1.0), mirrored=False, rng=rng).window
        assert 0 <= top <= 60 - height
        assert 0 <= left <= 100 - width
        assert 0.24 < height * width / 6000 <= 1
        assert abs(width / height - 100 / 60) < 0.06


def test_colour_jitter_is_the_formula_and_differs_from_frame_to_frame(davis):
    frame = np.random.default_rng(1).integers(60, 190, (6, 5, 3), dtype=np.uint8)
    brightness, contrast, saturation = 0.3 * np.random.default_rng(2).uniform(-1, 1, 3)
    x = frame.astype(float)
    grey = x.mean(axis=2, keepdims=True)
    expected = (1 + contrast) * ((1 + saturation) * x - saturation * grey - 128) + 128 + 128 * brightness
    found = jitter_colours(frame, 0.3, np.random.default_rng(2))
    np.testing.assert_allclose(found, expected.clip(0, 255), atol=1)
    np.testing.assert_array_equal(jitter_colours(frame, 0.0, np.random.default_rng(2)), frame)
    clip = SegmentationClips(davis, clip_len=3, max_skip=1, **{**PLAIN, "jitter": 0.3})[0]
    steps = np.diff([float(one.float().mean()) for one in clip["video"]])
    assert abs(steps[0] - steps[1]) > 1  # without jitter both are 8


def test_the_first_frame_shows_an_object_and_is_annotated(tmp_path):
    """An object in frame 4 only, in a corner; masks of every second frame only."""
    root = write_davis(tmp_path, {"train": ["bear"]}, frames=10, annotated=lambda number: number % 2 == 0)
    for number in range(0, 10, 2):
        mask = np.zeros((12, 20), np.uint8)
        mask[0, 0] = 2 if number == 4 else 0
        save_palette(root / "Annotations" / "480p" / "bear" / f"{number:05d}.png", mask)
    options = {**PLAIN, "scale": (0.2, 0.5), "flip": 0.5, "reverse": 0.5}
    for clip in many(SegmentationClips(DAVIS(root, "train"), clip_len=3, **options), 60):
        assert (clip["masks"][0] == 2).any()
        assert times(clip)[0] == 4
        for time, mask in zip(times(clip), clip["masks"], strict=True):
            assert (mask == 255).all() == (time % 2 == 1)


def test_sequences_without_objects_are_named(tmp_path):
    root = write_davis(tmp_path, {"train": ["bear"]})
    for path in root.glob("Annotations/480p/bear/*.png"):
        save_palette(path, np.zeros((12, 20), np.uint8))
    with pytest.raises(DataError, match="bear"):
        SegmentationClips(DAVIS(root, "train"), clip_len=2, **PLAIN)[0]
    for path in root.glob("Annotations/480p/bear/*.png"):
        path.unlink()
    with pytest.raises(DataError, match="bear"):
        SegmentationClips(DAVIS(root, "all"), clip_len=2, **PLAIN)


def test_binary_follows_the_source(tmp_path):
    root = write_davis(tmp_path, {"train": ["bear"]})
    clips = SegmentationClips(DAVIS(root, "train", binary=True), clip_len=2, **PLAIN)
    assert set(clips[0]["masks"].unique().tolist()) == {0, 1, 255}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip_len": 0}, "clip_len=0"),
        ({"max_skip": 0}, "max_skip=0"),
        ({"max_skip": None}, "max_skip=None"),
        ({"clips_per_sequence": 0}, "clips_per_sequence=0"),
        ({"reverse": 1.5}, r"reverse=1\.5"),
        ({"from_start": -1}, "from_start=-1"),
        ({"flip": None}, "flip=None"),
        ({"scale": (0.0, 1.0)}, r"scale=\(0\.0, 1\.0\)"),
        ({"scale": (1.0, 0.5)}, r"scale=\(1\.0, 0\.5\)"),
        ({"size": (0, 5)}, r"size=\(0, 5\)"),
    ],
)
def test_options_out_of_range_are_named(davis, options, message):
    with pytest.raises(LstmzooError, match=message):
        SegmentationClips(davis, **options)


def test_pasted_objects_lie_over_all_else_and_get_the_next_numbers(davis):
    options = {**PLAIN, "clip_len": 3}
    plain, pasted = SegmentationClips(davis, **options)[0], SegmentationClips(davis, **options, paste=1.0)[0]
    new = pasted["masks"] != plain["masks"]
    assert new.any()
    ids = plain["masks"]
    assert int(pasted["masks"][new].min()) > int(ids[ids < VOID].max())
    changed = (pasted["video"] != plain["video"]).any(1)
    assert not (changed & ~new).any()  # nothing but the objects is pasted
    again = SegmentationClips(davis, **options, paste=1.0)[0]
    assert torch.equal(pasted["video"], again["video"])


def test_what_is_pasted_is_another_object_where_all_of_a_video_are_one(tmp_path):
    """The lists of 2016 have one object a video: to learn to follow one of several, there must be several."""
    davis = DAVIS(write_davis(tmp_path, {"train": ["bear", "camel"]}), "train", binary=True)
    clips = SegmentationClips(davis, **{**PLAIN, "clip_len": 2, "clips_per_sequence": 4, "paste": 1.0})
    numbers = {number for i in range(len(clips)) for number in clips[i]["masks"].unique().tolist()}
    assert numbers == {0, 1, 2, VOID}


def test_pasting_keeps_void_and_numbers_that_are_left():
    video, other = np.zeros((1, 3, 1, 4), np.uint8), np.full((1, 3, 1, 4), 9, np.uint8)
    masks = np.array([[[0, 2, VOID, 2]]], np.uint8)
    other_masks = np.array([[[1, 0, 1, VOID]]], np.uint8)
    frames, found = video.copy(), masks.copy()
    paste_objects(frames, found, other, other_masks)
    assert found.tolist() == [[[3, 2, 3, 2]]]
    assert frames[0, 0].tolist() == [[9, 0, 9, 0]]
    crowded = np.full_like(masks, 254)
    paste_objects(video, crowded, other, other_masks)
    assert crowded.tolist() == [[[254] * 4]]  # there is no number left
