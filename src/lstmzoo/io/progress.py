"""The progress bar of everything that takes long: decoding, downloading, checking."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from lstmzoo.errors import printable
from lstmzoo.io.terminal import PlainConsole

_hidden = False


@contextmanager
def without_progress() -> Iterator[None]:
    """Show no progress bars."""
    global _hidden
    before, _hidden = _hidden, True
    try:
        yield
    finally:
        _hidden = before


@contextmanager
def progress_bar(
    title: str, total: float | None, unit: str, *, show: bool = True, scale: float = 1.0
) -> Iterator[Callable[[float], None]]:
    """Show a progress bar on standard error.

    Args:
        title: what is being done.
        total: how much there is to do; None where it is not known. Where there is nothing, there is no bar.
        unit: of what, e.g. ``"videos"``.
        show: False for no bar at all.
        scale: what one unit is, where amounts are not counted in units, e.g. 1e6 for bytes shown as ``"MB"``.

    Yields:
        A function to be called with the amount that was done since its last call.
    """
    amount = "{task.fields[done]:.0f}/{task.fields[all]} {task.fields[unit]}"
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn(amount, markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=PlainConsole(stderr=True), disable=_hidden or not show or total == 0) as bar:
        shown_total = "?" if total is None else f"{total / scale:.0f}"
        task = bar.add_task(printable(title), total=total, done=0.0, all=shown_total, unit=unit)
        done = 0.0

        def advance(step: float) -> None:
            nonlocal done
            done += step
            bar.update(task, advance=step, done=done / scale)

        yield advance
