"""Complaints of Lightning and torch about settings, as one message."""

from collections.abc import Iterator
from contextlib import contextmanager

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from lstmzoo.errors import LstmzooError


@contextmanager
def setting_errors(what: str) -> Iterator[None]:
    """Turn the complaints of Lightning and torch about settings into an `LstmzooError`."""
    try:
        yield
    except (MisconfigurationException, ArithmeticError, RuntimeError, TypeError, ValueError) as error:
        raise LstmzooError(f"{what} cannot be set up like this: {error}") from error
