"""How time is measured: interleaved repetitions, so that a slow moment of the machine hits all rivals alike."""

import random
import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(
    rivals: Mapping[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.thread_time
) -> dict[str, float]:
    """Time several functions in turn and return the median of each.

    The order of every round is drawn again: whoever follows a large computation finds the caches empty.

    Args:
        rivals: name → function without arguments.
        repeats: rounds; in each, every function runs once. One more round before them warms up and is not counted.
        clock: ``time.thread_time`` counts the CPU time of this thread only (run with one torch thread);
            ``time.perf_counter`` counts all that passes.

    Returns:
        Name → seconds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for round_ in range(repeats + 1):
        for name, function in random.Random(round_).sample(list(rivals.items()), len(rivals)):
            start = clock()
            function()
            if round_ > 0:
                seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}
