"""Random views of training clips."""

from __future__ import annotations

import numpy as np
import pytest

from lstmzoo.errors import LstmzooError
from lstmzoo.io.augment import Augment


def spot(frames: int = 5, row: int = 20, column: int = 12, channels: int = 1) -> np.ndarray:
    """Frames (T, 40, 60, C) with a bright blob in one place."""
    clip = np.zeros((frames, 40, 60, channels), np.uint8)
    clip[:, row - 2 : row + 3, column - 2 : column + 3] = 200
    return clip


def centre(frame: np.ndarray) -> np.ndarray:
    """Centre of mass (row, column) of a frame (H, W, C)."""
    mass = frame.sum(axis=2).astype(float)
    rows, columns = np.mgrid[: mass.shape[0], : mass.shape[1]]
    return np.array([(rows * mass).sum(), (columns * mass).sum()]) / mass.sum()


def views(augment: Augment, clip: np.ndarray, number: int = 200) -> list[np.ndarray]:
    return [augment(clip, np.random.default_rng(seed)) for seed in range(number)]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_clip_is_moved_as_a_whole(channels: int) -> None:
    clip = spot(channels=channels)
    for view in views(Augment(), clip, 20):
        assert view.shape == clip.shape
        assert view.dtype == np.uint8
        assert all(np.array_equal(view[0], frame) for frame in view)


def test_flip_mirrors_half_of_the_clips_exactly() -> None:
    clip = spot()
    found = views(Augment(shift=0, zoom=0), clip)
    mirrored = [np.array_equal(view, clip[:, :, ::-1]) for view in found]
    assert all(m or np.array_equal(view, clip) for m, view in zip(mirrored, found, strict=True))
    assert 70 < sum(mirrored) < 130


def test_shift_covers_its_range_and_no_more() -> None:
    moves = np.array([centre(v[0]) - centre(spot()[0]) for v in views(Augment(flip=False, shift=0.1, zoom=0), spot())])
    assert np.abs(moves).max(axis=0) == pytest.approx([4, 6], rel=0.1)  # a tenth of 40 and of 60
    assert np.abs(moves.mean(axis=0)).max() < 0.6


def test_zoom_changes_size_about_the_centre() -> None:
    middle = spot(row=20, column=30)
    found = views(Augment(flip=False, shift=0, zoom=0.2), middle)
    sizes = np.array([(view[0] > 100).sum() for view in found]) / (middle[0] > 100).sum()
    assert sizes.min() < 0.9
    assert sizes.max() > 1.2
    assert all(np.abs(centre(view[0]) - [20, 30]).max() < 0.6 for view in found)


def test_the_edge_is_repeated_where_nothing_is_known() -> None:
    grey = np.full((2, 40, 60, 1), 90, np.uint8)
    assert all((view == 90).all() for view in views(Augment(shift=0.3), grey, 20))


def test_light_changes_tones_and_not_their_order() -> None:
    clip = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=0)
    found = views(Augment(flip=False, shift=0, zoom=0, light=0.4), clip)
    for view in found:
        assert all(np.array_equal(view[0], frame) for frame in view)
        assert (np.diff(view[0].astype(int).ravel()) >= 0).all()
    means = np.array([view.mean() for view in found])
    spreads = np.array([view.std() for view in found])
    assert means.min() < 90 < 165 < means.max()
    assert spreads.min() < 0.8 * clip.std()


def test_noise_is_of_every_strength_up_to_the_given_one() -> None:
    clip = np.full((8, 32, 32, 1), 128, np.uint8)
    found = views(Augment(flip=False, shift=0, zoom=0, noise=8.0), clip)
    strength = np.array([view.astype(float).std() for view in found])
    assert strength.min() < 1
    assert 7 < strength.max() < 8.5
    assert not np.array_equal(found[0][0], found[0][1])  # it changes from frame to frame


@pytest.mark.parametrize("wrong", [{"shift": -0.1}, {"zoom": 1.0}, {"light": 1.5}, {"noise": -2.0}])
def test_shares_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(LstmzooError, match=r"shift.*-0.1|zoom.*1.0|light.*1.5|noise.*-2.0"):
        Augment(**wrong)  # type: ignore[arg-type]
