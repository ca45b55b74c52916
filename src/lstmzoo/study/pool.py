"""Many small jobs in several processes, each on one thread."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from lstmzoo.errors import LstmzooError
from lstmzoo.io.allocator import keep_freed_memory
from lstmzoo.synthetic.worker import start_worker

Job = TypeVar("Job")


def run_all(work: Callable[[Job], Any], jobs: Sequence[Job], workers: int) -> Iterator[Any]:
    """Yield the results of all jobs, in the order in which they end.

    Args:
        work: does a job; a function of a module, for other processes import it.
        jobs: the jobs; those that take long should come first.
        workers: processes at a time.

    Raises:
        LstmzooError: the system has ended a process, for want of memory, say.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_begin) as pool:
        try:
            for future in as_completed([pool.submit(work, job) for job in jobs]):
                yield future.result()
        except BrokenProcessPool as error:
            raise LstmzooError(
                "a process of the study was ended by the system, maybe for want of memory; "
                "take fewer jobs or a smaller batch_size, and the same command goes on"
            ) from error
        except BaseException:  # Ctrl-C, or the reader has left: what runs is not worth waiting for
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.kill()  # whatever it writes is there as a whole or not at all
            raise


def _begin() -> None:
    import torch

    start_worker()
    keep_freed_memory()
    torch.set_num_threads(1)
