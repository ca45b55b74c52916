"""How messages list things."""

from collections.abc import Iterable


def listed(names: Iterable[object], limit: int = 6) -> str:
    """List the first `limit` names, and say how many more there are; ``(none)`` where there are none."""
    words = [str(name) for name in names]
    shown = ", ".join(words[:limit]) or "(none)"
    return shown if len(words) <= limit else f"{shown} and {len(words) - limit} more"


def why_unreadable(error: Exception) -> str:
    """Say in plain words why a text file, JSON or YAML, cannot be read.

    Returns:
        One line, e.g. ``it is not UTF-8``.
    """
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    message = " ".join(str(error).split())
    if "integer string conversion" in message:
        return "it holds a number of thousands of digits"
    return message[:300]


def counted(number: int, noun: str) -> str:
    """Say how many there are: ``1 video``, ``2 videos``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
