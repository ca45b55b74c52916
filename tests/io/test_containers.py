"""Which files are videos: those of strangers are opened as such or refused, whatever they are called."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from lstmzoo.actions.predict import ActionPredictor
from lstmzoo.errors import DataError, DataWarning
from lstmzoo.io import video
from lstmzoo.io.video_files import look_into
from lstmzoo.segmentation.video_sources import find_videos, open_video
from tiny_data import encode, write_video

STRANGERS: dict[str, Callable[[Path], bytes]] = {
    "playlist.avi": lambda folder: f"#EXTM3U\n#EXTINF:1,\nfile:{folder}/a.ts\n#EXT-X-ENDLIST\n".encode(),
    "joined.mp4": lambda folder: f"ffconcat version 1.0\nfile {folder}/a.ts\n".encode(),
    "secrets.txt": lambda folder: b"password: 1234\n" * 100,
    "image.avi": lambda folder: cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes(),
    "huge.y4m": lambda folder: b"YUV4MPEG2 W100000 H100000 F25:1 Ip A1:1 C420\nFRAME\n",
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_names_other_files_or_is_no_video_is_refused(tmp_path: Path, name: str) -> None:
    """Playlists read other files: https://trac.ffmpeg.org/ticket/5094 and CVE-2016-1897."""
    encode(tmp_path / "a.ts", "mpeg2video")
    path = tmp_path / name
    path.write_bytes(STRANGERS[name](tmp_path))
    with pytest.raises(DataError, match=path.stem):
        video.read_frames(path)


def test_videos_are_known_by_suffix_or_content(tmp_path: Path) -> None:
    content = write_video(tmp_path / "a.avi", 3).read_bytes()
    known = [tmp_path / f"b{suffix}" for suffix in (".GIF", ".flv", ".ts", ".mts", ".m2ts", ".3gp", ".ogv")]
    for path in (*known, tmp_path / "none", tmp_path / "old.001", tmp_path / ".hidden.avi"):
        path.write_bytes(content)
    for name in ("notes.txt", "README", "table.csv", "picture.png", "weights.ckpt"):
        (tmp_path / name).write_bytes(b"nothing to see here\n" * 50)
    (tmp_path / "folder.avi").mkdir()
    found = {path.name for path in tmp_path.iterdir() if video.is_video(path)}
    assert found == {"a.avi", "none", "old.001", *(path.name for path in known)}


def saved(image_format: str, frames: int = 1) -> bytes:
    stream = io.BytesIO()
    first, *others = (Image.new("RGB", (64, 64), (20 * k, 90, 0)) for k in range(frames))
    first.save(stream, image_format, **({"save_all": True, "append_images": others} if others else {}))
    return stream.getvalue()


def song(folder: Path, container_format: str, codec: str) -> bytes:
    """A second of silence with a cover."""
    path = folder / f"made.{container_format}"
    with av.open(str(path), "w") as container:
        audio: Any = container.add_stream(codec, rate=44100)
        cover: Any = container.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 64
        cover.pix_fmt = "yuvj420p"
        cover.disposition = Disposition.attached_pic
        image = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), format="bgr24")
        container.mux([*cover.encode(image), *cover.encode()])
        for k in range(40):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts = 44100, 1024 * k
            container.mux(audio.encode(silence))
        container.mux(audio.encode())
    content = path.read_bytes()
    path.unlink()
    return content


NO_VIDEOS: dict[str, Callable[[Path], bytes]] = {
    "scan.pdf": lambda _: b"%PDF-1.4\n1 0 obj stream\n" + b"\nendstream\n".join([saved("JPEG")] * 4) + b"\n%%EOF",
    "favicon.ico": lambda _: saved("ICO"),
    "texture.tga": lambda _: saved("TGA"),
    "drawing.svg": lambda _: b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "image": lambda _: saved("PNG"),
    "photo.heif": lambda _: saved("AVIF"),
    "sticker.001": lambda _: saved("WEBP", 4),
    "song.mp3": lambda folder: song(folder, "mp3", "libmp3lame"),
    "song.m4a": lambda folder: song(folder, "mp4", "aac"),
    "words.srt": lambda _: b"1\n00:00:00,000 --> 00:00:02,000\nHello\n\n",
    "garbage.bin": lambda _: np.random.default_rng(0).bytes(30000),
}


@pytest.mark.parametrize("name", NO_VIDEOS)
def test_images_documents_and_songs_are_no_videos(tmp_path: Path, name: str) -> None:
    """FFmpeg opens all of these, and decodes an image."""
    path = tmp_path / name
    path.write_bytes(NO_VIDEOS[name](tmp_path))
    write_video(tmp_path / "walk.avi", 2)
    assert not video.is_video(path)
    assert look_into(tmp_path).videos == [tmp_path / "walk.avi"]
    with pytest.warns(DataWarning, match=name):
        assert ActionPredictor().find(str(tmp_path), tmp_path / "out") == [("walk", tmp_path / "walk.avi")]
    with pytest.warns(DataWarning, match=name):
        assert [one.name for one in find_videos(tmp_path)] == ["walk"]
    for suffix in ("", ".avi"):
        renamed = path.rename(f"{path}{suffix}")
        with pytest.raises(DataError, match=path.stem) as caught:
            open_video(renamed)
        assert "\n" not in str(caught.value)
        assert "moov" not in str(caught.value)
        path = renamed


def test_texts_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "FileSource", lambda path: pytest.fail(f"{path} opened"))
    for name in ("notes.txt", "a.JSON", "list.csv", "words.srt", "a.png"):
        (tmp_path / name).write_bytes(b"RIFF")
        assert not video.is_video(tmp_path / name)


def test_a_cover_beside_a_video_is_not_the_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        streams: list[Any] = [container.add_stream("mjpeg", rate=25) for _ in range(2)]
        for stream, size in zip(streams, (128, 64), strict=True):
            stream.width = stream.height = size
            stream.pix_fmt = "yuvj420p"
        streams[0].disposition = Disposition.attached_pic
        for k in range(9):
            stream, size = (streams[0], 128) if k == 0 else (streams[1], 64)
            image = np.full((size, size, 3), 20 * k, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
    assert video.read_frames(tmp_path / "a.mp4").shape == (8, 64, 64, 1)


def test_gifs_are_videos_where_they_move(tmp_path: Path) -> None:
    for name, frames in (("moving.gif", 3), ("still.gif", 1), ("moving", 3)):
        (tmp_path / name).write_bytes(saved("GIF", frames))
    assert {path.name for path in tmp_path.iterdir() if video.is_video(path)} == {"moving.gif", "moving"}
    folder = tmp_path / "frames"
    folder.mkdir()
    for name in ("1.gif", "2.gif"):
        (folder / name).write_bytes(saved("GIF"))
    assert video.is_frame_folder(folder)
    (folder / "3.gif").write_bytes(saved("GIF", 3))
    assert not video.is_frame_folder(folder)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "phone"])
def test_unfinished_recordings_are_named_as_such(tmp_path: Path, name: str) -> None:
    content = encode(tmp_path / "whole.mp4", "mpeg4").read_bytes()
    for end in (content.index(b"moov"), content.index(b"moov") + 200):
        (tmp_path / name).write_bytes(content[:end])
        with pytest.raises(DataError, match=rf"{name}.*moov"):
            video.read_frames(tmp_path / name)
