"""Contact sheets: pictures in their proportions, text within its column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from matplotlib.axes import Axes

from lstmzoo.captioning import caption_plots
from lstmzoo.captioning.caption_plots import COLUMN, TEXT, WIDE, _wrapped, contact_sheet, word_by_word
from lstmzoo.captioning.data.square_images import read_thumbnail
from lstmzoo.captioning.inference import CaptionTrace

MAGENTA = np.array([255, 0, 255])


def with_square(height: int, width: int, side: int) -> np.ndarray:
    """A grey picture with a magenta square in its middle, (3, H, W)."""
    image = np.full((height, width, 3), 120, np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    image[top : top + side, left : left + side] = MAGENTA
    return image.transpose(2, 0, 1)


def squares(path: Path) -> list[tuple[int, int]]:
    """(width, height) of each magenta field in a picture file."""
    image = cv2.imread(str(path))
    found = (np.abs(image.astype(int) - MAGENTA).sum(axis=2) < 60).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(found)
    fields = [(stats[k, cv2.CC_STAT_WIDTH], stats[k, cv2.CC_STAT_HEIGHT]) for k in range(1, count)]
    return [(int(wide), int(tall)) for wide, tall in fields if wide * tall > 100]


@pytest.mark.parametrize(("height", "width"), [(200, 300), (300, 200), (100, 400), (400, 100)])
def test_pictures_keep_their_proportions(tmp_path: Path, height: int, width: int) -> None:
    picture = with_square(height, width, 80)
    path = contact_sheet(
        [picture, picture], [["a square"], ["a square", "a field"]], tmp_path / "sheet.png", names=["1.jpg"] * 2
    )
    assert len(squares(path)) == 2
    for wide, tall in squares(path):
        assert wide == pytest.approx(tall, rel=0.05, abs=2)


def test_pictures_keep_their_proportions_word_by_word(tmp_path: Path) -> None:
    spoken = CaptionTrace(["a", "square", "."], np.ones(3) / 2, np.ones((3, 4)), None, None)
    path = word_by_word(
        spoken, with_square(200, 300, 150), tmp_path / "words.png", title="a square", subtitle="", layer=-1
    )
    assert len(squares(path)) == 3
    for wide, tall in squares(path):
        assert wide == pytest.approx(tall, rel=0.05, abs=2)


def test_attention_spread_evenly_leaves_the_picture_dark(tmp_path: Path) -> None:
    attention = np.full((2, 4), 0.25)
    attention[1] = [1, 0, 0, 0]
    spoken = CaptionTrace(["a", "."], np.ones(2) / 2, attention, None, None)
    (even, pointed), _ = caption_plots.looks(spoken, np.full((3, 40, 40), 200, np.uint8))
    assert even.max() < 120
    assert pointed[5, 5].min() == 200


def test_thumbnails_are_small_and_in_proportion(tmp_path: Path) -> None:
    image = np.zeros((300, 900, 3), np.uint8)
    image[:, :450, 2] = 255  # red on the left
    cv2.imwrite(str(tmp_path / "wide.png"), image)
    small = read_thumbnail(tmp_path / "wide.png", longest=90)
    assert (small.shape, small.dtype) == ((3, 30, 90), np.uint8)
    assert small[0, :, :40].min() == 255
    assert read_thumbnail(tmp_path / "wide.png", longest=2000).shape == (3, 300, 900)


def test_lines_are_as_long_as_the_column_is_wide() -> None:
    narrow, broad = (_wrapped(" ".join([letters] * 40), WIDE, TEXT) for letters in ("iiii", "WWWW"))
    assert " ".join(narrow) == " ".join(["iiii"] * 40)
    assert len(broad) > 2 * len(narrow)
    assert _wrapped("W" * 200, WIDE, TEXT) == ["W" * 200]
    assert _wrapped("", WIDE, TEXT) == [""]


def test_text_stays_in_its_column_and_is_no_mathematics(tmp_path: Path) -> None:
    picture = with_square(100, 150, 50)
    text = "WWW MMMM " * 12 + "for $5 or $\\frac{6$"
    path = contact_sheet(
        [picture] * 2,
        [[text], [text, text]],
        tmp_path / "sheet.png",
        names=["M" * 90] * 2,
        references=[text] * 2,
        title="T " * 90,
    )
    image = cv2.imread(str(path))
    dots = image.shape[1] / (2 * COLUMN)
    gutter = image[:, int((0.1 + WIDE + 0.02) * dots) : int(COLUMN * dots)]
    headline = int(dots * 1.0)
    assert (gutter[headline:] == 255).all()
    assert (image[:, -3:] == 255).all()


def test_every_picture_is_named_and_its_sentences_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(caption_plots, "_write", lambda made, x, y, text, font, colour: written.append(text))
    picture = with_square(100, 150, 50)
    long = "folder/" * 30 + "dog.jpg"
    contact_sheet([picture] * 2, [["a dog"], ["a cat", "a pet"]], tmp_path / "s.png", names=["1.jpg", long], title="T")
    assert written[:5] == ["T", "1.jpg", "a dog", written[3], "1. a cat"]
    assert written[5:] == ["2. a pet"]
    assert written[3].startswith("…")
    assert written[3].endswith("/dog.jpg")


def test_a_model_without_attention_shows_the_picture_once(tmp_path: Path) -> None:
    spoken = CaptionTrace(["(image)", "a", "square", "."], np.array([np.nan, 0.5, 0.5, 0.5]), None, None, None)
    path = word_by_word(spoken, with_square(200, 300, 150), tmp_path / "nic.png", title="", subtitle="", layer=-1)
    assert len(squares(path)) == 1


@pytest.mark.filterwarnings("error")
def test_names_in_any_script_are_drawn_without_a_word(tmp_path: Path) -> None:
    assert contact_sheet([with_square(40, 60, 9)], [["a square"]], tmp_path / "sheet.png", names=["猫.jpg"]).is_file()


def test_what_was_said_stands_out_wherever_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, float]] = []
    plot = Axes.plot

    def watched(axes: Axes, *values: Any, **style: Any) -> Any:
        drawn.append((str(style.get("label")), style["linewidth"]))
        return plot(axes, *values, **style)

    monkeypatch.setattr(Axes, "plot", watched)
    attention = np.full((2, 9), 1 / 9)
    for last in (0.05, 0.95):
        drawn.clear()
        spoken = CaptionTrace(["dog", "."], np.array([0.9, last]), attention, None, None)
        word_by_word(spoken, with_square(90, 90, 9), tmp_path / "x.png", title="", subtitle="", layer=-1)
        assert drawn == [("the word", 2.0), ("brightest region", 1.3)]
