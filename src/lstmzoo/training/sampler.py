"""The order of training: a pure function of (seed, epoch), that can start in the middle of an epoch."""

from collections.abc import Iterator, Sized
from typing import Any

import numpy as np
from torch.utils.data import DistributedSampler


class EpochSampler(DistributedSampler[Any]):
    """A fresh shuffle every epoch, yielding (index, epoch).

    The data set needs the epoch to draw other clips every time, in whichever worker process it lives.

    Args:
        dataset: what is sampled.
        seed: of the shuffles.
        num_replicas: number of processes.
        rank: number of this process.
        epoch: the epoch to start with.
        skip: items of this process that a run had already used up in that epoch before it was interrupted.
    """

    def __init__(
        self, dataset: Sized, *, seed: int = 0, num_replicas: int = 1, rank: int = 0, epoch: int = 0, skip: int = 0
    ) -> None:
        super().__init__(dataset, num_replicas=num_replicas, rank=rank, shuffle=True, seed=seed)  # type: ignore[arg-type]
        self.items = len(dataset)
        self.epoch = epoch
        self.skip = skip

    def __iter__(self) -> Iterator[tuple[int, int]]:
        # Seeded with the pair: by torch's seed + epoch, the orders of one run are those of another, an epoch later.
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.items)
        order = np.resize(order, self.total_size)  # from the start again, until all processes have as many
        return ((index, self.epoch) for index in order[self.rank :: self.num_replicas][self.skip :].tolist())

    def set_epoch(self, epoch: int) -> None:
        """Go on to an epoch; Lightning calls it. Nothing is skipped in any epoch but the first."""
        if epoch != self.epoch:
            self.skip = 0
        super().set_epoch(epoch)
