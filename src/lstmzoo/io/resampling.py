"""Frames that come at any times, brought to the constant rate of those that a model was trained on."""

import math


class Resampler:
    """Tells how often each of the frames that come one by one is to be taken.

    Time is cut into ticks, `rate` of them a second; the frame taken at each is the nearest in time. So from 60 frames
    per second to 25, tick i takes frame round(i · 60 / 25).

    Args:
        rate: frames per second wanted, or None to take every frame once.
        source_rate: frames per second that come, on average; None takes every frame once.
        limit: how often one frame is taken at most, however long nothing else comes.
    """

    def __init__(self, rate: float | None, source_rate: float | None, limit: int) -> None:
        self.rate = rate if source_rate else None
        self.usual = 1 / source_rate if source_rate else 0.0
        self.previous = -self.usual
        self.limit, self.ticks = limit, 0

    def repeats(self, time_s: float) -> int:
        """Return how often the frame at this time is taken, which may be 0; the times grow."""
        if self.rate is None:
            return 1
        # The next frame is expected after as long a time as went by since the one before, but not after a long break.
        until = time_s + min(time_s - self.previous, self.usual) / 2
        self.previous = time_s
        due = max(math.ceil(until * self.rate - 1e-6) - self.ticks, 0)
        self.ticks += due
        return min(due, self.limit)
