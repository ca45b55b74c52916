"""Objects cut out of annotated videos: of the training list alone, along their masks, with their own motion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_davis import save_frame, save_palette, write_davis

from lstmzoo.cli import main
from lstmzoo.data import DAVIS, SegmentationClips
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.segmentation.data.photographs import Photographs
from lstmzoo.segmentation.data.video_objects import VideoObjects
from lstmzoo.synthetic import collage
from lstmzoo.synthetic.collage import photograph_clip
from lstmzoo.synthetic.cutouts import SIDE, cut_along

SIZE = (48, 80)
GREEN, RED = (20, 220, 20), (220, 20, 20)


def write_rows(root: Path, name: str, colour: tuple[int, ...], frames: int = 5, side: int = 12) -> None:
    """A bar of a colour, on blue, that grows taller from frame to frame; at the bottom a speck, the second object."""
    for t in range(frames):
        ids = np.zeros((60, 90), np.uint8)
        ids[10 : 10 + side + 5 * t, 20 : 20 + side] = 1
        ids[57:59, 80:82] = 2
        picture = np.full((60, 90, 3), (20, 20, 220), np.uint8)
        picture[ids > 0] = colour
        save_frame(root / "JPEGImages" / "480p" / name / f"{t:05d}.png", picture)
        save_palette(root / "Annotations" / "480p" / name / f"{t:05d}.png", ids)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Green objects to train on, red ones to test on."""
    folder = tmp_path_factory.mktemp("videos")
    lists = folder / "ImageSets" / "2017"
    lists.mkdir(parents=True)
    for split, colour in (("train", GREEN), ("val", RED)):
        write_rows(folder, split, colour)
        (lists / f"{split}.txt").write_text(f"{split}\n")
    return folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("grey")
    Image.fromarray(np.full((60, 90, 3), 128, np.uint8)).save(folder / "grey.png")
    return folder


def test_cutouts_show_what_the_mask_shows(root):
    """Nothing of the background; only the large object of the training list; as tall as it is in its frame."""
    for seed in range(20):
        cutouts = VideoObjects(root).draw(8, np.random.default_rng(seed))
        assert len(cutouts) == 8
        heights = []
        for colours, alpha in cutouts:
            assert colours.shape == (SIDE, SIDE, 3)
            assert np.abs(colours[alpha > 127].astype(int) - GREEN).max() < 40
            heights.append((alpha > 127).any(axis=1).sum())
        steps = np.abs(np.diff(heights))
        assert (steps > 0).all()  # it moves in every frame, by one frame of the video
        assert steps.max() < SIDE / 6
        assert max(heights) < SIDE  # the square holds it whole


def test_cutouts_reach_beyond_the_frame():
    mask = np.zeros((20, 30), bool)
    mask[:8, :6] = True
    cutout = cut_along(np.full((20, 30, 3), 200, np.uint8), mask, np.array([3.0, 4.0]), 8.0)
    assert (cutout.alpha > 127).mean() == pytest.approx(8 * 6 / 16**2, abs=0.02)


def test_draws_depend_on_the_seed_alone(root):
    first, again, *others = (VideoObjects(root).draw(3, np.random.default_rng(seed)) for seed in (0, 0, *range(1, 9)))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.alpha, two.alpha)
        np.testing.assert_array_equal(one.colours, two.colours)
    assert any(not np.array_equal(first[0].alpha, other[0].alpha) for other in others)


def test_masks_are_where_the_objects_are(root, photographs, monkeypatch):
    """Grey photographs, nothing in front: what is green and not glued on is an object."""
    monkeypatch.setattr(collage._Collage, "_background", lambda self, photograph, textures: collage._cover(
        photograph, self._canvas_size(), self.rng
    ))  # fmt: skip
    monkeypatch.setattr(collage._Collage, "_near", lambda self, textures: None)
    monkeypatch.setattr(collage, "_recorded", lambda video, rng: video)
    matter, seen = Photographs.of(photographs, None, root), 0
    for seed in range(20):
        video, masks = photograph_clip(matter, SIZE, 6, np.random.default_rng(seed))
        green = (video[..., 1] > 150) & (video[..., 0] < 90)
        assert (green & (masks == 0)).mean() < 0.003  # pixels on an outline
        assert not ((video[..., 0] > 150) | (video[..., 2] > 150)).any()  # neither test objects nor their background
        seen += green[0].any()
    assert 5 < seen < 20  # other objects are pieces of photographs


def test_clips_for_training_show_them(tmp_path, photographs, root):
    davis = DAVIS(write_davis(tmp_path / "davis", {"train": ["bear"]}, frames=6), "train")
    options = {"size": SIZE, "clip_len": 3, "clips_per_sequence": 12, "backgrounds": photographs, "collages": 1.0}
    without, with_objects = SegmentationClips(davis, **options), SegmentationClips(davis, **options, objects=root)

    def colourful(clips: SegmentationClips) -> int:
        videos = [clips[item]["video"].numpy().astype(int) for item in range(len(clips))]
        return sum((np.ptp(video[0], axis=0) > 100).any() for video in videos)

    assert colourful(without) == 0
    assert colourful(with_objects) >= 4


def test_simulated_sets_are_told_apart_by_them(tmp_path, photographs, root, capsys):
    command = ["data", "simulate", "davis", f"root={tmp_path / 'set'}", f"backgrounds={photographs}", "train=1"]
    command += ["val=0", "test=0", "frames=10", "size=48,80"]
    assert main([*command, f"objects={root}"]) == 0
    assert main(["data", "check", "davis", f"root={tmp_path / 'set'}"]) == 0
    capsys.readouterr()
    assert main(command) == 2
    assert str(tmp_path / "set") in capsys.readouterr().err


def test_what_cannot_be_cut_out_is_named(tmp_path, photographs):
    with pytest.raises(DataError, match="nowhere"):
        Photographs.of(photographs, None, tmp_path / "nowhere")
    with pytest.raises(LstmzooError, match="backgrounds"):
        Photographs.of(None, None, tmp_path)
    bare = write_davis(tmp_path / "bare", {"train": ["bear"]}, year=None, annotated=lambda number: False)
    with pytest.raises(DataError, match=r"Annotations.*train\.txt"):
        VideoObjects(bare)
    unlisted = write_davis(tmp_path / "unlisted", {"val": ["bear"]})
    with pytest.raises(DataError, match=r"train.*val"):
        VideoObjects(unlisted)
    lists = tmp_path / "specks" / "ImageSets"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("speck\n")
    write_rows(tmp_path / "specks", "speck", GREEN, frames=1, side=2)
    with pytest.raises(DataError, match="specks"):
        VideoObjects(tmp_path / "specks").draw(2, np.random.default_rng(0))
