"""Your own videos: classes, groups that stay together, lists, and messages that name what is wrong."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmzoo.actions.data.group_splits import assign_groups
from lstmzoo.data import VideoFolder
from lstmzoo.errors import DataError, DataWarning, LstmzooError
from tiny_data import write_video

PATTERN = r"_(\d+)_\d+\.avi$"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes; groups 1 to 4 of two videos each, group 4 in run only."""
    for name, groups in (("walk", (1, 2, 3)), ("run", (1, 2, 3, 4))):
        for group in groups:
            for number in (1, 2):
                write_video(tmp_path / "videos" / name / f"{name}_{group}_{number}.avi", 4 + number)
    return tmp_path / "videos"


def load(root: Path, split: str = "train", **options: Any) -> VideoFolder:
    """Open a folder that must not give rise to any warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return VideoFolder(root, split, **{"group_pattern": PATTERN, **options})


def names(data: VideoFolder) -> set[str]:
    return {segment.path.name for segment in data.segments}


def test_whole_videos_with_labels_and_groups(root: Path) -> None:
    data = load(root, "all", clip_len=3, frame_interval=1, size=(16, 32))
    assert data.classes == ["run", "walk"]
    assert len(data) == 14
    segment = data.segments[-1]
    assert (segment.path.name, segment.first, segment.last, segment.label) == ("walk_3_2.avi", 0, 6, 1)
    assert (segment.video, segment.group, segment.scenario) == ("walk/walk_3_2", "3", "")
    assert data[0]["video"].shape == (3, 1, 16, 32)


def test_named_groups(root: Path) -> None:
    options = {"val_groups": [2], "test_groups": ["3", 4]}
    splits = {split: names(load(root, split, **options)) for split in ("train", "val", "test", "trainval")}
    assert splits["train"] == {f"{c}_1_{n}.avi" for c in ("run", "walk") for n in (1, 2)}
    assert splits["val"] == {f"{c}_2_{n}.avi" for c in ("run", "walk") for n in (1, 2)}
    assert {name.split("_")[1] for name in splits["test"]} == {"3", "4"}
    assert splits["trainval"] == splits["train"] | splits["val"]


def test_groups_per_class(root: Path) -> None:
    options = {"group_scope": "class", "val_fraction": 0, "test_groups": ["walk/1", "run/2"]}
    test = load(root, "test", **options)
    assert names(test) == {"walk_1_1.avi", "walk_1_2.avi", "run_2_1.avi", "run_2_2.avi"}
    assert {segment.group for segment in test.segments} == {"walk/1", "run/2"}


def test_drawn_groups_do_not_depend_on_the_training_seed(root: Path) -> None:
    assert names(load(root, "test", seed=1)) == names(load(root, "test", seed=2))
    parts = [names(load(root, split)) for split in ("train", "val", "test")]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 14


def test_a_pattern_that_matches_all_makes_every_video_its_own_group(root: Path) -> None:
    parts = [load(root, split, group_pattern="(.+)") for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == [8, 3, 3]
    assert all({segment.label for segment in part.segments} == {0, 1} for part in parts)


@st.composite
def grouped(draw: st.DrawFn) -> tuple[dict[str, set[str]], float, float, int]:
    """Groups of which every class has at least three of its own, and some that span classes."""
    classes = [f"c{n}" for n in range(draw(st.integers(1, 5)))]
    groups = {f"{name}-{n}": {name} for name in classes for n in range(draw(st.integers(3, 6)))}
    for n in range(draw(st.integers(0, 4))):
        groups[f"shared-{n}"] = set(draw(st.lists(st.sampled_from(classes), min_size=1)))
    share = st.sampled_from([0.0, 0.05, 0.2, 0.4])
    return groups, draw(share), draw(share), draw(st.integers(0, 1000))


@given(grouped())
def test_every_class_is_in_every_split_that_is_drawn(case: tuple[dict[str, set[str]], float, float, int]) -> None:
    groups, val, test, seed = case
    assigned = assign_groups(groups, val=val, test=test, seed=seed)
    assert assigned == assign_groups(groups, val=val, test=test, seed=seed)
    assert assigned.keys() == groups.keys()
    wanted = {"train", *(["val"] if val else []), *(["test"] if test else [])}
    assert set(assigned.values()) == wanted
    for split in wanted:
        present = set().union(*(groups[group] for group, its in assigned.items() if its == split))
        assert present == set().union(*groups.values())


def test_shares_are_kept_where_there_are_many_groups() -> None:
    groups = {str(n): {f"c{n % 3}"} for n in range(100)}
    assigned = list(assign_groups(groups, val=0.2, test=0.3).values())
    assert (assigned.count("val"), assigned.count("test")) == (20, 30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val_groups": [2], "test_groups": [2]}, "'2' .*val_groups .*test_groups"),
        ({"test_groups": [9]}, "test_groups: .*'9'.* 1, 2, 3, 4"),
        ({"test_groups": ["walk/1"]}, "'walk/1'"),
        ({"test_fraction": 1.0}, r"test_fraction .*\[0, 1\), not 1\.0"),
        ({"group_pattern": "("}, r"'\('"),
        ({"group_pattern": r"_\d+"}, r"\(\.\.\.\).* 0"),
        ({"group_pattern": r"_g(\d+)"}, r"'_g\(\\\\d\+\)' .*'run_1_1\.avi'"),
        ({"group_scope": "all"}, "'all'.* class, global"),
        ({"splits": "list"}, r"data\.splits 'list'"),
        ({"splits": "files"}, r"splits=files .*data\.split_dir"),
        ({"classes": ["run", "wlak"]}, "'wlak'.*'walk'"),
    ],
)
def test_wrong_options(root: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(LstmzooError, match=message):
        load(root, **options)
    with pytest.raises(LstmzooError, match="'tset'"):
        load(root, "tset")


def test_too_few_groups_names_the_class(root: Path) -> None:
    for path in root.glob("walk/walk_3_*"):
        path.unlink()
    with pytest.raises(DataError, match=r"'walk' .* 2 .* 1, 2, .* 3: .*train, test, val"):
        load(root)
    assert len(load(root, "test", val_fraction=0)) > 0


def test_a_class_that_is_not_trained_on(root: Path) -> None:
    with pytest.raises(DataError, match=r"walk .*train"):
        load(root, test_groups=[1, 2, 3], val_groups=[])
    with pytest.warns(DataWarning, match=r"walk .*test"):
        VideoFolder(root, group_pattern=PATTERN, test_groups=[4], val_groups=[])


def test_classes_fix_the_labels(root: Path) -> None:
    data = load(root, "all", classes=["walk"])
    assert data.classes == ["walk"]
    assert {segment.label for segment in data.segments} == {0}
    assert load(root, "all", classes=["walk", "run"]).segments[0].path.parent.name == "walk"


def test_folders_that_hold_nothing(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"0 videos.*<class>/<video>\.avi"):
        load(tmp_path / "empty")
    (root / "sit").mkdir()
    with pytest.raises(DataError, match="/sit "):
        load(root)


def test_other_files_are_named(root: Path) -> None:
    (root / "run" / "notes.txt").write_text("x")
    (root / "run" / ".DS_Store").write_text("x")
    (root / "README.md").write_text("x")
    with pytest.warns(DataWarning, match=r"run: .*notes\.txt$"):
        assert len(VideoFolder(root, "all", group_pattern=PATTERN)) == 14


def test_unreadable_files_are_named(root: Path) -> None:
    (root / "run" / "run_1_1.avi").write_bytes(b"not a video")
    with pytest.warns(DataWarning, match=r"1 of 14 .*run_1_1\.avi"):
        assert len(VideoFolder(root, "all", group_pattern=PATTERN)) == 13
    report = VideoFolder.check(root)
    assert sorted(report.frames.values()) == [5] * 6 + [6] * 7
    assert len(report.undecodable) == 1
    assert not report.complete
    for path in root.glob("*/*.avi"):
        path.write_bytes(b"not a video")
    with pytest.raises(DataError, match="14 of 14"):
        load(root, "all")


# ---------------------------------------------------------------- lists


def write_lists(root: Path, **lists: list[str]) -> dict[str, Any]:
    """Write lists into a folder beside the classes; videos that are in none go to train."""
    folder = root / "lists"
    folder.mkdir(exist_ok=True)
    named = {line.removeprefix("./").split(".avi")[0] + ".avi" for lines in lists.values() for line in lines}
    rest = [path.relative_to(root).as_posix() for path in root.glob("*/*.avi")]
    lists["train"] = [*lists.get("train", []), *(path for path in sorted(rest) if path not in named)]
    for split, lines in lists.items():
        (folder / f"{split}.txt").write_bytes("\r\n".join(["# videos", "", *lines, ""]).encode())
    return {"splits": "files", "split_dir": folder, "group_pattern": None}


def test_lists(root: Path) -> None:
    write_video(root / "walk" / "a long name.avi", 3)
    options = write_lists(root, test=["walk/walk_1_1.avi", "./run/run_1_1.avi run", "walk/a long name.avi\twalk"])
    assert names(load(root, "test", **options)) == {"walk_1_1.avi", "run_1_1.avi", "a long name.avi"}
    assert len(load(root, "train", **options)) == 12
    assert len(load(root, "val", **options)) == 0


def test_numbers_as_labels_need_only_be_consistent(root: Path) -> None:
    options = write_lists(root, test=["walk/walk_1_1.avi 7", "run/run_1_1.avi 3", "run/run_1_2.avi 3"])
    assert len(load(root, "test", **options)) == 3
    options = write_lists(root, test=["walk/walk_1_1.avi 7", "run/run_1_1.avi 7"])
    with pytest.raises(DataError, match=r"test\.txt, line 4: .*'7' .*'walk'.*'run'"):
        load(root, **options)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("walk/walk_1_1.avi wakl", r"test\.txt, line 3: .*'wakl'.*'walk'"),
        ("walk/walk_1_1.avi run", r"line 3: .*'run' .*'walk'"),
    ],
)
def test_broken_lines(root: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(root, **write_lists(root, test=[line]))


@pytest.mark.parametrize("name", ["walk/walk_9_9.avi", "../videos/walk/walk_1_1.avi", "jump/jump_1_1.avi"])
def test_listed_videos_that_are_not_there_are_named_and_left_out(root: Path, name: str) -> None:
    options = write_lists(root, test=["walk/walk_1_1.avi", "run/run_1_1.avi", name])
    with pytest.warns(DataWarning, match=rf"test\.txt, line 5: .*'{name}'; 1 of the 3 "):
        assert len(VideoFolder(root, "test", **options)) == 2
    report = VideoFolder.check(root, splits="files", split_dir=options["split_dir"])
    assert report.division.missing == 1
    assert not report.complete
    for path in root.rglob("*.avi"):
        path.rename(path.with_name(f"other_{path.name}"))
    with pytest.raises(DataError, match=r"data\.root"):
        load(root, "test", **options)


def test_a_video_in_two_lists(root: Path) -> None:
    options = write_lists(root, test=["walk/walk_1_1.avi"], val=["run/run_1_1.avi", "walk/walk_1_1.avi"])
    with pytest.raises(DataError, match=r"test\.txt, line 3: walk/walk_1_1\.avi .*val\.txt, line 4"):
        load(root, **options)


def test_a_video_in_no_list(root: Path) -> None:
    options = write_lists(root, test=["walk/walk_1_1.avi", "run/run_1_1.avi"])
    write_video(root / "walk" / "new.avi", 3)
    with pytest.warns(DataWarning, match=r"1 video .*: walk/new\.avi"):
        assert len(VideoFolder(root, **options)) == 12
    (root / "lists" / "train.txt").unlink()
    with pytest.raises(DataError, match=r"/train\.txt"):
        load(root, **options)


@pytest.mark.slow
def test_real_clips_split_by_group(real_data: Path, tmp_path: Path) -> None:
    options = {"val_fraction": 0, "test_fraction": 0.3, "cache_dir": tmp_path}
    train, test = (load(real_data / "actions", split, **options) for split in ("train", "test"))
    assert len(train) + len(test) == 150
    assert train.classes == ["jump", "run", "sit", "stand", "turn", "walk"]
    assert not {segment.group for segment in train.segments} & {segment.group for segment in test.segments}
    assert {segment.label for segment in test.segments} == set(range(6))
    assert min(len(segment) for segment in [*train.segments, *test.segments]) == 33
