"""What a worker process of a simulator does first."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

import cv2

from lstmzoo.errors import ENDINGS


def start_worker() -> None:
    """Set up a process of a pool; it ends with the process that started it, however that one ends.

    A worker of `concurrent.futures` waits for work on a pipe whose other end it holds itself, so that it would wait
    for ever after its parent was killed, and keep the parent's standard output open
    (https://github.com/python/cpython/issues/111873).
    """
    cv2.setNumThreads(0)
    for number in (signal.SIGINT, *ENDINGS):  # they may reach all processes; the parent ends its workers
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
