"""The command line: ``lstmzoo <command> [key=value ...]``."""

import importlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lstmzoo.errors import (
    ENDINGS,
    DataWarning,
    LstmzooError,
    Terminated,
    leave_closed_terminal,
    printable,
    unknown_choice,
)

COMMANDS = {
    "train": ("train", "train a model; without arguments: an LSTM on simulated KTH"),
    "eval": ("use", "measure a checkpoint on a data split"),
    "predict": ("use", "use a checkpoint: label videos or a camera, describe images, segment objects in videos"),
    "inspect": ("use", "look inside: confusion and gates, attention word by word, or the memory of objects"),
    "compare": ("measure", "put runs side by side: one table and one figure"),
    "study": ("measure", "train many small networks alike: how far back cells remember"),
    "export": ("export", "write a run as a folder of safetensors and JSON, with a card"),
    "app": ("lstmzoo.app", "try models in the browser: captions, actions, masks"),
    "data": ("data", "simulate, prepare or check a data set"),
    "list": ("catalogue", "list models, weights, cells, encoders, data sets, tasks or experiments"),
    "check": ("catalogue", "test models, data sets and tasks of your own against what the commands need"),
    "bench": ("measure", "time cells, data or models"),
    "completion": ("completion", "print the completion script of a shell: bash, zsh or fish"),
}
"""Each command with the module that runs it, and what it does."""

OVERVIEW = """\
lstmzoo: recurrent memory for PyTorch

usage: lstmzoo <command> [key=value ...]

{commands}

Examples
  lstmzoo train
  lstmzoo train experiment=kth_framewise trainer.max_epochs=5
  lstmzoo train experiment=video_folder data.root=my_videos model.cell=gru
  lstmzoo eval ckpt_path=runs/kth_lstm/<date>/checkpoints/best.ckpt
  lstmzoo predict ckpt_path=runs/kth_lstm/<date>/checkpoints/best.ckpt input=video.avi output=out

`lstmzoo <command> --help` says more. LSTMZOO_DEBUG=1 shows where an error came from.
"""

EXIT_WRONG_USE = 2
EXIT_INTERRUPTED = 128 + signal.SIGINT


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments after ``lstmzoo``; None for those of the process.

    Returns:
        The exit code: 0, 2 for a mistake in what was asked for, 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(
            OVERVIEW.format(commands="\n".join(f"  {name:<12}{text}" for name, (_, text) in COMMANDS.items())), end=""
        )
        return 0
    if arguments[0] in ("-V", "--version"):
        from lstmzoo.version import __version__

        print(f"lstmzoo {__version__}")
        return 0
    try:
        if arguments[0] not in COMMANDS:
            raise LstmzooError(unknown_choice("command", arguments[0], COMMANDS))
        with _plain_warnings(), _signals_unwind():
            _run(*arguments)
    except Terminated as error:
        print("lstmzoo: terminated", file=sys.stderr)
        return 128 + error.number
    except KeyboardInterrupt:
        print("lstmzoo: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output has left, e.g. `lstmzoo list models | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (LstmzooError, OSError, MemoryError) as error:
        if os.environ.get("LSTMZOO_DEBUG") == "1":
            raise
        print(f"lstmzoo: {printable(_in_words(error)).removeprefix('lstmzoo ')}", file=sys.stderr)
        return EXIT_WRONG_USE
    return 0


def _run(command: str, *words: str) -> None:
    asked = {"-h", "--help"} & {*words} or (not words and command != "train")
    if asked and command in ("train", "eval", "predict", "inspect"):
        from lstmzoo.cli import help

        print(help.USAGES[command](words), end="")
        return
    from lstmzoo.io.allocator import keep_freed_memory

    keep_freed_memory()
    place = COMMANDS[command][0]
    module = importlib.import_module(place if "." in place else f"lstmzoo.cli.{place}")
    run = getattr(module, f"run_{command}", None) or module.run
    run([*words])


def _in_words(error: Exception) -> str:
    """What a person reads of an error; the system's own name the file, where it says which."""
    if isinstance(error, MemoryError):
        return f"there is not enough memory ({error})" if str(error) else "there is not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


@contextmanager
def _signals_unwind() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an exception, so that files are tidied up, and what is done is kept.

    SIGTERM comes from `kill`, `timeout`, `docker stop` and batch systems, SIGHUP when the terminal is closed. A second
    one does not disturb that: `timeout` sends SIGTERM to the process and to its group. A signal that is ignored, as by
    `nohup`, stays so.
    """
    received: list[int] = []

    def terminate(number: int, frame: object) -> None:
        if not received:
            received.append(number)
            leave_closed_terminal()
            raise Terminated(number)

    if threading.current_thread() is not threading.main_thread():  # only that one may set handlers
        yield
        return
    usual = {number: signal.getsignal(number) for number in ENDINGS}
    handled = [number for number, handler in usual.items() if handler != signal.SIG_IGN]
    for number in handled:
        signal.signal(number, terminate)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, usual[number])


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show our own warnings as one line each, without the place in the code."""
    usual = warnings.formatwarning

    def plain(message: Any, category: type[Warning], *place: Any, **more: Any) -> str:
        if issubclass(category, DataWarning):
            return f"lstmzoo: warning: {printable(message)}\n"
        return usual(message, category, *place, **more)

    warnings.formatwarning = plain
    try:
        yield
    finally:
        warnings.formatwarning = usual
