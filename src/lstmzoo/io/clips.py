"""Which frames of a segment make up a clip: the sampling that every video task shares."""

from dataclasses import dataclass

import numpy as np

from lstmzoo.errors import LstmzooError


@dataclass(frozen=True)
class ClipSampler:
    """Choose `clip_len` frames, `frame_interval` apart, inside a segment.

    A clip that starts at offset s of a segment of n frames takes the offsets

        (s + k · frame_interval · speed) mod n,   k = 0 … clip_len − 1,

    rounded to whole frames. The speed is 1 in a video of the frame rate that the interval is meant for, and 2 in one
    of twice as many frames per second, so that neighbouring frames of a clip are equally far apart in time in all
    videos.

    Where the clip fits, s is chosen so that nothing wraps round, unless segments are closed: then a random clip begins
    anywhere, so that every frame of a segment is as likely. A segment too short for one clip is looped, never
    dropped: dropping would remove more of the fast actions than of the slow ones.
    """

    clip_len: int  # frames per clip
    frame_interval: int = 1  # distance of neighbouring frames of a clip, in frames of a video at speed 1
    num_clips: int = 1  # clips that `even` spreads over a segment
    closed: bool = False  # segments end as they begin: a random clip may run on from the end to the beginning

    def __post_init__(self) -> None:
        for name in ("clip_len", "frame_interval", "num_clips"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise LstmzooError(f"{name} must be a whole number of at least 1, not {value!r}")

    @property
    def span(self) -> int:
        """Frames of video from the first to the last frame of a clip at speed 1, both counted."""
        return (self.clip_len - 1) * self.frame_interval + 1

    def random(self, length: int, rng: np.random.Generator, speed: float = 1.0) -> np.ndarray:
        """Place one clip at random.

        Args:
            length: frames in the segment, at least 1.
            rng: source of the randomness; one number is drawn.
            speed: frame rate of the video, as a multiple of that which `frame_interval` is meant for.

        Returns:
            Offsets inside the segment, int64 (clip_len,).
        """
        steps = self._steps(speed)
        starts = length - steps[-1] if length > steps[-1] and not self.closed else length
        return _looped(steps + int(rng.integers(starts)), length)

    def even(self, length: int, speed: float = 1.0) -> np.ndarray:
        """Spread `num_clips` clips evenly, the first at the start and the last at the end of the segment.

        A single clip sits in the middle. Where the segment is shorter than a clip, every clip starts at its start.

        Args:
            length: frames in the segment, at least 1.
            speed: see `random`.

        Returns:
            Offsets inside the segment, int64 (num_clips, clip_len).
        """
        steps = self._steps(speed)
        slack = max(length - int(steps[-1]) - 1, 0)
        starts = [slack // 2] if self.num_clips == 1 else np.linspace(0, slack, self.num_clips).round()
        return np.stack([_looped(steps + int(start), length) for start in starts])

    def _steps(self, speed: float) -> np.ndarray:
        return np.rint(np.arange(self.clip_len) * self.frame_interval * speed).astype(np.int64)


def _looped(offsets: np.ndarray, length: int) -> np.ndarray:
    if length < 1:
        raise LstmzooError(f"a clip needs a segment of at least one frame, not {length}")
    return offsets % length
