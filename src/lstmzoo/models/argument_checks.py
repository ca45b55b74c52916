"""Checks of models' arguments and inputs."""

from torch import Tensor

from lstmzoo.errors import LstmzooError
from lstmzoo.nn import Cell, get_cell
from lstmzoo.nn.engines.native.traceable import is_traced

MARGIN = 0.5  # beyond 0..1 that is let pass: interpolation overshoots


def check_sizes(**sizes: int) -> None:
    """Raise `LstmzooError` for a size that is not a whole number of at least 1."""
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise LstmzooError(f"{name} must be a whole number of at least 1, got {size!r}")


def find_cell(cell: str) -> Cell:
    """A recurrent cell by its registered name, or the place of one of your own; `LstmzooError` if there is none."""
    try:
        return get_cell(cell)
    except (ValueError, TypeError) as error:
        raise LstmzooError(str(error)) from error


def check_range(name: str, values: Tensor) -> None:
    """Raise `ValueError` for numbers far out of 0..1.

    Only on the CPU, where a look at them costs next to nothing: a GPU would have to finish its queue first. And not
    while torch traces or transforms the computation.
    """
    if values.device.type != "cpu" or not values.numel() or is_traced(values):
        return
    least, most = (float(one) for one in values.detach().aminmax())
    if least < -MARGIN or most > 1 + MARGIN:
        raise ValueError(
            f"{name}: numbers from {least:g} to {most:g}, but they lie in 0..1; divide them, or, for images, give "
            "uint8 in 0..255"
        )
