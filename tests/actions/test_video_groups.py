"""Groups guessed from file names: who and where is never on both sides unless nothing tells, and then it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from own_videos import divide

from lstmzoo.actions.data.video_division import Division
from lstmzoo.actions.data.video_groups import group_finder, guess_pattern
from lstmzoo.errors import LstmzooError


def make(root: Path, names: dict[str, list[str]]) -> Path:
    """Files that are videos by their names; nothing here decodes them."""
    for label, files in names.items():
        (root / label).mkdir(parents=True)
        for file in files:
            (root / label / f"{file}.avi").write_bytes(b"")
    return root


def split(root: Path, **options: Any) -> tuple[Division, dict[str, set[str]]]:
    division = divide(root, **options)
    return division, {name: {video.path.stem for video in division.of(name)} for name in ("train", "val", "test")}


# File names as data sets and cameras give them, and the group that each belongs to.
NAMES = {
    "scene in the middle": {f"{c}_{g}_{n}": str(g) for c in ("Jump", "Run") for g in (1, 8, 11) for n in (1, 10, 2)},
    "UCF101": {f"v_{c}_g0{g}_c0{n}": f"g0{g}" for c in ("Biking", "Diving") for g in (1, 2, 3) for n in (1, 2)},
    "KTH": {f"person0{g}_{c}_d{n}": f"person0{g}" for c in ("boxing", "running") for g in (1, 2, 3) for n in (1, 2)},
    "who first": {f"{g}_{c}": g for c in ("walk", "bend") for g in ("daria", "ido", "moshe")},
    "who second": {f"{c}-{g}-{n}": g for c in ("walk", "run") for g in ("anna", "ben", "chris") for n in (1, 2)},
    "class, who, number": {f"{c}{g}{n}": g for c in ("walk", "run") for g in ("anna", "ben") for n in (1, 2, 3)},
    "class_who1": {f"{c}_{g}{n}": g for c in ("wave_hands", "bend") for g in ("anna", "ben") for n in (1, 2)},
    "class1_who": {f"{c}{n}_{g}": g for c in ("walk", "run") for g in ("anna", "ben") for n in (1, 2)},
    "class of two words": {f"WaveHands{n}-{g}": g for g in ("anna", "ben") for n in (1, 2)},
    "class1_2": {f"{c}{g}_{n}": str(g) for c in ("walk", "run") for g in (1, 2) for n in (1, 2)},
    "who before class": {f"{g}{c}{n}": g for c in ("walk", "run") for g in ("anna", "ben") for n in (1, 2)},
    "class, room a": {f"{c}_room_{g}_{n}": f"room_{g}" for c in ("walk", "run") for g in "ab" for n in (1, 2)},
    "day and time": {f"VID_2024010{g}_12000{n}": f"2024010{g}" for g in (1, 2, 3) for n in (1, 2)},
    "Kinetics": {f"{g * 11}_00000{n}_00001{n}": g * 11 for g in "abc" for n in (1, 2)},
}
CLASS_OF = {"day and time": lambda name: name[-1], "Kinetics": lambda name: name[-1]}


@pytest.mark.parametrize("kind", NAMES)
def test_the_usual_names_tell_who_and_where(kind: str) -> None:
    groups = NAMES[kind]

    def label(name: str) -> str:
        classes = ("Jump", "Run", "Biking", "Diving", "boxing", "running", "walk", "bend", "run", "wave_hands")
        name = name.replace("WaveHands", "wave_hands")
        return next((c for c in classes if c in name), name[-1])

    videos = [(Path(f"{name}{suffix}"), label(name)) for name in groups for suffix in (".avi", ".mp4", "")]
    pattern = guess_pattern(videos)
    assert pattern is not None
    find = group_finder(pattern, "global")
    assert {path.stem: find(path, name) for path, name in videos} == groups


@pytest.mark.parametrize(
    "names",
    [
        ["walk_1", "walk_2", "run_1", "run_2"],  # a number of its own for each
        ["f3a1", "b77c", "09de", "aa10"],
        ["IMG_0001", "IMG_0002", "IMG_0003", "IMG_0004"],
        ["walk_1_1", "walk_2_1", "run_1", "run_2_1"],  # one does not fit
    ],
)
def test_other_names_tell_nothing(names: list[str]) -> None:
    assert (
        guess_pattern([(Path(f"{name}.mp4"), "walk" if place < 2 else "run") for place, name in enumerate(names)])
        is None
    )


def test_guessed_groups_are_kept_together_and_named(tmp_path: Path) -> None:
    names = {c: [f"{c}_{g}_{n}" for g in range(1, 7) for n in (1, 2)] for c in ("Jump", "Run")}
    division, parts = split(make(tmp_path / "set", names))
    assert all(parts.values())
    scenes = [{name.split("_")[1] for name in part} for part in parts.values()]
    assert sum(map(len, scenes)) == len(set().union(*scenes)) == 6
    assert division.problems == []
    pattern = str(division).partition("data.group_pattern='")[2].partition("'")[0]
    assert split(tmp_path / "set", group_pattern=pattern)[1] == parts  # what is shown can be pasted
    assert "test: 1 group, " in str(division)


def test_too_few_groups_for_three_splits_leave_validation_out(tmp_path: Path) -> None:
    """Scenes 11 and 8 of jumping, 11 and 1 of running: with three splits, one class would be missing somewhere."""
    names = {
        c: [f"{c}_{g}_{n}" for g in scenes for n in (1, 2)] for c, scenes in {"Jump": (11, 8), "Run": (11, 1)}.items()
    }
    division, parts = split(make(tmp_path, names))
    assert parts["val"] == set()
    assert {name.rsplit("_", 1)[0] for name in parts["train"]}.isdisjoint(
        {name.rsplit("_", 1)[0] for name in parts["test"]}
    )
    assert not division.absent("train")
    assert not division.absent("test")
    assert any("validation" in problem for problem in division.problems)


def test_where_names_tell_nothing_it_is_said_once_and_can_be_confirmed(tmp_path: Path) -> None:
    root = make(tmp_path, {c: [f"{c}_{n}" for n in range(5)] for c in ("walk", "run")})
    division, parts = split(root)
    assert [len(part) for part in parts.values()] == [6, 2, 2]
    assert any("group_pattern" in problem for problem in division.problems)
    confirmed, same = split(root, group_pattern="(.+)")
    assert [len(part) for part in same.values()] == [6, 2, 2]
    assert confirmed.problems == []


def test_one_file_with_another_name_does_not_end_the_guess(tmp_path: Path) -> None:
    names = {c: [f"{c}_{g}_{n}" for g in range(1, 6) for n in (1, 2)] for c in ("Jump", "Run")}
    names["Run"].append("bonus")
    division, parts = split(make(tmp_path / "one", names))
    scenes = [{name.split("_")[1] for name in part - {"bonus"}} for part in parts.values()]
    assert sum(map(len, scenes)) == len(set().union(*scenes)) == 5
    assert sum(map(len, parts.values())) == 21
    assert any("bonus.avi" in problem for problem in division.problems)
    names["Run"] += ["a", "b"]  # more than one in ten: then it was no pattern
    assert any("bonus" not in p and "group_pattern" in p for p in split(make(tmp_path / "two", names))[0].problems)


def test_a_guess_without_groups_in_two_classes_is_doubted(tmp_path: Path) -> None:
    names = {c: [f"at {g} {n}" for g in c for n in (1, 2)] for c in ("xyz", "uvw")}
    division, parts = split(make(tmp_path, names))
    assert all(parts.values())
    assert any("two classes" in problem for problem in division.problems)


def test_a_pattern_can_name_the_class(tmp_path: Path) -> None:
    root = make(tmp_path, {c: [f"{c}{g}{n}" for g in "abc" for n in (1, 2)] for c in ("walk", "run")})
    division, parts = split(root, group_pattern="^<class>(.)")
    assert {video.group for video in division.videos} == set("abc")
    assert [len(part) for part in parts.values()] == [4, 4, 4]


def test_groups_that_are_numbers(tmp_path: Path) -> None:
    """The command line turns [01,03] into whole numbers."""
    root = make(tmp_path, {c: [f"{c}_0{g}_{n}" for g in (1, 2, 3) for n in (1, 2)] for c in ("1", "2")})
    division, parts = split(root, val_groups=[1], test_groups=["03"], classes=[2, 1])
    assert division.classes == ["2", "1"]
    assert {name.split("_")[1] for name in parts["val"]} == {"01"}
    assert {name.split("_")[1] for name in parts["test"]} == {"03"}
    with pytest.raises(LstmzooError, match=r"unknown group '4'.*Valid: 01, 02, 03"):
        split(root, test_groups=[4])


def test_real_clips_are_divided_by_scene(real_data: Path) -> None:
    division, parts = split(real_data / "actions")
    scenes = [{name.split("_")[1] for name in part} for part in parts.values()]
    assert scenes[0].isdisjoint(scenes[2])
    assert sum(map(len, parts.values())) == 150
    assert not division.absent("test")
