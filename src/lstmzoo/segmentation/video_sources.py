"""Video files, folders of frames and sequences of DAVIS as one thing: named frames that come one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.io.images import IMAGE_SUFFIXES, list_images, natural_key, read_rgb
from lstmzoo.io.video import VIDEO_SUFFIXES, convert, is_video, local_path, warn_of_others
from lstmzoo.io.video_stream import Stream
from lstmzoo.segmentation.data.class_table import find_table
from lstmzoo.segmentation.data.davis import DAVIS
from lstmzoo.segmentation.data.label_layout import find_splits, find_videos_of
from lstmzoo.segmentation.data.layout import find_frames
from lstmzoo.segmentation.data.masks import read_mask, shows_object

LABEL_RATE = 4.0  # frames per second of a data set in CamVid's layout: usually, a second lies between two of them
FOLDER_RATE = 24.0  # frames per second of a folder of frames, which does not say; that of DAVIS


class Frame(NamedTuple):
    """One frame: what its mask is to be called, the image, uint8 (H, W, 3) RGB, and its time in seconds."""

    name: str
    image: np.ndarray
    time_s: float


@dataclass(frozen=True)
class VideoSource:
    """One video; every iteration reads it from the start, one frame at a time."""

    name: str  # what results are called after
    path: Path  # the video file or the folder of frames
    files: tuple[Path, ...]  # the images of a folder, in order; empty for a video file
    rate: float  # frames per second of a video that shows each of them at its time
    total: int | None  # how many frames are expected, or None
    max_frames: int | None = None  # stop after so many; None for all

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames.

        Raises:
            DataError: one cannot be decoded, or has another size than the first.
        """
        frames = self._from_files() if self.files else self._from_video()
        first: tuple[int, ...] | None = None
        for frame in frames:
            size = frame.image.shape[:2]
            first = first or size
            if size != first:
                raise DataError(
                    f"{self.path}, frame {frame.name}: {size[1]}×{size[0]} pixels, the first frame is "
                    f"{first[1]}×{first[0]}; bring all frames to one size"
                )
            yield frame

    def _from_files(self) -> Iterator[Frame]:
        for number, path in enumerate(self.files[: self.max_frames]):
            yield Frame(path.stem, read_rgb(path), number / self.rate)

    def _from_video(self) -> Iterator[Frame]:
        with Stream(self.path, max_frames=self.max_frames) as stream:
            for number, (image, time_s) in enumerate(stream.timed()):
                yield Frame(f"{number:05d}", convert(image, size=None, grey=False), time_s)


def open_video(path: str | Path, max_frames: int | None = None) -> VideoSource:
    """Open a video file, or a folder of frames, which are taken in the order of the numbers in their names.

    Raises:
        DataError: there is nothing of that name, it cannot be opened, or the folder holds no images.
        LstmzooError: max_frames is not positive.
    """
    path = local_path(path)
    if path.is_dir():
        return _of_files(path.resolve().name, path, tuple(find_frames(path).values()), max_frames)
    with Stream(path, max_frames=max_frames) as stream:
        return VideoSource(path.stem, path, (), stream.output_rate, stream.total, max_frames)


def find_videos(
    path: str | Path, *, split: str | None = None, resolution: str = "480p", max_frames: int | None = None
) -> list[VideoSource]:
    """Find all videos that a path stands for.

    Args:
        path: a video file, a folder of frames, a folder of such files and folders, or a data set in the layout of
            DAVIS.
        split: of a data set, the name of a list; None for every sequence.
        resolution: of a data set, that of its files.
        max_frames: stop each after so many frames; None for all.

    Raises:
        DataError: there is none, or it cannot be used.
        LstmzooError: a split of something that has none, or max_frames is not positive.
    """
    path = local_path(path)
    if (path / "JPEGImages").is_dir():
        sequences = DAVIS(path, split or "all", resolution=resolution).sequences
        return [_of_files(one.name, one.frames[0].parent, one.frames, max_frames) for one in sequences]
    if find_splits(path) and (find_table(path) is not None or split is not None):
        sequences = find_videos_of(path, split or "all")
        return [_of_files(one.name, one.frames[0].parent, one.frames, max_frames, LABEL_RATE) for one in sequences]
    if split is not None:
        raise LstmzooError(
            f"split={split} is for a data set in the layout of DAVIS or CamVid, which {path} is not; leave it out"
        )
    if not path.is_dir() or _holds_frames(path):
        return [open_video(path, max_frames)]
    parts = [part for part in sorted(path.iterdir(), key=natural_key) if part.name[0] != "."]
    found = [part for part in parts if _holds_frames(part) or is_video(part)]
    if not found:
        suffixes = ", ".join(IMAGE_SUFFIXES), ", ".join(sorted(VIDEO_SUFFIXES))
        raise DataError(
            f"there is nothing to segment in {path}: no frames ({suffixes[0]}), no folders of frames and no videos "
            f"({suffixes[1]})"
        )
    warn_of_others(path, [part for part in parts if part.is_file() and part not in set(found)])
    videos = [open_video(part, max_frames) for part in found]
    names = [video.name for video in videos]
    for video in videos:
        if names.count(video.name) > 1:
            raise DataError(f"{path} holds several videos named {video.name}; their results would be mixed: rename one")
    return videos


def read_first_mask(path: str | Path, video: VideoSource) -> np.ndarray:
    """Read the mask of the first frame of a video.

    Args:
        path: a PNG whose values are the numbers of the objects, a folder of PNGs named as the frames are, or a folder
            with such a folder for every video, as ``Annotations/480p`` of DAVIS.
        video: the video.

    Returns:
        uint8 (H, W): 0 background, 255 void.

    Raises:
        DataError: there is no such mask, it cannot be read, or holds no object.
    """
    path = Path(path)
    if path.is_dir():
        name = f"{video.files[0].stem if video.files else '00000'}.png"
        places = [path / name, path / video.name / name]
        path = next((place for place in places if place.is_file()), places[-1])
    if not path.is_file():
        raise DataError(f"there is no first mask {path}; give a PNG whose values are the numbers of the objects")
    ids = read_mask(path)
    if not ((ids > 0) & (ids < 255)).any():
        raise DataError(f"the first mask {path} holds no object: every pixel is background (0) or void (255)")
    return ids


def read_masks(folder: str | Path, video: VideoSource) -> dict[int, np.ndarray]:
    """Read the masks of some frames of a video.

    Args:
        folder: a folder of PNGs named as their frames are, or one with such a folder for every video.
        video: the video; the frames of a file are called 00000, 00001, ...

    Returns:
        By the number of the frame, uint8 (H, W): 0 background, 255 void.

    Raises:
        DataError: there are none, one cannot be read or belongs to no frame, or none shows an object.
    """
    folder = Path(folder)
    folder = folder / video.name if (folder / video.name).is_dir() else folder
    files = sorted(folder.glob("*.png"), key=natural_key)
    if not files:
        raise DataError(f"there are no masks in {folder}; give a folder of PNGs named as their frames, e.g. 00000.png")
    numbers = {file.stem: number for number, file in enumerate(video.files)}
    masks = {}
    for file in files:
        number = numbers.get(file.stem, -1) if video.files else int(file.stem) if file.stem.isdecimal() else -1
        if number < 0:
            raise DataError(f"{file} belongs to no frame of {video.path}; name masks as their frames, e.g. 00000.png")
        masks[number] = read_mask(file)
    if not any(map(shows_object, masks.values())):
        raise DataError(f"the masks in {folder} hold no object: every pixel is background (0) or void (255)")
    return masks


def _holds_frames(folder: Path) -> bool:
    """Tell whether a folder holds images and no videos, as which animated GIFs count."""
    if not folder.is_dir() or not list_images(folder):
        return False
    return not any(map(is_video, folder.iterdir()))


def _of_files(
    name: str, path: Path, files: tuple[Path, ...], max_frames: int | None, rate: float = FOLDER_RATE
) -> VideoSource:
    if max_frames is not None and max_frames < 1:
        raise LstmzooError(f"max_frames must be at least 1, not {max_frames}")
    if not files:
        raise DataError(f"there are no frames in {path}; looked for files ending in {', '.join(IMAGE_SUFFIXES)}")
    return VideoSource(name, path, files, rate, min(len(files), max_frames or len(files)), max_frames)
