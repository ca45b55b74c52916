"""``key=value`` words, for the commands that need no configuration files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lstmzoo.errors import LstmzooError, unknown_choice


def parse_options(words: list[str], kinds: Mapping[str, Callable[[str], object]], command: str) -> dict[str, Any]:
    """Take ``key=value`` words apart.

    Args:
        words: the words.
        kinds: the keys there are, each with what turns its text into its value.
        command: the command, for messages.

    Returns:
        The values, by key.

    Raises:
        LstmzooError: a word that is not ``key=value``, an unknown key, one given twice, or a value of the wrong kind.
    """
    options: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise LstmzooError(f"{command}: {word!r} is not of the form option=value; options: {', '.join(kinds)}")
        if key not in kinds:
            raise LstmzooError(f"{command}: {unknown_choice('option', key, kinds)}")
        if key in options:
            raise LstmzooError(f"{command}: {key} is given twice")
        try:
            if not text:
                raise ValueError("it is empty")
            options[key] = kinds[key](text)
        except ValueError as error:
            raise LstmzooError(f"{command}: {key}={text} cannot be used: {error}") from error
    return options


def names(text: str) -> tuple[str, ...]:
    """Read ``walking,running`` or ``[walking,running]``."""
    return tuple(name.strip() for name in text.strip("[]").split(",") if name.strip())


def size(text: str) -> tuple[int, ...]:
    """Read ``96,160`` or ``[96,160]``: height and width in pixels."""
    return tuple(int(number) for number in names(text))


def flag(text: str) -> bool:
    """Read ``true`` or ``false``."""
    if text.lower() not in ("true", "false"):
        raise ValueError("it is true or false")
    return text.lower() == "true"
