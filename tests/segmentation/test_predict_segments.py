"""``lstmzoo predict`` with segmentation models: masks, painted videos, zips and numbers, on tiny videos."""

from __future__ import annotations

import gc
import json
import os
import signal
import weakref
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from tiny_segments import (
    HEIGHT,
    SIZE,
    WIDTH,
    decode,
    mask,
    picture,
    pixels,
    save_checkpoint,
    write_film,
    write_frames,
    write_mask,
)

import lstmzoo
from lstmzoo.cli import main
from lstmzoo.errors import DataError, DataWarning, LstmzooError
from lstmzoo.io.atomic import making_folder, replacing, replacing_folder
from lstmzoo.segmentation.models import soft_aggregate
from lstmzoo.segmentation.predict import SegmentationPredictor
from lstmzoo.segmentation.segment import segment_frames
from lstmzoo.segmentation.video_sources import VideoSource, find_videos, open_video, read_first_mask
from tiny_runs import overflowing


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints, a folder of frames, the same as a video, and a mask of the first frame."""
    folder = tmp_path_factory.mktemp("segments")
    save_checkpoint(folder / "recurrent" / "checkpoints" / "best.ckpt", "segment_recurrent")
    save_checkpoint(folder / "guided.ckpt", "segment_guided", cell="lstm")
    save_checkpoint(folder / "follower.ckpt", "segment_guided", "semi-supervised")
    save_checkpoint(folder / "both_ways.ckpt", "segment_recurrent", bidirectional=True)
    write_frames(folder / "square")
    write_film(folder / "square.avi")
    write_mask(folder / "first.png", mask(0))
    return folder


def frames(count: int = 6) -> torch.Tensor:
    return torch.stack([torch.from_numpy(picture(number)) for number in range(count)]).permute(0, 3, 1, 2)


def labels(logits: torch.Tensor, ids: list[int]) -> np.ndarray:
    """From logits (T, K, h, w) to numbers (T, H, W), written out."""
    full = F.interpolate(soft_aggregate(logits), (HEIGHT, WIDTH), mode="bilinear")
    return np.array([0, *ids], np.uint8)[full.argmax(1).numpy()]


def by_hand(
    checkpoint: Path,
    first_mask: np.ndarray | None = None,
    chunks: tuple[int, ...] = (6,),
    size: tuple[int, int] = SIZE,
) -> np.ndarray:
    """What the network says of the video in chunks, with the state carried over."""
    model: Any = lstmzoo.load(checkpoint)
    small = F.interpolate(frames() / 255, size, mode="bilinear", antialias=True)
    ids = [1] if first_mask is None else [3, 7]
    masks = None
    if first_mask is not None:
        each = torch.stack([torch.from_numpy(first_mask == number).float() for number in ids])[None]
        masks = F.interpolate(each, size, mode="bilinear", antialias=True)
    found, state = [], None
    for chunk in small.split(chunks):
        with torch.no_grad():
            logits, state = model(chunk[None], masks, state)
        found.append(logits[0])
        masks = None
    return labels(torch.cat(found), ids)


def predict(*arguments: object) -> dict[str, Any]:
    """Run the command; return what predictions.json says."""
    words = [str(argument) for argument in arguments]
    assert main(["predict", *words, "device=cpu"]) == 0
    output = next(word.partition("=")[2] for word in words if word.startswith("output="))
    return json.loads((Path(output) / "predictions.json").read_text())


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# in Python


@pytest.mark.slow
@pytest.mark.parametrize("chunks", [(6,), (2, 4), (1, 1, 1, 1, 1, 1)])
def test_frame_by_frame_is_what_the_whole_video_and_chunks_of_it_give(place: Path, chunks: tuple[int, ...]) -> None:
    for name, first in (("guided.ckpt", mask(0)), ("guided.ckpt", None), ("recurrent", None)):
        found = np.stack(list(segment_frames(lstmzoo.load(place / name), map(picture, range(6)), first)))
        expected = by_hand(place / name, first, chunks)
        assert found.dtype == np.uint8
        assert found.shape == (6, HEIGHT, WIDTH)
        assert (found != expected).mean() < 1e-3  # a pixel on the border may fall to either side
        assert len(np.unique(found)) > 1


def test_with_a_first_mask_the_first_answer_is_that_mask(place: Path) -> None:
    found = next(segment_frames(lstmzoo.load(place / "guided.ckpt"), map(picture, range(6)), mask(0)))
    true = mask(0)
    assert set(np.unique(found)) == {0, 3, 7}
    assert (found != true)[:, :-1].mean() < 0.05  # it went to 32 × 40 and back


def test_masks_come_as_the_frames_do_and_nothing_is_kept(place: Path) -> None:
    alive: list[weakref.ref] = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            image = picture(len(alive) % 20).copy()
            alive.append(weakref.ref(image))
            yield image

    masks = segment_frames(lstmzoo.load(place / "recurrent"), endless())
    for count in range(1, 40):
        next(masks)
        assert len(alive) == count
    gc.collect()
    assert sum(ref() is not None for ref in alive) <= 2


def test_flip_makes_the_answer_to_a_mirrored_video_the_mirrored_answer(place: Path) -> None:
    model = lstmzoo.load(place / "guided.ckpt")
    video, first = [picture(number) for number in range(4)], mask(0)
    one = np.stack(list(segment_frames(model, video, first, flip=True)))
    other = np.stack(list(segment_frames(model, [frame[:, ::-1] for frame in video], first[:, ::-1], flip=True)))
    assert (one != other[:, :, ::-1]).mean() < 1e-3


# files


def test_predict_a_folder_of_frames(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    said = predict(f"ckpt_path={place / 'recurrent'}", f"input={place / 'square'}", f"output={output}")
    stems = [f"{number:05d}" for number in range(6)]
    assert names_in(output) == {
        *(f"masks/square/{stem}.png" for stem in stems),
        "square_overlay.mp4",
        "predictions.json",
    }
    found = np.stack([pixels(output / "masks" / "square" / f"{stem}.png") for stem in stems])
    assert (found != by_hand(place / "recurrent")).mean() < 1e-3
    with Image.open(output / "masks" / "square" / "00000.png") as image:
        assert image.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]  # type: ignore[index]

    video, rate = decode(output / "square_overlay.mp4")
    assert (video.shape, rate) == ((6, 8 * HEIGHT, 8 * WIDTH, 3), pytest.approx(24.0))  # at least 480 wide
    inside = found[3] == 1
    change = np.abs(video[3][4::8, 4::8].astype(int) - picture(3)).mean(2)
    assert change[inside].mean() > 4 * change[~inside].mean()

    (one,) = said["videos"]
    assert (one["name"], one["size"], one["objects"], one["frames"]) == ("square", [HEIGHT, WIDTH], [1], stems)
    assert one["areas"] == {"1": found.astype(int).sum((1, 2)).tolist()}
    assert 0 < one["frames_per_s"] <= one["network_frames_per_s"]
    assert said["peak_memory_mb"] > 50
    assert said["network_size"] == list(SIZE)
    assert "square" in capsys.readouterr().out


def test_the_network_may_see_frames_of_another_size(place: Path, tmp_path: Path) -> None:
    words = (f"ckpt_path={place / 'guided.ckpt'}", f"input={place / 'square'}", f"first_mask={place / 'first.png'}")
    said = predict(*words, "size=[64,96]", f"output={tmp_path}")
    found = np.stack([pixels(path) for path in sorted((tmp_path / "masks" / "square").iterdir())])
    assert said["network_size"] == [64, 96]
    assert (found != by_hand(place / "guided.ckpt", mask(0), size=(64, 96))).mean() < 1e-3
    assert (found != by_hand(place / "guided.ckpt", mask(0))).mean() > 1e-3


def test_a_video_file_gives_what_its_frames_give(place: Path, tmp_path: Path) -> None:
    stills = tmp_path / "stills"
    stills.mkdir()
    for number, frame in enumerate(decode(place / "square.avi")[0]):
        Image.fromarray(np.ascontiguousarray(frame)).save(stills / f"{number:05d}.png")
    first = write_mask(tmp_path / "first.png", mask(0)[:-1, :-1])
    found = {}
    for source in (place / "square.avi", stills):
        output = tmp_path / f"of_{source.name}"
        words = (f"ckpt_path={place / 'guided.ckpt'}", f"input={source}", f"first_mask={first}", f"output={output}")
        predict(*words, "video=avi")
        paths = sorted((output / "masks" / source.stem).iterdir())
        found[source.stem] = np.stack([pixels(path) for path in paths])
        assert [path.name for path in paths] == [f"{number:05d}.png" for number in range(6)]
    np.testing.assert_array_equal(found["square"], found["stills"])
    assert set(np.unique(found["square"])) == {0, 3, 7}
    assert decode(tmp_path / "of_square.avi" / "square_overlay.avi")[1] == pytest.approx(12.5)


@pytest.mark.parametrize("of_files", [True, False])
def test_masks_of_any_frames_are_given_by_their_names(place: Path, tmp_path: Path, of_files: bool) -> None:
    """Object 7 comes with frame 3; it is nowhere before, and its mask is the answer there."""
    first, later = np.where(mask(0) == 3, 3, 0).astype(np.uint8), mask(3)
    frames = place / ("square" if of_files else "square.avi")
    if not of_files:
        first, later = first[:-1, :-1], later[:-1, :-1]
    for number, ids in ((0, first), (3, later)):
        write_mask(tmp_path / "given" / f"{number:05d}.png", ids)
    said = predict(
        f"ckpt_path={place / 'guided.ckpt'}", f"input={frames}", f"masks={tmp_path / 'given'}", f"output={tmp_path}"
    )
    assert said["videos"][0]["objects"] == [3, 7]
    assert said["videos"][0]["areas"]["7"][:3] == [0, 0, 0]
    found = [pixels(tmp_path / "masks" / "square" / f"{number:05d}.png") for number in (0, 3)]
    for answer, true in zip(found, (first, later), strict=True):
        assert (answer != true)[:, :-1].mean() < 0.05


def test_masks_beyond_the_end_of_a_film_are_named(place: Path, tmp_path: Path) -> None:
    for number in (0, 40):
        write_mask(tmp_path / "given" / f"{number:05d}.png", mask(0)[:-1, :-1])
    command = [f"ckpt_path={place / 'guided.ckpt'}", f"input={place / 'square.avi'}", f"masks={tmp_path / 'given'}"]
    with pytest.warns(DataWarning, match=r"square.avi.* 5;.* 40 "):
        predict(*command, f"output={tmp_path}")


def test_objects_that_are_too_small_for_the_network_are_named(place: Path, tmp_path: Path) -> None:
    """One pixel is less than half of one that the network sees; object 9 is larger. The first answer is the mask."""
    given = np.zeros((HEIGHT, WIDTH), np.uint8)
    given[HEIGHT // 2, WIDTH // 2] = 5
    given[:20, :20] = 9
    write_mask(tmp_path / "small.png", given)
    command = [
        f"ckpt_path={place / 'guided.ckpt'}",
        f"input={place / 'square'}",
        f"first_mask={tmp_path / 'small.png'}",
    ]
    with pytest.warns(DataWarning, match=r"objects? 5 .*size="):
        said = predict(*command, f"output={tmp_path / 'out'}", "size=[34,46]", "max_frames=1")
    assert not any(said["videos"][0]["areas"]["5"])
    assert any(said["videos"][0]["areas"]["9"])


def write_set(root: Path) -> Path:
    """Two sequences of a set in the layout of DAVIS 2017, and one that is in no list."""
    for name in ("cart", "bird", "other"):
        write_frames(root / "JPEGImages" / "480p" / name, 3, ".jpg")
        write_mask(root / "Annotations" / "480p" / name / "00000.png", mask(0))
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "test-dev.txt").write_text("cart\nbird\n")
    return root


def test_a_data_set_becomes_a_submission(place: Path, tmp_path: Path) -> None:
    root, output = write_set(tmp_path / "davis"), tmp_path / "out"
    arguments = (f"ckpt_path={place / 'follower.ckpt'}", f"input={root}", f"output={output}", "submission=true")
    masks = f"first_mask={root / 'Annotations' / '480p'}"
    said = predict(*arguments, masks, "split=test-dev", "video=none")
    assert [video["name"] for video in said["videos"]] == ["cart", "bird"]
    expected = {f"{name}/{number:05d}.png" for name in ("cart", "bird") for number in range(3)}
    assert names_in(output / "masks") == expected
    with zipfile.ZipFile(output / "submission.zip") as archive:
        assert set(archive.namelist()) == expected
        for name in expected:
            assert archive.read(name) == (output / "masks" / name).read_bytes()
    assert len(predict(*arguments, masks, "video=none")["videos"]) == 3  # no list: all


def test_one_sequence_of_a_data_set_is_a_folder_of_frames(place: Path, tmp_path: Path) -> None:
    root = write_set(tmp_path / "davis")
    said = predict(
        f"ckpt_path={place / 'follower.ckpt'}",
        f"input={root / 'JPEGImages' / '480p' / 'bird'}",
        f"first_mask={root / 'Annotations' / '480p' / 'bird' / '00000.png'}",
        f"output={tmp_path / 'out'}",
    )
    assert [video["objects"] for video in said["videos"]] == [[3, 7]]


def test_a_second_run_leaves_nothing_of_the_first(place: Path, tmp_path: Path) -> None:
    arguments = (f"ckpt_path={place / 'recurrent'}", f"input={place / 'square'}", f"output={tmp_path}", "video=none")
    predict(*arguments)
    predict(*arguments, "max_frames=2")
    assert names_in(tmp_path) == {"masks/square/00000.png", "masks/square/00001.png", "predictions.json"}


def test_a_broken_frame_leaves_the_earlier_result_whole(place: Path, tmp_path: Path, capsys: Any) -> None:
    clip = write_frames(tmp_path / "clip", 4, ".jpg")
    arguments = (f"ckpt_path={place / 'recurrent'}", f"input={clip}", f"output={tmp_path / 'out'}")
    predict(*arguments)
    before = names_in(tmp_path / "out")
    (clip / "00002.jpg").write_bytes((clip / "00002.jpg").read_bytes()[:300])
    assert main(["predict", *arguments, "device=cpu"]) == 2
    assert "00002.jpg" in capsys.readouterr().err
    assert names_in(tmp_path / "out") == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupt_keeps_what_was_done(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, number: int, code: int
) -> None:
    usual = VideoSource._from_files

    def interrupted(self: VideoSource) -> Iterator[Any]:
        for count, frame in enumerate(usual(self)):
            if count == 4:
                os.kill(os.getpid(), number)
            yield frame

    monkeypatch.setattr(VideoSource, "_from_files", interrupted)
    checkpoint, video = f"ckpt_path={place / 'recurrent'}", f"input={place / 'square'}"
    assert main(["predict", checkpoint, video, f"output={tmp_path / 'out'}", "device=cpu"]) == code
    kept = json.loads((tmp_path / "out" / "predictions.json").read_text())["videos"][0]
    assert not kept["complete"]
    assert 0 < len(kept["frames"]) <= 4
    masks = sorted(path.stem for path in (tmp_path / "out" / "masks" / "square").iterdir())
    assert masks == kept["frames"]
    assert len(decode(tmp_path / "out" / "square_overlay.mp4")[0]) == len(masks)
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name[0] == "."] == []
    assert "square" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["recurrent/checkpoints/best.ckpt", "guided.ckpt"])
def test_outputs_that_are_not_finite_are_no_masks(place: Path, tmp_path: Path, capsys: Any, name: str) -> None:
    broken = overflowing(place / name, tmp_path / "broken.ckpt")
    output = tmp_path / "out"
    for command in ("predict", "inspect"):
        assert main([command, f"ckpt_path={broken}", f"input={place / 'square'}", f"output={output}"]) == 2
        said = capsys.readouterr().err
        assert "lstmzoo: square: " in said
        assert str(broken) in said
        assert not output.exists()


def test_one_of_several_that_cannot_be_read_does_not_stop_the_others(place: Path, tmp_path: Path, capsys: Any) -> None:
    videos = tmp_path / "videos"
    write_frames(videos / "good", 2)
    write_film(videos / "fine.avi", 2)
    (write_frames(videos / "bad", 2) / "00001.png").write_bytes(b"")
    words = [f"ckpt_path={place / 'recurrent'}", f"input={videos}", f"output={tmp_path / 'out'}", "video=none"]
    with pytest.raises(SystemExit) as ended:
        main(["predict", *words, "device=cpu"])
    assert ended.value.code == 1
    said = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert {video["name"] for video in said["videos"]} == {"good", "fine"}
    assert "00001.png" in said["failures"]["bad"]
    out, err = capsys.readouterr()
    assert "2 of 3 " in out
    assert "00001.png" in err


def test_frames_are_taken_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    clip = write_frames(tmp_path / "clip", 12, names="frame{}")
    assert [frame.name for frame in open_video(clip)] == [f"frame{number}" for number in range(12)]
    np.testing.assert_array_equal(list(open_video(clip))[10].image, picture(10))


def test_a_network_that_runs_both_ways_reads_all_frames_first(place: Path, tmp_path: Path) -> None:
    said = predict(f"ckpt_path={place / 'both_ways.ckpt'}", f"input={place / 'square'}", f"output={tmp_path}")
    assert len(said["videos"][0]["frames"]) == 6
    found = np.stack([pixels(path) for path in sorted((tmp_path / "masks" / "square").iterdir())])
    assert (found != by_hand(place / "both_ways.ckpt")).mean() < 1e-3


MISTAKES = {
    "ckpt=recurrent input=missing": ["missing"],
    "ckpt=recurrent input=first.png.txt": ["first.png.txt"],
    "ckpt=recurrent input=empty": ["empty", ".png", ".mp4"],
    "ckpt=recurrent input=square first_mask=first.png": ["segment_recurrent", "first_mask", "segment_guided"],
    "ckpt=follower.ckpt input=square": ["first_mask=PNG"],
    "ckpt=guided.ckpt input=square first_mask=nothing.png": ["nothing.png"],
    "ckpt=guided.ckpt input=square first_mask=square/00000.png": ["00000.png", "RGB"],
    "ckpt=guided.ckpt input=square first_mask=small.png": ["4×5", "61×45"],
    "ckpt=guided.ckpt input=square first_mask=blank.png": ["blank.png"],
    "ckpt=guided.ckpt input=several first_mask=first.png": ["first.png", "2 videos"],
    "ckpt=recurrent input=square masks=square": ["segment_recurrent", "first_mask", "segment_guided"],
    "ckpt=guided.ckpt input=square masks=square": ["00000.png", "RGB"],
    "ckpt=guided.ckpt input=square masks=empty": ["empty", "00000.png"],
    "ckpt=guided.ckpt input=square masks=small": ["4×5", "61×45", " 2 "],
    "ckpt=guided.ckpt input=square first_mask=first.png masks=again": ["first_mask", "masks", " 0"],
    "ckpt=guided.ckpt input=square masks=beyond": ["00006.png", "square"],
    "ckpt=guided.ckpt input=square.avi masks=named": ["first.png", "square.avi"],
    "ckpt=guided.ckpt input=several masks=small": ["small", "one", "2 videos"],
    "ckpt=recurrent input=square video=gif": ["video", "gif", "mp4", "avi", "none"],
    "ckpt=recurrent input=square max_frames=0": ["max_frames", "0"],
    "ckpt=recurrent input=square size=[32,40]": ["[32, 40]", "33", "4096"],
    "ckpt=recurrent input=square size=[99]": ["[99]", "height, width"],
    "ckpt=recurrent input=square split=val": ["split=val"],
    "ckpt=recurrent input=square fllip=true": ["flip"],
    "ckpt=recurrent input=mixed": ["00001", "9×9", "61×45"],
    "ckpt=recurrent input=same": ["00001"],
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_mistakes_are_one_message_and_leave_nothing(place: Path, tmp_path: Path, arguments: str, capsys: Any) -> None:
    write_mask(place / "small.png", mask(0)[10:15, 10:14])
    write_mask(place / "small" / "00002.png", mask(0)[10:15, 10:14])
    write_mask(place / "again" / "00000.png", mask(0))
    write_mask(place / "beyond" / "00006.png", mask(0))
    write_mask(place / "named" / "first.png", mask(0))
    write_mask(place / "blank.png", np.zeros((HEIGHT, WIDTH), np.uint8))
    (place / "first.png.txt").write_text("no video")
    (place / "empty").mkdir(exist_ok=True)
    for name in ("one", "two"):
        write_frames(place / "several" / name, 1)
    Image.fromarray(picture(0)[:9, :9]).save(write_frames(place / "mixed", 2) / "00001.png")
    Image.fromarray(picture(0)).save(write_frames(place / "same", 2) / "00001.jpg")
    words = []
    for word in arguments.split():
        key, _, value = word.partition("=")
        path = key in ("ckpt", "input", "first_mask", "masks")
        words.append(f"{'ckpt_path' if key == 'ckpt' else key}={place / value if path else value}")
    assert main(["predict", *words, f"output={tmp_path / 'out'}", "device=cpu"]) == 2
    said = capsys.readouterr().err
    assert all(part in said for part in MISTAKES[arguments])
    assert not list(tmp_path.iterdir())


def test_results_never_replace_what_was_given(tmp_path: Path) -> None:
    clip = write_frames(tmp_path / "clip", 2)
    first = write_mask(tmp_path / "masks" / "clip" / "00000.png", mask(0))
    for first_mask, output in ((first, tmp_path), (tmp_path / "masks", tmp_path), (None, clip)):
        with pytest.raises(LstmzooError, match=f"{output}"):
            SegmentationPredictor(first_mask=first_mask).find(str(clip), output)
    assert first.is_file()


def test_folders_made_for_nothing_do_not_stay(tmp_path: Path) -> None:
    def fail(way: Any, path: Path) -> None:
        with way(path):
            raise RuntimeError("power cut")

    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").write_text("")
    for way in (replacing, replacing_folder, making_folder):
        for place in ("there", "new"):
            with pytest.raises(RuntimeError, match="power cut"):
                fail(way, tmp_path / place / "deeper" / "name")
    assert [path.name for path in tmp_path.rglob("*")] == ["there", "mine"]


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "masks"
    target.mkdir()
    (target / "old").write_text("")

    def fail() -> None:
        with replacing_folder(target) as folder:
            (folder / "new").write_text("")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fail()
    assert names_in(tmp_path) == {"masks/old"}
    with replacing_folder(target) as folder:
        (folder / "new").write_text("")
    assert names_in(tmp_path) == {"masks/new"}


def test_a_first_mask_is_found_by_the_name_of_the_first_frame(tmp_path: Path) -> None:
    clip = write_frames(tmp_path / "clip", 2, names="{:03d}")
    (video,) = find_videos(clip)
    for path in (tmp_path / "a" / "000.png", tmp_path / "b" / "clip" / "000.png"):
        write_mask(path, mask(0))
    for folder in ("a", "b"):
        np.testing.assert_array_equal(read_first_mask(tmp_path / folder, video), mask(0))
    with pytest.raises(DataError, match=r"00000\.png"):
        read_first_mask(tmp_path / "a", open_video(write_frames(tmp_path / "clip5", 1)))
