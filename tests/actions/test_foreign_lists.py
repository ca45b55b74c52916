"""Lists, tables and folders as other people's data sets come with them."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_videos import divide

from lstmzoo.actions.data.class_names import read_class_table
from lstmzoo.cli import main
from lstmzoo.data import VideoFolder
from lstmzoo.errors import DataError, LstmzooError
from tiny_data import numbered_frame, read_number, write_video

Splits = dict[str, set[tuple[str, str]]]


def files(root: Path, *names: str) -> Path:
    """Files that are videos by their names; nothing here decodes them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def lists(folder: Path, **texts: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        stem, _, suffix = name.partition("__")
        (folder / f"{stem}.{suffix or 'txt'}").write_text(text, encoding="utf-8", newline="")
    return folder


def divided(root: Path, **options: Any) -> Splits:
    """The videos of each split, each with the name of its class."""
    division = divide(root, **options)
    return {
        split: {
            (video.path.relative_to(root).as_posix(), division.classes[video.label]) for video in division.of(split)
        }
        for split in ("train", "val", "test")
        if division.of(split)
    }


JUMP, RUN, SIT = "Jump/a 1.avi", "Run/b.avi", "Sit/c.avi"
EXPECTED: Splits = {"train": {(JUMP, "Jump"), (RUN, "Run")}, "test": {(SIT, "Sit")}}


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Jump/a 1.avi\nRun/b.avi\n", "Sit/c.avi\n"),
        ("Jump/a 1.avi 0\nRun/b.avi 1\n", "Sit/c.avi 2\n"),
        ("Jump/a 1.avi Jump\r\n./Run/b.avi run\r\n", "Sit\\c.avi SIT\r\n"),
        ("0\t0\tJump/a 1.avi\n1\t1\tRun/b.avi\n", "0\t2\tSit/c.avi\n"),
        ("1 0 Jump/a 1.avi\n2 1 Run/b.avi\n", "1 2 Sit/c.avi\n"),
        ("Jump/a 1.avi,0\nRun/b.avi,1\n", "Sit/c.avi,2\n"),
        ("jump/A 1.mp4;Jump\nrun/b.mp4;Run\n", "sit/c.mp4;Sit\n"),  # another format, other case
        ("Jump/a 1 84 0\nRun/b 91 1\n", "Sit/c 60 2\n"),  # without suffix, with the number of frames
        ("/home/x/set/Jump/a 1.avi\t0\nC:\\set\\Run\\b.avi\t1\n", "/home/x/set/Sit/c.avi\t2\n"),
        ('path,label\n"Jump/a 1.avi",Jump\nRun/b.avi,Run\n', "Video Name,Class ID,Class\nSit/c.avi,2,Sit\n"),
    ],
)
def test_lines_of_every_kind(tmp_path: Path, train: str, test: str) -> None:
    root = files(tmp_path / "set", JUMP, RUN, SIT)
    folder = lists(tmp_path / "lists", train=train, testing=test, notes="by hand")
    assert divided(root, split_dir=folder) == EXPECTED


@pytest.mark.parametrize(
    "table",
    [
        *("0 Jump\n1 Run  # and away\n2 Sit\n", "Jump\nRun\nSit\n", "id,name\n2,Sit\n0,Jump\n1,Run\n"),
        *("id,name,short\n0,Jump,j\n1,Run,r\n2,Sit,s\n", "group;Class;Label ID\na;Jump;0\na;Run;1\nb;Sit;2\n"),
        *('{"0": "Jump", "1": "Run", "2": "Sit"}', '{\n "Sit": 2,\n "Jump": 0,\n "Run": 1}', '["Jump", "Run", "Sit"]'),
    ],
)
def test_numbers_mean_what_the_table_says(tmp_path: Path, table: str) -> None:
    root = files(tmp_path / "set", "train/a.mp4", "train/b.mp4", "test/a.mp4")
    folder = lists(tmp_path / "lists", train="a.mp4 1\nb.mp4 0\n", test="a.mp4 2\n", names=table)
    expected = {"train": {("train/a.mp4", "Run"), ("train/b.mp4", "Jump")}, "test": {("test/a.mp4", "Sit")}}
    assert divided(root, split_dir=folder, class_file=folder / "names.txt") == expected
    assert divide(root, split_dir=folder, class_file=folder / "names.txt").classes == ["Jump", "Run", "Sit"]
    # Without the table, and without folders of classes, the numbers are the names.
    assert divided(root, split_dir=folder)["train"] == {("train/a.mp4", "1"), ("train/b.mp4", "0")}


def test_names_that_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("1 10\n2 20\n")
    assert read_class_table(tmp_path / "names.txt") == {"1": "10", "2": "20"}


@pytest.mark.parametrize(
    "text",
    [
        *("", "0 Jump\n0 Run\n", "0 Jump\n1 Jump\n", "0 Jump\nRun\n"),
        *("0,Jump,j\n1,Run,r\n", "a,b,c\n0,Jump,j\n", "id,name,n\n0,Jump,5\n", "Jump,j\nRun,r\n"),
        *('{"0": "Jump"', '{"0": "Jump", "0": "Run"}', '{"classes": ["Jump"]}', "[[" * 9999, "{}"),
    ],
)
def test_broken_tables(tmp_path: Path, text: str) -> None:
    (tmp_path / "names.txt").write_text(text)
    with pytest.raises(DataError, match=r"names\.txt"):
        read_class_table(tmp_path / "names.txt")


def test_ucf101(tmp_path: Path) -> None:
    """The lists and the table of https://www.crcv.ucf.edu/data/UCF101.php."""
    root = files(tmp_path / "UCF-101", *(f"{c}/v_{c}_g0{g}_c01.avi" for c in ("Biking", "Diving") for g in (1, 2)))
    folder = lists(
        tmp_path / "ucfTrainTestlist",
        classInd="1 Biking\r\n2 Diving\r\n",
        trainlist01="Biking/v_Biking_g02_c01.avi 1\r\nDiving/v_Diving_g02_c01.avi 2\r\n",
        testlist01="Biking/v_Biking_g01_c01.avi\r\nDiving/v_Diving_g01_c01.avi\r\n",
        trainlist02="Biking/v_Biking_g01_c01.avi 1\r\nDiving/v_Diving_g01_c01.avi 2\r\n",
        testlist02="Biking/v_Biking_g02_c01.avi\r\nDiving/v_Diving_g02_c01.avi\r\n",
    )
    for fold, tested in ((1, "g01"), (2, "g02")):
        options: dict[str, Any] = {"split_dir": folder, "class_file": folder / "classInd.txt", "fold": fold}
        found = divided(root, **options)
        assert found["test"] == {(f"{c}/v_{c}_{tested}_c01.avi", c) for c in ("Biking", "Diving")}
        assert len(found["train"]) == 2
    with pytest.raises(DataError, match="fold"):
        divide(root, split_dir=folder, fold=3)


def test_hmdb51(tmp_path: Path) -> None:
    """A list for each class, with 1 for training, 2 for the test and 0 for neither."""
    root = files(tmp_path / "hmdb", *(f"{c}/{c}_{n}.avi" for c in ("wave", "brush_hair") for n in (0, 1, 2)))
    folder = lists(
        tmp_path / "splits",
        **{f"{c}_test_split1": "".join(f"{c}_{n}.avi {n} \n" for n in (0, 1, 2)) for c in ("wave", "brush_hair")},
    )
    assert divided(root, split_dir=folder) == {
        "train": {("wave/wave_1.avi", "wave"), ("brush_hair/brush_hair_1.avi", "brush_hair")},
        "test": {("wave/wave_2.avi", "wave"), ("brush_hair/brush_hair_2.avi", "brush_hair")},
    }


def test_one_list_of_labels_with_and_without_splits(tmp_path: Path) -> None:
    names = [f"clips/{who}_{n}.mp4" for who in ("anna", "ben", "chris", "dora") for n in (0, 1)]
    root = files(tmp_path / "set", *names)
    (tmp_path / "a.csv").write_text("video,label\n" + "".join(f"{name},{name[-5]}\n" for name in names))
    found = divided(root, label_file=tmp_path / "a.csv")
    assert {label for _, label in found["test"]} == {"0", "1"}
    who = [{name.split("_")[0] for name, _ in part} for part in found.values()]
    assert sum(map(len, who)) == len(set().union(*who)) == 4
    parts = ["train", "training", "validation", "test"]
    text = "".join(f"{name},{name[-5]},{parts[place // 2]}\n" for place, name in enumerate(names))
    (tmp_path / "b.csv").write_text("path,label,split\n" + text)
    assert {split: len(part) for split, part in divided(root, label_file=tmp_path / "b.csv").items()} == {
        "train": 4,
        "val": 2,
        "test": 2,
    }
    (tmp_path / "b.csv").write_text("path,label,split\n" + text.replace("validation", "maybe"))
    with pytest.raises(DataError, match=r"b\.csv, line 6: 'maybe'"):
        divide(root, label_file=tmp_path / "b.csv")


def test_split_folders_above_the_classes(tmp_path: Path) -> None:
    root = files(tmp_path, "train/Jump/a.avi", "train/Run/b.avi", "Validate/Jump/c.avi", "test/Run/d.avi", "test/e.avi")
    assert divided(root) == {
        "train": {("train/Jump/a.avi", "Jump"), ("train/Run/b.avi", "Run")},
        "val": {("Validate/Jump/c.avi", "Jump")},
        "test": {("test/Run/d.avi", "Run")},
    }
    problems = divide(root).problems
    assert any("1 video in no class folder" in problem for problem in problems)
    assert any("no video of class Run is in the val split" in problem for problem in problems)
    files(root, "bus/a.avi")  # then train is a class like any other
    with pytest.raises(DataError, match="class folder"):
        divide(root)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("Jump/a 1.avi Run\nRun/b.avi Run\n", r"train\.txt, line 1: .*'Run' .*'Jump'"),
        ("Jump/a 1.avi 0\nRun/b.avi 0\n", r"train\.txt, line 2: .*'0' .*'Jump'"),
        ("Jump/a 1.avi Jump\nRun/b.avi Rum\n", r"train\.txt, line 2: .*'Rum'.*'Run'"),
        ("x.avi\n", "data.root"),
        ("b 1\n" * 2 + "b 2\n", r"line 3: b "),
        ("", "data.root"),
    ],
)
def test_lists_that_contradict_the_folders(tmp_path: Path, train: str, message: str) -> None:
    root = files(tmp_path / "set", JUMP, RUN, SIT)
    with pytest.raises(DataError, match=message):
        divide(root, split_dir=lists(tmp_path / "lists", train=train))


def test_a_name_that_several_videos_answer_to(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "x/1.avi", "y/1.avi", "z/2.avi")
    with pytest.raises(DataError, match=r"line 1: '1\.avi' .*x/1\.avi.*y/1\.avi"):
        divide(root, split_dir=lists(tmp_path / "lists", train="1.avi a\n"))
    # A label that could also be a video is a label.
    assert divided(root, split_dir=lists(tmp_path / "lists", train="x/1.avi 1\nz/2.avi 2\n"))["train"] == {
        ("x/1.avi", "x"),
        ("z/2.avi", "z"),
    }


@pytest.mark.slow
@given(content=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_make_lists_or_tables_fail_otherwise(tmp_path: Path, content: bytes) -> None:
    root = files(tmp_path / "set", JUMP, RUN)
    folder = lists(tmp_path / "lists")
    for mixed in (content, b"Jump/a 1.avi 0\n" + content, b"path,label\nRun/b.avi,0\n" + content):
        for name in ("train.txt", "names.txt"):
            (folder / name).write_bytes(mixed)
        for options in (
            {"split_dir": folder},
            {"label_file": folder / "train.txt", "class_file": folder / "names.txt"},
        ):
            with suppress(LstmzooError):
                divide(root, **options)


def test_a_list_that_is_no_text_is_named(tmp_path: Path) -> None:
    root = files(tmp_path / "set", JUMP, RUN)
    (lists(tmp_path / "lists") / "train.txt").write_bytes(b"Jump/a 1.avi\n\xff\xfeRun/b.avi\n")
    with pytest.raises(DataError, match=r"train\.txt, line 2 .*UTF-8"):
        divide(root, split_dir=tmp_path / "lists")
    (tmp_path / "lists" / "train.txt").write_bytes("Jump/a 1.avi 0\n".encode("utf-16"))  # as spreadsheets save it
    assert len(divided(root, split_dir=tmp_path / "lists")["train"]) == 1


def write_frames(folder: Path, frames: int) -> Path:
    """Frames 0, 1, 2, ... named without zeros before them, so that 10 comes before 2 by letters."""
    folder.mkdir(parents=True)
    for number in range(frames):
        cv2.imwrite(str(folder / f"frame{number}.png"), numbered_frame(number))
    return folder


def test_folders_of_frames_are_videos(tmp_path: Path) -> None:
    for label in ("walk", "run"):
        for who in ("anna", "ben", "chris"):
            write_frames(tmp_path / "set" / label / f"{who}_{label}", 12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = VideoFolder(tmp_path / "set", "all", clip_len=12, frame_interval=1, size=(48, 96))
    assert [len(segment) for segment in data.segments] == [12] * 6
    assert {segment.group for segment in data.segments} == {"anna", "ben", "chris"}
    clip = np.asarray(data[0]["video"])
    assert [read_number(frame[0])[0] for frame in clip] == list(range(12))
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "train.txt").write_text("walk/anna_walk 12 0\nrun/ben_run 12 1\n")
    found = divided(tmp_path / "set", split_dir=tmp_path / "lists")
    assert found == {"train": {("walk/anna_walk", "walk"), ("run/ben_run", "run")}}


def test_images_directly_in_a_class_folder(tmp_path: Path) -> None:
    write_frames(tmp_path / "walk", 3)
    with pytest.raises(DataError, match=r"<video>/00001\.jpg"):
        divide(tmp_path)


@pytest.mark.slow
def test_a_public_set_trains_with_options_only(failing: Path, tmp_path: Path) -> None:
    """Its lists name videos in train/Jump/ and, without a class, in validate/; a table names the classes."""
    names = [line.split("\t")[2] for line in (failing / "har_lists" / "train.txt").read_text().splitlines()]
    tested = [line.split("\t")[2] for line in (failing / "har_lists" / "validate.txt").read_text().splitlines()]
    root = tmp_path / "har"
    for place, name in enumerate(["train/" + name for name in names] + ["validate/" + name for name in tested]):
        write_video((root / name).with_suffix(".avi"), 4 + place % 3)
    assert (
        main(
            [
                *("train", "experiment=video_folder", f"data.root={root}", f"data.split_dir={failing}/har_lists"),
                *(f"data.class_file={failing}/har_lists/mapping_table_23.txt", "data.clip_len=2", "data.num_workers=0"),
                *("trainer.max_epochs=1", "trainer.accelerator=cpu", "test_after_fit=false", "model.hidden_size=4"),
                *("data.size=[32,32]", f"hydra.run.dir={tmp_path}/run", "callbacks.progress=none"),
            ]
        )
        == 0
    )
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()
    found = divided(root, split_dir=failing / "har_lists", class_file=failing / "har_lists" / "mapping_table_23.txt")
    assert {split: len(part) for split, part in found.items()} == {"train": 8, "val": 8}
    assert {label for part in found.values() for _, label in part} == {"Jump"}
