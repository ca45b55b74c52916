"""Which column of other people's lists is the label: told for sure, or asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from own_videos import divide

from lstmzoo.data import VideoFolder
from lstmzoo.errors import DataError
from tiny_data import write_video

VIDEOS = [f"clip{number}.avi" for number in range(12)]
LABELS = [str(number % 3) for number in range(12)]
FRAMES = [str(40 + number * 5 % 7) for number in range(12)]  # some twice


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of files that are videos by their names."""
    (tmp_path / "set").mkdir()
    for name in VIDEOS:
        (tmp_path / "set" / name).write_bytes(b"")
    return tmp_path / "set"


def lists(root: Path, line: str, sign: str = " ", head: str = "") -> dict[str, Any]:
    """Write lists with lines such as ``{path} {label}``, of which some fields may be fixed texts."""
    folder = root.parent / "lists"
    folder.mkdir(exist_ok=True)
    for split, numbers in {"train": range(9), "test": range(9, 12)}.items():
        lines = [
            line.format(
                path=VIDEOS[n],
                label=LABELS[n],
                frames=FRAMES[n],
                n=n,
                name="abc"[n % 3] * 3,
                score=f"0.{n}7",
            ).replace(" ", sign)
            for n in numbers
        ]
        (folder / f"{split}.txt").write_text(head + "\n".join(lines) + "\n")
    return {"split_dir": folder}


def labels(root: Path, **options: Any) -> list[str]:
    division = divide(root, **options)
    return [division.classes[{video.path.name: video for video in division.videos}[name].label] for name in VIDEOS]


@pytest.mark.parametrize("sign", [" ", ",", "\t"])
@pytest.mark.parametrize(
    "line",
    [
        *(
            "{path} {label} {frames}",
            "{path} {frames} {label}",
            "{path} {label} 0 {frames}",
            "{path} 0 {frames} {label}",
        ),
        *("{path} {label} 0 30", "{label} {path} {frames}", "{n} {path} {label}", "{n} {label} {path} {frames}"),
        *("{path} {label} {score}", "{path} {label} {n}"),
    ],
)
def test_the_label_is_told_from_other_numbers_and_that_is_said(root: Path, line: str, sign: str) -> None:
    options = lists(root, line, sign)
    assert labels(root, **options) == LABELS
    said = any("label" in problem for problem in divide(root, **options).problems)
    assert said == (line != "{n} {path} {label}")  # a number that counts the lines


@pytest.mark.parametrize("sign", [" ", ","])
@pytest.mark.parametrize(
    "line", ["{path} {name} {score}", "{path} {name} 0 {frames}", "{path} {name}", "{name} {path}"]
)
def test_a_name_is_the_label_whatever_numbers_there_are(root: Path, line: str, sign: str) -> None:
    assert labels(root, **lists(root, line, sign)) == ["aaa", "bbb", "ccc"] * 4


@pytest.mark.parametrize(
    ("line", "sign"),
    [
        ("{path} {label} {label}", " "),  # several labels
        ("{path} {label} {label}", ","),
        ("{path} {frames} {frames}", " "),
        ("{path} {frames} {score}", ","),
        ("{path} {name} person{n}", ","),
        ("{path} {name} person{n}", " "),
    ],
)
def test_what_cannot_be_told_is_refused(root: Path, line: str, sign: str) -> None:
    options = lists(root, line, sign)
    with pytest.raises(DataError, match=r"txt, line 1: .*path,label"):
        divide(root, **options)
    head = "path first second\n".replace(" ", sign).replace("first", "label")
    expected = [line.split()[1].format(label=LABELS[n], frames=FRAMES[n], name="abc"[n % 3] * 3) for n in range(12)]
    assert labels(root, **lists(root, line, sign, head)) == expected


def test_one_video_a_class_does_not_make_the_number_of_frames_the_label(root: Path) -> None:
    (root.parent / "list.txt").write_text("clip0.avi 0 44\nclip1.avi 1 44\nclip2.avi 2 60\nclip3.avi 3 60\n")
    with pytest.raises(DataError, match=r"list\.txt, line 1: .* 0, 44"):
        divide(root, label_file=root.parent / "list.txt")


def test_lines_with_more_or_fewer_numbers_are_refused(root: Path) -> None:
    options = lists(root, "{path} {label} {frames}")
    with (options["split_dir"] / "test.txt").open("a") as file:
        file.write("clip0.avi 44\n")
    with pytest.raises(DataError, match=r"test\.txt, line 3 .* 2 .* 1"):
        divide(root, **options)


def test_comments_are_no_labels(root: Path) -> None:
    assert labels(root, **lists(root, "{path} {label}  # {name}", head="# videos\n")) == LABELS
    (root / "#1_clip0.avi").write_bytes(b"")  # as in HMDB51
    options = lists(root, "{path} {label} #note")
    (options["split_dir"] / "val.txt").write_text("#1_clip0.avi 2 # note\n#2_gone.avi\n")
    assert [video.path.name for video in divide(root, **options).of("val")] == ["#1_clip0.avi"]


KINETICS = "label,youtube_id,time_start,time_end,split\n"


def test_kinetics(tmp_path: Path) -> None:
    """Files are named by the id, or by the id and the seconds of the part."""
    for name in ("whole.mp4", "part_000003_000013.mp4", "two_000000_000010.mp4", "two_000020_000030.mp4"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a.csv").write_text(
        KINETICS + "wave,whole,5,15,train\njump,part,3,13,train\nwave,two,0,10,test\njump,two,20,30,validate\n"
        "jump,part,50,60,test\n"
    )
    division = divide(tmp_path, label_file=tmp_path / "a.csv")
    found = {
        video.path.stem: (division.classes[video.label], division.split_of[video.path]) for video in division.videos
    }
    assert found == {
        "whole": ("wave", "train"),
        "part_000003_000013": ("jump", "train"),
        "two_000000_000010": ("wave", "test"),
        "two_000020_000030": ("jump", "val"),
    }
    assert division.missing == 1  # another part than is there
    (tmp_path / "b.csv").write_text("youtube_id,label\nwhole,wave\npart,jump\ntwo,wave\n")
    with pytest.raises(DataError, match=r"line 4: 'two'"):
        divide(tmp_path, label_file=tmp_path / "b.csv")


@pytest.mark.parametrize("head", ["label,ytid,split", "who;Action", "uri\tsubset"])
def test_a_header_without_a_path_is_no_data(root: Path, head: str) -> None:
    sign = next(sign for sign in ",;\t" if sign in head)
    line = sign.join(["clip0.avi", "a", "train"][: len(head.split(sign))])
    (root.parent / "a.csv").write_text(f"{head}\n{line}\n")
    with pytest.raises(DataError, match=r"a\.csv, line 1 .*youtube_id.*action.*subset"):
        divide(root, label_file=root.parent / "a.csv")


@pytest.mark.parametrize("before", ["/home/x/data/", "C:\\data\\"])
def test_absolute_paths_and_a_folder_without_folders(root: Path, before: str) -> None:
    assert labels(root, **lists(root, before + "{path} {label}")) == LABELS
    (root / "in").mkdir()
    for name in VIDEOS:
        (root / name).rename(root / "in" / name)
    assert labels(root, **lists(root, before + "{path} {label}")) == LABELS
    (root / "other").mkdir()
    (root / "in" / "clip3.avi").rename(root / "other" / "clip3.avi")
    (root / "in" / "clip0.avi").rename(root / "clip0.avi")
    # Folders may be classes, and the list may mean another: only what lies in none is taken.
    assert [video.path.name for video in divide(root, **lists(root, before + "{path} {label}")).videos] == ["clip0.avi"]


def test_where_no_video_is_there_the_message_stays_short(root: Path) -> None:
    folder = root.parent / "splits"
    folder.mkdir()
    for name in range(30):
        (folder / f"class{name}_test_split1.txt").write_text("gone.avi 1\n")
    with pytest.raises(DataError, match=r"data\.root=.* 28 more$"):
        divide(root, split_dir=folder)


def test_one_class_cannot_be_trained_on(tmp_path: Path) -> None:
    for number in range(5):
        write_video(tmp_path / "set" / "walk" / f"a{number}.avi", 3)
    with pytest.raises(DataError, match="walk"):
        VideoFolder(tmp_path / "set", group_pattern="(.+)")
    report = VideoFolder.check(tmp_path / "set")
    assert "walk" in report.division.too_few_classes
    assert not report.complete
    (tmp_path / "names.txt").write_text("walk\nrun\n")
    (tmp_path / "list.csv").write_text("path,label,split\n" + "".join(f"walk/a{n}.avi,walk,train\n" for n in range(5)))
    options = {"label_file": tmp_path / "list.csv", "class_file": tmp_path / "names.txt"}
    with pytest.warns(match="class run"):  # a table knows more classes
        assert len(VideoFolder(tmp_path / "set", **options)) == 5
    assert not VideoFolder.check(tmp_path / "set", **options).complete


def test_videos_deeper_than_the_class_folders_are_pointed_out(tmp_path: Path) -> None:
    for name in ("wave/1/clip1.avi", "wave/2/clip1.avi", "jump/clip1.avi", "jump/deep/clip2.avi"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"wave/1/clip1\.avi.*label_file"):
        divide(tmp_path)
    (tmp_path / "wave" / "clip3.avi").write_bytes(b"")
    problems = divide(tmp_path, group_pattern="(.+)", val_fraction=0, test_fraction=0).problems
    assert any("jump/deep/clip2.avi" in problem and "left out" in problem for problem in problems)
