"""A class for every pixel as it is found on disk: numbers or colours, sequences from names, clips, and bad files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_streets import CLASSES, SIZE, frame, labels, save, write_streets

from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.segmentation.data.class_table import read_table
from lstmzoo.segmentation.data.label_clips import LabelClips
from lstmzoo.segmentation.data.label_folder import CamVid, LabelFolder
from lstmzoo.segmentation.data.label_layout import name_of_sequence
from lstmzoo.segmentation.data.label_simulated import SimulatedShapes
from lstmzoo.synthetic.moving_shapes import KINDS, NOISE, moving_shapes


@pytest.fixture
def streets(tmp_path: Path) -> Path:
    return write_streets(tmp_path / "streets")


def expected(number: int) -> np.ndarray:
    true = labels(number)
    return np.where(true == 3, 255, true)


@pytest.mark.parametrize("coloured", [False, True])
def test_numbers_and_colours_give_the_same_classes(coloured: bool, tmp_path: Path) -> None:
    data = LabelFolder(write_streets(tmp_path, coloured=coloured), "val")
    assert data.classes == list(CLASSES)
    assert [video.name for video in data.sequences] == ["Seq05VD"]
    item = data[0]
    assert item["annotated"].all()
    for row, image, number in zip(item["masks"].numpy(), item["video"].numpy(), range(60, 180, 30), strict=True):
        np.testing.assert_array_equal(row, expected(number))
        np.testing.assert_array_equal(image.transpose(1, 2, 0), frame(number))


@pytest.mark.parametrize(
    ("stem", "found"),
    [
        ("0001TP_006690", ("0001TP", 6690)),
        ("0006R0_f00930", ("0006R0", 930)),
        ("0016E5_07959", ("0016E5", 7959)),
        ("Seq05VD_f05100", ("Seq05VD", 5100)),
        ("frame00012", ("frame", 12)),
        ("my-video-7", ("my-video", 7)),
        ("00012", ("", 12)),
        ("anna", ("anna", 0)),
    ],
)
def test_names_tell_sequences_and_numbers(stem: str, found: tuple[str, int]) -> None:
    assert name_of_sequence(stem) == found


def test_frames_between_labelled_ones_have_no_label_and_long_gaps_cut_sequences(tmp_path: Path) -> None:
    numbers = [*range(0, 60, 10), *range(200, 240, 10)]
    root = write_streets(tmp_path, {"train": ("a", numbers)}, labelled=lambda number: number % 20 == 0)
    data = LabelFolder(root, "train")
    assert [(video.name, len(video.frames)) for video in data.sequences] == [("a_000000", 6), ("a_000200", 4)]
    item = data[0]
    assert item["annotated"].tolist() == [True, False] * 3
    assert (item["masks"][1] == 255).all()
    np.testing.assert_array_equal(item["masks"][2], expected(20))


def test_splits_are_joined_and_all_are_found(streets: Path) -> None:
    assert [video.name for video in LabelFolder(streets, "all").sequences] == ["train_0001TP", "val_Seq05VD"]
    assert len(LabelFolder(streets, "train+val")) == 2


def test_lines_of_one_name_are_one_class_and_those_of_void_are_none(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("Road\nVoid\nCar\n\nRoad\n")
    table = read_table(tmp_path)
    assert table.names == ("Road", "Car")
    np.testing.assert_array_equal(table.classes_of(np.array([[0, 1, 2, 3, 255]]), "x"), [[0, 255, 1, 0, 255]])
    (tmp_path / "label_colors.txt").write_text("1 2 3 Car\n4, 5, 6, Truck\n7 8 9 Car\n0 0 0 unlabelled\n")
    table = read_table(tmp_path, tmp_path / "label_colors.txt")
    assert table.names == ("Car", "Truck")
    pixels = np.array([[(7, 8, 9), (4, 5, 6), (0, 0, 0)]], np.uint8)
    np.testing.assert_array_equal(table.classes_of(pixels, "x"), [[0, 1, 255]])


# Bad files


def break_it(root: Path, how: str) -> list[str]:
    """Break a data set; return what a message has to name."""
    name = root / "trainannot" / "0001TP_000060.png"
    if how == "no list of classes":
        (root / "classes.txt").unlink()
        return ["classes.txt", "label_colors.txt", "data.table"]
    if how == "one class":
        (root / "classes.txt").write_text("Road\n")
        return ["classes.txt", "1", "2"]
    if how == "colour in one line only":
        (root / "classes.txt").write_text("1 2 3 Road\nCar\n")
        return ["classes.txt", "'Car'", "R G B name"]
    if how == "another class's colour":
        (root / "classes.txt").write_text("1 2 3 Road\n1 2 3 Car\n")
        return ["classes.txt", "1 2 3", "'Car'"]
    if how == "size":
        save(name, labels(60)[:-2])
        return [str(name), f"{SIZE[1]}×{SIZE[0] - 2}", f"{SIZE[1]}×{SIZE[0]}"]
    if how == "no frame":
        (root / "train" / "0001TP_000060.png").unlink()
        return [str(name), str(root / "train")]
    if how == "colours without a table":
        save(name, frame(60))
        return [str(name), "classes.txt", "R G B name"]
    if how == "no split":
        (root / "train").rename(root / "training")
        return ["train", "val"]
    if how == "no frames":
        for path in (root / "train").iterdir():
            path.unlink()
        return [str(root / "train"), ".png"]
    if how == "no labels":
        for path in (root / "trainannot").iterdir():
            path.unlink()
        return [str(root), "trainannot/<frame>.png"]
    assert how == "cut short"
    name.write_bytes(name.read_bytes()[:-20])
    return [str(name)]


@pytest.mark.parametrize(
    "how",
    [
        "no list of classes",
        "one class",
        "colour in one line only",
        "another class's colour",
        "size",
        "no frame",
        "colours without a table",
        "no split",
        "no frames",
        "no labels",
        "cut short",
    ],
)
def test_bad_files_are_named_when_a_set_is_opened(how: str, streets: Path) -> None:
    said = break_it(streets, how)
    with pytest.raises(DataError) as found:
        LabelFolder(streets, "train")
    assert all(part in str(found.value) for part in said), str(found.value)


def test_an_unknown_number_or_colour_is_named_with_the_choices(streets: Path, tmp_path: Path) -> None:
    wrong = labels(60)
    wrong[:2, :3] = 77
    path = streets / "trainannot" / "0001TP_000060.png"
    save(path, wrong)
    with pytest.raises(DataError) as found:
        LabelFolder(streets, "train")[0]
    assert all(part in str(found.value) for part in (str(path), "77", "6 pixels", "0 to 2", "3, 255", "classes.txt"))

    root = write_streets(tmp_path / "coloured", coloured=True)
    looks = np.full((*SIZE, 3), (128, 64, 128), np.uint8)
    looks[0, 0] = 9, 8, 7
    save(root / "valannot" / "Seq05VD_f00060_L.png", looks)
    with pytest.raises(DataError) as found:
        LabelFolder(root, "val")[0]
    assert all(part in str(found.value) for part in ("9 8 7", "1 pixels", "128 64 128", "label_colors.txt"))


def test_check_counts_classes_and_says_what_is_missing(streets: Path) -> None:
    report = LabelFolder.check(streets)
    assert report.complete
    assert report.labels == {"train": 8, "val": 4}
    true = np.concatenate([labels(number).ravel() for number in range(30, 270, 30)])
    for number, name in enumerate(CLASSES):
        assert report.shares["train"][name] == pytest.approx((true == number).sum() / (true < 3).sum())
    assert report.shares["train"]["void"] == pytest.approx(1 / SIZE[1])
    published = CamVid.check(streets)
    assert not published.complete
    assert "359 of train, 97 of val, 233 of test" in " ".join(published.remarks())
    save(streets / "trainannot" / "0001TP_000060.png", np.full(SIZE, 9, np.uint8))
    broken = LabelFolder.check(streets)
    assert not broken.complete
    assert len(broken.problems) == 1
    assert broken.labels["train"] == 7


# Clips


def test_clips_go_on_from_a_labelled_frame_and_an_epoch_has_each_about_once(streets: Path) -> None:
    data = LabelFolder(streets, "train")
    clips = LabelClips(data, size=SIZE, clip_len=2, scale=(1.0, 1.0), flip=0.0, jitter=0.0)
    assert len(clips) == 4
    seen = set()
    shown = {labels(number).tobytes(): number for number in range(30, 270, 30)}
    for epoch in range(20):
        for item in range(len(clips)):
            one = clips[item, epoch]
            assert one["video"].shape == (2, 3, *SIZE)
            found = [shown[np.where(row == 255, 3, row).astype(np.uint8).tobytes()] for row in one["masks"].numpy()]
            assert abs(found[1] - found[0]) == 30
            assert (found[0] // 30 - 1) // 2 == item
            seen.add(tuple(found))
            for image, number in zip(one["video"].numpy(), found, strict=True):
                np.testing.assert_array_equal(image.transpose(1, 2, 0), frame(number))
    assert {first for first, _ in seen} == set(range(30, 270, 30))
    assert {second - first for first, second in seen} == {30, -30}
    again = LabelClips(data, size=SIZE, clip_len=2, scale=(1.0, 1.0), flip=0.0, jitter=0.0)[1, 5]
    assert (again["masks"] == clips[1, 5]["masks"]).all()


def test_frames_and_labels_are_seen_through_the_same_window(streets: Path) -> None:
    clips = LabelClips(
        LabelFolder(streets, "train"), size=SIZE, crop=(18, 24), clip_len=3, scale=(0.25, 0.25), jitter=0
    )
    for item in range(len(clips)):
        one = clips[item, 3]
        assert one["video"].shape == (3, 3, 18, 24)
        looks = np.array([(90, 150, 230), (90, 90, 90), (220, 40, 30)])
        valid = one["masks"] != 255
        painted = looks[one["masks"].where(valid, 0).numpy()].transpose(0, 3, 1, 2)
        assert (one["video"].numpy() == painted)[valid.unsqueeze(1).expand(-1, 3, -1, -1).numpy()].all()


def test_class_frequencies_are_those_of_images_that_show_the_class(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    one, two = np.zeros((4, 5), np.uint8), np.ones((4, 5), np.uint8)
    one[0], two[:2], two[2, 0] = 1, 255, 0
    for number, ids in enumerate((one, two)):
        save(tmp_path / "trainannot" / f"x_{number}.png", ids)
        save(tmp_path / "train" / f"x_{number}.png", np.zeros((4, 5, 3), np.uint8))
    found = LabelClips(LabelFolder(tmp_path, "train"), size=(4, 5)).class_frequencies()
    np.testing.assert_allclose(found, [(15 + 1) / (20 + 10), (5 + 9) / 30, np.nan])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"clip_len": 0}, "clip_len=0"),
        ({"flip": 2}, "flip=2"),
        ({"scale": (0.0, 1.0)}, "scale="),
        ({"crop": (0, 3)}, "crop="),
    ],
)
def test_options_out_of_their_range_are_named(options: dict[str, object], said: str) -> None:
    with pytest.raises(LstmzooError, match=said):
        LabelClips(SimpleNamespace(sequences=[], table=None), **options)  # type: ignore[arg-type]


def test_the_real_set_has_the_published_frames(real_data: Path) -> None:
    root = real_data / "camvid"
    if not root.is_dir():
        pytest.skip(f"no {root}")
    train, val = LabelFolder(root, "train"), LabelFolder(root, "val")
    assert sum(len(video.frames) for video in train.sequences) == 367
    assert [(video.name, len(video.frames)) for video in val.sequences] == [("0016E5", 101)]
    assert train.classes[0] == "Sky"
    assert len(train.classes) == 11
    with Image.open(root / "valannot" / "0016E5_07959.png") as image:
        numbers = np.asarray(image)
    assert (np.where(numbers == 11, 255, numbers) == val[0]["masks"][0].numpy()).all()


# The simulated set


def test_the_simulated_set_is_the_same_every_time_and_completed_after_an_interruption(tmp_path: Path) -> None:
    numbers: dict[str, Any] = {"train": 2, "val": 1, "test": 1, "frames": 3, "size": (48, 64)}
    SimulatedShapes.simulate(tmp_path / "one", **numbers)
    SimulatedShapes.simulate(tmp_path / "two", **numbers)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*g"))
    assert len(files) == 2 * 4 * 3
    (tmp_path / "two" / "classes.txt").unlink()  # as if it had been stopped
    (tmp_path / "two" / files[3]).unlink()
    SimulatedShapes.simulate(tmp_path / "two", **numbers)
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert SimulatedShapes.check(tmp_path / "one").complete
    data = SimulatedShapes(tmp_path / "one", "train")
    assert data.classes == ["Ground", "Disc", "Square", "Triangle", "Cross"]
    assert [len(video.frames) for video in data.sequences] == [3, 3]
    with pytest.raises(DataError, match=str(tmp_path / "one")):
        SimulatedShapes.simulate(tmp_path / "one", **{**numbers, "frames": 4})
    with pytest.raises(LstmzooError, match="frames=0"):
        SimulatedShapes.simulate(tmp_path / "three", **{**numbers, "frames": 0})
    assert not (tmp_path / "three").exists()


def test_frames_show_shapes_under_noise() -> None:
    frames = list(moving_shapes((64, 96), 6, np.random.default_rng(3)))
    for image, shown in frames:
        assert image.shape == (64, 96, 3)
        assert shown.max() <= len(KINDS)
        assert 0.02 < (shown > 0).mean() < 0.7
    noise = np.diff(np.stack([one.image[:4, :4].astype(float) for one in frames]), axis=0).std() / 2**0.5
    assert 0.7 * NOISE < noise < 1.05 * NOISE
