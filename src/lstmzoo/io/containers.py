"""Which files are videos: FFmpeg also opens images, documents, playlists and the covers of songs as if they were."""

from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from lstmzoo.errors import DataError

_CONTAINERS = (
    *("asf", "avi", "dhav", "dv", "flv", "gif", "gxf", "ivf", "live_flv", "matroska", "mov", "mpeg", "mpegts"),
    *("mxf", "nut", "nuv", "obu", "ogg", "rm", "swf", "wtv", "yuv4mpegpipe"),
)
_BARE = ("h264", "hevc", "m4v", "mpegvideo", "vvc")  # streams of frames without a container
_JPEGS = "mjpeg"  # JPEGs one after another, which are found in many documents: only where the suffix says so
_JPEGS_SUFFIXES = (".mjpeg", ".mjpg")
_STILL_BRANDS = ("avif", "heic", "heix", "mif1")  # images in a container for videos


def open_video(path: Path) -> tuple[Any, Any]:
    """Open a video file.

    Returns:
        PyAV's container, and the stream in it that shows the video.

    Raises:
        DataError: the file cannot be read, or is not a video.
    """
    formats = [*_CONTAINERS, *_BARE, *([_JPEGS] if path.suffix.lower() in _JPEGS_SUFFIXES else [])]
    # As a file, whatever its name looks like; and nothing in it may fetch anything over the network.
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(formats)}
    try:
        container = av.open(f"file:{path.resolve()}", options=options, metadata_errors="replace")
    except PermissionError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise DataError(f"{_no_video(path)}{_unfinished(path)}") from error
    # Covers of songs are streams, too; and FFmpeg knows nothing but the name of some.
    streams: list[Any] = [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None and not stream.disposition & Disposition.attached_pic
    ]
    if not streams or container.metadata.get("major_brand", "").strip() in _STILL_BRANDS:
        empty = not (container.streams.video or container.streams.audio)
        container.close()
        raise DataError(f"{_no_video(path)}{_unfinished(path) if empty else ''}")
    best = container.streams.best("video")
    return container, next((stream for stream in streams if stream is best), streams[0])


def _no_video(path: Path) -> str:
    return f"{path} is not a video that can be decoded ({path.stat().st_size} bytes)"


def _unfinished(path: Path) -> str:
    """Say what is wrong with an MP4 that has its beginning, but not the index, which is written last."""
    with path.open("rb") as file:
        if file.read(8)[4:] != b"ftyp":
            return ""
    return ": its index (moov) is missing or damaged, as when a recording or copy was not finished; copy it again"
