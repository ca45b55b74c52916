"""``lstmzoo predict`` and ``lstmzoo inspect`` as people run them, on small videos and untrained models."""

from __future__ import annotations

import csv
import json
import os
import pty
import resource
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from own_videos import classify_video

from lstmzoo.actions.data.kth import ACTIONS
from lstmzoo.actions.inspect import ActionInspector
from lstmzoo.actions.predict import ActionPredictor
from lstmzoo.cli import main
from lstmzoo.config.compose import compose
from lstmzoo.errors import DataWarning, LstmzooError
from lstmzoo.io.sources import FileSource, TimedFrame
from lstmzoo.models import load
from lstmzoo.runs import build
from lstmzoo.settings import settings_of
from lstmzoo.viz import video_file as film
from tiny_data import encode, write_video
from tiny_runs import SOURCE, overflowing, run, settings, write_tiny_kth


def save_checkpoint(path: Path, root: Path, *overrides: str) -> Path:
    """The checkpoint of a model as training would begin with it."""
    torch.manual_seed(0)
    config = compose("train", [*settings(root), *overrides])
    build.absolute_paths(config)
    task = build.build_task(config, list(ACTIONS))
    checkpoint: dict[str, Any] = {"state_dict": task.state_dict()}
    task.on_save_checkpoint(checkpoint)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, path)
    return path


RESULTS = ("labels.csv", "predicted.mp4")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny KTH, checkpoints of an LSTM and of its baseline without memory, and a folder of videos."""
    folder = tmp_path_factory.mktemp("cli")
    root = write_tiny_kth(folder / "kth")
    save_checkpoint(folder / "run" / "checkpoints" / "best.ckpt", root, "model=action_rnn")
    save_checkpoint(folder / "framewise.ckpt", root, "model=action_framewise")
    videos = folder / "videos"
    write_video(videos / "a.avi", 21)
    write_video(videos / "sub" / "a.avi", 9)
    write_video(videos / "same.avi", 6)
    write_video(videos / "same.mkv", 6)
    write_video(videos / "short.avi", 12, declared=40)
    (videos / "broken.avi").write_bytes(b"RIFF....AVI nothing else")
    (videos / "notes.txt").write_text("no video")
    return folder


def frames_in(path: Path) -> int:
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.grab():
        count += 1
    return count


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# predict


@pytest.mark.slow
def test_predict_one_video(workplace: Path, tmp_path: Path) -> None:
    video, output = workplace / "videos" / "a.avi", tmp_path / "out folder"
    ended = run("predict", f"ckpt_path={workplace / 'run'}", f"input={video}", f"output={output}", cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert names_in(output) == {"a_labels.csv", "a_predicted.mp4"}
    assert frames_in(output / "a_predicted.mp4") == 21

    model = load(workplace / "run")
    predictions = classify_video(model, video)
    rows = rows_of(output / "a_labels.csv")
    assert [(int(row["frame"]), row["label"]) for row in rows] == [(p.frame, p.label) for p in predictions]
    assert [row for row in rows[0] if row.startswith("p_")] == [f"p_{name}" for name in ACTIONS]
    for row, p in zip(rows, predictions, strict=True):
        assert [float(row[f"p_{name}"]) for name in ACTIONS] == pytest.approx(p.probabilities, abs=1e-3)
    assert "frames/s" in ended.out
    assert any(row["label"] in ended.out for row in rows)


@pytest.mark.slow
def test_predict_a_folder_with_a_damaged_video(workplace: Path, tmp_path: Path) -> None:
    arguments = (f"input={workplace / 'videos'}", "output=out", "stride=5", "max_frames=15", "device=cpu")
    ended = run("predict", f"ckpt_path={workplace / 'framewise.ckpt'}", *arguments, cwd=tmp_path)
    assert ended.code == 1
    assert "broken.avi" in ended.err
    assert "Traceback" not in ended.err
    assert "5 of 6 videos done" in ended.out
    stems = {"a", "sub/a", "same.avi", "same.mkv", "short"}
    tables, films = ({f"{stem}{end}" for stem in stems} for end in ("_labels.csv", "_predicted.mp4"))
    assert names_in(tmp_path / "out") == {*tables, *films, "summary.csv"}
    summary = {row["video"]: row for row in rows_of(tmp_path / "out" / "summary.csv")}
    assert set(summary) == {*stems, "broken"}
    assert summary["a"]["frames"] == "15"
    assert summary["sub/a"]["frames"] == "9"
    assert summary["broken"]["label"] == ""
    assert "broken.avi" in summary["broken"]["error"]
    assert "short.avi declares 40 frames, but only the first 12 decode" in ended.err


def test_earlier_results_are_not_taken_for_videos(workplace: Path, tmp_path: Path, capsys: Any) -> None:
    videos = tmp_path / "videos"
    write_video(videos / "a.avi", 5)
    arguments = [f"ckpt_path={workplace / 'run'}", f"input={videos}", f"output={videos / 'out'}"]
    for _ in range(2):
        assert main(["predict", *arguments]) == 0
    assert names_in(videos) == {"a.avi", "out/a_labels.csv", "out/a_predicted.mp4", "out/summary.csv"}
    assert main(["predict", *arguments[:2], f"output={videos}"]) == 2
    assert "choose another output" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["avi", "none"])
def test_other_video_formats(workplace: Path, tmp_path: Path, suffix: str) -> None:
    video = workplace / "videos" / "sub" / "a.avi"
    arguments = [f"ckpt_path={workplace / 'run'}", f"input={video}", f"output={tmp_path}", f"video={suffix}"]
    assert main(["predict", *arguments]) == 0
    assert names_in(tmp_path) == {"a_labels.csv"} | ({"a_predicted.avi"} if suffix == "avi" else set())


@pytest.mark.slow
def test_a_folder_of_frames_is_predicted_as_its_video(workplace: Path, tmp_path: Path) -> None:
    video, frames = write_video(tmp_path / "v.avi", 14), tmp_path / "set" / "frames"
    frames.mkdir(parents=True)
    capture = cv2.VideoCapture(str(video))
    for k in range(1, 15):
        cv2.imwrite(str(frames / f"{k}.png"), capture.read()[1])  # 1, 2, ... 10 without zeros
    checkpoint = f"ckpt_path={workplace / 'run'}"
    for source in (video, frames):
        assert main(["predict", checkpoint, f"input={source}", f"output={tmp_path / 'out'}"]) == 0
    assert rows_of(tmp_path / "out" / "frames_labels.csv") == rows_of(tmp_path / "out" / "v_labels.csv")
    assert names_in(tmp_path / "out") == {f"{name}_{end}" for name in ("v", "frames") for end in RESULTS}
    assert main(["inspect", checkpoint, f"input={frames}", f"output={tmp_path / 'look'}"]) == 0

    # A folder with such folders, videos whatever they are called, and other things, which are named.
    shutil.copy(video, tmp_path / "set" / "noext")
    shutil.copy(video, tmp_path / "set" / "b.TS")
    (tmp_path / "set" / "notes.txt").write_text("no video")
    arguments = [f"input={tmp_path / 'set'}", f"output={tmp_path / 'all'}", "video=none"]
    with pytest.warns(DataWarning, match=r"left out.*notes\.txt"):
        assert main(["predict", checkpoint, *arguments]) == 0
    assert names_in(tmp_path / "all") == {*(f"{n}_labels.csv" for n in ("frames", "noext", "b")), "summary.csv"}


@pytest.mark.slow
def test_outputs_that_are_not_finite_are_no_results(workplace: Path, tmp_path: Path, capsys: Any) -> None:
    broken = overflowing(workplace / "run" / "checkpoints" / "best.ckpt", tmp_path / "broken.ckpt")
    video, output = write_video(tmp_path / "in" / "a.avi", 9), tmp_path / "out"
    for command in (["predict", f"input={video}"], ["inspect", f"input={video}"], ["eval"], ["inspect"]):
        assert main([*command, f"ckpt_path={broken}", f"output={output}"]) == 2
        said = capsys.readouterr().err
        assert str(broken) in said
        assert "not finite" in said
        assert not output.exists()
    write_video(video.with_name("b.avi"), 9)
    with pytest.raises(SystemExit) as ended:
        main(["predict", f"ckpt_path={broken}", f"input={video.parent}", f"output={output}"])
    assert ended.value.code == 1
    assert names_in(output) == {"summary.csv"}
    assert [str(broken) in row["error"] for row in rows_of(output / "summary.csv")] == [True, True]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupt_keeps_what_was_seen(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, number: int, code: int
) -> None:
    """At frame 4,900 of 5,000 it would be a pity."""
    videos = tmp_path / "in"
    write_video(videos / "a.avi", 20)
    write_video(videos / "b.avi", 20)
    frames = FileSource.frames

    def interrupted(self: FileSource, max_frames: int | None = None) -> Iterator[TimedFrame]:
        for count, frame in enumerate(frames(self, max_frames)):
            if count == 12 and self.path.name == "b.avi":
                os.kill(os.getpid(), number)
            yield frame

    monkeypatch.setattr(FileSource, "frames", interrupted)
    output = tmp_path / "out"
    checkpoint = f"ckpt_path={workplace / 'run'}"
    assert main(["predict", checkpoint, f"input={videos / 'b.avi'}", f"output={output}"]) == code
    assert names_in(output) == {f"b_{end}" for end in RESULTS}
    assert frames_in(output / "b_predicted.mp4") == 11  # the look-ahead holds the twelfth
    assert [int(row["frame"]) for row in rows_of(output / "b_labels.csv")] == [3, 7]
    assert "b ends here" in capsys.readouterr().err

    output = tmp_path / "several"
    write_video(videos / "c.avi", 20)
    assert main(["predict", checkpoint, f"input={videos}", f"output={output}"]) == code
    assert names_in(output) == {*(f"{name}_{end}" for name in "ab" for end in RESULTS), "summary.csv"}
    assert [row["frames"] for row in rows_of(output / "summary.csv")] == ["20", "11"]


def test_a_second_signal_does_not_disturb_the_first(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`timeout` sends SIGTERM to its process and then to the group; some managers send SIGHUP after SIGTERM."""
    video = write_video(tmp_path / "in" / "a.avi", 12)
    frames, check = FileSource.frames, film._check_whole

    def interrupted(self: FileSource, max_frames: int | None = None) -> Iterator[TimedFrame]:
        for count, frame in enumerate(frames(self, max_frames)):
            if count == 10:
                os.kill(os.getpid(), signal.SIGTERM)
            yield frame

    def interrupted_again(*arguments: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
        check(*arguments)

    monkeypatch.setattr(FileSource, "frames", interrupted)
    monkeypatch.setattr(film, "_check_whole", interrupted_again)
    output = tmp_path / "out"
    assert main(["predict", f"ckpt_path={workplace / 'run'}", f"input={video}", f"output={output}"]) == 143
    assert names_in(output) == {f"a_{end}" for end in RESULTS}


def test_a_signal_that_is_ignored_stays_so(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under `nohup`."""
    video = write_video(tmp_path / "in" / "a.avi", 8)
    check = film._check_whole

    def interrupted(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        check(*arguments)

    monkeypatch.setattr(film, "_check_whole", interrupted)
    usual = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["predict", f"ckpt_path={workplace / 'run'}", f"input={video}", f"output={tmp_path / 'out'}"]) == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, usual)
    assert frames_in(tmp_path / "out" / "a_predicted.mp4") == 8


# lstmzoo that stands still at the sixth frame.
WAITING = """
import sys, time
from pathlib import Path
from lstmzoo.cli import main
from lstmzoo.io.sources import FileSource

usual = FileSource.frames

def waiting(self, max_frames=None):
    for count, frame in enumerate(usual(self, max_frames)):
        if count == 6:
            Path("ready").touch()
            time.sleep(60)
        yield frame

FileSource.frames = waiting
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_what_was_seen_is_kept_when_the_terminal_is_closed(workplace: Path, tmp_path: Path) -> None:
    """There is nothing to print to then: that is no reason to lose what is to be written."""
    video = write_video(tmp_path / "in" / "a.avi", 12)
    arguments = ["predict", f"ckpt_path={workplace / 'run'}", f"input={video}", f"output={tmp_path / 'out'}"]
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.environ.update(PYTHONPATH=str(SOURCE), OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
        os.execv(sys.executable, [sys.executable, "-c", WAITING, *arguments])
    deadline = time.monotonic() + 120
    while not (tmp_path / "ready").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 129
    assert names_in(tmp_path / "out") == {f"a_{end}" for end in RESULTS}
    assert frames_in(tmp_path / "out" / "a_predicted.mp4") == 5


def test_what_is_in_the_way_of_the_output_is_said_first(workplace: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "out").write_text("a file")
    videos = write_video(tmp_path / "in" / "a.avi", 3).parent
    assert main(["predict", f"ckpt_path={workplace / 'run'}", f"input={videos}", f"output={tmp_path / 'out'}"]) == 2
    printed = capsys.readouterr()
    assert "cannot make the folder" in printed.err
    assert "predicting" not in printed.out + printed.err


@pytest.mark.parametrize("suffix", ["mp4", "avi"])
def test_a_full_disk_leaves_no_broken_video(workplace: Path, tmp_path: Path, capsys: Any, suffix: str) -> None:
    """OpenCV's writer says nothing; with a limit on the size of files it cannot go on writing as on a full disk."""
    video, output = workplace / "videos" / "a.avi", tmp_path / "out"
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, usual[1]))
    try:
        code = main(
            ["predict", f"ckpt_path={workplace / 'run'}", f"input={video}", f"output={output}", f"video={suffix}"]
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert code == 2
    message = capsys.readouterr().err
    assert f"a_predicted.{suffix}" in message
    assert "room" in message
    assert names_in(tmp_path) == set()


@pytest.mark.parametrize("suffix", ["mp4", "avi"])
def test_a_disk_without_room_for_a_header_is_not_taken_for_an_opencv_without_codecs(
    tmp_path: Path, suffix: str
) -> None:
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, usual[1]))
    try:
        with pytest.raises(LstmzooError) as error, film.video_file(tmp_path / f"a.{suffix}", 25.0) as file:
            file.write(np.zeros((32, 48, 3), np.uint8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert "room" in str(error.value)
    assert "OpenCV" not in str(error.value)
    assert names_in(tmp_path) == set()


@pytest.mark.parametrize(
    ("size", "written"), [((9000, 40), (8190, 36)), ((30, 9000), (26, 8190)), ((9000, 1), (8190, 2))]
)
@pytest.mark.parametrize("suffix", ["mp4", "avi"])
def test_frames_too_large_for_the_codec_are_scaled_down(
    tmp_path: Path, capfd: Any, suffix: str, size: tuple[int, int], written: tuple[int, int]
) -> None:
    path, image = tmp_path / f"a.{suffix}", np.full((*size[::-1], 3), 90, np.uint8)
    with film.video_file(path, 25.0) as file:
        with pytest.warns(DataWarning, match=f"{path}.*{size[0]}×{size[1]} .* {written[0]}×{written[1]},"):
            file.write(image, 0.0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # it is said once
            file.write(image, 2 / 25)
    with FileSource(path) as source:
        assert [frame.image.shape for frame in source.frames()] == [(*written[::-1], 3)] * 3
    assert capfd.readouterr().err == ""


def test_the_largest_frames_that_the_codec_can_write_stay(tmp_path: Path) -> None:
    with warnings.catch_warnings(), film.video_file(tmp_path / "a.mp4", 25.0) as file:
        warnings.simplefilter("error")
        file.write(np.full((16, film.MAX_SIDE, 3), 90, np.uint8))
    with FileSource(tmp_path / "a.mp4") as source:
        assert next(source.frames()).image.shape == (16, film.MAX_SIDE, 3)


def test_a_film_with_large_frames_is_labelled(workplace: Path, tmp_path: Path, capfd: Any) -> None:
    """With the panel beside them, the frames have more pixels in a row than MPEG-4 holds."""
    video, output = encode(tmp_path / "wide.mp4", "mpeg4", shades=[40, 90, 140], size=(32, 8160)), tmp_path / "out"
    with pytest.warns(DataWarning, match="8328×180 pixels are scaled down to 8190×176"):
        assert main(["predict", f"ckpt_path={workplace / 'run'}", f"input={video}", f"output={output}"]) == 0
    printed = capfd.readouterr().err
    assert "ERROR" not in printed
    assert frames_in(output / "wide_predicted.mp4") == 3


MISTAKES = {
    "input=missing.avi": "missing.avi",
    "input=notes.txt": "notes.txt is not a video that can be decoded",
    "input=broken.avi": "broken.avi",
    "input=empty": "there is no video in the folder empty",
    "input=93": "camera 93 cannot be opened",
    "input=-1": "camera -1",
    "input=http://127.0.0.1:1/x.mp4": "http://127.0.0.1:1/x.mp4 is an address",
    "input=rtsp://camera/stream": "rtsp://camera/stream is an address",
    "input=-": "- is neither a file nor a folder",
    "input=pipe": "pipe is neither a file nor a folder",
    "input=frames/img_%03d.png": "give the folder: frames",
    "": "input must be given",
    "input=a.avi ckpt_path=missing.ckpt": "missing.ckpt",
    "input=a.avi ckpt_path=notes.txt": "notes.txt",
    "input=a.avi ckpt_path=foreign.ckpt": "is not an lstmzoo checkpoint",
    "input=a.avi stride=0": "stride must be a whole number of at least 1, not 0",
    "input=a.avi max_frames=none": "max_frames=none",
    "input=a.avi stirde=2": "did you mean 'stride'?",
    "input=a.avi video=gif": "mp4, avi or none",
    "input=a.avi device=abacus": "cannot use device 'abacus'",
    "input=a.avi output=notes.txt": "cannot make the folder notes.txt",
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_mistakes_of_predict_are_one_message(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, arguments: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.avi", 3)
    (tmp_path / "broken.avi").write_bytes(b"RIFF....AVI nothing else")
    (tmp_path / "notes.txt").write_text("no video")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    torch.save({"weights": torch.zeros(1)}, tmp_path / "foreign.ckpt")
    before = names_in(tmp_path)
    words = arguments.split()
    if "ckpt_path" not in arguments:
        words.append(f"ckpt_path={workplace / 'run'}")
    assert main(["predict", *words]) == 2
    assert MISTAKES[arguments] in capsys.readouterr().err
    assert names_in(tmp_path) == before


@pytest.mark.slow
def test_a_missing_camera_exits_with_2_and_without_a_traceback(workplace: Path, tmp_path: Path) -> None:
    ended = run("predict", f"ckpt_path={workplace / 'run'}", "input=93", cwd=tmp_path)
    assert ended.code == 2
    assert ended.err.splitlines()[-1].startswith("lstmzoo: ")  # OpenCV may have words of its own on cameras
    assert "Traceback" not in ended.err


# inspect


@pytest.mark.slow
def test_inspect_a_split(workplace: Path, tmp_path: Path) -> None:
    arguments = (f"ckpt_path={workplace / 'run'}", "split=val", "device=cpu", "trainer.accelerator=cpu")
    ended = run("inspect", *arguments, cwd=tmp_path)
    assert ended.code == 0, ended.err
    output = workplace / "run" / "inspect_val"
    pictures = {"confusion_matrix.png", "per_class.png", "per_scenario.png", "gates.png"}
    tables = {"confusion_matrix.csv", "per_class.csv", "per_scenario.csv", "predictions.csv", "metrics.json"}
    assert names_in(output) == pictures | tables
    for picture in pictures:
        assert min(cv2.imread(str(output / picture)).shape[:2]) > 150
    metrics = json.loads((output / "metrics.json").read_text())
    classes = rows_of(output / "per_class.csv")
    assert [row["class"] for row in classes] == list(ACTIONS)
    for row, counts in zip(classes, metrics["confusion"], strict=True):
        assert int(row["sequences"]) == sum(counts) == 2
        assert float(row["accuracy"]) == pytest.approx(counts[ACTIONS.index(row["class"])] / sum(counts), abs=1e-3)
    assert [row["scenario"] for row in rows_of(output / "per_scenario.csv")] == ["d1"]


def test_inspect_a_model_without_memory(workplace: Path, tmp_path: Path, capsys: Any) -> None:
    checkpoint = f"ckpt_path={workplace / 'framewise.ckpt'}"
    assert main(["inspect", checkpoint, f"output={tmp_path / 'split'}", "clip=3"]) == 0
    assert "action_framewise has no recurrent memory: there are no gates to draw" in capsys.readouterr().out
    names = names_in(tmp_path / "split")
    assert "gates.png" not in names
    assert {"per_class.png", "confusion_matrix.png", "probabilities.png"} <= names
    video = workplace / "videos" / "a.avi"
    assert main(["inspect", checkpoint, f"input={video}", f"output={tmp_path / 'video'}"]) == 0
    assert names_in(tmp_path / "video") == {"probabilities.png"}


def test_inspect_a_video(workplace: Path, tmp_path: Path, capsys: Any) -> None:
    video = workplace / "videos" / "a.avi"
    assert main(["inspect", f"ckpt_path={workplace / 'run'}", f"input={video}", f"output={tmp_path}"]) == 0
    assert names_in(tmp_path) == {"gates.png"}
    assert cv2.imread(str(tmp_path / "gates.png")) is not None
    assert "gates.png" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["input=missing.avi"], "input missing.avi"),
        (["input={video}", "layer=3"], "there is no layer 3"),
        (["input={video}", "data.root=x"], "'data.root'"),
        (["input={video}", "max_frames=0"], "max_frames must be at least 1, not 0"),
        (["split=tset"], "unknown split 'tset'; did you mean 'test'?"),
        (["clip=99999"], "clip 99999: the test split has clips 0 to 23"),
        (["data.rot=x"], "did you mean data.root"),
        (["data.root=missing"], "lstmzoo: data.root="),
    ],
)
def test_mistakes_of_inspect_are_one_message(
    workplace: Path, tmp_path: Path, capsys: Any, arguments: list[str], message: str
) -> None:
    words = [word.format(video=workplace / "videos" / "a.avi") for word in arguments]
    assert main(["inspect", f"ckpt_path={workplace / 'run'}", f"output={tmp_path}", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", ["predict", "inspect"])
def test_help_lists_the_keys(command: str, capsys: Any) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"usage: lstmzoo {command} ckpt_path=FILE" in text
    for key in settings_of(ActionPredictor if command == "predict" else ActionInspector):
        assert f"  {key}" in text


def test_real_videos_end_to_end(workplace: Path, tmp_path: Path, real_data: Path) -> None:
    videos = real_data / "actions" / "walk"
    source = sorted(videos.glob("*.avi"))[0]
    assert main(["predict", f"ckpt_path={workplace / 'run'}", f"input={source}", f"output={tmp_path}"]) == 0
    assert frames_in(tmp_path / f"{source.stem}_predicted.mp4") == frames_in(source)
