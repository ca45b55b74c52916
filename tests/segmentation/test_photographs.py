"""Videos made of photographs: repeatable, with true masks, and nothing in a single frame that gives objects away."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_davis import write_davis

from lstmzoo.cli import main
from lstmzoo.data import DAVIS, SegmentationClips
from lstmzoo.errors import DataError, DataWarning, LstmzooError
from lstmzoo.segmentation.data.photographs import Photographs
from lstmzoo.synthetic import collage
from lstmzoo.synthetic.collage import photograph_clip
from lstmzoo.synthetic.cutouts import SIDE, cut_out

SIZE = (48, 80)


class Grain:
    """Backgrounds are blue, textures are red, so that masks can be read off the frames."""

    def background(self, rng):
        return self._photograph(rng, 2)

    def texture(self, rng):
        return self._photograph(rng, 0)

    def moving(self, frames, rng):
        return None

    def _photograph(self, rng, channel):
        image = np.zeros((90, 120, 3), np.uint8)
        image[..., channel] = rng.integers(150, 250, (90, 120))
        return image


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    """Files of all kinds: of one pixel, grey, with transparency, upright."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for name, shape in {"a.jpg": (60, 90, 3), "b.png": (1, 1, 3), "c.jpg": (80, 30), "d.png": (40, 40, 4)}.items():
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no photograph")
    return folder


def clip(seed: int, frames: int = 6, matter=None):
    return photograph_clip(matter or Grain(), SIZE, frames, np.random.default_rng(seed))


def test_a_clip_depends_on_its_seed_alone():
    (video, masks), again, other = clip(1), clip(1), clip(2)
    assert (video.shape, video.dtype) == ((6, *SIZE, 3), np.uint8)
    assert (masks.shape, masks.dtype) == ((6, *SIZE), np.uint8)
    np.testing.assert_array_equal(video, again[0])
    np.testing.assert_array_equal(masks, again[1])
    assert not np.array_equal(video, other[0])


def test_every_object_is_seen_in_the_first_frame():
    for seed in range(40):
        _, masks = clip(seed)
        assert masks.max() >= 1
        assert {*np.unique(masks[0])} - {0} == {*np.unique(masks)} - {0} == {*range(1, masks.max() + 1)}


def test_masks_are_where_the_objects_are(monkeypatch):
    """Nothing is glued on and nothing in front: what is red is an object."""
    monkeypatch.setattr(collage._Collage, "_background", lambda self, photograph, textures: collage._cover(
        photograph, self._canvas_size(), self.rng
    ))  # fmt: skip
    monkeypatch.setattr(collage._Collage, "_near", lambda self, textures: None)
    monkeypatch.setattr(collage, "_recorded", lambda video, rng: video)
    for seed in range(20):
        video, masks = clip(seed)
        red = video[..., 0] > video[..., 2]
        assert (red == (masks > 0)).mean() > 0.985  # all but pixels on an outline


def test_colours_do_not_give_objects_away():
    """Textures are glued to the background too, so that red is no sign of an object in most of the clips."""
    red_elsewhere = []
    for seed in range(40):
        video, masks = clip(seed)
        red_elsewhere.append(((video[0, ..., 0] > 128) & (video[0, ..., 2] < 100) & (masks[0] == 0)).mean())
    assert np.mean(np.array(red_elsewhere) > 0.02) > 0.5


def test_objects_move_by_themselves():
    """Relative to the background, which moves by a similarity of its own, most objects move, and some rest at times."""
    moved = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        scene = collage._Collage(Grain(), SIZE, 8, rng)
        for path, _ in scene.objects:
            steps = np.diff(path.place, axis=0) + np.diff(scene.camera.place, axis=0)
            moved.append(np.hypot(*steps.T))
    pixels = SIZE[0] * np.array(moved) / 48 * 240  # at the size that is usual for training
    assert np.mean(pixels.max(axis=1) > 1) > 0.9
    assert np.median(pixels) > 1.5
    assert pixels.min() < 0.5


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [(1, 1), (9, 200), (300, 200)])
def test_pieces_of_any_photograph(shape, seed):
    rng = np.random.default_rng(seed)
    piece = cut_out(rng.integers(0, 256, (*shape, 3), dtype=np.uint8), rng)
    assert piece.colours.shape == (SIDE, SIDE, 3)
    assert piece.alpha.shape == (SIDE, SIDE)
    assert 0.05 < (piece.alpha > 127).mean() < 0.95
    assert cv2.connectedComponents((piece.alpha > 127).astype(np.uint8))[0] >= 2


# -- In training clips and on the disk ------------------------------------------------------------------------------


def test_a_share_of_the_clips_is_made_of_them(tmp_path, photographs):
    davis = DAVIS(write_davis(tmp_path / "davis", {"train": ["bear", "camel"]}, frames=20), "train")
    options = {"size": SIZE, "clip_len": 3, "clips_per_sequence": 20}
    plain = SegmentationClips(davis, **options)
    none, some, every = (
        SegmentationClips(davis, **options, backgrounds=photographs, collages=share) for share in (0.0, 0.5, 1.0)
    )
    items = range(len(plain))
    made = [not torch.equal(some[i]["video"], none[i]["video"]) for i in items]
    assert 0.2 < np.mean(made) < 0.8
    assert torch.equal(every[3, 1]["video"], every[3, 1]["video"])
    assert not torch.equal(every[3, 1]["video"], every[3, 2]["video"])  # a video never twice
    assert every[0]["video"].shape == (3, 3, *SIZE)
    davis.binary = True  # 255 in the files is the object
    objects = SegmentationClips(davis, **options, backgrounds=photographs, collages=0.5)
    assert {objects[i]["masks"].dtype for i in items} == {torch.uint8}, "items of one batch are of one type"
    every = SegmentationClips(davis, **options, backgrounds=photographs, collages=1.0)
    assert max(int(every[i]["masks"].max()) for i in items) > 1, "what moves by itself is an object of its own"


def test_a_damaged_photograph_is_named_and_another_one_taken(tmp_path, photographs):
    folder = tmp_path / "some"
    shutil.copytree(photographs, folder)
    whole = next(path for path in sorted(folder.iterdir()) if path.suffix == ".jpg")
    (folder / "damaged.jpg").write_bytes(whole.read_bytes()[:300])
    found, rng = Photographs.of(folder), np.random.default_rng(0)
    with pytest.warns(DataWarning, match=r"damaged\.jpg"):
        assert all(found.background(rng).ndim == found.texture(rng).ndim == 3 for _ in range(20))
    for path in folder.iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match="some"), pytest.warns(DataWarning):
        found.background(rng)


def test_folders_without_photographs_are_named(tmp_path, photographs):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "none", photographs / "a.jpg"):
        with pytest.raises(DataError, match=folder.name):
            Photographs.of(photographs, folder)
    assert Photographs.of(None) is None
    assert Photographs.of(None, photographs).backgrounds == Photographs.of(photographs).textures


def test_a_damaged_photograph_is_named(tmp_path):
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:-30])
    with pytest.raises(DataError, match="cut"):
        clip(0, matter=Photographs.of(tmp_path))


def test_share_of_collages_is_a_share(tmp_path):
    davis = DAVIS(write_davis(tmp_path / "davis", {"train": ["bear"]}, frames=6), "train")
    with pytest.raises(LstmzooError, match="collages=2"):
        SegmentationClips(davis, collages=2)


def test_simulated_sets_of_photographs(tmp_path, photographs, capsys):
    root = tmp_path / "set"
    command = ["data", "simulate", "davis", f"root={root}", f"backgrounds={photographs}"]
    numbers = ["train=1", "val=1", "test=0", "frames=12", "size=48,80"]
    assert main([*command, *numbers]) == 0
    written = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert main([*command, *numbers]) == 0  # nothing is made twice
    assert written == {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert main(["data", "check", "davis", f"root={root}"]) == 0
    assert len(DAVIS(root, "train")[0]["video"]) == 12
    capsys.readouterr()
    for other in ([], [f"textures={tmp_path}"]):
        Image.new("RGB", (20, 20)).save(tmp_path / "other.png")
        words = command[:4] if not other else command
        assert main([*words, *other, *numbers]) == 2
        assert str(root) in capsys.readouterr().err
