"""What a worker process of a simulator does first."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

import cv2


def start_worker() -> None:
    """Set up a process of a pool; it ends with the process that started it, however that one ends.

    A worker of `concurrent.futures` waits for work on a pipe whose other end it holds itself, so that it would wait
    for ever after its parent was killed, and keep the parent's standard output open
    (https://github.com/python/cpython/issues/111873).
    """
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
