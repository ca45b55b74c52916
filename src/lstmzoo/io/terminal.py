"""What is printed: names, words and captions from files appear as they are, and do nothing to the terminal."""

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from lstmzoo.errors import printable


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, whose streams pass for terminals."""
    kernel = sys.modules.get("ipykernel.kernelapp")  # others, such as mkdocs, import it without being one
    return kernel is not None and bool(kernel.IPKernelApp.initialized())


class PlainConsole(Console):
    """A console for tables and lines in which ``[red]``, ``:smile:`` and escape codes are mere text.

    In a notebook it writes text as it would into a file: neither HTML nor a bar that moves.

    Args:
        **options: those of ``rich.console.Console``.
    """

    def __init__(self, **options: Any) -> None:
        plain: dict[str, Any] = {"force_jupyter": False, "force_terminal": False} if in_notebook() else {}
        super().__init__(markup=False, emoji=False, highlight=False, **(plain | options))

    def render_str(self, text: str, **options: Any) -> Text:  # type: ignore[override]
        """Turn a text, of a cell or a line, into what is drawn."""
        return super().render_str(printable(text), **options)


def wide_console() -> PlainConsole:
    """A console for results, whose tables keep their width where the output is not a terminal."""
    return PlainConsole(width=None if sys.stdout.isatty() else 120)


def print_plain(text: object, *, error: bool = False) -> None:
    """Print a line that holds names or words from files; to standard error if it is one."""
    print(printable(text), file=sys.stderr if error else sys.stdout)
