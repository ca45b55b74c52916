"""KTH: every irregularity of the published files, the protocols, and what people are told."""

from __future__ import annotations

import itertools
import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmzoo.actions.data import kth
from lstmzoo.actions.data.kth_files import find_videos
from lstmzoo.actions.data.kth_protocols import PROTOCOLS, split_persons
from lstmzoo.actions.data.segments import clamp_ranges
from lstmzoo.data import KTH
from lstmzoo.errors import DataError, DataWarning, LstmzooError
from lstmzoo.io.split_names import UNIONS
from tiny_data import KTH_HEADER, declare_frames, read_number, write_kth, write_video

MakeKTH = Callable[..., Path]

LONG_HEADER = """
=== Action database ===
This database contains six types of human actions (walking, jogging, running, boxing, hand waving and
hand clapping) performed several times by 25 subjects in four different scenarios: outdoors d1, outdoors with
scale variation d2, outdoors with different clothes d3 and indoors d4. 2391 sequences, 25 fps, 160x120 pixels.
See "Recognizing Human Actions: A Local SVM Approach", ICPR 2004, vol. 3, pp. 32-36.

File names: person01_walking_d1_uncomp.avi and so on; frames are counted from 1.
person11, 12, 13-18 were used to train.

"""

RECORDS = """person01_boxing_d1\t\tframes\t1-95, 96-185, 186-245, 246-360
person13_handclapping_d3\t*missing*

person07_handwaving_d2    \tframes\t1-204, 205-422
person07_jogging_d4\t\tframes\t300-350, 1-50, 40-60
person11_boxing_d4   \t\tframes 5-9
"""

EXPECTED = {
    "person01_boxing_d1": [(1, 95), (96, 185), (186, 245), (246, 360)],
    "person13_handclapping_d3": [],
    "person07_handwaving_d2": [(1, 204), (205, 422)],
    "person07_jogging_d4": [(300, 350), (1, 50), (40, 60)],
    "person11_boxing_d4": [(5, 9)],
}


def parse(tmp_path: Path, text: str) -> dict[str, list[tuple[int, int]]]:
    path = tmp_path / "00sequences.txt"
    path.write_bytes(text.encode())
    return kth.parse_sequences(path)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("header", ["", KTH_HEADER, LONG_HEADER])
def test_records_are_known_by_their_form(tmp_path: Path, header: str, line_end: str) -> None:
    assert parse(tmp_path, (header + RECORDS).replace("\n", line_end)) == EXPECTED
    assert list(parse(tmp_path, header + RECORDS)) == list(EXPECTED)


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(0, 300)), min_size=1, max_size=6), st.data())
def test_any_ranges_come_back(tmp_path_factory: Any, ranges: list[tuple[int, int]], data: st.DataObject) -> None:
    pairs = [(first, first + length) for first, length in ranges]
    blanks = data.draw(st.sampled_from(["\t", "\t\t", "   \t", " "]))
    text = data.draw(st.sampled_from([KTH_HEADER, LONG_HEADER])) + (
        f"person02_walking_d3{blanks}frames{blanks}{', '.join(f'{a}-{b}' for a, b in pairs)}\n"
    )
    assert parse(tmp_path_factory.getbasetemp(), text) == {"person02_walking_d3": pairs}


def test_the_published_file(real_data: Path) -> None:
    sequences = kth.parse_sequences(real_data / "kth" / "00sequences.txt")
    ranges = list(itertools.chain(*sequences.values()))
    assert len(sequences) == 600
    assert [name for name, found in sequences.items() if not found] == ["person13_handclapping_d3"]
    assert len(ranges) == 2391
    assert sum(last - first + 1 for first, last in ranges) == 227_637
    assert min(last - first + 1 for first, last in ranges) == 24
    three = {name for name, found in sequences.items() if len(found) == 3}
    assert three == {
        "person11_boxing_d4",
        "person13_handwaving_d3",
        "person14_handwaving_d3",
        "person15_boxing_d4",
        "person22_boxing_d1",
    }
    assert sequences["person07_jogging_d4"] != sorted(sequences["person07_jogging_d4"])
    counts = {
        split: sum(len(found) for name, found in sequences.items() if int(name[6:8]) in persons)
        for split, persons in split_persons()._asdict().items()
    }
    assert counts == {"train": 760, "val": 768, "test": 863}


BROKEN = [
    "person01_boxing_d2\t\tframes\t1-95, 96-",
    "person01_boxing_d2\t\tframes\t",
    "person01_boxing_d2\t\tframes\t1-95; 96-185",
    "person01_boxing_d2",
    "person01_boxing_d2\t\t1-95, 96-185",
    "person01_boxing_d2frames 1-95",
    "persn01_boxing_d2\tframes\t1-95",
    "1-95, 96-185",
    "person1_boxing_d2\tframes\t1-95",
    "person26_boxing_d2\tframes\t1-95",
    "person01_boxing_d5\tframes\t1-95",
    "person01_boxing_d2\tframes\t95-1",
    "person01_boxing_d2\tframes\t0-95",
    "person01_boxing_d2\tmissing*",
    "person01_boxing_d1\tframes\t1-95",  # contradicts the first record
]


@pytest.mark.parametrize("line", BROKEN)
def test_broken_lines_are_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError) as caught:
        parse(tmp_path, KTH_HEADER + RECORDS + line + "\n")
    number = (KTH_HEADER + RECORDS).count("\n") + 1
    assert re.search(rf"00sequences\.txt, line {number}\b", str(caught.value))
    assert repr(line.strip()) in str(caught.value)


@pytest.mark.parametrize("line", [line for line in BROKEN[:13] if line != "1-95, 96-185"])
def test_a_broken_first_record_is_not_taken_for_prose(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match="line"):
        parse(tmp_path, KTH_HEADER + line + "\n" + RECORDS)


def test_unknown_action_has_a_near_match(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 1.*'boxng'.*'boxing'"):
        parse(tmp_path, "person01_boxng_d2\tframes\t1-95\n")


def test_identical_duplicates_are_fine(tmp_path: Path) -> None:
    assert parse(tmp_path, RECORDS + RECORDS) == EXPECTED


@pytest.mark.parametrize("text", ["", KTH_HEADER, LONG_HEADER])
def test_no_records(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="person01_boxing_d1 frames"):
        parse(tmp_path, text)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"00sequences\.txt"):
        kth.parse_sequences(tmp_path / "00sequences.txt")


@given(st.integers(0, 200), st.lists(st.tuples(st.integers(1, 150), st.integers(0, 80)), max_size=8))
def test_clamping(frames: int, pairs: list[tuple[int, int]]) -> None:
    ranges = [(first, first + length) for first, length in pairs]
    kept, changes = clamp_ranges(ranges, frames)
    assert kept == [(a, min(b, frames)) for a, b in ranges if a <= frames]
    assert len(changes) == sum(b > frames for _, b in ranges)


# ---------------------------------------------------------------- protocols


@given(
    st.sampled_from(PROTOCOLS), st.integers(0, 30), st.integers(3, 25), st.integers(0, 99), st.sets(st.integers(1, 25))
)
def test_no_person_is_in_two_splits(protocol: str, fold: int, folds: int, seed: int, persons: set[int]) -> None:
    try:
        split = split_persons(protocol, persons=persons, fold=fold, folds=folds, seed=seed)
    except LstmzooError:
        assert protocol in ("leave_one_out", "kfold")
        return
    assert not split.train & split.val
    assert not split.train & split.test
    assert not split.val & split.test
    assert split.of("all") == persons
    assert split.of("trainval") == persons - split.test
    assert split == split_persons(protocol, persons=persons, fold=fold, folds=folds, seed=seed)


def test_official_and_16_9() -> None:
    official, merged = split_persons("official"), split_persons("16/9")
    assert [len(persons) for persons in official] == [8, 8, 9]
    assert official.train == set(range(11, 19))
    assert official.val == {19, 20, 21, 23, 24, 25, 1, 4}
    assert merged == (official.train | official.val, frozenset(), official.test)


def test_folds_test_everyone_once() -> None:
    tests = [split_persons("kfold", fold=fold, folds=5) for fold in range(5)]
    assert sorted(itertools.chain(*(split.test for split in tests))) == list(range(1, 26))
    assert [split.val for split in tests] == [tests[(fold + 1) % 5].test for fold in range(5)]
    assert split_persons("kfold", seed=1) != split_persons("kfold", seed=2)
    for person in range(1, 26):
        assert split_persons("leave_one_out", fold=person).test == {person}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "offical"}, "'official'"),
        ({"protocol": "leave_one_out"}, " 1, 2, .*not 0"),
        ({"protocol": "leave_one_out", "fold": 26}, "not 26"),
        ({"protocol": "kfold", "fold": 5}, "fold=5 .* 4"),
        ({"protocol": "kfold", "folds": 2}, "folds=2 .*3"),
        ({"protocol": "kfold", "folds": 26}, "folds=26 .*25"),
    ],
)
def test_wrong_protocols(options: dict[str, Any], message: str) -> None:
    with pytest.raises(LstmzooError, match=message):
        split_persons(**options)


def test_wrong_split() -> None:
    with pytest.raises(LstmzooError, match=r"'tset'.*'test'"):
        split_persons().of("tset")
    assert all(split_persons().of(split) for split in UNIONS)


# ---------------------------------------------------------------- the data set

SMALL = {
    "person11_boxing_d1": [(1, 10), (8, 20)],
    "person12_walking_d2": [(11, 20), (1, 4)],
    "person19_jogging_d3": [(1, 20)],
    "person22_running_d4": [(3, 3)],
    "person13_handclapping_d3": None,
}


def quiet(*args: Any, **options: Any) -> KTH:
    """Open a data set that must not give rise to any warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return KTH(*args, **options)


@pytest.mark.parametrize("layout", ["flat", "folders"])
def test_segments_follow_the_file(make_kth: MakeKTH, layout: str) -> None:
    root = make_kth(SMALL, layout=layout)
    data = quiet(root, "train", size=(48, 96), clip_len=4, frame_interval=1)
    found = [(s.video, s.first, s.last, data.classes[s.label], s.group, s.scenario) for s in data.segments]
    assert found == [
        ("person11_boxing_d1", 0, 10, "boxing", "person11", "d1"),
        ("person11_boxing_d1", 7, 20, "boxing", "person11", "d1"),
        ("person12_walking_d2", 10, 20, "walking", "person12", "d2"),
        ("person12_walking_d2", 0, 4, "walking", "person12", "d2"),
    ]
    assert data.classes == list(kth.ACTIONS)
    assert data.train
    assert data.augment is not None


def test_first_and_last_frame_are_the_files(make_kth: MakeKTH) -> None:
    """Frame 1 of 00sequences.txt is frame 0 of the video, and the last frame of a range belongs to it."""
    data = quiet(make_kth(SMALL), "test", size=(48, 96), clip_len=3, frame_interval=1)
    assert [read_number(frame[0].numpy())[0] for frame in data[0]["video"]] == [2, 2, 2]  # 3-3
    whole = quiet(data.root, "val", size=(48, 96), clip_len=20, frame_interval=1)
    assert [read_number(frame[0].numpy())[0] for frame in whole[0]["video"]] == list(range(20))  # 1-20
    assert not whole.train


def test_splits_and_clips(make_kth: MakeKTH) -> None:
    root = make_kth(SMALL)
    sizes = {split: len(quiet(root, split, num_clips=3)) for split in UNIONS}
    assert sizes == {"train": 12, "val": 3, "test": 3, "trainval": 15, "all": 18}
    assert len(quiet(root, "train", protocol="16/9")) == 5
    assert len(quiet(root, "val", protocol="16/9")) == 0
    assert len(quiet(root, "val", protocol="leave_one_out", fold=11)) == 0
    assert {s.group for s in quiet(root, "test", protocol="leave_one_out", fold=11).segments} == {"person11"}
    folds = [{s.group for s in quiet(root, "test", protocol="kfold", fold=f, folds=4).segments} for f in range(4)]
    assert sorted(map(sorted, folds)) == [[], ["person11"], ["person12"], ["person19"], ["person22"]][1:]


def test_mixed_layout_names_without_uncomp_and_other_files(make_kth: MakeKTH) -> None:
    root = make_kth(SMALL)
    (root / "boxing" / "person11_boxing_d1_uncomp.avi").rename(root / "person11_boxing_d1.AVI")
    (root / "walking" / "notes.txt").write_text("person12")
    (root / ".hidden").mkdir()
    write_video(root / ".hidden" / "person12_walking_d2.avi", 5)
    assert len(quiet(root, "all")) == 6
    assert find_videos(root).paths["person11_boxing_d1"].parent == root


def test_the_same_video_twice(make_kth: MakeKTH) -> None:
    root = make_kth(SMALL)
    write_video(root / "person12_walking_d2.avi", 20)
    with pytest.warns(DataWarning, match=r"person12_walking_d2 .*2 .*_uncomp\.avi"):
        data = KTH(root, "train")
    assert {s.path.name for s in data.segments} == {"person11_boxing_d1_uncomp.avi", "person12_walking_d2.avi"}
    quiet(root, "val")  # the other splits are not bothered with it


def test_few_missing_videos_are_listed_in_one_warning(make_kth: MakeKTH) -> None:
    root = make_kth({f"person{n}_boxing_d{d}": [(1, 9)] for n in (11, 12, 13) for d in (1, 2, 3, 4)})
    for path in sorted(root.rglob("*.avi"))[:8]:
        path.unlink()
    with pytest.warns(DataWarning) as caught:
        data = KTH(root, "train")
    assert len(caught) == 1
    assert "8 videos of 00sequences.txt" in str(caught[0].message)
    assert "and 2 more" in str(caught[0].message)
    assert len(data) == 4


def test_no_videos_no_list_no_folder(make_kth: MakeKTH, tmp_path: Path) -> None:
    remedy = r"lstmzoo data prepare kth root=.*lstmzoo data simulate kth root="
    with pytest.raises(DataError, match=f"nowhere.*{remedy}"):
        KTH(tmp_path / "nowhere")
    with pytest.raises(DataError, match=f"00sequences.txt.*{remedy}"):
        KTH(tmp_path)
    root = make_kth(SMALL)
    for path in root.rglob("*.avi"):
        path.unlink()
    with pytest.raises(DataError, match=f"2 videos of 00sequences.txt.*{remedy}"):
        KTH(root)


def test_a_file_cut_short(make_kth: MakeKTH) -> None:
    """Like person01_boxing_d4: declares 370 frames, about 304 decode."""
    ranges = [(1, 10), (15, 37), (31, 37), (5, 30)]
    root = make_kth({"person11_boxing_d4": ranges, "person11_boxing_d1": [(1, 30)]}, frames=30)
    declare_frames(root / "boxing" / "person11_boxing_d4_uncomp.avi", 37)
    with pytest.warns(DataWarning) as caught:
        data = KTH(root)
    (message,) = [str(warning.message) for warning in caught]
    assert "person11_boxing_d4_uncomp.avi declares 37 frames, 30 decode" in message
    assert "15-37 cut to 15-30, 31-37 left out" in message
    assert [(s.first, s.last) for s in data.segments] == [(0, 10), (14, 30), (4, 30), (0, 30)]
    for epoch in range(20):
        assert data[1, epoch]["video"].shape == (16, 1, 64, 64)


def test_undecodable_files(make_kth: MakeKTH) -> None:
    root = make_kth(SMALL)
    (root / "walking" / "person12_walking_d2_uncomp.avi").write_bytes(b"damaged")
    with pytest.warns(DataWarning, match=r"1 of 2 .*person12_walking_d2_uncomp\.avi"):
        assert len(KTH(root, "train")) == 2
    (root / "boxing" / "person11_boxing_d1_uncomp.avi").write_bytes(b"damaged")
    with pytest.raises(DataError, match="2 of 2"):
        KTH(root, "train")


def test_persons_that_are_not_there(make_kth: MakeKTH) -> None:
    root = make_kth({"person02_boxing_d1": [(1, 9)], "person03_boxing_d1": [(1, 9)]})
    with pytest.raises(DataError, match=r"'train'.* 2, 3\..*protocol=kfold"):
        KTH(root, "train")
    with pytest.warns(DataWarning, match="'val'"):
        assert len(KTH(root, "val")) == 0
    assert len(quiet(root, "train", protocol="leave_one_out", fold=2)) == 1


def test_a_video_without_ranges_is_named(make_kth: MakeKTH) -> None:
    root = make_kth(SMALL)
    write_video(root / "person13_handclapping_d3_uncomp.avi", 5)
    with pytest.warns(DataWarning, match="person13_handclapping_d3"):
        KTH(root, "train")


def test_the_cache_goes_where_it_is_sent(make_kth: MakeKTH, tmp_path: Path) -> None:
    root = make_kth(SMALL)
    quiet(root, "val", cache_dir=tmp_path / "elsewhere")
    assert not (root / ".lstmzoo_cache").exists()
    assert list((tmp_path / "elsewhere").rglob("*.npy"))
    quiet(root, "val")
    assert list((root / ".lstmzoo_cache").rglob("person19_jogging_d3*.npy"))


# ---------------------------------------------------------------- check


def test_check_counts_what_is_there(make_kth: MakeKTH) -> None:
    root = make_kth({**SMALL, "person02_boxing_d1": [(1, 20), (15, 25)]})
    (root / "running" / "person22_running_d4_uncomp.avi").unlink()
    (root / "jogging" / "person19_jogging_d3_uncomp.avi").write_bytes(b"x")
    write_video(root / "person11_boxing_d1.avi", 20)
    write_video(root / "person25_boxing_d1.avi", 4)
    report = kth.check(root)
    assert not report.complete
    assert not report.published
    assert not report.simulated
    assert report.missing == ["person22_running_d4"]
    assert list(report.undecodable) == ["person19_jogging_d3"]
    assert list(report.duplicates) == ["person11_boxing_d1"]
    assert report.unlisted == ["person25_boxing_d1"]
    assert "20 frames declared, 20 decode; sequences: 15-25 cut to 15-20" in report.damaged["person02_boxing_d1"]
    assert re.search(
        r"^Delete .*jogging_d3_uncomp\.avi.*, then run `lstmzoo data prepare kth root=",
        report.remedy,
    )
    test = report.splits["test"]
    assert (test.sequences, test.sequences_listed, test.sequences_published) == (2, 3, 863)
    assert (test.videos, test.videos_listed, test.videos_published) == (1, 2, 216)
    assert json.loads(json.dumps(report.as_dict()))["splits"]["train"]["videos"] == 2


def test_check_of_the_published_list(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "00sequences.txt").write_bytes((real_data / "kth" / "00sequences.txt").read_bytes())
    report = kth.check(tmp_path)
    assert report.published
    assert len(report.missing) == 599
    assert "person13_handclapping_d3" not in report.missing
    for count, numbers in zip(report.splits.values(), [(191, 760), (192, 768), (216, 863)], strict=True):
        assert (count.videos_listed, count.sequences_listed) == numbers
        assert (count.videos_published, count.sequences_published) == numbers


def test_complete_is_never_said_of_damaged_videos_but_of_what_was_published_short(tmp_path: Path) -> None:
    """The published person01_boxing_d4 declares 370 frames, of which about 304 decode; its last range ends at 370."""
    ranges = {"person01_boxing_d4": [(1, 8), (9, 24)], "person02_boxing_d4": [(1, 20)]}
    report = kth.check(write_kth(tmp_path / "published", ranges))
    assert list(report.as_published) == ["person01_boxing_d4"]
    assert report.damaged == {}
    assert report.complete
    (tmp_path / "published" / "simulated.json").write_text("{}")  # a simulated one is whole
    assert list(kth.check(tmp_path / "published").damaged) == ["person01_boxing_d4"]
    ranges = {"person01_boxing_d4": [(1, 8), (21, 24)], "person02_boxing_d4": [(1, 20)]}  # more is missing
    report = kth.check(write_kth(tmp_path / "worse", ranges))
    assert list(report.damaged) == ["person01_boxing_d4"]
    assert not report.complete
    assert report.remedy


def test_one_person_is_not_complete(tmp_path: Path) -> None:
    report = kth.check(write_kth(tmp_path, {"person01_boxing_d1": [(1, 20)]}))
    assert not report.complete
    assert report.remedy


def test_check_accepts_a_complete_folder(tmp_path: Path) -> None:
    report = kth.check(write_kth(tmp_path, SMALL))
    assert report.complete
    assert report.remedy == ""
    assert report.persons == [11, 12, 13, 19, 22]
