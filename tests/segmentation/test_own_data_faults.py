"""What is wrong with data of one's own in the layout of DAVIS: named, never passed as complete or read otherwise."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from tiny_davis import SIZE, frame, save_frame, save_palette, write_davis

from lstmzoo.data import DAVIS
from lstmzoo.errors import DataError, DataWarning, LstmzooError
from lstmzoo.segmentation.data.inspection import doubtful_masks
from lstmzoo.segmentation.data.mask_folder import MaskFolder
from lstmzoo.segmentation.video_sources import find_videos

LARGE = (60, 80)


def write_set(root: Path, masks: list[np.ndarray | None], *, grey: bool = True) -> Path:
    """One sequence, ``a``, without lists."""
    for t, mask in enumerate(masks):
        size = LARGE if mask is None else mask.shape[:2]
        save_frame(root / "JPEGImages" / "a" / f"{t:05d}.jpg", frame(t, size))
        path = root / "Annotations" / "a" / f"{t:05d}.png"
        if mask is not None and grey:
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(path)
        elif mask is not None:
            save_palette(path, mask)
    return root


def disc(t: int, value: int = 255, radius: int = 12) -> np.ndarray:
    return cv2.circle(np.zeros(LARGE, np.uint8), (25 + 3 * t, 30), radius, value, -1)


def smoothed(t: int) -> np.ndarray:
    return cv2.circle(np.zeros(LARGE, np.uint8), (25 + 3 * t, 30), 12, 255, -1, cv2.LINE_AA)


def half_size(t: int) -> np.ndarray:
    """Resized by averaging: few grey values, all of them at edges."""
    large = cv2.circle(np.zeros((2 * LARGE[0], 2 * LARGE[1]), np.uint8), (51 + 6 * t, 61), 25, 255, -1)
    return cv2.resize(large, LARGE[::-1], interpolation=cv2.INTER_AREA)


def dimmer(t: int) -> np.ndarray:
    return smoothed(t) // 255 * 200 + smoothed(t) % 255 // 2


@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("of", [smoothed, half_size, dimmer, lambda t: cv2.GaussianBlur(disc(t), (9, 9), 3)])
def test_soft_edges_are_no_objects(tmp_path, of, grey):
    """The commonest question about masks of one's own: https://github.com/hkchengrex/XMem/issues/64."""
    report = MaskFolder.check(write_set(tmp_path, [of(t) for t in range(4)], grey=grey))
    assert not report.complete
    assert len(report.faults) == 1
    assert report.faults[0].startswith("a: ")
    assert "edges" in report.faults[0]
    with pytest.warns(DataWarning, match=r"a: .*edges"):
        DAVIS(tmp_path, "all")


@pytest.mark.parametrize("width", [2, 6])
@pytest.mark.parametrize("step", [1, 12])
def test_twenty_objects_are_complete(tmp_path, width, step):
    """As DAVIS 2017 has them, and numbered by a tracker; tiny, or large and touching each other."""
    masks = [np.zeros(LARGE, np.uint8) for _ in range(4)]
    for t, mask in enumerate(masks):
        for k in range(20):
            top, left = k // 5 * 6 + 2 * t, k % 5 * 6 + t
            mask[top : top + width, left : left + width] = (k * 7 % 20 + 1) * step
        mask[40:50, 60:70] = 255
    assert MaskFolder.check(write_set(tmp_path, masks, grey=False)).faults == []
    assert not doubtful_masks(DAVIS(tmp_path, "all").sequences[0])


@pytest.mark.parametrize("shades", [(128,), (85, 170), (127,), (100, 200)])
def test_white_beside_other_shades_is_void_which_is_named(tmp_path, shades):
    masks = [disc(t, radius=8) for t in range(4)]
    for k, shade in enumerate(shades):
        for mask in masks:
            mask[12 * k : 12 * k + 9, 60:69] = shade
    report = MaskFolder.check(write_set(tmp_path / "grey", masks))
    assert not report.complete
    assert len(report.faults) == 1
    assert all(str(value) in report.faults[0] for value in (255, *shades))
    with pytest.warns(DataWarning, match=r"a: 255 "):
        DAVIS(tmp_path / "grey", "all")
    assert MaskFolder.check(write_set(tmp_path / "palette", masks, grey=False)).complete
    counts = {0: 0, 255: 255, **{shade: k for k, shade in enumerate(shades, 1)}}
    numbered = [np.vectorize(counts.get)(mask).astype(np.uint8) for mask in masks]
    assert MaskFolder.check(write_set(tmp_path / "numbered", numbered)).complete


@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("numbers", [(1,), (255,), (1, 2), (38, 75), (1, 2, 3, 4), (200, 1, 7)])
def test_hard_edges_are_complete_whatever_the_numbers(tmp_path, numbers, grey):
    """A tiny object among them; and void, but where the whole is black and white."""
    masks = []
    for t in range(4):
        mask = np.zeros(LARGE, np.uint8)
        for place, number in enumerate(numbers):
            mask[12 * place + 2 : 12 * place + 8, t : t + 9] = number
        mask[55:57, 70:72] = numbers[-1]
        if numbers != (255,):
            mask[:, -1] = 255
        masks.append(mask)
    report = MaskFolder.check(write_set(tmp_path, masks, grey=grey))
    assert report.complete
    assert not doubtful_masks(DAVIS(tmp_path, "all").sequences[0])
    assert report.jumping == ({"a": sorted(numbers)} if max(numbers) in (75, 200) else {})


def test_white_that_is_an_object_in_one_frame_and_void_in_another_is_named(tmp_path):
    masks = [disc(t) for t in range(4)]
    masks[2][:9, :9] = 128
    report = MaskFolder.check(write_set(tmp_path / "grey", masks))
    assert not report.complete
    assert "00000.png" in report.faults[0]
    assert "00002.png" in report.faults[0]
    with pytest.warns(DataWarning, match=r"a: 255 .*00000\.png"):
        DAVIS(tmp_path / "grey", "all")
    assert MaskFolder.check(write_set(tmp_path / "palette", masks, grey=False)).complete


def test_jpeg_masks_are_named(tmp_path):
    root = write_set(tmp_path, [disc(0), disc(1)])
    folder = root / "Annotations" / "a"
    cv2.imwrite(str(folder / "00001.jpg"), disc(1))
    assert MaskFolder.check(root).complete  # a picture beside the mask of its frame
    (folder / "00001.png").unlink()
    with pytest.raises(DataError, match=r"Annotations/a .*00001\.jpg"):
        DAVIS(root, "all")
    assert not MaskFolder.check(root).complete
    (folder / "00001.jpg").rename(folder / "00001.png")
    with pytest.raises(DataError, match=r"00001\.png .*JPEG"):
        DAVIS(root, "all")


def test_a_set_without_masks_is_not_complete(tmp_path):
    report = MaskFolder.check(write_set(tmp_path, [None] * 3))
    assert not report.complete
    assert len(report.faults) == 1
    assert "Annotations/" in report.faults[0]


def test_sequences_that_cannot_be_trained_on_or_scored_are_not_complete(tmp_path):
    root = write_davis(tmp_path, {"train": ["a", "b", "c"], "val": ["d", "e"]}, year=None)
    for number in range(6):
        save_palette(root / "Annotations" / "480p" / "b" / f"{number:05d}.png", np.zeros(SIZE, np.uint8))
        (root / "Annotations" / "480p" / "c" / f"{number:05d}.png").unlink()
        if number > 1:
            (root / "Annotations" / "480p" / "e" / f"{number:05d}.png").unlink()
    report = MaskFolder.check(root)
    assert not report.problems
    assert [(" b, c " in fault, fault.startswith("e: ")) for fault in report.faults] == [(True, False), (False, True)]
    assert MaskFolder.check(write_davis(tmp_path / "whole", {"train": ["a"], "val": ["d"]}, year=None)).complete


# -- Frames -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_frames_are_in_the_order_of_their_numbers(tmp_path, suffix):
    """https://github.com/roboflow/trackers/pull/558: 1, 10, 11, 2 are the names that ffmpeg's %d gives."""
    for t in range(1, 13):
        save_frame(tmp_path / "JPEGImages" / "a" / f"{t}.{suffix}", frame(t))
        save_palette(tmp_path / "Annotations" / "a" / f"{t}.png", np.full(SIZE, t, np.uint8))
    data = DAVIS(tmp_path, "all")
    assert [path.stem for path in data.sequences[0].frames] == [str(t) for t in range(1, 13)]
    assert data[0]["masks"][:, 0, 0].tolist() == list(range(1, 13))
    assert np.abs(data[0]["video"][:, 0, 0, 0].numpy() - np.arange(18, 114, 8)).max() < 4
    assert [one.name for one in find_videos(tmp_path)[0]] == [str(t) for t in range(1, 13)]


def test_failing_frames_are_in_order_and_not_complete(failing):
    root = failing / "masks" / "ord"
    assert [path.stem for path in DAVIS(root, "all").sequences[0].frames] == [str(t) for t in range(1, 13)]
    assert not MaskFolder.check(root).complete


def test_masks_that_claim_to_be_huge_are_a_problem_of_their_sequence(failing, tmp_path):
    bombs = sorted((failing / "masks").glob("mask_m*.png"))
    for bomb in bombs:
        root = write_set(tmp_path / bomb.stem, [disc(0), disc(1)])
        (root / "Annotations" / "a" / "00001.png").write_bytes(bomb.read_bytes())
        report = MaskFolder.check(root)
        assert "00001.png" in report.problems["a"]
        assert "\n" not in report.problems["a"]
    assert len(bombs) == 3


# -- Lists --------------------------------------------------------------------------------------------------------

ODD = ["x" * 256, "é" * 128, "a/" * 600, "../a", "/etc", "a/../../b", "a\0b", "\x1b[31ma", "b\u200bc"]
LINES = [*ODD, *(f"JPEGImages/a/{word}/0.jpg" for word in ODD), "JPEGImages/a/0.jpg " + "x" * 256]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("year", [2016, 2017, None])
def test_names_that_are_no_paths_in_the_set_are_refused(tmp_path, line, year):
    root = write_davis(tmp_path, {"val": ["bear"]}, year=year, frames=3)
    path = next((root / "ImageSets").rglob("val.txt"))
    path.write_text(path.read_text() + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"val\.txt, line \d") as caught:
        DAVIS(root, "val", year=year)
    assert len(str(caught.value)) < 800
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("year", [2016, 2017])
def test_nothing_but_our_errors_comes_of_broken_lists(tmp_path, year):
    root = write_davis(tmp_path, {"val": ["bear", "goat"]}, year=year, frames=3)
    path = next((root / "ImageSets").rglob("val.txt"))
    whole, refused = path.read_bytes(), 0
    rng = np.random.default_rng(0)
    for _ in range(100):
        content = bytearray(whole)
        for place in rng.integers(len(whole), size=2):
            content[place : place + rng.integers(3)] = rng.bytes(rng.integers(3)) + b"/y" * rng.integers(2)
        path.write_bytes(content)
        try:
            DAVIS(root, "val", year=year)
        except LstmzooError:
            refused += 1
    assert refused > 50
