"""A KTH of moving figures: real video files and a ``00sequences.txt`` in the layout of the published set."""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import cv2
from filelock import FileLock

from lstmzoo.actions.data.kth_files import ACTIONS, SEQUENCES_FILE
from lstmzoo.actions.data.kth_files import SIMULATED_MARKER as MARKER
from lstmzoo.errors import DataError, LstmzooError, unknown_choice
from lstmzoo.io.atomic import publish, write_atomically
from lstmzoo.io.progress import progress_bar
from lstmzoo.io.video import count_all, count_frames
from lstmzoo.synthetic.marked_folder import claim
from lstmzoo.synthetic.person_video import shoot, write_script
from lstmzoo.synthetic.scene import HEIGHT, WIDTH
from lstmzoo.synthetic.whole_numbers import check_whole
from lstmzoo.synthetic.worker import start_worker

PERSONS, SCENARIOS = 25, 4
FRAME_RATE = 25.0
_MAKER, _VERSION = "lstmzoo.data.simulate.kth", 2  # a mark in files, whatever this module is called
_PARTIAL, _LOCK = ".partial", ".simulate.lock"
_VIDEOS_PER_START = 8  # a worker takes about as long to start as it takes to draw this many videos
_HEADER = """
This database contains sequences of six classes of actions performed by
drawn figures in up to four different conditions. It is simulated, in the layout
of the KTH database of human actions (Schuldt, Laptev and Caputo, ICPR 2004).

Frames are counted from 1; the first and the last frame belong to the range.
The official subdivision with respect to the subject:

Training:   person11, 12, 13, 14, 15, 16, 17, 18
Validation: person19, 20, 21, 23, 24, 25, 01, 04
Test:       person22, 02, 03, 05, 06, 07, 08, 09, 10


"""


class Video(NamedTuple):
    """Which video: person and scenario count from 1."""

    person: int
    action: str
    scenario: int

    @property
    def key(self) -> str:
        """Its name in ``00sequences.txt``, e.g. ``person01_boxing_d1``."""
        return f"person{self.person:02d}_{self.action}_d{self.scenario}"

    def path(self, root: Path) -> Path:
        """Its file, e.g. ``root/boxing/person01_boxing_d1_uncomp.avi``."""
        return root / self.action / f"{self.key}_uncomp.avi"


def simulate_kth(
    root: str | Path,
    *,
    persons: int = PERSONS,
    actions: Sequence[str] = ACTIONS,
    scenarios: int = SCENARIOS,
    seed: int = 0,
    gap: int = 0,
    workers: int | None = None,
) -> Path:
    """Write a KTH of moving figures: real AVI files in the real layout.

    They are 160×120 MPEG-4 at 25 frames a second, with ``00sequences.txt``, the same whatever the number of workers.
    Videos that are already there as a whole are kept, so that a second call completes an interrupted one, and one with
    more persons, actions or scenarios extends the set. Scripts that call this with several workers need the usual ``if
    __name__ == "__main__":``.

    Args:
        root: folder of the data set; made if it is not there. A folder with anything else in it is refused.
        persons: number of persons, 1 to 25.
        actions: which of the six actions.
        scenarios: number of scenarios, 1 to 4: outdoors, with zoom, with other clothes, indoors.
        seed: every seed gives other persons, places and courses.
        gap: frames of the empty scene at the end of every video, after its last range.
        workers: number of processes; null: one per processor, fewer for few videos.

    Returns:
        The folder of the data set.

    Raises:
        LstmzooError: If an option is out of its range, a video cannot be encoded here, or the disk is full.
        DataError: If the folder holds something other than a simulated set of the same seed.

    Source: the layout is that of Schuldt, Laptev and Caputo, "Recognizing human actions: a local SVM approach",
    ICPR 2004.
    """
    videos = _requested(persons, actions, scenarios)
    check_whole("seed", seed, 0)
    check_whole("gap", gap, 0)
    if workers is not None:
        check_whole("workers", workers, 1)
    root = Path(root)
    mine = {"maker": _MAKER, "version": _VERSION, "seed": seed, **({"gap": gap} if gap else {})}
    claim(root, MARKER, mine, "KTH")
    with FileLock(root / _LOCK):
        missing = _missing(videos, root, seed, gap)
        for folder in {video.path(root).parent for video in missing}:
            folder.mkdir(exist_ok=True)
        partial = root / _PARTIAL
        shutil.rmtree(partial, ignore_errors=True)  # left by a run that was killed
        partial.mkdir()
        try:
            with progress_bar("Simulating KTH", len(missing), "videos") as advance:
                for _ in _draw_all(missing, root, seed, gap, workers):
                    advance(1)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        write_atomically(root / SEQUENCES_FILE, _sequences(root, seed).encode("ascii"))
    return root


def _requested(persons: int, actions: Sequence[str], scenarios: int) -> list[Video]:
    """Check the options and list the videos they ask for."""
    check_whole("persons", persons, 1, PERSONS)
    check_whole("scenarios", scenarios, 1, SCENARIOS)
    chosen = [actions] if isinstance(actions, str) else list(actions)
    for action in chosen:
        if action not in ACTIONS:
            raise LstmzooError(unknown_choice("action", action, ACTIONS))
    if not chosen:
        raise LstmzooError(f"no action given; choose from {', '.join(ACTIONS)}")
    return [
        Video(person, action, scenario)
        for person in range(1, persons + 1)
        for action in ACTIONS
        if action in chosen
        for scenario in range(1, scenarios + 1)
    ]


def _missing(videos: list[Video], root: Path, seed: int, gap: int) -> list[Video]:
    """List the videos that are not there as a whole; earlier versions left files behind that a full disk cut short."""
    there = [video for video in videos if video.path(root).exists()]
    frames, _ = count_all([video.path(root) for video in there])
    whole = {video for video in there if frames.get(video.path(root)) == _frames(video, seed, gap)}
    return [video for video in videos if video not in whole]


def _frames(video: Video, seed: int, gap: int) -> int:
    return len(write_script(*video, seed).x) + gap


def _draw_all(videos: list[Video], root: Path, seed: int, gap: int, workers: int | None) -> Iterator[Video]:
    """Draw the videos, here or in several processes; yields each when it is finished."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(workers or cores, -(-len(videos) // _VIDEOS_PER_START))
    if workers <= 1:
        for video in videos:
            yield _draw(video, root, seed, gap)
        return
    # Fresh processes: a forked one may inherit locks of threads that torch or OpenCV had running.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=start_worker)
    try:
        for future in as_completed([pool.submit(_draw, video, root, seed, gap) for video in videos]):
            yield future.result()
    except BrokenProcessPool as error:
        raise LstmzooError(
            "a worker process died; call simulate_kth under `if __name__ == '__main__':`, or with workers=1"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _draw(video: Video, root: Path, seed: int, gap: int) -> Video:
    """Draw one video beside the set and move it in when it is complete."""
    temporary = root / _PARTIAL / f"{video.key}.avi"
    codec = cv2.VideoWriter.fourcc(*"XVID")
    writer = cv2.VideoWriter(str(temporary), codec, FRAME_RATE, (WIDTH, HEIGHT), False)
    if not writer.isOpened():
        raise LstmzooError(f"cannot write {temporary}: this OpenCV has no XVID (MPEG-4) encoder, or the disk is full")
    for image in shoot(*video, seed, gap):
        writer.write(image)
    writer.release()
    _check_whole(temporary, video.path(root), _frames(video, seed, gap))
    publish(temporary, video.path(root))
    return video


def _check_whole(temporary: Path, path: Path, frames: int) -> None:
    """Count the frames again: OpenCV reports nothing when a disk is full."""
    try:
        found = count_frames(temporary)
    except DataError:
        found = 0
    if found != frames:
        raise LstmzooError(
            f"cannot write {path}: {found} of {frames} frames could be stored; the disk is probably full: make room "
            "there, or choose another place"
        )


def _sequences(root: Path, seed: int) -> str:
    """Write ``00sequences.txt`` for all videos in the folder, in the form of the published one."""
    pattern = re.compile(rf"person(\d\d)_({'|'.join(ACTIONS)})_d(\d)_uncomp")
    found = filter(None, (pattern.fullmatch(path.stem) for path in root.glob("*/*.avi")))
    videos = sorted(Video(int(match[1]), match[2], int(match[3])) for match in found)
    lines = _HEADER.split("\n")[:-1]
    for person, group in groupby(videos, key=lambda video: video.person):
        if person != videos[0].person:
            lines.append("")
        for video in group:
            ranges = ", ".join(f"{first}-{last}" for first, last in write_script(*video, seed).ranges)
            tabs = "\t" * -(-(32 - len(video.key)) // 8)  # up to the same column, with tab stops of eight
            lines.append(f"{video.key}{tabs}frames\t{ranges}")
    return "\r\n".join(lines) + "\r\n"
