"""The errors and warnings that lstmzoo shows to people: one message, the value, the choices, the remedy."""

import difflib
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class LstmzooError(Exception):
    """A mistake in what was asked for; the command line prints it as one message and exits with code 2."""


class DataError(LstmzooError):
    """A data set on disk that is missing, incomplete or damaged beyond use."""


class CheckpointError(LstmzooError):
    """A checkpoint that is missing, damaged, or not one of ours."""


@contextmanager
def naming(key: str, folder: str | Path | None) -> Iterator[None]:
    """Let a `DataError` that begins with a folder begin with the key that named it: ``data.root=FOLDER is ...``."""
    try:
        yield
    except DataError as error:
        if str(error).startswith((f"{folder} ", f"{folder}:", f"{folder},")):
            error.args = (f"{key}={error}",)
        raise


class DataWarning(UserWarning):
    """Data that is usable but not as it should be; the message names the file."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: what Ctrl-C cleans up and keeps, they clean up and keep, too.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(number)
        self.number = int(number)


ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that end a program cleanly; SIGHUP comes when the terminal is closed."""


def leave_closed_terminal() -> None:
    """Print to nowhere, if it was to a terminal that is closed: what is done is to be kept, not to end at a line."""
    for stream in (1, 2):
        try:
            os.write(stream, b"")
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def printable(text: object) -> str:
    """Make a text from a file safe for a terminal: control and escape characters are shown as ``\\x1b``, not sent.

    Args:
        text: anything; its ``str`` is taken. Line breaks and tabs stay.
    """
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode() for char in str(text)
    )


def unknown_choice(kind: str, value: object, choices: Iterable[str]) -> str:
    """Word the message for a name that is not among the valid ones, with a near match first.

    Args:
        kind: what the name is a name of, e.g. ``"cell"``.
        value: what was asked for.
        choices: the valid names.

    Returns:
        The message, e.g. ``unknown cell 'lstn'; did you mean 'lstm'? Valid: gru, lstm``.
    """
    names = sorted(choices)
    near = difflib.get_close_matches(str(value), names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {kind} {value!r}; {hint}Valid: {', '.join(names) or '(none)'}"
