"""DAVIS as it is found on disk: both list forms, every kind of mask, and a message for what cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_davis import PALETTE, SIZE, frame, ids, save_frame, save_palette, write_davis

from lstmzoo.data import DAVIS
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.io.images import read_rgb as read_frame
from lstmzoo.segmentation.data.masks import davis_palette, read_mask, write_mask

SEQUENCES = {"train": ["bear", "camel"], "val": ["goat"]}


@pytest.fixture
def davis2017(tmp_path: Path) -> Path:
    return write_davis(tmp_path / "davis", SEQUENCES)


@pytest.fixture
def davis2016(tmp_path: Path) -> Path:
    return write_davis(tmp_path / "davis", SEQUENCES, year=2016)


def picture(root: Path, name: str, number: int) -> Path:
    return root / "JPEGImages" / "480p" / name / f"{number:05d}.jpg"


def mask_of(root: Path, name: str, number: int) -> Path:
    return root / "Annotations" / "480p" / name / f"{number:05d}.png"


# -- Masks --------------------------------------------------------------------------------------------------------


def test_palette_is_that_of_pascal_voc():
    """Colours 0 to 20 as VOC's development kit lists them, and 255 for void."""
    published = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128)]
    published += [(128, 128, 128), (64, 0, 0), (192, 0, 0), (64, 128, 0), (192, 128, 0), (64, 0, 128), (192, 0, 128)]
    published += [(64, 128, 128), (192, 128, 128), (0, 64, 0), (128, 64, 0), (0, 192, 0), (128, 192, 0), (0, 64, 128)]
    assert [tuple(colour) for colour in davis_palette()[:21].tolist()] == published
    assert tuple(davis_palette()[255].tolist()) == (224, 224, 192)
    assert len(np.unique(davis_palette(), axis=0)) == 256


def test_masks_are_written_with_the_palette_and_read_back(tmp_path):
    mask = np.arange(256).reshape(8, 32)
    write_mask(tmp_path / "new" / "mask.png", mask)
    with Image.open(tmp_path / "new" / "mask.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), mask)
        np.testing.assert_array_equal(np.array(image.getpalette()).reshape(-1, 3), davis_palette())
    np.testing.assert_array_equal(read_mask(tmp_path / "new" / "mask.png"), mask)
    write_mask(tmp_path / "new" / "mask.png", mask == 3)
    assert set(np.unique(read_mask(tmp_path / "new" / "mask.png"))) == {0, 1}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mask.png"]


@pytest.mark.parametrize("mask", [np.zeros((2, 2)), np.zeros((2, 2, 3), int), np.zeros((0, 2), int)])
def test_what_is_no_mask_is_not_written(mask, tmp_path):
    with pytest.raises(LstmzooError, match=r"\(H, W\).*mask\.png"):
        write_mask(tmp_path / "mask.png", mask)
    for value in (256, -1):
        with pytest.raises(LstmzooError, match=r"numbers from 0 to 255.*mask\.png"):
            write_mask(tmp_path / "mask.png", np.full((2, 2), value))
    assert not list(tmp_path.iterdir())


def test_nothing_half_written_is_left(tmp_path, monkeypatch):
    write_mask(tmp_path / "mask.png", np.ones((3, 3), int))
    before = (tmp_path / "mask.png").read_bytes()

    def full(path: Path, content: bytes) -> None:
        path.open("wb").write(content[:9])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"no space"):
        write_mask(tmp_path / "mask.png", np.zeros((3, 3), int))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def test_every_kind_of_png_with_numbers(tmp_path):
    grey = np.array([[0, 255], [255, 0]], np.uint8)
    numbers = np.array([[0, 1], [2, 255]], np.uint8)
    path = tmp_path / "mask.png"
    np.testing.assert_array_equal(read_mask(save(path, grey)), grey // 255)  # 2016: white is the object
    np.testing.assert_array_equal(read_mask(save(path, np.zeros((2, 2), np.uint8))), np.zeros((2, 2)))
    np.testing.assert_array_equal(read_mask(save(path, numbers)), numbers)  # grey numbers: 255 is void
    two_channels = np.stack([grey, np.full_like(grey, 255)], axis=-1)
    np.testing.assert_array_equal(read_mask(save(path, two_channels)), grey // 255)  # 2016 bear/00077.png
    np.testing.assert_array_equal(read_mask(save(path, grey > 0)), grey // 255)  # one bit
    np.testing.assert_array_equal(read_mask(save(path, numbers.astype(np.uint16))), numbers)
    save_palette(path, grey)
    np.testing.assert_array_equal(read_mask(path), grey)  # palette: 255 is void
    image = Image.fromarray(np.minimum(numbers, 3))
    image.putpalette(PALETTE)
    image.save(path, bits=2)
    np.testing.assert_array_equal(read_mask(path), np.minimum(numbers, 3))


def test_masks_that_cannot_be_used(tmp_path):
    path = tmp_path / "mask.png"
    save(path, np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(DataError, match=r"mask\.png .*RGB.*write_mask"):
        read_mask(path)
    save(path, np.full((2, 2), 256, np.uint16))
    with pytest.raises(DataError, match=r"mask\.png .* 256 .* 254"):
        read_mask(path)
    for content in (b"", b"nothing", (save(path, np.eye(300, dtype=bool)) and path.read_bytes())[:80]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"mask\.png") as caught:
            read_mask(path)
        assert "<_io" not in str(caught.value)
    with pytest.raises(DataError, match=r"gone\.png"):
        read_mask(tmp_path / "gone.png")


# -- Items --------------------------------------------------------------------------------------------------------


def test_items_of_2017(davis2017):
    data = DAVIS(davis2017, "train")
    assert (len(data), data.year, data.binary) == (2, 2017, False)
    item = data[1]
    assert (item["name"], item["index"]) == ("camel", 1)
    assert item["video"].dtype == item["masks"].dtype == torch.uint8
    assert item["video"].shape == (6, 3, *SIZE)
    assert item["annotated"].tolist() == [True] * 6
    for t in range(6):
        np.testing.assert_array_equal(item["masks"][t], ids(t))
        assert (item["video"][t].float() - frame(t)[0, 0, 0]).abs().max() < 3
    with pytest.raises(IndexError):
        data[2]


def test_channels_are_red_green_blue(tmp_path):
    save_frame(tmp_path / "red.jpg", np.full((8, 8, 3), (200, 10, 60), np.uint8))
    np.testing.assert_allclose(read_frame(tmp_path / "red.jpg")[0, 0], (200, 10, 60), atol=3)


def test_items_of_2016_have_one_object(davis2016):
    data = DAVIS(davis2016, "val")
    assert (data.year, data.binary) == (2016, True)
    np.testing.assert_array_equal(data[0]["masks"][3], ids(3) == 1)


def test_binary_merges_objects_and_keeps_void(davis2017):
    masks = DAVIS(davis2017, "val", binary=True)[0]["masks"].numpy()
    expected = np.where(ids(2) == 255, 255, np.minimum(ids(2), 1))
    np.testing.assert_array_equal(masks[2], expected)


def test_both_years_in_one_folder(davis2017):
    """The zip of 2017 has the lists of 2016 in the form of its own; 2017 goes first."""
    lists = davis2017 / "ImageSets" / "2016"
    lists.mkdir()
    (lists / "val.txt").write_text("bear\r\n\r\ngoat\r\n")
    assert [video.name for video in DAVIS(davis2017, "val").sequences] == ["goat"]
    data = DAVIS(davis2017, "val", year=2016)
    assert [video.name for video in data.sequences] == ["bear", "goat"]
    assert data.binary
    assert not DAVIS(davis2017, "val", year=2016, binary=False).binary


def test_splits(davis2017):
    names = {split: [video.name for video in DAVIS(davis2017, split).sequences] for split in ("trainval", "all")}
    assert names == {"trainval": ["bear", "camel", "goat"], "all": ["bear", "camel", "goat"]}
    with pytest.raises(DataError, match=r"'vall'.* 'val'.* all, train, val"):
        DAVIS(davis2017, "vall")
    with pytest.raises(DataError, match="2016"):
        DAVIS(davis2017, "val", year=2016)
    with pytest.raises(LstmzooError, match=r"2018.* 2016, 2017, 2019"):
        DAVIS(davis2017, "val", year=2018)
    with pytest.raises(LstmzooError, match="year=2017"):
        DAVIS(davis2017, "all", year=2017)


def test_resolutions(tmp_path):
    for resolution in ("480p", "Full-Resolution"):
        write_davis(tmp_path, {"val": ["goat"]}, resolution=resolution)
    assert DAVIS(tmp_path, resolution="Full-Resolution").sequences[0].frames[0].parts[-3] == "Full-Resolution"
    with pytest.raises(DataError, match=r"1080p.* 480p, Full-Resolution.* resolution=480p"):
        DAVIS(tmp_path, resolution="1080p")
    with pytest.raises(LstmzooError, match=r"'480'.* '480p'"):
        DAVIS(tmp_path, resolution="480")


def test_test_sets_have_only_the_first_mask(tmp_path):
    write_davis(tmp_path, {"test-dev": ["aerobatics"]}, annotated=lambda number: number == 0)
    item = DAVIS(tmp_path, "test-dev")[0]
    assert item["annotated"].tolist() == [True] + [False] * 5
    assert (item["masks"][1:] == 255).all()


def test_unsupervised_masks_lie_in_a_folder_of_their_own(davis2017):
    with pytest.raises(DataError, match="Annotations_unsupervised"):
        DAVIS(davis2017, unsupervised=True)
    for number in range(6):
        other = davis2017 / "Annotations_unsupervised" / "480p" / "goat" / f"{number:05d}.png"
        save_palette(other, np.full(SIZE, 7, np.uint8))
    assert DAVIS(davis2017, unsupervised=True)[0]["masks"].unique().tolist() == [7]


def test_widths_differ_from_sequence_to_sequence_and_masks_may_be_empty(davis2017):
    for number in range(6):
        save_frame(picture(davis2017, "goat", number), frame(number, (12, 27)))
        save_palette(mask_of(davis2017, "goat", number), np.zeros((12, 27), np.uint8))
    assert DAVIS(davis2017)[0]["masks"].shape == (6, 12, 27)
    assert not DAVIS(davis2017)[0]["masks"].any()


# -- Your own data -------------------------------------------------------------------------------------------------


def test_own_data_without_resolution_and_lists_partly_annotated(tmp_path):
    for number in (10, 12, 15, 20):
        save_frame(tmp_path / "JPEGImages" / "my dog" / f"frame {number}.PNG", frame(number))
    save_palette(tmp_path / "Annotations" / "my dog" / "frame 12.png", ids(1))
    save_frame(tmp_path / "JPEGImages" / "cat" / "0.jpeg", frame(0))
    data = DAVIS(tmp_path, "all")
    assert [video.name for video in data.sequences] == ["cat", "my dog"]
    assert data[1]["annotated"].tolist() == [False, True, False, False]
    assert data[0]["masks"].unique().tolist() == [255]
    with pytest.raises(DataError, match=r"'val'.* all.* ImageSets/val\.txt"):
        DAVIS(tmp_path, "val")
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets" / "val.txt").write_text("my dog\n")
    assert [video.name for video in DAVIS(tmp_path, "val").sequences] == ["my dog"]


def test_sparse_masks_are_fine_holes_are_not(tmp_path):
    """In the lists of a year, a mask that is missing among many is missing; every third is a set of your own."""
    sparse = write_davis(tmp_path / "sparse", SEQUENCES, annotated=lambda number: number % 3 == 0)
    assert DAVIS(sparse, "train")[0]["annotated"].tolist() == [True, False, False, True, False, False]
    hole = write_davis(tmp_path / "hole", SEQUENCES, annotated=lambda number: number != 4)
    with pytest.raises(DataError, match=r"train\.txt, line 1: .*bear/00004\.png .*1 of 6 "):
        DAVIS(hole, "train")
    (hole / "ImageSets" / "2017" / "train.txt").rename(hole / "ImageSets" / "train.txt")
    assert DAVIS(hole, "train")[0]["annotated"].tolist() == [True, True, True, True, False, True]


# -- What cannot be used is said before training starts -----------------------------------------------------------


def test_no_data(tmp_path):
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataError, match=r"lstmzoo data prepare davis root=.*lstmzoo data simulate davis root="):
            DAVIS(root)


def test_unknown_sequence_in_a_list(davis2017):
    (davis2017 / "ImageSets" / "2017" / "val.txt").write_text("goat\ncamle\n")
    with pytest.raises(DataError, match=r"val\.txt, line 2: .*'camle'.* 'camel'"):
        DAVIS(davis2017)
    (davis2017 / "ImageSets" / "2017" / "val.txt").write_text("\n")
    with pytest.raises(DataError, match=r"val\.txt"):
        DAVIS(davis2017)
    (davis2017 / "ImageSets" / "2017" / "val.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"val\.txt"):
        DAVIS(davis2017)


@pytest.mark.parametrize("kind", [picture, mask_of])
def test_missing_files_of_2016(davis2016, kind):
    kind(davis2016, "camel", 3).unlink()
    with pytest.raises(DataError, match=rf"train\.txt, line 7: \S*camel/{kind(davis2016, 'camel', 3).name} "):
        DAVIS(davis2016, "train")
    assert len(DAVIS(davis2016, "val")) == 1


def test_missing_frames_of_2017(davis2017):
    picture(davis2017, "goat", 3).unlink()
    with pytest.raises(DataError, match=r"goat/00003\.png: .*00003\.jpg"):
        DAVIS(davis2017)
    mask_of(davis2017, "goat", 3).unlink()
    with pytest.raises(DataError, match=r"goat/00003\.jpg .*1 of 6 "):
        DAVIS(davis2017)
    for number in (0, 1, 2, 4, 5):
        mask_of(davis2017, "goat", number).unlink()
        picture(davis2017, "goat", number).unlink()
    with pytest.raises(DataError, match=r"goat .*\.jpg"):
        DAVIS(davis2017)


def test_no_masks_at_all(davis2017):
    for number in range(6):
        mask_of(davis2017, "goat", number).unlink()
    with pytest.raises(DataError, match=r"goat/00000\.png .*6 of 6 "):
        DAVIS(davis2017)


def test_two_frames_of_one_name(davis2017):
    save_frame(picture(davis2017, "goat", 3).with_suffix(".png"), frame(3))
    with pytest.raises(DataError, match=r"00003\.png .*00003\.jpg"):
        DAVIS(davis2017)


def test_sizes_that_differ(davis2017):
    save_palette(mask_of(davis2017, "goat", 2), ids(2, (12, 21)))
    with pytest.raises(DataError, match=r"goat/00002\.png .*21×12.* \S*goat/00000\.jpg .*20×12"):
        DAVIS(davis2017)
    save_palette(mask_of(davis2017, "goat", 2), ids(2))
    save_frame(picture(davis2017, "goat", 5), frame(5, (24, 40)))
    with pytest.raises(DataError, match=r"goat/00005\.jpg .*40×24"):
        DAVIS(davis2017)


def test_damaged_frames(davis2017):
    path = picture(davis2017, "goat", 4)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    for use in (lambda: DAVIS(davis2017), lambda: read_frame(path)):
        with pytest.raises(DataError, match=r"goat/00004\.jpg"):
            use()
    for content in (b"", b"no picture"):
        path.write_bytes(content)
        for use in (lambda: DAVIS(davis2017), lambda: read_frame(path)):
            with pytest.raises(DataError, match=r"goat/00004\.jpg"):
                use()
    path.write_bytes(whole + b"notes of a camera")
    assert read_frame(path).shape == (*SIZE, 3)


def test_damaged_masks(davis2017):
    path = mask_of(davis2017, "goat", 4)
    content = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"goat/00004\.png .*0 bytes"):
        DAVIS(davis2017)
    path.write_bytes(content[:-20])
    with pytest.raises(DataError, match=r"goat/00004\.png"):
        DAVIS(davis2017)
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(path)
    with pytest.raises(DataError, match=r"goat/00004\.png .*RGB"):
        DAVIS(davis2017)
    Image.fromarray(np.full(SIZE, 300, np.uint16)).save(path)
    with pytest.raises(DataError, match=r"goat/00004\.png .*300"):
        DAVIS(davis2017)


# -- The real thing -------------------------------------------------------------------------------------------------


def test_real_sequences(real_data):
    root = real_data / "davis2016"
    if not root.is_dir():
        pytest.skip(f"no DAVIS in {real_data}")
    data = DAVIS(root, "val")
    assert (data.year, data.binary) == (2016, True)
    item = data[0]
    lists = (root / "ImageSets" / "480p" / "val.txt").read_text().split()
    assert len(item["video"]) == sum(f"/{item['name']}/" in word for word in lists) / 2
    assert item["video"].shape[1:] == (3, 480, 854)
    assert item["masks"].unique().tolist() == [0, 1]
    white = np.asarray(Image.open(data.sequences[0].masks[7])) == 255
    np.testing.assert_array_equal(item["masks"][7].bool(), white)
