"""The simulated KTH: real files in the real layout, and gaits that only time tells apart."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations, pairwise, product
from pathlib import Path
from subprocess import PIPE
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmzoo.actions.data import kth_simulator as simulator
from lstmzoo.actions.data.kth_check import check
from lstmzoo.actions.data.kth_files import ACTIONS, parse_sequences
from lstmzoo.actions.data.kth_simulated import SimulatedKTH
from lstmzoo.actions.data.kth_simulator import simulate_kth
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.io.clips import ClipSampler
from lstmzoo.synthetic import gait
from lstmzoo.synthetic import person_video as film

GAITS = ("walking", "jogging", "running")
STANDING = ("boxing", "handclapping", "handwaving")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two persons, all actions, one scenario."""
    root = tmp_path_factory.mktemp("data") / "kth"
    return simulate_kth(root, persons=2, scenarios=1, workers=1)


def decode(path: Path) -> np.ndarray:
    """Read all frames of a video: (N, 120, 160) uint8."""
    capture, frames = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        frames.append(read[1])
    pictures = np.stack(frames)
    assert (pictures == pictures[..., :1]).all()  # grey
    return pictures[..., 0]


def video(root: Path, person: int, action: str, scenario: int = 1) -> Path:
    return root / action / f"person{person:02d}_{action}_d{scenario}_uncomp.avi"


def segments(root: Path, person: int, action: str) -> list[np.ndarray]:
    """Decode the annotated frames of a video, one array per range."""
    frames = decode(video(root, person, action))
    ranges = parse_sequences(root / "00sequences.txt")[f"person{person:02d}_{action}_d1"]
    return [frames[first - 1 : last] for first, last in ranges]


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# -- Files ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_video_is_a_real_file_whose_ranges_lie_inside_it(small: Path) -> None:
    ranges = parse_sequences(small / "00sequences.txt")
    expected = {f"person{person:02d}_{action}_d1" for person in (1, 2) for action in ACTIONS}
    assert set(ranges) == expected == {path.stem.removesuffix("_uncomp") for path in small.glob("*/*.avi")}
    for key, found in ranges.items():
        path = next(small.glob(f"*/{key}_uncomp.avi"))
        capture = cv2.VideoCapture(str(path))
        code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little")
        assert code in (b"XVID", b"FMP4", b"DIVX")
        assert capture.get(cv2.CAP_PROP_FPS) == 25
        frames = decode(path)
        assert frames.shape[1:] == (120, 160)
        assert len(found) == 4
        assert found[0][0] == 1
        assert all(first < last for first, last in found)
        assert all(before[1] < after[0] for before, after in pairwise(found))
        assert found[-1][1] <= len(frames)
        if path.parent.name in STANDING:  # without gaps, to the last frame
            assert all(before[1] + 1 == after[0] for before, after in pairwise(found))
            assert found[-1][1] == len(frames)


def test_the_loader_takes_it_for_a_complete_set(small: Path) -> None:
    report = check(small)
    assert report.simulated
    assert report.complete


def test_sequences_file_has_the_published_form(small: Path) -> None:
    text = (small / "00sequences.txt").read_bytes()
    assert text.isascii()
    assert text.startswith(b"\r\nThis database contains")
    assert text.count(b"\n") == text.count(b"\r\n") == text.count(b"\r")
    lines = text.decode().split("\r\n")
    records = [line for line in lines if line.startswith("person")]
    form = r"person\d\d_(boxing|handwaving|jogging|running|walking)_d1\t\tframes\t\d+-\d+(, \d+-\d+){3}"
    clapping = r"person\d\d_handclapping_d1\tframes\t\d+-\d+(, \d+-\d+){3}"
    assert len(records) == 12
    assert all(re.fullmatch(f"{form}|{clapping}", record) for record in records)
    assert lines[lines.index(records[6]) - 1] == ""  # persons are set apart


def test_same_form_as_the_real_sequences_file(small: Path, real_data: Path) -> None:
    def shape(path: Path) -> set[str]:
        lines = [line for line in path.read_bytes().decode().split("\n") if line.startswith("person")]
        return {re.sub(r"\d+-\d+", "R", re.sub(r"person\d\d|d\d", "N", line)) for line in lines}

    published = real_data / "kth" / "00sequences.txt"
    if not published.exists():
        pytest.skip(f"no {published}")
    assert shape(small / "00sequences.txt") <= shape(published)


@pytest.mark.slow
def test_workers_and_subsets_do_not_change_the_frames(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator, "_VIDEOS_PER_START", 1)
    other = simulate_kth(tmp_path / "kth", persons=1, actions=["running", "boxing"], scenarios=1, workers=2)
    assert len(list(other.glob("*/*.avi"))) == 2
    for action in ("running", "boxing"):
        np.testing.assert_array_equal(decode(video(small, 1, action)), decode(video(other, 1, action)))


def test_seeds_and_persons_and_scenarios_differ(small: Path) -> None:
    def first(person: int, scenario: int, seed: int) -> np.ndarray:
        return next(film.shoot(person, "boxing", scenario, seed)).astype(int)

    pictures = [first(1, 1, 0), first(1, 1, 1), first(2, 1, 0), first(1, 2, 0), first(1, 3, 0), first(1, 4, 0)]
    assert all(np.abs(one - other).mean() > 5 for one, other in combinations(pictures, 2))


def test_a_second_call_completes_and_extends(tmp_path: Path) -> None:
    options: dict[str, Any] = {"persons": 1, "actions": ["running"], "workers": 1}
    root = simulate_kth(tmp_path / "kth", scenarios=2, **options)
    before = files(root)
    kept = video(root, 1, "running", 2).stat()
    video(root, 1, "running", 1).unlink()
    (root / "00sequences.txt").unlink()
    (root / ".partial").mkdir()
    (root / ".partial" / "left.avi").write_bytes(b"half")
    simulate_kth(root, scenarios=2, **options)
    assert files(root) == before
    assert video(root, 1, "running", 2).stat().st_mtime_ns == kept.st_mtime_ns
    simulate_kth(root, scenarios=3, **options)
    assert set(files(root)) == {*before, str(video(Path(), 1, "running", 3))}
    assert len(parse_sequences(root / "00sequences.txt")) == 3
    simulate_kth(root, scenarios=1, **options)  # asks for less: nothing is lost
    assert len(parse_sequences(root / "00sequences.txt")) == 3


def test_an_interrupted_call_leaves_only_whole_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stops_in_second(person: int, action: str, scenario: int, *settings: int) -> Iterator[np.ndarray]:
        for number, picture in enumerate(film.shoot(person, action, scenario, *settings)):
            if scenario == 2 and number == 20:
                raise KeyboardInterrupt
            yield picture

    options: dict[str, Any] = {"persons": 1, "actions": ["running"], "scenarios": 2, "workers": 1}
    monkeypatch.setattr(simulator, "shoot", stops_in_second)
    with pytest.raises(KeyboardInterrupt):
        simulate_kth(tmp_path, **options)
    monkeypatch.undo()
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*.avi")] == [video(Path(), 1, "running", 1)]
    assert not (tmp_path / "00sequences.txt").exists()
    simulate_kth(tmp_path, **options)
    assert len(decode(video(tmp_path, 1, "running", 2))) == len(film.write_script(1, "running", 2, 0).x)


@contextmanager
def little_room(limit: int) -> Iterator[None]:
    """Let no file grow beyond `limit` bytes, which programs meet like a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("limit", [0, 4096, 100_000])
def test_a_full_disk_leaves_no_broken_video(tmp_path: Path, limit: int) -> None:
    options: dict[str, Any] = {"persons": 1, "actions": ["running"], "scenarios": 1, "workers": 1}
    root = tmp_path / "kth"
    with little_room(limit), pytest.raises(LstmzooError, match=f"cannot write .*{root.name}.*room"):
        simulate_kth(root, **options)
    assert not list(root.rglob("*.avi"))
    assert not (root / "00sequences.txt").exists()
    simulate_kth(root, **options)  # as soon as there is room
    assert check(root).damaged == {}


def test_videos_that_an_earlier_full_disk_cut_short_are_made_again(tmp_path: Path) -> None:
    options: dict[str, Any] = {"persons": 2, "actions": ["running"], "scenarios": 1, "workers": 1}
    root = simulate_kth(tmp_path / "kth", **options)
    before = files(root)
    assert check(root).complete
    first, second = (video(root, person, "running") for person in (1, 2))
    first.write_bytes(b"")
    second.write_bytes(second.read_bytes()[:60_000])  # some frames decode
    report = check(root)
    assert (list(report.damaged), list(report.undecodable)) == (["person02_running_d1"], ["person01_running_d1"])
    assert not report.complete
    simulate_kth(root, **options)
    assert files(root) == before


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_process_that_started_them(tmp_path: Path, number: signal.Signals) -> None:
    """Those of `concurrent.futures` wait for ever (https://github.com/python/cpython/issues/111873)."""
    words = ["data", "simulate", "kth", f"root={tmp_path}/kth", "persons=6", "scenarios=1", "workers=2"]
    process = subprocess.Popen([sys.executable, "-m", "lstmzoo", *words], stdout=PIPE, stderr=PIPE)
    while process.poll() is None and not list(tmp_path.glob("kth/.partial/*.avi")):
        time.sleep(0.05)
    process.send_signal(number)
    process.communicate(timeout=100)  # returns when nobody holds its standard output any more
    assert process.returncode == (-9 if number == signal.SIGKILL else 143)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"persons": 0}, "persons=0 .* 1 to 25"),
        ({"persons": None}, "persons=None .* 1 to 25"),
        ({"seed": None}, "seed=None .* 0 or more"),
        ({"workers": 0.5}, "workers=0.5 .* 1 or more"),
        ({"persons": 26}, "persons=26 .* 1 to 25"),
        ({"scenarios": 5}, "scenarios=5 .* 1 to 4"),
        ({"actions": ["walkin"]}, r"'walkin'.*'walking'"),
        ({"actions": []}, "walking"),
        ({"seed": -1}, "seed=-1"),
        ({"workers": 0}, "workers=0"),
    ],
)
def test_options_out_of_range_are_named(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(LstmzooError, match=message):
        simulate_kth(tmp_path / "kth", **options)
    assert not (tmp_path / "kth").exists()


def test_other_folders_are_refused(small: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match=r"mine .*KTH"):
        simulate_kth(tmp_path / "mine", persons=1)
    with pytest.raises(DataError, match=r"thesis\.txt"):
        simulate_kth(tmp_path / "mine" / "thesis.txt", persons=1)
    assert files(tmp_path) == {"mine/thesis.txt": b"years of work"}
    with pytest.raises(DataError, match=r"'seed': 0.*'seed': 1"):
        simulate_kth(small, persons=1, seed=1)


# -- Gaits: one frame tells nothing, time tells all -----------------------------------------------------------------


PUBLISHED = {"walking": (62, 101), "jogging": (42, 64), "running": (26, 47)}  # frames of a sequence: least, median


def crossings(action: str, person: int, scenario: int, seed: int = 3) -> list[dict[str, np.ndarray]]:
    """What a script says of its four ranges, by the names of its fields."""
    script = film.write_script(person, action, scenario, seed)
    fields = ("phase", "x", "row", "height", "yaw", "zoom")
    return [{name: getattr(script, name)[first - 1 : last] for name in fields} for first, last in script.ranges]


@pytest.mark.parametrize("scenario", [1, 2])
def test_gaits_go_the_same_ways(scenario: int) -> None:
    """Place, size, heading and zoom are the same functions of the share of a range, at every speed."""
    for person in range(1, 26):
        ways = [crossings(action, person, scenario) for action in GAITS]
        for crossing in zip(*ways, strict=True):
            shares = [(np.arange(len(way["x"])) + 0.5) / len(way["x"]) for way in crossing]
            for name, room in (("x", 8.0), ("row", 4.0), ("height", 4.0), ("yaw", 1e-9), ("zoom", 0.05)):
                one, *others = (
                    np.interp(np.linspace(0.05, 0.95), s, w[name]) for s, w in zip(shares, crossing, strict=True)
                )
                for other in others:  # up to the way of two frames
                    np.testing.assert_allclose(other, one, atol=room, err_msg=name)


def test_whichever_frames_are_looked_at_places_and_poses_are_as_likely_at_every_speed() -> None:
    """Clips of 16 frames, 2 apart, at random places; short ranges are looped, and all may run over the end."""
    rng, sampler = np.random.default_rng(0), ClipSampler(16, 2, closed=SimulatedKTH.closed)
    places, poses = {}, {}
    for action in GAITS:
        columns, phases = [], []
        for seed, person, scenario in product(range(4), range(1, 26), (1, 2, 3, 4)):
            for way in crossings(action, person, scenario, seed):
                clip = sampler.random(len(way["x"]), rng)
                columns.append((way["x"][clip] + 20) / 200)  # a little beyond both edges
                phases.append(way["phase"][clip] % 1)
        places[action] = np.histogram(np.concatenate(columns), bins=10, range=(0, 1))[0] / np.size(columns)
        poses[action] = np.histogram(np.concatenate(phases), bins=10, range=(0, 1))[0] / np.size(phases)
    for shares in (places, poses):
        for one, other in combinations(shares.values(), 2):
            np.testing.assert_allclose(one, other, atol=0.008)  # tenths of the way, and of the cycle


def test_sequences_cover_the_presence() -> None:
    """People come in and leave inside a sequence; between two sequences nobody is in sight."""
    for action, person, scenario in product(GAITS, range(1, 26), (1, 2, 3, 4)):
        script = film.write_script(person, action, scenario, seed=3)
        across = np.abs(script.x - 80) * script.zoom - 0.1 * script.height * script.zoom > 80
        hidden = across | ((script.row - script.height - 100) * script.zoom + 100 > 119)
        inside = np.zeros(len(script.x), bool)
        for first, last in script.ranges:
            inside[first - 1 : last] = True
            assert hidden[first - 1]
            assert hidden[last - 1]
            assert 0.5 < 1 - hidden[first - 1 : last].mean() < 0.97
        assert hidden[~inside].all()


def test_sequences_on_the_spot_end_as_they_begin() -> None:
    for action, person, scenario in product(STANDING, (1, 2), (1, 2)):
        for way in crossings(action, person, scenario):
            step = np.diff(way["phase"])
            cycles = way["phase"][-1] + step[-1] - way["phase"][0]
            assert cycles == pytest.approx(round(cycles))
            assert len(way["phase"]) >= 42


def test_decoded_gaits_have_the_same_frame_statistics(small: Path) -> None:
    for person in (1, 2):
        frames = {action: np.concatenate(segments(small, person, action)).astype(np.float32) for action in GAITS}
        means = np.array([frames[action].mean() for action in GAITS])
        grain = np.array([np.abs(np.diff(frames[action], axis=2)).mean() for action in GAITS])
        assert np.ptp(means) < 0.3
        assert np.ptp(grain) < 0.02 * grain.mean()  # compression and noise look alike
        # The mean pictures agree wherever figures pass, up to the chance of a few dozen frames.
        blurred = [cv2.GaussianBlur(frames[action].mean(axis=0), (0, 0), 4) for action in GAITS]
        assert max(np.abs(one - other).max() for one, other in combinations(blurred, 2)) < 8


def test_lengths_are_those_of_the_published_sequences() -> None:
    lengths, cycle = {}, {}
    for action in GAITS:
        product_of = product(range(1, 26), (1, 2, 3, 4), range(3))
        found = [way for person, scenario, seed in product_of for way in crossings(action, person, scenario, seed)]
        lengths[action] = np.array([len(way["x"]) for way in found])
        cycle[action] = np.array([1 / np.diff(way["phase"]).mean() for way in found])
        least, median = PUBLISHED[action]
        assert np.median(lengths[action]) == pytest.approx(median, rel=0.1)
        assert lengths[action].min() == pytest.approx(least, rel=0.25)
    for slower, faster in pairwise(GAITS):
        assert np.median(cycle[slower]) > 1.1 * np.median(cycle[faster])
        assert lengths[slower].min() < np.percentile(lengths[faster], 95)  # they overlap


@pytest.mark.slow
def test_the_decoded_figure_moves_as_the_script_says(small: Path) -> None:
    for person, action in product((1, 2), GAITS):
        frames, script = decode(video(small, person, action)), film.write_script(person, action, 1, seed=0)
        change = np.abs(frames.astype(np.float32) - np.median(frames, axis=0))
        figure = np.stack([cv2.blur(one, (3, 3)) for one in change])
        figure = figure > 0.3 * figure.max()
        columns = (figure * np.arange(160)).sum(axis=(1, 2)) / figure.sum(axis=(1, 2)).clip(1)
        inside = (script.x > 35) & (script.x < 125)  # wholly in the image
        assert np.corrcoef(script.x[inside], columns[inside])[0, 1] > 0.95


# -- Poses ------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), pose=st.sampled_from([gait.travel, gait.box, gait.clap, gait.wave]))
def test_bones_keep_their_length_and_poses_repeat(seed: int, pose: Any) -> None:
    style, phase = gait.random_style(np.random.default_rng(seed)), np.linspace(0, 1, 41)
    joints = pose(phase, style)
    for side in ("left", "right"):
        thigh = np.linalg.norm(joints[f"{side}_knee"] - joints[f"{side}_hip"], axis=-1)
        shin = np.linalg.norm(joints[f"{side}_ankle"] - joints[f"{side}_knee"], axis=-1)
        upper = np.linalg.norm(joints[f"{side}_elbow"] - joints[f"{side}_shoulder"], axis=-1)
        np.testing.assert_allclose(thigh, gait.THIGH, rtol=1e-6)
        np.testing.assert_allclose(shin, gait.SHIN, rtol=1e-6)
        np.testing.assert_allclose(upper, gait.UPPER_ARM, rtol=0.02)
    for name, point in joints.items():
        assert np.isfinite(point).all()
        np.testing.assert_allclose(point[0], point[-1], atol=1e-6, err_msg=name)
        assert point[:, 1].min() > -0.01, name  # nothing sinks into the ground


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_the_standing_foot_does_not_slide(seed: int) -> None:
    style, phase = gait.random_style(np.random.default_rng(seed)), np.linspace(0.1, 0.4, 31)
    ankle = gait.travel(phase, style)["left_ankle"][:, 0] + style.stride * phase
    assert np.ptp(ankle) < 0.01
