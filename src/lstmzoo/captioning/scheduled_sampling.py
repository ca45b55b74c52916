"""How many of its own words a captioner reads in training."""

from dataclasses import dataclass

from lstmzoo.errors import LstmzooError


@dataclass
class ScheduledSampling:
    """Scheduled sampling (Bengio et al. 2015): words drawn from the model replace a growing share of the true ones.

    Args:
        max: largest share of words that are replaced, 0..1.
        step: by how much the share grows at a time.
        every: epochs from one time to the next.

    Raises:
        LstmzooError: a value out of its range.
    """

    max: float = 0.25
    step: float = 0.05
    every: int = 5

    def __post_init__(self) -> None:
        if not 0 <= self.max <= 1 or self.step < 0 or self.every < 1:
            raise LstmzooError(
                f"task.scheduled_sampling: max={self.max} must lie in 0..1, step={self.step} be 0 or more and "
                f"every={self.every} 1 or more"
            )

    def share(self, epoch: int) -> float:
        """Return the share of words that are replaced in an epoch, counted from 0."""
        return min(self.max, self.step * (epoch // self.every))
