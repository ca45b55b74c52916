"""Clips lie inside their segment, loop where it is short, and are a pure function of (seed, epoch, index)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from lstmzoo.actions.data.clip_dataset import ClipDataset, LabelledVideo
from lstmzoo.errors import LstmzooError
from lstmzoo.io.augment import Augment
from lstmzoo.io.clips import ClipSampler
from tiny_data import read_number, write_video

samplers = st.builds(ClipSampler, st.integers(1, 40), st.integers(1, 6), st.integers(1, 7))


@given(samplers, st.integers(1, 200), st.integers(0, 2**32))
def test_clips_lie_inside(sampler: ClipSampler, length: int, seed: int) -> None:
    clips = [sampler.random(length, np.random.default_rng(seed)), *sampler.even(length)]
    assert len(clips) == sampler.num_clips + 1
    for clip in clips:
        assert clip.shape == (sampler.clip_len,)
        assert clip.min() >= 0
        assert clip.max() < length
        steps = np.diff(clip)
        if length >= sampler.span:
            assert (steps == sampler.frame_interval).all()  # nothing wraps round where the clip fits
        else:
            assert (steps % length == sampler.frame_interval % length).all()  # looped


@given(samplers, st.integers(1, 200))
def test_even_clips_cover_both_ends_evenly(sampler: ClipSampler, length: int) -> None:
    clips = sampler.even(length)
    assert (clips == sampler.even(length)).all()
    starts = clips[:, 0]
    slack = max(length - sampler.span, 0)
    if sampler.num_clips == 1:
        assert starts[0] == slack // 2
        return
    assert starts[0] == 0
    assert starts[-1] == slack
    assert abs(np.diff(starts) - slack / (sampler.num_clips - 1)).max() <= 1


def test_random_clips_reach_every_start() -> None:
    sampler, rng = ClipSampler(4, 2), np.random.default_rng(0)
    assert {int(sampler.random(10, rng)[0]) for _ in range(300)} == set(range(4))
    assert {int(sampler.random(5, rng)[0]) for _ in range(300)} == set(range(5))


@pytest.mark.parametrize("wrong", [{"clip_len": 0}, {"frame_interval": -1}, {"num_clips": 0}, {"clip_len": 2.5}])
def test_wrong_numbers(wrong: dict[str, int]) -> None:
    with pytest.raises(LstmzooError, match=next(iter(wrong))):
        ClipSampler(**{"clip_len": 4, **wrong})


def test_empty_segment() -> None:
    with pytest.raises(LstmzooError, match=r"not 0$"):
        ClipSampler(4).even(0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_video(tmp_path / "a.avi", 40)
    write_video(tmp_path / "b.avi", 6, start=100)
    return tmp_path


FLIP = Augment(flip=True, shift=0, zoom=0)


class Two(ClipDataset):
    """Two videos; two sequences in the first, one in the second."""

    classes = ("x", "y")

    def find_videos(self, split: str) -> list[LabelledVideo]:
        a, b = self.root / "a.avi", self.root / "b.avi"
        return [
            LabelledVideo(a, 0, "p1", "a", "d1", [(1, 15)]),
            LabelledVideo(a, 1, "p1", "a", "d1", [(16, 40)]),
            LabelledVideo(b, 0, "p2", "b", "", [(3, 5)]),
        ]


def dataset(tmp_path: Path, num_clips: int = 1, **options: Any) -> Two:
    settings: dict[str, Any] = {"clip_len": 6, "frame_interval": 2, "num_clips": num_clips, "size": (48, 96)}
    settings |= {"cache_dir": tmp_path / "cache", "train": True, "augment": FLIP}
    return Two(tmp_path, **settings | options)


def numbers(item: dict[str, torch.Tensor]) -> tuple[list[int], set[bool]]:
    read = [read_number(frame[0].numpy()) for frame in item["video"]]
    return [number for number, _ in read], {mirrored for _, mirrored in read}


def test_items(root: Path) -> None:
    data = dataset(root, num_clips=2, train=False)
    assert len(data) == 6
    item = data[3]
    assert item["video"].shape == (6, 1, 48, 96)
    assert item["video"].dtype == torch.uint8
    assert (item["label"], item["index"], item["segment"]) == (1, 3, 1)
    assert numbers(data[2])[0] == [15, 17, 19, 21, 23, 25]  # the first clip starts with the segment ...
    assert numbers(item)[0] == [29, 31, 33, 35, 37, 39]  # ... and the last ends with it
    assert numbers(data[4])[0] == [102, 104, 103, 102, 104, 103]  # a short segment is looped, inside itself


def test_random_clips_stay_inside_and_flip_whole(root: Path) -> None:
    data = dataset(root)
    flips = set()
    for epoch in range(30):
        read, mirrored = numbers(data[1, epoch])
        assert 15 <= min(read) <= max(read) < 40
        assert np.diff(read).tolist() == [2] * 5
        assert len(mirrored) == 1  # all frames of a clip, or none
        flips |= mirrored
    assert flips == {True, False}


def test_choices_depend_on_seed_epoch_and_index_only(root: Path) -> None:
    data, again = dataset(root, seed=3), dataset(root, seed=3)
    backwards = {(i, e): again[i, e]["video"] for e in (2, 1, 0) for i in (2, 1, 0)}
    for i, e in backwards:
        assert torch.equal(data[i, e]["video"], backwards[i, e])
    assert torch.equal(data[1]["video"], data[1, 0]["video"])
    assert len({tuple(numbers(data[1, e])[0]) for e in range(20)}) > 3
    other = dataset(root, seed=4)
    assert any(not torch.equal(other[1, e]["video"], data[1, e]["video"]) for e in range(5))


def test_test_clips_do_not_depend_on_the_epoch(root: Path) -> None:
    data = dataset(root, train=False)
    assert torch.equal(data[1, 0]["video"], data[1, 9]["video"])
    assert numbers(data[1, 9])[1] == {False}


def test_workers_see_the_same_clips(root: Path) -> None:
    data = dataset(root)
    indices = [(i, e) for e in range(2) for i in range(3)]
    alone = list(DataLoader(data, batch_size=2, sampler=indices))  # type: ignore[arg-type]
    shared = list(DataLoader(data, batch_size=2, sampler=indices, num_workers=2))  # type: ignore[arg-type]
    assert all(torch.equal(a["video"], b["video"]) for a, b in zip(alone, shared, strict=True))


def test_iteration_ends(root: Path) -> None:
    data = dataset(root)
    with pytest.raises(IndexError):
        data[3]
    assert sum(1 for _ in iter(data)) == 3  # type: ignore[call-overload]


def test_in_closed_segments_every_frame_is_as_likely() -> None:
    rng, seen = np.random.default_rng(0), np.zeros(50)
    for _ in range(4000):
        offsets = ClipSampler(8, 3, closed=True).random(50, rng)
        assert (np.diff(offsets) % 50 == 3).all()
        seen[offsets] += 1
    np.testing.assert_allclose(seen / seen.mean(), 1, atol=0.15)
    np.testing.assert_array_equal(ClipSampler(8, 3, 2, closed=True).even(50), ClipSampler(8, 3, 2).even(50))
