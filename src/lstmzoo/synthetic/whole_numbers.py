"""The numbers that simulators are asked for."""

from __future__ import annotations

from typing import Any

from lstmzoo.errors import LstmzooError


def check_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Refuse what is not a whole number in its range.

    Args:
        name: what the number is called.
        value: the number.
        least: the smallest that is possible.
        most: the largest; None: there is none.

    Raises:
        LstmzooError: it is something else; the message names the range.
    """
    if type(value) is not int or value < least or (most is not None and value > most):
        valid = f"{least} or more" if most is None else f"{least} to {most}"
        raise LstmzooError(f"{name}={value} is not possible: give a whole number, {valid}")
